//! The common operations over all lanes of a warp at once: loops that the compiler turns into vector
//! instructions. What each computes for a lane is defined in [`compute`](crate::simt::compute); here is
//! only speed, and a test that both agree.

use multiversion::multiversion;

use crate::simt::compute::{Compute, fast};
use crate::simt::execute::{LANES, Registers};
use crate::simt::program::{LaneOp, Slot, Source};

/// A loop over the lanes of a mask: registers, the places of the result and of three operands, the mask.
#[derive(Debug, Clone, Copy)]
pub struct LaneFn(fn(&mut Registers, [u32; 4], u32));

impl LaneFn {
    /// Runs it.
    #[inline(always)]
    pub fn call(self, registers: &mut Registers, slots: [u32; 4], mask: u32) {
        (self.0)(registers, slots, mask);
    }
}

/// Puts the lanes of `mask` of `values` into `register`.
macro_rules! blend {
    ($register:expr, $values:expr, $mask:expr) => {{
        let register = $register;
        if $mask == u32::MAX {
            *register = $values;
        } else {
            for lane in 0..LANES {
                register[lane] = if $mask >> lane & 1 == 1 { $values[lane] } else { register[lane] };
            }
        }
    }};
}

/// Operations on registers of the named files: the result's, then the operands'.
macro_rules! lane_fn {
    ($name:ident, $to:ident, ($($from:ident $operand:ident),+), $value:expr) => {
        #[multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512vl+avx512dq+fma+f16c",
            "x86_64+avx2+fma+f16c"
        ))]
        fn $name(registers: &mut Registers, slots: [u32; 4], mask: u32) {
            let [to, operands @ ..] = slots;
            let mut places = operands.into_iter();
            $(let $operand = registers.$from[places.next().unwrap_or_default() as usize];)+
            let mut values = registers.$to[to as usize];
            let value = $value;
            for lane in 0..LANES {
                values[lane] = value($($operand[lane]),+);
            }
            blend!(&mut registers.$to[to as usize], values, mask);
        }
    };
}

/// Comparisons: a predicate from two registers.
macro_rules! compare_fn {
    ($name:ident, $from:ident, $holds:expr) => {
        #[multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512vl+avx512dq+fma+f16c",
            "x86_64+avx2+fma+f16c"
        ))]
        fn $name(registers: &mut Registers, slots: [u32; 4], mask: u32) {
            let [to, a, b, _] = slots;
            let (a, b) = (registers.$from[a as usize], registers.$from[b as usize]);
            let mut bits = 0u32;
            let holds = $holds;
            for lane in 0..LANES {
                bits |= u32::from(holds(a[lane], b[lane])) << lane;
            }
            let word = &mut registers.predicates[to as usize];
            *word = *word & !mask | bits & mask;
        }
    };
}

