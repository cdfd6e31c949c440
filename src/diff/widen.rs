//! Bytes of a file as numbers: exact widening into f32, f64 or integers, a block at a time.

use std::borrow::Cow;
use std::sync::LazyLock;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use crate::checkpoint::element::{Element, Float, Kind, kind};

/// Bytes of an element; 1 where elements are not whole bytes, or are compared as bytes.
pub fn size(element: Element) -> usize {
    match kind(element) {
        Kind::Opaque => 1,
        _ => element.bitsize() / 8,
    }
}

/// All values of an 8-bit format.
type Table = [f32; 256];

static E4M3: LazyLock<Table> = LazyLock::new(|| std::array::from_fn(|bits| e4m3(bits as u8)));
static E5M2: LazyLock<Table> = LazyLock::new(|| {
    // The upper half of a binary16.
    std::array::from_fn(|bits| f16::from_bits((bits as u16) << 8).to_f32())
});

fn e4m3(bits: u8) -> f32 {
    let sign = if bits & 0x80 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from(bits >> 3 & 0xf), f32::from(bits & 7));
    match (exponent, bits & 7) {
        (15, 7) => f32::NAN.copysign(sign),
        (0, _) => sign * mantissa * 2f32.powi(-9),
        _ => sign * (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    }
}

/// Numbers of up to 16 bits, or f32, as f32: no value changes. Others are left as they are in `out`.
pub fn to_f32(element: Element, bytes: &[u8], out: &mut [f32]) {
    let of_2 = || bytes.as_chunks::<2>().0.iter();
    match element {
        Element::F32 => set(out, bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
        Element::BF16 => {
            set(out, of_2().map(|bytes| f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16)));
        }
        Element::F16 => {
            let halves = as_u16(bytes);
            let halves: &[f16] = bytemuck::cast_slice(&halves);
            halves.convert_to_f32_slice(out);
        }
        Element::F8_E4M3 => set(out, bytes.iter().map(|bits| E4M3[usize::from(*bits)])),
        Element::F8_E5M2 => set(out, bytes.iter().map(|bits| E5M2[usize::from(*bits)])),
        Element::I16 => set(out, of_2().map(|bytes| f32::from(i16::from_le_bytes(*bytes)))),
        Element::U16 => set(out, of_2().map(|bytes| f32::from(u16::from_le_bytes(*bytes)))),
        Element::I8 => set(out, bytes.iter().map(|byte| f32::from(*byte as i8))),
        _ => set(out, bytes.iter().map(|byte| f32::from(*byte))),
    }
}

/// Numbers of up to 32 bits, or f64, as f64: no value changes.
pub fn to_f64(element: Element, bytes: &[u8], out: &mut [f64]) {
    let of_4 = || bytes.as_chunks::<4>().0.iter();
    match element {
        Element::F64 => set(out, bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes))),
        Element::F32 => set(out, of_4().map(|bytes| f64::from(f32::from_le_bytes(*bytes)))),
        Element::I32 => set(out, of_4().map(|bytes| f64::from(i32::from_le_bytes(*bytes)))),
        Element::U32 => set(out, of_4().map(|bytes| f64::from(u32::from_le_bytes(*bytes)))),
        _ => {
            let mut narrow = [0f32; 64];
            for (out, bytes) in out.chunks_mut(64).zip(bytes.chunks(64 * size(element))) {
                let narrow = &mut narrow[..out.len()];
                to_f32(element, bytes, narrow);
                set(out, narrow.iter().map(|value| f64::from(*value)));
            }
        }
    }
}

