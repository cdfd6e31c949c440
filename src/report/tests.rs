//! Reports on made-up rows, as snapshots to be read by eye.

mod ladder;
pub(crate) mod rows;

use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::model::Report;
use crate::report::terminal::{Options, render};
use crate::report::{markdown, wrap};
use crate::tensor::Dtype;
use crate::verdict::Verdict;
use rows::{at, by, gaps, observe, on, pair, row, time, typical};

fn shown(rows: &[Measurement], width: usize) -> String {
    let text = render(rows, &Options { all: false, width, colour: false, results: None });
    for line in text.lines() {
        assert!(wrap::width(line) <= width, "more than {width} columns: {line}");
        assert_eq!(line, line.trim_end(), "white space at the end of a line");
    }
    text
}

fn without_timing(mut rows: Vec<Measurement>) -> Vec<Measurement> {
    for row in &mut rows {
        (row.samples, row.median_ns, row.throughput, row.percent_of_limit) = (None, None, None, None);
    }
    rows
}

/// `fixed_tree` breaks its claim under load.
fn broken() -> Vec<Measurement> {
    let mut rows = typical();
    let is_it =
        |row: &&mut Measurement| row.algorithm == "fixed_tree" && row.perturbation == Perturbation::Load;
    if let Some(row) = rows.iter_mut().find(is_it) {
        observe(row, 1, 4);
    }
    rows
}

#[test]
fn a_typical_run() {
    insta::assert_snapshot!(shown(&typical(), 120));
}

#[test]
fn a_typical_run_with_every_workload_and_results() {
    let options = Options { all: true, width: 120, colour: false, results: Some("results/a-run".to_owned()) };
    insta::assert_snapshot!(render(&typical(), &options));
}

#[test]
fn a_typical_run_in_markdown() {
    insta::assert_snapshot!(markdown::render(&typical(), false));
}

#[test]
fn a_narrow_terminal() {
    insta::assert_snapshot!(shown(&typical(), 60));
    for width in 24..140 {
        shown(&typical(), width);
    }
}

#[test]
fn a_broken_claim() {
    insta::assert_snapshot!(shown(&broken(), 120));
    insta::assert_snapshot!("a_broken_claim_narrow", shown(&broken(), 60));
    insta::assert_snapshot!("a_broken_claim_in_markdown", markdown::render(&broken(), false));
}

#[test]
fn a_broken_claim_tells_how_much_differs() {
    let mut rows = on(pair("ticket", Guarantee::RunToRun, [3, 0], 1), "odd name's", "r=64;c=4096");
    rows[0].comparisons = Some(299);
    (rows[0].v_c, rows[0].first_difference, rows[0].max_ulp) = (Some(0.015_625), Some(17), None);
    let broken = Report::new(&rows, false).broken.remove(0);
    assert_eq!(
        broken.what,
        "reduce/ticket (run_to_run) differs under repeat on cpu, row sums of 64×2^12, f32, wide: \
         3 of 299 executions, 1.6 % of the elements of sum, a number against a NaN"
    );
    assert_eq!(broken.first.as_deref(), Some("first at sum[17]"));
    assert_eq!(
        broken.command.join(" "),
        r"samebits run --device cpu --filter '^reduce/ticket odd name'\''s$' --perturb repeat --profile full --executions 300 --seed 7"
    );
}

#[test]
fn failed_rows() {
    let mut rows = typical();
    for row in rows.iter_mut().filter(|row| row.algorithm == "ticket" && row.shape == "n=16777216") {
        *row = Measurement {
            verdict: Verdict::Failed,
            note: "sum[0] was never written".to_owned(),
            ..rows::row("ticket", Guarantee::RunToRun, row.perturbation)
        };
    }
    insta::assert_snapshot!(shown(&rows, 120));
}

#[test]
fn nothing_differs() {
    let mut rows = pair("fixed_tree", Guarantee::GpuToGpu, [0, 0], 4_000_000);
    rows.extend(pair("atomic_block", Guarantee::NotGuaranteed, [0, 0], 3_900_000));
    rows.iter_mut().for_each(|row| row.remark("no power"));
    insta::assert_snapshot!(shown(&rows, 120));
    insta::assert_snapshot!("nothing_differs_in_markdown", markdown::render(&rows, false));
}

