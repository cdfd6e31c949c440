//! How far two outputs are apart: whether bits differ decides, numbers describe.
//!
//! `v_c` and `v_ermv` are those of Shanmugavelu et al. 2024 (arXiv 2408.05148); the ULP distance is
//! taken between ordered bit patterns, so that distance 0 and identical bits are the same thing.

use half::f16;
use half::slice::HalfFloatSliceExt;
use multiversion::multiversion;
use serde::Serialize;

use crate::digest::Hasher;
use crate::tensor::{Data, Dtype, Tensor};

/// Elements that are looked at together: few enough for their distances to stay in the nearest cache.
const BLOCK: usize = 2048;

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
    let mut comparison = Comparison::default();
    let mut hash = |bytes: &[u8]| {
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
    };
    match (&a.data, &b.data) {
        (Data::F32(ours), Data::F32(theirs)) if ours.len() == theirs.len() => {
            for (ours, theirs) in ours.chunks(BLOCK).zip(theirs.chunks(BLOCK)) {
                comparison.add_f32(ours, theirs);
                hash(bytemuck::cast_slice(theirs));
            }
        }
        (Data::F16(ours), Data::F16(theirs)) if ours.len() == theirs.len() => {
            for (ours, theirs) in ours.chunks(BLOCK).zip(theirs.chunks(BLOCK)) {
                comparison.add_f16(ours, theirs);
                hash(bytemuck::cast_slice(theirs));
            }
        }
        _ => {
            hash(b.bytes());
            return Divergence::incomparable(a, b);
        }
    }
    comparison.finish(a, b)
}

impl Divergence {
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

/// A distance that stands for "a NaN on one side".
const NAN: u32 = u32::MAX;

#[derive(Default)]
struct Comparison {
    elements: u64,
    differing: u64,
    first: Option<u64>,
    relative: f64,
    counted: u64,
    /// [`NAN`] if a NaN differs.
    max_ulp: u32,
    /// Elements at distance 2^k or more, by k: what the histogram's differences are made of.
    at_least: [u64; 32],
}

impl Comparison {
    fn add_f32(&mut self, a: &[f32], b: &[f32]) {
        let mut distances = [0u32; BLOCK];
        let distances = &mut distances[..a.len()];
        let summary = compare_f32(a, b, distances);
        self.add(a, b, distances, &summary);
    }

    fn add_f16(&mut self, a: &[f16], b: &[f16]) {
        let mut distances = [0u32; BLOCK];
        let (mut wide_a, mut wide_b) = ([0f32; BLOCK], [0f32; BLOCK]);
        let (wide_a, wide_b) = (&mut wide_a[..a.len()], &mut wide_b[..b.len()]);
        a.convert_to_f32_slice(wide_a);
        b.convert_to_f32_slice(wide_b);
        let distances = &mut distances[..a.len()];
        let mut summary = compare_f32(wide_a, wide_b, distances);
        // The relative difference is that of the widened values; the distances are those of f16.
        distances_f16(bytemuck::cast_slice(a), bytemuck::cast_slice(b), distances);
        summarise(distances, &mut summary);
        self.add(wide_a, wide_b, distances, &summary);
    }

    fn add(&mut self, a: &[f32], b: &[f32], distances: &[u32], summary: &Summary) {
        // A block's terms are summed in f32, to about six digits; where that overflows, in f64.
        let overflows = !summary.relative.is_finite();
        self.relative += if overflows { relative_f64(a, b) } else { summary.relative };
        self.counted += summary.counted;
        if summary.differing > 0 {
            if self.first.is_none() {
                let index = distances.iter().position(|distance| *distance != 0);
                self.first = index.map(|index| self.elements + index as u64);
            }
            self.differing += summary.differing;
            self.max_ulp = self.max_ulp.max(summary.max);
            self.at_least[0] += summary.differing;
            for power in 1..=summary.max.ilog2() {
                self.at_least[power as usize] += count_at_least(distances, 1 << power);
            }
        }
        self.elements += a.len() as u64;
    }

    fn finish(self, a: &Tensor, b: &Tensor) -> Divergence {
        let known = self.max_ulp != NAN;
        let mut histogram = vec![self.elements - self.at_least[0]];
        for (power, count) in self.at_least.iter().enumerate().take_while(|(_, count)| **count > 0) {
            histogram.push(count - self.at_least.get(power + 1).copied().unwrap_or(0));
        }
        Divergence {
            output: a.name,
            elements: self.elements,
            differing: self.differing,
            first_difference: self.first,
            v_ermv: (self.counted > 0).then(|| self.relative / self.counted as f64),
            v_ermv_excluded: self.elements - self.counted,
            max_ulp: known.then_some(u64::from(self.max_ulp)),
            p99_ulp: known.then(|| percentile(&histogram, self.elements, a, b)),
            ulp_histogram: if known { histogram } else { Vec::new() },
        }
    }
}

/// What a block shows.
struct Summary {
    differing: u64,
    /// The largest distance; [`NAN`] if a NaN differs.
    max: u32,
    /// The sum of |A−B|/|A| over the counted elements; not finite if f32 overflowed.
    relative: f64,
    /// Elements with finite A ≠ 0 and finite B.
    counted: u64,
}

/// Elements that are compared side by side.
const LANES: usize = 32;

#[derive(Clone, Copy)]
struct Lanes {
    differing: [u32; LANES],
    max: [u32; LANES],
    relative: [f32; LANES],
    counted: [u32; LANES],
}

/// Compares f32 and writes their ULP distances; [`NAN`] where a NaN differs. A distance of numbers is
/// at most 2^32 − 2^24, so that it never is [`NAN`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn compare_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> Summary {
    let zeros = [0; LANES];
    let mut lanes = Lanes { differing: zeros, max: zeros, relative: [0.0; LANES], counted: zeros };
    let (blocks_a, rest_a) = a.as_chunks::<LANES>();
    let (blocks_b, rest_b) = b.as_chunks::<LANES>();
    let (blocks_d, rest_d) = distances.as_chunks_mut::<LANES>();
    for ((a, b), distances) in blocks_a.iter().zip(blocks_b).zip(blocks_d) {
        compare_lanes(&mut lanes, a, b, distances);
    }
    // Zeros in place of what is missing: equal, and not counted.
    let (mut last_a, mut last_b, mut last_d) = ([0f32; LANES], [0f32; LANES], zeros);
    last_a[..rest_a.len()].copy_from_slice(rest_a);
    last_b[..rest_b.len()].copy_from_slice(rest_b);
    compare_lanes(&mut lanes, &last_a, &last_b, &mut last_d);
    rest_d.copy_from_slice(&last_d[..rest_d.len()]);
    Summary {
        differing: lanes.differing.iter().map(|count| u64::from(*count)).sum(),
        max: lanes.max.iter().copied().fold(0, u32::max),
        relative: lanes.relative.iter().map(|sum| f64::from(*sum)).sum(),
        counted: lanes.counted.iter().map(|count| u64::from(*count)).sum(),
    }
}

