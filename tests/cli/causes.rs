//! `causes`: from the command line to the table and the exit code.

use crate::place::Place;

#[test]
fn help_says_what_causes_takes() {
    insta::assert_snapshot!("causes_help", Place::new().done("causes --help").stdout);
}

#[test]
fn bad_flags_are_named() {
    let place = Place::new();
    place.refuses("causes --device tpu", &["unknown device \"tpu\"", "cuda:N"]);
    place.refuses("causes --device cuda:99", &["CUDA"]);
    place.refuses("causes --seeds 0", &["'0'", "--seeds", "1..=1000"]);
    place.refuses("causes --optimizer lion", &["'lion'", "momentum, adam"]);
    place.refuses("causes --algorithm matmul", &["\"matmul\"", "operation=name"]);
    place.refuses("causes --algorithm matmul=fast", &["\"fast\"", "known: tiled"]);
    place.refuses("causes --algorithm batch_norm=inference", &["to train with", "known: split_tree"]);
}

#[test]
fn every_cause_is_a_row_with_one_seed() {
    let place = Place::new();
    let ended =
        place.done("causes --device cpu --seeds 1 --quiet --format csv --algorithm matmul=split_k_ordered");
    let rows: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(rows.len(), samebits::causes::table::CAUSES.len(), "{ended:?}");
    assert!(rows[1].starts_with("nothing forgotten,control,1,,,66,,"), "{}", rows[1]);
    assert!(rows[2].starts_with("\"nothing forgotten, new process\",control,1,,,66,,"), "{}", rows[2]);
    assert!(rows[3].starts_with("\"nothing forgotten, simulated\",control,1,,,3,,"), "{}", rows[3]);
    assert_eq!(rows.iter().filter(|row| row.contains(",integrity,1,,")).count(), 6, "{ended:?}");
    assert_eq!(ended.stderr, "");
    assert_eq!(place.names("."), [""; 0]);
}
