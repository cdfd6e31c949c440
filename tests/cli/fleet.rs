//! `scripts/fleet/samebits.sbatch` as Slurm starts it: a folder per task, which a task that is started again finishes.

use std::path::Path;
use std::process::{Command, Output};

use crate::place::Place;

fn task(place: &Place, number: &str, flags: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fleet/samebits.sbatch");
    Command::new("bash")
        .arg(script)
        .args(["--device", "cpu", "--executions", "2", "--no-timing"])
        .args(flags)
        .env("SAMEBITS", env!("CARGO_BIN_EXE_samebits"))
        .env("SLURM_SUBMIT_DIR", place.path(""))
        .env("SLURM_ARRAY_JOB_ID", "7")
        .env("SLURM_ARRAY_TASK_ID", number)
        .output()
        .unwrap()
}

#[test]
fn every_task_leaves_a_folder_of_its_own_and_goes_on_where_it_ends() {
    let place = Place::new();
    let filter = ["--filter", "two_pass.edge-1-"];
    for number in ["0", "1"] {
        let ended = task(&place, number, &filter);
        assert!(ended.status.success(), "{ended:?}");
    }
    assert_eq!(place.names("samebits-7"), ["samebits-7-0", "samebits-7-1"]);
    let rows = place.rows("samebits-7/samebits-7-0");
    assert!(rows.iter().all(|row| row.run_id == "samebits-7-0"), "the folder's name tells runs apart");
    // What Slurm starts again has nothing left to do, and fails no more than it did.
    let again = task(&place, "0", &filter);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(place.rows("samebits-7/samebits-7-0"), rows);
    // The exit code is the program's.
    assert_eq!(task(&place, "2", &["--filter", "nothing"]).status.code(), Some(2));
    place.done("compare samebits-7");
}
