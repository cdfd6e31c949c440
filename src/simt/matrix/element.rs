//! The element types of matrices, and floating-point elements taken apart for an exact product.

use crate::simt::ptx::ast::Type;

/// Type of a matrix's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    Tf32,
    E4m3,
    E5m2,
    F32,
    F64,
    S8,
    U8,
    S4,
    U4,
    B1,
    S32,
}

impl Element {
    const NAMES: [(&'static str, Self); 13] = [
        ("f16", Self::F16),
        ("bf16", Self::Bf16),
        ("tf32", Self::Tf32),
        ("e4m3", Self::E4m3),
        ("e5m2", Self::E5m2),
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("s8", Self::S8),
        ("u8", Self::U8),
        ("s4", Self::S4),
        ("u4", Self::U4),
        ("b1", Self::B1),
        ("s32", Self::S32),
    ];

    /// The element type of that name, without its dot.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, element)| *element)
    }

    /// Bits of an element in a register and in memory.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::B1 => 1,
            Self::S4 | Self::U4 => 4,
            Self::S8 | Self::U8 | Self::E4m3 | Self::E5m2 => 8,
            Self::F16 | Self::Bf16 => 16,
            Self::Tf32 | Self::F32 | Self::S32 => 32,
            Self::F64 => 64,
        }
    }

    /// Elements that share a register.
    pub(super) fn per_register(self) -> usize {
        match self {
            Self::F64 => 1,
            _ => (32 / self.bits()) as usize,
        }
    }

    /// The type of the registers that hold it (PTX ISA 8.5, tables of `mma` and `wmma` fragments).
    pub(super) fn register(self) -> Type {
        match self {
            Self::F16 => Type::F16x2,
            Self::F32 => Type::F32,
            Self::F64 => Type::F64,
            Self::S32 => Type::S32,
            _ => Type::B32,
        }
    }

    /// The integer that these bits are; of a floating-point type the bits themselves.
    pub(super) fn integer(self, bits: u64) -> i64 {
        let bits = bits as i64;
        match self {
            Self::S4 => bits << 60 >> 60,
            Self::S8 => bits << 56 >> 56,
            Self::S32 => bits << 32 >> 32,
            _ => bits,
        }
    }

    /// Fraction bits of a floating-point type.
    pub(super) fn fraction_bits(self) -> i32 {
        self.format().0 as i32
    }

    /// Fraction bits, exponent bits.
    fn format(self) -> (u32, u32) {
        match self {
            Self::F16 => (10, 5),
            Self::Bf16 => (7, 8),
            Self::Tf32 => (10, 8),
            Self::E4m3 => (3, 4),
            Self::E5m2 => (2, 5),
            _ => (23, 8),
        }
    }

    /// Takes a floating-point element apart. The 13 low bits of a `.tf32` are ignored.
    pub(super) fn unpack(self, bits: u64) -> Number {
        let bits = if self == Self::Tf32 { (bits & 0xffff_ffff) >> 13 } else { bits };
        let (fraction_bits, exponent_bits) = self.format();
        let fraction = (bits & ((1 << fraction_bits) - 1)) as i32;
        let largest = (1i32 << exponent_bits) - 1;
        let field = (bits >> fraction_bits) as i32 & largest;
        let bias = largest >> 1;
        let negative = bits >> (fraction_bits + exponent_bits) & 1 == 1;
        let special = match self {
            // E4M3 has no infinity, and one NaN of each sign (OCP 8-bit floating point, 1.0).
            Self::E4m3 if field == largest && fraction == 7 => Special::Nan,
            Self::E4m3 => Special::None,
            _ if field < largest => Special::None,
            _ if fraction != 0 => Special::Nan,
            _ => Special::Infinite,
        };
        let magnitude = if field == 0 { fraction } else { fraction | 1 << fraction_bits };
        Number {
            negative,
            special,
            significand: if negative { -magnitude } else { magnitude },
            exponent: if magnitude == 0 { Number::OF_ZERO } else { field.max(1) - bias },
        }
    }
}

/// What is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    None,
    Infinite,
    Nan,
}

/// A floating-point number: `significand · 2^(exponent − fraction bits of its type)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) negative: bool,
    pub(super) special: Special,
    /// Signed, of at most 24 bits.
    pub(super) significand: i32,
    /// Of the leading place; that of a subnormal is the smallest normal one.
    pub(super) exponent: i32,
}

impl Number {
    /// The exponent of zero: so low that a product with it is below every other number.
    const OF_ZERO: i32 = -2000;
}
