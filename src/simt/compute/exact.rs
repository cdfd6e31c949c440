//! Binary floating point of any format, computed exactly and rounded once: what the host's own
//! instructions cannot do, which is every rounding but to nearest, and every format below 32 bits.

/// A way to round what does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// `.rn`: to nearest, ties to even.
    Nearest,
    /// `.rna`: to nearest, ties away from zero.
    Away,
    /// `.rz`: towards zero.
    Zero,
    /// `.rm`: towards negative infinity.
    Down,
    /// `.rp`: towards positive infinity.
    Up,
}

/// A binary format: one sign bit, the exponent, the significand without its first bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Bits of the significand, the hidden one included.
    pub precision: u32,
    /// Bits of the exponent.
    pub exponent_bits: u32,
    /// The largest finite number.
    pub largest: u64,
    /// Whether there is an infinity after the largest number; else there is the only NaN.
    pub infinities: bool,
    /// The NaN that is made where no operand was one.
    pub nan: u64,
}

/// `.f16`.
pub const F16: Format =
    Format { precision: 11, exponent_bits: 5, largest: 0x7bff, infinities: true, nan: 0x7fff };
/// `.bf16`.
pub const BF16: Format =
    Format { precision: 8, exponent_bits: 8, largest: 0x7f7f, infinities: true, nan: 0x7fff };
/// `.tf32`, without the 13 bits below it in a register.
pub const TF32: Format =
    Format { precision: 11, exponent_bits: 8, largest: 0x3_fbff, infinities: true, nan: 0x3_ffff };
/// `.f32`.
pub const F32: Format =
    Format { precision: 24, exponent_bits: 8, largest: 0x7f7f_ffff, infinities: true, nan: 0x7fff_ffff };
/// `.f64`.
pub const F64: Format = Format {
    precision: 53,
    exponent_bits: 11,
    largest: 0x7fef_ffff_ffff_ffff,
    infinities: true,
    nan: 0x7ff8_0000_0000_0000,
};
/// The upper 32 bits of an `.f64`, as the coarse f64 approximations use them.
pub const F64_UPPER: Format =
    Format { precision: 21, exponent_bits: 11, largest: 0x7fef_ffff, infinities: true, nan: 0x7ff8_0000 };
/// `.e4m3`: no infinities, one NaN (OCP 8-bit floating point specification 1.0).
pub const E4M3: Format =
    Format { precision: 4, exponent_bits: 4, largest: 0x7e, infinities: false, nan: 0x7f };
/// `.e5m2`.
pub const E5M2: Format =
    Format { precision: 3, exponent_bits: 5, largest: 0x7b, infinities: true, nan: 0x7f };

/// A finite number, `±significand × 2^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finite {
    /// Its sign; zero has one too.
    pub negative: bool,
    /// Power of two.
    pub exponent: i32,
    /// Below 2^127. Its lowest bit may stand for all lower ones that are lost, where at least two more
    /// bits than the precision are kept above it.
    pub significand: u128,
}

/// What a bit pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Not a number.
    Nan,
    /// An infinity, negative or not.
    Infinite(bool),
    /// Anything else.
    Finite(Finite),
}

use Number::{Infinite, Nan};

impl Format {
    /// The sign's bit.
    #[inline]
    pub const fn sign(&self) -> u64 {
        1 << (self.precision + self.exponent_bits - 1)
    }

    /// The smallest normal number.
    #[inline]
    pub const fn smallest_normal(&self) -> u64 {
        1 << (self.precision - 1)
    }

    /// Whether it is a NaN.
    #[inline]
    pub const fn is_nan(&self, bits: u64) -> bool {
        (bits & (self.sign() - 1)) > self.largest + self.infinities as u64
    }

    /// Positive infinity, or the largest number where there is none.
    #[inline]
    pub const fn infinity(&self) -> u64 {
        self.largest + self.infinities as u64
    }

    /// A subnormal number becomes the zero of its sign.
    #[inline]
    pub const fn flush(&self, bits: u64) -> u64 {
        if (bits & (self.sign() - 1)) < self.smallest_normal() { bits & self.sign() } else { bits }
    }

    /// Power of two of a subnormal number's lowest bit.
    const fn lowest(&self) -> i32 {
        3 - (1 << (self.exponent_bits - 1)) - self.precision as i32
    }

