//! `compare`: rows of several folders side by side, from the files to the exit code.

use std::path::Path;

use samebits::guarantee::Guarantee;
use samebits::measurement::{COLUMNS, Measurement};
use samebits::verdict::Verdict;

use crate::place::{Place, SMALL};

const FILTER: &str = "--filter (fixed_tree|two_pass|atomic_block).(edge-1-|rows-64x4096-f32)";

/// A place with the folder `runs/a` of real rows.
fn with_rows() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("runs")).unwrap();
    place.done(&format!("run {SMALL} {FILTER} --out runs/a"));
    place
}

/// The rows of `runs/a` as another machine would have measured them, changed by `change`.
fn elsewhere(place: &Place, change: impl Fn(&mut Measurement)) -> Vec<Measurement> {
    let mut rows = place.rows("runs/a");
    for row in &mut rows {
        row.device_kind = "Another CPU".to_owned();
        row.environment = "0123456789ab".to_owned();
        row.run_id = "elsewhere".to_owned();
        change(row);
    }
    rows
}

fn broken_everywhere(row: &mut Measurement) {
    if row.guarantee == Guarantee::GpuToGpu && row.verdict == Verdict::Same {
        row.digest = "0".repeat(32);
    }
}

#[test]
fn help_says_what_compare_takes() {
    insta::assert_snapshot!("compare_help", Place::new().done("compare --help").stdout);
}

#[test]
fn the_committed_rows_can_be_compared() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    // The package has no rows.
    let folders = std::fs::read_dir(&results)
        .into_iter()
        .flatten()
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().join("measurements.csv").is_file()));
    for folder in folders {
        let folder = folder.unwrap().path();
        let place = Place::new();
        let text = place.done(&format!("compare --all {}", folder.display())).stdout;
        for row in samebits::measurement::read_whole(&folder.join("measurements.csv")).unwrap() {
            for said in [&row.algorithm, &row.workload, &row.environment] {
                assert!(text.contains(said.as_str()), "{said} is not in {text}");
            }
        }
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }
}

#[test]
fn two_devices_that_agree_and_two_that_do_not() {
    let place = with_rows();
    place.write_rows("runs/b", &elsewhere(&place, |_| {}));
    let agree = place.done("compare runs/a runs/b");
    assert!(agree.stdout.contains("2 devices"), "{}", agree.stdout);
    assert!(agree.stdout.contains("Across devices every claim held"), "{}", agree.stdout);
    assert_eq!(agree.stderr, "");

    place.write_rows("runs/c", &elsewhere(&place, broken_everywhere));
    let broken = place.run("compare runs/a runs/c");
    assert_eq!((broken.code, broken.stderr.as_str()), (1, ""), "{broken:?}");
    let first = broken.stdout.lines().next().unwrap();
    assert!(first.starts_with("BROKEN CLAIM: reduce/fixed_tree (gpu_to_gpu)"), "{first}");

    let csv = place.run("compare runs/a runs/c --format csv");
    assert_eq!(csv.code, 1);
    assert!(csv.stderr.starts_with("samebits: BROKEN CLAIM: reduce/fixed_tree"), "{csv:?}");
    let cells = csv.stdout.lines().skip(1).filter(|line| line.contains(",fixed_tree,"));
    assert_eq!(cells.count(), 4, "two workloads on two devices: {}", csv.stdout);
}

#[test]
fn a_folder_of_folders_and_what_lies_beside_them() {
    let place = with_rows();
    place.write_rows("runs/b", &elsewhere(&place, |_| {}));
    place.write("runs/README.md", "# Results\n");
    let text = place.done("compare runs").stdout;
    assert_eq!(place.done("compare runs/a runs/b").stdout, text);
    assert_eq!(place.done("compare runs runs/b runs/a/measurements.csv ./runs").stdout, text, "once each");
    let with_readme = place.done("compare runs/README.md runs/a runs/b");
    assert_eq!(with_readme.stdout, text);
    assert_eq!(
        with_readme.stderr,
        "samebits: runs/README.md: no rows file, which are called *.csv; passed over\n"
    );
}

