//! The common operations over all lanes of a warp at once: loops that the compiler turns into vector
//! instructions. What each computes for a lane is defined in [`compute`](crate::simt::compute); here is
//! only speed, and a test that both agree.

use multiversion::multiversion;

use crate::simt::compute::{Compute, Operation, fast};
use crate::simt::execute::{LANES, Registers};
use crate::simt::program::{LaneOp, Slot, Source};
use crate::simt::ptx::ast::Type;

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
lane_fn!(f32_from_f16, narrow, (narrow a), fast::f32_from_f16);
lane_fn!(f16_from_f32, narrow, (narrow a), fast::f16_from_f32);
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

/// The loop for an operation, if there is one: for all its operands in registers of the width that the
/// operation takes them in, and a result that fills its register.
pub fn find(compute: &Compute, to: Slot, bits: u32, sources: &[Source]) -> Option<LaneOp> {
    let predicate = matches!(to, Slot::Predicate(_));
    let plain = sources.iter().all(|source| !source.negated && !matches!(source.slot, Slot::Predicate(_)));
    // Zeros above a narrow result are what the loops leave there.
    let fills = predicate || bits == compute.result.bits() || !compute.result.is_signed();
    let exact = sources.iter().zip(&compute.operands).all(|(source, ty)| match source.slot {
        Slot::Narrow(_) => ty.bits() <= 32,
        _ => ty.bits() == 64,
    });
    if !plain || !fills || !exact {
        return None;
    }
    let wide_result = matches!(to, Slot::Wide(_));
    let run = choose(compute, wide_result)?;
    let index = |slot| match slot {
        Slot::Narrow(index) | Slot::Wide(index) | Slot::Predicate(index) => index,
    };
    let mut slots = [index(to), 0, 0, 0];
    for (place, source) in slots[1..].iter_mut().zip(sources) {
        *place = index(source.slot);
    }
    Some(LaneOp { run: LaneFn(run), slots })
}

/// The loop for an operation whose result lies in a wide register, or else in a narrow one or a predicate.
fn choose(compute: &Compute, wide_result: bool) -> Option<fn(&mut Registers, [u32; 4], u32)> {
    use crate::simt::compute::Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let bits = compute.operands.first().map_or(0, |ty| ty.bits());
    let unsigned = |ty: Type| !ty.is_signed();
    // A narrow loop may leave something above 16 bits: those are evaluated lane by lane.
    Some(match (compute.operation, bits) {
        (Operation::Add(Type::F32), _) => add_f32,
        (Operation::Sub(Type::F32), _) => sub_f32,
        (Operation::MulLow(Type::F32), _) => mul_f32,
        (Operation::Fma(Type::F32), _) => fma_f32,
        (Operation::Refloat(Type::F16, Type::F32), _) => f32_from_f16,
        (Operation::Refloat(Type::F32, Type::F16), _) => f16_from_f32,
        (Operation::Add(Type::F64) | Operation::Sub(Type::F64) | Operation::MulLow(Type::F64), _) => {
            return None;
        }
        (Operation::Compare(_, Type::F32 | Type::F64), _) => return None,
        (Operation::Add(_), 32) => add_narrow,
        (Operation::Sub(_), 32) => sub_narrow,
        (Operation::MulLow(_), 32) => mul_narrow,
        (Operation::MadLow(_), 32) => mad_narrow,
        (Operation::And, 32) => and_narrow,
        (Operation::Or, 32) => or_narrow,
        (Operation::Xor, 32) => xor_narrow,
        (Operation::ShiftLeft(_), 32) => shl_narrow,
        (Operation::ShiftRight(ty), 32) if unsigned(ty) => shr_narrow,
        (Operation::Add(_), 64) => add_wide,
        (Operation::Sub(_), 64) => sub_wide,
        (Operation::MulLow(_), 64) => mul_wide,
        (Operation::And, 64) => and_wide,
        (Operation::Or, 64) => or_wide,
        (Operation::ShiftLeft(_), 64) => shl_wide,
        (Operation::ShiftRight(ty), 64) if unsigned(ty) => shr_wide,
        (Operation::MulWide(Type::U32), _) => mul_to_wide,
        (Operation::Resize(Type::U32, _), _) if wide_result => widen,
        (Operation::Resize(Type::U64, Type::U32 | Type::S32), _) if !wide_result => narrow_to,
        (Operation::Compare(Eq, _), 32) => eq_narrow,
        (Operation::Compare(Ne, _), 32) => ne_narrow,
        (Operation::Compare(Eq, _), 64) => eq_wide,
        (Operation::Compare(Ne, _), 64) => ne_wide,
        (Operation::Compare(comparison, ty), 32) if unsigned(ty) => match comparison {
            Lt => lt_narrow,
            Le => le_narrow,
            Gt => gt_narrow,
            Ge => ge_narrow,
            _ => return None,
        },
        (Operation::Compare(comparison, ty), 64) if unsigned(ty) => match comparison {
            Lt => lt_wide,
            Le => le_wide,
            Gt => gt_wide,
            Ge => ge_wide,
            _ => return None,
        },
        _ => return None,
    })
}