/// Integers and bools of any width.
pub fn to_integers(element: Element, bytes: &[u8], out: &mut [i128]) {
    let (of_2, of_4, of_8) = (bytes.as_chunks::<2>().0, bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
    match element {
        Element::I8 => set(out, bytes.iter().map(|byte| i128::from(*byte as i8))),
        Element::I16 => set(out, of_2.iter().map(|bytes| i128::from(i16::from_le_bytes(*bytes)))),
        Element::U16 => set(out, of_2.iter().map(|bytes| i128::from(u16::from_le_bytes(*bytes)))),
        Element::I32 => set(out, of_4.iter().map(|bytes| i128::from(i32::from_le_bytes(*bytes)))),
        Element::U32 => set(out, of_4.iter().map(|bytes| i128::from(u32::from_le_bytes(*bytes)))),
        Element::I64 => set(out, of_8.iter().map(|bytes| i128::from(i64::from_le_bytes(*bytes)))),
        Element::U64 => set(out, of_8.iter().map(|bytes| i128::from(u64::from_le_bytes(*bytes)))),
        _ => set(out, bytes.iter().map(|byte| i128::from(*byte))),
    }
}

/// The bits of f32 values in a 16-bit format that holds them exactly.
pub fn to_bits_16(format: Float, values: &[f32], out: &mut [u16]) {
    match format {
        Float::Bf16 => set(out, values.iter().map(|value| bf16::from_f32(*value).to_bits())),
        _ => set(out, values.iter().map(|value| f16::from_f32(*value).to_bits())),
    }
}

/// Numbers of 16 bits; copied only if they are not aligned.
pub fn as_u16(bytes: &[u8]) -> Cow<'_, [u16]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(aligned) if cfg!(target_endian = "little") => Cow::Borrowed(aligned),
        _ => Cow::Owned(bytes.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect()),
    }
}

/// Numbers of type f32 in place, if they are aligned.
pub fn as_f32(element: Element, bytes: &[u8]) -> Option<&[f32]> {
    let is_plain = element == Element::F32 && cfg!(target_endian = "little");
    is_plain.then(|| bytemuck::try_cast_slice(bytes).ok()).flatten()
}

fn set<T>(out: &mut [T], values: impl Iterator<Item = T>) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_8_bit_formats_by_their_definition() {
        let known = [(0x00, 0.0), (0x80, -0.0), (0x01, 0.001_953_125), (0x08, 0.015_625), (0x38, 1.0)];
        for (bits, value) in known {
            assert_eq!(e4m3(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert_eq!((e4m3(0x7e), e4m3(0xfe), e4m3(0x7f).is_nan()), (448.0, -448.0, true));
        let e5m2 = |bits: u8| E5M2[usize::from(bits)];
        assert_eq!(
            (e5m2(0x3c), e5m2(0x7b), e5m2(0x7c), e5m2(0x01)),
            (1.0, 57_344.0, f32::INFINITY, 2f32.powi(-16))
        );
        assert!(e5m2(0x7d).is_nan());
    }

    #[test]
    fn widening_changes_no_value() {
        let bytes = [0x00, 0x3c, 0xff, 0x7f, 0x80, 0xbf, 0x01, 0x00];
        let mut f32s = [0f32; 4];
        to_f32(Element::F16, &bytes, &mut f32s);
        assert_eq!((f32s[0], f32s[1].is_nan(), f32s[2], f32s[3]), (1.0, true, -1.875, 2f32.powi(-24)));
        to_f32(Element::BF16, &bytes, &mut f32s);
        assert_eq!((f32s[0], f32s[2]), (f32::from_bits(0x3c00_0000), -1.0));
        to_f32(Element::I16, &bytes, &mut f32s);
        assert_eq!(f32s, [15_360.0, 32_767.0, -16_512.0, 1.0]);
        let mut f64s = [0f64; 2];
        to_f64(Element::I32, &(-2_147_483_647i32).to_le_bytes(), &mut f64s);
        assert_eq!(f64s[0], -2_147_483_647.0);
        to_f64(Element::BF16, &[0x80, 0x3f, 0x80, 0xbf], &mut f64s);
        assert_eq!(f64s, [1.0, -1.0]);
        let mut integers = [0i128; 1];
        to_integers(Element::U64, &u64::MAX.to_le_bytes(), &mut integers);
        assert_eq!(integers[0], i128::from(u64::MAX));
        to_integers(Element::I64, &i64::MIN.to_le_bytes(), &mut integers);
        assert_eq!(integers[0], i128::from(i64::MIN));
    }
}
