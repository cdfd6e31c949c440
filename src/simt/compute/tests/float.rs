//! Floating-point arithmetic against `rustc_apfloat`.

use rustc_apfloat::ieee::{BFloat, Double, Half, Single};
use rustc_apfloat::{Float, Round};

use super::{agree, decode, for_operands};
use crate::simt::compute::{AtomicOp, atomic};
use crate::simt::ptx::ast::Type;

pub(super) const COVERED: &[&str] = &[
    "abs", "add", "copysign", "div", "fma", "mad", "max", "min", "mul", "neg", "rcp", "sqrt", "sub", "testp",
];

const ROUNDINGS: [(&str, Round); 4] = [
    ("rn", Round::NearestTiesToEven),
    ("rz", Round::TowardZero),
    ("rm", Round::TowardNegative),
    ("rp", Round::TowardPositive),
];

/// What `.ftz`, `.sat` and `.relu` do.
#[derive(Clone, Copy, Default)]
struct Flags {
    ftz: bool,
    sat: bool,
    relu: bool,
}

pub(super) fn nan<T: Float>(operands: &[u64]) -> u64 {
    match T::BITS {
        16 => 0x7fff,
        32 => 0x7fff_ffff,
        _ => operands
            .iter()
            .find(|bits| f64::from_bits(**bits).is_nan())
            .map_or(0x7ff8_0000_0000_0000, |bits| bits | 0x0008_0000_0000_0000),
    }
}

pub(super) fn flush<T: Float>(value: T, ftz: bool) -> T {
    if ftz && value.is_denormal() { T::ZERO.copy_sign(value) } else { value }
}

fn apply<T: Float>(opcode: &str, operands: &[u64], round: Round, flags: Flags) -> u64 {
    let number = |i: usize| flush(T::from_bits(operands[i].into()), flags.ftz);
    let one = T::from_u128(1).value;
    let result = match opcode {
        "add" => number(0).add_r(number(1), round).value,
        "sub" => number(0).sub_r(number(1), round).value,
        "mul" => number(0).mul_r(number(1), round).value,
        "div" => number(0).div_r(number(1), round).value,
        "rcp" => one.div_r(number(0), round).value,
        "fma" | "mad" => number(0).mul_add_r(number(1), number(2), round).value,
        other => panic!("no oracle of {other}"),
    };
    let mut result = flush(result, flags.ftz);
    if flags.sat {
        result = if result.is_nan() || result.is_negative() {
            T::ZERO
        } else if result > one {
            one
        } else {
            result
        };
    }
    if flags.relu && result.is_negative() && !result.is_nan() {
        result = T::ZERO;
    }
    if result.is_nan() { nan::<T>(operands) } else { result.to_bits() as u64 }
}

fn arithmetic<T: Float>(opcodes: &[&str], roundings: &[(&str, Round)], suffixes: &[(&str, Flags)], ty: &str) {
    for opcode in opcodes {
        let sources = match *opcode {
            "fma" | "mad" => 3,
            "rcp" => 1,
            _ => 2,
        };
        for (word, round) in roundings {
            for (suffix, flags) in suffixes {
                let name = format!("{opcode}.{word}{suffix}.{ty}");
                agree(&name, sources, 30_000, |operands| {
                    apply::<T>(opcode, &operands[..sources], *round, *flags)
                });
            }
        }
    }
}

const PLAIN: (&str, Flags) = ("", Flags { ftz: false, sat: false, relu: false });
const FTZ: (&str, Flags) = (".ftz", Flags { ftz: true, sat: false, relu: false });
const SAT: (&str, Flags) = (".sat", Flags { ftz: false, sat: true, relu: false });
const BOTH: (&str, Flags) = (".ftz.sat", Flags { ftz: true, sat: true, relu: false });
const RELU: (&str, Flags) = (".relu", Flags { ftz: false, sat: false, relu: true });
const FTZ_RELU: (&str, Flags) = (".ftz.relu", Flags { ftz: true, sat: false, relu: true });

#[test]
fn f32_arithmetic() {
    arithmetic::<Single>(&["add", "sub", "mul", "fma", "mad"], &ROUNDINGS, &[PLAIN, FTZ, SAT, BOTH], "f32");
    arithmetic::<Single>(&["div", "rcp"], &ROUNDINGS, &[PLAIN, FTZ], "f32");
}

#[test]
fn f64_arithmetic() {
    arithmetic::<Double>(&["add", "sub", "mul", "fma", "mad", "div", "rcp"], &ROUNDINGS, &[PLAIN], "f64");
}

