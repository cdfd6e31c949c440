//! A fault is planted on every rung of the ladder, and must be seen there and nowhere else.

use std::collections::HashMap;

use super::*;
use crate::suite::processes::NewProcesses;
use crate::worker::{Inputs, Order};

/// Processes that are none: they answer what the algorithm gives, but for what is planted.
#[derive(Default)]
struct Processes {
    /// Which inputs show a fault of `fixed_tree`, and in which process.
    planted: Option<(Inputs, u64)>,
    /// Every process after that many ends with this error.
    dies: Option<(u64, &'static str)>,
    /// `ticket` fails in each.
    ticket_fails: bool,
    started: Cell<u64>,
}

impl NewProcesses for Processes {
    fn execute(&self, order: &Order, _: &dyn Fn() -> Result<()>) -> Result<Vec<Result<Vec<Tensor>>>> {
        self.started.set(self.started.get() + 1);
        let number = self.started.get();
        if let Some((after, error)) = self.dies
            && number > after
        {
            return Err(Error::device(error));
        }
        let device = Scripted::default();
        let problem =
            Problem { workload: order.problem.workload.clone(), inputs: order.problem.inputs.clone() };
        let staged = device.stage(Arc::new(problem))?;
        let answer = |algorithm: &&'static Algorithm| {
            if self.ticket_fails && algorithm.name == "ticket" {
                return Err(Error::device("ticket was not to be had"));
            }
            let mut prepared = staged.prepare(algorithm)?;
            let mut outputs = observe::execute(&mut *prepared, 1)?.to_vec();
            if algorithm.name == "fixed_tree"
                && self.planted.is_some_and(|(inputs, from)| inputs == order.inputs && number >= from)
                && let Data::F32(sums) = &mut outputs[0].data
            {
                sums[4] = f32::from_bits(sums[4].to_bits() ^ 1);
            }
            Ok(outputs)
        };
        Ok(order.algorithms.iter().map(answer).collect())
    }
}

const ONE: &str = r#"
[[workload]]
name = "rows"
operation = "reduce"
shape = "r=5;c=1000"
dtype = "f32"
input = "wide"
about = "five sums"
"#;

fn ladder(processes: Processes) -> Options {
    Options {
        perturbations: LADDER.to_vec(),
        processes: Some(Box::new(processes)),
        timing: None,
        executions: 40,
        ..options()
    }
}

fn run_with(device: &Scripted, options: &Options, earlier: &[Measurement]) -> Vec<Measurement> {
    let workloads = parse(ONE, "one").unwrap();
    let mut collected = Collected::default();
    Suite::new(device, &workloads, options, identity(), earlier).unwrap().run(&mut collected).unwrap();
    collected.rows
}

/// The rows of `fixed_tree` that differ: perturbation and variant.
fn broken(rows: &[Measurement]) -> Vec<(Perturbation, &str)> {
    let differing = rows.iter().filter(|row| row.algorithm == "fixed_tree" && row.breaks_claim());
    differing.map(|row| (row.perturbation, row.variant.as_str())).collect()
}

#[test]
fn an_honest_algorithm_is_the_same_on_every_rung() {
    let rows = run_with(&Scripted::default(), &ladder(Processes::default()), &[]);
    assert!(rows.iter().all(|row| matches!(row.verdict, Verdict::Same | Verdict::Skipped)));
    let tree: Vec<_> = rows.iter().filter(|row| row.algorithm == "fixed_tree").collect();
    let counts: HashMap<_, _> =
        LADDER.map(|p| (p, tree.iter().filter(|row| row.perturbation == p).count())).into();
    assert_eq!((counts[&Perturbation::Launch], counts[&Perturbation::ReloadAllocation]), (2, 2));
    assert!(counts[&Perturbation::Batch] > 20, "{counts:?}");
    for single in [Perturbation::Repeat, Perturbation::ReloadModule, Perturbation::ReloadContext] {
        assert_eq!(counts[&single], 1);
    }
    // A row counts what was compared for it: executions, or processes.
    let comparisons = |perturbation| row(&rows, "fixed_tree", perturbation).comparisons;
    assert_eq!(comparisons(Perturbation::Launch), Some(20));
    assert_eq!(comparisons(Perturbation::ReloadProcess), Some(3));
    let ids: HashSet<_> = rows.iter().map(|row| &row.row_id).collect();
    assert_eq!(ids.len(), rows.len());
    // All rows have the bits of the undisturbed execution.
    let digests: HashSet<_> = tree.iter().map(|row| &row.digest).collect();
    assert_eq!(digests.len(), 1);
}

