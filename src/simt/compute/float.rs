//! Floating-point arithmetic: one correct rounding each; minima, signs and tests.

use super::exact::{self, Format, Number, Rounding};
use super::words::Words;
use super::{Compute, Operation, halves};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Type;

/// A format that is computed in.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Real {
    F16,
    Bf16,
    F32,
    F64,
}

impl Real {
    /// That of a type, packed or not; `None` for any but floating point.
    pub fn of(ty: Type) -> Option<Self> {
        match ty {
            Type::F16 | Type::F16x2 => Some(Self::F16),
            Type::Bf16 | Type::Bf16x2 => Some(Self::Bf16),
            Type::F32 => Some(Self::F32),
            Type::F64 => Some(Self::F64),
            _ => None,
        }
    }

    /// Its bits.
    #[inline]
    pub const fn format(self) -> &'static Format {
        match self {
            Self::F16 => &exact::F16,
            Self::Bf16 => &exact::BF16,
            Self::F32 => &exact::F32,
            Self::F64 => &exact::F64,
        }
    }

    const fn one(self) -> u64 {
        match self {
            Self::F16 => 0x3c00,
            Self::Bf16 => 0x3f80,
            Self::F32 => 0x3f80_0000,
            Self::F64 => 0x3ff0_0000_0000_0000,
        }
    }
}

/// What is computed.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Add,
    Sub,
    Mul,
    Fma,
    Div,
    Rcp,
    Sqrt,
    Abs,
    Neg,
    Copysign,
    /// `min`, or `max` where `greatest`.
    Extreme {
        greatest: bool,
        /// Of three operands.
        three: bool,
        /// `.NaN`
        nan: bool,
        /// `.xorsign`
        xorsign: bool,
        /// `.abs`
        magnitude: bool,
    },
    Test(Class),
}

/// A class of numbers that `testp` asks for.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

/// A floating-point instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Float {
    /// What is computed.
    pub function: Function,
    /// In which format.
    pub real: Real,
    /// Whether both halves of 32 bits are numbers.
    pub packed: bool,
    /// How the result is rounded.
    pub rounding: Rounding,
    /// `.ftz`
    pub ftz: bool,
    /// `.sat`
    pub sat: bool,
    /// `.relu`
    pub relu: bool,
}

/// Four roundings of arithmetic.
const ROUNDINGS: [(&str, Rounding); 4] =
    [("rn", Rounding::Nearest), ("rz", Rounding::Zero), ("rm", Rounding::Down), ("rp", Rounding::Up)];

