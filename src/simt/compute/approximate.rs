//! Approximate functions. The ISA bounds their errors and fixes their special values; the bits between
//! are the hardware's own. The model here: the result computed in f64 and rounded to nearest once more,
//! within 0.51 units in the last place (`rsqrt.approx.f64`: 1 unit). Exponentials, logarithms and
//! trigonometric functions come from the platform's mathematical library.

use super::exact::{self, Number, Rounding};
use super::float::Real;
use super::words::Words;
use super::{Compute, Operation, halves};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Type;

/// What is approximated.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Ex2,
    Lg2,
    Sin,
    Cos,
    Tanh,
    Rcp,
    Sqrt,
    Rsqrt,
    /// `div.full`, or `div.approx` where not.
    Div {
        full: bool,
    },
}

/// An approximate instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approximate {
    /// What is approximated.
    pub function: Function,
    /// In which format.
    pub real: Real,
    /// Whether both halves of 32 bits are numbers.
    pub packed: bool,
    /// `.ftz`
    pub ftz: bool,
}

pub(super) fn decode(words: &mut Words<'_>) -> Result<Compute> {
    use Type::{Bf16, Bf16x2, F16, F16x2, F32, F64};
    let ty = words.one_type()?;
    let Some(real) = Real::of(ty) else { return Err(words.refuse_type(ty)) };
    let full = words.opcode() == "div" && words.take("full");
    if !full {
        words.require(&[("approx", ())])?;
    }
    let mut ftz = matches!(ty, F32 | F64) && words.opcode() != "tanh" && words.take("ftz");
    let (function, allowed): (_, &[Type]) = match words.opcode() {
        "ex2" if matches!(ty, Bf16 | Bf16x2) => {
            words.require(&[("ftz", ())])?;
            ftz = true;
            (Function::Ex2, &[Bf16, Bf16x2])
        }
        "ex2" => (Function::Ex2, &[F32, F16, F16x2]),
        "tanh" => (Function::Tanh, &[F32, F16, F16x2, Bf16, Bf16x2]),
        "lg2" => (Function::Lg2, &[F32]),
        "sin" => (Function::Sin, &[F32]),
        "cos" => (Function::Cos, &[F32]),
        "sqrt" => (Function::Sqrt, &[F32]),
        "rcp" if ty == F64 && !ftz => return Err(words.refuse("needs .ftz")),
        "rcp" => (Function::Rcp, &[F32, F64]),
        "rsqrt" => (Function::Rsqrt, &[F32, F64]),
        _ => (Function::Div { full }, &[F32]),
    };
    let sources = if matches!(function, Function::Div { .. }) { 2 } else { 1 };
    words.finish_with(sources, ty, allowed)?;
    let packed = matches!(ty, F16x2 | Bf16x2);
    let operation = Operation::Approximate(Approximate { function, real, packed, ftz });
    Ok(Compute::simple(operation, ty, &vec![ty; sources]))
}

impl Approximate {
    /// The result's bits.
    pub fn evaluate(&self, a: u64, b: u64) -> u64 {
        match (self.real, self.ftz) {
            (Real::F64, true) => self.coarse(a),
            _ => halves(self.packed, a, b, 0, |a, b, _| self.one(a, b)),
        }
    }

    fn one(&self, a: u64, b: u64) -> u64 {
        let format = self.real.format();
        let flush = |bits| if self.ftz { format.flush(bits) } else { bits };
        let double = |bits| f64::from_bits(exact::F64.pack(format.unpack(flush(bits)), Rounding::Nearest));
        let x = double(a);
        let value = match self.function {
            Function::Ex2 => x.exp2(),
            Function::Lg2 if x == 0.0 => f64::NEG_INFINITY,
            Function::Lg2 => x.log2(),
            Function::Sin => x.sin(),
            Function::Cos => x.cos(),
            Function::Tanh => x.tanh(),
            Function::Rcp => x.recip(),
            Function::Sqrt => x.sqrt(),
            Function::Rsqrt => x.sqrt().recip(),
            Function::Div { full } => {
                let y = double(b);
                // PTX ISA, div.approx: the reciprocal of such a divisor is zero.
                if !full && y.is_finite() && y.abs() > f64::from_bits(0x47d0_0000_0000_0000) {
                    x * 0f64.copysign(y)
                } else {
                    x / y
                }
            }
        };
        flush(format.pack(exact::F64.unpack(value.to_bits()), Rounding::Nearest))
    }

    /// `rcp.approx.ftz.f64` and `rsqrt.approx.ftz.f64`: only the upper 32 bits of operand and result count.
    fn coarse(&self, a: u64) -> u64 {
        let upper = exact::F64_UPPER;
        let x = f64::from_bits(exact::F64.flush(a & 0xffff_ffff_0000_0000));
        if exact::F64.is_nan(a) {
            return exact::F64.nan;
        }
        let value = if self.function == Function::Rcp { x.recip() } else { x.sqrt().recip() };
        let number = if value.is_nan() { Number::Nan } else { exact::F64.unpack(value.to_bits()) };
        upper.flush(upper.pack(number, Rounding::Nearest)) << 32
    }
}
