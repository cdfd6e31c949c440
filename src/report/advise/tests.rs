//! Advice from made-up rows, as snapshots to be read by eye; and decisions one by one.

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::advise::model::{Advice, Decision, Demand, Fitness};
use crate::report::advise::terminal::{Options, render};
use crate::report::tests::rows::{at, by, ladder, on, pair, row, typical};
use crate::report::wrap;
use crate::requirement::Requirement;
use crate::statistics::p_upper_95;
use crate::verdict::Verdict;

fn demand(require: &str) -> Demand {
    Demand { require: Requirement::parse_list(require).unwrap(), max_tax: None, max_p: 0.01 }
}

/// Rows as a run keeps them: each with an id, and as often executed as told.
fn kept(mut rows: Vec<Measurement>, run: &str, comparisons: u64) -> Vec<Measurement> {
    for row in &mut rows {
        run.clone_into(&mut row.run_id);
        row.environment = format!("environment of {run}");
        row.row_id = row.id();
        if row.is_observed() {
            row.comparisons = Some(comparisons);
            row.p_upper_95 = row.differing.map(|differing| p_upper_95(differing, comparisons));
            row.input_digest = format!("inputs of {}", row.workload);
            if row.digest.is_empty() {
                row.digest = format!("bits of {}", row.algorithm);
            }
        }
    }
    rows
}

fn h200(rows: Vec<Measurement>) -> Vec<Measurement> {
    kept(at(rows, "cuda:0", "NVIDIA H200"), "first", 299)
}

fn l4(rows: Vec<Measurement>) -> Vec<Measurement> {
    kept(at(rows, "cuda:0", "NVIDIA L4"), "second", 299)
}

/// PyTorch under one setting.
fn torch(name: &str, setting: &str, differing: [u64; 2], ns: u64) -> Vec<Measurement> {
    by(pair(name, Guarantee::NotGuaranteed, differing, ns), "torch", setting)
}

fn settings() -> Vec<Measurement> {
    let (off, on, slow) =
        ("deterministic=0;threads=2", "deterministic=1;threads=2", "deterministic=0;threads=1");
    let mut refused = torch("cumsum", on, [0, 0], 1_000);
    for row in &mut refused {
        (row.verdict, row.comparisons, row.median_ns) = (Verdict::Skipped, None, None);
        row.note = "refused by torch: cumsum_cuda_kernel has no deterministic implementation".to_owned();
    }
    let mut summed_otherwise = torch("sum", slow, [0, 0], 9_000_000);
    summed_otherwise.iter_mut().for_each(|row| row.digest = "other bits".to_owned());
    [
        torch("sum", off, [0, 0], 5_000_000),
        torch("sum", on, [0, 0], 5_010_000),
        summed_otherwise,
        torch("matmul", off, [0, 0], 7_000_000),
        torch("matmul", on, [0, 0], 7_020_000),
        torch("index_add", off, [31, 30], 1_000_000),
        torch("index_add", on, [0, 0], 4_400_000),
        torch("cumsum", off, [0, 2], 1_000_000),
        refused,
    ]
    .concat()
}

fn shown(rows: &[Measurement], demand: Demand, width: usize, all: bool) -> String {
    let text = render(&Advice::new(rows, demand), Options { all, width, colour: false });
    for line in text.lines() {
        // A command's argument is not broken.
        assert!(wrap::width(line) <= width || line.starts_with("    "), "more than {width} columns: {line}");
        assert_eq!(line, line.trim_end(), "white space at the end of a line");
    }
    text
}

fn fitness(rows: &[Measurement], demand: Demand, name: &str) -> Fitness {
    let advice = Advice::new(rows, demand);
    let found =
        advice.choices[0].candidates.iter().find(|candidate| candidate.way.algorithm == name).unwrap();
    found.fitness
}

#[test]
fn two_gpus_and_a_framework() {
    let rows = [h200([typical(), settings()].concat()), l4(typical())].concat();
    let demand = Demand { max_tax: Some(0.1), ..demand("repeat,load,device") };
    insta::assert_snapshot!(shown(&rows, demand.clone(), 120, false));
    insta::assert_snapshot!("two_gpus_all", shown(&rows, demand.clone(), 120, true));
    insta::assert_snapshot!("two_gpus_narrow", shown(&rows, demand.clone(), 70, false));
    // Nothing breaks the longest name of a setting.
    for width in 80..140 {
        shown(&rows, demand.clone(), width, false);
    }
}

#[test]
fn a_quick_run_decides_nothing_and_says_what_would() {
    let rows = kept(typical(), "quick", 31);
    insta::assert_snapshot!(shown(&rows, demand("repeat,reload"), 120, false));
    assert!(!Advice::new(&rows, demand("repeat,reload")).is_decided());
}

#[test]
fn the_whole_ladder() {
    let rows = h200(ladder());
    insta::assert_snapshot!(shown(&rows, demand("repeat,load,launch,batch,reload"), 120, false));
    let advice = Advice::new(&rows, demand("repeat,reload"));
    let Decision::Use(best) = advice.choices[0].decision() else { panic!("{:?}", advice.choices[0]) };
    assert_eq!(best.way.algorithm, "ticket", "the fastest that is the same after a reload");
    // What has no modules to reload is not asked for them, and process and checkpoint count.
    assert_eq!(best.support().comparisons, 299 * (1 + 2 + 1 + 1 + 1));
}

