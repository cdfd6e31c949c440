//! `run --golden`: whether a device gives the bits that all must give, and the file that says which these are.

use crate::place::Place;

#[test]
fn twins_and_simulated_kernels_give_the_golden_bits() {
    let place = Place::new();
    for device in ["cpu", "sim"] {
        let stdout = place.done(&format!("run --golden --device {device} --quiet --out {device}")).stdout;
        assert!(stdout.contains("The same bits as everywhere: 24 of 24 digests"), "{stdout}");
        assert!(!stdout.contains("not executed"), "{stdout}");
    }
    // The file is what the two make of it, entry by entry.
    place.done("golden made.csv cpu sim");
    let carried = include_str!("../../results/golden.csv");
    assert_eq!(place.read("made.csv"), carried);
}

#[test]
fn nothing_that_claims_it_is_no_confirmation() {
    let place = Place::new();
    place.refuses("run --golden --device cpu --filter atomic", &["matches nothing"]);
    place.refuses("run --golden --device cpu --seed 3", &["--golden", "--seed"]);
    place.refuses("run --golden --device cpu --workloads own.toml", &["--golden", "--workloads"]);
    place.refuses("golden made.csv nowhere", &["nowhere"]);
}

#[test]
fn a_way_can_be_judged_by_itself_and_its_rows_are_kept() {
    let place = Place::new();
    let flags = "run --golden --device cpu --filter fixed_tree.golden-sum-1-f32$";
    let stdout = place.done(&format!("{flags} --quiet --out mine")).stdout;
    assert!(stdout.contains("The same bits as everywhere: 1 of 1 digest is those"), "{stdout}");
    assert_eq!(place.rows("mine").len(), 1);
    let csv = place.done(&format!("{flags} --format csv --out other")).stdout;
    assert_eq!(csv.lines().count(), 2, "{csv}");
}
