//! `cvt` and `cvt.pack`, after the PTX ISA, 8.5.

use super::exact::{self, Format, Number, Rounding};
use super::words::Words;
use super::{Compute, Operation, extend, truncate};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Type;

/// A conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convert {
    /// What is converted to what.
    pub kind: Kind,
    /// How the result is rounded; of no effect where it is exact.
    pub rounding: Rounding,
    /// `.ftz`
    pub ftz: bool,
    /// `.sat`
    pub sat: bool,
    /// `.relu`
    pub relu: bool,
    /// `.satfinite`
    pub satfinite: bool,
}

/// What is converted to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An integer to an integer: from, to.
    Integers(Type, Type),
    /// An integer to a float: from, to.
    ToFloat(Type, Type),
    /// A float to an integer: from, to.
    ToInteger(Type, Type),
    /// A float to a float, to an integral one if so: from, to, integral.
    Floats(Type, Type, bool),
    /// Two of f32 to both halves of a packed type; the first operand to the upper half.
    PackTwo(Type),
    /// Packed to packed: from, to; the element types.
    Packed(Type, Type),
    /// `cvt.pack`: bits of an element, whether it is signed, and whether a third operand is shifted in.
    Integral(u32, bool, bool),
}

const FLOAT_ROUNDINGS: [(&str, Rounding); 5] = [
    ("rn", Rounding::Nearest),
    ("rz", Rounding::Zero),
    ("rm", Rounding::Down),
    ("rp", Rounding::Up),
    ("rna", Rounding::Away),
];
const INTEGRAL_ROUNDINGS: [(&str, Rounding); 4] =
    [("rni", Rounding::Nearest), ("rzi", Rounding::Zero), ("rmi", Rounding::Down), ("rpi", Rounding::Up)];

fn is_integer(ty: Type) -> bool {
    matches!(ty, Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64)
}

fn is_float(ty: Type) -> bool {
    matches!(ty, Type::F16 | Type::Bf16 | Type::F32 | Type::F64)
}

/// The element of a packed type.
fn element(ty: Type) -> Option<Type> {
    match ty {
        Type::F16x2 => Some(Type::F16),
        Type::Bf16x2 => Some(Type::Bf16),
        Type::E4m3x2 => Some(Type::E4m3),
        Type::E5m2x2 => Some(Type::E5m2),
        _ => None,
    }
}

fn format(ty: Type) -> &'static Format {
    match ty {
        Type::F16 => &exact::F16,
        Type::Bf16 => &exact::BF16,
        Type::Tf32 => &exact::TF32,
        Type::E4m3 => &exact::E4M3,
        Type::E5m2 => &exact::E5M2,
        Type::F64 => &exact::F64,
        _ => &exact::F32,
    }
}

