//! PyTorch as a peer, through the whole program, with what a real one answered (tests/fixtures/peer/README.md).

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use samebits::measurement::Measurement;
use samebits::verdict::Verdict;
use serde_json::Value;

use crate::place::Place;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/peer");
const TRANSCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/peers/transcript.py");

/// A Python that answers as `file` says.
fn replaying(place: &Place, file: &Path) {
    let script = format!("#!/bin/sh\nexec python3 {TRANSCRIPT} replay {} \"$@\"\n", file.display());
    place.write("torch", script);
    std::fs::set_permissions(place.path("torch"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(out: &str, more: &str) -> String {
    format!(
        "run --device cpu --executions 3 --peer torch --python ./torch --workloads {FIXTURES}/workloads.toml \
         --perturb repeat --filter /(sum|matmul|batch_norm_.*|conv2d.*|index_add|cumsum). --out {out} {more}"
    )
}

fn transcript() -> BTreeMap<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(format!("{FIXTURES}/torch.json")).unwrap()).unwrap()
}

/// What tells computations apart in a row: operation, way, setting, workload.
fn key(row: &Measurement) -> [String; 4] {
    [&row.operation, &row.algorithm, &row.setting, &row.workload].map(Clone::clone)
}

#[test]
fn what_a_real_pytorch_answered_becomes_rows() {
    let place = Place::new();
    replaying(&place, Path::new(&format!("{FIXTURES}/torch.json")));
    place.done(&run("rows", ""));
    let rows = place.rows("rows");
    assert!(rows.iter().all(|row| row.engine == "torch" && row.device == "cpu"));
    // Sixteen ways and problems, each under three settings.
    assert_eq!(rows.iter().map(key).collect::<BTreeSet<_>>().len(), 48);
    for row in &rows {
        assert_eq!(row.verdict, Verdict::Same, "{row:?}");
        assert!(row.bound_coverage.unwrap() <= 1.0 && row.note.contains("torch 2."), "{row:?}");
        assert_eq!((row.comparisons, row.median_ns.is_some()), (Some(2), true));
    }
    // Many are off in their last places: they are no copies of the reference.
    let inexact = rows.iter().filter(|row| row.reference_max_ulp > Some(0)).count();
    assert!(inexact >= 20, "{inexact}");
    let summary: Vec<String> = rows
        .iter()
        .filter(|row| !row.setting.contains("threads=1"))
        .map(|row| {
            let setting = row.setting.split(";threads").next().unwrap();
            format!("{} {} {setting} {}", row.algorithm, row.workload, row.digest)
        })
        .collect();
    insta::assert_snapshot!(summary.join("\n"));
}

#[test]
fn a_changed_answer_is_caught_and_a_refusal_is_a_row_with_its_words() {
    let place = Place::new();
    let mut transcript = transcript();
    for (question, answer) in &mut transcript {
        // The second byte of an f32: a part in 32,768 or more.
        if question.contains("\"way\": \"index_add\"")
            && question.contains("r=5")
            && let Some(sums) = answer.get_mut("sums")
        {
            let mut bytes = sums.as_str().unwrap().to_owned();
            let changed = if &bytes[4..6] == "7f" { "00" } else { "7f" };
            bytes.replace_range(4..6, changed);
            *sums = Value::String(bytes);
        }
        if question.contains("\"way\": \"cumsum\"") && question.contains("\"deterministic\": \"1\"") {
            *answer = serde_json::json!({"refused": "cumsum does not have a deterministic implementation; \u{1b}[31m"});
        }
    }
    place.write("changed.json", serde_json::to_string(&transcript).unwrap());
    replaying(&place, &place.path("changed.json"));
    let ended = place.run(&run("rows", "--no-timing"));
    assert_eq!(ended.code, 1, "{ended:?}");
    let rows = place.rows("rows");
    let of = |name: &str, setting: &str| -> Vec<&Measurement> {
        let is_it = |row: &&Measurement| row.workload == name && row.setting.starts_with(setting);
        rows.iter().filter(is_it).collect()
    };
    for row in of("index_add", "") {
        assert!(row.verdict == Verdict::Failed && row.note.contains("wrong beyond rounding"), "{row:?}");
    }
    for row in of("cumsum", "deterministic=1") {
        assert_eq!(row.verdict, Verdict::Skipped);
        assert_eq!(row.note, "refused by torch: cumsum does not have a deterministic implementation,  [31m");
    }
    assert!(of("cumsum", "deterministic=0").iter().all(|row| row.verdict == Verdict::Same));
    assert!(of("conv", "").iter().all(|row| row.verdict == Verdict::Same));
}

#[test]
fn refusals_alone_do_not_fail_a_run() {
    let place = Place::new();
    let refused = |(question, answer): (String, Value)| {
        let is_answer = answer.is_object();
        let words = serde_json::json!({"refused": "not deterministic"});
        (question, if is_answer { words } else { answer })
    };
    let all: BTreeMap<String, Value> = transcript().into_iter().map(refused).collect();
    place.write("refused.json", serde_json::to_string(&all).unwrap());
    replaying(&place, &place.path("refused.json"));
    place.done(&run("rows", ""));
    let rows = place.rows("rows");
    assert!(rows.len() == 48 && rows.iter().all(|row| row.verdict == Verdict::Skipped));
}

#[test]
fn new_processes_and_other_batches_are_tried_of_a_peer() {
    let place = Place::new();
    // A peer that sums in Python, and in a new process starts elsewhere: 2^-20 beside the true sum.
    place.write(
        "torch",
        r#"#!/usr/bin/env python3
import array, json, os, sys
starts = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "starts")
open(starts, "a").write("x")
off = 2.0 ** -20 if os.path.getsize(starts) > 1 else 0.0
known = {}
for line in sys.stdin:
    ask, answer = json.loads(line), {}
    if ask["do"] == "hello":
        answer = {"version": "0"}
    if ask["do"] == "prepare":
        x = array.array("f")
        x.frombytes(open(ask["inputs"]["x"], "rb").read()[128:])
        known[ask["id"]] = [x, int(dict(p.split("=") for p in ask["shape"].split(";"))["r"])]
    if ask["do"] == "execute":
        x, rows = known[ask["id"]]
        width = len(x) // rows
        sums = [sum(x[r * width:][:width]) * (1 + off) for r in range(rows)]
        array.array("f", sums).tofile(open(ask["outputs"]["sum"], "wb"))
    print(json.dumps(answer), flush=True)
"#,
    );
    std::fs::set_permissions(place.path("torch"), std::fs::Permissions::from_mode(0o755)).unwrap();
    place.write(
        "own.toml",
        "[[workload]]\nname = \"rows\"\noperation = \"reduce\"\nshape = \"r=9;c=64\"\ndtype = \"f32\"\ninput = \"uniform\"\nabout = \"x\"\n",
    );
    place.done(
        "run --device cpu --executions 4 --no-timing --workloads own.toml --filter /sum. --peer torch --python ./torch \
         --perturb batch,launch,reload:process --out rows",
    );
    let usual =
        |row: &&Measurement| row.setting.starts_with("deterministic=0") && !row.setting.ends_with("=1");
    let rows = place.rows("rows");
    let of = |perturbation: &str| -> Vec<&Measurement> {
        rows.iter().filter(usual).filter(|row| row.perturbation.name() == perturbation).collect()
    };
    assert!(of("batch").len() > 5 && of("batch").iter().all(|row| row.verdict == Verdict::Same));
    let [process] = of("reload:process")[..] else { panic!("{rows:?}") };
    assert_eq!(
        (process.verdict, process.comparisons, process.differing),
        (Verdict::Differs, Some(3), Some(3))
    );
    assert_eq!(of("launch")[0].note, "launch is not tried of torch");
}

#[test]
fn what_only_a_peer_computes_says_so() {
    let place = Place::new();
    place.refuses("run --device cpu --filter conv2d/", &["measured only of others: give --peer torch"]);
    place.refuses(
        "run --device sim --filter sum --peer torch",
        &["--peer torch", "simulated GPU", "--device cpu"],
    );
    let listed = place.done("list").stdout;
    assert!(
        listed.contains("index_add: ways to add rows by an index, measured only with --peer torch (f16 f32)")
    );
}