pub(super) fn decode(words: &mut Words<'_>) -> Result<Compute> {
    let ty = words.one_type()?;
    let Some(real) = Real::of(ty) else { return Err(words.refuse_type(ty)) };
    let packed = matches!(ty, Type::F16x2 | Type::Bf16x2);
    let wide = matches!(real, Real::F32 | Real::F64);
    let mut float = Float {
        function: Function::Add,
        real,
        packed,
        rounding: Rounding::Nearest,
        ftz: false,
        sat: false,
        relu: false,
    };
    let opcode = words.opcode();
    let mut sources = 2;
    float.function = match opcode {
        "add" => Function::Add,
        "sub" => Function::Sub,
        "mul" => Function::Mul,
        "fma" | "mad" => Function::Fma,
        "div" => Function::Div,
        "rcp" => Function::Rcp,
        "sqrt" => Function::Sqrt,
        "abs" => Function::Abs,
        "neg" => Function::Neg,
        "copysign" => Function::Copysign,
        "testp" => Function::Test(words.require(&[
            ("finite", Class::Finite),
            ("infinite", Class::Infinite),
            ("number", Class::Number),
            ("notanumber", Class::NotANumber),
            ("normal", Class::Normal),
            ("subnormal", Class::Subnormal),
        ])?),
        "min" | "max" => {
            let nan = real != Real::F64 && words.take("NaN");
            let xorsign = real != Real::F64 && words.take("xorsign");
            let three = words.sources == 3 && real == Real::F32;
            let magnitude = (xorsign || three) && words.take("abs");
            if xorsign && (three || !magnitude) {
                return Err(words.refuse(".xorsign needs .abs and two operands"));
            }
            Function::Extreme { greatest: opcode == "max", three, nan, xorsign, magnitude }
        }
        _ => return Err(words.refuse("no floating-point instruction")),
    };
    match float.function {
        Function::Add | Function::Sub | Function::Mul => {
            float.rounding =
                words.choose(&ROUNDINGS[..if wide { 4 } else { 1 }]).unwrap_or(Rounding::Nearest);
        }
        Function::Fma | Function::Div | Function::Rcp | Function::Sqrt => {
            if !wide && (float.function != Function::Fma || opcode == "mad") {
                return Err(words.refuse_type(ty));
            }
            float.rounding = words.require(&ROUNDINGS[..if wide { 4 } else { 1 }])?;
            sources = match float.function {
                Function::Fma => 3,
                Function::Div => 2,
                _ => 1,
            };
        }
        Function::Abs | Function::Neg | Function::Test(_) => sources = 1,
        Function::Extreme { three: true, .. } => sources = 3,
        Function::Extreme { .. } | Function::Copysign => {}
    }
    if matches!(float.function, Function::Copysign | Function::Test(_)) {
        if !wide {
            return Err(words.refuse_type(ty));
        }
    } else {
        float.ftz = matches!(real, Real::F16 | Real::F32) && words.take("ftz");
    }
    if matches!(float.function, Function::Add | Function::Sub | Function::Mul | Function::Fma) {
        float.sat = matches!(real, Real::F16 | Real::F32) && words.take("sat");
        float.relu = float.function == Function::Fma && !wide && !float.sat && words.take("relu");
    }
    words.finish(sources)?;
    let result = if matches!(float.function, Function::Test(_)) { Type::Pred } else { ty };
    Ok(Compute::simple(Operation::Float(float), result, &vec![ty; sources]))
}

impl Float {
    /// The result's bits.
    #[inline]
    pub fn evaluate(&self, a: u64, b: u64, c: u64) -> u64 {
        if self.real == Real::F32 && self.rounding == Rounding::Nearest && !self.ftz && !self.sat {
            let (x, y, z) = (f32::from_bits(a as u32), f32::from_bits(b as u32), f32::from_bits(c as u32));
            let result = match self.function {
                Function::Add => x + y,
                Function::Sub => x - y,
                Function::Mul => x * y,
                Function::Fma => x.mul_add(y, z),
                Function::Div => x / y,
                Function::Rcp => 1.0 / x,
                Function::Sqrt => x.sqrt(),
                _ => return self.general(a, b, c),
            };
            return if result.is_nan() { exact::F32.nan } else { result.to_bits().into() };
        }
        self.general(a, b, c)
    }

    fn general(&self, a: u64, b: u64, c: u64) -> u64 {
        halves(self.packed, a, b, c, |a, b, c| self.one(a, b, c))
    }

    fn one(&self, a: u64, b: u64, c: u64) -> u64 {
        let format = self.real.format();
        let flush = |bits| if self.ftz { format.flush(bits) } else { bits };
        let (a, b, c) = (flush(a), flush(b), flush(c));
        let sign = format.sign();
        let keep_payload = self.real == Real::F64;
        let result = match self.function {
            Function::Copysign => return (b & !sign) | (a & sign),
            Function::Test(class) => return test(format, class, a).into(),
            Function::Abs | Function::Neg if format.is_nan(a) && !keep_payload => return format.nan,
            Function::Abs => return a & !sign,
            Function::Neg => return a ^ sign,
            Function::Extreme { three: true, .. } => {
                let first = self.extreme(a, b);
                return self.extreme(first, c);
            }
            Function::Extreme { .. } => return self.extreme(a, b),
            _ => match self.native(a, b, c) {
                Some(bits) => bits,
                None => format.pack(self.rounded(a, b, c), self.rounding),
            },
        };
        let result = if format.is_nan(result) { self.first_nan(a, b, c) } else { flush(result) };
        if self.sat {
            // PTX ISA: NaN becomes +0.
            let negative = result & sign != 0 || format.is_nan(result);
            return if negative { 0 } else { result.min(self.real.one()) };
        }
        if self.relu && result & sign != 0 && !format.is_nan(result) { 0 } else { result }
    }