    /// The number that the bits stand for.
    pub fn unpack(&self, bits: u64) -> Number {
        let negative = bits & self.sign() != 0;
        let magnitude = bits & (self.sign() - 1);
        if magnitude > self.infinity() {
            return Nan;
        }
        if magnitude > self.largest {
            return Infinite(negative);
        }
        let biased = (magnitude >> (self.precision - 1)) as i32;
        let fraction = magnitude & (self.smallest_normal() - 1);
        let (exponent, significand) = match biased {
            0 => (self.lowest(), fraction),
            _ => (self.lowest() + biased - 1, fraction | self.smallest_normal()),
        };
        Number::Finite(Finite { negative, exponent, significand: significand.into() })
    }

    /// The nearest bits in the rounding's sense; overflow as IEEE 754 §7.4 has it.
    pub fn pack(&self, number: Number, rounding: Rounding) -> u64 {
        let finite = match number {
            Nan => return self.nan,
            Infinite(negative) => return self.infinity() | self.signed(negative),
            Number::Finite(finite) => finite,
        };
        let sign = self.signed(finite.negative);
        if finite.significand == 0 {
            return sign;
        }
        let length = 128 - finite.significand.leading_zeros() as i32;
        let unit = (finite.exponent + length - self.precision as i32).max(self.lowest());
        let (kept, up) = round_shift(finite, unit - finite.exponent, rounding);
        // A carry out of the significand runs into the exponent, where it belongs.
        let kept = kept as u64 + u64::from(up);
        let magnitude = ((unit - self.lowest()) as u64).wrapping_mul(self.smallest_normal()) + kept;
        if magnitude <= self.largest {
            return sign | magnitude;
        }
        let to_infinity = match rounding {
            Rounding::Nearest | Rounding::Away => true,
            Rounding::Zero => false,
            Rounding::Down => finite.negative,
            Rounding::Up => !finite.negative,
        };
        sign | if to_infinity { self.infinity() } else { self.largest }
    }

    const fn signed(&self, negative: bool) -> u64 {
        if negative { self.sign() } else { 0 }
    }
}

/// `significand >> shift`, or `<<` where negative, and whether one is to be added.
fn round_shift(number: Finite, shift: i32, rounding: Rounding) -> (u128, bool) {
    let Finite { negative, significand, .. } = number;
    if shift <= 0 {
        return (significand << -shift, false);
    }
    // Everything is far below half a unit then.
    let shift = if shift > 127 { return (0, away_from_zero(negative, rounding)) } else { shift };
    let kept = significand >> shift;
    let rest = significand & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    let up = match rounding {
        Rounding::Nearest => rest > half || (rest == half && kept & 1 == 1),
        Rounding::Away => rest >= half,
        _ => rest != 0 && away_from_zero(negative, rounding),
    };
    (kept, up)
}

fn away_from_zero(negative: bool, rounding: Rounding) -> bool {
    match rounding {
        Rounding::Nearest | Rounding::Away | Rounding::Zero => false,
        Rounding::Down => negative,
        Rounding::Up => !negative,
    }
}

/// To an integer; the magnitude is limited to 2^64, where every type has long been exceeded.
pub fn to_integer(number: Finite, rounding: Rounding) -> i128 {
    const LIMIT: i128 = 1 << 64;
    let length = 128 - number.significand.leading_zeros() as i32;
    let magnitude = if number.significand != 0 && length + number.exponent > 65 {
        LIMIT
    } else if number.significand == 0 {
        0
    } else {
        let (kept, up) = round_shift(number, -number.exponent, rounding);
        (kept as i128 + i128::from(up)).min(LIMIT)
    };
    if number.negative { -magnitude } else { magnitude }
}

/// An integer as a number; zero is positive.
pub fn from_integer(value: i128) -> Number {
    Number::Finite(Finite { negative: value < 0, exponent: 0, significand: value.unsigned_abs() })
}

/// The number with its sign reversed.
pub fn negate(number: Number) -> Number {
    match number {
        Nan => Nan,
        Infinite(negative) => Infinite(!negative),
        Number::Finite(finite) => Number::Finite(Finite { negative: !finite.negative, ..finite }),
    }
}

/// Shifts so that the significand's highest bit is bit 125: room for one carry.
fn normalise(number: Finite) -> Finite {
    let shift = number.significand.leading_zeros() as i32 - 2;
    Finite { significand: number.significand << shift, exponent: number.exponent - shift, ..number }
}

