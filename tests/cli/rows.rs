//! What a run leaves behind: rows, samples, and the same bits the next time.

use std::collections::{BTreeMap, BTreeSet};

use samebits::guarantee::Guarantee;
use samebits::measurement::{COLUMNS, Measurement};
use samebits::perturbation::Perturbation;
use samebits::verdict::Verdict;
use serde_json::Value;

use crate::place::{Place, SMALL, workload};

/// Deterministic algorithms on f32 and f16 rows that begin at every alignment, and one that is not.
const FILTER: &str = "(fixed_tree|two_pass|ticket|atomic_block).(rows-64x4096|edge-1-)";

#[test]
fn a_run_leaves_rows_samples_and_environment() {
    let place = Place::new();
    let ended = place.done(
        "run --device cpu --executions 4 --filter (fixed_tree|atomic_block).rows-64x4096-f32 --out mine",
    );
    assert!(ended.stdout.contains("All rows: mine"), "{ended:?}");
    assert_eq!(place.names("mine"), ["environment.json", "measurements.csv", "samples.jsonl"]);
    let text = place.read("mine/measurements.csv");
    assert_eq!(text.lines().next().unwrap(), COLUMNS.join(","));
    let rows = place.rows("mine");
    assert_eq!(text.lines().count(), 1 + rows.len());
    assert_eq!(rows.len(), 4);
    let mut timed = BTreeMap::new();
    for row in &rows {
        assert_eq!((row.run_id.as_str(), row.device.as_str()), ("mine", "cpu"));
        assert_eq!((&row.row_id, row.comparisons), (&row.id(), Some(3)));
        assert!(matches!(row.verdict, Verdict::Same | Verdict::Differs), "{row:?}");
        assert!(row.bound_coverage.unwrap() <= 1.0, "{row:?}");
        let is_timed = row.perturbation == Perturbation::Repeat;
        assert_eq!(row.median_ns.is_some() && row.throughput.is_some(), is_timed, "{row:?}");
        assert!(row.ci95_low_ns <= row.median_ns && row.median_ns <= row.ci95_high_ns, "{row:?}");
        if let Some(samples) = row.samples {
            timed.insert(row.row_id.clone(), samples);
        }
    }
    let lines: BTreeMap<String, u64> = place
        .read("mine/samples.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|line: Value| {
            let samples = line["samples_ns"].as_array().unwrap().len() as u64;
            (line["row_id"].as_str().unwrap().to_owned(), samples)
        })
        .filter(|(_, samples)| *samples > 0)
        .collect();
    assert_eq!(lines, timed);
}

/// Digests by row, of those that claim the same bits in every run.
fn digests(rows: &[Measurement]) -> BTreeMap<String, (String, String)> {
    let claiming = rows.iter().filter(|row| row.guarantee >= Guarantee::RunToRun);
    let key = |row: &Measurement| format!("{} {} {}", row.algorithm, row.workload, row.perturbation);
    claiming.map(|row| (key(row), (row.input_digest.clone(), row.digest.clone()))).collect()
}

#[test]
fn the_same_seed_gives_the_same_bits_in_another_process_and_another_seed_does_not() {
    let place = Place::new();
    let flags = format!("run {SMALL} --filter {FILTER}");
    let runs = [("first", ""), ("again", ""), ("seeded", "--seed 77"), ("reseeded", "--seed 77")];
    for (name, seed) in runs {
        place.done(&format!("{flags} {seed} --out {name}"));
    }
    let [first, again, seeded, reseeded] = runs.map(|(name, _)| digests(&place.rows(name)));
    // Three algorithms on three workloads under two perturbations.
    assert_eq!(first.len(), 18);
    assert_eq!(first, again);
    assert_eq!(seeded, reseeded);
    assert!(place.rows("seeded").iter().all(|row| row.seed == 77));
    for (key, (input, output)) in &first {
        assert!(input.len() == 32 && output.len() == 32, "{key}: {input} {output}");
        let (other_input, other_output) = &seeded[key];
        assert!(input != other_input && output != other_output, "{key} does not follow the seed");
    }
    let inputs: BTreeSet<_> =
        place.rows("first").iter().map(|row| (row.workload.clone(), row.input_digest.clone())).collect();
    assert_eq!(inputs.len(), 3, "every algorithm of a workload gets the same inputs: {inputs:?}");
    let ids = |name| place.rows(name).into_iter().map(|row| row.row_id).collect::<Vec<_>>();
    assert_eq!(ids("first"), ids("again"));
    assert!(ids("first").iter().all(|id| !ids("seeded").contains(id)), "the seed is part of a row's key");
}

