//! The inner loops: a block of elements against another one, compiled for several instruction sets.

use multiversion::multiversion;

use crate::prefetch::prefetch;

/// Elements that are looked at together: few enough for their distances to stay in the nearest cache.
pub const BLOCK: usize = 2048;

/// A distance that stands for "a NaN on one side".
const NAN: u32 = u32::MAX;
const WIDE_NAN: u64 = u64::MAX;

/// What a block shows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Elements whose bits differ.
    pub differing: u64,
    /// The largest distance; `None` if a NaN differs.
    pub max: Option<u64>,
    /// The sum of |A−B|/|A| over the counted elements.
    pub relative: f64,
    /// Elements with finite A ≠ 0 and finite B.
    pub counted: u64,
}

/// Bytes between what is compared and what is asked for from memory.
const AHEAD: usize = 2048;

/// Elements that are compared side by side.
const LANES: usize = 32;

#[derive(Clone, Copy)]
struct Lanes {
    differing: [u32; LANES],
    max: [u32; LANES],
    relative: [f32; LANES],
    counted: [u32; LANES],
    difference: [f32; LANES],
    magnitudes: [[u32; LANES]; 2],
    bits: [[u32; LANES]; 2],
}

impl Lanes {
    const NONE: Self = Self {
        differing: [0; LANES],
        max: [0; LANES],
        relative: [0.0; LANES],
        counted: [0; LANES],
        difference: [0.0; LANES],
        magnitudes: [[0; LANES]; 2],
        bits: [[0; LANES]; 2],
    };
}

/// How large the values of a block are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// The largest |A−B|; NaN are passed over.
    pub difference: f32,
    /// The largest bits of |A| and of |B|; those of NaN are larger than those of infinities.
    pub magnitudes: [u32; 2],
    /// Sums over the bits of A and of B, which do not depend on the order.
    pub bits: [u32; 2],
}

/// Compares f32 and writes their ULP distances.
pub fn compare_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> Summary {
    summary_f32(&lanes_f32(a, b, distances), a, b)
}

/// As [`compare_f32`], and how large everything is: in one loop, for the memory is waited for in it.
pub fn measure_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> (Summary, Sizes) {
    let mut lanes = finite_lanes_f32(a, b, distances);
    let most = lanes.magnitudes.as_flattened().iter().copied().fold(0, u32::max);
    if most >= f32::INFINITY.to_bits() {
        lanes = measured_lanes_f32(a, b, distances);
    }
    let sizes = Sizes {
        difference: lanes.difference.iter().copied().fold(0.0, f32::max),
        magnitudes: lanes.magnitudes.map(|most| most.into_iter().fold(0, u32::max)),
        bits: lanes.bits.map(|bits| bits.into_iter().fold(0, u32::wrapping_add)),
    };
    (summary_f32(&lanes, a, b), sizes)
}

fn summary_f32(lanes: &Lanes, a: &[f32], b: &[f32]) -> Summary {
    let relative = lanes.relative.iter().map(|sum| f64::from(*sum)).sum::<f64>();
    let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum();
    Summary {
        differing: sum(&lanes.differing),
        max: known(lanes.max.iter().copied().fold(0, u32::max)),
        // A block's terms are summed in f32, to about six digits; where that overflows, in f64.
        relative: if relative.is_finite() { relative } else { relative_f64(a, b) },
        counted: sum(&lanes.counted),
    }
}

