//! Laws of the metrics, and their fast forms against plain ones.

use proptest::prelude::*;

use super::*;
use crate::divergence::accumulate::Distances;

fn f32s(bits: &[u32]) -> Tensor {
    Tensor::f32("y", bits.iter().map(|bits| f32::from_bits(*bits)).collect())
}

fn f16s(bits: &[u16]) -> Tensor {
    Tensor { name: "y", data: Data::F16(bits.iter().map(|bits| f16::from_bits(*bits)).collect()) }
}

#[test]
fn ulp_distances_of_known_pairs() {
    let ulp = |a: f32, b: f32| ulp_distance(Dtype::F32, a.to_bits(), b.to_bits());
    assert_eq!(ulp(1.0, 1.0 + f32::EPSILON), Some(1));
    assert_eq!(ulp(0.0, -0.0), Some(1));
    assert_eq!(ulp(f32::from_bits(1), -0.0), Some(2));
    assert_eq!(ulp(f32::from_bits(1), f32::from_bits(0x8000_0001)), Some(3));
    assert_eq!(ulp(f32::MAX, f32::INFINITY), Some(1));
    assert_eq!(ulp(f32::NEG_INFINITY, f32::INFINITY), Some(2 * 0x7f80_0000 + 1));
    assert_eq!(ulp(f32::NAN, 1.0), None);
    assert_eq!(ulp(f32::NAN, f32::NAN), Some(0));
    assert_eq!(ulp_distance(Dtype::F32, 0x7fc0_0000, 0x7fc0_0001), None);
    assert_eq!(ulp_distance(Dtype::F16, 0x3c00, 0x3bff), Some(1));
    assert_eq!(ulp_distance(Dtype::F16, 0x0000, 0x8000), Some(1));
    assert_eq!(ulp_distance(Dtype::F16, 0x7e00, 0x3c00), None);
}

#[test]
fn a_nan_against_a_number_counts_as_differing_without_a_distance() {
    let found = divergence(&Tensor::f32("y", vec![1.0, 2.0]), &Tensor::f32("y", vec![1.0, f32::NAN]));
    assert_eq!((found.differing, found.first_difference, found.max_ulp), (1, Some(1), None));
    assert_eq!((found.v_ermv, found.v_ermv_excluded), (Some(0.0), 1));
    let other = divergence(&Tensor::f32("y", vec![1.0, 2.0]), &Tensor::f32("y", vec![9.0, 9.0]));
    assert!(found.severity() > other.severity());
}

#[test]
fn relative_differences_leave_out_zeros_and_what_is_not_finite() {
    let a = Tensor::f32("y", vec![0.0, 2.0, f32::INFINITY, 4.0, 1.0]);
    let b = Tensor::f32("y", vec![1.0, 3.0, 1.0, 4.0, f32::INFINITY]);
    let found = divergence(&a, &b);
    assert_eq!((found.v_ermv, found.v_ermv_excluded), (Some(0.25), 3));
    assert_eq!(found.v_c(), 0.8);
}

#[test]
fn relative_differences_do_not_overflow() {
    let found = divergence(&Tensor::f32("y", vec![f32::MAX]), &Tensor::f32("y", vec![-f32::MAX]));
    assert_eq!(found.v_ermv, Some(2.0));
    let tiny = Tensor::f32("y", vec![f32::from_bits(1)]);
    let found = divergence(&tiny, &Tensor::f32("y", vec![f32::MAX]));
    assert!(found.v_ermv.unwrap() > 1e82);
}

#[test]
fn nothing_differs_in_nothing() {
    let empty = Tensor::f32("y", Vec::new());
    let found = divergence(&empty, &empty);
    assert_eq!((found.v_c(), found.max_ulp, found.p99_ulp, found.v_ermv), (0.0, Some(0), Some(0), None));
}

