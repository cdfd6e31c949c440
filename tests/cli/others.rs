//! What others made: tensors of a user's model, and a peer's Python.

use std::os::unix::fs::PermissionsExt;

use samebits::input::Distribution;

use crate::place::{Place, SMALL};

/// A file with one matrix of 2×3 f32 in it.
fn model() -> Vec<u8> {
    let header = br#"{"layer.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    let values = (1..=6).flat_map(|value| (value as f32).to_le_bytes());
    (header.len() as u64).to_le_bytes().into_iter().chain(*header).chain(values).collect()
}

#[test]
fn a_users_tensor_is_summed() {
    let place = Place::new();
    place.write("model.safetensors", model());
    for (out, tensor) in [("whole", ""), ("named", ":layer.weight")] {
        let weights = format!("--weights model.safetensors{tensor}");
        place.done(&format!("run {SMALL} {weights} --filter ^reduce --out {out}"));
        let rows = place.rows(out);
        let named = |name: &str| rows.iter().find(|row| row.algorithm == name).unwrap();
        assert_eq!(named("fixed_tree").workload, "reduce of layer.weight");
        assert_eq!(named("fixed_tree").input, Distribution::Weights);
        // The sum of 1 to 6 is exact in any order.
        assert_eq!((named("ticket").shape.as_str(), named("ticket").bound_coverage), ("n=6", Some(0.0)));
    }
}

#[test]
fn weights_that_cannot_be_read_are_named_with_the_reason() {
    let place = Place::new();
    let model = model();
    place.write("model.safetensors", &model);
    place.write("cut.safetensors", &model[..model.len() - 1]);
    place.write("text.safetensors", "not a model at all, but a sentence");
    place.refuses(&format!("run {SMALL} --weights none.safetensors"), &["none.safetensors", "cannot open"]);
    place.refuses(&format!("run {SMALL} --weights cut.safetensors"), &["cut.safetensors", "truncated"]);
    place.refuses(
        &format!("run {SMALL} --weights text.safetensors"),
        &["text.safetensors", "no .safetensors file"],
    );
    place.refuses(
        &format!("run {SMALL} --weights model.safetensors:bias"),
        &["no tensor \"bias\" in it", "there are layer.weight"],
    );
    let both = place.run(&format!("run {SMALL} --weights model.safetensors --workloads own.toml"));
    assert!(both.code == 2 && both.stderr.contains("cannot be used with"), "{both:?}");
    assert_eq!(place.names("."), ["cut.safetensors", "model.safetensors", "text.safetensors"]);
}

#[test]
fn a_peer_that_cannot_be_started_is_refused_before_anything_is_measured() {
    let place = Place::new();
    place.refuses(
        &format!("run {SMALL} --peer numpy --python /nowhere/python"),
        &["/nowhere/python is not there", "--python PATH"],
    );
    place.refuses(&format!("run {SMALL} --peer numpy --python false"), &["the peer numpy ended"]);
    place.refuses(
        &format!("run {SMALL} --peer numpy --python echo"),
        &["the peer numpy answered", "no answer"],
    );
    // A Python of its own, which sees nothing that is installed.
    place.write("bare", "#!/bin/sh\nexec python3 -S -I \"$@\"\n");
    std::fs::set_permissions(place.path("bare"), std::fs::Permissions::from_mode(0o755)).unwrap();
    place.refuses(
        &format!("run {SMALL} --peer torch --python ./bare"),
        &["has no torch", "pip install torch"],
    );
    std::fs::remove_file(place.path("bare")).unwrap();
    let alone = place.run(&format!("run {SMALL} --python python3"));
    assert!(alone.code == 2 && alone.stderr.contains("--peer"), "{alone:?}");
    let unknown = place.run(&format!("run {SMALL} --peer jax"));
    assert!(unknown.code == 2 && unknown.stderr.contains("numpy"), "{unknown:?}");
    assert_eq!(place.names("."), [""; 0]);
}
