//! What causes are looked for with, and costs next to nothing while a block lies in the nearest cache: how
//! large values and differences are, whether all are finite, and a sum over bits that no permutation changes.

use multiversion::multiversion;

use crate::checkpoint::element::Element;
use crate::diff::widen::size;
use crate::divergence::block::Sizes;

/// What a number of elements showed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Extent {
    /// The largest |A−B|; infinite where one of them is.
    pub difference: f64,
    /// The largest |A|; infinite where one is, or is NaN.
    pub magnitude_before: f64,
    /// The same of B.
    pub magnitude_after: f64,
    /// Sums over the bits of either side, which do not depend on the order of elements.
    pub bits: [u32; 2],
}

impl Extent {
    /// Adds another one.
    pub fn append(&mut self, other: &Self) {
        self.difference = self.difference.max(other.difference);
        self.magnitude_before = self.magnitude_before.max(other.magnitude_before);
        self.magnitude_after = self.magnitude_after.max(other.magnitude_after);
        for (sum, bits) in self.bits.iter_mut().zip(other.bits) {
            *sum = sum.wrapping_add(bits);
        }
    }

    /// Whether there is neither NaN nor infinity.
    pub fn is_finite(&self) -> bool {
        self.magnitude_before.is_finite() && self.magnitude_after.is_finite()
    }
}

/// Of values as f32, out of what their comparison measured.
pub fn of_f32(sizes: &Sizes) -> Extent {
    // NaN have larger bits than infinities.
    let magnitude = |bits: u32| f64::from(f32::from_bits(bits.min(f32::INFINITY.to_bits())));
    Extent {
        difference: f64::from(sizes.difference),
        magnitude_before: magnitude(sizes.magnitudes[0]),
        magnitude_after: magnitude(sizes.magnitudes[1]),
        bits: sizes.bits,
    }
}

/// Of values as f64.
pub fn of_f64(a: &[f64], b: &[f64]) -> Extent {
    let most = |most: f64, value: f64| if value > most { value } else { most };
    let magnitude = |most: f64, value: f64| if value.abs() <= most { most } else { value.abs() };
    let no_nan = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
    Extent {
        difference: a.iter().zip(b).fold(0.0, |sum, (a, b)| most(sum, (a - b).abs())),
        magnitude_before: a.iter().fold(0.0, |sum, a| magnitude(sum, no_nan(*a))),
        magnitude_after: b.iter().fold(0.0, |sum, b| magnitude(sum, no_nan(*b))),
        bits: [0; 2],
    }
}

/// A sum over the bits of elements as they lie in the file.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn sum_of_bits(element: Element, bytes: &[u8]) -> u32 {
    let mut sum = 0u32;
    match size(element) {
        1 => {
            for byte in bytes {
                sum = sum.wrapping_add(u32::from(*byte));
            }
        }
        2 => {
            for bytes in bytes.as_chunks::<2>().0 {
                sum = sum.wrapping_add(u32::from(u16::from_le_bytes(*bytes)));
            }
        }
        _ => {
            for bytes in bytes.as_chunks::<4>().0 {
                sum = sum.wrapping_add(u32::from_le_bytes(*bytes));
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::divergence::block::measure_f32;

    fn of(a: &[f32], b: &[f32]) -> Extent {
        of_f32(&measure_f32(a, b, &mut vec![0; a.len()]).1)
    }

    #[test]
    fn extents_by_hand() {
        let (a, b) = ([1.0, -3.0, 0.5, 2.0], [1.5, -3.0, 7.5, 0.0]);
        let wanted = Extent { difference: 7.0, magnitude_before: 3.0, magnitude_after: 7.5, bits: [0; 2] };
        assert_eq!(Extent { bits: [0; 2], ..of(&a.map(|v| v as f32), &b.map(|v| v as f32)) }, wanted);
        assert_eq!(of_f64(&a, &b), wanted);
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!of_f64(&[1.0, odd, 2.0], &b[..3]).is_finite());
            assert!(!of(&[1.0, 2.0, 3.0], &[1.0, odd as f32, 2.0]).is_finite());
        }
        assert_eq!(of_f64(&[f64::NAN, 1.0], &[1.0, 3.0]).difference, 2.0);
        assert_eq!(of(&[f32::NAN, 1.0], &[1.0, 3.0]).difference, 2.0);
    }

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let bytes: Vec<u8> = (0..64).map(|i| (i * 37 % 251) as u8).collect();
        for element in [Element::U8, Element::F16, Element::F32, Element::F64] {
            let mut other = bytes.clone();
            other.rotate_left(size(element));
            assert_eq!(sum_of_bits(element, &bytes), sum_of_bits(element, &other));
            other[3] ^= 1;
            assert_ne!(sum_of_bits(element, &bytes), sum_of_bits(element, &other));
        }
        let values: Vec<f32> = (0..100).map(|i| (i as f32).sin()).collect();
        let mut other = values.clone();
        other.rotate_left(41);
        let sums = of(&values, &other).bits;
        assert_eq!(sums[0], sums[1]);
    }
}
