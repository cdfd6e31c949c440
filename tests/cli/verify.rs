//! `verify`: appends its checks to a file, goes on where it stopped, and remembers failures.

use crate::place::Place;

/// A few checks that take a fraction of a second.
const PART: &str = "verify --device cpu --out checks --budget 60s --part 1/40";

#[test]
fn checks_are_written_once() {
    let place = Place::new();
    let ended = place.done(PART);
    assert!(ended.stderr.is_empty() && ended.stdout.lines().count() == 1, "{ended:?}");
    let text = place.read("checks");
    let count = text.lines().count();
    assert!(count > 5, "{text}");
    for line in text.lines() {
        let parts: Vec<_> = line.split('\t').collect();
        let known =
            ["reduce/", "matmul/", "batch_norm/"].iter().any(|operation| parts[0].starts_with(operation));
        assert!(parts.len() == 3 && parts[1] == "ok" && known, "{line}");
    }
    let said = format!("{count} checks passed, 0 failed, 0 known from before");
    assert!(ended.stdout.starts_with("verified on cpu (") && ended.stdout.contains(&said), "{ended:?}");

    let again = place.done(PART);
    assert!(
        again.stdout.contains(&format!(" 0 checks passed, 0 failed, {count} known from before")),
        "{again:?}"
    );
    assert_eq!(place.read("checks"), text);
}

#[test]
fn what_the_budget_does_not_reach_is_counted_and_done_the_next_time() {
    let place = Place::new();
    let ended = place.done(&PART.replace("60s", "0s"));
    assert!(
        ended.stdout.contains(": 0 checks passed") && ended.stdout.contains(" not reached in 0s"),
        "{ended:?}"
    );
    assert_eq!(place.read("checks"), "");
    place.done(PART);
    let whole = place.read("checks");
    let first = whole.split_inclusive('\n').next().unwrap();
    place.write("checks", first);
    place.done(PART);
    // What atomics were off by is another number every time.
    let names = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&place.read("checks")), names(&whole));
    assert!(place.read("checks").starts_with(first));
}

#[test]
fn a_failure_from_before_is_not_forgotten() {
    let place = Place::new();
    place.write("checks", "reduce/fixed_tree n=9 f32 wide\tFAILED\tdiffers from its twin\n");
    let ended = place.run(PART);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("1 known from before (1 failed)"), "{ended:?}");
}

#[test]
fn wrong_flags_are_refused() {
    let place = Place::new();
    for budget in ["5h", "8", "m", "-1s", "1.5m", "99999999999999999999s", "999999999999999999m"] {
        place.refuses(
            &format!("verify --device cpu --out checks --budget={budget}"),
            &["--budget", &format!("\"{budget}\""), "such as 90s or 8m"],
        );
    }
    for part in ["0/4", "5/4", "1", "1/0", "x/y", "1/4/2", "-1/4"] {
        place.refuses(
            &format!("verify --device cpu --out checks --part={part}"),
            &["--part", &format!("\"{part}\""), "of the form i/n"],
        );
    }
    assert_eq!(place.names("."), [""; 0]);
    place.refuses("verify --device cpu --out none/checks", &["none/checks", "a folder that exists"]);
    place.refuses("verify --device cpu --out .", &[".: ", "directory"]);
}

#[test]
fn failures_known_from_before_are_shown_and_a_line_that_was_cut_off_is_done_again() {
    let place = Place::new();
    place.done(PART);
    let whole = place.read("checks");
    let failure = "reduce/fixed_tree n=9 f32 wide\tFAILED\tdiffers from its twin\n";
    place.write("checks", format!("{failure}{}", &whole[..whole.len() - 9]));
    let ended = place.run(PART);
    assert!(ended.code == 1 && ended.stdout.contains(failure), "{ended:?}");
    assert_eq!(place.read("checks"), format!("{failure}{whole}"));
}
