//! NaN, infinities and zeros, counted on bits.

use multiversion::multiversion;

use crate::checkpoint::element::{Element, Float, float};

/// How many elements are no ordinary numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Special {
    /// Not a number.
    pub nan: u64,
    /// Infinite.
    pub infinite: u64,
    /// Zero, of either sign.
    pub zero: u64,
}

impl Special {
    /// Adds another one.
    pub fn append(&mut self, other: Self) {
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.zero += other.zero;
    }

    /// All three.
    pub fn all(self) -> u64 {
        self.nan + self.infinite + self.zero
    }
}

/// Counts over elements as they lie in the file. Integers have zeros only.
pub fn count(element: Element, bytes: &[u8]) -> Special {
    let of = |(nan, infinite, zero)| Special { nan, infinite, zero };
    let integer = |zero| Special { zero, ..Special::default() };
    match float(element) {
        // There is no infinity: its bits are none that a magnitude can have.
        Some(Float::E4m3) => of(count_8(bytes, 0x7e, 0xff)),
        Some(Float::E5m2) => of(count_8(bytes, 0x7c, 0x7c)),
        Some(Float::F16) => of(count_16(bytes, 0x7c00)),
        Some(Float::Bf16) => of(count_16(bytes, 0x7f80)),
        Some(Float::F32) => of(count_32(bytes)),
        Some(Float::F64) => of(count_64(bytes)),
        None => integer(match element.bitsize() {
            64 => zeros(bytes.as_chunks::<8>().0),
            32 => zeros(bytes.as_chunks::<4>().0),
            16 => zeros(bytes.as_chunks::<2>().0),
            _ => zeros(bytes.as_chunks::<1>().0),
        }),
    }
}

fn zeros<const SIZE: usize>(elements: &[[u8; SIZE]]) -> u64 {
    elements.iter().filter(|element| **element == [0; SIZE]).count() as u64
}

/// Elements whose sums fit into a narrow counter; the caller's blocks are smaller.
const MOST: usize = 1 << 15;

macro_rules! counter {
    ($name:ident, $type:ty, $size:literal, [$($limit:ident)?], $largest:expr, $infinity:expr) => {
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
        fn $name(bytes: &[u8] $(, $limit: $type)?) -> (u64, u64, u64) {
            let mut sums = (0u64, 0u64, 0u64);
            for part in bytes.chunks(MOST) {
                let (mut nan, mut infinite, mut zero): ($type, $type, $type) = (0, 0, 0);
                for element in part.as_chunks::<$size>().0 {
                    let magnitude = <$type>::from_le_bytes(*element) & (<$type>::MAX >> 1);
                    nan += <$type>::from(magnitude > $largest);
                    infinite += <$type>::from(magnitude == $infinity);
                    zero += <$type>::from(magnitude == 0);
                }
                sums.0 += u64::from(nan);
                sums.1 += u64::from(infinite);
                sums.2 += u64::from(zero);
            }
            sums
        }
    };
}

counter!(count_16, u16, 2, [infinity], infinity, infinity);
counter!(count_32, u32, 4, [], 0x7f80_0000, 0x7f80_0000);
counter!(count_64, u64, 8, [], 0x7ff0_0000_0000_0000, 0x7ff0_0000_0000_0000);

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn count_8(bytes: &[u8], largest: u8, infinity: u8) -> (u64, u64, u64) {
    let mut sums = (0u64, 0u64, 0u64);
    // A counter of 8 bits overflows behind 255.
    for part in bytes.chunks(240) {
        let (mut nan, mut infinite, mut zero) = (0u8, 0u8, 0u8);
        for byte in part {
            let magnitude = byte & 0x7f;
            nan += u8::from(magnitude > largest);
            infinite += u8::from(magnitude == infinity);
            zero += u8::from(magnitude == 0);
        }
        sums.0 += u64::from(nan);
        sums.1 += u64::from(infinite);
        sums.2 += u64::from(zero);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::widen;

    /// Counts over values that were widened one by one.
    fn plainly(element: Element, bytes: &[u8]) -> Special {
        let mut values = vec![0f64; bytes.len() / widen::size(element)];
        widen::to_f64(element, bytes, &mut values);
        Special {
            nan: values.iter().filter(|value| value.is_nan()).count() as u64,
            infinite: values.iter().filter(|value| value.is_infinite()).count() as u64,
            zero: values.iter().filter(|value| **value == 0.0).count() as u64,
        }
    }

    #[test]
    fn counts_are_those_of_the_values() {
        let every_16_bits: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for element in
            [Element::F16, Element::BF16, Element::F8_E4M3, Element::F8_E5M2, Element::I16, Element::I8]
        {
            let found = count(element, &every_16_bits);
            assert_eq!(found, plainly(element, &every_16_bits), "{element}");
            assert!(found.zero > 0, "{element}");
        }
        let f32s = [0.0, -0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE];
        let bytes: Vec<u8> = f32s.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(count(Element::F32, &bytes), Special { nan: 1, infinite: 2, zero: 2 });
        let bytes: Vec<u8> = f32s.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect();
        assert_eq!(count(Element::F64, &bytes), Special { nan: 1, infinite: 2, zero: 2 });
    }
}