#[test]
fn a_fault_is_seen_on_its_rung_and_on_no_other() {
    for (plant, perturbation, variant) in [
        (Plant::Loaded, Perturbation::Load, ""),
        (Plant::Under(Condition::Threads(3)), Perturbation::Launch, "threads=3"),
        (Plant::Under(Condition::Shape { blocks: 1, threads: 32 }), Perturbation::Launch, "grid=1;block=32"),
        (Plant::Under(Condition::Offset(4)), Perturbation::ReloadAllocation, "offset=4"),
        (Plant::Under(Condition::FreshModule), Perturbation::ReloadModule, ""),
        (Plant::Reopened, Perturbation::ReloadContext, ""),
    ] {
        let device = Scripted { planted: Some(plant), ..Scripted::default() };
        let rows = run_with(&device, &ladder(Processes::default()), &[]);
        assert_eq!(broken(&rows), [(perturbation, variant)], "{plant:?}");
        let wrong = rows.iter().find(|row| row.breaks_claim()).unwrap();
        assert_eq!((wrong.max_ulp, wrong.first_difference), (Some(1), Some(0)), "{plant:?}");
        assert_eq!(wrong.differing, wrong.comparisons, "{plant:?}");
        assert!(wrong.has_remark("re-run: differs again in 3 of 3"), "{}", wrong.note);
    }
}

#[test]
fn a_fault_at_one_size_of_a_batch_is_seen() {
    for size in [1, 7, 127, 128, 129, 255, 257] {
        let device = Scripted { planted: Some(Plant::BatchOf(size)), ..Scripted::default() };
        let rows = run_with(&device, &ladder(Processes::default()), &[]);
        let broken = broken(&rows);
        assert!(!broken.is_empty(), "{size}");
        let its_own = format!("batch={size};");
        assert!(broken.iter().all(|(p, variant)| *p == Perturbation::Batch && variant.starts_with(&its_own)));
    }
}

#[test]
fn a_fault_that_new_processes_have_is_seen() {
    for (inputs, perturbation) in
        [(Inputs::Made, Perturbation::ReloadProcess), (Inputs::Read, Perturbation::ReloadCheckpoint)]
    {
        let processes = Processes { planted: Some((inputs, 0)), ..Processes::default() };
        let rows = run_with(&Scripted::default(), &ladder(processes), &[]);
        assert_eq!(broken(&rows), [(perturbation, "")]);
        let wrong = row(&rows, "fixed_tree", perturbation);
        assert_eq!((wrong.differing, wrong.comparisons, wrong.first_difference), (Some(3), Some(3), Some(4)));
        assert!(wrong.has_remark("re-run: differs again in 3 of 3"), "{}", wrong.note);
    }
}

#[test]
fn what_is_not_seen_again_is_called_a_one_off() {
    let device =
        Scripted { planted: Some(Plant::UnderOnce(Condition::Threads(3), 5)), ..Scripted::default() };
    let rows = run_with(&device, &ladder(Processes::default()), &[]);
    assert_eq!(broken(&rows), [(Perturbation::Launch, "threads=3")]);
    let wrong = row(&rows, "fixed_tree", Perturbation::Launch);
    assert_eq!((wrong.differing, wrong.comparisons), (Some(1), Some(20)));
    assert!(wrong.has_remark("one-off: not seen again in 3 re-runs"), "{}", wrong.note);
}

#[test]
fn faults_of_the_hardware_stand_beside_what_was_executed_again() {
    let device = Scripted {
        planted: Some(Plant::UnderOnce(Condition::Threads(3), 5)),
        faults: Some(Cell::new(6)),
        ..Scripted::default()
    };
    let rows = run_with(&device, &ladder(Processes::default()), &[]);
    let note = &row(&rows, "fixed_tree", Perturbation::Launch).note;
    let (_, told) = note.split_once("one-off: not seen again in 3 re-runs, ECC errors: ").expect(note);
    let counts: Vec<u64> = told.split([' ', ';']).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(counts.len(), 4, "{note}");
    assert!(counts[0] < counts[1] && told.contains("Xid errors: "), "{note}");
    assert_eq!([counts[2], counts[3]], [2 * counts[0], 2 * counts[1]]);
}

