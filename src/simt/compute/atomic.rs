//! What an atomic instruction leaves in memory.

use super::exact::Rounding;
use super::float::{Float, Function, Real};
use super::{extend, halves, truncate};
use crate::simt::ptx::ast::Type;

/// An atomic operation.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    Add {
        /// Whether f32 flushes subnormal operands and results: it does on global memory, not on shared
        /// memory (PTX ISA, atom). Other types never flush.
        flush: bool,
    },
    Min,
    Max,
    And,
    Or,
    Xor,
    Exch,
    Cas,
    Inc,
    Dec,
}

impl AtomicOp {
    /// Whether PTX has the operation on the type.
    pub fn holds(self, ty: Type) -> bool {
        use Type::{B16, B32, B64, Bf16, Bf16x2, F16, F16x2, F32, F64, S32, S64, U32, U64};
        match self {
            Self::Add { .. } => matches!(ty, U32 | S32 | U64 | S64 | F16 | F16x2 | Bf16 | Bf16x2 | F32 | F64),
            Self::Min | Self::Max => {
                matches!(ty, U32 | S32 | U64 | S64 | F16 | F16x2 | Bf16 | Bf16x2)
            }
            Self::And | Self::Or | Self::Xor | Self::Exch => matches!(ty, B32 | B64),
            Self::Cas => matches!(ty, B16 | B32 | B64),
            Self::Inc | Self::Dec => ty == U32,
        }
    }
}

/// The new value of `old`; `b` is the third operand of `cas`. For a type that [`AtomicOp::holds`].
pub fn atomic(op: AtomicOp, ty: Type, old: u64, a: u64, b: u64) -> u64 {
    let bits = ty.bits();
    match op {
        AtomicOp::And => old & a,
        AtomicOp::Or => old | a,
        AtomicOp::Xor => old ^ a,
        AtomicOp::Exch => a,
        AtomicOp::Cas if old == a => b,
        AtomicOp::Cas => old,
        AtomicOp::Inc if old >= a => 0,
        AtomicOp::Inc => old.wrapping_add(1),
        AtomicOp::Dec if old == 0 || old > a => a,
        AtomicOp::Dec => old.wrapping_sub(1),
        AtomicOp::Add { .. } | AtomicOp::Min | AtomicOp::Max => match Real::of(ty) {
            Some(real) => float(op, ty, real, old, a),
            None if matches!(op, AtomicOp::Add { .. }) => truncate(old.wrapping_add(a), bits),
            None => {
                let less = if ty.is_signed() { extend(old, bits) < extend(a, bits) } else { old < a };
                if less == (op == AtomicOp::Min) { old } else { a }
            }
        },
    }
}

fn float(op: AtomicOp, ty: Type, real: Real, old: u64, a: u64) -> u64 {
    let function = match op {
        AtomicOp::Add { .. } => Function::Add,
        _ => Function::Extreme {
            greatest: op == AtomicOp::Max,
            three: false,
            nan: false,
            xorsign: false,
            magnitude: false,
        },
    };
    let ftz = real == Real::F32 && op == AtomicOp::Add { flush: true };
    let one =
        Float { function, real, packed: false, rounding: Rounding::Nearest, ftz, sat: false, relu: false };
    halves(matches!(ty, Type::F16x2 | Type::Bf16x2), old, a, 0, |old, a, _| one.evaluate(old, a, 0))
}
