//! The arithmetic of one thread: decodes an instruction's name into a typed operation and evaluates it
//! on bit patterns, as the PTX ISA has it. Knows nothing of registers, warps or memory.
//!
//! What the ISA leaves open is chosen once, here:
//!
//! - A NaN below 64 bits is `0x7fffffff` or `0x7fff`; in f64 the first operand's payload, quieted, and
//!   `0x7ff8000000000000` where there is none.
//! - An `add` and a `mul` without a rounding round to nearest and are never contracted to an `fma`,
//!   though ptxas may do so.
//! - `.ftz` flushes a result that is subnormal after rounding, not before. It matters only where rounding
//!   reaches the smallest normal number; there ptxas's constant folding of `mul` and of `fma` disagree.
//! - Integer division by zero gives all ones, quotient and remainder, as ptxas's code does.
//! - Approximate functions are exact results, rounded to nearest (see [`approximate`]).

pub mod approximate;
pub mod atomic;
pub mod bits;
pub mod compare;
pub mod convert;
pub mod exact;
pub mod fast;
pub mod float;
pub mod integer;
#[cfg(test)]
mod tests;
mod words;

pub use atomic::{AtomicOp, atomic};

use crate::simt::fault::Result;
use crate::simt::ptx::ast::Type;
use words::Words;

/// A decoded computing instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Compute {
    /// What is computed.
    pub operation: Operation,
    /// The first result's type. One of 8 bits in a wider register is extended as its signedness says.
    pub result: Type,
    /// What the second result is. A predicate may be left out in the text.
    pub second: Option<Second>,
    /// Types of the written source operands in order.
    pub operands: Vec<Type>,
    /// Whether the carry (0 or 1) is one more, last, operand.
    pub carry_in: bool,
}

/// A second result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// `q` of `p|q`.
    Predicate,
    /// `CC.CF`: the carry of an addition, the borrow of a subtraction.
    Carry,
}

/// What is computed.
#[allow(missing_docs, reason = "named as their modules")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operation {
    Float(float::Float),
    Approximate(approximate::Approximate),
    Integer(integer::Integer),
    Bits(bits::Bits),
    Compare(compare::Compare),
    Select(compare::Select),
    Convert(convert::Convert),
}

/// The results; `second` is 0 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Results {
    /// The first.
    pub value: u64,
    /// The second: 0 or 1.
    pub second: u64,
}

const OPCODES: &[&str] = &[
    "abs", "add", "addc", "and", "bfe", "bfi", "bfind", "bmsk", "brev", "clz", "cnot", "copysign", "cos",
    "cvt", "div", "dp2a", "dp4a", "ex2", "fma", "fns", "lg2", "lop3", "mad", "mad24", "madc", "max", "min",
    "mul", "mul24", "neg", "not", "or", "popc", "prmt", "rcp", "rem", "rsqrt", "sad", "selp", "set", "setp",
    "shf", "shl", "shr", "sin", "slct", "sqrt", "sub", "subc", "szext", "tanh", "testp", "xor",
];

/// Whether the opcode is one that [`Compute::decode`] knows.
pub fn is_compute(opcode: &str) -> bool {
    OPCODES.binary_search(&opcode).is_ok()
}

impl Compute {
    /// Decodes a name. `modifiers` are the words after the opcode; `sources` counts the written source
    /// operands. Their order is not checked, but for types.
    ///
    /// # Errors
    /// `Unsupported`, with the whole name and the word that is not known.
    pub fn decode(opcode: &str, modifiers: &[String], sources: usize) -> Result<Self> {
        let mut words = Words::new(opcode, modifiers, sources);
        let is_float = words.types.last().is_some_and(|ty| float::Real::of(*ty).is_some());
        match opcode {
            "cvt" => convert::decode(&mut words),
            "set" | "setp" => compare::decode(&mut words),
            "selp" | "slct" => compare::decode_select(&mut words),
            "ex2" | "lg2" | "sin" | "cos" | "tanh" | "rsqrt" => approximate::decode(&mut words),
            "div" | "rcp" | "sqrt" if modifiers.iter().any(|word| word == "approx" || word == "full") => {
                approximate::decode(&mut words)
            }
            "rcp" | "sqrt" | "fma" | "copysign" | "testp" => float::decode(&mut words),
            "add" | "sub" | "mul" | "mad" | "div" | "abs" | "neg" | "min" | "max" if is_float => {
                float::decode(&mut words)
            }
            "add" | "sub" | "mul" | "mad" | "div" | "abs" | "neg" | "min" | "max" | "addc" | "subc"
            | "madc" | "mul24" | "mad24" | "rem" | "sad" | "dp4a" | "dp2a" => integer::decode(&mut words),
            _ if is_compute(opcode) => bits::decode(&mut words),
            _ => Err(words.refuse("no computing instruction")),
        }
    }

    /// Operands are zero-extended, and so are the results; operands that are not there are ignored.
    #[inline]
    pub fn evaluate(&self, operands: [u64; 4]) -> Results {
        let [a, b, c, d] = operands;
        let value = match &self.operation {
            Operation::Float(float) => float.evaluate(a, b, c),
            Operation::Integer(integer) => return integer.evaluate(operands),
            Operation::Bits(bits) => bits.evaluate(a, b, c, d),
            Operation::Compare(compare) => return compare.evaluate(a, b, c),
            Operation::Select(select) => select.evaluate(a, b, c),
            Operation::Convert(convert) => convert.evaluate(a, b, c),
            Operation::Approximate(approximate) => approximate.evaluate(a, b),
        };
        Results { value, second: 0 }
    }

    /// With one result and operands of these types.
    fn simple(operation: Operation, result: Type, operands: &[Type]) -> Self {
        Self { operation, result, second: None, operands: operands.to_vec(), carry_in: false }
    }
}

/// The low `bits` bits.
#[inline]
const fn truncate(value: u64, bits: u32) -> u64 {
    if bits >= 64 { value } else { value & ((1 << bits) - 1) }
}

/// The low `bits` bits as a signed number.
#[inline]
const fn extend(value: u64, bits: u32) -> i64 {
    let shift = 64 - bits;
    ((value << shift) as i64) >> shift
}

/// Applies a function to both halves where there are two.
#[inline]
fn halves(packed: bool, a: u64, b: u64, c: u64, function: impl Fn(u64, u64, u64) -> u64) -> u64 {
    if !packed {
        return function(a, b, c);
    }
    let low = function(a & 0xffff, b & 0xffff, c & 0xffff);
    let high = function(a >> 16 & 0xffff, b >> 16 & 0xffff, c >> 16 & 0xffff);
    low | high << 16
}