#[test]
fn a_process_that_dies_fails_its_rows_and_the_rest_goes_on() {
    let dies = Processes { dies: Some((1, "the worker ended with signal 11")), ..Processes::default() };
    let rows = run_with(&Scripted::default(), &ladder(dies), &[]);
    for perturbation in [Perturbation::ReloadProcess, Perturbation::ReloadCheckpoint] {
        let failed = row(&rows, "fixed_tree", perturbation);
        assert_eq!(failed.verdict, Verdict::Failed);
        assert!(failed.note.contains("signal 11"), "{}", failed.note);
    }
    assert_eq!(row(&rows, "fixed_tree", Perturbation::Launch).verdict, Verdict::Same);
    let one = Processes { ticket_fails: true, ..Processes::default() };
    let rows = run_with(&Scripted::default(), &ladder(one), &[]);
    assert_eq!(row(&rows, "ticket", Perturbation::ReloadProcess).verdict, Verdict::Failed);
    assert_eq!(row(&rows, "fixed_tree", Perturbation::ReloadProcess).verdict, Verdict::Same);
    assert_eq!(row(&rows, "fixed_tree", Perturbation::ReloadProcess).comparisons, Some(3));
}

#[test]
fn a_run_goes_on_with_the_values_that_are_missing() {
    let (device, options) = (Scripted::default(), ladder(Processes::default()));
    let all = run_with(&device, &options, &[]);
    assert_eq!(run_with(&device, &options, &all).len(), 0);
    let missing = |row: &&Measurement| !(row.algorithm == "two_pass" && row.variant == "offset=8");
    let earlier: Vec<_> = all.iter().filter(missing).cloned().collect();
    assert_eq!(earlier.len() + 1, all.len());
    let again = run_with(&device, &options, &earlier);
    assert!(again.iter().all(|row| row.algorithm == "two_pass"));
    assert!(again.iter().any(|row| row.variant == "offset=8"));
}

const NORM: &str = r#"
[[workload]]
name = "norm"
operation = "batch_norm"
shape = "n=2;c=3;h=4;w=5"
dtype = "f32"
input = "wide"
about = "an operation with gaps"
"#;

#[test]
fn what_is_not_executed_has_all_its_rows_and_is_not_planned_again() {
    let full = Scripted { free_bytes: Some(1), compiles: true, ..Scripted::default() };
    let refusing = Scripted { refuses: true, compiles: true, ..Scripted::default() };
    let strengths = vec![Strength::USUAL, Strength::OTHERS[0]];
    let perturbations = vec![Perturbation::Repeat, Perturbation::Load, Perturbation::ReloadRecompile];
    let options = Options { strengths, perturbations, ..ladder(Processes::default()) };
    let cases = [
        (&full, Verdict::Skipped, "memory: needs ", 1),
        // A failure of the usual strength says nothing of the others.
        (&refusing, Verdict::Failed, "refused", 2),
    ];
    for (device, verdict, said, loads) in cases {
        for (text, gaps) in [(ONE, 0), (NORM, 3)] {
            let workloads = parse(text, "one").unwrap();
            let planned = |earlier: &[Measurement]| {
                Suite::new(device, &workloads, &options, identity(), earlier).unwrap()
            };
            let mut collected = Collected::default();
            planned(&[]).run(&mut collected).unwrap();
            let rows = collected.rows;
            for row in &rows {
                assert_eq!(row.verdict, if row.gap().is_some() { Verdict::Skipped } else { verdict });
                assert!(row.note.starts_with(said), "{}", row.note);
                assert_eq!((row.row_id.as_str(), row.run_id.as_str()), (row.id().as_str(), "run"));
            }
            let ids: HashSet<_> = rows.iter().map(|row| &row.row_id).collect();
            assert_eq!(ids.len(), rows.len());
            let ways = Way::all(&workloads[0], &[]);
            let compiled: usize = ways
                .iter()
                .map(|way| code::settings(device, &options.perturbations, &workloads[0], way).len())
                .sum();
            assert_eq!(rows.len(), ways.len() * (2 + loads) + gaps + compiled);
            assert!(compiled > 0);
            assert_eq!(planned(&rows).size().0, 0);
            for index in 0..rows.len() {
                let mut but_one = rows.clone();
                but_one.remove(index);
                assert_eq!(planned(&but_one).size().0, 1, "{:?}", rows[index]);
            }
        }
    }
}
