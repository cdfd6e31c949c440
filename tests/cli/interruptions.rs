//! Kill and Ctrl-C at any moment: what was finished stays, and the run can be gone on with.
//!
//! No test here depends on where the signal lands: what is asserted holds wherever it does.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use samebits::guarantee::Guarantee;
use samebits::measurement::{self, Measurement};
use samebits::verdict::Verdict;

use crate::place::{Place, SMALL, workload};

/// More executions than anybody waits for.
const ENDLESS: &str = "--device cpu --no-timing --executions 1000000000000000";

/// Whether a row of a run is there, however it stands with the last line.
pub fn has_rows(place: &Place, results: &str) -> bool {
    let path = place.path(results).join("measurements.csv");
    measurement::read(&path).is_ok_and(|read| !read.rows.is_empty())
}

/// The rows of a whole run.
pub fn ids(place: &Place, results: &str) -> BTreeSet<String> {
    let rows = place.rows(results);
    let ids: BTreeSet<_> = rows.iter().map(|row| row.row_id.clone()).collect();
    assert_eq!(ids.len(), rows.len(), "each row is there once");
    ids
}

/// Workloads of which the first is finished at once, since nothing is executed on it, and a filter that
/// leaves out canaries, which come before any row.
fn first_is_finished_at_once(place: &Place) -> &'static str {
    place.write("own.toml", workload("huge", "n=35184372088832") + &workload("small", "n=64"));
    "--workloads own.toml --filter fixed_tree|two_pass"
}

#[test]
fn a_kill_leaves_finished_rows_readable_and_resume_completes_them() {
    let place = Place::new();
    let names = ["a", "b", "c", "d"];
    let text: String = names.iter().map(|name| workload(name, "r=3;c=1000")).collect();
    place.write("own.toml", text);
    let flags =
        "run --device cpu --no-timing --workloads own.toml --filter fixed_tree|two_pass --perturb repeat";
    place.done(&format!("{flags} --executions 3 --out whole"));
    assert_eq!(place.rows("whole").len(), 8);

    let mut child = place.start(&format!("{flags} --executions 30000 --out mine"));
    child.wait_for(|| has_rows(&place, "mine"));
    child.send("-KILL");
    assert_eq!(child.ended().signal(), Some(9));
    let path = place.path("mine/measurements.csv");
    let left = measurement::read(&path).unwrap();
    assert!(!left.rows.is_empty());
    assert!(left.rows.iter().all(|row| row.row_id == row.id() && row.verdict == Verdict::Same), "{left:?}");

    // As a kill in the middle of the last row leaves it.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..left.end as usize - 40]).unwrap();
    let whole = left.rows.len() - 1;
    assert_eq!(measurement::read(&path).unwrap().rows, left.rows[..whole]);
    let error = measurement::read_whole(&path).unwrap_err().to_string();
    let said = format!("{}: cut off after {whole} whole rows; finish the run with", path.display());
    assert!(error.starts_with(&said) && error.contains("--resume") && error.lines().count() == 1, "{error}");
    place.write("page.md", "<!-- samebits:table -->\n<!-- samebits:end -->\n");
    place.refuses("splice page.md mine", &["mine/measurements.csv", "cut off", "samebits run --resume mine"]);

    place.done(&format!("{flags} --executions 3 --resume mine"));
    assert_eq!(ids(&place, "mine"), ids(&place, "whole"));
    assert_eq!(place.rows("mine")[..whole], left.rows[..whole], "what was there is left as it was");
    let lines = place.read("mine/measurements.csv");
    assert!(lines.ends_with('\n') && lines.matches("schema,row_id").count() == 1, "{lines}");

    let before = place.read("mine/measurements.csv");
    let ended = place.done(&format!("{flags} --executions 3 --format csv --resume mine"));
    assert_eq!(place.read("mine/measurements.csv"), before, "a whole run has nothing to go on with");
    assert_eq!(ended.stdout, before);
}

/// Numbers that look random, the same in every run of the test (SplitMix64).
struct Random(u64);

impl Random {
    /// From 0 to below 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as f64 / 2f64.powi(64)
    }
}

/// What two runs must have in common: the rows with their inputs; and, of algorithms that claim their bits,
/// what was observed.
fn in_common(rows: &[Measurement]) -> BTreeMap<String, Vec<String>> {
    let observed = |row: &Measurement| {
        let mut observed = vec![row.workload.clone(), row.algorithm.clone(), row.input_digest.clone()];
        if row.guarantee >= Guarantee::RunToRun {
            observed.extend([
                format!("{:?}", row.verdict),
                row.digest.clone(),
                row.accumulator_digest.clone(),
            ]);
        }
        observed
    };
    let common: BTreeMap<_, _> = rows.iter().map(|row| (row.row_id.clone(), observed(row))).collect();
    assert_eq!(common.len(), rows.len(), "each row is there once");
    common
}

