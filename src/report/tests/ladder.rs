//! Reports on rows of the whole ladder, as snapshots to be read by eye.

use super::rows::{at, by, ladder, observe, on, under, variants};
use super::shown;
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::markdown;
use crate::report::model::{Cell, Report};
use crate::verdict::Verdict;

/// `fixed_tree` breaks its claim at another address, and `ticket` its own in another process.
fn broken() -> Vec<Measurement> {
    let mut rows = ladder();
    let row = under(&mut rows, "fixed_tree", Perturbation::ReloadAllocation);
    observe(row, 31, 2);
    (row.v_c, row.first_difference) = (Some(0.25), Some(12));
    row.remark("re-run: differs again in 3 of 3");
    let row = under(&mut rows, "ticket", Perturbation::ReloadProcess);
    observe(row, 1, 1);
    row.remark("shared");
    row.remark("one-off: not seen again in 3 re-runs");
    rows
}

fn batch_broken() -> Vec<Measurement> {
    let mut rows = ladder();
    let row = under(&mut rows, "fixed_tree", Perturbation::Batch);
    observe(row, 31, 1);
    rows
}

fn findings(rows: &[Measurement]) -> Vec<String> {
    Report::new(rows, false).findings
}

#[test]
fn the_whole_ladder() {
    insta::assert_snapshot!(shown(&ladder(), 200));
    insta::assert_snapshot!("the_ladder_on_120_columns", shown(&ladder(), 120));
    insta::assert_snapshot!("the_ladder_on_100_columns", shown(&ladder(), 100));
    insta::assert_snapshot!("the_ladder_on_80_columns", shown(&ladder(), 80));
    insta::assert_snapshot!("the_ladder_in_markdown", markdown::render(&ladder(), false));
    for width in 24..240 {
        shown(&ladder(), width);
    }
}

#[test]
fn broken_claims_of_the_ladder() {
    insta::assert_snapshot!(shown(&broken(), 120));
    insta::assert_snapshot!("broken_claims_of_the_ladder_in_markdown", markdown::render(&broken(), false));
}

#[test]
fn a_broken_claim_of_the_ladder_says_how_to_repeat_it() {
    let told = Report::new(&broken(), false).broken;
    let told: Vec<String> = told
        .iter()
        .map(|told| format!("{}\n{}\n{}", told.what, told.first.as_ref().unwrap(), told.command.join(" ")))
        .collect();
    assert_eq!(
        told,
        [
            "reduce/fixed_tree (gpu_to_gpu) differs under reload:allocation offset=4 on cpu, sum of 2^24, f32, \
             wide: 31 of 31 executions, 25 % of the elements of sum, max 2 ULP; re-run: differs again in 3 of 3\n\
             first at sum[12]; the undisturbed output has digest fixed_tree-digest\n\
             samebits run --device cpu --filter '^reduce/fixed_tree sum-2\\^24-f32-wide$' --perturb \
             reload:allocation --executions 32 --seed 7",
            "reduce/ticket (run_to_run) differs under reload:process on cpu, sum of 2^24, f32, wide: 1 of 31 \
             executions, every element of sum, max 1 ULP; one-off: not seen again in 3 re-runs\n\
             first at sum[0]; the undisturbed output has digest ticket-digest\n\
             samebits run --device cpu --filter '^reduce/ticket sum-2\\^24-f32-wide$' --perturb reload:process \
             --executions 32 --seed 7",
        ]
    );
}

/// Batches are the matter of a claim of their own, whatever the guarantee is.
#[test]
fn a_broken_batch_claim_is_named() {
    insta::assert_snapshot!(shown(&batch_broken(), 120));
    let told = Report::new(&batch_broken(), false).broken;
    assert_eq!(told.len(), 1, "one variant differs");
    assert!(
        told[0]
            .what
            .starts_with("reduce/fixed_tree (batch_invariant) differs under batch batch=129;first=17"),
        "{}",
        told[0].what
    );
    let mut unclaimed = batch_broken();
    unclaimed.iter_mut().for_each(|row| row.batch_invariant = false);
    assert!(Report::new(&unclaimed, false).broken.is_empty());
    assert!(!shown(&unclaimed, 200).contains('!'));
}

/// A process takes long to start, so its rows may compare fewer executions than the others of their run.
#[test]
fn a_full_run_is_repeated_as_one() {
    let mut rows = broken();
    let command = |rows: &[Measurement]| Report::new(rows, false).broken[1].command.join(" ");
    assert!(!command(&rows).contains("--profile"));
    under(&mut rows, "ticket", Perturbation::Repeat).comparisons = Some(299);
    assert!(command(&rows).contains("--profile full --executions 32 "), "{}", command(&rows));
}

#[test]
fn variants_are_one_cell_and_a_broken_one_is_marked() {
    let rows = broken();
    let report = Report::new(&rows, false);
    let block = &report.sections[0].blocks[0];
    let cell = |name: &str, perturbation: Perturbation| {
        let place = block.perturbations.iter().position(|p| *p == perturbation).unwrap();
        block.lines.iter().find(|line| line.name == name).unwrap().cells[place]
    };
    let differs = |differing, comparisons, is_broken| Cell::Differs { differing, comparisons, is_broken };
    assert_eq!(cell("ticket", Perturbation::Launch), differs(93, 93, false));
    assert_eq!(cell("fixed_tree", Perturbation::ReloadAllocation), differs(31, 62, true));
    assert_eq!(cell("fixed_tree", Perturbation::Launch), Cell::Same { comparisons: 93, no_power: false });
    assert!(shown(&rows, 200).contains("31 of 62 differ !") && shown(&rows, 100).contains("31/62 !"));
}