/// What a shell makes of `results/*` in this repository.
#[test]
fn golden_digests_beside_the_folders_are_passed_over() {
    let place = with_rows();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/golden.csv");
    std::fs::copy(golden, place.path("runs/golden.csv")).unwrap();
    let alone = place.done("compare runs/a").stdout;
    let ended = place.done("compare runs/a runs/golden.csv");
    assert_eq!(ended.stdout, alone);
    assert_eq!(ended.stderr, "samebits: runs/golden.csv: golden digests, no rows; passed over\n");
    place.refuses("compare runs/golden.csv", &["golden digests, no rows; give results folders"]);
}

#[test]
fn two_runs_of_one_device_are_one_column() {
    let place = with_rows();
    place.done(&format!("run {SMALL} {FILTER} --out runs/again"));
    let text = place.done("compare runs").stdout;
    assert!(text.starts_with("1 device ·"), "{text}");
    assert!(text.contains("of each key the newest row is shown, "), "{text}");
}

#[test]
fn every_format_goes_into_a_file_too() {
    let place = with_rows();
    for format in ["table", "md", "csv", "json", "html"] {
        let shown = place.done(&format!("compare runs --format {format}"));
        assert!(!shown.stdout.contains('\x1b'), "{}", shown.stdout);
        let written = place.done(&format!("compare runs --format {format} -o {format}.txt"));
        assert_eq!((written.stdout.as_str(), written.stderr.as_str()), ("", ""));
        assert_eq!(place.read(&format!("{format}.txt")), shown.stdout);
        // A file that is there is replaced.
        place.done(&format!("compare runs --format {format} -o table.txt"));
        assert_eq!(place.read("table.txt"), shown.stdout);
    }
    assert_eq!(place.unread("compare runs"), (Some(0), String::new()));
}

#[test]
fn a_file_says_beside_it_what_must_not_be_missed() {
    let place = with_rows();
    place.write_rows("runs/c", &elsewhere(&place, broken_everywhere));
    let ended = place.run("compare runs -o out.txt");
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert!(
        ended.stderr.starts_with("samebits: BROKEN CLAIM: ") && ended.stderr.lines().count() == 1,
        "{ended:?}"
    );
}

#[test]
fn a_page_is_whole_and_says_what_must_not_be_missed() {
    let place = with_rows();
    let page = place.done("compare runs --format html").stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
    assert!(page.contains("measured on a CPU") && page.contains("id=\"price\""), "{page}");
    for outside in ["http:", "https:", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    place.write_rows("runs/b", &elsewhere(&place, broken_everywhere));
    let ended = place.run("compare runs --format html -o page.html");
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("samebits: BROKEN CLAIM: reduce/fixed_tree"), "{}", ended.stderr);
    let page = place.read("page.html");
    assert!(page.contains("<strong>BROKEN CLAIM: </strong>reduce/fixed_tree (gpu_to_gpu)"), "{page}");
}

#[test]
fn a_page_shows_a_report_of_causes_and_no_other_json() {
    let place = with_rows();
    let report = r#"{"device": "cpu", "remark": null, "optimizer": "sgd", "algorithms": "reduce=fixed_tree",
        "length": {"before": 4, "after": 2}, "outcomes": [{"cause": "no momentum", "kind": "state", "seed": 1,
        "skipped": null, "refused": null, "loss_before": 0.5, "curve": [0.5, 0.75, null]}]}"#;
    place.write("causes.json", report);
    let page = place.done("compare runs causes.json --format html").stdout;
    assert!(page.contains("<section id=\"causes\"") && page.contains("no momentum (state)"), "{page}");
    place.write("other.json", "{\"schema\": 1}");
    for (command, said) in [
        ("compare runs causes.json", "causes.json: a report of causes, which only --format html shows"),
        ("compare causes.json --format html", "causes.json: a report of causes, and no rows to compare"),
        (
            "compare runs other.json --format html",
            "other.json: JSON, but not what `samebits causes --format json`",
        ),
    ] {
        let ended = place.run(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{command}");
        assert!(ended.stderr.contains(said) && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    }
}

#[test]
fn damaged_samples_are_a_remark_on_the_page() {
    let place = with_rows();
    place.write("runs/a/samples.jsonl", "{\"row_id\": \"x\", \"ulp_hist");
    let page = place.done("compare runs --format html").stdout;
    assert!(page.contains("samples beside runs/a/measurements.csv, 1 line could not be read"), "{page}");
}

#[test]
fn a_failed_row_is_exit_code_1() {
    let place = with_rows();
    let failed = elsewhere(&place, |row| {
        if row.algorithm == "two_pass" {
            (row.verdict, row.note) = (Verdict::Failed, "wrong".to_owned());
        }
    });
    place.write_rows("runs/b", &failed);
    let ended = place.run("compare runs");
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.starts_with("FAILED: reduce/two_pass on Another CPU"), "{ended:?}");
}

