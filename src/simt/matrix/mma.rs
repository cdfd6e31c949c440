//! `mma.sync` and `wmma.mma.sync`: D = A·B + C over the fragments of a warp.

use super::decode::{Decoded, Integers, decode};
use super::element::{Element, Number, Special};
use super::layout::{Location, Role, Shape, Spread, Spreading};
use super::model::Model;
use super::{Fragment, RegisterList, Registers};
use crate::simt::fault::Result;

/// A matrix product of a warp.
///
/// Integers are exact, then modulo 2^32 or clamped (`.satfinite`). Products of f64 are one chain of fma with
/// ascending k, begun with c (to nearest). For other floating-point types see `model.rs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mma {
    shape: Shape,
    /// Independent products: 4 for `.m8n8k4` of f16, else 1.
    products: usize,
    integers: Integers,
    a: Operand,
    b: Operand,
    c: Operand,
    d: Operand,
}

/// One matrix, with the place of each element in order of its index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Operand {
    element: Element,
    registers: RegisterList,
    locations: Vec<Location>,
}

impl Operand {
    fn new(decoded: &Decoded, role: Role, element: Element) -> Self {
        let spreading = Spreading::new(decoded.spread, decoded.shape, role, element);
        let locations = spreading.locations();
        Self { element, registers: spreading.registers, locations }
    }

    /// The bits of an element; 0 where a fragment is missing.
    fn get(&self, fragments: &[Fragment], location: Location) -> u64 {
        let fragment = fragments.get(usize::from(location.register));
        let word = fragment.and_then(|fragment| fragment.get(usize::from(location.lane))).copied();
        let mask = u64::MAX >> (64 - self.element.bits());
        word.unwrap_or(0) >> location.shift & mask
    }

    fn all(&self, fragments: &[Fragment]) -> impl Iterator<Item = u64> {
        self.locations.iter().map(|location| self.get(fragments, *location))
    }
}

impl Mma {
    /// The product that these words name; `opcode` is `mma` or `wmma` (then the first word is `mma`).
    ///
    /// # Errors
    ///
    /// A fault that names the instruction if PTX has no such product, or it is none that is executed here:
    /// sparse and block-scaled ones, `wgmma`, `tcgen05`, roundings other than to nearest.
    pub fn decode(opcode: &str, modifiers: &[String]) -> Result<Self> {
        let decoded = decode(opcode, modifiers)?;
        Ok(Self {
            shape: decoded.shape,
            products: if matches!(decoded.spread, Spread::Quads { .. }) { 4 } else { 1 },
            integers: decoded.integers,
            a: Operand::new(&decoded, Role::A, decoded.a),
            b: Operand::new(&decoded, Role::B, decoded.b),
            c: Operand::new(&decoded, Role::Sum, decoded.c),
            d: Operand::new(&decoded, Role::Sum, decoded.d),
        })
    }

    /// Whether PTX says what its bits are: of integers, and of f64, which is a chain of fused operations.
    pub fn is_exact(&self) -> bool {
        matches!((self.a.element, self.d.element), (Element::F64, _) | (_, Element::S32))
    }

    /// How many registers of which type each operand has.
    pub fn registers(&self) -> Registers {
        Registers { d: self.d.registers, a: self.a.registers, b: self.b.registers, c: self.c.registers }
    }

    /// Computes `d` anew: one fragment a register, as many as [`Mma::registers`] says. Fragments of `a`, `b`
    /// or `c` that are missing count as zeros.
    pub fn execute(&self, a: &[Fragment], b: &[Fragment], c: &[Fragment], d: &mut [Fragment]) {
        let sums = match (self.a.element, self.d.element) {
            (Element::F64, _) => self.doubles(a, b, c),
            (_, Element::S32) => self.integers(a, b, c),
            _ => self.floats(a, b, c),
        };
        d.iter_mut().for_each(|fragment| fragment.fill(0));
        for (location, bits) in self.d.locations.iter().zip(sums) {
            let fragment = d.get_mut(usize::from(location.register));
            if let Some(word) = fragment.and_then(|fragment| fragment.get_mut(usize::from(location.lane))) {
                *word |= bits << location.shift;
            }
        }
    }

    /// All elements of D in order of their index, from the sums' bits: `sum(row of a, column of b, c)`.
    fn each<T>(&self, a: &[T], b: &[T], c: &[u64], sum: impl Fn(&[T], &[T], u64) -> u64) -> Vec<u64> {
        let Shape { m, n, k } = self.shape;
        let mut sums = Vec::with_capacity(self.products * m * n);
        let products = a.chunks(m * k).zip(b.chunks(n * k)).zip(c.chunks(m * n));
        for ((a, b), c) in products {
            for (row, c) in a.chunks(k).zip(c.chunks(n)) {
                sums.extend(b.chunks(k).zip(c).map(|(column, c)| sum(row, column, *c)));
            }
        }
        sums
    }

    fn floats(&self, a: &[Fragment], b: &[Fragment], c: &[Fragment]) -> Vec<u64> {
        let model = Model::of(self.a.element, self.b.element);
        let unpack = |operand: &Operand, fragments: &[Fragment]| -> Vec<Number> {
            operand.all(fragments).map(|bits| operand.element.unpack(bits)).collect()
        };
        let (a, b) = (unpack(&self.a, a), unpack(&self.b, b));
        let finite = a.iter().chain(&b).all(|number| number.special == Special::None);
        let c: Vec<u64> = self.c.all(c).collect();
        self.each(&a, &b, &c, |a, b, c| model.dot(a, b, (c, self.c.element), self.d.element, finite))
    }

    fn doubles(&self, a: &[Fragment], b: &[Fragment], c: &[Fragment]) -> Vec<u64> {
        let read = |operand: &Operand, fragments: &[Fragment]| -> Vec<f64> {
            operand.all(fragments).map(f64::from_bits).collect()
        };
        let c: Vec<u64> = self.c.all(c).collect();
        self.each(&read(&self.a, a), &read(&self.b, b), &c, |a, b, c| {
            let sum = a.iter().zip(b).fold(f64::from_bits(c), |sum, (a, b)| a.mul_add(*b, sum));
            // PTX's canonical NaN of f64.
            if sum.is_nan() { 0x7fff_ffff_ffff_ffff } else { sum.to_bits() }
        })
    }

    fn integers(&self, a: &[Fragment], b: &[Fragment], c: &[Fragment]) -> Vec<u64> {
        let read = |operand: &Operand, fragments: &[Fragment]| -> Vec<i64> {
            operand.all(fragments).map(|bits| operand.element.integer(bits)).collect()
        };
        let c: Vec<u64> = self.c.all(c).collect();
        self.each(&read(&self.a, a), &read(&self.b, b), &c, |a, b, c| {
            let pairs = a.iter().zip(b);
            let products: i64 = match self.integers {
                Integers::Wrap | Integers::Clamp => pairs.map(|(a, b)| a * b).sum(),
                Integers::XorCount => pairs.map(|(a, b)| a ^ b).sum(),
                Integers::AndCount => pairs.map(|(a, b)| a & b).sum(),
            };
            let sum = products + Element::S32.integer(c);
            let sum = match self.integers {
                Integers::Clamp => sum.clamp(i64::from(i32::MIN), i64::from(i32::MAX)),
                _ => sum,
            };
            u64::from(sum as u32)
        })
    }
}
