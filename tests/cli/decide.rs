//! `advise` and `check`: from rows to a decision, a policy and an exit code.

use crate::place::Place;

/// Small workloads, of which 29 comparisons are made, in processes too.
const RUN: &str = "run --device cpu --max-p 10% --perturb repeat,reload:process --filter (fixed_tree|two_pass).edge-1- --out runs/a";

fn with_rows() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("runs")).unwrap();
    place.done(RUN);
    place
}

#[test]
fn help_says_what_advise_and_check_take() {
    insta::assert_snapshot!("advise_help", Place::new().done("advise --help").stdout);
    insta::assert_snapshot!("check_help", Place::new().done("check --help").stdout);
}

#[test]
fn a_policy_from_rows_holds_for_them_and_not_for_worse_ones() {
    let place = with_rows();
    let advice = place.done("advise runs --require repeat,reload:process --max-p 10% --write policy.toml");
    assert!(advice.stdout.contains("use two_pass") || advice.stdout.contains("use fixed_tree"), "{advice:?}");
    assert!(advice.stdout.contains("p < 9.9 %"), "{advice:?}");
    let policy = place.read("policy.toml");
    assert!(policy.contains("schema = 1") && policy.contains("[[use]]"), "{policy}");

    // Rows of the CPU say nothing of a GPU, unless that is said.
    let without = place.run("check runs --policy policy.toml");
    assert_eq!(without.code, 1);
    assert!(without.stdout.starts_with("NOT MET: no row is of a CUDA device"), "{without:?}");
    let with = place.done("check runs --policy policy.toml --allow-cpu");
    assert!(with.stdout.starts_with("Met: "), "{with:?}");
    place.done("check runs --require repeat --max-p 10% --allow-cpu");

    let mut rows = place.rows("runs/a");
    let row = rows.iter_mut().find(|row| policy.contains(&row.row_id) && row.median_ns.is_none()).unwrap();
    (row.verdict, row.differing) = (samebits::verdict::Verdict::Differs, Some(1));
    let id = row.row_id.clone();
    place.write_rows("worse", &rows);
    let worse = place.run("check worse --policy policy.toml --allow-cpu");
    assert_eq!(worse.code, 1);
    assert!(worse.stdout.starts_with("NOT MET: ") && worse.stdout.contains(&id), "{worse:?}");
    let advice = place.run("advise worse --require repeat,reload:process --max-p 10% --all");
    assert!(!advice.stdout.contains(&id), "no decision rests on it: {advice:?}");

    // What is decided can be decided again, over the policy that is there and over nothing else.
    place.done("advise runs --require repeat --max-p 10% --write policy.toml");
    place.refuses(
        "advise runs --require repeat --write runs/a/measurements.csv",
        &["it is there and is no policy"],
    );
}

#[test]
fn what_nobody_measured_is_undecided_with_the_command_that_measures_it() {
    let place = with_rows();
    let ended = place.run("advise runs --require repeat,launch,device");
    assert_eq!(ended.code, 1);
    for said in ["undecided", "not measured under launch", "--perturb", "give the folders of both"] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let weak = place.run("advise runs --require repeat");
    assert!(weak.stdout.contains("29 of 299 comparisons under repeat"), "{weak:?}");
    let ended = place.run("check runs --require launch --allow-cpu");
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.starts_with("NOT MEASURED: reduce/fixed_tree"), "{ended:?}");
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let place = with_rows();
    std::fs::create_dir(place.path("empty")).unwrap();
    for verb in ["advise", "check"] {
        place.refuses(&format!("{verb} none --require repeat"), &["none: ", "give results folders"]);
        place.refuses(&format!("{verb} empty --require repeat"), &["empty: no measurements.csv"]);
        place.refuses(&format!("{verb} runs --require relod"), &["unknown requirement \"relod\"", "reload"]);
        place.refuses(&format!("{verb} runs --require repeat --max-p 2"), &["--max-p", "not a probability"]);
        place.refuses(&format!("{verb} runs"), &["--require"]);
        place.refuses(verb, &["PATH"]);
    }
    place.refuses("advise runs --require repeat --max-tax fast", &["--max-tax", "such as 10%"]);
    place.refuses("check runs --require repeat --policy p.toml", &["--policy"]);
    place.refuses("check runs --policy p.toml", &["p.toml: cannot read the policy"]);
    place.write("p.toml", "schema = 2\n");
    place.refuses("check runs --policy p.toml", &["p.toml: a policy of schema 2", "--write"]);
    place.write("p.toml", "this is none");
    place.refuses("check runs --policy p.toml", &["p.toml, line 1"]);
}
