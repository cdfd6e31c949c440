//! Every rule on what it is for, and on near misses, on which it must not fire.

use half::{bf16, f16};

use crate::checkpoint::Element;
use crate::checkpoint::fixture::{Given, checkpoint, f32s, raw};
use crate::diff::diff;
use crate::diff::model::Diff;

/// Numbers that look normal: sums of twelve uniforms, from a seed.
fn normal(seed: u64, count: usize, deviation: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| deviation * ((0..12).map(|_| uniform()).sum::<f32>() - 6.0)).collect()
}

fn found(before: &[Given], after: &[Given]) -> Diff {
    diff(&checkpoint(before), &checkpoint(after), &|_| ()).unwrap()
}

/// The kinds of the causes of one matrix of 64 × 32, which `change` makes AFTER of.
fn kinds_of(change: impl Fn(&mut Vec<f32>)) -> Vec<&'static str> {
    kinds(&of_matrix(change))
}

fn of_matrix(change: impl Fn(&mut Vec<f32>)) -> Diff {
    let before = normal(1, 64 * 32, 0.1);
    let mut after = before.clone();
    change(&mut after);
    let other = || f32s("other.weight", &[8, 8], normal(9, 64, 0.1));
    let of = |values| [f32s("layer.weight", &[64, 32], values), other()];
    found(&of(before), &of(after))
}

fn kinds(diff: &Diff) -> Vec<&'static str> {
    diff.causes.iter().map(|cause| cause.kind).collect()
}

fn each(values: &mut [f32], change: impl Fn(f32) -> f32) {
    values.iter_mut().for_each(|value| *value = change(*value));
}

#[test]
fn nothing_differs() {
    let equal = of_matrix(|_| ());
    assert_eq!((equal.causes.len(), equal.likely_cause.as_str()), (0, "the saved tensors are not the cause"));
}

#[test]
fn rounded_to_a_narrower_format_and_widened_again() {
    let f16 = of_matrix(|values| each(values, |v| f16::from_f32(v).to_f32()));
    assert_eq!(f16.likely_cause, "saved in lower precision: f16, 1 tensor");
    let bf16 = of_matrix(|values| each(values, |v| bf16::from_f32(v).to_f32()));
    assert_eq!(bf16.likely_cause, "saved in lower precision: bf16, 1 tensor");
    assert_eq!(bf16.tensors[0].cause, Some("lower_precision"));
    for (format, name) in [
        (crate::checkpoint::element::Float::E4m3, "f8_e4m3"),
        (crate::checkpoint::element::Float::E5m2, "f8_e5m2"),
    ] {
        let f8 = of_matrix(|values| {
            each(values, |v| super::lower_precision::round(format, f64::from(v)) as f32);
        });
        assert_eq!(f8.likely_cause, format!("saved in lower precision: {name}, 1 tensor"));
    }
}

#[test]
fn stored_in_a_narrower_format() {
    let values = normal(3, 300, 1.0);
    let halves = values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
    let found = found(&[f32s("w", &[300], values)], &[raw("w", Element::BF16, &[300], halves)]);
    assert_eq!(found.likely_cause, "saved in lower precision: bf16, the only tensor");
    let back = |d: &Diff| d.causes[0].evidence.iter().any(|line| line.contains("the other order"));
    assert!(!back(&found));
}

#[test]
fn what_did_not_change_may_have_been_rounded_too_or_not() {
    let beside = |kept: f32| {
        let values = normal(3, 300, 1.0);
        let rounded = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect::<Vec<_>>();
        let kept = || f32s("norm.weight", &[2], [1.0, kept]);
        let found = found(&[f32s("w", &[300], values), kept()], &[f32s("w", &[300], rounded), kept()]);
        found.causes[0].evidence[1].clone()
    };
    assert!(beside(0.5).starts_with("1 tensor with the same bits: only numbers that are exact in f16"));
    assert!(
        beside(0.1)
            .starts_with("1 of the 1 float tensors with the same bits hold numbers that are not exact")
    );
}

#[test]
fn files_in_the_other_order_are_told() {
    let values = normal(3, 300, 1.0);
    let rounded = values.iter().map(|v| f16::from_f32(*v).to_f32()).collect::<Vec<_>>();
    let found = found(&[f32s("w", &[300], rounded)], &[f32s("w", &[300], values)]);
    assert_eq!(kinds(&found), ["lower_precision"]);
    assert!(
        found.causes[0].evidence[1].contains("BEFORE holds the rounded values in 1"),
        "{:?}",
        found.causes
    );
}

