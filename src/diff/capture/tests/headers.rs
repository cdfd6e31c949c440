//! Headers that are not as the format says: one line each, with the key.

use serde_json::json;

use super::synthetic::{Synthetic, both, changed};
use crate::checkpoint::fixture::{checkpoint, f32s};
use crate::diff::diff;

/// The one line that two captures are refused with, where AFTER's header says this.
fn refused(key: &str, value: serde_json::Value) -> String {
    let error = both(
        |_| (),
        |after| {
            after.say(key, value);
        },
    )
    .unwrap_err()
    .to_string();
    assert!(!error.contains('\n') && error.contains("capture.safetensors: "), "{error}");
    error
}

#[test]
fn what_is_malformed_is_named() {
    let cases = [
        ("modules", json!("{"), "`modules`"),
        ("modules", json!({"name": "a"}), "`modules`"),
        ("modules", json!([{"name": "a", "type": "Linear"}]), "training"),
        ("activations", json!([{"key": "activation/000000/first"}]), "module"),
        ("activations", json!("null,"), "`activations`"),
        ("generators", json!({"python": 3}), "`generators`"),
        ("optimizer", json!({"param_groups": []}), "`optimizer`"),
        ("schedule", json!([]), "`schedule`"),
        ("backend", json!("not JSON \u{1b}[2J"), "`backend`"),
        ("versions", json!([1]), "`versions`"),
    ];
    for (key, value, said) in cases {
        let error = refused(key, value);
        assert!(error.contains("malformed capture") && error.contains(said), "{key}: {error}");
        assert!(error.contains("capture it again") && !error.contains('\u{1b}'), "{error}");
    }
}

#[test]
fn an_activation_without_its_tensor_is_named() {
    let list = json!([{"key": "activation/000007/\u{1b}gone", "module": "gone", "type": "Linear"}]);
    let error = refused("activations", list);
    assert!(error.contains("\"activation/000007/\\u{1b}gone\", and there is no such tensor"), "{error}");
}

#[test]
fn another_version_is_refused() {
    for version in ["2", "", "1.0"] {
        let error = refused("samebits_capture", json!(version));
        assert!(
            error.contains(&format!("format version \"{version}\"")) && error.contains("version 1;"),
            "{error}"
        );
    }
}

#[test]
fn a_capture_and_a_checkpoint_are_no_pair() {
    let plain = checkpoint(&[f32s("parameter/first.weight", &[2], [1.0, 2.0])]);
    let capture = Synthetic::new().open();
    for (before, after) in [(&plain, &capture), (&capture, &plain)] {
        let error = diff(before, after, &|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("capture.safetensors is a capture and ")
                && error.ends_with("two captures, or two checkpoints"),
            "{error}"
        );
    }
}

#[test]
fn only_modules_are_required() {
    let found = both(
        |before| before.metadata.retain(|key, _| key == "samebits_capture" || key == "modules"),
        |after| after.metadata.retain(|key, _| key == "samebits_capture" || key == "modules"),
    );
    let found = found.unwrap();
    assert_eq!(found.capture.unwrap().notes, ["a side has no forward pass: no activations are compared"]);
    assert!(found.likely_cause.starts_with("nothing in the two captures differs"), "{}", found.likely_cause);
    let error = both(
        |_| (),
        |after| {
            after.metadata.remove("modules");
        },
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("`modules` in its metadata: it is not there"), "{error}");
}

#[test]
fn keys_of_later_writers_are_passed_over() {
    let found = changed(|after| {
        after.say("colour", json!("blue"));
    });
    assert!(found.causes.is_empty());
}
