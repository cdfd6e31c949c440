//! The inner loops: a block of elements against another one, compiled for several instruction sets.

use multiversion::multiversion;

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
    /// The largest |A−B|; infinite where one of them is, or where f32 overflows.
    pub max_difference: f64,
    /// The largest |A| that is no NaN.
    pub max_magnitude: f64,
}

/// Elements that are compared side by side.
const LANES: usize = 32;

#[derive(Clone, Copy)]
struct Lanes {
    differing: [u32; LANES],
    max: [u32; LANES],
    relative: [f32; LANES],
    counted: [u32; LANES],
    difference: [f32; LANES],
    magnitude: [f32; LANES],
}

/// Compares f32 and writes their ULP distances.
pub fn compare_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> Summary {
    let lanes = lanes_f32(a, b, distances);
    let relative = lanes.relative.iter().map(|sum| f64::from(*sum)).sum::<f64>();
    let sum = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum();
    let most = |values: &[f32]| f64::from(values.iter().copied().fold(0.0, f32::max));
    Summary {
        differing: sum(&lanes.differing),
        max: known(lanes.max.iter().copied().fold(0, u32::max)),
        // A block's terms are summed in f32, to about six digits; where that overflows, in f64.
        relative: if relative.is_finite() { relative } else { relative_f64(a, b) },
        counted: sum(&lanes.counted),
        max_difference: most(&lanes.difference),
        max_magnitude: most(&lanes.magnitude),
    }
}

fn known(max: u32) -> Option<u64> {
    (max != NAN).then_some(u64::from(max))
}

/// A distance is [`NAN`] where a NaN differs; one of numbers is at most 2^32 − 2^24, so that it never is [`NAN`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn lanes_f32(a: &[f32], b: &[f32], distances: &mut [u32]) -> Lanes {
    let (zeros, none) = ([0; LANES], [0.0; LANES]);
    let mut lanes = Lanes {
        differing: zeros,
        max: zeros,
        relative: none,
        counted: zeros,
        difference: none,
        magnitude: none,
    };
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
    lanes
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
        let difference = a - b;
        // NaN is never more than anything.
        let most = |most: f32, value: f32| if value > most { value } else { most };
        lanes.difference[lane] = most(lanes.difference[lane], difference.abs());
        lanes.magnitude[lane] = most(lanes.magnitude[lane], a.abs());
        let relative = (difference / a).abs();
        lanes.relative[lane] += if counted { relative } else { 0.0 };
        lanes.counted[lane] += u32::from(counted);
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

/// Compares numbers of 16 bits whose values widened to f32 are `wide_a` and `wide_b`: relative differences are
/// those of the widened values, distances those of the narrow type. `infinity` is the bits of its largest value
/// that is no NaN.
pub fn compare_16(
    (a, wide_a): (&[u16], &[f32]),
    (b, wide_b): (&[u16], &[f32]),
    infinity: u16,
    distances: &mut [u32],
) -> Summary {
    let summary = compare_f32(wide_a, wide_b, distances);
    distances_16(a, b, infinity, distances);
    let (differing, max) = summarise(distances);
    Summary { differing, max: known(max), ..summary }
}

/// As [`compare_16`] for numbers of 8 bits.
pub fn compare_8(
    (a, wide_a): (&[u8], &[f32]),
    (b, wide_b): (&[u8], &[f32]),
    infinity: u8,
    distances: &mut [u32],
) -> Summary {
    let summary = compare_f32(wide_a, wide_b, distances);
    distances_8(a, b, infinity, distances);
    let (differing, max) = summarise(distances);
    Summary { differing, max: known(max), ..summary }
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
    let (mut differences, mut magnitudes) = ([0f64; WIDE_LANES], [0f64; WIDE_LANES]);
    let most = |most: f64, value: f64| if value > most { value } else { most };
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
            differences[lane] = most(differences[lane], (a - b).abs());
            magnitudes[lane] = most(magnitudes[lane], a.abs());
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
        max_difference: differences.iter().copied().fold(0.0, f64::max),
        max_magnitude: magnitudes.iter().copied().fold(0.0, f64::max),
    }
}

/// Compares integers and writes their absolute differences, the largest possible one in place of a larger one.
pub fn compare_integers(a: &[i128], b: &[i128], distances: &mut [u64]) -> Summary {
    let mut summary = Summary { max: Some(0), ..Summary::default() };
    let (mut max, mut magnitude) = (0, 0);
    for ((&a, &b), distance) in a.iter().zip(b).zip(distances) {
        *distance = u64::try_from(a.abs_diff(b)).unwrap_or(u64::MAX);
        max = max.max(*distance);
        magnitude = magnitude.max(a.unsigned_abs());
        summary.differing += u64::from(*distance != 0);
        if a != 0 {
            summary.counted += 1;
            summary.relative += *distance as f64 / a.unsigned_abs() as f64;
        }
    }
    Summary { max: Some(max), max_difference: max as f64, max_magnitude: magnitude as f64, ..summary }
}

/// How many distances are `least` or more.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn count_at_least(distances: &[u32], least: u32) -> u64 {
    u64::from(distances.iter().map(|distance| u32::from(*distance >= least)).sum::<u32>())
}

/// How many distances are from `low` to `low + width`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn count_within(distances: &[u32], low: u32, width: u32) -> u32 {
    distances.iter().map(|distance| u32::from(distance.wrapping_sub(low) <= width)).sum()
}

/// As [`count_at_least`] for wide distances.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
pub fn count_at_least_wide(distances: &[u64], least: u64) -> u64 {
    distances.iter().map(|distance| u64::from(*distance >= least)).sum()
}