    /// The NaN that comes of these operands.
    fn first_nan(&self, a: u64, b: u64, c: u64) -> u64 {
        let format = self.real.format();
        if self.real != Real::F64 {
            return format.nan;
        }
        let count = match self.function {
            Function::Fma => 3,
            Function::Rcp | Function::Sqrt => 1,
            _ => 2,
        };
        let nan = [a, b, c].into_iter().take(count).find(|bits| format.is_nan(*bits));
        nan.map_or(format.nan, |bits| bits | format.smallest_normal() >> 1)
    }

    /// What the host computes with one rounding to nearest.
    #[inline]
    fn native(&self, a: u64, b: u64, c: u64) -> Option<u64> {
        if self.rounding != Rounding::Nearest {
            return None;
        }
        macro_rules! compute {
            ($x:expr, $y:expr, $z:expr) => {
                match self.function {
                    Function::Add => $x + $y,
                    Function::Sub => $x - $y,
                    Function::Mul => $x * $y,
                    Function::Fma => $x.mul_add($y, $z),
                    Function::Div => $x / $y,
                    Function::Rcp => $x.recip(),
                    Function::Sqrt => $x.sqrt(),
                    _ => return None,
                }
            };
        }
        match self.real {
            Real::F64 => Some(compute!(f64::from_bits(a), f64::from_bits(b), f64::from_bits(c)).to_bits()),
            Real::F32 => {
                let single = |bits: u64| f32::from_bits(bits as u32);
                Some(compute!(single(a), single(b), single(c)).to_bits().into())
            }
            _ => None,
        }
    }

    /// The exact result, or enough of it to round.
    fn rounded(&self, a: u64, b: u64, c: u64) -> Number {
        let format = self.real.format();
        let number = |bits| format.unpack(bits);
        match self.function {
            Function::Add => exact::add(number(a), number(b), self.rounding),
            Function::Sub => exact::add(number(a), exact::negate(number(b)), self.rounding),
            Function::Mul => exact::multiply(number(a), number(b)),
            Function::Fma => exact::add(exact::multiply(number(a), number(b)), number(c), self.rounding),
            Function::Div => exact::divide(number(a), number(b)),
            Function::Rcp => exact::divide(number(self.real.one()), number(a)),
            Function::Sqrt => exact::square_root(number(a)),
            _ => Number::Nan,
        }
    }

    /// `min` and `max`: a number wins over a NaN without `.NaN`; −0 is below +0.
    fn extreme(&self, a: u64, b: u64) -> u64 {
        let Function::Extreme { greatest, nan, xorsign, magnitude, .. } = self.function else { return a };
        let format = self.real.format();
        let sign = format.sign();
        let signs = if xorsign { (a ^ b) & sign } else { 0 };
        let (a, b) = if magnitude { (a & !sign, b & !sign) } else { (a, b) };
        let winner = match (format.is_nan(a), format.is_nan(b)) {
            (true, true) => return self.first_nan(a, b, 0),
            (true, false) | (false, true) if nan => return format.nan,
            (true, false) => b,
            (false, true) => a,
            (false, false) => {
                // Orders the bits as the numbers are: negative ones backwards.
                let key = |bits: u64| if bits & sign != 0 { sign - (bits & !sign) - 1 } else { bits + sign };
                if (key(a) >= key(b)) == greatest { a } else { b }
            }
        };
        winner | signs
    }
}

fn test(format: &Format, class: Class, bits: u64) -> bool {
    let magnitude = bits & !format.sign();
    match class {
        Class::Finite => magnitude <= format.largest,
        Class::Infinite => magnitude == format.infinity(),
        Class::Number => !format.is_nan(bits),
        Class::NotANumber => format.is_nan(bits),
        // PTX ISA, testp: zeros are normal numbers.
        Class::Normal => {
            magnitude == 0 || (magnitude >= format.smallest_normal() && magnitude <= format.largest)
        }
        Class::Subnormal => magnitude != 0 && magnitude < format.smallest_normal(),
    }
}
