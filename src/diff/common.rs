//! In which type two tensors are compared: their own if it is the same, else the smallest that holds all
//! values of both exactly.

use crate::checkpoint::element::{Element, Float, Kind, kind, name};

/// The type of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Common {
    /// Floating-point numbers; distances are in units in its last place.
    Float(Float),
    /// Integers, of so many bits; distances are absolute differences.
    Integer {
        /// Bits that hold the values of both.
        bits: u32,
        /// Whether there are negative ones.
        signed: bool,
    },
    /// Bytes that are not computed with: they are equal or differ, and there is no distance.
    Bytes,
}

impl Common {
    /// The type for elements of `a` and `b`; `None` if there is none that holds both exactly.
    pub fn of(a: Element, b: Element) -> Option<Self> {
        match (kind(a), kind(b)) {
            (Kind::Opaque, _) | (_, Kind::Opaque) => (a == b).then_some(Self::Bytes),
            (Kind::Float(a), Kind::Float(b)) => Some(Self::Float(float(a, b))),
            (Kind::Float(of), other) | (other, Kind::Float(of)) => mixed(of, integer(other)).map(Self::Float),
            (a, b) => {
                let ((bits_a, signed_a), (bits_b, signed_b)) = (integer(a), integer(b));
                let signed = signed_a || signed_b;
                // An unsigned number takes one bit more among signed ones.
                let needs = |bits: u32, is_signed: bool| if signed && !is_signed { 2 * bits } else { bits };
                Some(Self::Integer { bits: needs(bits_a, signed_a).max(needs(bits_b, signed_b)), signed })
            }
        }
    }

    /// Its name: that of a type of files, or `bytes`.
    pub fn name(self) -> String {
        match self {
            Self::Float(float) => name(float.element()),
            Self::Integer { bits, signed } => format!("{}{bits}", if signed { 'i' } else { 'u' }),
            Self::Bytes => "bytes".to_owned(),
        }
    }
}

/// The smallest format that holds two; the same one if they are equal.
fn float(a: Float, b: Float) -> Float {
    use Float::{Bf16, E4m3, E5m2, F16, F32, F64};
    match (a, b) {
        (a, b) if a == b => a,
        (F64, _) | (_, F64) => F64,
        (F32, _) | (_, F32) | (F16, Bf16) | (Bf16, F16) => F32,
        (Bf16, _) | (_, Bf16) => Bf16,
        (E4m3 | E5m2 | F16, _) => F16,
    }
}

/// The smallest format that holds a float and an integer; none holds 64 bits.
fn mixed(of: Float, (bits, _): (u32, bool)) -> Option<Float> {
    let holds = |format: Float| format.precision() >= bits;
    match bits {
        64 => None,
        // 8 bits are exact in f16 and in bf16.
        8 if holds(of) || of == Float::F16 => Some(of),
        8 => Some(Float::F16),
        16 => Some(float(of, Float::F32)),
        _ => Some(Float::F64),
    }
}

/// Bits of an integer, and whether it is signed; a bool is a byte here, since bytes above 1 occur.
fn integer(kind: Kind) -> (u32, bool) {
    match kind {
        Kind::Integer { bits, signed } => (bits, signed),
        Kind::Bool => (8, false),
        Kind::Float(_) | Kind::Opaque => (64, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Element::{BF16, BOOL, F8_E4M3, F8_E5M2, F8_E8M0, F16, F32, F64, I8, I16, I32, I64, U8, U16, U64};

    #[test]
    fn the_smallest_type_that_holds_both() {
        let cases = [
            (F32, F32, "f32"),
            (F8_E4M3, F8_E4M3, "f8_e4m3"),
            (F8_E4M3, F8_E5M2, "f16"),
            (F8_E5M2, BF16, "bf16"),
            (F16, BF16, "f32"),
            (F16, F32, "f32"),
            (BF16, F64, "f64"),
            (U8, F16, "f16"),
            (I8, BF16, "bf16"),
            (BOOL, F8_E4M3, "f16"),
            (I16, F16, "f32"),
            (U16, F64, "f64"),
            (I32, F32, "f64"),
            (I8, I8, "i8"),
            (BOOL, BOOL, "u8"),
            (U8, I8, "i16"),
            (U8, I16, "i16"),
            (U16, I64, "i64"),
            (U64, I8, "i128"),
            (F8_E8M0, F8_E8M0, "bytes"),
        ];
        for (a, b, wanted) in cases {
            assert_eq!(Common::of(a, b).unwrap().name(), wanted, "{a} {b}");
            assert_eq!(Common::of(b, a), Common::of(a, b), "{a} {b}");
        }
        assert_eq!([(I64, F32), (F64, U64), (F8_E8M0, U8)].map(|(a, b)| Common::of(a, b)), [None; 3]);
    }
}