#[test]
fn half_arithmetic() {
    let near = &ROUNDINGS[..1];
    arithmetic::<Half>(&["add", "sub", "mul"], near, &[PLAIN, FTZ, SAT, BOTH], "f16");
    arithmetic::<Half>(&["fma"], near, &[PLAIN, FTZ, SAT, BOTH, RELU, FTZ_RELU], "f16");
    arithmetic::<BFloat>(&["add", "sub", "mul"], near, &[PLAIN], "bf16");
    arithmetic::<BFloat>(&["fma"], near, &[PLAIN, RELU], "bf16");
}

#[test]
fn packed_arithmetic_is_that_of_the_halves() {
    for (packed, single) in [("f16x2", "f16"), ("bf16x2", "bf16")] {
        for (opcode, sources) in
            [("add", 2), ("sub", 2), ("mul", 2), ("fma.rn", 3), ("min", 2), ("max", 2), ("neg", 1)]
        {
            let one = decode(&format!("{opcode}.{single}"), sources);
            agree(&format!("{opcode}.{packed}"), sources, 10_000, |operands| {
                let low = one.evaluate(operands.map(|value| value & 0xffff)).value;
                let high = one.evaluate(operands.map(|value| value >> 16)).value;
                low | high << 16
            });
        }
    }
}

/// The root is right if the exact squares of it and of its neighbour lie on either side: checked with
/// integers of any length.
#[test]
fn square_roots() {
    use num_bigint::BigUint;
    for (ty, precision, bits, bias) in [("f32", 24u32, 32u32, 127i64), ("f64", 53, 64, 1023)] {
        for (word, round) in ROUNDINGS {
            agree(&format!("sqrt.{word}.{ty}"), 1, 10_000, |[a, ..]| {
                let sign = 1u64 << (bits - 1);
                let unit = 1u64 << (precision - 1);
                let infinity = ((1u64 << (bits - precision)) - 1) * unit;
                let magnitude = a & !sign;
                if magnitude > infinity {
                    return if bits == 32 { 0x7fff_ffff } else { a | 1 << 51 };
                }
                if magnitude == 0 {
                    return a;
                }
                if a & sign != 0 {
                    return if bits == 32 { 0x7fff_ffff } else { 0x7ff8_0000_0000_0000 };
                }
                if magnitude == infinity {
                    return a;
                }
                let biased = (magnitude / unit) as i64;
                let fraction = magnitude % unit + if biased == 0 { 0 } else { unit };
                let exponent = biased.max(1) - bias - i64::from(precision) + 1;
                // a = fraction 2^exponent; scaled by an even power so that the root has 2 + precision bits or more.
                let shift = 2 * i64::from(precision) + 8 + (exponent & 1);
                let scaled = BigUint::from(fraction) << shift as u64;
                let root = scaled.sqrt();
                let exact = &root * &root == scaled;
                let length = root.bits() as i64;
                let drop = length - i64::from(precision);
                let kept = u64::try_from(&root >> drop as u64).unwrap();
                let rest = &root - (BigUint::from(kept) << drop as u64);
                let half = BigUint::from(1u8) << (drop - 1) as u64;
                let up = match round {
                    // A root is never halfway between two neighbours.
                    Round::NearestTiesToEven => rest >= half,
                    Round::TowardPositive => rest != BigUint::ZERO || !exact,
                    _ => false,
                };
                let power = (exponent - shift) / 2 + drop + i64::from(precision) - 1 + bias;
                (power as u64 - 1) * unit + kept + u64::from(up)
            });
        }
    }
}

pub(super) fn extreme<T: Float>(greatest: bool, keep_nan: bool, a: u64, b: u64) -> u64 {
    let (x, y) = (T::from_bits(a.into()), T::from_bits(b.into()));
    let both = x.is_nan() && y.is_nan();
    if both || (keep_nan && (x.is_nan() || y.is_nan())) {
        return nan::<T>(&[a, b]);
    }
    if x.is_nan() || y.is_nan() {
        return if x.is_nan() { b } else { a };
    }
    (if greatest { x.maximum(y) } else { x.minimum(y) }).to_bits() as u64
}