#[test]
fn what_is_certified_is_told() {
    let certified = |certificates: &[(&str, &str)]| {
        let mut rows = without_timing(typical());
        for row in &mut rows {
            let known = certificates.iter().find(|(name, _)| *name == row.algorithm);
            if let (Some((_, remark)), Perturbation::Load) = (known, row.perturbation) {
                row.remark(remark);
            }
        }
        let text = shown(&rows, 1000);
        text.lines().find(|line| line.contains("it is proved")).map(str::to_owned)
    };
    let (yes, no) =
        ("certificate: independent of the schedule", "certificate: none, depends on the schedule");
    assert_eq!(certified(&[]), None);
    let line = certified(&[("fixed_tree", yes), ("atomic_block", no)]).unwrap();
    assert!(
        line.starts_with("On cpu, of reduce/fixed_tree it is proved")
            && line.ends_with("not of reduce/atomic_block."),
        "{line}"
    );
    let line = certified(&[("fixed_tree", no)]).unwrap();
    assert!(line.starts_with("On cpu, of none of reduce/fixed_tree it is proved"), "{line}");
}

#[test]
fn no_timing() {
    insta::assert_snapshot!(shown(&without_timing(typical()), 120));
}

#[test]
fn several_devices() {
    let mut rows = at(typical(), "cuda:0", "Made-up GPU");
    for row in rows.iter_mut().filter(|row| row.median_ns.is_some()) {
        row.remark("noisy");
    }
    rows.extend(typical());
    insta::assert_snapshot!(shown(&rows, 120));
    insta::assert_snapshot!("several_devices_in_markdown", markdown::render(&rows, false));
}

#[test]
fn everything_skipped() {
    let mut rows: Vec<_> = Perturbation::OF_HARDWARE.map(|p| row("ticket", Guarantee::RunToRun, p)).into();
    rows.iter_mut().for_each(|row| row.remark("memory: needs 9.0 GiB, 4.0 GiB are free on the host"));
    insta::assert_snapshot!(shown(&rows, 120));
}

#[test]
fn no_rows() {
    assert_eq!(shown(&[], 120), "Nothing was measured: there are no rows to report on.\n");
    assert_eq!(markdown::render(&[], false), "Nothing was measured: there are no rows to report on.\n");
}

/// Operations, engines and settings that this program does not know yet.
#[test]
fn the_unknown() {
    let mut rows = pair("tiled", Guarantee::GpuToGpu, [0, 0], 2_000_000);
    rows.extend(pair("split_k_atomic", Guarantee::NotGuaranteed, [31, 31], 1_000_000));
    for setting in ["tf32=0", "tf32=1"] {
        let mut foreign =
            pair("gemm", Guarantee::RunToRun, [0, 0], if setting == "tf32=1" { 90_000 } else { 1_000_000 });
        for row in &mut foreign {
            "cublas".clone_into(&mut row.engine);
            setting.clone_into(&mut row.setting);
        }
        rows.extend(foreign);
    }
    for row in &mut rows {
        "conv3d".clone_into(&mut row.operation);
        "m=128;n=128;k=4096".clone_into(&mut row.shape);
        "GFLOP/s".clone_into(&mut row.throughput_unit);
        if row.verdict == Verdict::Differs {
            row.max_ulp = None;
        }
    }
    insta::assert_snapshot!(shown(&rows, 120));
}