#[test]
fn compiling_again_is_only_required_by_name() {
    let mut rows = h200(ladder());
    for row in &mut rows {
        if row.perturbation == Perturbation::ReloadRecompile && row.algorithm == "ticket" {
            (row.verdict, row.differing) = (Verdict::Differs, Some(3));
        }
    }
    assert_eq!(fitness(&rows, demand("reload"), "ticket"), Fitness::Fit);
    assert_eq!(fitness(&rows, demand("reload:recompile"), "ticket"), Fitness::Unfit);
    assert_eq!(fitness(&rows, demand("reload:recompile"), "fixed_tree"), Fitness::Fit);
}

#[test]
fn one_difference_anywhere_is_enough_against_a_claim() {
    let rows = h200(ladder());
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| row.algorithm == "fixed_tree") {
        if !row.is_observed() {
            continue;
        }
        let mut broken = rows.clone();
        (broken[place].verdict, broken[place].differing) = (Verdict::Differs, Some(1));
        assert_eq!(fitness(&broken, demand("repeat"), "fixed_tree"), Fitness::Unfit, "{}", row.perturbation);
    }
}

#[test]
fn rows_of_an_older_kernel_are_no_evidence() {
    let mut old = h200(ladder());
    let mut new = kept(at(ladder(), "cuda:0", "NVIDIA H200"), "later", 8);
    for (rows, kernel, day) in [(&mut old, "old", 1), (&mut new, "new", 2)] {
        for row in rows.iter_mut() {
            row.environment = "one".to_owned();
            row.kernel = kernel.to_owned();
            row.timestamp = format!("2026-01-0{day}T00:00:00Z");
        }
    }
    assert_eq!(fitness(&old, demand("repeat"), "fixed_tree"), Fitness::Fit);
    let both = [old.clone(), new].concat();
    assert_eq!(fitness(&both, demand("repeat"), "fixed_tree"), Fitness::Open);
    let twice = [old.clone(), old].concat();
    let advice = Advice::new(&twice, demand("repeat"));
    assert_eq!(advice.choices[0].candidates[0].support().comparisons, 299, "a copy of a row counts once");
}

#[test]
fn a_limit_within_the_interval_is_not_decided() {
    // Times have intervals of −1 % to +2 %.
    let of = |ns| {
        h200(
            [
                pair("fixed_tree", Guarantee::GpuToGpu, [0, 0], ns),
                pair("ticket", Guarantee::RunToRun, [0, 0], 1_000_000),
            ]
            .concat(),
        )
    };
    let limited = |tax| Demand { max_tax: Some(tax), ..demand("launch,repeat") };
    let repeat = |tax| Demand { max_tax: Some(tax), ..demand("repeat") };
    for (ns, fate) in [(1_000_000, Fitness::Fit), (1_050_000, Fitness::Open), (1_090_000, Fitness::Unfit)] {
        assert_eq!(fitness(&of(ns), repeat(0.05), "fixed_tree"), fate, "{ns}");
    }
    assert_eq!(fitness(&of(1_000_000), limited(0.05), "ticket"), Fitness::Unfit, "launch is not claimed");
    let mut untimed = of(1_000_000);
    untimed.iter_mut().for_each(|row| row.median_ns = None);
    assert_eq!(fitness(&untimed, repeat(0.05), "fixed_tree"), Fitness::Open);
    assert_eq!(fitness(&untimed, demand("repeat"), "fixed_tree"), Fitness::Fit);
}

#[test]
fn another_run_with_other_bits_contradicts() {
    let first = h200(pair("ticket", Guarantee::RunToRun, [0, 0], 1_000));
    let mut second =
        kept(at(pair("ticket", Guarantee::RunToRun, [0, 0], 1_000), "cuda:0", "NVIDIA H200"), "again", 299);
    for row in &mut second {
        row.environment.clone_from(&first[0].environment);
    }
    assert_eq!(fitness(&[first.clone(), second.clone()].concat(), demand("repeat"), "ticket"), Fitness::Fit);
    second.iter_mut().for_each(|row| row.digest = "other".to_owned());
    assert_eq!(fitness(&[first, second].concat(), demand("repeat"), "ticket"), Fitness::Unfit);
}

#[test]
fn hostile_names_do_nothing_to_a_terminal() {
    let mut rows = h200([typical(), settings()].concat());
    for row in &mut rows {
        row.device_kind = "GPU \x1b[2J\u{202e}".to_owned();
        row.workload.push_str("\x1b]0;title\x07");
        if row.verdict == Verdict::Skipped {
            row.note = "note \x1b[31m".to_owned();
        }
    }
    for require in ["repeat,load,device", "reload"] {
        let text = shown(&rows, demand(require), 120, true);
        assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text}");
    }
}

#[test]
fn only_others_code_leaves_nothing_to_choose() {
    let rows = h200(settings());
    let advice = Advice::new(&rows, demand("repeat"));
    assert!(advice.choices.is_empty());
    assert!(shown(&rows, demand("repeat"), 100, false).contains("nothing to choose from"));
    let skipped =
        kept(on(vec![row("ticket", Guarantee::RunToRun, Perturbation::Repeat)], "w", "n=8"), "r", 31);
    let text = shown(&skipped, demand("repeat"), 100, false);
    assert!(text.contains("reduce: 1 more workload was executed on no device"), "{text}");
}
