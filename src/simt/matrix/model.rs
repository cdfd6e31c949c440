//! How a tensor core is taken to round. NVIDIA does not specify it; this is the model that Xie et al. found
//! equal to hardware, bit for bit, on random and directed tests ("MMA-Sim", arXiv 2511.10909, its T-FDPA;
//! earlier Fasi et al., PeerJ Computer Science 2021), with the constants of one generation, Ampere (and of
//! Ada for 8-bit floats, which Ampere has not). Other generations differ in those constants, so hardware may
//! differ in the last bits.
//!
//! A sum of k products is split into blocks of L; each block adds to the result of the one before:
//!
//! 1. Products are exact. The exponent of one is that of its factors added (no normalisation); subnormals
//!    are not flushed.
//! 2. Every product, and c, is aligned to the largest exponent among them and cut toward zero after F bits
//!    behind its leading place; a zero counts with exponent −126.
//! 3. These are added exactly, in any order, and rounded once: toward zero to f32 (to 13 fraction bits for
//!    8-bit floats), or to nearest, ties to even, to f16. A magnitude of 2^128 or more is infinite.
//!
//! A NaN operand, ∞·0 and ∞ − ∞ give the canonical NaN (7fffffff, 7fff), and a sum of zero is +0.

use super::element::{Element, Number, Special};

/// The constants of a generation of tensor cores, for one type of factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    /// L: products per block.
    pub(super) block: usize,
    /// F: bits kept behind the leading place of the largest summand.
    kept: i32,
    /// Fraction bits of an f32 result.
    fraction: i32,
}

impl Model {
    /// Those for factors of that type.
    pub(super) fn of(factor: Element) -> Self {
        match factor {
            Element::E4m3 | Element::E5m2 => Self { block: 16, kept: 13, fraction: 13 },
            Element::Tf32 => Self { block: 4, kept: 24, fraction: 23 },
            _ => Self { block: 8, kept: 24, fraction: 23 },
        }
    }

    /// The bits of a·b + c in the type `d`: one row of A, one column of B, and the bits of c in the type
    /// `c`. `finite` says that all of a and b are.
    pub(super) fn dot(self, a: &[Number], b: &[Number], c: Number, d: Element, finite: bool) -> u64 {
        let special = if finite && c.special == Special::None { None } else { special(a, b, c) };
        if let Some(special) = special {
            return special.bits(d);
        }
        let mut sum = c;
        let mut bits = 0;
        for (a, b) in a.chunks(self.block).zip(b.chunks(self.block)) {
            bits = self.fused(a, b, sum, d);
            sum = d.unpack(bits);
            // An overflow stays: what is finite cannot bring it back.
            if sum.special != Special::None {
                break;
            }
        }
        bits
    }

    /// One block.
    fn fused(self, a: &[Number], b: &[Number], c: Number, d: Element) -> u64 {
        const ZERO: i32 = -126;
        let exponent_of = |significand: i64, exponent| if significand == 0 { ZERO } else { exponent };
        let mut largest = exponent_of(c.significand, c.exponent);
        for (a, b) in a.iter().zip(b) {
            largest = largest.max(exponent_of(a.significand * b.significand, a.exponent + b.exponent));
        }
        // Of a fixed-point sum whose last place is 2^(largest − kept).
        let aligned = |significand: i64, exponent: i32, fraction_bits: i32| {
            let shift = exponent - largest + self.kept - fraction_bits;
            if shift >= 0 {
                significand << shift
            } else {
                // A division, not a shift: toward zero. A significand has at most 24 bits.
                significand / (1i64 << shift.unsigned_abs().min(40))
            }
        };
        let mut sum = match c.significand {
            0 => 0,
            significand => aligned(significand, c.exponent, c.fraction_bits),
        };
        for (a, b) in a.iter().zip(b) {
            let product = a.significand * b.significand;
            if product != 0 {
                sum += aligned(product, a.exponent + b.exponent, a.fraction_bits + b.fraction_bits);
            }
        }
        // Exact: a sum has fewer than 34 bits, and `largest` is in −126 ..= 255.
        let value = sum as f64 * power_of_two(largest - self.kept);
        if d == Element::F16 { to_f16(value) } else { to_f32(value, self.fraction) }
    }
}

/// What a product with something infinite or NaN in it gives, if not something finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Infinite { negative: bool },
    Nan,
}

impl Outcome {
    fn bits(self, d: Element) -> u64 {
        match (self, d) {
            (Self::Nan, Element::F16) => 0x7fff,
            (Self::Nan, _) => 0x7fff_ffff,
            (Self::Infinite { negative }, Element::F16) => 0x7c00 | u64::from(negative) << 15,
            (Self::Infinite { negative }, _) => 0x7f80_0000 | u64::from(negative) << 31,
        }
    }
}

fn special(a: &[Number], b: &[Number], c: Number) -> Option<Outcome> {
    let mut result = match c.special {
        Special::None => None,
        Special::Infinite => Some(Outcome::Infinite { negative: c.negative }),
        Special::Nan => return Some(Outcome::Nan),
    };
    for (a, b) in a.iter().zip(b) {
        let term = match (a.special, b.special) {
            (Special::None, Special::None) => continue,
            (Special::Nan, _) | (_, Special::Nan) => return Some(Outcome::Nan),
            (Special::None, _) if a.significand == 0 => return Some(Outcome::Nan),
            (_, Special::None) if b.significand == 0 => return Some(Outcome::Nan),
            _ => Outcome::Infinite { negative: a.negative != b.negative },
        };
        if result.is_some_and(|result| result != term) {
            return Some(Outcome::Nan);
        }
        result = Some(term);
    }
    result
}

/// 2^exponent, for the exponent of a normal f64.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The exponent of a normal f64's leading place.
fn exponent_of(value: f64) -> i32 {
    (value.to_bits() >> 52 & 0x7ff) as i32 - 1023
}

/// Toward zero, to an f32 of which only `fraction` fraction bits are used.
fn to_f32(value: f64, fraction: i32) -> u64 {
    if value == 0.0 {
        return 0;
    }
    let exponent = exponent_of(value);
    if exponent >= 128 {
        return Outcome::Infinite { negative: value < 0.0 }.bits(Element::F32);
    }
    let last_place = power_of_two(exponent.max(-126) - fraction);
    let cut = (value / last_place).trunc() * last_place;
    // Exact: `cut` has no more bits than an f32. The sign of what was cut to zero is the value's.
    u64::from((cut as f32).to_bits())
}

/// To nearest, ties to even, to an f16.
fn to_f16(value: f64) -> u64 {
    if value == 0.0 {
        return 0;
    }
    let last_place = power_of_two(exponent_of(value).clamp(-14, 16) - 10);
    let rounded = (value / last_place).round_ties_even() * last_place;
    // Exact, or at least 65520, which becomes infinite.
    u64::from(half::f16::from_f64(rounded.clamp(-131_072.0, 131_072.0)).to_bits())
}