#[test]
fn a_file_that_was_cut_off_is_compared_with_a_warning() {
    let place = with_rows();
    let whole = place.read("runs/a/measurements.csv");
    let rows = whole.lines().count() - 1;
    place.write("runs/a/measurements.csv", &whole[..whole.len() - 10]);
    let ended = place.done("compare runs/a");
    let said = format!("samebits: warning: runs/a/measurements.csv: cut off after {} whole rows", rows - 1);
    assert!(ended.stderr.starts_with(&said) && ended.stderr.lines().count() == 1, "{ended:?}");
    place.write("runs/a/measurements.csv", whole.lines().next().unwrap().to_owned() + "\n");
    let ended = place.done("compare runs/a");
    assert_eq!(ended.stdout, "Nothing to compare: there are no rows.\n");
}

#[test]
fn what_holds_no_rows_is_refused() {
    let place = with_rows();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.write("notes.md", "# Notes\n");
    place.write("other.csv", "a,b\n1,2\n");
    place.refuses("compare none", &["none: ", "give results folders", "No such file"]);
    place.refuses("compare runs none", &["none: "]);
    place.refuses("compare empty", &["empty: no measurements.csv", "directly below"]);
    place.refuses("compare notes.md", &["notes.md: no rows file", "give results folders"]);
    place.refuses(
        "compare other.csv runs",
        &["other.csv: not rows of schema 1: column \"schema\" is missing"],
    );
    let good = place.read("runs/a/measurements.csv");
    for (bad, said) in [
        (good.replacen("\n1,", "\n2,", 1), "line 2: schema 2 in place of 1"),
        (good.replacen(",repeat,", ",repeatedly,", 1), "line 2: column \"perturbation\": \"repeatedly\""),
        (with(&good, "p_upper_95", "1.5"), "line 2: column \"p_upper_95\": 1.5 is not from 0 to 1"),
        (with(&good, "v_c", "NaN"), "line 2: column \"v_c\": NaN is not from 0 to 1"),
        (with(&good, "v_ermv", "-0.5"), "line 2: column \"v_ermv\": -0.5 is no finite number from 0 up"),
        (with(&good, "comparisons", "-1"), "line 2: column \"comparisons\": \"-1\" is no whole number"),
    ] {
        place.write("runs/a/measurements.csv", bad);
        place.refuses("compare runs", &["runs/a/measurements.csv", said]);
    }
    let ended = place.run("compare");
    assert!(ended.code == 2 && ended.stderr.contains("<PATH>..."), "{ended:?}");
}