lane_fn!(copy_narrow, narrow, (narrow a), |a: u32| a);
lane_fn!(copy_wide, wide, (wide a), |a: u64| a);
lane_fn!(add_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a.wrapping_add(b));
lane_fn!(sub_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a.wrapping_sub(b));
lane_fn!(mul_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a.wrapping_mul(b));
lane_fn!(and_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a & b);
lane_fn!(or_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a | b);
lane_fn!(xor_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a ^ b);
lane_fn!(mad_narrow, narrow, (narrow a, narrow b, narrow c), |a: u32, b: u32, c: u32| {
    a.wrapping_mul(b).wrapping_add(c)
});
lane_fn!(shl_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a.checked_shl(b).unwrap_or(0));
lane_fn!(shr_narrow, narrow, (narrow a, narrow b), |a: u32, b: u32| a.checked_shr(b).unwrap_or(0));
lane_fn!(add_wide, wide, (wide a, wide b), |a: u64, b: u64| a.wrapping_add(b));
lane_fn!(sub_wide, wide, (wide a, wide b), |a: u64, b: u64| a.wrapping_sub(b));
lane_fn!(mul_wide, wide, (wide a, wide b), |a: u64, b: u64| a.wrapping_mul(b));
lane_fn!(and_wide, wide, (wide a, wide b), |a: u64, b: u64| a & b);
lane_fn!(or_wide, wide, (wide a, wide b), |a: u64, b: u64| a | b);
lane_fn!(shl_wide, wide, (wide a, narrow b), |a: u64, b: u32| a.checked_shl(b).unwrap_or(0));
lane_fn!(shr_wide, wide, (wide a, narrow b), |a: u64, b: u32| a.checked_shr(b).unwrap_or(0));
lane_fn!(widen, wide, (narrow a), |a: u32| u64::from(a));
lane_fn!(narrow_to, narrow, (wide a), |a: u64| a as u32);
lane_fn!(mul_to_wide, wide, (narrow a, narrow b), |a: u32, b: u32| u64::from(a) * u64::from(b));
lane_fn!(add_f32, narrow, (narrow a, narrow b), fast::add_f32);
lane_fn!(sub_f32, narrow, (narrow a, narrow b), fast::sub_f32);
lane_fn!(mul_f32, narrow, (narrow a, narrow b), fast::mul_f32);
lane_fn!(fma_f32, narrow, (narrow a, narrow b, narrow c), fast::fma_f32);
lane_fn!(f32_from_f16, narrow, (narrow a), |a: u32| fast::f16_to_f32(a as u16));
lane_fn!(f16_from_f32, narrow, (narrow a), |a: u32| u32::from(fast::f32_to_f16(a)));
compare_fn!(eq_narrow, narrow, |a: u32, b: u32| a == b);
compare_fn!(ne_narrow, narrow, |a: u32, b: u32| a != b);
compare_fn!(lt_narrow, narrow, |a: u32, b: u32| a < b);
compare_fn!(le_narrow, narrow, |a: u32, b: u32| a <= b);
compare_fn!(gt_narrow, narrow, |a: u32, b: u32| a > b);
compare_fn!(ge_narrow, narrow, |a: u32, b: u32| a >= b);
compare_fn!(eq_wide, wide, |a: u64, b: u64| a == b);
compare_fn!(ne_wide, wide, |a: u64, b: u64| a != b);
compare_fn!(lt_wide, wide, |a: u64, b: u64| a < b);
compare_fn!(le_wide, wide, |a: u64, b: u64| a <= b);
compare_fn!(gt_wide, wide, |a: u64, b: u64| a > b);
compare_fn!(ge_wide, wide, |a: u64, b: u64| a >= b);

/// Copies a register of up to 32 bits.
pub const COPY_NARROW: LaneFn = LaneFn(copy_narrow);
/// Copies a register of 64 bits.
pub const COPY_WIDE: LaneFn = LaneFn(copy_wide);
/// Adds registers of 64 bits.
pub const ADD_WIDE: LaneFn = LaneFn(add_wide);

/// Where the operands of a loop lie, and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// In registers of up to 32 bits.
    Narrow,
    /// In registers of 64 bits.
    Wide,
    /// Both operands wide but for a narrow second: a shift.
    WideByNarrow,
    /// A wide result of narrow operands.
    ToWide,
    /// A narrow result of wide operands.
    ToNarrow,
    /// A predicate of narrow operands.
    CompareNarrow,
    /// A predicate of wide operands.
    CompareWide,
}