fn extremes<T: Float>(ty: &str, flags: bool) {
    let sign = 1u64 << (T::BITS - 1);
    for (opcode, greatest) in [("min", false), ("max", true)] {
        agree(&format!("{opcode}.{ty}"), 2, 10_000, |[a, b, ..]| extreme::<T>(greatest, false, a, b));
        if !flags {
            continue;
        }
        agree(&format!("{opcode}.NaN.{ty}"), 2, 10_000, |[a, b, ..]| extreme::<T>(greatest, true, a, b));
        agree(&format!("{opcode}.xorsign.abs.{ty}"), 2, 10_000, |[a, b, ..]| {
            let result = extreme::<T>(greatest, false, a & !sign, b & !sign);
            if T::from_bits(result.into()).is_nan() { result } else { result | ((a ^ b) & sign) }
        });
    }
}

#[test]
fn minima_and_maxima() {
    extremes::<Half>("f16", true);
    extremes::<BFloat>("bf16", true);
    extremes::<Single>("f32", true);
    extremes::<Double>("f64", false);
    for (opcode, greatest) in [("min", false), ("max", true)] {
        agree(&format!("{opcode}.NaN.f32"), 3, 10_000, |[a, b, c, _]| {
            extreme::<Single>(greatest, true, extreme::<Single>(greatest, true, a, b), c)
        });
        agree(&format!("{opcode}.ftz.f32"), 2, 10_000, |[a, b, ..]| {
            let flushed = |bits: u64| flush(Single::from_bits(bits.into()), true).to_bits() as u64;
            extreme::<Single>(greatest, false, flushed(a), flushed(b))
        });
    }
}

fn signs<T: Float>(ty: &str) {
    let canonical = |a: u64, value: T| {
        if value.is_nan() && T::BITS < 64 { nan::<T>(&[a]) } else { value.to_bits() as u64 }
    };
    agree(&format!("abs.{ty}"), 1, 10_000, |[a, ..]| canonical(a, T::from_bits(a.into()).abs()));
    agree(&format!("neg.{ty}"), 1, 10_000, |[a, ..]| canonical(a, -T::from_bits(a.into())));
}

#[test]
fn signs_and_classes() {
    signs::<Half>("f16");
    signs::<BFloat>("bf16");
    signs::<Single>("f32");
    signs::<Double>("f64");
    agree("copysign.f32", 2, 10_000, |[a, b, ..]| {
        Single::from_bits(b.into()).copy_sign(Single::from_bits(a.into())).to_bits() as u64
    });
    agree("copysign.f64", 2, 10_000, |[a, b, ..]| {
        Double::from_bits(b.into()).copy_sign(Double::from_bits(a.into())).to_bits() as u64
    });
    type Case = (&'static str, fn(Single) -> bool);
    let classes: [Case; 6] = [
        ("finite", |x| x.is_finite()),
        ("infinite", |x| x.is_infinite()),
        ("number", |x| !x.is_nan()),
        ("notanumber", |x| x.is_nan()),
        ("normal", |x| x.is_normal() || x.is_zero()),
        ("subnormal", |x| x.is_denormal()),
    ];
    for (class, oracle) in classes {
        agree(&format!("testp.{class}.f32"), 1, 10_000, |[a, ..]| oracle(Single::from_bits(a.into())).into());
    }
}

#[test]
fn atomic_additions() {
    for flush in [false, true] {
        for_operands(&[Type::F32; 2], 10_000, |[a, b, ..]| {
            let flags = Flags { ftz: flush, ..Flags::default() };
            let expected = apply::<Single>("add", &[a, b], Round::NearestTiesToEven, flags);
            assert_eq!(atomic(AtomicOp::Add { flush }, Type::F32, a, b, 0), expected);
        });
    }
    for_operands(&[Type::U32; 2], 10_000, |[old, a, ..]| {
        let (x, y) = (old as u32, a as u32);
        let check =
            |op, ty, expected: u32| assert_eq!(atomic(op, ty, old, a, 7), u64::from(expected), "{op:?}");
        check(AtomicOp::Add { flush: false }, Type::U32, x.wrapping_add(y));
        check(AtomicOp::Min, Type::U32, x.min(y));
        check(AtomicOp::Max, Type::S32, (x as i32).max(y as i32) as u32);
        check(AtomicOp::And, Type::B32, x & y);
        check(AtomicOp::Or, Type::B32, x | y);
        check(AtomicOp::Xor, Type::B32, x ^ y);
        check(AtomicOp::Exch, Type::B32, y);
        check(AtomicOp::Cas, Type::B32, if x == y { 7 } else { x });
        check(AtomicOp::Inc, Type::U32, if x >= y { 0 } else { x + 1 });
        check(AtomicOp::Dec, Type::U32, if x == 0 || x > y { y } else { x - 1 });
    });
}