#[test]
fn saturation_is_counted() {
    let saturating = of_matrix(|values| {
        values[0] = f32::INFINITY;
        each(&mut values[1..], |v| f16::from_f32(v).to_f32());
    });
    assert_eq!(kinds(&saturating), ["cannot_tell"], "0.1 does not overflow");
    let mut before = normal(5, 300, 1.0);
    before[7] = 1e6;
    let after: Vec<f32> = before.iter().map(|v| f16::from_f32(*v).to_f32()).collect();
    let found = found(&[f32s("w", &[300], before)], &[f32s("w", &[300], after)]);
    assert_eq!(kinds(&found), ["lower_precision"]);
    assert!(found.causes[0].evidence[1].starts_with("1 elements were beyond the largest f16"));
}

#[test]
fn near_misses_of_lower_precision() {
    let truncated = |v: f32| f32::from_bits(v.to_bits() & 0xffff_0000);
    assert!(!kinds_of(|values| each(values, truncated)).contains(&"lower_precision"), "not the nearest");
    let all_but_one = |values: &mut Vec<f32>| {
        let kept = values[2000];
        each(values, |v| f16::from_f32(v).to_f32());
        values[2000] = kept * 1.001;
    };
    assert!(!kinds_of(all_but_one).contains(&"lower_precision"));
    assert!(!kinds_of(|values| each(values, |_| 0.0)).contains(&"lower_precision"), "zeros are a reset");
    let one_step = |values: &mut Vec<f32>| values[5] = f16::from_f32(values[5]).to_f32();
    assert!(!kinds_of(one_step).contains(&"lower_precision"), "the others would not have stayed");
}

/// A layer and its batch-norm, with those statistics.
fn with_statistics(mean: Vec<f32>, variance: Vec<f32>, batches: i64) -> [Given; 5] {
    [
        f32s("bn.running_mean", &[mean.len()], mean),
        f32s("bn.running_var", &[variance.len()], variance),
        raw("bn.num_batches_tracked", Element::I64, &[], batches.to_le_bytes().to_vec()),
        f32s("conv.weight", &[8, 8], normal(2, 64, 1.0)),
        f32s("keras/moving_mean", &[3], [1.0, 2.0, 3.0]),
    ]
}

#[test]
fn only_running_statistics_moved_or_were_lost() {
    let variance = |seed| normal(seed, 16, 0.1).iter().map(|v| v + 1.3).collect::<Vec<_>>();
    let before = with_statistics(normal(1, 16, 1.0), variance(2), 100);
    let moved = found(&before, &with_statistics(normal(3, 16, 1.0), variance(4), 103));
    let whole = "only batch-norm running statistics moved (every other tensor has the same bits)";
    assert_eq!(moved.likely_cause, whole);
    assert!(
        moved.causes[0].evidence.iter().any(|line| line.contains("100 before, 103 after")),
        "{:?}",
        moved.causes
    );
    let lost = found(&before, &with_statistics(vec![0.0; 16], vec![1.0; 16], 0));
    assert!(
        lost.likely_cause
            .starts_with("only batch-norm running statistics are at their initial values in AFTER")
    );
    let biased = |v: &[f32]| v.iter().map(|v| v * 64.0 / 63.0).collect::<Vec<_>>();
    let unbiased = found(&before, &with_statistics(normal(1, 16, 1.0), biased(&variance(2)), 100));
    assert!(
        unbiased.causes[0].evidence.iter().any(|line| line.contains("n = 64.0")),
        "{:?}",
        unbiased.causes
    );
}

#[test]
fn other_tensors_beside_statistics_are_no_only() {
    let before = with_statistics(normal(1, 16, 1.0), vec![1.5; 16], 1);
    let mut after = with_statistics(normal(7, 16, 1.0), vec![1.5; 16], 1);
    after[3] = f32s("conv.weight", &[8, 8], normal(2, 64, 1.01));
    let found = found(&before, &after);
    assert!(!found.likely_cause.contains("only"), "{}", found.likely_cause);
    assert_eq!(kinds(&found).len(), 2);
}