/// `a + b`. The rounding is that which follows: it decides the sign of an exact zero.
pub fn add(a: Number, b: Number, rounding: Rounding) -> Number {
    let (a, b) = match (a, b) {
        (Nan, _) | (_, Nan) => return Nan,
        (Infinite(a), Infinite(b)) => return if a == b { Infinite(a) } else { Nan },
        (Infinite(a), _) | (_, Infinite(a)) => return Infinite(a),
        (Number::Finite(a), Number::Finite(b)) => (a, b),
    };
    let zero = |negative| Number::Finite(Finite { negative, exponent: 0, significand: 0 });
    match (a.significand, b.significand) {
        (0, 0) if a.negative == b.negative => return zero(a.negative),
        (0, 0) => return zero(rounding == Rounding::Down),
        (0, _) => return Number::Finite(b),
        (_, 0) => return Number::Finite(a),
        _ => {}
    }
    let (a, b) = (normalise(a), normalise(b));
    let (large, small) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
    let distance = (large.exponent - small.exponent) as u32;
    // Operands have at most 106 significant bits, so bits are lost only from a distance of 20 on; then at
    // most one leading bit cancels, and the lowest bit may stand for them.
    let aligned = small.significand.checked_shr(distance).unwrap_or(0);
    let lost = distance >= 128 || (aligned << distance) != small.significand;
    let aligned = aligned | u128::from(lost);
    let (negative, significand) = if large.negative == small.negative {
        (large.negative, large.significand + aligned)
    } else if large.significand >= aligned {
        (large.negative, large.significand - aligned)
    } else {
        (small.negative, aligned - large.significand)
    };
    if significand == 0 {
        return zero(rounding == Rounding::Down);
    }
    Number::Finite(Finite { negative, exponent: large.exponent, significand })
}

/// `a × b`, exactly; significands of at most 63 bits.
pub fn multiply(a: Number, b: Number) -> Number {
    match (a, b) {
        (Nan, _) | (_, Nan) => Nan,
        (Infinite(a), Infinite(b)) => Infinite(a != b),
        (Infinite(a), Number::Finite(b)) | (Number::Finite(b), Infinite(a)) => match b.significand {
            0 => Nan,
            _ => Infinite(a != b.negative),
        },
        (Number::Finite(a), Number::Finite(b)) => Number::Finite(Finite {
            negative: a.negative != b.negative,
            exponent: a.exponent + b.exponent,
            significand: a.significand * b.significand,
        }),
    }
}

/// `a / b` to at least 70 bits, the lowest of which says whether more would follow.
pub fn divide(a: Number, b: Number) -> Number {
    match (a, b) {
        (Nan, _) | (_, Nan) | (Infinite(_), Infinite(_)) => Nan,
        (Infinite(a), Number::Finite(b)) => Infinite(a != b.negative),
        (Number::Finite(a), Infinite(b)) => {
            Number::Finite(Finite { negative: a.negative != b, exponent: 0, significand: 0 })
        }
        (Number::Finite(a), Number::Finite(b)) => {
            let negative = a.negative != b.negative;
            if b.significand == 0 {
                return if a.significand == 0 { Nan } else { Infinite(negative) };
            }
            if a.significand == 0 {
                return Number::Finite(Finite { negative, ..a });
            }
            let a = normalise(a);
            let quotient = a.significand / b.significand;
            let inexact = !a.significand.is_multiple_of(b.significand);
            Number::Finite(Finite {
                negative,
                exponent: a.exponent - b.exponent,
                significand: quotient | u128::from(inexact),
            })
        }
    }
}

/// The square root to at least 62 bits, the lowest of which says whether more would follow.
pub fn square_root(a: Number) -> Number {
    match a {
        Nan | Infinite(true) => Nan,
        Infinite(false) => a,
        Number::Finite(finite) if finite.significand == 0 => a,
        Number::Finite(finite) if finite.negative => Nan,
        Number::Finite(finite) => {
            let mut number = normalise(finite);
            if number.exponent & 1 != 0 {
                number.significand <<= 1;
                number.exponent -= 1;
            }
            let root = number.significand.isqrt();
            let inexact = root * root != number.significand;
            Number::Finite(Finite {
                negative: false,
                exponent: number.exponent / 2,
                significand: root | u128::from(inexact),
            })
        }
    }
}