/// A file of rows with `value` in a column of its first row.
fn with(file: &str, column: &str, value: &str) -> String {
    let place = COLUMNS.iter().position(|name| *name == column).unwrap();
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).unwrap();
    for (line, record) in reader.records().enumerate() {
        let record = record.unwrap();
        let is_it = |at| line == 0 && at == place;
        writer
            .write_record(record.iter().enumerate().map(|(at, field)| if is_it(at) { value } else { field }))
            .unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[test]
fn copies_of_rows_count_once() {
    let place = with_rows();
    let text = place.done("compare runs --format csv").stdout;
    let rows = place.read("runs/a/measurements.csv").lines().count() - 1;
    std::fs::create_dir(place.path("runs/copy")).unwrap();
    place.write("runs/copy/measurements.csv", place.read("runs/a/measurements.csv"));
    let ended = place.done("compare runs --format csv");
    assert_eq!(ended.stdout, text);
    assert_eq!(
        ended.stderr,
        format!(
            "samebits: warning: runs/copy/measurements.csv: {rows} rows are copies of others, and counted once\n"
        )
    );
}

#[test]
fn what_lies_beside_rows_is_read_and_what_does_not_belong_to_them_is_told() {
    let place = with_rows();
    let driver = place.done("compare runs --format json").stdout;
    let parsed: serde_json::Value = serde_json::from_str(&driver).unwrap();
    assert!(
        parsed["devices"][0]["program"].as_str().unwrap().starts_with(env!("CARGO_PKG_VERSION")),
        "{driver}"
    );
    assert_eq!(parsed["warnings"].as_array().unwrap().len(), 0, "{driver}");
    place.write_rows("runs/b", &elsewhere(&place, |_| {}));
    let text = place.done("compare runs").stdout;
    assert!(
        text.contains("no environment.json tells the driver and the program's version of Another CPU"),
        "{text}"
    );
    place.write("runs/b/environment.json", "{");
    let text = place.done("compare runs --format md").stdout;
    assert!(text.contains("runs/b/environment.json: not what tells where rows were measured"), "{text}");
    place.write("runs/b/environment.json", place.read("runs/a/environment.json") + " ");
    let ended = place.done("compare runs --format csv");
    assert!(ended.stderr.contains("is that of none of the rows: it is not used"), "{ended:?}");
}

#[test]
fn flags_choose_what_is_shown() {
    let place = with_rows();
    place.write_rows("runs/b", &elsewhere(&place, |_| {}));
    let lines = |flags: &str| {
        let ended = place.done(&format!("compare runs --format csv {flags}"));
        ended.stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = lines("");
    assert_eq!(all.len(), 3 * 2 * 2, "{all:?}");
    let only = lines("-f fixed_tree -f two_pass -F edge");
    assert_eq!(only.len(), 4, "{only:?}");
    assert!(only.iter().all(|line| line.contains("rows-64x4096-f32")), "{only:?}");
    assert_eq!(lines("--device Another").len(), all.len() / 2);
    assert_eq!(lines("--engine samebits"), all);
    assert_eq!(lines("--intersection --sort listed"), all);
    let text = place.done("compare runs --device Another").stdout;
    assert!(text.contains("left out by the filters"), "{text}");
    let baseline = lines("--baseline fixed_tree");
    assert!(baseline.len() == all.len(), "{baseline:?}");
    for flags in ["--row device", "--sort tax", "--rank", "--rank --row device", "--threshold-min 1.5"] {
        place.done(&format!("compare runs {flags}"));
    }
}

#[test]
fn flags_that_mean_nothing_are_refused_in_one_line() {
    let place = with_rows();
    place.refuses("compare runs --baseline none", &["--baseline \"none\" names no device and no algorithm"]);
    place.refuses("compare runs --filter none", &["none of the", "rows is left", "widen them"]);
    place.refuses("compare runs --filter (", &["not a regular expression"]);
    place.refuses("compare runs --threshold-min 0", &["not a ratio above 0, such as 1.05"]);
    place.refuses("compare runs --row algorithms", &["algorithms", "device"]);
}

#[test]
fn rows_are_not_overwritten() {
    let place = with_rows();
    let rows = place.read("runs/a/measurements.csv");
    for out in ["runs/a/measurements.csv", "./runs/../runs/a/measurements.csv"] {
        place.refuses(&format!("compare runs -o {out}"), &["holds rows that are compared", "another -o"]);
    }
    place.refuses("compare runs -o runs", &["runs: cannot write"]);
    place.refuses("compare runs -o none/below.txt", &["none/below.txt: cannot write"]);
    assert_eq!(place.read("runs/a/measurements.csv"), rows);
}