#[test]
fn other_lengths_and_types_differ_everywhere() {
    let found = divergence(&f32s(&[0, 0, 0]), &f32s(&[0, 0]));
    assert_eq!((found.differing, found.max_ulp), (3, None));
    assert_eq!(divergence(&f32s(&[0]), &f16s(&[0])).differing, 1);
    assert_eq!(divergence(&f32s(&[]), &f32s(&[])).differing, 0);
}

/// The metrics by their definitions, one element at a time.
fn check_plainly(a: &Tensor, b: &Tensor, bits: &[(u32, u32)], dtype: Dtype) -> Result<(), TestCaseError> {
    let found = divergence(a, b);
    let differing = bits.iter().filter(|(a, b)| a != b).count() as u64;
    prop_assert_eq!(found.differing, differing);
    prop_assert_eq!(found.first_difference, bits.iter().position(|(a, b)| a != b).map(|i| i as u64));
    let distances: Option<Vec<u64>> = bits.iter().map(|(a, b)| ulp_distance(dtype, *a, *b)).collect();
    let mut sorted = distances.clone().unwrap_or_default();
    sorted.sort_unstable();
    let rank = (sorted.len() * 99).div_ceil(100);
    prop_assert_eq!(found.max_ulp, distances.as_ref().map(|_| sorted.last().copied().unwrap_or(0)));
    prop_assert_eq!(found.p99_ulp, distances.as_ref().map(|_| sorted[rank - 1]));
    if distances.is_some() {
        let mut histogram = vec![0u64; found.ulp_histogram.len()];
        sorted.iter().for_each(|d| histogram[d.checked_ilog2().map_or(0, |log| log as usize + 1)] += 1);
        prop_assert_eq!(&found.ulp_histogram, &histogram);
    }
    let counted: Vec<f64> = (0..a.len())
        .map(|i| (a.value(i), b.value(i)))
        .filter(|(a, b)| a.is_finite() && b.is_finite() && *a != 0.0)
        .map(|(a, b)| (a - b).abs() / a.abs())
        .collect();
    prop_assert_eq!(found.v_ermv_excluded, (a.len() - counted.len()) as u64);
    match found.v_ermv {
        None => prop_assert!(counted.is_empty()),
        Some(mean) => {
            let plain = counted.iter().sum::<f64>() / counted.len() as f64;
            // f32 division of subnormal values keeps fewer digits; they are rare and small here.
            prop_assert!((mean - plain).abs() <= 1e-5 * plain + 1e-30, "{} {}", mean, plain);
        }
    }
    Ok(())
}

