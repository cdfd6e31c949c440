//! Whole checkpoints, and the fast metrics against their definitions, one element at a time, in every type.

use half::{bf16, f16};
use proptest::prelude::*;

use super::*;
use crate::checkpoint::Element;
use crate::checkpoint::fixture::{Given, checkpoint, f32s, raw};
use crate::diff::model::Distance;

fn found(before: &[Given], after: &[Given]) -> Diff {
    diff(&checkpoint(before), &checkpoint(after), &|_| ()).unwrap()
}

fn named<'a>(diff: &'a Diff, name: &str) -> &'a TensorDiff {
    diff.tensors.iter().find(|tensor| tensor.name == name).unwrap()
}

/// The distance of two tensors of `elements` elements.
fn distance(a: (Element, Vec<u8>), b: (Element, Vec<u8>), elements: usize) -> Option<Distance> {
    let given = |(element, bytes)| checkpoint(&[raw("x", element, &[elements], bytes)]);
    let (before, after) = (given(a), given(b));
    compare_all(&before, &after, &|_| ()).unwrap().remove(0).distance
}

fn bytes<const N: usize, T>(values: &[T], of: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(of).collect()
}

#[test]
fn missing_and_reshaped_come_first_then_nan_then_how_far() {
    let ones = |name: &str, value: f32| f32s(name, &[2], [1.0, value]);
    let before =
        [ones("a", 1.0), ones("b", 1.0), ones("c", 1.0), ones("d", 1.0), ones("e", 1.0), ones("f", 1.0)];
    let after = [
        ones("b", 1.5),
        ones("c", 3.0),
        ones("d", f32::NAN),
        f32s("e", &[1, 2], [1.0, 1.0]),
        ones("f", 1.0),
        f32s("g", &[1], [1.0]),
    ];
    let found = found(&before, &after);
    let order: Vec<(&str, Status)> = found.tensors.iter().map(|t| (t.name.as_str(), t.status)).collect();
    use Status::{Different, Equal, Extra, Missing};
    assert_eq!(
        order,
        [
            ("a", Missing),
            ("g", Extra),
            ("e", Different),
            ("d", Different),
            ("c", Different),
            ("b", Different),
            ("f", Equal)
        ]
    );
    let summary = Summary {
        tensors: 7,
        equal: 1,
        different: 6,
        missing: 1,
        extra: 1,
        incomparable: 0,
        reshaped: 1,
        retyped: 0,
        not_finite: 1,
    };
    assert_eq!(found.summary, summary);
    let reshaped = named(&found, "e");
    assert_eq!((reshaped.distance.as_ref().unwrap().differing, reshaped.remarks.len()), (0, 1));
}

#[test]
fn other_shapes_and_types_without_a_common_one_are_not_comparable() {
    let before = [f32s("a", &[2], [1.0, 2.0]), raw("b", Element::I64, &[1], vec![0; 8]), f32s("c", &[0], [])];
    let after = [f32s("a", &[3], [1.0; 3]), f32s("b", &[1], [0.0]), f32s("c", &[0], [])];
    let found = found(&before, &after);
    assert_eq!((found.summary.incomparable, found.summary.equal), (2, 1));
    assert!(named(&found, "a").remarks[0].contains("2 elements against 3"));
    assert!(named(&found, "b").remarks[0].contains("no type holds all values of i64 and of f32"));
}

#[test]
fn unrelated_and_empty_checkpoints_are_refused() {
    let (a, b, empty) =
        (checkpoint(&[f32s("a", &[1], [1.0])]), checkpoint(&[f32s("b", &[1], [1.0])]), checkpoint(&[]));
    let refusal = |a, b| diff(a, b, &|_| ()).unwrap_err().to_string();
    assert!(refusal(&a, &b).contains("unrelated checkpoints") && refusal(&a, &b).lines().count() == 1);
    assert!(refusal(&a, &empty).contains("holds no tensors"));
    let wrapped = checkpoint(&[f32s("module.a", &[1], [1.0])]);
    for told in [refusal(&a, &wrapped), refusal(&wrapped, &a)] {
        assert!(told.contains("begin with \"module.\"") && told.lines().count() == 1, "{told}");
    }
    assert!(refusal(&wrapped, &b).ends_with("give two of the same model"));
}

