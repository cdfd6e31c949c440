//! The program itself, from the command line to files and exit codes. Every test works in a folder of its
//! own, on the CPU and on small shapes, so that it finds the same on every machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

mod causes;
mod compare;
mod decide;
mod diff;
mod diff_captures;
mod explore;
mod fleet;
mod formats;
mod golden;
mod interruptions;
mod ladder;
mod machine;
mod others;
mod peer;
mod place;
mod refusals;
mod resume;
mod rows;
mod seeds;
mod sim;
mod splice;
mod verify;
mod worker;

use place::Place;

#[test]
fn list_shows_algorithms_claims_and_workloads() {
    insta::assert_snapshot!(Place::new().done("list").stdout);
}

#[test]
fn help_says_what_there_is() {
    let place = Place::new();
    insta::assert_snapshot!("help", place.done("--help").stdout);
    insta::assert_snapshot!("run_help", place.done("run --help").stdout);
    assert_eq!(place.done("--version").stdout, concat!("samebits ", env!("CARGO_PKG_VERSION"), "\n"));
}