#[test]
fn optimizer_state_missing_or_reset() {
    let weight = || f32s("parameter/w", &[8, 8], normal(2, 64, 1.0));
    let state = |values| f32s("optimizer/w/exp_avg", &[8, 8], values);
    let missing = found(&[weight(), state(normal(3, 64, 1.0))], &[weight()]);
    assert_eq!(missing.likely_cause, "only optimizer state missing in AFTER");
    let reset = found(&[weight(), state(normal(3, 64, 1.0))], &[weight(), state(vec![0.0; 64])]);
    assert_eq!(reset.likely_cause, "only optimizer state reset to zero in AFTER");
    let moved = found(&[weight(), state(normal(3, 64, 1.0))], &[weight(), state(normal(4, 64, 1.0))]);
    assert_eq!(moved.likely_cause, "only optimizer state moved");
    let other = found(&[weight(), f32s("head.w", &[2], [1.0, 2.0])], &[weight()]);
    assert_eq!(kinds(&other), ["missing_tensors"]);
}

#[test]
fn one_scale_and_shift() {
    let scaled = of_matrix(|values| each(values, |v| v * 1.25));
    assert_eq!(scaled.likely_cause, "one scale and shift: layer.weight became 1.2500000·x");
    let both = of_matrix(|values| each(values, |v| v * 0.7 + 0.3));
    assert_eq!(both.likely_cause, "one scale and shift: layer.weight became 0.7000000·x + 3.000000e-1");
    assert_eq!(kinds_of(|values| each(values, |v| v + 0.5)), ["scale_and_shift"]);
    let two = |scale: f32| {
        let of = |seed: u64| normal(seed, 100, 1.0).iter().map(|v| v * scale).collect::<Vec<_>>();
        [f32s("a", &[100], of(1)), f32s("b", &[100], of(2))]
    };
    assert_eq!(
        found(&two(1.0), &two(3.0)).likely_cause,
        "one scale and shift for all 2 tensors: 3.0000000·x"
    );
}

#[test]
fn near_misses_of_scale_and_shift() {
    assert!(
        !kinds_of(|values| {
            each(values, |v| v * 1.25);
            values[1777] *= 1.000_01;
        })
        .contains(&"scale_and_shift")
    );
    assert!(!kinds_of(|values| each(values, |v| v * 1.25 + 0.001 * v * v)).contains(&"scale_and_shift"));
    let few = found(&[f32s("w", &[4], [1.0, 2.0, 3.0, 4.0])], &[f32s("w", &[4], [2.0, 4.0, 6.0, 8.0])]);
    assert_eq!(kinds(&few), ["cannot_tell"], "four elements are too few");
    let two_values = |a: f32, b: f32| f32s("w", &[64], (0..64).map(move |i| if i % 2 == 0 { a } else { b }));
    let line = found(&[two_values(1.0, 2.0)], &[two_values(5.0, -3.0)]);
    assert!(!kinds(&line).contains(&"scale_and_shift"), "through two points there is always a line");
}

#[test]
fn rounding_noise_of_reordered_sums() {
    let noisy = of_matrix(|values| {
        for (index, value) in values.iter_mut().enumerate() {
            *value = f32::from_bits(value.to_bits() + [0, 1, 2, 3][index % 4]);
        }
    });
    assert_eq!(noisy.likely_cause, "rounding noise of reordered sums: 1 tensor");
    assert!(noisy.causes[0].evidence[0].contains("fan-in 32"), "{:?}", noisy.causes);
}

#[test]
fn near_misses_of_rounding_noise() {
    let one_large = of_matrix(|values| {
        for value in values.iter_mut() {
            *value = f32::from_bits(value.to_bits() + 1);
        }
        values[9] += 1e-4;
    });
    assert!(!kinds(&one_large).contains(&"rounding_noise"), "one element is beyond the bound");
    let step = normal(11, 64 * 32, 1e-6);
    let trained = of_matrix(|values| values.iter_mut().zip(&step).for_each(|(v, step)| *v += step));
    assert!(!kinds(&trained).contains(&"rounding_noise"), "steps are not relative to the weights");
}

#[test]
fn rows_and_columns_permuted() {
    let rows = of_matrix(|values| values.rotate_right(3 * 32));
    assert_eq!(kinds(&rows), ["permuted"]);
    let line = &rows.causes[0].evidence[0];
    assert_eq!(
        line,
        "64 of 64 rows of layer.weight moved, all with the same bits: row 0 of AFTER is 61 of BEFORE"
    );
    let swapped =
        of_matrix(|values| (0..32).for_each(|column| values.swap(2 * 32 + column, 9 * 32 + column)));
    assert!(swapped.causes[0].evidence[0].starts_with("2 of 64 rows"), "{:?}", swapped.causes);
    let columns = of_matrix(|values| (0..64).for_each(|row| values.swap(row * 32 + 4, row * 32 + 30)));
    assert!(columns.causes[0].evidence[0].starts_with("2 of 32 columns"), "{:?}", columns.causes);
}

