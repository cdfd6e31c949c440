//! One block of two tensors as values of their common type, and how far these are apart.

use crate::checkpoint::element::{Element, Float};
use crate::diff::common::Common;
use crate::diff::widen::{as_f32, as_u16, size, to_bits_16, to_f32, to_f64, to_integers};
use crate::divergence::accumulate::Distances;
use crate::divergence::block::{Summary, compare_8, compare_16, compare_f32, compare_f64, compare_integers};

/// Room for a block's values and distances; only what is used takes memory.
#[derive(Default)]
pub struct Scratch {
    narrow: [Vec<f32>; 2],
    bits: [Vec<u16>; 2],
    wide: [Vec<f64>; 2],
    integers: [Vec<i128>; 2],
    distances: Vec<u32>,
    wide_distances: Vec<u64>,
}

/// Elements of a type, as they lie in the file.
type Raw<'a> = (Element, &'a [u8]);

impl Scratch {
    /// Compares as many elements as both have, in the type that holds both.
    pub fn compare(&mut self, common: Common, a: Raw, b: Raw) -> (Distances<'_>, Summary) {
        let elements = a.1.len() / size(a.0);
        match common {
            Common::Float(Float::F64) => {
                let [wide_a, wide_b] = &mut self.wide;
                let (wide_a, wide_b) = (room(wide_a, elements), room(wide_b, elements));
                to_f64(a.0, a.1, wide_a);
                to_f64(b.0, b.1, wide_b);
                let distances = room(&mut self.wide_distances, elements);
                let summary = compare_f64(wide_a, wide_b, distances);
                (Distances::Wide(distances), summary)
            }
            Common::Float(format) => {
                let [room_a, room_b] = &mut self.narrow;
                let (values_a, values_b) = (values(a, room_a, elements), values(b, room_b, elements));
                let distances = room(&mut self.distances, elements);
                let summary = match format {
                    Float::F32 => compare_f32(values_a, values_b, distances),
                    Float::E4m3 => compare_8((a.1, values_a), (b.1, values_b), 0x7e, distances),
                    Float::E5m2 => compare_8((a.1, values_a), (b.1, values_b), 0x7c, distances),
                    _ => {
                        let infinity = if format == Float::Bf16 { 0x7f80 } else { 0x7c00 };
                        let [bits_a, bits_b] = &mut self.bits;
                        let bits_a = bits(format, a, values_a, bits_a);
                        let bits_b = bits(format, b, values_b, bits_b);
                        compare_16((bits_a, values_a), (bits_b, values_b), infinity, distances)
                    }
                };
                (Distances::Narrow(distances), summary)
            }
            Common::Integer { .. } => {
                let [values_a, values_b] = &mut self.integers;
                let (values_a, values_b) = (room(values_a, elements), room(values_b, elements));
                to_integers(a.0, a.1, values_a);
                to_integers(b.0, b.1, values_b);
                let distances = room(&mut self.wide_distances, elements);
                let summary = compare_integers(values_a, values_b, distances);
                (Distances::Wide(distances), summary)
            }
            Common::Bytes => {
                let distances = room(&mut self.distances, elements);
                let pairs = a.1.iter().zip(b.1);
                distances.iter_mut().zip(pairs).for_each(|(distance, (a, b))| *distance = u32::from(a != b));
                let differing = distances.iter().map(|distance| u64::from(*distance)).sum();
                (Distances::Narrow(distances), Summary { differing, max: Some(1), ..Summary::default() })
            }
        }
    }
}

fn room<T: Default + Clone>(room: &mut Vec<T>, elements: usize) -> &mut [T] {
    if room.len() < elements {
        room.resize(elements, T::default());
    }
    &mut room[..elements]
}

/// The values as f32: where they lie if they are that and aligned, else widened into `scratch`.
fn values<'a>((element, bytes): Raw<'a>, scratch: &'a mut Vec<f32>, elements: usize) -> &'a [f32] {
    if let Some(values) = as_f32(element, bytes) {
        return values;
    }
    let values = room(scratch, elements);
    to_f32(element, bytes, values);
    values
}

/// The bits of the values in a 16-bit format, which holds them exactly.
fn bits<'a>(
    format: Float,
    (element, bytes): Raw<'a>,
    values: &[f32],
    scratch: &'a mut Vec<u16>,
) -> &'a [u16] {
    let out = room(scratch, values.len());
    if element == format.element() {
        out.copy_from_slice(&as_u16(bytes));
    } else {
        to_bits_16(format, values, out);
    }
    out
}
