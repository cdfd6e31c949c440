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
    /// Fraction bits of a product.
    product: i32,
}

/// The exponent with which a zero counts.
const OF_ZERO: i32 = -126;

impl Model {
    /// Those for factors of those types.
    pub(super) fn of(a: Element, b: Element) -> Self {
        let product = a.fraction_bits() + b.fraction_bits();
        match a {
            Element::E4m3 | Element::E5m2 => Self { block: 16, kept: 13, fraction: 13, product },
            Element::Tf32 => Self { block: 4, kept: 24, fraction: 23, product },
            _ => Self { block: 8, kept: 24, fraction: 23, product },
        }
    }

    /// The bits in the type `d` of a·b + c: one row of A, one column of B, and the bits of c in the type `c`.
    /// `finite` says that all of a and b are.
    pub(super) fn dot(
        self,
        a: &[Number],
        b: &[Number],
        (c, c_type): (u64, Element),
        d: Element,
        finite: bool,
    ) -> u64 {
        let c = c_type.unpack(c);
        let special = if finite && c.special == Special::None { None } else { special(a, b, c) };
        if let Some(special) = special {
            return special.bits(d);
        }
        let (mut sum, mut fraction_bits) = (c, c_type.fraction_bits());
        let mut bits = 0;
        for (a, b) in a.chunks(self.block).zip(b.chunks(self.block)) {
            bits = self.fused(a, b, (sum, fraction_bits), d);
            (sum, fraction_bits) = (d.unpack(bits), d.fraction_bits());
            // An overflow stays: what is finite cannot bring it back.
            if sum.special != Special::None {
                break;
            }
        }
        bits
    }

    /// One block.
    fn fused(self, a: &[Number], b: &[Number], (c, fraction_bits): (Number, i32), d: Element) -> u64 {
        let exponents = a.iter().zip(b).map(|(a, b)| a.exponent + b.exponent);
        let largest = exponents.fold(c.exponent.max(OF_ZERO), i32::max);
        // In units of 2^(largest − kept). A product has at most 22 bits and 4 more of these, or fewer and
        // more: at most 26 in all, and 17 summands at most 31.
        let products = a.iter().zip(b).map(|(a, b)| {
            let product = a.significand * b.significand;
            let below = (largest - a.exponent - b.exponent).min(31);
            let magnitude = (product.abs() << (self.kept - self.product)) >> below;
            if product < 0 { -magnitude } else { magnitude }
        });
        let products: i32 = products.sum();
        let shift = c.exponent - largest + self.kept - fraction_bits;
        let magnitude = i64::from(c.significand.abs());
        let c = match u32::try_from(shift) {
            Ok(left) => magnitude << left,
            Err(_) => magnitude >> shift.unsigned_abs().min(31),
        } * i64::from(c.significand.signum());
        let sum = c + i64::from(products);
        // Exact: a sum has at most 32 bits, and `largest` is in −126 ..= 255.
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
    // An f64 has 52 fraction bits; a subnormal f32 has fewer than a normal one. What is cut to zero keeps its
    // sign.
    let dropped = (52 - fraction + (-126 - exponent).max(0)).min(52 + 1);
    let magnitude = value.to_bits() & !(1 << 63);
    let kept = if dropped > 52 { 0 } else { magnitude >> dropped << dropped };
    // Exact: no more bits than an f32 has.
    u64::from((f64::from_bits(kept).copysign(value) as f32).to_bits())
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