/// Pairs that are often equal, often neighbours, sometimes anything.
fn pairs(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(u32, u32)>> {
    let pair = (any::<u32>(), 0u32..5, any::<u32>()).prop_map(|(a, kind, other)| match kind {
        0 | 1 => (a, a),
        2 => (a, a ^ 1),
        3 => (a, a.wrapping_add(other % 100_000)),
        _ => (a, other),
    });
    prop::collection::vec(pair, len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_distance_is_a_metric(a: u32, b: u32, c: u32) {
        let d = |a, b| ulp_distance(Dtype::F32, a, b);
        prop_assert_eq!(d(a, b), d(b, a));
        prop_assert_eq!(d(a, b) == Some(0), a == b);
        if let (Some(ab), Some(bc), Some(ac)) = (d(a, b), d(b, c), d(a, c)) {
            prop_assert!(ac <= ab + bc);
        }
    }

    #[test]
    fn the_distance_follows_the_order_of_numbers(a: f32, b: f32, c: f32) {
        prop_assume!(!a.is_nan() && !b.is_nan() && !c.is_nan());
        let mut sorted = [a, b, c];
        sorted.sort_by(f32::total_cmp);
        let d = |a: f32, b: f32| ulp_distance(Dtype::F32, a.to_bits(), b.to_bits()).unwrap();
        prop_assert_eq!(d(sorted[0], sorted[2]), d(sorted[0], sorted[1]) + d(sorted[1], sorted[2]));
    }

    #[test]
    fn fast_metrics_agree_with_their_definitions(pairs in pairs(1..3000)) {
        let (a, b): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
        check_plainly(&f32s(&a), &f32s(&b), &pairs, Dtype::F32)?;
        let finite: Vec<(u32, u32)> = pairs
            .into_iter()
            .filter(|(a, b)| f32::from_bits(*a).is_finite() && f32::from_bits(*b).is_finite())
            .collect();
        prop_assume!(!finite.is_empty());
        let (a, b): (Vec<u32>, Vec<u32>) = finite.iter().copied().unzip();
        check_plainly(&f32s(&a), &f32s(&b), &finite, Dtype::F32)?;
    }

    #[test]
    fn fast_metrics_agree_with_their_definitions_in_f16(pairs in pairs(1..3000)) {
        let narrow: Vec<(u32, u32)> = pairs.iter().map(|(a, b)| (a & 0xffff, b & 0xffff)).collect();
        let (a, b): (Vec<u16>, Vec<u16>) = narrow.iter().map(|(a, b)| (*a as u16, *b as u16)).unzip();
        check_plainly(&f16s(&a), &f16s(&b), &narrow, Dtype::F16)?;
    }

    #[test]
    fn the_digest_beside_the_divergence_is_the_same(pairs in pairs(0..5000)) {
        let (a, b): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        let mut hasher = Hasher::new();
        let found = divergence_and_digest(&f32s(&a), &f32s(&b), &mut hasher);
        prop_assert_eq!(hasher.finish(), crate::digest::digest([&f32s(&b)]));
        prop_assert_eq!(found, divergence(&f32s(&a), &f32s(&b)));
    }

    #[test]
    fn identical_bits_and_distance_zero_are_the_same_thing(bits in prop::collection::vec(any::<u32>(), 0..500)) {
        let found = divergence(&f32s(&bits), &f32s(&bits));
        prop_assert_eq!((found.differing, found.max_ulp, found.p99_ulp), (0, Some(0), Some(0)));
    }

    /// Values that are all finite go a way of their own.
    #[test]
    fn what_is_measured_beside_does_not_change_what_is_compared(pairs in pairs(0..3000), is_finite in any::<bool>()) {
        let kept = pairs.into_iter().map(|(a, b)| [a, b].map(f32::from_bits));
        let kept: Vec<[f32; 2]> =
            kept.filter(|pair| !is_finite || pair.iter().all(|value| value.is_finite())).collect();
        let (a, b): (Vec<f32>, Vec<f32>) = kept.iter().map(|[a, b]| (*a, *b)).unzip();
        let (mut plain, mut measured) = (vec![0; a.len()], vec![0; a.len()]);
        let compared = block::compare_f32(&a, &b, &mut plain);
        let (summary, sizes) = block::measure_f32(&a, &b, &mut measured);
        prop_assert_eq!((compared, plain), (summary, measured));
        let most = |values: &[f32]| values.iter().map(|value| value.to_bits() & 0x7fff_ffff).max().unwrap_or(0);
        prop_assert_eq!(sizes.magnitudes, [most(&a), most(&b)]);
    }

    #[test]
    fn distances_within_a_window_are_found_one_by_one(
        distances in prop::collection::vec(0u32..5000, 0..5000),
        low in 0u64..6000,
        width in 0u64..2000,
    ) {
        let mut found = Vec::new();
        let above = Distances::Narrow(&distances).within(low, low + width, |distance| found.push(distance));
        found.sort_unstable();
        let wide: Vec<u64> = distances.iter().map(|distance| u64::from(*distance)).collect();
        let mut expected: Vec<u64> =
            wide.iter().copied().filter(|distance| (low..=low + width).contains(distance)).collect();
        expected.sort_unstable();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!(above, wide.iter().filter(|distance| **distance >= low).count() as u64);
        let mut found_wide = Vec::new();
        let wide_above = Distances::Wide(&wide).within(low, low + width, |distance| found_wide.push(distance));
        found_wide.sort_unstable();
        prop_assert_eq!((found_wide, wide_above), (expected, above));
    }
}