#[inline(always)]
fn compare_lanes(lanes: &mut Lanes, a: &[f32; LANES], b: &[f32; LANES], distances: &mut [u32; LANES]) {
    for lane in 0..LANES {
        let (a, b) = (a[lane], b[lane]);
        let (bits_a, bits_b) = (a.to_bits(), b.to_bits());
        // The order of all values as an unsigned number: negative ones reversed below positive ones.
        let rank = |bits: u32| bits ^ (((bits as i32 >> 31) as u32) | 0x8000_0000);
        let apart = rank(bits_a).abs_diff(rank(bits_b));
        let nan = (a.is_nan() | b.is_nan()) & (bits_a != bits_b);
        let distance = if nan { NAN } else { apart };
        distances[lane] = distance;
        lanes.differing[lane] += u32::from(bits_a != bits_b);
        lanes.max[lane] = lanes.max[lane].max(distance);
        let counted = is_counted(a, b);
        let relative = ((a - b) / a).abs();
        lanes.relative[lane] += if counted { relative } else { 0.0 };
        lanes.counted[lane] += u32::from(counted);
    }
}

/// ULP distances of f16 given as bits; [`NAN`] where a NaN differs.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn distances_f16(a: &[u16], b: &[u16], distances: &mut [u32]) {
    for ((distance, &a), &b) in distances.iter_mut().zip(a).zip(b) {
        let rank = |bits: u16| bits ^ (((bits as i16 >> 15) as u16) | 0x8000);
        let nan = |bits: u16| bits & 0x7fff > 0x7c00;
        let apart = u32::from(rank(a).abs_diff(rank(b)));
        *distance = if (nan(a) | nan(b)) & (a != b) { NAN } else { apart };
    }
}

/// Puts what `distances` show in place of what `summary` says of them.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn summarise(distances: &[u32], summary: &mut Summary) {
    let (mut differing, mut max) = (0u32, 0u32);
    for &distance in distances {
        differing += u32::from(distance != 0);
        max = max.max(distance);
    }
    (summary.differing, summary.max) = (u64::from(differing), max);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn count_at_least(distances: &[u32], least: u32) -> u64 {
    u64::from(distances.iter().map(|distance| u32::from(*distance >= least)).sum::<u32>())
}

fn relative_f64(a: &[f32], b: &[f32]) -> f64 {
    let counted = a.iter().zip(b).filter(|(a, b)| is_counted(**a, **b));
    counted.map(|(a, b)| ((f64::from(*a) - f64::from(*b)) / f64::from(*a)).abs()).sum()
}

#[inline(always)]
fn is_counted(a: f32, b: f32) -> bool {
    a.is_finite() & b.is_finite() & (a != 0.0)
}

/// The smallest distance that at least 99 % of all elements do not exceed.
///
/// The histogram names the binary order of magnitude; within it the distances are counted again by
/// 16 more bits at a time until one value is left.
fn percentile(histogram: &[u64], elements: u64, a: &Tensor, b: &Tensor) -> u64 {
    let mut rank = elements.saturating_mul(99).div_ceil(100);
    let bucket = place_of(&mut rank, histogram);
    if bucket <= 1 {
        return bucket as u64;
    }
    let mut low = 1u64 << (bucket - 1);
    let mut bits = bucket as u32 - 1;
    while bits > 0 {
        let shift = bits.saturating_sub(16);
        let mut counts = vec![0u64; 1 << (bits - shift)];
        let end = low + (1 << bits);
        for distance in ulp_distances(a, b).filter(|distance| (low..end).contains(distance)) {
            counts[((distance - low) >> shift) as usize] += 1;
        }
        low += (place_of(&mut rank, &counts) as u64) << shift;
        bits = shift;
    }
    low
}

/// The first place at which the running count reaches `rank`; takes what came before off `rank`.
fn place_of(rank: &mut u64, counts: &[u64]) -> usize {
    let mut place = 0;
    while place + 1 < counts.len() && counts[place] < *rank {
        *rank -= counts[place];
        place += 1;
    }
    place
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
