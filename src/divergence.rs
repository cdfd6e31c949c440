//! How far two outputs are apart: whether bits differ decides, numbers describe.
//!
//! `v_c` and `v_ermv` are those of Shanmugavelu et al. 2024 (arXiv 2408.05148); the ULP distance is
//! taken between ordered bit patterns, so that distance 0 and identical bits are the same thing.

pub(crate) mod accumulate;
pub(crate) mod block;

use half::f16;
use half::slice::HalfFloatSliceExt;
use serde::Serialize;

use crate::digest::Hasher;
use crate::divergence::accumulate::{Accumulator, Distances, percentile, places};
use crate::divergence::block::{BLOCK, compare_f32, narrowed_16};
use crate::tensor::{Data, Dtype, Tensor};

/// How one output differs from its yardstick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Divergence {
    /// The output's name.
    pub output: &'static str,
    /// Elements.
    pub elements: u64,
    /// Elements whose bits differ.
    pub differing: u64,
    /// The index of the first of them.
    pub first_difference: Option<u64>,
    /// Mean of |A−B|/|A| over elements with finite A ≠ 0 and finite B; `None` without any.
    pub v_ermv: Option<f64>,
    /// Elements that `v_ermv` leaves out.
    pub v_ermv_excluded: u64,
    /// The largest ULP distance; `None` where a NaN meets a number.
    pub max_ulp: Option<u64>,
    /// The 99th percentile of the ULP distance over all elements; `None` like `max_ulp`.
    pub p99_ulp: Option<u64>,
    /// Elements per ULP distance: entry 0 counts distance 0, entry *k* distances in [2^(k−1), 2^k).
    pub ulp_histogram: Vec<u64>,
}

impl Divergence {
    /// The fraction of elements whose bits differ; 0 for no elements.
    pub fn v_c(&self) -> f64 {
        if self.elements == 0 { 0.0 } else { self.differing as f64 / self.elements as f64 }
    }

    /// For finding the output, or the execution, that differs most: a NaN against a number first,
    /// then by ULP distance, then by how many elements differ.
    pub fn severity(&self) -> (u64, u64) {
        (self.max_ulp.unwrap_or(u64::MAX), self.differing)
    }
}

/// The ULP distance of two values of the same type, given as bits: the difference of their places
/// in the order of all values, with −0 one place below +0. `None` if exactly one of them is NaN, or if
/// both are with different bits.
pub fn ulp_distance(dtype: Dtype, a: u32, b: u32) -> Option<u64> {
    if a == b {
        return Some(0);
    }
    let (sign, infinity) = match dtype {
        Dtype::F16 => (0x8000, 0x7c00),
        Dtype::F32 => (0x8000_0000, 0x7f80_0000),
    };
    let magnitude = |bits: u32| bits & !sign;
    if magnitude(a) > infinity || magnitude(b) > infinity {
        return None;
    }
    let ordinal = |bits: u32| match bits & sign {
        0 => i64::from(bits),
        _ => -i64::from(magnitude(bits)) - 1,
    };
    Some(ordinal(a).abs_diff(ordinal(b)))
}

/// Compares `b` with its yardstick `a`.
///
/// Tensors of different type or length are not comparable: every element of the longer one counts as
/// differing, without distances.
pub fn divergence(a: &Tensor, b: &Tensor) -> Divergence {
    compare(a, b, None)
}

/// [`divergence`], while `hasher` goes on with `b`: both look at the same bytes while they lie in a
/// cache.
pub fn divergence_and_digest(a: &Tensor, b: &Tensor, hasher: &mut Hasher) -> Divergence {
    hasher.begin(b.name, b.dtype(), b.len());
    compare(a, b, Some(hasher))
}

