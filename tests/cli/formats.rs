//! What `run` prints: results on stdout, everything else on stderr.

use samebits::measurement::{COLUMNS, Measurement};

use crate::place::{Place, SMALL};

const FILTER: &str = "--filter (fixed_tree|atomic_block).(rows-64x4096-f16|edge-1-)";

fn ids(rows: &[Measurement]) -> Vec<&str> {
    rows.iter().map(|row| row.row_id.as_str()).collect()
}

#[test]
fn csv_on_stdout_is_the_rows_of_the_folder() {
    let place = Place::new();
    let ended = place.done(&format!("run {SMALL} {FILTER} --format csv --out mine"));
    assert_eq!(ended.stdout, place.read("mine/measurements.csv"));
    assert!(ended.stdout.starts_with(&COLUMNS.join(",")));
    let mut header = ended.stderr.lines();
    let first = concat!("samebits ", env!("CARGO_PKG_VERSION"), " · cpu · ");
    assert!(header.next().unwrap().starts_with(first), "{ended:?}");
    assert!(header.next().unwrap().contains("quick profile"), "{ended:?}");
}

#[test]
fn json_on_stdout_is_the_rows_of_the_folder() {
    let place = Place::new();
    let ended = place.done(&format!("run {SMALL} {FILTER} --format json --out mine"));
    // As text: serde_json may read a number's last bit wrongly.
    assert_eq!(ended.stdout, serde_json::to_string_pretty(&place.rows("mine")).unwrap() + "\n");
    let text: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut columns: Vec<_> = text[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut wanted = COLUMNS.to_vec();
    columns.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(columns, wanted);
}

#[test]
fn markdown_has_a_table_with_as_many_cells_in_every_line() {
    let place = Place::new();
    let ended = place.done(&format!("run {SMALL} {FILTER} --format md --all --out mine"));
    let tables: Vec<Vec<&str>> = ended
        .stdout
        .split("\n\n")
        .filter(|paragraph| paragraph.starts_with('|'))
        .map(|paragraph| paragraph.lines().collect())
        .collect();
    assert_eq!(tables.len(), 2, "a table for every workload: {ended:?}");
    for table in tables {
        assert_eq!(table.len(), 4, "header, rule, two algorithms: {table:?}");
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        assert!(table.iter().all(|line| cells(line) == cells(table[0])), "{table:?}");
        assert!(table[1].chars().all(|character| "|-: ".contains(character)), "{table:?}");
    }
}

#[test]
fn the_table_names_every_algorithm_and_the_folder_and_has_no_colour_in_a_pipe() {
    let place = Place::new();
    for (name, variables) in [("plain", &[][..]), ("uncoloured", &[("NO_COLOR", "1")][..])] {
        let line = format!("run {SMALL} {FILTER} --out {name}");
        let ended = place.run_in(&place.path(""), &line, variables);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        for said in ["samebits ", "fixed_tree", "atomic_block", &format!("All rows: {name}"), "Next: "] {
            assert!(ended.stdout.contains(said), "{said} is not in {}", ended.stdout);
        }
        assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
    }
}

#[test]
fn quiet_says_nothing_on_stderr() {
    let place = Place::new();
    for format in ["table", "md", "csv", "json"] {
        let ended = place.done(&format!("run {SMALL} {FILTER} --quiet --format {format} --out {format}"));
        assert_eq!(ended.stderr, "");
        assert!(!ended.stdout.is_empty());
    }
}

#[test]
fn every_format_shows_the_same_rows() {
    let place = Place::new();
    for format in ["table", "md", "csv", "json"] {
        place.done(&format!("run {SMALL} {FILTER} --format {format} --out {format}"));
    }
    for format in ["md", "csv", "json"] {
        assert_eq!(ids(&place.rows(format)), ids(&place.rows("table")));
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let place = Place::new();
    assert_eq!(place.unread("list"), (Some(0), String::new()));
    assert_eq!(place.unread("env"), (Some(0), String::new()));
    assert_eq!(place.unread("run --help"), (Some(0), String::new()));
    for format in ["md", "csv", "json"] {
        let line = format!("run {SMALL} {FILTER} --quiet --format {format} --out {format}");
        assert_eq!(place.unread(&line), (Some(0), String::new()));
        assert_eq!(place.rows(format).len(), 8, "the rows are kept all the same");
    }
}

#[test]
fn a_table_that_nobody_reads_is_measured_all_the_same() {
    let place = Place::new();
    let line = format!("run {SMALL} --filter fixed_tree.edge-1- --out mine");
    assert_eq!(place.unread(&line), (Some(0), String::new()));
    assert_eq!(place.rows("mine").len(), 2);
}

#[test]
fn a_closed_stderr_changes_no_exit_code() {
    let place = Place::new();
    assert_eq!(place.unheard("run --device tpu"), Some(2));
    assert_eq!(
        place.unheard(&format!("run {SMALL} --filter fixed_tree.edge-1- --format csv --out mine")),
        Some(0)
    );
    assert_eq!(place.rows("mine").len(), 2);
}
