//! What one thread computes: an instruction's name becomes an operation, which is evaluated on bit
//! patterns exactly as the PTX ISA defines it, or is refused.

mod atomics;
mod decode;
pub mod fast;

pub use atomics::{AtomicOp, atomic};
pub use decode::is_compute;

use crate::simt::ptx::ast::Type;

/// A computing instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Compute {
    /// What it does.
    pub operation: Operation,
    /// The type of its result.
    pub result: Type,
    /// What it gives beside it.
    pub second: Option<Second>,
    /// The types of its operands, in their order.
    pub operands: Vec<Type>,
    /// Whether the carry is one more, last operand.
    pub carry_in: bool,
}

/// What an instruction gives beside its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// A predicate: `p|q`.
    Predicate,
    /// The carry flag.
    Carry,
}

/// Both results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Results {
    /// The result, zero-extended.
    pub value: u64,
    /// The second one: 0 or 1.
    pub second: u64,
}

/// Operations, on values of the type that goes with them.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Add(Type),
    Sub(Type),
    MulLow(Type),
    MulHigh(Type),
    MulWide(Type),
    MadLow(Type),
    MadWide(Type),
    Div(Type),
    Rem(Type),
    Min(Type),
    Max(Type),
    Neg(Type),
    Abs(Type),
    And,
    Or,
    Xor,
    Not(Type),
    ShiftLeft(Type),
    ShiftRight(Type),
    /// f32 or f64, rounded to nearest even.
    Fma(Type),
    /// f32 or f64, rounded to nearest even.
    Sqrt(Type),
    Compare(Comparison, Type),
    Select,
    /// From, to: between integers.
    Resize(Type, Type),
    /// To f32 or f64, rounded to nearest even.
    FromInteger(Type, Type),
    /// Between floating-point types, rounded to nearest even.
    Refloat(Type, Type),
}

/// How two numbers compare.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// The same, or true since one is no number.
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    /// Both are numbers.
    Num,
    /// One is no number.
    Nan,
}

/// The NaN of f32 (PTX ISA, Floating Point Instructions).
const NAN_F32: u64 = 0x7fff_ffff;
/// The NaN of f64 that x86 and NVIDIA's hardware give where no operand is one.
const NAN_F64: u64 = 0x7ff8_0000_0000_0000;

impl Compute {
    /// The results for operands that are zero-extended, predicates being 0 or 1.
    #[inline]
    pub fn evaluate(&self, [a, b, c, _]: [u64; 4]) -> Results {
        let value = match self.operation {
            Operation::Add(ty) => float_or(ty, a, b, |a, b| a + b, |a, b| a + b, u64::wrapping_add),
            Operation::Sub(ty) => float_or(ty, a, b, |a, b| a - b, |a, b| a - b, u64::wrapping_sub),
            Operation::MulLow(ty) => float_or(ty, a, b, |a, b| a * b, |a, b| a * b, u64::wrapping_mul),
            Operation::MulHigh(ty) => ((wide(ty, a) * wide(ty, b)) >> ty.bits()) as u64,
            Operation::MulWide(ty) => (wide(ty, a) * wide(ty, b)) as u64,
            Operation::MadLow(_) => a.wrapping_mul(b).wrapping_add(c),
            Operation::MadWide(ty) => ((wide(ty, a) * wide(ty, b)) as u64).wrapping_add(c),
            Operation::Div(Type::F32) => f32_bits(single(a) / single(b)),
            Operation::Div(Type::F64) => f64_bits(double(a) / double(b)),
            // PTX ISA, div: division by zero gives an unspecified value; hardware gives all ones.
            Operation::Div(ty) => wide(ty, a).checked_div(wide(ty, b)).map_or(u64::MAX, |q| q as u64),
            Operation::Rem(ty) => wide(ty, a).checked_rem(wide(ty, b)).map_or(a, |r| r as u64),
            Operation::Min(ty) => extreme(ty, a, b, true),
            Operation::Max(ty) => extreme(ty, a, b, false),
            Operation::Neg(Type::F32) => if_number(a, a ^ 0x8000_0000),
            Operation::Abs(Type::F32) => if_number(a, a & 0x7fff_ffff),
            Operation::Neg(_) => a.wrapping_neg(),
            Operation::Abs(ty) => wide(ty, a).unsigned_abs() as u64,
            Operation::And => a & b,
            Operation::Or => a | b,
            Operation::Xor => a ^ b,
            Operation::Not(_) => !a,
            // PTX ISA, shl and shr: larger amounts count as the width.
            Operation::ShiftLeft(ty) => if b < u64::from(ty.bits()) { a << b } else { 0 },
            Operation::ShiftRight(ty) => (wide(ty, a) >> b.min(u64::from(ty.bits()))) as u64,
            Operation::Fma(Type::F32) => f32_bits(single(a).mul_add(single(b), single(c))),
            Operation::Fma(_) => f64_bits(double(a).mul_add(double(b), double(c))),
            Operation::Sqrt(Type::F32) => f32_bits(single(a).sqrt()),
            Operation::Sqrt(_) => f64_bits(double(a).sqrt()),
            Operation::Compare(comparison, ty) => return self.compare(comparison, ty, a, b, c),
            Operation::Select => if c & 1 == 1 { a } else { b },
            Operation::Resize(from, _) => wide(from, a) as u64,
            Operation::FromInteger(from, Type::F32) => u64::from((wide(from, a) as f32).to_bits()),
            Operation::FromInteger(from, _) => (wide(from, a) as f64).to_bits(),
            Operation::Refloat(Type::F16, Type::F32) => u64::from(fast::f32_from_f16(a as u32)),
            Operation::Refloat(Type::F32, Type::F16) => u64::from(fast::f16_from_f32(a as u32)),
            Operation::Refloat(Type::F32, _) => f64_bits(f64::from(single(a))),
            Operation::Refloat(_, _) => f32_bits(double(a) as f32),
        };
        Results { value: value & (u64::MAX >> (64 - self.result.bits())), second: 0 }
    }

