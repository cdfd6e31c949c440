//! Every instruction against an oracle that shares no code with it: `rustc_apfloat` for floats, the
//! host's typed integers and loops over single bits for the rest. Corner operands in all combinations,
//! then random ones.

mod bits;
mod convert;
mod decode;
mod fast;
mod float;
mod integer;
mod modifiers;
mod widths;

use super::Compute;
use crate::simt::ptx::ast::Type;

/// Decodes a written name.
fn decode(name: &str, sources: usize) -> Compute {
    let mut words = name.split('.').map(str::to_owned);
    let opcode = words.next().unwrap();
    Compute::decode(&opcode, &words.collect::<Vec<_>>(), sources).unwrap()
}

/// A small generator of operands (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// Numbers where something changes: zeros, subnormal and normal limits, one, the largest, infinity,
/// both sorts of NaN, halfway cases; each with its neighbours and with both signs.
fn float_corners(precision: u32, bits: u32) -> Vec<u64> {
    let unit = 1u64 << (precision - 1);
    let exponent = (1u64 << (bits - precision)) - 1;
    let one = (exponent >> 1) * unit;
    let infinity = exponent * unit;
    let mut all = Vec::new();
    for base in [0, unit, one, one + unit, one - unit, one + u64::from(precision) * unit, infinity] {
        all.extend([base, base + 1, base.wrapping_sub(1) & (infinity | (unit - 1))]);
    }
    all.extend([infinity + unit / 2, infinity + unit / 2 + 1, one + unit / 2, unit / 2]);
    let negative: Vec<_> = all.iter().map(|value| value | 1 << (bits - 1)).collect();
    all.extend(negative);
    all
}

fn integer_corners(bits: u32) -> Vec<u64> {
    let mask = u64::MAX >> (64 - bits);
    let powers = (0..bits).step_by(3).chain([bits - 1]).flat_map(|k| [1u64 << k, (1 << k) - 1, (1 << k) + 1]);
    let mut all: Vec<_> = powers.flat_map(|value| [value, value.wrapping_neg()]).map(|v| v & mask).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn corners(ty: Type) -> Vec<u64> {
    match ty {
        Type::F16 => float_corners(11, 16),
        Type::Bf16 => float_corners(8, 16),
        Type::F32 => float_corners(24, 32),
        Type::F64 => float_corners(53, 64),
        Type::Pred => vec![0, 1],
        _ => integer_corners(ty.bits()),
    }
}

/// Calls with corner operands in all combinations (at most 40,000), then with `random` random ones;
/// half of the random ones differ in few bits of their exponents, so that sums cancel.
fn for_operands(types: &[Type], random: usize, mut check: impl FnMut([u64; 4])) {
    let lists: Vec<_> = types.iter().map(|ty| corners(*ty)).collect();
    let total: usize = lists.iter().map(Vec::len).product();
    // A prime step reaches every corner of every operand where there are too many combinations.
    let step = if total > 40_000 { total / 40_000 + 1 } else { 1 };
    for index in (0..total).step_by(step) {
        let (mut operands, mut rest) = ([0; 4], index);
        for (operand, list) in operands.iter_mut().zip(&lists) {
            *operand = list[rest % list.len()];
            rest /= list.len();
        }
        check(operands);
    }
    let mut generator = Random(types.len() as u64);
    for round in 0..random {
        let mut operands = [0; 4];
        let common = generator.next();
        for (operand, ty) in operands.iter_mut().zip(types) {
            let bits = ty.bits();
            let value = generator.next() >> (64 - bits);
            let near = (common >> (64 - bits)) ^ value >> (bits.min(63) * (1 + round as u32 % 7) / 8);
            *operand = if round % 2 == 0 { value } else { near };
        }
        check(operands);
    }
}

/// Compares an instruction with its oracle on all operands.
fn agree(name: &str, sources: usize, random: usize, oracle: impl Fn([u64; 4]) -> u64) {
    let compute = decode(name, sources);
    for_operands(&compute.operands, random, |operands| {
        let (got, expected) = (compute.evaluate(operands).value, oracle(operands));
        assert_eq!(got, expected, "{name} of {operands:#x?}: {got:#x}, not {expected:#x}");
    });
}