/// The whole lines of a folder of rows as a kill left it, if it came that far: all but the last line are whole
/// rows, each is there once, and those of `earlier` come first, unchanged.
fn lines_left(place: &Place, results: &str, earlier: &[u8]) -> Vec<u8> {
    let path = place.path(results).join("measurements.csv");
    if !path.exists() {
        assert!(earlier.is_empty(), "{results}: its rows are gone");
        return Vec::new();
    }
    let mut bytes = std::fs::read(&path).unwrap();
    let read = measurement::read(&path).unwrap();
    bytes.truncate(read.end as usize);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(read.rows.len(), lines.saturating_sub(1), "{results}: a row for each line but the header");
    assert!(read.rows.iter().all(|row| row.row_id == row.id() && row.run_id == results), "{read:?}");
    in_common(&read.rows);
    assert!(bytes.starts_with(earlier), "{results}: rows of before the kill are as they were");
    bytes
}

/// The rows that `samples.jsonl` has a line for, each once.
fn sampled(place: &Place, results: &str) -> BTreeSet<String> {
    let samples = place.read(&format!("{results}/samples.jsonl"));
    let id = |line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["row_id"].as_str().unwrap().to_owned()
    };
    let ids: BTreeSet<_> = samples.lines().map(id).collect();
    assert_eq!(ids.len(), samples.lines().count(), "{results}: {samples}");
    ids
}

#[test]
fn after_a_hundred_kills_at_random_moments_every_finished_row_is_there_and_resume_completes_them() {
    let place = Place::new();
    let reduced: String = (0..8).map(|i| workload(&format!("rows-{i}"), "r=3;c=1000")).collect();
    // Its rows are those of several ways at once, and those of gaps between them.
    let norm = workload("norm", "n=4;c=3;h=5;w=5").replace("reduce", "batch_norm");
    place.write("own.toml", reduced + &norm);
    let flags = "run --device cpu --no-timing --executions 12 --workloads own.toml --filter fixed_tree|two_pass|atomic_block|norm";
    // The first run of a program may wait for the disk.
    place.done(&format!("{flags} --out first"));
    let start = Instant::now();
    place.done(&format!("{flags} --out whole"));
    let a_bit_more = start.elapsed().mul_f64(1.2);
    let whole = in_common(&place.rows("whole"));

    let mut random = Random(1);
    let (mut of_new, mut of_resumed, mut among_rows, mut lives) = (0, 0, 0, 0);
    // Until both have occurred often enough, however fast the machine is.
    while of_new < 30 || of_resumed < 30 || of_new + of_resumed < 100 {
        let results = format!("life-{lives}");
        lives += 1;
        let mut left = Vec::new();
        for _ in 0..1 + (random.next() * 5.0) as usize {
            let (how, kills) = match place.path(&results).exists() {
                true => ("--resume", &mut of_resumed),
                false => ("--out", &mut of_new),
            };
            let mut child = place.start(&format!("{flags} {how} {results}"));
            std::thread::sleep(a_bit_more.mul_f64(random.next()));
            child.kill();
            let ended = child.ended();
            assert!(ended.signal() == Some(9) || ended.code() == Some(0), "{}", place.read("stderr"));
            *kills += usize::from(ended.signal() == Some(9));
            left = lines_left(&place, &results, &left);
            let lines = left.iter().filter(|byte| **byte == b'\n').count();
            among_rows += usize::from((2..=whole.len()).contains(&lines));
        }
        let how = if place.path(&results).exists() { "--resume" } else { "--out" };
        place.done(&format!("{flags} {how} {results}"));
        assert!(place.read(&format!("{results}/measurements.csv")).as_bytes().starts_with(&left));
        let rows = place.rows(&results);
        assert_eq!(in_common(&rows), whole, "{results}");
        assert!(sampled(&place, &results).iter().all(|id| whole.contains_key(id)), "{results}");
        assert_eq!(place.names(&results), ["environment.json", "measurements.csv", "samples.jsonl"]);
        assert_eq!(place.read(&format!("{results}/environment.json")), place.read("whole/environment.json"));
    }
    println!(
        "{of_new} kills of new runs and {of_resumed} of resumed ones, {among_rows} of them between the first row \
         and the last, in {lives} folders"
    );
}

