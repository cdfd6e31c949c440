//! `--device sim`: the kernels themselves, on a simulated GPU.

use samebits::measurement::Measurement;
use samebits::perturbation::Perturbation;
use samebits::verdict::Verdict;

use crate::place::Place;

const RUN: &str = "run --device sim --filter sum-256Ki-f32-wide --executions 6 --quiet";

#[test]
fn schedules_move_what_may_vary_and_nothing_else() {
    let place = Place::new();
    place.done(&format!("{RUN} --out first"));
    let first = place.rows("first");
    let of = |algorithm: &str, perturbation: Perturbation| {
        let found = first.iter().find(|row| row.algorithm == algorithm && row.perturbation == perturbation);
        found.unwrap_or_else(|| panic!("no row of {algorithm} under {perturbation}"))
    };
    for algorithm in ["fixed_tree", "two_pass", "ticket"] {
        assert_eq!(of(algorithm, Perturbation::Schedule).verdict, Verdict::Same, "{algorithm}");
    }
    let atomic = of("atomic_block", Perturbation::Schedule);
    assert_eq!(atomic.verdict, Verdict::Differs);
    assert!(atomic.note.contains("schedules of seeds 0 and "), "{}", atomic.note);
    assert_eq!(of("atomic_block", Perturbation::Repeat).verdict, Verdict::Same);
    for row in &first {
        assert!(row.median_ns.is_none() && row.throughput.is_none() && row.samples.is_none());
        assert!(row.note.contains(" thread instructions"), "{}: {}", row.algorithm, row.note);
    }
    // Seeds replay: another run has the same digests and differences.
    place.done(&format!("{RUN} --out second"));
    let key = |row: &Measurement| {
        (row.row_id.clone(), row.verdict, row.differing, row.distinct, row.digest.clone(), row.note.clone())
    };
    let second = place.rows("second");
    assert_eq!(first.iter().map(key).collect::<Vec<_>>(), second.iter().map(key).collect::<Vec<_>>());
}

#[test]
fn simulated_rows_join_those_of_the_cpu() {
    let place = Place::new();
    let run = "run --filter /(fixed_tree|ticket).*sum-256Ki-f32-wide --executions 3 --quiet --no-timing";
    place.done(&format!("{run} --device sim --out sim"));
    place.done(&format!("{run} --device cpu --out cpu"));
    let digests = |folder: &str| -> Vec<_> {
        let mut rows = place.rows(folder);
        rows.retain(|row| row.perturbation == Perturbation::Repeat);
        rows.into_iter().map(|row| (row.workload, row.algorithm, row.digest)).collect()
    };
    assert_eq!(digests("sim").len(), 2);
    assert_eq!(digests("sim"), digests("cpu"));
    let compared = place.done("compare sim cpu").stdout;
    assert!(compared.contains("sim") && compared.contains("cpu"), "{compared}");
}

#[test]
fn what_takes_too_many_instructions_is_skipped_with_the_remedy() {
    let place = Place::new();
    let run = "run --device sim --filter fixed_tree.*sum-256Ki-f32-wide --executions 2 --quiet";
    place.done(&format!("{run} --max-instructions 1000 --out small"));
    let small = place.rows("small");
    assert_eq!(small.len(), 2);
    for row in small {
        assert_eq!(row.verdict, Verdict::Skipped);
        assert!(row.note.contains("more than 1000 thread instructions"), "{}", row.note);
        assert!(row.note.contains("--max-instructions"), "{}", row.note);
    }
    place.done(&format!("{run} --max-instructions 1000000000 --perturb repeat,load --out large"));
    for row in place.rows("large") {
        let load = row.perturbation == Perturbation::Load;
        let expected = if load { Verdict::Skipped } else { Verdict::Same };
        assert_eq!(row.verdict, expected, "{}", row.note);
        assert_eq!(load, row.note.contains("load has no meaning on sim"), "{}", row.note);
    }
}

#[test]
fn the_verdicts_of_a_schedule_are_skipped_elsewhere() {
    let place = Place::new();
    place.done("run --device cpu --filter edge --perturb schedule --no-timing --quiet --out here");
    for row in place.rows("here") {
        assert_eq!(row.verdict, Verdict::Skipped, "{}", row.note);
    }
}
