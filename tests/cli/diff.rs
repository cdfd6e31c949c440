//! `samebits diff` from outside: what it prints, its exit codes, and what it refuses.

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::place::Place;

/// Writes a `.safetensors` file of f32 tensors.
fn save(place: &Place, name: &str, tensors: &[(&str, &[usize], &[f32])]) {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &place.path(name)).unwrap();
}

/// Two files: a weight that was saved in f16 by `b`, statistics, and one tensor on one side each.
fn two(place: &Place) {
    let values: Vec<f32> = (0..32).map(|i| (i as f32).sin()).collect();
    let halves: Vec<f32> = values.iter().map(|v| half::f16::from_f32(*v).to_f32()).collect();
    let same: &[f32] = &[1.0, 2.0];
    save(
        place,
        "a.safetensors",
        &[
            ("fc.weight", &[4, 8], &values),
            ("fc.bias", &[2], same),
            ("bn.running_mean", &[2], &[0.5, 0.25]),
            ("old\x1b[2J", &[1], &[1.0]),
        ],
    );
    save(
        place,
        "b.safetensors",
        &[
            ("fc.weight", &[4, 8], &halves),
            ("fc.bias", &[2], same),
            ("bn.running_mean", &[2], &[0.0, 0.0]),
            ("new", &[1], &[f32::NAN]),
        ],
    );
}

#[test]
fn help_says_what_diff_takes() {
    insta::assert_snapshot!("diff_help", Place::new().done("diff --help").stdout);
}

#[test]
fn equal_files_are_not_the_cause() {
    let place = Place::new();
    two(&place);
    let ended = place.done("diff a.safetensors a.safetensors");
    assert!(
        ended.stdout.starts_with("All 4 tensors have the same bits: the saved tensors are not the cause.\n")
    );
    assert!(ended.stdout.contains("torch_capture.py") && ended.stderr.is_empty());
    let all = place.done("diff a.safetensors a.safetensors --all").stdout;
    assert_eq!(all.matches("   same   ").count(), 4, "{all}");
}

#[test]
fn different_files_on_the_terminal_and_as_json() {
    let place = Place::new();
    two(&place);
    let ended = place.run("diff a.safetensors b.safetensors");
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    insta::assert_snapshot!("diff", ended.stdout);
    let ended = place.run("diff a.safetensors b.safetensors --json");
    assert_eq!(ended.code, 1);
    insta::assert_snapshot!("diff_json", ended.stdout);
}

#[test]
fn limits_decide_on_the_exit_code() {
    let place = Place::new();
    save(&place, "a.safetensors", &[("x", &[2], &[1.0, 1.0])]);
    save(&place, "b.safetensors", &[("x", &[2], &[1.0, f32::from_bits(0x3f80_0003)])]);
    save(&place, "c.safetensors", &[("x", &[2], &[1.0, f32::NAN])]);
    save(&place, "d.safetensors", &[("x", &[2], &[1.0, 1.0]), ("y", &[1], &[0.0])]);
    let cases = [
        ("b", "bits", 1),
        ("b", "ulp=2", 1),
        ("b", "ulp=3", 0),
        ("b", "v_ermv=1e-6", 0),
        ("b", "v_ermv=1e-8", 1),
        ("b", "missing", 0),
        ("b", "missing,ulp=1", 1),
        ("b", "never", 0),
        ("c", "ulp=1000000", 1),
        ("c", "v_ermv=1000", 1),
        ("c", "missing", 0),
        ("d", "missing", 1),
        ("d", "ulp=9", 1),
        ("d", "never", 0),
        ("a", "bits", 0),
        ("a", "ulp=0", 0),
    ];
    for (other, limit, code) in cases {
        let line = format!("diff a.safetensors {other}.safetensors --fail-on {limit}");
        assert_eq!(place.run(&line).code, code, "{line}");
    }
    for (limit, said) in
        [("ulp=x", "ulp=4"), ("most", "known: bits"), ("v_ermv=-1", "v_ermv=1e-6"), ("ulp", "known")]
    {
        place.refuses(&format!("diff a.safetensors b.safetensors --fail-on {limit}"), &[said]);
    }
    place.refuses("diff a.safetensors b.safetensors --fail-on never,bits", &["contradict"]);
    place.refuses("diff a.safetensors", &["AFTER"]);
}