pub(super) fn decode(words: &mut Words<'_>) -> Result<Compute> {
    if words.take("pack") {
        return decode_pack(words);
    }
    let (to, from) = words.two_types()?;
    let mut convert = Convert {
        kind: Kind::Integers(from, to),
        rounding: Rounding::Zero,
        ftz: false,
        sat: false,
        relu: false,
        satfinite: false,
    };
    let single = from == Type::F32 || to == Type::F32;
    let mut sources = 1;
    if is_integer(from) && is_integer(to) {
        convert.sat = words.take("sat");
    } else if is_integer(from) && is_float(to) {
        convert.kind = Kind::ToFloat(from, to);
        convert.rounding = words.require(&FLOAT_ROUNDINGS[..4])?;
        convert.ftz = single && words.take("ftz");
        convert.sat = words.take("sat");
    } else if is_float(from) && is_integer(to) {
        convert.kind = Kind::ToInteger(from, to);
        convert.rounding = words.require(&INTEGRAL_ROUNDINGS)?;
        convert.ftz = single && words.take("ftz");
        // Such conversions saturate anyway.
        words.take("sat");
    } else if is_float(from) && is_float(to) {
        let integral = if from == to { words.choose(&INTEGRAL_ROUNDINGS) } else { None };
        convert.kind = Kind::Floats(from, to, integral.is_some());
        let (f, t) = (format(from), format(to));
        let narrower = t.precision < f.precision || t.exponent_bits < f.exponent_bits;
        convert.rounding = match integral {
            Some(rounding) => rounding,
            None if narrower => words.require(&FLOAT_ROUNDINGS[..4])?,
            None => Rounding::Nearest,
        };
        convert.ftz = single && words.take("ftz");
        convert.sat = words.take("sat");
        if from == Type::F32 && matches!(to, Type::F16 | Type::Bf16) && !convert.ftz && !convert.sat {
            convert.relu = words.take("relu");
            convert.satfinite = words.take("satfinite");
            if (convert.relu || convert.satfinite)
                && !matches!(convert.rounding, Rounding::Nearest | Rounding::Zero)
            {
                return Err(words.refuse(".relu and .satfinite round by .rn or .rz"));
            }
        }
    } else if (to, from) == (Type::Tf32, Type::F32) {
        convert.kind = Kind::Floats(from, to, false);
        convert.rounding =
            words.require(&[("rn", Rounding::Nearest), ("rz", Rounding::Zero), ("rna", Rounding::Away)])?;
        convert.satfinite = words.take("satfinite");
        convert.relu = convert.rounding != Rounding::Away && words.take("relu");
    } else if let (Some(to), Type::F32) = (element(to), from) {
        let small = matches!(to, Type::E4m3 | Type::E5m2);
        convert.kind = Kind::PackTwo(to);
        convert.rounding = words.require(&FLOAT_ROUNDINGS[..if small { 1 } else { 2 }])?;
        convert.relu = words.take("relu");
        convert.satfinite = words.take("satfinite");
        if small && !convert.satfinite {
            return Err(words.refuse("needs .satfinite"));
        }
        sources = 2;
    } else if let (Some(e_to), Some(e_from)) = (element(to), element(from)) {
        let small = |ty| matches!(ty, Type::E4m3 | Type::E5m2);
        let narrows = small(e_to) && e_from == Type::F16;
        let widens = small(e_from) && e_to == Type::F16;
        if !(narrows || widens) {
            return Err(words.refuse(&format!("no conversion from {from} to {to}")));
        }
        convert.kind = Kind::Packed(e_from, e_to);
        convert.rounding = words.require(&FLOAT_ROUNDINGS[..1])?;
        convert.relu = words.take("relu");
        convert.satfinite = narrows && words.take("satfinite");
        if narrows && !convert.satfinite {
            return Err(words.refuse("needs .satfinite"));
        }
    } else {
        return Err(words.refuse(&format!("no conversion from {from} to {to}")));
    }
    words.finish(sources)?;
    Ok(Compute::simple(Operation::Convert(convert), to, &vec![from; sources]))
}

/// `cvt.pack.sat.convertType.abType{.cType}`
fn decode_pack(words: &mut Words<'_>) -> Result<Compute> {
    if !words.take("sat") {
        return Err(words.refuse("needs .sat"));
    }
    // The types below 8 bits are not types of the syntax tree.
    let tiny = words.choose(&[("u4", (4, false)), ("s4", (4, true)), ("u2", (2, false)), ("s2", (2, true))]);
    let (bits, signed, third) = match (tiny, &words.types[..]) {
        (Some((bits, signed)), [Type::S32, Type::B32]) => (bits, signed, true),
        (None, [ty @ (Type::U8 | Type::S8), Type::S32, Type::B32]) => (8, ty.is_signed(), true),
        (None, [ty @ (Type::U16 | Type::S16), Type::S32]) => (16, ty.is_signed(), false),
        _ => return Err(words.refuse("these types are not packed")),
    };
    words.finish(if third { 3 } else { 2 })?;
    let operands = [Type::S32, Type::S32, Type::B32];
    let convert = Convert {
        kind: Kind::Integral(bits, signed, third),
        rounding: Rounding::Zero,
        ftz: false,
        sat: true,
        relu: false,
        satfinite: false,
    };
    Ok(Compute::simple(Operation::Convert(convert), Type::B32, &operands[..if third { 3 } else { 2 }]))
}

impl Convert {
    /// The result's bits.
    #[inline]
    pub fn evaluate(&self, a: u64, b: u64, c: u64) -> u64 {
        match self.kind {
            Kind::Integers(from, to) if !self.sat => truncate(integer(from, a) as u64, to.bits()),
            Kind::Floats(Type::F32, Type::F64, false) if !self.ftz && !self.sat => {
                let value = f32::from_bits(a as u32);
                if value.is_nan() { exact::F64.nan } else { f64::from(value).to_bits() }
            }
            _ => self.rare(a, b, c),
        }
    }