fn known(max: u32) -> Option<u64> {
    (max != NAN).then_some(u64::from(max))
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn lanes_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> Lanes {
    lanes::<false, false>(a, b, distances)
}

/// What is right only if all values are finite, as they mostly are: that takes fewer instructions.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn finite_lanes_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> Lanes {
    lanes::<true, true>(a, b, distances)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn measured_lanes_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> Lanes {
    lanes::<true, false>(a, b, distances)
}

/// A distance is [`NAN`] where a NaN differs; one of numbers is at most 2^32 − 2^24, so that it never is
/// [`NAN`].
#[inline(always)]
fn lanes<const MEASURED: bool, const FINITE: bool>(a: &[f32], b: &[f32], distances: &mut [u32]) -> Lanes {
    let mut lanes = Lanes::NONE;
    let (blocks_a, rest_a) = a.as_chunks::<LANES>();
    let (blocks_b, rest_b) = b.as_chunks::<LANES>();
    let (blocks_d, rest_d) = distances.as_chunks_mut::<LANES>();
    for ((a, b), distances) in blocks_a.iter().zip(blocks_b).zip(blocks_d) {
        prefetch(a, AHEAD);
        prefetch(b, AHEAD);
        compare_lanes::<MEASURED, FINITE>(&mut lanes, a, b, distances);
    }
    // Zeros in place of what is missing: equal, and not counted.
    let (mut last_a, mut last_b, mut last_d) = ([0f32; LANES], [0f32; LANES], [0; LANES]);
    last_a[..rest_a.len()].copy_from_slice(rest_a);
    last_b[..rest_b.len()].copy_from_slice(rest_b);
    compare_lanes::<MEASURED, FINITE>(&mut lanes, &last_a, &last_b, &mut last_d);
    rest_d.copy_from_slice(&last_d[..rest_d.len()]);
    lanes
}

#[inline(always)]
fn compare_lanes<const MEASURED: bool, const FINITE: bool>(
    lanes: &mut Lanes,
    a: &[f32; LANES],
    b: &[f32; LANES],
    distances: &mut [u32; LANES],
) {
    for lane in 0..LANES {
        let (a, b) = (a[lane], b[lane]);
        let (bits_a, bits_b) = (a.to_bits(), b.to_bits());
        // The order of all values as an unsigned number: negative ones reversed below positive ones.
        let rank = |bits: u32| bits ^ (((bits as i32 >> 31) as u32) | 0x8000_0000);
        let apart = rank(bits_a).abs_diff(rank(bits_b));
        let nan = !FINITE & (a.is_nan() | b.is_nan()) & (bits_a != bits_b);
        let distance = if nan { NAN } else { apart };
        distances[lane] = distance;
        lanes.differing[lane] += u32::from(bits_a != bits_b);
        lanes.max[lane] = lanes.max[lane].max(distance);
        let counted = if FINITE { a != 0.0 } else { is_counted(a, b) };
        let relative = ((a - b) / a).abs();
        lanes.relative[lane] += if counted { relative } else { 0.0 };
        lanes.counted[lane] += u32::from(counted);
        if MEASURED {
            let difference = (a - b).abs();
            let most = lanes.difference[lane];
            lanes.difference[lane] = if difference > most { difference } else { most };
            for (side, bits) in [bits_a, bits_b].into_iter().enumerate() {
                lanes.magnitudes[side][lane] = lanes.magnitudes[side][lane].max(bits & 0x7fff_ffff);
                lanes.bits[side][lane] = lanes.bits[side][lane].wrapping_add(bits);
            }
        }
    }
}

fn relative_f64(a: &[f32], b: &[f32]) -> f64 {
    let counted = a.iter().zip(b).filter(|(a, b)| is_counted(**a, **b));
    counted.map(|(a, b)| ((f64::from(*a) - f64::from(*b)) / f64::from(*a)).abs()).sum()
}

#[inline(always)]
fn is_counted(a: f32, b: f32) -> bool {
    a.is_finite() & b.is_finite() & (a != 0.0)
}

/// What a comparison of numbers of 16 bits, widened to f32, says once distances are those of the narrow type.
/// `infinity` is the bits of its largest value that is no NaN.
pub fn narrowed_16(a: &[u16], b: &[u16], infinity: u16, wide: Summary, distances: &mut [u32]) -> Summary {
    distances_16(a, b, infinity, distances);
    let (differing, max) = summarise(distances);
    Summary { differing, max: known(max), ..wide }
}

/// As [`narrowed_16`] for numbers of 8 bits.
pub fn narrowed_8(a: &[u8], b: &[u8], infinity: u8, wide: Summary, distances: &mut [u32]) -> Summary {
    distances_8(a, b, infinity, distances);
    let (differing, max) = summarise(distances);
    Summary { differing, max: known(max), ..wide }
}

/// ULP distances of 16-bit numbers given as bits; [`NAN`] where a NaN differs.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn distances_16(a: &[u16], b: &[u16], infinity: u16, distances: &mut [u32]) {
    for ((distance, &a), &b) in distances.iter_mut().zip(a).zip(b) {
        let rank = |bits: u16| bits ^ (((bits as i16 >> 15) as u16) | 0x8000);
        let nan = |bits: u16| bits & 0x7fff > infinity;
        let apart = u32::from(rank(a).abs_diff(rank(b)));
        *distance = if (nan(a) | nan(b)) & (a != b) { NAN } else { apart };
    }
}

/// ULP distances of 8-bit numbers given as bits; [`NAN`] where a NaN differs.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn distances_8(a: &[u8], b: &[u8], infinity: u8, distances: &mut [u32]) {
    for ((distance, &a), &b) in distances.iter_mut().zip(a).zip(b) {
        let rank = |bits: u8| bits ^ (((bits as i8 >> 7) as u8) | 0x80);
        let nan = |bits: u8| bits & 0x7f > infinity;
        let apart = u32::from(rank(a).abs_diff(rank(b)));
        *distance = if (nan(a) | nan(b)) & (a != b) { NAN } else { apart };
    }
}

