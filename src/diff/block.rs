//! One block of two tensors as values of their common type, and how far these are apart.

use crate::checkpoint::element::{Element, Float};
use crate::diff::common::Common;
use crate::diff::extent::{Extent, of_f32, of_f64, sum_of_bits};
use crate::diff::widen::{as_f32, as_u16, size, to_bits_16, to_f32, to_f64, to_integers};
use crate::divergence::accumulate::Distances;
use crate::divergence::block::{
    Summary, compare_f32, compare_f64, compare_integers, measure_f32, narrowed_8, narrowed_16,
};

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
        let (distances, summary, _) = self.look(common, a, b, false);
        (distances, summary)
    }

    /// As [`Self::compare`], and how large everything is.
    pub fn measure(&mut self, common: Common, a: Raw, b: Raw) -> (Distances<'_>, Summary, Extent) {
        self.look(common, a, b, true)
    }

    fn look(
        &mut self,
        common: Common,
        a: Raw,
        b: Raw,
        is_measured: bool,
    ) -> (Distances<'_>, Summary, Extent) {
        let elements = a.1.len() / size(a.0);
        match common {
            Common::Float(Float::F64) => {
                let [wide_a, wide_b] = &mut self.wide;
                let (wide_a, wide_b) = (room(wide_a, elements), room(wide_b, elements));
                to_f64(a.0, a.1, wide_a);
                to_f64(b.0, b.1, wide_b);
                let distances = room(&mut self.wide_distances, elements);
                let summary = compare_f64(wide_a, wide_b, distances);
                let extent = match is_measured {
                    true => Extent { bits: sums_of_bits(a, b), ..of_f64(wide_a, wide_b) },
                    false => Extent::default(),
                };
                (Distances::Wide(distances), summary, extent)
            }
            Common::Float(format) => {
                let [room_a, room_b] = &mut self.narrow;
                let (values_a, values_b) = (values(a, room_a, elements), values(b, room_b, elements));
                let distances = room(&mut self.distances, elements);
                let (summary, sizes) = if is_measured {
                    let (summary, sizes) = measure_f32(values_a, values_b, distances);
                    (summary, Some(sizes))
                } else {
                    (compare_f32(values_a, values_b, distances), None)
                };
                // Distances are those of the narrow type.
                let summary = match format {
                    Float::E4m3 => narrowed_8(a.1, b.1, 0x7e, summary, distances),
                    Float::E5m2 => narrowed_8(a.1, b.1, 0x7c, summary, distances),
                    Float::F16 | Float::Bf16 => {
                        let infinity = if format == Float::Bf16 { 0x7f80 } else { 0x7c00 };
                        let [bits_a, bits_b] = &mut self.bits;
                        let bits_a = bits(format, a, values_a, bits_a);
                        let bits_b = bits(format, b, values_b, bits_b);
                        narrowed_16(bits_a, bits_b, infinity, summary, distances)
                    }
                    Float::F32 | Float::F64 => summary,
                };
                let extent = sizes.as_ref().map_or_else(Extent::default, of_f32);
                (Distances::Narrow(distances), summary, extent)
            }
            Common::Integer { .. } => {
                let [values_a, values_b] = &mut self.integers;
                let (values_a, values_b) = (room(values_a, elements), room(values_b, elements));
                to_integers(a.0, a.1, values_a);
                to_integers(b.0, b.1, values_b);
                let distances = room(&mut self.wide_distances, elements);
                let summary = compare_integers(values_a, values_b, distances);
                let difference = summary.max.unwrap_or_default() as f64;
                let bits = if is_measured { sums_of_bits(a, b) } else { [0; 2] };
                (Distances::Wide(distances), summary, Extent { difference, bits, ..Extent::default() })
            }
            Common::Bytes => {
                let distances = room(&mut self.distances, elements);
                let pairs = a.1.iter().zip(b.1);
                distances.iter_mut().zip(pairs).for_each(|(distance, (a, b))| *distance = u32::from(a != b));
                let differing = distances.iter().map(|distance| u64::from(*distance)).sum();
                let summary = Summary { differing, max: Some(1), ..Summary::default() };
                (Distances::Narrow(distances), summary, Extent::default())
            }
        }
    }
}

fn sums_of_bits(a: Raw, b: Raw) -> [u32; 2] {
    [sum_of_bits(a.0, a.1), sum_of_bits(b.0, b.1)]
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