#[test]
fn bytes_of_a_bool_above_1_are_compared_by_bits_and_told() {
    let bool = |bytes: &[u8]| [raw("m", Element::BOOL, &[3], bytes.to_vec())];
    let found = found(&bool(&[0, 1, 1]), &bool(&[0, 1, 7]));
    let mask = named(&found, "m");
    assert_eq!(mask.distance.as_ref().unwrap().max_ulp, Some(6));
    assert_eq!(mask.remarks, ["1 bytes after are neither 0 nor 1"]);
}

#[test]
fn what_is_not_computed_with_is_compared_byte_by_byte() {
    let complex =
        |byte| [raw("z", Element::C64, &[2], vec![byte, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9])];
    let found = found(&complex(1), &complex(2));
    let z = named(&found, "z").distance.as_ref().unwrap().clone();
    assert_eq!((z.compared_as.as_str(), z.elements, z.differing), ("bytes", 16, 1));
    assert_eq!((z.max_ulp, z.p99_ulp, z.v_ermv, z.first_coordinates), (None, None, None, None));
    assert_eq!(named(&found, "z").remarks, ["c64 is compared byte by byte"]);
}

#[test]
fn the_first_difference_has_its_place() {
    let mut values = vec![0f32; 3 * 700_000];
    let before = f32s("x", &[3, 700, 1000], values.clone());
    values[2 * 700_000 + 5_017] = 1.0;
    let found = found(&[before], &[f32s("x", &[3, 700, 1000], values)]);
    let x = found.tensors[0].distance.as_ref().unwrap();
    assert_eq!((x.first_difference, x.differing), (Some(1_405_017), 1));
    assert_eq!(x.first_coordinates, Some(vec![2, 5, 17]));
    assert_eq!((x.p99_ulp, x.v_ermv), (Some(0), None));
}

#[test]
fn sums_do_not_depend_on_the_number_of_threads() {
    let values = |scale: f32| (0..700_000).map(move |i| (i as f32 * 0.618).sin() * scale);
    let (a, b) = (
        checkpoint(&[f32s("x", &[700_000], values(1.0))]),
        checkpoint(&[f32s("x", &[700_000], values(1.001))]),
    );
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| compare_all(&a, &b, &|_| ()).unwrap().remove(0).distance.unwrap())
    };
    let one = with(1);
    assert_eq!(one.v_ermv.unwrap().to_bits(), with(3).v_ermv.unwrap().to_bits());
    assert_eq!(one, with(2));
}

#[test]
fn the_percentile_of_a_large_tensor_is_exact_too() {
    let count = 3 << 20;
    let before: Vec<f32> = (0..count).map(|i| (i as f32 * 0.618).sin()).collect();
    // Up to about 2^20 apart, then a tail that the sample cannot foresee.
    let moved = |i: usize, v: f32| f32::from_bits(v.to_bits() ^ ((i as u32).wrapping_mul(0x9e37_79b1) >> 12));
    let after = |i: usize, v: f32| if i > count - count / 50 { -v } else { moved(i, v) };
    for change in
        [&moved as &dyn Fn(usize, f32) -> f32, &after, &|i, v| if i % 7 == 0 { v + 1e-7 } else { v }]
    {
        let after: Vec<f32> = before.iter().enumerate().map(|(i, v)| change(i, *v)).collect();
        let mut plainly: Vec<u64> = before
            .iter()
            .zip(&after)
            .map(|(a, b)| {
                crate::divergence::ulp_distance(crate::tensor::Dtype::F32, a.to_bits(), b.to_bits()).unwrap()
            })
            .collect();
        plainly.sort_unstable();
        let given = |values: &Vec<f32>| [f32s("x", &[count], values.iter().copied())];
        let found = found(&given(&before), &given(&after)).tensors.remove(0).distance.unwrap();
        assert_eq!(found.p99_ulp, Some(plainly[(count * 99).div_ceil(100) - 1]));
        assert_eq!(found.max_ulp, plainly.last().copied());
    }
}