/// How many distances are not 0, and the largest.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn summarise(distances: &[u32]) -> (u64, u32) {
    let (mut differing, mut max) = (0u32, 0u32);
    for &distance in distances {
        differing += u32::from(distance != 0);
        max = max.max(distance);
    }
    (u64::from(differing), max)
}

/// Lanes of numbers of 64 bits.
const WIDE_LANES: usize = 16;

/// Compares f64 and writes their ULP distances.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn compare_f64(a: &[f64], b: &[f64], distances: &mut [u64]) -> Summary {
    let mut sums = [0f64; WIDE_LANES];
    let (mut differing, mut max, mut counted) = ([0u64; WIDE_LANES], [0u64; WIDE_LANES], [0u64; WIDE_LANES]);
    let blocks = a.chunks(WIDE_LANES).zip(b.chunks(WIDE_LANES)).zip(distances.chunks_mut(WIDE_LANES));
    for ((a, b), distances) in blocks {
        for (lane, ((&a, &b), distance)) in a.iter().zip(b).zip(distances).enumerate() {
            let (bits_a, bits_b) = (a.to_bits(), b.to_bits());
            let rank = |bits: u64| bits ^ (((bits as i64 >> 63) as u64) | 1 << 63);
            let nan = (a.is_nan() | b.is_nan()) & (bits_a != bits_b);
            *distance = if nan { WIDE_NAN } else { rank(bits_a).abs_diff(rank(bits_b)) };
            differing[lane] += u64::from(bits_a != bits_b);
            max[lane] = max[lane].max(*distance);
            let is_counted = a.is_finite() & b.is_finite() & (a != 0.0);
            sums[lane] += if is_counted { ((a - b) / a).abs() } else { 0.0 };
            counted[lane] += u64::from(is_counted);
        }
    }
    let max = max.iter().copied().fold(0, u64::max);
    Summary {
        differing: differing.iter().sum(),
        max: (max != WIDE_NAN).then_some(max),
        relative: sums.iter().sum(),
        counted: counted.iter().sum(),
    }
}

/// Compares integers and writes their absolute differences, the largest possible one in place of a larger
/// one.
pub fn compare_integers(a: &[i128], b: &[i128], distances: &mut [u64]) -> Summary {
    let mut summary = Summary { max: Some(0), ..Summary::default() };
    let mut max = 0;
    for ((&a, &b), distance) in a.iter().zip(b).zip(distances) {
        *distance = u64::try_from(a.abs_diff(b)).unwrap_or(u64::MAX);
        max = max.max(*distance);
        summary.differing += u64::from(*distance != 0);
        if a != 0 {
            summary.counted += 1;
            summary.relative += *distance as f64 / a.unsigned_abs() as f64;
        }
    }
    Summary { max: Some(max), ..summary }
}

/// How many distances are `least` or more.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn count_at_least(distances: &[u32], least: u32) -> u64 {
    u64::from(distances.iter().map(|distance| u32::from(*distance >= least)).sum::<u32>())
}

/// Places that [`look_within`] tells apart in every step.
pub const PLACES: usize = 64;

/// Distances that [`look_within`] takes at the most: a bit for each of 32 steps.
pub const LOOKED_AT: usize = 32 * PLACES;

/// How many distances, at most [`LOOKED_AT`], are `low` or more, and which are from `low` to `low + width`: bit *s* of
/// entry *p* tells it of the one at `s · PLACES + p`. So no lane has to know of another.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn look_within(distances: &[u32], low: u32, width: u32) -> (u64, [u32; PLACES]) {
    let (mut above, mut within) = ([0; PLACES], [0; PLACES]);
    let (whole, rest) = distances.as_chunks::<PLACES>();
    for (step, distances) in whole.iter().enumerate().take(32) {
        look_at(distances, [low, width, 1 << step], &mut above, &mut within);
    }
    let mut all = u64::from(above.iter().sum::<u32>());
    for (distance, within) in rest.iter().zip(&mut within) {
        all += u64::from(*distance >= low);
        *within |= u32::from(distance.wrapping_sub(low) <= width) << (whole.len() % 32);
    }
    (all, within)
}

#[inline(always)]
fn look_at(
    distances: &[u32; PLACES],
    [low, width, bit]: [u32; 3],
    above: &mut [u32; PLACES],
    within: &mut [u32; PLACES],
) {
    for place in 0..PLACES {
        above[place] += u32::from(distances[place] >= low);
        within[place] |= if distances[place].wrapping_sub(low) <= width { bit } else { 0 };
    }
}

/// As [`count_at_least`] for wide distances.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn count_at_least_wide(distances: &[u64], least: u64) -> u64 {
    distances.iter().map(|distance| u64::from(*distance >= least)).sum()
}
