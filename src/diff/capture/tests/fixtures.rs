//! Every pair of `tests/fixtures/torch/`, which its `make.py` made with a real PyTorch: before saving, and
//! after loading with one mistake.

use std::path::Path;

use crate::checkpoint::Checkpoint;
use crate::diff::diff;
use crate::diff::model::Diff;

fn compared(before: &str, after: &str) -> Diff {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch");
    let open = |name: &str| Checkpoint::open(&folder.join(format!("{name}.safetensors"))).unwrap();
    diff(&open(before), &open(after), &|_| ()).unwrap()
}

/// Before, after, the kind of the first cause (nothing where nothing differs), the first activation to
/// differ, and what must be said.
type Case = (&'static str, &'static str, &'static str, Option<&'static str>, &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "evaluation",
        "row01_evaluation",
        "gradients_left_over",
        None,
        &["nothing that is recorded can have changed"],
    ),
    (
        "training",
        "row01_training",
        "",
        None,
        &["nothing in the two captures differs", "all 5 activations are equal"],
    ),
    (
        "evaluation",
        "row03_mode",
        "mode",
        Some("bn1"),
        &["model.eval() was not called: `bn1.training` is true after loading; inputs, parameters and \
           buffers are equal; the first difference is the output of `bn1`"],
    ),
    (
        "evaluation",
        "row04_mode_of_the_saved_copy",
        "mode",
        Some("bn1"),
        &["model.eval() was not called: `bn1.training`"],
    ),
    (
        "evaluation",
        "row05_statistics_lost",
        "statistics_lost",
        Some("bn1"),
        &["`bn1` are lost: mean 0 and variance 1"],
    ),
    (
        "evaluation",
        "row06_forward_pass_between",
        "statistics_moved",
        Some("bn1"),
        &["2 forward passes in training mode moved the running statistics of `bn1`"],
    ),
    // The batches of training had 8 images of 4×4 values per channel.
    (
        "evaluation",
        "row06_biased_variance",
        "statistics_biased",
        Some("bn1"),
        &["is biased after and unbiased before", "n = 128"],
    ),
    (
        "shards",
        "row07_statistics_of_one_shard",
        "statistics_other",
        Some("bn1"),
        &["those of one shard", "or of other data", "cannot tell which"],
    ),
    (
        "training",
        "row08_moments_lost",
        "optimizer_state_lost",
        None,
        &["(Adam) is lost", "all 5 activations are equal"],
    ),
    ("accumulation", "row08_gradients_dropped", "gradients_dropped", None, &["are gone after loading"]),
    ("training", "row09_learning_rate", "learning_rate", None, &["0.01 before and 0.1 after"]),
    (
        "training",
        "row09_schedule_position",
        "schedule_position",
        None,
        &["(StepLR)", "`last_epoch` is 6 before and 0"],
    ),
    ("training", "row10_dropout_masks", "dropout_masks", Some("drop1"), &["`drop1` draws other masks"]),
    (
        "training",
        "row10_order_of_rows",
        "data_order",
        Some("conv1"),
        &["`x` holds the same rows in another order"],
    ),
    ("training", "row10_other_shuffle", "other_rows", Some("conv1"), &["other rows of the same data"]),
    (
        "evaluation",
        "row11_other_seed",
        "other_weights",
        Some("conv1"),
        &["another seed or another checkpoint"],
    ),
    ("evaluation", "row11_nothing_loaded", "not_loaded", Some("conv1"), &["no weights were loaded"]),
    (
        "evaluation",
        "row11_partial_load",
        "partial_load",
        Some("head"),
        &["`head.bias` and `head.weight` differ and the other 4 are equal, as after a non-strict load"],
    ),
    (
        "evaluation",
        "row12_constants_of_inputs",
        "normalisation",
        Some("conv1"),
        &["after = 1.0021 · before + 0.0775"],
    ),
    ("evaluation", "row12_constants_of_labels", "normalisation", None, &["`target` is normalised otherwise"]),
    (
        "evaluation",
        "row13_other_formula",
        "normalisation",
        Some("conv1"),
        &["`x` is normalised otherwise", "another formula"],
    ),
    ("evaluation", "row13_normalised_per_image", "normalisation_per_row", Some("conv1"), &["row by row"]),
    ("evaluation", "row13_augmentation_left_on", "augmentation", Some("conv1"), &["mirrored at random"]),
    ("evaluation", "row13_noise_left_on", "input_near", Some("conv1"), &["noise, an augmentation"]),
    ("words", "row13_index_map", "index_map", Some("embedding"), &["the index map is another one"]),
    ("evaluation", "row14_f16", "lower_precision", Some("conv1"), &["saved as f16"]),
    ("evaluation", "row14_bf16", "lower_precision", Some("conv1"), &["saved as bf16"]),
    (
        "evaluation",
        "row16_another_algorithm",
        "other_kernels",
        Some("conv1"),
        &["`torch.backends.mkldnn.enabled` differs"],
    ),
];

#[test]
fn every_mistake_is_named() {
    for (before, after, kind, first, said) in CASES {
        let found = compared(before, after);
        let capture = found.capture.as_ref().unwrap();
        let told = format!("{after}: {}", found.likely_cause);
        assert_eq!(found.causes.first().map_or("", |cause| cause.kind), *kind, "{told}");
        let module = capture.first_activation.as_ref().map(|first| first.module.as_str());
        assert_eq!(module, *first, "{told}");
        for text in *said {
            assert!(found.likely_cause.contains(text), "{text:?} is not in {told}");
        }
    }
}

#[test]
fn every_fixture_is_tried() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch");
    let named: Vec<&str> = CASES.iter().flat_map(|(before, after, ..)| [*before, *after]).collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(named.contains(&name), "{name} is in no case");
        }
    }
}

#[test]
fn a_capture_against_itself_differs_in_nothing() {
    for name in ["evaluation", "training", "words", "accumulation"] {
        let found = compared(name, name);
        assert!(found.causes.is_empty(), "{:?}", found.causes);
        let capture = found.capture.unwrap();
        assert!(capture.changes.is_empty() && capture.first_activation.is_none() && capture.notes.is_empty());
    }
}

#[test]
fn the_other_way_round_says_the_other_way_round() {
    let said = |before: &str, after: &str| compared(before, after).likely_cause;
    let mode = said("row03_mode", "evaluation");
    assert!(
        mode.starts_with("model.train() was not called: `bn1.training` is false after loading"),
        "{mode}"
    );
    let biased = said("row06_biased_variance", "evaluation");
    assert!(biased.contains("is biased before and unbiased after"), "{biased}");
    let precision = said("row14_f16", "evaluation");
    assert!(precision.contains("every value before is the one after loading, rounded to f16"), "{precision}");
    let moved = said("row06_forward_pass_between", "evaluation");
    assert!(moved.contains("of 2 batches earlier"), "{moved}");
}