#[test]
fn what_nobody_tried_is_a_sentence_and_no_column() {
    let told = |rows: &[Measurement]| Report::new(rows, false).skipped_in_words();
    assert_eq!(told(&ladder()), ["Not tried here: reload:module (no kernels are loaded here)."]);
    // One reason for several, and another operation that was tried.
    let mut rows = ladder();
    for row in rows.iter_mut().filter(|row| row.perturbation == Perturbation::ReloadContext) {
        (row.verdict, row.note) = (Verdict::Skipped, "no kernels are loaded here".to_owned());
    }
    let mut other = ladder();
    other.iter_mut().for_each(|row| row.operation = "other".to_owned());
    assert_eq!(
        told(&[rows.clone(), other].concat()),
        [
            "Not tried for reduce: reload:module and reload:context (no kernels are loaded here).",
            "Not tried for other: reload:module (no kernels are loaded here)."
        ]
    );
    // Where a single algorithm was skipped, the column stays, and the reason is counted.
    let skipped = under(&mut rows, "ticket", Perturbation::Load);
    (skipped.verdict, skipped.note) = (Verdict::Skipped, "busy".to_owned());
    assert_eq!(told(&rows)[1], "1 row was skipped: busy");
    assert_eq!(
        findings(&rows)[0],
        "Every claim that was tested held; those under skipped perturbations were not."
    );
}

#[test]
fn each_rung_is_credited_with_what_it_showed_first() {
    let mut rows = ladder();
    let launch = "Launch changes the bits of reduce/ticket (it does not claim otherwise).";
    let batch = "Batch changes the bits of reduce/ticket (it does not claim otherwise).";
    let load = "Load uncovered what repetition hid: reduce/atomic_block (1 → 18 distinct).";
    assert_eq!(findings(&rows)[1..], [load, launch, batch]);
    // What claims nothing and kept still so far, on two devices.
    for row in rows.iter_mut().filter(|row| row.algorithm == "atomic_block") {
        if row.verdict == Verdict::Differs && row.perturbation < Perturbation::ReloadContext {
            observe(row, 0, 0);
        }
    }
    let both = [rows.clone(), at(rows.clone(), "cuda:0", "GPU")].concat();
    let told = findings(&both);
    assert!(told.iter().any(|finding| finding
        == "Reload:context changes the bits of reduce/atomic_block on cpu and reduce/atomic_block on cuda:0 (they \
            do not claim otherwise)."));
    assert!(!told.iter().any(|finding| finding.starts_with("Reload:process")), "{told:?}");
    // Others' code is told by its name.
    let told = findings(&by(ladder(), "numpy", "threads=1")).join("\n");
    assert!(told.contains("Launch changes the bits of numpy reduce/ticket [threads=1] (it"), "{told}");
}

/// What follows the launch, the batch or the compiler does not vary from run to run.
#[test]
fn headlines_do_not_count_what_no_run_to_run_claim_covers() {
    let rows = ladder();
    let headline = &Report::new(&rows, false).sections[0].headline;
    assert!(
        headline.starts_with("Here 1 of 3 ways to sum changes its bits from run to run; the fastest that")
    );
    assert!(headline.ends_with("that does not costs nothing: it is the fastest."), "{headline}");
    let mut rows: Vec<_> = rows.into_iter().filter(|row| row.algorithm == "ticket").collect();
    let free = |row: &mut Measurement| row.guarantee = Guarantee::NotGuaranteed;
    rows.iter_mut().for_each(free);
    let quiet = on(rows.clone(), "huge", "n=1073741824");
    let headline = &Report::new(&rows, false).sections[0].headline;
    assert!(
        headline.starts_with("Here the one way to sum that was measured was not seen to change"),
        "{headline}"
    );
    // Nor does it make its workload the telling one.
    let mut telling = ladder();
    telling.extend(quiet);
    assert_eq!(Report::new(&telling, false).sections[0].blocks[0].problem, "sum of 2^24, f32, wide");
}

#[test]
fn variants_that_failed_alike_are_counted() {
    let mut rows = ladder();
    for row in rows.iter_mut().filter(|row| row.algorithm == "ticket") {
        if matches!(row.perturbation, Perturbation::Launch | Perturbation::ReloadContext) {
            (row.verdict, row.note) = (Verdict::Failed, "out of memory".to_owned());
        }
    }
    let row = under(&mut rows, "fixed_tree", Perturbation::Launch).clone();
    let failed = Measurement { verdict: Verdict::Failed, ..row };
    rows.extend(variants(&failed, &["sm=9"]));
    assert_eq!(
        Report::new(&rows, false).failures,
        [
            "reduce/fixed_tree on cpu, sum of 2^24, f32, wide, under launch sm=9: no reason is noted",
            "reduce/ticket on cpu, sum of 2^24, f32, wide, under launch (3 variants) and reload:context: out of \
             memory"
        ]
    );
}