#[test]
fn a_kill_before_the_first_file_is_whole_leaves_a_folder_that_can_be_gone_on_with() {
    let place = Place::new();
    let flags = format!("run {SMALL} --filter fixed_tree.edge-1-");
    place.done(&format!("{flags} --out whole"));
    let environment = place.read("whole/environment.json");
    for (results, left) in [("nothing", None), ("empty", Some(0)), ("half", Some(environment.len() / 2))] {
        std::fs::create_dir(place.path(results)).unwrap();
        if let Some(end) = left {
            place.write(&format!("{results}/environment.json"), &environment[..end]);
        }
        place.refuses(&format!("{flags} --out {results}"), &["exists already", "--resume"]);
        place.done(&format!("{flags} --resume {results}"));
        assert_eq!(ids(&place, results), ids(&place, "whole"));
        assert_eq!(place.read(&format!("{results}/environment.json")), environment);
    }
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_gone_on_with() {
    let place = Place::new();
    let flags = format!("run {SMALL} --filter fixed_tree.(edge-1-|rows-64x4096-f32)");
    place.done(&format!("{flags} --out whole"));
    let whole = std::fs::read(place.path("whole/measurements.csv")).unwrap();
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap();
    std::fs::create_dir(place.path("mine")).unwrap();
    for end in [0, 5, header, header + 1, header + 2, whole.len() / 2, whole.len() - 1] {
        place.write("mine/measurements.csv", &whole[..end]);
        place.write("mine/samples.jsonl", "{\"row_id\": \"cut");
        place.done(&format!("{flags} --resume mine"));
        assert_eq!(ids(&place, "mine"), ids(&place, "whole"), "cut off at {end}");
        let samples = place.read("mine/samples.jsonl");
        assert!(
            samples.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
            "{samples}"
        );
    }
}

#[test]
fn ctrl_c_keeps_finished_rows_and_says_how_to_go_on() {
    let place = Place::new();
    let flags = first_is_finished_at_once(&place);
    for (signal, results) in [("-INT", "int"), ("-TERM", "term")] {
        let mut child = place.start(&format!("run {ENDLESS} {flags} --format csv --out {results}"));
        // Listening begins before the first row is written.
        child.wait_for(|| has_rows(&place, results));
        child.send(signal);
        assert_eq!(child.ended().code(), Some(130));
        let stderr = place.read("stderr");
        let last = stderr.lines().last().unwrap();
        assert!(last.starts_with("samebits: interrupted; finished rows are kept"), "{stderr}");
        assert!(last.contains(&format!("--resume {results}")), "{stderr}");
        let rows = place.rows(results);
        assert_eq!(rows.len(), 4);
        assert!(rows.iter().all(|row| row.verdict == Verdict::Skipped));
        assert_eq!(place.read("stdout"), place.read(&format!("{results}/measurements.csv")));

        place.done(&format!("run {SMALL} {flags} --resume {results}"));
        assert_eq!(ids(&place, results).len(), 8);
    }
}

#[test]
fn a_second_ctrl_c_ends_it_too_however_soon_it_comes() {
    let place = Place::new();
    let flags = first_is_finished_at_once(&place);
    let mut child = place.start(&format!("run {ENDLESS} {flags} --out mine"));
    child.wait_for(|| has_rows(&place, "mine"));
    child.send("-INT");
    child.send("-INT");
    assert_eq!(child.ended().code(), Some(130));
    assert!(!place.read("stderr").contains("panicked"));
    assert!(has_rows(&place, "mine"));
}

#[test]
fn an_interruption_that_nobody_reads_about_is_one_all_the_same() {
    let place = Place::new();
    place.write("own.toml", workload("huge", "n=35184372088832") + &workload("small", "n=64"));
    let endless =
        "run --device cpu --no-timing --executions 1000000000000000 --workloads own.toml --filter fixed_tree";
    let mut child = place.start_unread(&format!("{endless} --format csv --out mine"));
    child.wait_for(|| place.path("mine/measurements.csv").metadata().is_ok_and(|file| file.len() > 0));
    child.send("-INT");
    assert_eq!(child.ended().code(), Some(130));
    assert!(place.read("stderr").contains("--resume mine"));
    assert!(place.rows("mine").iter().all(|row| row.verdict == Verdict::Skipped));
}

#[test]
fn samples_of_a_row_that_was_cut_off_are_not_there_twice() {
    let place = Place::new();
    let flags = "run --device cpu --executions 3 --filter (fixed_tree|two_pass).edge-1- --perturb repeat";
    place.done(&format!("{flags} --out mine"));
    let rows = place.read("mine/measurements.csv");
    place.write("mine/measurements.csv", &rows[..rows.len() - 40]);
    place.done(&format!("{flags} --resume mine"));
    let rows = place.rows("mine");
    let samples = place.read("mine/samples.jsonl");
    assert_eq!(samples.lines().count(), 2, "{samples}");
    for row in rows {
        let line = samples.lines().find(|line| line.contains(&row.row_id)).unwrap();
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(Some(line["samples_ns"].as_array().unwrap().len() as u64), row.samples);
    }
}

#[test]
fn rows_of_a_resumed_run_have_its_name_whatever_path_it_is_given_by() {
    let place = Place::new();
    place.done(&format!("run {SMALL} --filter fixed_tree.edge-1- --out mine"));
    place.run_in(&place.path("mine"), &format!("run {SMALL} --filter two_pass.edge-1- --resume ."), &[]);
    let rows = place.rows("mine");
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.run_id == "mine"));
}