#[test]
fn integers_are_apart_by_their_difference() {
    let of = |a: i64, b: u64| {
        distance((Element::I64, a.to_le_bytes().to_vec()), (Element::U64, b.to_le_bytes().to_vec()), 1)
            .unwrap()
    };
    assert_eq!(of(-5, 3).max_ulp, Some(8));
    assert_eq!((of(i64::MIN, u64::MAX).max_ulp, of(7, 7).differing), (Some(u64::MAX), 0));
    assert_eq!(of(-1, 1).v_ermv, Some(2.0));
}

/// A value with what the definitions need: its place in the order of its type's values.
#[derive(Debug, Clone, Copy)]
struct Plain {
    value: f64,
    ordinal: i128,
}

fn plain(bits: u64, width: u32, value: f64) -> Plain {
    let sign = 1u64 << (width - 1);
    let magnitude = i128::from(bits & (sign - 1));
    Plain { value, ordinal: if bits & sign == 0 { magnitude } else { -magnitude - 1 } }
}

fn check(
    found: &Distance,
    a: &[Plain],
    b: &[Plain],
    is_precise: bool,
) -> std::result::Result<(), TestCaseError> {
    let pairs = || a.iter().zip(b);
    let distance = |a: &Plain, b: &Plain| match a.ordinal.abs_diff(b.ordinal) {
        0 => Some(0),
        _ if a.value.is_nan() || b.value.is_nan() => None,
        apart => Some(apart as u64),
    };
    let differing = pairs().filter(|(a, b)| a.ordinal != b.ordinal).count() as u64;
    prop_assert_eq!(found.differing, differing);
    let first = pairs().position(|(a, b)| a.ordinal != b.ordinal);
    prop_assert_eq!(found.first_difference, first.map(|index| index as u64));
    let distances: Option<Vec<u64>> = pairs().map(|(a, b)| distance(a, b)).collect();
    let sorted = distances.map(|mut distances| {
        distances.sort_unstable();
        distances
    });
    let rank = (a.len() * 99).div_ceil(100);
    prop_assert_eq!(found.max_ulp, sorted.as_ref().map(|sorted| *sorted.last().unwrap()));
    prop_assert_eq!(found.p99_ulp, sorted.as_ref().map(|sorted| sorted[rank - 1]));
    let counts = |values: &[Plain], of: fn(f64) -> bool| values.iter().filter(|v| of(v.value)).count() as u64;
    prop_assert_eq!((found.nan_before, found.nan_after), (counts(a, f64::is_nan), counts(b, f64::is_nan)));
    prop_assert_eq!(found.infinite_before, counts(a, f64::is_infinite));
    prop_assert_eq!(found.infinite_after, counts(b, f64::is_infinite));
    let terms: Vec<f64> = pairs()
        .filter(|(a, b)| a.value.is_finite() && b.value.is_finite() && a.value != 0.0)
        .map(|(a, b)| {
            // Large integers that are neighbours are one number as f64.
            let is_integer = [a, b].iter().all(|v| v.ordinal as f64 == v.value);
            let apart = if is_integer { (a.ordinal - b.ordinal) as f64 } else { a.value - b.value };
            (apart / a.value).abs()
        })
        .collect();
    prop_assert_eq!(found.v_ermv_excluded, (a.len() - terms.len()) as u64);
    let mean = terms.iter().sum::<f64>() / terms.len() as f64;
    let close = if is_precise { 1e-12 } else { 1e-5 };
    match found.v_ermv {
        None => prop_assert!(terms.is_empty()),
        Some(found) if mean.is_finite() => {
            prop_assert!((found - mean).abs() <= close * mean + 1e-30, "{} {}", found, mean);
        }
        Some(found) => prop_assert!(!found.is_finite(), "{} {}", found, mean),
    }
    Ok(())
}