    /// `setp`: the comparison, and its negation for the second predicate.
    fn compare(&self, comparison: Comparison, ty: Type, a: u64, b: u64, c: u64) -> Results {
        let holds = comparison.holds(ty, a, b);
        debug_assert!(c <= 1 || self.operands.len() < 3);
        Results { value: u64::from(holds), second: u64::from(!holds) }
    }
}

impl Comparison {
    fn holds(self, ty: Type, a: u64, b: u64) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let order = match ty {
            Type::F32 => single(a).partial_cmp(&single(b)),
            Type::F64 => double(a).partial_cmp(&double(b)),
            _ => Some(wide(ty, a).cmp(&wide(ty, b))),
        };
        match self {
            Self::Eq => order == Some(Equal),
            Self::Ne => matches!(order, Some(Less | Greater)),
            Self::Lt => order == Some(Less),
            Self::Le => matches!(order, Some(Less | Equal)),
            Self::Gt => order == Some(Greater),
            Self::Ge => matches!(order, Some(Greater | Equal)),
            Self::Equ => matches!(order, None | Some(Equal)),
            Self::Neu => order != Some(Equal),
            Self::Ltu => matches!(order, None | Some(Less)),
            Self::Leu => order != Some(Greater),
            Self::Gtu => matches!(order, None | Some(Greater)),
            Self::Geu => order != Some(Less),
            Self::Num => order.is_some(),
            Self::Nan => order.is_none(),
        }
    }
}

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn double(bits: u64) -> f64 {
    f64::from_bits(bits)
}

fn f32_bits(value: f32) -> u64 {
    if value.is_nan() { NAN_F32 } else { u64::from(value.to_bits()) }
}

fn f64_bits(value: f64) -> u64 {
    if value.is_nan() { NAN_F64 } else { value.to_bits() }
}

fn if_number(bits: u64, then: u64) -> u64 {
    if single(bits).is_nan() { NAN_F32 } else { then }
}

/// The integer that the bits stand for.
fn wide(ty: Type, bits: u64) -> i128 {
    if !ty.is_signed() {
        return i128::from(bits);
    }
    let shift = 64 - ty.bits();
    i128::from((bits << shift) as i64 >> shift)
}

/// Of f32, f64, or integers of any width: their low bits are the same with and without a sign.
#[inline(always)]
fn float_or(
    ty: Type,
    a: u64,
    b: u64,
    singles: fn(f32, f32) -> f32,
    doubles: fn(f64, f64) -> f64,
    integers: fn(u64, u64) -> u64,
) -> u64 {
    match ty {
        Type::F32 => f32_bits(singles(single(a), single(b))),
        Type::F64 => f64_bits(doubles(double(a), double(b))),
        _ => integers(a, b),
    }
}

/// `min` and `max`: of a number and a NaN the number, and -0 lies below +0 (PTX ISA, min, max).
fn extreme(ty: Type, a: u64, b: u64, least: bool) -> u64 {
    match ty {
        Type::F32 => match (single(a).is_nan(), single(b).is_nan()) {
            (true, true) => NAN_F32,
            (true, false) => b,
            (false, true) => a,
            _ => if single(a).total_cmp(&single(b)).is_lt() == least { a } else { b },
        },
        Type::F64 => match (double(a).is_nan(), double(b).is_nan()) {
            (true, true) => NAN_F64,
            (true, false) => b,
            (false, true) => a,
            _ => if double(a).total_cmp(&double(b)).is_lt() == least { a } else { b },
        },
        _ => if (wide(ty, a) < wide(ty, b)) == least { a } else { b },
    }
}