    fn rare(&self, a: u64, b: u64, c: u64) -> u64 {
        match self.kind {
            Kind::Integers(from, to) => truncate(clamp(integer(from, a), to) as u64, to.bits()),
            Kind::ToFloat(from, to) => {
                let number = exact::from_integer(integer(from, a));
                self.finish(format(to).pack(number, self.rounding), to)
            }
            Kind::ToInteger(from, to) => self.to_integer(from, to, a),
            Kind::Floats(from, to, integral) => self.float(from, to, integral, a),
            Kind::PackTwo(to) => {
                let high = self.float(Type::F32, to, false, a);
                high << to.bits() | self.float(Type::F32, to, false, b)
            }
            Kind::Packed(from, to) => {
                let high = self.float(from, to, false, a >> from.bits());
                high << to.bits() | self.float(from, to, false, truncate(a, from.bits()))
            }
            Kind::Integral(bits, signed, third) => {
                let (least, most) = limits(bits, signed);
                let part =
                    |value: u64| truncate(i128::from(extend(value, 32)).clamp(least, most) as u64, bits);
                let both = part(a) << bits | part(b);
                if third { truncate(c << (2 * bits) | both, 32) } else { both }
            }
        }
    }

    fn to_integer(self, from: Type, to: Type, a: u64) -> u64 {
        let source = format(from);
        let a = if self.ftz && from == Type::F32 { source.flush(a) } else { a };
        let value = match source.unpack(a) {
            // PTX ISA, cvt: zero, but for conversions of 64 bits, which give the highest bit alone.
            Number::Nan if from == Type::F64 || to.bits() == 64 => return 1 << (to.bits() - 1),
            Number::Nan => 0,
            Number::Infinite(true) => i128::MIN,
            Number::Infinite(false) => i128::MAX,
            Number::Finite(finite) => exact::to_integer(finite, self.rounding),
        };
        truncate(clamp(value, to) as u64, to.bits())
    }

    fn float(&self, from: Type, to: Type, integral: bool, a: u64) -> u64 {
        let (source, target) = (format(from), format(to));
        let a = if self.ftz && from == Type::F32 { source.flush(a) } else { a };
        let number = match source.unpack(a) {
            Number::Nan => {
                let payload = from == Type::F64 && to == Type::F64 && !self.sat;
                return if payload { a | 1 << 51 } else { self.finish(target.nan, to) };
            }
            Number::Finite(finite) if integral && finite.exponent < 0 => {
                let magnitude = exact::to_integer(finite, self.rounding).unsigned_abs();
                Number::Finite(exact::Finite { exponent: 0, significand: magnitude, ..finite })
            }
            number => number,
        };
        self.finish(target.pack(number, self.rounding), to)
    }

    /// Flushing, saturation and placement of a result.
    fn finish(&self, bits: u64, to: Type) -> u64 {
        let target = format(to);
        let sign = target.sign();
        let mut bits = if self.ftz && to == Type::F32 { target.flush(bits) } else { bits };
        if self.satfinite && !target.is_nan(bits) && bits & !sign > target.largest {
            bits = bits & sign | target.largest;
        }
        if self.sat {
            let one = ((1 << (target.exponent_bits - 1)) - 1) << (target.precision - 1);
            let negative = bits & sign != 0 || target.is_nan(bits);
            bits = if negative { 0 } else { bits.min(one) };
        }
        if self.relu && bits & sign != 0 && !target.is_nan(bits) {
            bits = 0;
        }
        // The 13 bits below a tf32 are zero, but in a NaN.
        if to != Type::Tf32 {
            bits
        } else if target.is_nan(bits) {
            exact::F32.nan
        } else {
            bits << 13
        }
    }
}

fn integer(ty: Type, bits: u64) -> i128 {
    if ty.is_signed() { extend(bits, ty.bits()).into() } else { bits.into() }
}

fn limits(bits: u32, signed: bool) -> (i128, i128) {
    if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

fn clamp(value: i128, ty: Type) -> i128 {
    let (least, most) = limits(ty.bits(), ty.is_signed());
    value.clamp(least, most)
}