fn compare(a: &Tensor, b: &Tensor, mut hasher: Option<&mut Hasher>) -> Divergence {
    let mut sum = Accumulator::default();
    let mut hash = |bytes: &[u8]| {
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
    };
    match (&a.data, &b.data) {
        (Data::F32(ours), Data::F32(theirs)) if ours.len() == theirs.len() => {
            for (ours, theirs) in ours.chunks(BLOCK).zip(theirs.chunks(BLOCK)) {
                add_f32(&mut sum, ours, theirs);
                hash(bytemuck::cast_slice(theirs));
            }
        }
        (Data::F16(ours), Data::F16(theirs)) if ours.len() == theirs.len() => {
            for (ours, theirs) in ours.chunks(BLOCK).zip(theirs.chunks(BLOCK)) {
                add_f16(&mut sum, ours, theirs);
                hash(bytemuck::cast_slice(theirs));
            }
        }
        _ => {
            hash(b.bytes());
            return Divergence::incomparable(a, b);
        }
    }
    Divergence::of(&sum, a, b)
}

fn add_f32(sum: &mut Accumulator, a: &[f32], b: &[f32]) {
    let mut distances = [0u32; BLOCK];
    let distances = &mut distances[..a.len()];
    let summary = compare_f32(a, b, distances);
    sum.add(Distances::Narrow(distances), &summary);
}

fn add_f16(sum: &mut Accumulator, a: &[f16], b: &[f16]) {
    let mut distances = [0u32; BLOCK];
    let (mut wide_a, mut wide_b) = ([0f32; BLOCK], [0f32; BLOCK]);
    let (wide_a, wide_b) = (&mut wide_a[..a.len()], &mut wide_b[..b.len()]);
    a.convert_to_f32_slice(wide_a);
    b.convert_to_f32_slice(wide_b);
    let distances = &mut distances[..a.len()];
    // The relative difference is that of the widened values; the distances are those of f16.
    let summary = compare_f32(wide_a, wide_b, distances);
    let (a, b) = (bytemuck::cast_slice(a), bytemuck::cast_slice(b));
    let summary = narrowed_16(a, b, f16::INFINITY.to_bits(), summary, distances);
    sum.add(Distances::Narrow(distances), &summary);
}

impl Divergence {
    fn of(sum: &Accumulator, a: &Tensor, b: &Tensor) -> Self {
        let histogram = sum.histogram();
        Self {
            output: a.name,
            elements: sum.elements,
            differing: sum.differing,
            first_difference: sum.first,
            v_ermv: sum.v_ermv(),
            v_ermv_excluded: sum.v_ermv_excluded(),
            max_ulp: sum.max,
            p99_ulp: sum.max.map(|_| p99(&histogram, a, b)),
            ulp_histogram: histogram,
        }
    }

    fn incomparable(a: &Tensor, b: &Tensor) -> Self {
        let elements = a.len().max(b.len()) as u64;
        Self {
            output: a.name,
            elements,
            differing: elements,
            first_difference: (elements > 0).then_some(0),
            v_ermv: None,
            v_ermv_excluded: elements,
            max_ulp: None,
            p99_ulp: None,
            ulp_histogram: Vec::new(),
        }
    }
}

/// The 99th percentile of the distances between `a` and `b`, which the histogram is of.
fn p99(histogram: &[u64], a: &Tensor, b: &Tensor) -> u64 {
    percentile(histogram, a.len() as u64, |low, high, shift| {
        let mut counts = vec![0u64; places(low, high, shift)];
        for distance in ulp_distances(a, b).filter(|distance| (low..=high).contains(distance)) {
            counts[((distance - low) >> shift) as usize] += 1;
        }
        counts
    })
}

fn ulp_distances<'a>(a: &'a Tensor, b: &'a Tensor) -> Box<dyn Iterator<Item = u64> + 'a> {
    match (&a.data, &b.data) {
        (Data::F32(a), Data::F32(b)) => {
            Box::new(a.iter().zip(b).filter_map(|(a, b)| ulp_distance(Dtype::F32, a.to_bits(), b.to_bits())))
        }
        (Data::F16(a), Data::F16(b)) => {
            Box::new(a.iter().zip(b).filter_map(|(a, b)| {
                ulp_distance(Dtype::F16, u32::from(a.to_bits()), u32::from(b.to_bits()))
            }))
        }
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests;