#[test]
fn bad_input_is_one_line_each() {
    let place = Place::new();
    save(&place, "a.safetensors", &[("x", &[2], &[1.0, 1.0])]);
    save(&place, "other.safetensors", &[("z.weight", &[2], &[1.0, 1.0])]);
    let whole = std::fs::read(place.path("a.safetensors")).unwrap();
    place.write("cut.safetensors", &whole[..whole.len() - 1]);
    place.write("empty.safetensors", "");
    place.write("text.safetensors", "some text that is long enough");
    place.write("model.pt", b"PK\x03\x04\x00\x00\x00\x08\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00archive/data.pkl");
    place.write("lying.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    place.write("twice.safetensors", {
        let header = r#"{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#;
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    });
    place.write("m.safetensors.index.json", r#"{"weight_map":{"x":"gone.safetensors"}}"#);
    std::fs::create_dir(place.path("folder")).unwrap();
    let cases = [
        ("cut.safetensors", "truncated"),
        ("empty.safetensors", "empty"),
        ("text.safetensors", "no .safetensors file"),
        ("model.pt", "safetensors.torch.save_file"),
        ("lying.safetensors", "100000000"),
        ("twice.safetensors", "stands in it twice"),
        ("m.safetensors.index.json", "gone.safetensors"),
        ("folder", "a folder without weights"),
        ("none", "cannot open"),
        ("other.safetensors", "unrelated checkpoints"),
        ("/dev/null", "no regular file"),
    ];
    for (bad, said) in cases {
        place.refuses(&format!("diff a.safetensors {bad}"), &[said]);
        place.refuses(&format!("diff {bad} a.safetensors --json"), &[said]);
    }
}

#[test]
fn shards_and_whole_files_are_compared_with_each_other() {
    let place = Place::new();
    save(&place, "whole.safetensors", &[("a", &[1], &[1.0]), ("b", &[1], &[2.0])]);
    std::fs::create_dir(place.path("sharded")).unwrap();
    save(&place, "sharded/1.safetensors", &[("a", &[1], &[1.0])]);
    save(&place, "sharded/2.safetensors", &[("b", &[1], &[2.0])]);
    place.done("diff whole.safetensors sharded");
    place.write(
        "sharded/m.safetensors.index.json",
        r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#,
    );
    place.done("diff whole.safetensors sharded/m.safetensors.index.json");
    place.done("diff sharded whole.safetensors");
}

#[test]
fn names_are_shortened_and_stay_apart() {
    let place = Place::new();
    let stem = "encoder.transformer.layers.block.attention.output.projection.of.a.long.name".repeat(3);
    let names: Vec<String> = (0..60).map(|i| format!("{stem}.{i}.weight")).collect();
    let of = |value: &'static [f32]| -> Vec<(&str, &[usize], &[f32])> {
        names.iter().map(|name| (name.as_str(), &[1][..], value)).collect()
    };
    save(&place, "a.safetensors", &of(&[1.0]));
    save(&place, "b.safetensors", &of(&[1.5]));
    let short = place.run("diff a.safetensors b.safetensors").stdout;
    assert!(short.contains("… and 20 more; --all shows them"), "{short}");
    let all = place.run("diff a.safetensors b.safetensors --all").stdout;
    let lines: Vec<&str> = all.lines().filter(|line| line.contains('…') && !line.starts_with('·')).collect();
    let distinct: std::collections::HashSet<&str> =
        lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!((lines.len(), distinct.len()), (60, 60), "{all}");
    assert!(all.lines().all(|line| line.chars().count() <= 120), "{all}");
}

#[test]
fn a_closed_pipe_changes_nothing() {
    let place = Place::new();
    two(&place);
    let (code, stderr) = place.unread("diff a.safetensors b.safetensors");
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
}