#[test]
fn colour_only_adds() {
    for rows in [typical(), broken()] {
        let options = Options { all: false, width: 100, colour: true, results: None };
        let coloured = render(&rows, &options);
        assert!(coloured.contains("\x1b[1mHere") && coloured.contains("\x1b[33m17 of 31 differ\x1b[0m"));
        let mut plain = String::new();
        for (index, part) in coloured.split('\x1b').enumerate() {
            let end = if index == 0 { 0 } else { part.find('m').map_or(0, |end| end + 1) };
            plain.push_str(&part[end..]);
        }
        assert_eq!(plain, render(&rows, &Options { colour: false, ..options }));
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let mut reversed = broken();
    reversed.reverse();
    let (there, back) = (Report::new(&broken(), true), Report::new(&reversed, true));
    assert_eq!((there.sections, there.findings), (back.sections, back.findings));
}

#[test]
fn the_most_telling_workload_is_shown() {
    // Larger, but of another type or distribution, or with nothing that varies, or skipped.
    let mut rows = typical();
    let huge = || on(pair("atomic_block", Guarantee::NotGuaranteed, [31, 31], 9), "huge", "n=1073741824");
    let mut half = huge();
    half.iter_mut().for_each(|row| row.dtype = Dtype::F16);
    let mut uniform = on(huge(), "uniform", "n=1073741824");
    uniform.iter_mut().for_each(|row| row.input = Distribution::Uniform);
    let steady = on(pair("atomic_block", Guarantee::NotGuaranteed, [0, 0], 9), "steady", "n=1073741824");
    let skipped: Vec<_> = typical().iter().map(|r| row(&r.algorithm, r.guarantee, r.perturbation)).collect();
    let skipped = on(skipped, "skipped", "n=4294967296");
    rows.extend([half, uniform, steady, skipped].concat());
    let report = Report::new(&rows, false);
    let problems: Vec<_> = report.sections.iter().flat_map(|s| &s.blocks).map(|b| &b.problem).collect();
    assert_eq!(problems, ["sum of 2^24, f32, wide"]);
}

#[test]
fn headlines_count_in_good_grammar() {
    let told = |algorithms: &[(Guarantee, [u64; 2], u64)]| {
        let mut rows = Vec::new();
        for (index, (guarantee, differing, ns)) in algorithms.iter().enumerate() {
            rows.extend(pair(&format!("a{index}"), *guarantee, *differing, *ns));
        }
        Report::new(&rows, false).sections.remove(0).headline
    };
    let (free, bound) = (Guarantee::NotGuaranteed, Guarantee::RunToRun);
    let headlines = [
        told(&[(free, [1, 0], 100_000), (bound, [0, 0], 150_000)]),
        told(&[(free, [1, 0], 100_000), (free, [0, 9], 100_000), (bound, [0, 0], 90_000)]),
        told(&[(free, [1, 0], 100_000), (free, [0, 0], 90_000), (bound, [0, 0], 2_000_000)]),
        told(&[(free, [1, 0], 100_000), (free, [2, 2], 100_000)]),
        told(&[(free, [1, 0], 100_000)]),
        told(&[(bound, [0, 0], 100_000)]),
        told(&[(bound, [0, 0], 100_000), (bound, [0, 0], 100_000)]),
    ];
    insta::assert_snapshot!(headlines.join("\n"));
}

#[test]
fn load_is_credited_only_with_what_it_did() {
    let found = |differing, distinct: [u64; 2]| {
        let mut rows = pair("atomic_block", Guarantee::NotGuaranteed, differing, 100_000);
        for (row, distinct) in rows.iter_mut().zip(distinct) {
            row.distinct = Some(distinct);
        }
        Report::new(&rows, false).findings.join("\n")
    };
    assert_eq!(
        found([0, 9], [1, 5]),
        "Load uncovered what repetition hid: reduce/atomic_block (1 → 5 distinct)."
    );
    assert_eq!(
        found([9, 9], [2, 5]),
        "Load brought out more results than repetition: reduce/atomic_block (2 → 5 distinct)."
    );
    assert_eq!(found([9, 9], [5, 6]), "");
    assert_eq!(found([9, 0], [5, 1]), "");
}

/// Gaps stand below the block of their problem, and nothing else counts them.
#[test]
fn gaps_are_shown_and_are_no_ways() {
    let rows = [gaps(), typical()].concat();
    insta::assert_snapshot!(shown(&rows, 120));
    insta::assert_snapshot!("gaps_in_markdown", markdown::render(&rows, false));
    insta::assert_snapshot!("gaps_on_a_narrow_terminal", shown(&rows, 60));
    let (with, without) = (Report::new(&rows, false), Report::new(&typical(), false));
    let mut blocks = with.sections[0].blocks.clone();
    assert_eq!(blocks[0].gaps.len(), 4);
    blocks[0].gaps.clear();
    assert_eq!(blocks, without.sections[0].blocks);
    assert_eq!(with.sections[0].headline, without.sections[0].headline);
    assert_eq!((&with.captions, &with.findings), (&without.captions, &without.findings));
    assert_eq!((&with.prices, &with.skipped), (&without.prices, &without.skipped));
    assert_eq!((with.commonest_same, with.is_quick), (without.commonest_same, without.is_quick));
    assert_eq!((with.broken, with.failures), (without.broken, without.failures));
    for width in 24..140 {
        shown(&rows, width);
    }
}

#[test]
fn a_gap_that_failed_is_told() {
    let mut rows = [gaps(), typical()].concat();
    rows[0].verdict = Verdict::Failed;
    rows[0].note = "out of memory".to_owned();
    let failures = Report::new(&rows, false).failures;
    assert_eq!(
        failures,
        ["reduce/fixed_tree [gap=semantic;against=mean] on cpu, sum of 2^24, f32, wide, under repeat: \
          out of memory"]
    );
    assert!(shown(&rows[..5], 120).starts_with("Here none of the ways to sum of this program was measured."));
}

/// The code of others stands beside the program's own, and the headline and the price are not about it.
#[test]
fn others_code_is_no_way_of_ours() {
    let steady = by(pair("sum", Guarantee::NotGuaranteed, [0, 0], 4_000_000), "numpy", "threads=1");
    let moving = by(pair("sum", Guarantee::NotGuaranteed, [3, 31], 9_000_000), "torch", "");
    let rows = [typical(), steady.clone(), moving.clone()].concat();
    insta::assert_snapshot!(shown(&rows, 120));
    let (with, without) = (Report::new(&rows, false), Report::new(&typical(), false));
    assert_eq!(with.prices, without.prices);
    let alone = Report::new(&[typical(), steady.clone()].concat(), false);
    assert_eq!(alone.sections[0].headline, without.sections[0].headline);
    let only = Report::new(&[steady, moving].concat(), false);
    assert_eq!(
        only.sections[0].headline,
        "Here none of the ways to sum of this program was measured. Of the code of others, torch sum \
         changes its bits from run to run."
    );
}

/// What peers alone compute is not missed of ours.
#[test]
fn an_operation_of_others_alone_is_about_them() {
    let rows = |differing| {
        let mut rows =
            by(pair("index_add", Guarantee::NotGuaranteed, differing, 9_000_000), "torch", "deterministic=0");
        rows.iter_mut().for_each(|row| row.operation = "index_add".to_owned());
        rows
    };
    let headline = |rows: &[Measurement]| Report::new(rows, false).sections[0].headline.clone();
    let steady = "Here no way of others to add rows by an index was seen to change its bits from run to run.";
    assert_eq!(headline(&rows([0, 0])), steady);
    let moving = headline(&rows([3, 0]));
    assert!(
        moving.starts_with("Here of the ways of others to add rows by an index, torch index_add"),
        "{moving}"
    );
    let mut refused = rows([0, 0]);
    refused.iter_mut().for_each(|row| row.verdict = Verdict::Skipped);
    assert_eq!(headline(&refused), "Here no way of others to add rows by an index could be measured.");
}

/// Others' code that varies does not make its workload the telling one.
#[test]
fn only_our_canaries_tell() {
    let varying = by(pair("sum", Guarantee::NotGuaranteed, [31, 31], 9), "torch", "");
    let mut rows = on(varying, "huge", "n=1073741824");
    rows.extend(typical());
    let report = Report::new(&rows, false);
    assert_eq!(report.sections[0].blocks[0].problem, "sum of 2^24, f32, wide");
}

#[test]
fn a_skipped_claim_is_not_said_to_hold() {
    let mut rows = pair("ticket", Guarantee::RunToRun, [0, 0], 100_000);
    rows.extend(Perturbation::OF_HARDWARE.map(|p| row("two_pass", Guarantee::RunToRun, p)));
    let findings = Report::new(&rows, false).findings.join("\n");
    assert!(findings.starts_with("Every claim that was tested held"), "{findings}");
    let mut alone = pair("atomic_block", Guarantee::NotGuaranteed, [0, 0], 100_000);
    time(&mut alone[0], 5);
    assert_eq!(Report::new(&alone, false).findings, Vec::<String>::new());
}