#[test]
fn near_misses_of_permutations() {
    assert!(
        !kinds_of(|values| {
            values.rotate_right(32);
            values[100] = f32::from_bits(values[100].to_bits() + 1);
        })
        .contains(&"permuted")
    );
    assert!(!kinds_of(|values| values.rotate_right(5)).contains(&"permuted"), "rows are cut elsewhere");
    assert!(!kinds_of(|values| values.swap(0, 33)).contains(&"permuted"), "neither rows nor columns");
}

#[test]
fn equal_rows_that_stay_have_not_moved() {
    let row = |value: f32| [value; 4];
    let of = |rows: [f32; 6]| [f32s("e", &[6, 4], rows.map(row).concat())];
    let found = found(&of([1.0, 1.0, 1.0, 2.0, 3.0, 4.0]), &of([1.0, 1.0, 1.0, 3.0, 2.0, 4.0]));
    assert!(found.causes[0].evidence[0].starts_with("2 of 6 rows"), "{:?}", found.causes);
}

#[test]
fn part_of_a_model_re_initialised() {
    let fresh = of_matrix(|values| *values = normal(77, 64 * 32, 0.1));
    assert_eq!(fresh.likely_cause, "part of the model re-initialised: 1 tensor");
    // Uniform within ±1/√32, as a linear layer begins.
    let usual = of_matrix(|values| *values = normal(78, 64 * 32, 0.102));
    assert!(usual.causes[0].evidence[0].contains("1/√(3·fan-in)"), "{:?}", usual.causes);
    let zeroed = of_matrix(|values| each(values, |_| 0.0));
    assert_eq!(kinds(&zeroed), ["reinitialised"]);
}

#[test]
fn near_misses_of_re_initialisation() {
    let step = normal(12, 64 * 32, 0.1);
    let moved = of_matrix(|values| values.iter_mut().zip(&step).for_each(|(v, step)| *v += step));
    assert_eq!(kinds(&moved), ["different_values"], "correlation 0.7");
    let blown_up = of_matrix(|values| *values = normal(77, 64 * 32, 50.0));
    assert_eq!(kinds(&blown_up), ["different_values"], "neither the old deviation nor a usual one");
    let of = |seed: u64| [f32s("a", &[40, 10], normal(seed, 400, 0.1)), f32s("b", &[4], [0.0; 4])];
    let other = found(&of(1), &of(2));
    assert_eq!(kinds(&other), ["different_values"], "nothing is left: a constant bias is in every model");
    assert!(other.likely_cause.contains("another seed or model"), "{}", other.likely_cause);
}

#[test]
fn few_elements_and_nan_cannot_be_told() {
    let single = found(&[f32s("t", &[1], [1.0])], &[f32s("t", &[1], [1.7])]);
    assert_eq!(single.likely_cause, "cannot tell");
    let nan = of_matrix(|values| values[3] = f32::NAN);
    assert_eq!(nan.likely_cause, "cannot tell");
    assert!(nan.causes[0].evidence[0].contains("NaN"), "{:?}", nan.causes);
}

#[test]
fn several_causes_are_one_sentence() {
    let before = [
        f32s("a", &[10, 10], normal(1, 100, 1.0)),
        f32s("b", &[10, 10], normal(2, 100, 1.0)),
        f32s("c", &[10, 10], normal(3, 100, 1.0)),
    ];
    let halved =
        |seed| normal(seed, 100, 1.0).into_iter().map(|v| f16::from_f32(v).to_f32()).collect::<Vec<_>>();
    let mut reversed = normal(3, 100, 1.0);
    reversed.rotate_left(10);
    let after =
        [f32s("a", &[10, 10], halved(1)), f32s("b", &[10, 10], halved(2)), f32s("c", &[10, 10], reversed)];
    assert_eq!(
        found(&before, &after).likely_cause,
        "saved in lower precision: f16, 2 tensors; rows permuted (order of a vocabulary or of classes): c"
    );
}

#[test]
fn other_types_and_shapes_with_the_same_values() {
    let values = normal(5, 64, 1.0);
    let wide: Vec<u8> = values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
    let before = [f32s("a", &[64], values.clone()), f32s("b", &[8, 8], values.clone())];
    let after = [raw("a", Element::F64, &[64], wide), f32s("b", &[64], values)];
    assert_eq!(kinds(&found(&before, &after)), ["same_values"]);
}