/// Pairs that are often equal, often neighbours, sometimes anything.
fn pairs(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(u64, u64)>> {
    let pair = (any::<u64>(), 0u32..5, any::<u64>()).prop_map(|(a, kind, other)| match kind {
        0 | 1 => (a, a),
        2 => (a, a ^ 1),
        3 => (a, a.wrapping_add(other % 100_000)),
        _ => (a, other),
    });
    prop::collection::vec(pair, len)
}

/// Without NaN, which leave no distances to check.
fn only<T>(pairs: &[(T, T)], is_nan: fn(&T) -> bool) -> (Vec<T>, Vec<T>)
where
    T: Copy,
{
    pairs.iter().filter(|(a, b)| !is_nan(a) && !is_nan(b)).copied().unzip()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn f32_and_f64_by_their_definitions(pairs in pairs(1..6000), keep_nan: bool) {
        let narrow: Vec<(f32, f32)> =
            pairs.iter().map(|(a, b)| (f32::from_bits(*a as u32), f32::from_bits(*b as u32))).collect();
        let (a, b) = if keep_nan { narrow.iter().copied().unzip() } else { only(&narrow, |v| v.is_nan()) };
        prop_assume!(!a.is_empty());
        let plainly = |v: &[f32]| -> Vec<Plain> {
            v.iter().map(|v| plain(u64::from(v.to_bits()), 32, f64::from(*v))).collect()
        };
        let of = |v: &[f32]| (Element::F32, bytes(v, |v| v.to_le_bytes()));
        check(&distance(of(&a), of(&b), a.len()).unwrap(), &plainly(&a), &plainly(&b), false)?;

        let wide: Vec<(f64, f64)> =
            pairs.iter().map(|(a, b)| (f64::from_bits(*a), f64::from_bits(*b))).collect();
        let (a, b) = if keep_nan { wide.iter().copied().unzip() } else { only(&wide, |v| v.is_nan()) };
        prop_assume!(!a.is_empty());
        let plainly = |v: &[f64]| -> Vec<Plain> { v.iter().map(|v| plain(v.to_bits(), 64, *v)).collect() };
        let of = |v: &[f64]| (Element::F64, bytes(v, |v| v.to_le_bytes()));
        check(&distance(of(&a), of(&b), a.len()).unwrap(), &plainly(&a), &plainly(&b), true)?;
    }

    #[test]
    fn half_types_by_their_definitions(pairs in pairs(1..6000), keep_nan: bool) {
        let halves: Vec<(f16, f16)> =
            pairs.iter().map(|(a, b)| (f16::from_bits(*a as u16), f16::from_bits(*b as u16))).collect();
        let (a, b) = if keep_nan { halves.iter().copied().unzip() } else { only(&halves, |v| v.is_nan()) };
        prop_assume!(!a.is_empty());
        let plainly = |v: &[f16]| -> Vec<Plain> {
            v.iter().map(|v| plain(u64::from(v.to_bits()), 16, v.to_f64())).collect()
        };
        let of = |v: &[f16]| (Element::F16, bytes(v, |v| v.to_le_bytes()));
        check(&distance(of(&a), of(&b), a.len()).unwrap(), &plainly(&a), &plainly(&b), false)?;
        let brain: Vec<bf16> = a.iter().map(|v| bf16::from_bits(v.to_bits())).collect();
        let other: Vec<bf16> = b.iter().map(|v| bf16::from_bits(v.to_bits())).collect();
        let plainly = |v: &[bf16]| -> Vec<Plain> {
            v.iter().map(|v| plain(u64::from(v.to_bits()), 16, v.to_f64())).collect()
        };
        let of = |v: &[bf16]| (Element::BF16, bytes(v, |v| v.to_le_bytes()));
        let found = distance(of(&brain), of(&other), brain.len()).unwrap();
        check(&found, &plainly(&brain), &plainly(&other), false)?;
    }

    #[test]
    fn the_8_bit_types_by_their_definitions(pairs in pairs(1..3000), e5m2: bool, keep_nan: bool) {
        let element = if e5m2 { Element::F8_E5M2 } else { Element::F8_E4M3 };
        let value = |bits: u8| {
            let mut value = [0f64];
            widen::to_f64(element, &[bits], &mut value);
            value[0]
        };
        let pairs = pairs.iter().map(|(a, b)| (*a as u8, *b as u8));
        let (a, b): (Vec<u8>, Vec<u8>) =
            pairs.filter(|(a, b)| keep_nan || !(value(*a).is_nan() || value(*b).is_nan())).unzip();
        prop_assume!(!a.is_empty());
        let plainly = |v: &[u8]| -> Vec<Plain> { v.iter().map(|v| plain(u64::from(*v), 8, value(*v))).collect() };
        let found = distance((element, a.clone()), (element, b.clone()), a.len()).unwrap();
        check(&found, &plainly(&a), &plainly(&b), false)?;
    }

    #[test]
    fn another_type_is_compared_after_exact_widening(pairs in pairs(1..3000)) {
        let (a, b): (Vec<u64>, Vec<u64>) = pairs.iter().copied().unzip();
        let brain: Vec<bf16> = a.iter().map(|v| bf16::from_bits(*v as u16)).collect();
        let plainly: Vec<Plain> = brain
            .iter()
            .map(|v| plain(u64::from(v.to_bits()) << 16, 32, v.to_f64()))
            .collect();
        let full: Vec<f32> = b.iter().map(|v| f32::from_bits((*v as u32) << 16)).collect();
        let others: Vec<Plain> =
            full.iter().map(|v| plain(u64::from(v.to_bits()), 32, f64::from(*v))).collect();
        let of = (Element::BF16, bytes(&brain, |v| v.to_le_bytes()));
        let found = distance(of, (Element::F32, bytes(&full, |v| v.to_le_bytes())), a.len()).unwrap();
        check(&found, &plainly, &others, false)?;
        prop_assert_eq!(found.compared_as, "f32");

        let small: Vec<u8> = a.iter().map(|v| *v as u8).collect();
        let halves: Vec<f16> = b.iter().map(|v| f16::from_f64((*v % 300) as f64)).collect();
        let widened: Vec<Plain> = small
            .iter()
            .map(|v| plain(u64::from(f16::from_f64(f64::from(*v)).to_bits()), 16, f64::from(*v)))
            .collect();
        let others: Vec<Plain> =
            halves.iter().map(|v| plain(u64::from(v.to_bits()), 16, v.to_f64())).collect();
        let of = (Element::F16, bytes(&halves, |v| v.to_le_bytes()));
        check(&distance((Element::U8, small), of, a.len()).unwrap(), &widened, &others, false)?;
    }

    #[test]
    fn integers_by_their_definitions(pairs in pairs(1..3000)) {
        let (a, b): (Vec<u64>, Vec<u64>) = pairs.iter().copied().unzip();
        let of = |v: &[u64]| (Element::I64, bytes(v, |v| v.to_le_bytes()));
        let plainly = |v: &[u64]| -> Vec<Plain> {
            v.iter().map(|v| Plain { value: *v as i64 as f64, ordinal: i128::from(*v as i64) }).collect()
        };
        check(&distance(of(&a), of(&b), a.len()).unwrap(), &plainly(&a), &plainly(&b), true)?;
    }
}
