//! What an atomic operation makes of an old value and its operands.

use crate::simt::compute::{Operation, fast};
use crate::simt::ptx::ast::Type;

/// An atomic operation.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomicOp {
    Add,
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
    /// The operation of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "add" => Self::Add,
            "min" => Self::Min,
            "max" => Self::Max,
            "and" => Self::And,
            "or" => Self::Or,
            "xor" => Self::Xor,
            "exch" => Self::Exch,
            "cas" => Self::Cas,
            "inc" => Self::Inc,
            "dec" => Self::Dec,
            _ => return None,
        })
    }

    /// Whether it is executed on that type.
    pub fn takes(self, ty: Type) -> bool {
        match self {
            Self::Add => matches!(ty, Type::U32 | Type::S32 | Type::U64 | Type::F32 | Type::F64),
            Self::Min | Self::Max => matches!(ty, Type::U32 | Type::S32 | Type::U64 | Type::S64),
            Self::And | Self::Or | Self::Xor | Self::Exch => matches!(ty, Type::B32 | Type::B64),
            Self::Cas => matches!(ty, Type::B16 | Type::B32 | Type::B64),
            Self::Inc | Self::Dec => ty == Type::U32,
        }
    }
}

/// The new value. `flushes` tells whether an addition of f32 takes subnormals for zeros of their sign, as it
/// does in global memory (PTX ISA, atom).
pub fn atomic(op: AtomicOp, ty: Type, old: u64, a: u64, b: u64, flushes: bool) -> u64 {
    let both = |operation| {
        let compute = crate::simt::compute::Compute {
            operation,
            result: ty,
            second: None,
            operands: Vec::new(),
            carry_in: false,
        };
        compute.evaluate([old, a, 0, 0]).value
    };
    match op {
        AtomicOp::Add if ty == Type::F32 && flushes => {
            u64::from(flush(fast::add_f32(flush(old as u32), flush(a as u32))))
        }
        AtomicOp::Add => both(Operation::Add(ty)),
        AtomicOp::Min => both(Operation::Min(ty)),
        AtomicOp::Max => both(Operation::Max(ty)),
        AtomicOp::And => old & a,
        AtomicOp::Or => old | a,
        AtomicOp::Xor => old ^ a,
        AtomicOp::Exch => a,
        AtomicOp::Cas => if old == a { b } else { old },
        AtomicOp::Inc => if old >= a { 0 } else { old + 1 },
        AtomicOp::Dec => if old == 0 || old > a { a } else { old - 1 },
    }
}

/// A subnormal as the zero of its sign.
fn flush(bits: u32) -> u32 {
    if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits }
}
