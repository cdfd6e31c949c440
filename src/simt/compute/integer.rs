//! Integer arithmetic, wrapping unless it saturates.

use super::words::Words;
use super::{Compute, Operation, Results, Second, extend, halves, truncate};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Type;

/// What is computed.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Add,
    Sub,
    Mul(Part),
    Mad(Part),
    Mul24 { high: bool },
    Mad24 { high: bool },
    Div,
    Rem,
    Abs,
    Neg,
    Min,
    Max,
    Sad,
    Dp4a { a_signed: bool, b_signed: bool },
    Dp2a { a_signed: bool, b_signed: bool, high: bool },
}

/// Which part of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The lower half.
    Low,
    /// The upper half.
    High,
    /// All of it.
    Wide,
}

/// An integer instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Integer {
    /// What is computed.
    pub function: Function,
    /// Bits of an operand.
    pub bits: u32,
    /// Whether operands are signed.
    pub signed: bool,
    /// Whether both halves of 32 bits are numbers.
    pub packed: bool,
    /// `.sat`
    pub sat: bool,
    /// `.relu`
    pub relu: bool,
    /// Whether a carry comes in.
    pub carry_in: bool,
    /// Whether a carry goes out.
    pub carry_out: bool,
}

const PLAIN: [Type; 6] = [Type::U16, Type::U32, Type::U64, Type::S16, Type::S32, Type::S64];
const SIGNED: [Type; 3] = [Type::S16, Type::S32, Type::S64];
const CARRYING: [Type; 4] = [Type::U32, Type::U64, Type::S32, Type::S64];

const HALVES: [(&str, bool); 2] = [("lo", false), ("hi", true)];
const PARTS: [(&str, Part); 3] = [("lo", Part::Low), ("hi", Part::High), ("wide", Part::Wide)];

pub(super) fn decode(words: &mut Words<'_>) -> Result<Compute> {
    let opcode = words.opcode();
    if matches!(opcode, "dp4a" | "dp2a") {
        return decode_dot(words);
    }
    let ty = words.one_type()?;
    let packed = matches!(ty, Type::U16x2 | Type::S16x2);
    let signed = ty.is_signed() || ty == Type::S16x2;
    let bits = if packed { 16 } else { ty.bits() };
    let carry_in = matches!(opcode, "addc" | "subc" | "madc");
    let carry_out = matches!(opcode, "add" | "sub" | "mad" | "addc" | "subc" | "madc") && words.take("cc");
    let carrying = carry_in || carry_out;
    let (function, sources, mut allowed): (_, _, Vec<Type>) = match opcode {
        "add" | "addc" => (Function::Add, 2, PLAIN.to_vec()),
        "sub" | "subc" => (Function::Sub, 2, PLAIN.to_vec()),
        "mul" => (Function::Mul(words.require(&PARTS)?), 2, PLAIN.to_vec()),
        "mad" | "madc" => {
            (Function::Mad(words.require(&PARTS[..if carrying { 2 } else { 3 }])?), 3, PLAIN.to_vec())
        }
        "mul24" => (Function::Mul24 { high: words.require(&HALVES)? }, 2, vec![Type::U32, Type::S32]),
        "mad24" => (Function::Mad24 { high: words.require(&HALVES)? }, 3, vec![Type::U32, Type::S32]),
        "div" => (Function::Div, 2, PLAIN.to_vec()),
        "rem" => (Function::Rem, 2, PLAIN.to_vec()),
        "abs" => (Function::Abs, 1, SIGNED.to_vec()),
        "neg" => (Function::Neg, 1, SIGNED.to_vec()),
        "min" => (Function::Min, 2, PLAIN.to_vec()),
        "max" => (Function::Max, 2, PLAIN.to_vec()),
        "sad" => (Function::Sad, 3, PLAIN.to_vec()),
        _ => return Err(words.refuse("no integer instruction")),
    };
    if carrying {
        allowed = CARRYING.to_vec();
    } else if matches!(function, Function::Min | Function::Max) || opcode == "add" {
        allowed.extend([Type::U16x2, Type::S16x2]);
    }
    let may_saturate = match function {
        Function::Add | Function::Sub => !carrying,
        Function::Mad(part) => part == Part::High && !carrying,
        Function::Mad24 { high } => high,
        _ => false,
    };
    let sat = may_saturate && ty == Type::S32 && words.take("sat");
    let may_relu = matches!(function, Function::Min | Function::Max) && matches!(ty, Type::S32 | Type::S16x2);
    let relu = may_relu && words.take("relu");
    words.finish_with(sources, ty, &allowed)?;
    let wide = matches!(function, Function::Mul(Part::Wide) | Function::Mad(Part::Wide));
    let result = match ty {
        _ if !wide => ty,
        Type::U16 => Type::U32,
        Type::S16 => Type::S32,
        Type::U32 => Type::U64,
        Type::S32 => Type::S64,
        _ => return Err(words.refuse_type(ty)),
    };
    let mut operands = vec![ty; sources];
    if let Function::Mad(Part::Wide) = function {
        operands[2] = result;
    }
    let integer = Integer { function, bits, signed, packed, sat, relu, carry_in, carry_out };
    let second = carry_out.then_some(Second::Carry);
    Ok(Compute { operation: Operation::Integer(integer), result, second, operands, carry_in })
}

