//! `diff` of two captures, from the committed files to the screen and the exit code.

use std::path::PathBuf;

use crate::place::{Ended, Place};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/torch/{name}.safetensors"))
}

/// `diff` of two fixtures, copied to `before.safetensors` and `after.safetensors`.
fn compared(before: &str, after: &str, flags: &str) -> Ended {
    let place = Place::new();
    place.write("before.safetensors", std::fs::read(fixture(before)).unwrap());
    place.write("after.safetensors", std::fs::read(fixture(after)).unwrap());
    place.run(&format!("diff before.safetensors after.safetensors {flags}"))
}

fn screen(before: &str, after: &str) -> String {
    let ended = compared(before, after, "");
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""), "{ended:?}");
    ended.stdout
}

#[test]
fn model_eval_was_not_called() {
    insta::assert_snapshot!(screen("evaluation", "row03_mode"));
}

#[test]
fn the_optimizer_is_lost() {
    insta::assert_snapshot!(screen("training", "row08_moments_lost"));
}

#[test]
fn the_learning_rate_is_another_one() {
    insta::assert_snapshot!(screen("training", "row09_learning_rate"));
}

#[test]
fn nothing_differs() {
    let ended = compared("training", "row01_training", "");
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    insta::assert_snapshot!(ended.stdout);
}

#[test]
fn json_has_what_the_screen_says() {
    let ended = compared("training", "row10_dropout_masks", "--json");
    assert_eq!(ended.code, 1);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["causes"][0]["kind"], "dropout_masks");
    assert_eq!(json["capture"]["first_activation"]["module"], "drop1");
    assert_eq!(json["capture"]["first_activation"]["equal_before"], 2);
    assert_eq!(json["capture"]["activations"], 5);
    let changes = json["capture"]["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["part"] == "generator" && change["name"] == "torch_cpu"));
}

#[test]
fn state_beside_tensors_counts_as_a_difference() {
    let code = |flags: &str| compared("training", "row09_learning_rate", flags).code;
    assert_eq!(code("--fail-on bits"), 1);
    // It is no distance.
    assert_eq!(code("--fail-on ulp=4"), 0);
    assert_eq!(code("--fail-on never"), 0);
}

#[test]
fn lines_fit_the_terminal() {
    for (before, after) in [("evaluation", "row03_mode"), ("training", "row08_moments_lost")] {
        let text = screen(before, after);
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}

#[test]
fn a_capture_and_a_checkpoint_are_refused_in_one_line() {
    let place = Place::new();
    place.write("capture.safetensors", std::fs::read(fixture("words")).unwrap());
    let header = br#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   "#;
    place.write("model.safetensors", [&(header.len() as u64).to_le_bytes()[..], header, &[7]].concat());
    let ended = place.run("diff model.safetensors capture.safetensors");
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (
            2,
            "samebits: capture.safetensors is a capture and model.safetensors is a checkpoint; give two \
             captures, or two checkpoints\n"
        )
    );
}