#[test]
fn the_default_folder_is_new_every_time() {
    let place = Place::new();
    let flags = format!("run {SMALL} --filter fixed_tree.edge-1- --perturb repeat");
    let stdout = place.done(&flags).stdout + &place.done(&flags).stdout;
    let names = place.names("results");
    assert_eq!(names.len(), 2);
    for name in names {
        let parts: Vec<_> = name.split("-cpu-").collect();
        assert!(parts.len() == 2 && parts[0].ends_with('Z') && parts[1].len() == 6, "{name}");
        assert!(stdout.contains(&format!("All rows: results/{name}")), "{stdout}");
        assert_eq!(place.rows(&format!("results/{name}"))[0].run_id, name);
    }
}

#[test]
fn max_p_chooses_the_number_of_executions() {
    let place = Place::new();
    place.done("run --device cpu --no-timing --filter fixed_tree.edge-1- --max-p 20% --out mine");
    for row in place.rows("mine") {
        assert_eq!((row.comparisons, row.differing), (Some(14), Some(0)));
        assert!(row.p_upper_95.unwrap() <= 0.2, "{row:?}");
    }
}

#[test]
fn perturb_chooses_the_rows_and_shared_marks_them() {
    let place = Place::new();
    place.done(&format!("run {SMALL} --filter fixed_tree.edge-1- --perturb load --shared --out mine"));
    let rows = place.rows("mine");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].perturbation, Perturbation::Load);
    assert!(rows[0].has_remark("shared"), "{}", rows[0].note);
}

#[test]
fn a_shape_that_does_not_fit_into_memory_is_skipped_with_the_reason() {
    let place = Place::new();
    let shapes = ["n=35184372088832", "r=140737488355328;c=1", "r=1;c=281474976710655"];
    let text: String =
        shapes.iter().enumerate().map(|(i, shape)| workload(&format!("huge-{i}"), shape)).collect();
    place.write("own.toml", text + &workload("small", "n=8"));
    let ended =
        place.done("run --device cpu --executions 3 --workloads own.toml --filter fixed_tree --out mine");
    assert!(ended.stdout.contains("skipped: memory: needs"), "{ended:?}");
    let rows = place.rows("mine");
    assert_eq!(rows.len(), 8);
    for row in rows {
        if row.workload == "small" {
            assert_eq!(row.verdict, Verdict::Same);
        } else {
            assert_eq!(row.verdict, Verdict::Skipped);
            assert!(row.note.starts_with("memory: needs ") && row.note.contains(" are free"), "{}", row.note);
            assert_eq!((row.comparisons, row.digest.as_str(), row.samples), (None, "", None));
        }
    }
}

#[test]
fn an_algorithm_that_would_take_too_long_is_skipped_with_the_reason() {
    let place = Place::new();
    place.write("own.toml", workload("long", "n=262145"));
    place.done(&format!("run {SMALL} --workloads own.toml --filter atomic_element --out mine"));
    for row in place.rows("mine") {
        assert_eq!(row.verdict, Verdict::Skipped);
        assert!(row.note.starts_with("contended: more than 262144 elements"), "{}", row.note);
    }
}

#[test]
fn it_runs_from_any_folder() {
    let place = Place::new();
    let out = place.path("deep/below/mine");
    let line = format!("run {SMALL} --filter fixed_tree.edge-1- --out {}", out.display());
    let ended = place.run_in(std::path::Path::new("/"), &line, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(place.rows("deep/below/mine").len(), 2);
}