type Entry = (&'static str, Shape, LaneFn);

/// Instructions that have a loop, by name.
const TABLE: &[Entry] = &[
    ("add.f32", Shape::Narrow, LaneFn(add_f32)),
    ("add.rn.f32", Shape::Narrow, LaneFn(add_f32)),
    ("sub.f32", Shape::Narrow, LaneFn(sub_f32)),
    ("sub.rn.f32", Shape::Narrow, LaneFn(sub_f32)),
    ("mul.f32", Shape::Narrow, LaneFn(mul_f32)),
    ("mul.rn.f32", Shape::Narrow, LaneFn(mul_f32)),
    ("fma.rn.f32", Shape::Narrow, LaneFn(fma_f32)),
    ("cvt.f32.f16", Shape::Narrow, LaneFn(f32_from_f16)),
    ("cvt.rn.f16.f32", Shape::Narrow, LaneFn(f16_from_f32)),
    ("add.s32", Shape::Narrow, LaneFn(add_narrow)),
    ("add.u32", Shape::Narrow, LaneFn(add_narrow)),
    ("sub.s32", Shape::Narrow, LaneFn(sub_narrow)),
    ("sub.u32", Shape::Narrow, LaneFn(sub_narrow)),
    ("mul.lo.s32", Shape::Narrow, LaneFn(mul_narrow)),
    ("mul.lo.u32", Shape::Narrow, LaneFn(mul_narrow)),
    ("mad.lo.s32", Shape::Narrow, LaneFn(mad_narrow)),
    ("mad.lo.u32", Shape::Narrow, LaneFn(mad_narrow)),
    ("and.b32", Shape::Narrow, LaneFn(and_narrow)),
    ("or.b32", Shape::Narrow, LaneFn(or_narrow)),
    ("xor.b32", Shape::Narrow, LaneFn(xor_narrow)),
    ("shl.b32", Shape::Narrow, LaneFn(shl_narrow)),
    ("shr.u32", Shape::Narrow, LaneFn(shr_narrow)),
    ("shr.b32", Shape::Narrow, LaneFn(shr_narrow)),
    ("add.s64", Shape::Wide, LaneFn(add_wide)),
    ("add.u64", Shape::Wide, LaneFn(add_wide)),
    ("sub.s64", Shape::Wide, LaneFn(sub_wide)),
    ("sub.u64", Shape::Wide, LaneFn(sub_wide)),
    ("mul.lo.s64", Shape::Wide, LaneFn(mul_wide)),
    ("mul.lo.u64", Shape::Wide, LaneFn(mul_wide)),
    ("and.b64", Shape::Wide, LaneFn(and_wide)),
    ("or.b64", Shape::Wide, LaneFn(or_wide)),
    ("shl.b64", Shape::WideByNarrow, LaneFn(shl_wide)),
    ("shr.u64", Shape::WideByNarrow, LaneFn(shr_wide)),
    ("shr.b64", Shape::WideByNarrow, LaneFn(shr_wide)),
    ("mul.wide.u32", Shape::ToWide, LaneFn(mul_to_wide)),
    ("cvt.u64.u32", Shape::ToWide, LaneFn(widen)),
    ("cvt.s64.u32", Shape::ToWide, LaneFn(widen)),
    ("cvt.u32.u64", Shape::ToNarrow, LaneFn(narrow_to)),
    ("setp.eq.s32", Shape::CompareNarrow, LaneFn(eq_narrow)),
    ("setp.eq.u32", Shape::CompareNarrow, LaneFn(eq_narrow)),
    ("setp.ne.s32", Shape::CompareNarrow, LaneFn(ne_narrow)),
    ("setp.ne.u32", Shape::CompareNarrow, LaneFn(ne_narrow)),
    ("setp.lt.u32", Shape::CompareNarrow, LaneFn(lt_narrow)),
    ("setp.le.u32", Shape::CompareNarrow, LaneFn(le_narrow)),
    ("setp.gt.u32", Shape::CompareNarrow, LaneFn(gt_narrow)),
    ("setp.ge.u32", Shape::CompareNarrow, LaneFn(ge_narrow)),
    ("setp.eq.s64", Shape::CompareWide, LaneFn(eq_wide)),
    ("setp.ne.s64", Shape::CompareWide, LaneFn(ne_wide)),
    ("setp.lt.u64", Shape::CompareWide, LaneFn(lt_wide)),
    ("setp.le.u64", Shape::CompareWide, LaneFn(le_wide)),
    ("setp.gt.u64", Shape::CompareWide, LaneFn(gt_wide)),
    ("setp.ge.u64", Shape::CompareWide, LaneFn(ge_wide)),
];

/// The loop for an instruction, if there is one: for operands in whole registers, and none of them negated.
pub fn find(name: &str, compute: &Compute, to: Slot, bits: u32, sources: &[Source]) -> Option<LaneOp> {
    let (_, shape, run) = TABLE.iter().find(|(known, ..)| *known == name)?;
    let kinds = |to_fits: bool, each: fn(usize, Slot) -> bool| {
        to_fits && sources.iter().enumerate().all(|(place, source)| each(place, source.slot))
    };
    let (narrow, wide) = (matches!(to, Slot::Narrow(_)), matches!(to, Slot::Wide(_)));
    let fits = match shape {
        Shape::Narrow => kinds(narrow, |_, slot| matches!(slot, Slot::Narrow(_))),
        Shape::Wide => kinds(wide, |_, slot| matches!(slot, Slot::Wide(_))),
        Shape::WideByNarrow => kinds(wide, |place, slot| matches!(slot, Slot::Wide(_)) == (place == 0)),
        Shape::ToWide => kinds(wide, |_, slot| matches!(slot, Slot::Narrow(_))),
        Shape::ToNarrow => kinds(narrow, |_, slot| matches!(slot, Slot::Wide(_))),
        Shape::CompareNarrow => kinds(!narrow && !wide, |_, slot| matches!(slot, Slot::Narrow(_))),
        Shape::CompareWide => kinds(!narrow && !wide, |_, slot| matches!(slot, Slot::Wide(_))),
    };
    let whole = bits == compute.result.bits() && sources.iter().all(|source| !source.negated);
    if !fits || !whole || sources.len() > 3 {
        return None;
    }
    let index = |slot| match slot {
        Slot::Narrow(index) | Slot::Wide(index) | Slot::Predicate(index) => index,
    };
    let mut slots = [index(to), 0, 0, 0];
    for (place, source) in slots[1..].iter_mut().zip(sources) {
        *place = index(source.slot);
    }
    Some(LaneOp { run: *run, slots })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operands at the corners of every type, then drawn ones.
    fn words(count: u64) -> impl Iterator<Item = u64> {
        let corners = [0, 1, 31, 32, 63, 64, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7f80_0000, 0xff80_0001];
        let more = [0x7fc0_0000, 0x3f80_0000, 0x0000_7c00, 0x0000_7e01, 0x0000_0401, u64::MAX, 1 << 63];
        let drawn = (0..count).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left((i % 64) as u32));
        corners.into_iter().chain(more).chain(drawn)
    }

    #[test]
    fn every_loop_computes_what_its_instruction_is_defined_as() {
        for (name, shape, run) in TABLE {
            let mut parts = name.split('.').map(str::to_owned);
            let opcode = parts.next().unwrap();
            let modifiers: Vec<_> = parts.collect();
            let decoded = (1..=3).find_map(|count| Compute::decode(&opcode, &modifiers, count).ok());
            let compute = decoded.unwrap_or_else(|| panic!("{name} is not decoded"));
            let operands: Vec<_> = words(3000).collect();
            for (round, chunk) in operands.windows(LANES + 3).step_by(7).enumerate() {
                let mut registers = Registers::default();
                let cut = |index: usize, value: u64| match compute.operands.get(index) {
                    Some(ty) => value & (u64::MAX >> (64 - ty.bits())),
                    None => 0,
                };
                let lane =
                    |index: usize, lane: usize| cut(index, chunk[(lane + index * (round % 5)) % chunk.len()]);
                for index in 0..3 {
                    let values: [u64; LANES] = std::array::from_fn(|l| lane(index, l));
                    registers.narrow.push(values.map(|value| value as u32));
                    registers.wide.push(values);
                    registers.predicates.push(0);
                }
                registers.narrow.push([7; LANES]);
                registers.wide.push([7; LANES]);
                registers.predicates.push(0);
                let mask = if round % 3 == 0 { u32::MAX } else { (chunk[0] as u32).rotate_left(9) ^ 0x5a5a };
                run.call(&mut registers, [3, 0, 1, 2], mask);
                for l in 0..LANES {
                    let expected = compute.evaluate([lane(0, l), lane(1, l), lane(2, l), 0]).value;
                    let (found, before) = match shape {
                        Shape::Narrow | Shape::ToNarrow => (u64::from(registers.narrow[3][l]), 7),
                        Shape::CompareNarrow | Shape::CompareWide => {
                            (u64::from(registers.predicates[3] >> l & 1), 0)
                        }
                        _ => (registers.wide[3][l], 7),
                    };
                    let expected = if mask >> l & 1 == 1 { expected } else { before };
                    assert_eq!(
                        found,
                        expected,
                        "{name} of {:x?} under {mask:x}",
                        [0, 1, 2].map(|i| lane(i, l))
                    );
                }
            }
        }
    }
}