fn decode_dot(words: &mut Words<'_>) -> Result<Compute> {
    let (a, b) = words.two_types()?;
    let (a_signed, b_signed) = (a.is_signed(), b.is_signed());
    let function = match words.opcode() {
        "dp4a" => Function::Dp4a { a_signed, b_signed },
        _ => Function::Dp2a { a_signed, b_signed, high: words.require(&HALVES)? },
    };
    words.finish_with(3, a, &[Type::U32, Type::S32])?;
    words.finish_with(3, b, &[Type::U32, Type::S32])?;
    let signed = a_signed || b_signed;
    let result = if signed { Type::S32 } else { Type::U32 };
    let integer = Integer {
        function,
        bits: 32,
        signed,
        packed: false,
        sat: false,
        relu: false,
        carry_in: false,
        carry_out: false,
    };
    Ok(Compute::simple(Operation::Integer(integer), result, &[a, b, result]))
}

impl Integer {
    /// The value, and the carry where one goes out.
    #[inline]
    pub fn evaluate(&self, operands: [u64; 4]) -> Results {
        let [a, b, c, _] = operands;
        if self.carry_in || self.carry_out {
            return self.carry(operands);
        }
        if self.packed {
            return Results { value: halves(true, a, b, c, |a, b, c| self.one(a, b, c)), second: 0 };
        }
        Results { value: self.one(a, b, c), second: 0 }
    }

    #[inline]
    fn one(&self, a: u64, b: u64, c: u64) -> u64 {
        let bits = self.bits;
        let value = match self.function {
            Function::Add if !self.sat => a.wrapping_add(b),
            Function::Sub if !self.sat => a.wrapping_sub(b),
            Function::Mul(Part::Low) => a.wrapping_mul(b),
            Function::Mad(Part::Low) => a.wrapping_mul(b).wrapping_add(c),
            Function::Neg => a.wrapping_neg(),
            _ => return self.rare(a, b, c),
        };
        truncate(value, bits)
    }

    /// A number that may be signed.
    #[inline]
    fn number(&self, value: u64) -> i128 {
        if self.signed { extend(value, self.bits).into() } else { value.into() }
    }

    fn product(&self, a: u64, b: u64) -> u128 {
        self.number(a).wrapping_mul(self.number(b)) as u128
    }

    fn rare(&self, a: u64, b: u64, c: u64) -> u64 {
        let bits = self.bits;
        let (x, y) = (self.number(a), self.number(b));
        let low24 = |value: u64| {
            let value = truncate(value, 24);
            if self.signed { extend(value, 24) as i128 } else { value.into() }
        };
        let part24 = |high: bool| (low24(a) * low24(b)) >> if high { 16 } else { 0 };
        let value: i128 = match self.function {
            Function::Add => self.limit(x + y),
            Function::Sub => self.limit(x - y),
            Function::Mul(Part::Low) | Function::Mad(Part::Low) | Function::Neg => 0,
            Function::Mul(Part::High) => (self.product(a, b) >> bits) as i128,
            Function::Mul(Part::Wide) => return truncate(self.product(a, b) as u64, 2 * bits),
            Function::Mad(Part::Wide) => {
                return truncate((self.product(a, b) as u64).wrapping_add(c), 2 * bits);
            }
            Function::Mad(Part::High) => {
                let high = extend_or_not((self.product(a, b) >> bits) as u64, bits, self.signed);
                self.limit(high + self.number(c))
            }
            Function::Mul24 { high } => part24(high),
            Function::Mad24 { high } => {
                let part = extend_or_not(part24(high) as u64, 32, self.signed);
                self.limit(part + self.number(c))
            }
            // What division by zero gives is the machine's own (PTX ISA); all ones is what compilers' code does.
            Function::Div | Function::Rem if y == 0 => -1,
            Function::Div => x / y,
            Function::Rem => x % y,
            Function::Abs => x.abs(),
            Function::Min => self.rectify(x.min(y)),
            Function::Max => self.rectify(x.max(y)),
            Function::Sad => self.number(c) + (x - y).abs(),
            Function::Dp4a { a_signed, b_signed } => {
                let part = |value: u64, signed: bool, index: u32| {
                    extend_or_not(value >> (8 * index) & 0xff, 8, signed)
                };
                (0..4).map(|i| part(a, a_signed, i) * part(b, b_signed, i)).sum::<i128>() + self.number(c)
            }
            Function::Dp2a { a_signed, b_signed, high } => {
                let first = if high { 2 } else { 0 };
                let one = |i: u32| {
                    extend_or_not(a >> (16 * i) & 0xffff, 16, a_signed)
                        * extend_or_not(b >> (8 * (i + first)) & 0xff, 8, b_signed)
                };
                one(0) + one(1) + self.number(c)
            }
        };
        truncate(value as u64, bits)
    }

    fn limit(&self, value: i128) -> i128 {
        if self.sat { value.clamp(i32::MIN.into(), i32::MAX.into()) } else { value }
    }

    fn rectify(&self, value: i128) -> i128 {
        if self.relu { value.max(0) } else { value }
    }

    /// Extended precision: in subtraction the carry is a borrow.
    fn carry(&self, operands: [u64; 4]) -> Results {
        let [a, b, c, d] = operands;
        let bits = self.bits;
        let carry = |last: u64| u128::from(self.carry_in && last & 1 != 0);
        let total = match self.function {
            Function::Sub => (a as u128).wrapping_sub(b.into()).wrapping_sub(carry(c)),
            Function::Mad(part) => {
                let product = self.product(a, b);
                let part = if part == Part::High { product >> bits } else { product };
                u128::from(truncate(part as u64, bits)) + u128::from(c) + carry(d)
            }
            _ => u128::from(a) + u128::from(b) + carry(c),
        };
        let second = if self.carry_out { (total >> bits) as u64 & 1 } else { 0 };
        Results { value: truncate(total as u64, bits), second }
    }
}

fn extend_or_not(value: u64, bits: u32, signed: bool) -> i128 {
    if signed { extend(value, bits).into() } else { truncate(value, bits).into() }
}
