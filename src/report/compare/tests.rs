//! Comparisons of made-up rows of three devices, as snapshots to be read by eye; and what letters mean.

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::ratio::Ratio;
use crate::report::compare::model::{Comparison, Mark};
use crate::report::compare::terminal::{Options, render};
use crate::report::compare::{csv, markdown};
use crate::report::tests::rows::{at, by, gap, ladder, observe, on, pair, row, under, variants};
use crate::report::wrap;
use crate::tensor::Dtype;
use crate::verdict::Verdict;

mod choices;
mod doubts;

const KINDS: [(&str, &str); 3] =
    [("cuda:0", "NVIDIA H200"), ("cuda:0", "NVIDIA L4"), ("cpu", "Intel(R) Xeon(R) Processor, 2 cores")];

/// Rows of `device`, whose bits are those called `bits`, from one run.
fn from(mut rows: Vec<Measurement>, device: usize, bits: &str) -> Vec<Measurement> {
    let (name, kind) = KINDS[device];
    rows = at(rows, name, kind);
    for row in &mut rows {
        row.environment = format!("{device}{device}{device}a5b6c7d8e9");
        row.run_id = format!("2026-01-0{}T120000Z", device + 1);
        row.timestamp = format!("2026-01-0{}T12:00:00Z", device + 1);
        row.kernel = if name == "cpu" { "c0de".to_owned() } else { "9000".to_owned() };
        if row.verdict != Verdict::Skipped {
            row.input_digest = format!("in-{}-{}", row.workload, row.seed);
            row.digest = bits.to_owned();
        }
    }
    rows
}

/// A run on one device: one algorithm whose bits every device has, one that follows the device, one
/// that varies, and one that is skipped or absent.
fn run(device: usize) -> Vec<Measurement> {
    let speed = [100, 30, 1][device];
    let at_speed = |ns: u64| ns * 100 / speed;
    let own = ["d1", "d2", "d3"][device];
    let (free, bound, everywhere) = (Guarantee::NotGuaranteed, Guarantee::RunToRun, Guarantee::GpuToGpu);
    let mut rows = [
        from(pair("fixed_tree", everywhere, [0, 0], at_speed(16_000)), device, "tree"),
        from(pair("two_pass", bound, [0, 0], at_speed(15_000)), device, own),
        from(pair("ticket", bound, [0, 0], at_speed(15_500)), device, own),
        from(pair("atomic_block", free, [0, 17], at_speed(15_200)), device, own),
    ]
    .concat();
    if device < 2 {
        let mut skipped: Vec<_> = Perturbation::OF_HARDWARE.map(|p| row("atomic_element", free, p)).into();
        skipped.iter_mut().for_each(|row| row.remark("contended"));
        rows.extend(from(skipped, device, ""));
    }
    let mut half = on(rows.clone(), "rows-f16", "r=64;c=4096");
    for row in &mut half {
        row.dtype = Dtype::F16;
        if row.verdict != Verdict::Skipped {
            row.input_digest = "in-half".to_owned();
        }
    }
    // f16 stands first in the rows, and last in the comparison.
    [half, rows].concat()
}

fn fleet() -> Vec<Measurement> {
    (0..3).flat_map(run).collect()
}

fn shown(rows: &[Measurement], width: usize) -> String {
    let text = render(&Comparison::new(rows), Options { width, colour: false });
    for line in text.lines() {
        assert!(wrap::width(line) <= width, "more than {width} columns: {line}");
        assert_eq!(line, line.trim_end(), "white space at the end of a line");
    }
    text
}

fn csv_of(rows: &[Measurement]) -> String {
    csv::render(&Comparison::new(rows)).unwrap()
}

/// The marks of a way on the first problem, by column; blank where it was not measured.
fn marks(rows: &[Measurement], algorithm: &str) -> Vec<String> {
    let comparison = Comparison::new(rows);
    let line = comparison.blocks[0].lines.iter().find(|line| line.name == algorithm).unwrap();
    let mark = |place| line.cells.get(&place).map_or_else(String::new, |cell| cell.mark.text());
    (0..comparison.devices.len()).map(mark).collect()
}

#[test]
fn three_devices() {
    insta::assert_snapshot!(shown(&fleet(), 120));
    insta::assert_snapshot!("three_devices_in_markdown", markdown::render(&Comparison::new(&fleet())));
    insta::assert_snapshot!("three_devices_in_csv", csv_of(&fleet()));
    assert!(!Comparison::new(&fleet()).is_unmet());
}

#[test]
fn devices_that_do_not_fit_are_named_and_no_row_is_wrapped() {
    insta::assert_snapshot!("three_devices_narrow", shown(&fleet(), 70));
    for width in 24..140 {
        shown(&fleet(), width);
    }
}

#[test]
fn letters_say_who_gave_the_same_bits() {
    let rows = fleet();
    assert_eq!(marks(&rows, "fixed_tree"), ["A", "A", "A"]);
    assert_eq!(marks(&rows, "two_pass"), ["B", "C", "D"]);
    assert_eq!(marks(&rows, "ticket"), ["B", "C", "D"]);
    assert_eq!(marks(&rows, "atomic_block"), ["~", "~", "~"]);
    assert_eq!(marks(&rows, "atomic_element"), ["skipped", "skipped", ""]);
}

/// Letters are equal exactly where the bits are, over many assignments of few digests.
#[test]
fn equal_letters_are_equal_bits() {
    let mut state = 1u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..200 {
        let mut rows = Vec::new();
        for device in 0..3 {
            for algorithm in ["fixed_tree", "two_pass", "ticket", "atomic_block"] {
                let mut one = from(pair(algorithm, Guarantee::NotGuaranteed, [0, 0], 9), device, "");
                let (bits, accumulators) = (next(3).to_string(), next(2).to_string());
                for row in &mut one {
                    (row.digest, row.accumulator_digest) = (bits.clone(), accumulators.clone());
                }
                rows.extend(one);
            }
        }
        let comparison = Comparison::new(&rows);
        let cells: Vec<_> = comparison.blocks[0].lines.iter().flat_map(|line| line.cells.values()).collect();
        assert_eq!(cells.len(), 12);
        for a in &cells {
            assert!(matches!(a.mark, Mark::Letter(_)));
            for b in &cells {
                let same =
                    (&a.row.digest, &a.row.accumulator_digest) == (&b.row.digest, &b.row.accumulator_digest);
                assert_eq!(a.mark == b.mark, same);
            }
        }
        // The first letters come first.
        assert_eq!(cells[0].mark, Mark::Letter(0));
    }
}

#[test]
fn a_claim_across_devices_is_seen_broken() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device_kind == "NVIDIA L4") {
        if row.algorithm == "fixed_tree" {
            row.digest = "other".to_owned();
        }
    }
    insta::assert_snapshot!(shown(&rows, 120));
    insta::assert_snapshot!("a_claim_across_devices_in_markdown", markdown::render(&Comparison::new(&rows)));
    let comparison = Comparison::new(&rows);
    assert!(comparison.is_unmet());
    assert_eq!(comparison.broken.len(), 1, "one line for both workloads");
    // A narrower claim does not cover another device.
    for row in rows.iter_mut().filter(|row| row.algorithm == "fixed_tree") {
        row.guarantee = Guarantee::RunToRun;
    }
    assert!(!Comparison::new(&rows).is_unmet());
}

#[test]
fn only_the_f32_store_differs_and_that_is_a_broken_claim_too() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.algorithm == "fixed_tree") {
        row.accumulator_digest = if row.device == "cpu" { "x" } else { "y" }.to_owned();
    }
    assert_eq!(marks(&rows, "fixed_tree"), ["A", "A", "B"]);
    assert!(Comparison::new(&rows).is_unmet());
}

#[test]
fn a_claim_on_one_device_is_seen_broken() {
    let mut rows = fleet();
    let load = |row: &&mut Measurement| {
        row.algorithm == "ticket" && row.perturbation == Perturbation::Load && row.device == "cpu"
    };
    rows.iter_mut().filter(load).for_each(|row| observe(row, 1, 4));
    let comparison = Comparison::new(&rows);
    assert_eq!(comparison.broken.len(), 1);
    assert!(
        comparison.broken[0].what.starts_with(
            "reduce/ticket (run_to_run) differs under load on Intel Xeon Processor, 2 cores, sum of 2^24"
        ) || comparison.broken[0].what.contains("row sums of 64×2^12"),
        "{}",
        comparison.broken[0].what
    );
    assert!(comparison.broken[0].what.ends_with("; and so in 1 more row"), "{}", comparison.broken[0].what);
    assert_eq!(marks(&rows, "ticket"), ["B", "C", "~"]);
}

/// Two runs on one device whose bits differ, although each saw none change.
#[test]
fn a_claim_between_runs_is_seen_broken() {
    let first = from(pair("ticket", Guarantee::RunToRun, [0, 0], 9), 0, "old");
    let mut second = from(pair("ticket", Guarantee::RunToRun, [0, 0], 9), 0, "new");
    for row in &mut second {
        (row.run_id, row.timestamp) = ("later".to_owned(), "2026-02-01T00:00:00Z".to_owned());
    }
    let both = [first.clone(), second.clone()].concat();
    let comparison = Comparison::new(&both);
    assert_eq!(comparison.devices.len(), 1);
    assert_eq!(marks(&both, "ticket"), ["~"]);
    assert_eq!(
        comparison.broken[0].what,
        "reduce/ticket (run_to_run) gave other bits in another row of the same inputs and program on \
         NVIDIA H200, sum of 2^24, f32, wide"
    );
    // Other code may have other bits, and an algorithm that claims nothing too.
    let mut other_code = second.clone();
    other_code.iter_mut().for_each(|row| row.kernel = "8000".to_owned());
    assert!(!Comparison::new(&[first.clone(), other_code].concat()).is_unmet());
    let free: Vec<_> =
        both.iter().map(|row| Measurement { guarantee: Guarantee::NotGuaranteed, ..row.clone() }).collect();
    assert!(!Comparison::new(&free).is_unmet());
    assert_eq!(marks(&free, "ticket"), ["~"]);
}

#[test]
fn of_several_runs_the_newest_row_is_shown_whatever_their_order() {
    let old = from(pair("ticket", Guarantee::RunToRun, [0, 0], 1_000_000), 0, "bits");
    let mut new = from(pair("ticket", Guarantee::RunToRun, [0, 0], 500_000), 0, "bits");
    new.retain(|row| row.perturbation == Perturbation::Repeat);
    for row in &mut new {
        (row.run_id, row.timestamp) = ("later".to_owned(), "2026-02-01T00:00:00Z".to_owned());
    }
    for rows in [[old.clone(), new.clone()].concat(), [new, old].concat()] {
        let comparison = Comparison::new(&rows);
        let cell = &comparison.blocks[0].lines[0].cells[&0];
        assert_eq!(cell.timed.map(|row| row.run_id.as_str()), Some("later"));
        assert!(
            comparison.findings.contains(
                &"NVIDIA H200: of each key the newest row is shown, 1 of 2026-01-01T120000Z and 1 of later; \
              1 older one is not."
                    .to_owned()
            )
        );
    }
}

#[test]
fn other_inputs_get_no_letter_and_break_no_claim() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device == "cpu") {
        row.seed = 77;
        if !row.input_digest.is_empty() {
            row.input_digest.push_str("-77");
            row.digest.push_str("-77");
        }
    }
    assert_eq!(marks(&rows, "fixed_tree"), ["A", "A", "≠"]);
    assert_eq!(marks(&rows, "atomic_block"), ["~", "~", "~"]);
    assert!(!Comparison::new(&rows).is_unmet());
    assert!(shown(&rows, 120).contains("≠: measured on other inputs"));
    // A device that has both shows the inputs of the others, and says so.
    let both = [fleet(), rows.into_iter().filter(|row| row.device == "cpu").collect()].concat();
    assert_eq!(marks(&both, "fixed_tree"), ["A", "A", "A"]);
    assert!(shown(&both, 120).contains("2 cores: 16 more rows are of other inputs"), "{}", shown(&both, 120));
}

#[test]
fn what_failed_is_loud() {
    let mut rows = fleet();
    let is_it = |row: &&mut Measurement| row.algorithm == "two_pass" && row.device_kind == "NVIDIA L4";
    for row in rows.iter_mut().filter(is_it) {
        (row.verdict, row.note) = (Verdict::Failed, "out of\x1b[2J memory".to_owned());
    }
    let text = shown(&rows, 120);
    assert!(text.starts_with("FAILED: reduce/two_pass on NVIDIA L4, "), "{text}");
    assert!(text.contains(r"out of\u{1b}[2J memory; and so in 1 more workload"), "{text}");
    assert_eq!(marks(&rows, "two_pass"), ["B", "FAILED", "C"]);
    assert!(Comparison::new(&rows).is_unmet());
}

#[test]
fn gaps_stand_below_their_problem_without_letters() {
    let mut rows = fleet();
    for device in 0..2 {
        let found = if device == 0 { (0.123, 1.1e-8, 2) } else { (0.0, 0.0, 0) };
        rows.extend(from(vec![gap("algorithm", "fixed_tree", "ticket", found)], device, "tree"));
        rows.extend(from(vec![gap("rounding", "fixed_tree", "reference", (1.0, 0.1, 9))], device, "tree"));
    }
    insta::assert_snapshot!(shown(&rows, 120));
    insta::assert_snapshot!("gaps_in_a_comparison_in_csv", csv_of(&rows));
    let fleet = fleet();
    let (with, without) = (Comparison::new(&rows), Comparison::new(&fleet));
    for (with, without) in with.blocks.iter().zip(&without.blocks) {
        assert_eq!(with.lines.len(), without.lines.len());
    }
    assert!(!with.is_unmet());
}

#[test]
fn a_test_without_power_is_told() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device == "cpu" && row.verdict == Verdict::Same) {
        if row.perturbation == Perturbation::Load {
            row.remark("no power");
        }
    }
    assert!(Comparison::new(&rows).findings.contains(
        &"No power on Intel Xeon Processor, 2 cores: for reduce under load no algorithm that may vary was seen \
          to vary, so a missing ~ says little."
            .to_owned()
    ));
}

#[test]
fn devices_of_one_kind_are_told_apart() {
    let labels = |places: [(&str, &str, &str); 3]| {
        let mut rows = Vec::new();
        for (name, kind, environment) in places {
            let mut one = at(pair("ticket", Guarantee::RunToRun, [0, 0], 9), name, kind);
            one.iter_mut().for_each(|row| row.environment = environment.to_owned());
            rows.extend(one);
        }
        let comparison = Comparison::new(&rows);
        comparison.devices.iter().map(|device| device.label.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        labels([("cuda:0", "L4", "e1"), ("cuda:0", "H200", "e2"), ("cpu", "", "e1")]),
        ["L4", "H200", "cpu"]
    );
    assert_eq!(
        labels([("cuda:0", "L4", "e1"), ("cuda:1", "L4", "e1"), ("cuda:0", "L4", "e2")]),
        ["L4 cuda:0 e1", "L4 cuda:1", "L4 cuda:0 e2"]
    );
}

#[test]
fn others_code_has_a_tax_of_its_own() {
    let foreign = by(pair("sum", Guarantee::NotGuaranteed, [0, 0], 100), "numpy", "threads=1");
    let mut rows = fleet();
    rows.extend(from(foreign, 2, "numpy"));
    let comparison = Comparison::new(&rows);
    let line = comparison.blocks[0].lines.iter().find(|line| line.name == "numpy sum [threads=1]").unwrap();
    assert_eq!(line.cells[&2].tax, None, "the only one of its engine");
    let tax = |name: &str| comparison.blocks[0].lines.iter().find(|l| l.name == name).unwrap().cells[&2].tax;
    assert_eq!(tax("two_pass"), Some(Ratio::ONE), "not measured against numpy");
}

#[test]
fn hostile_names_do_nothing() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device == "cpu") {
        row.device_kind = "=cmd|'/c calc'!A1 \x1b[31m\u{202e}|a|\n<b>".to_owned();
        row.device = "cpu;rm".to_owned();
        row.workload = format!("@{}", row.workload);
        if row.algorithm == "ticket" {
            observe(row, 1, 1);
        }
    }
    let comparison = Comparison::new(&rows);
    let outputs = [
        render(&comparison, Options { width: 120, colour: false }),
        markdown::render(&comparison),
        csv::render(&comparison).unwrap(),
    ];
    for output in &outputs {
        let bad = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
        assert!(!output.contains(bad), "{output}");
        assert!(output.contains(r"\u{1b}") || output.contains(r"\\u{1b}"), "{output}");
    }
    assert!(outputs[0].contains("--device 'cpu;rm'"), "{}", outputs[0]);
    assert!(outputs[1].contains(r"\|a\|") && outputs[1].contains(r"\<b\>"), "{}", outputs[1]);
    for line in outputs[2].lines().skip(1) {
        assert!(
            line.split(',').all(|field| !field.trim_start_matches('"').starts_with(['=', '@'])),
            "{line}"
        );
    }
    for line in outputs[1].lines().filter(|line| line.starts_with('|')) {
        assert!(line.ends_with('|'), "{line}");
    }
}

#[test]
fn numbers_that_are_none_are_left_out() {
    let mut rows = fleet();
    for row in &mut rows {
        row.throughput = row.throughput.map(|_| f64::NAN);
        row.percent_of_limit = row.percent_of_limit.map(|_| -1.0);
        row.median_ns = row.median_ns.map(|_| 0);
    }
    for text in [shown(&rows, 120), csv_of(&rows)] {
        assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("-1"), "{text}");
    }
    rows.iter_mut().for_each(|row| row.digest.clear());
    assert_eq!(marks(&rows, "fixed_tree"), ["?", "?", "?"]);
}

#[test]
fn no_rows_and_one_device() {
    assert_eq!(shown(&[], 120), "Nothing to compare: there are no rows.\n");
    assert_eq!(markdown::render(&Comparison::new(&[])), "Nothing to compare: there are no rows.\n");
    assert_eq!(csv_of(&[]), csv::COLUMNS.join(",") + "\n");
    insta::assert_snapshot!("one_device", shown(&run(2), 120));
}

#[test]
fn colour_only_adds() {
    let rows = fleet();
    let comparison = Comparison::new(&rows);
    let coloured = render(&comparison, Options { width: 100, colour: true });
    assert!(coloured.contains("\x1b[33m~\x1b[0m"), "{coloured}");
    let mut plain = String::new();
    for (index, part) in coloured.split('\x1b').enumerate() {
        let end = if index == 0 { 0 } else { part.find('m').map_or(0, |end| end + 1) };
        plain.push_str(&part[end..]);
    }
    assert_eq!(plain, render(&comparison, Options { width: 100, colour: false }));
}

/// What follows the launch or the batch gets the letter of its undisturbed bits, and no `~`.
#[test]
fn letters_are_of_undisturbed_executions() {
    let mut rows = from(ladder(), 0, "bits");
    assert_eq!(marks(&rows, "ticket"), ["A"]);
    assert_eq!(marks(&rows, "fixed_tree"), ["A"]);
    assert_eq!(marks(&rows, "atomic_block"), ["~"]);
    assert!(!Comparison::new(&rows).is_unmet());
    // A newer row stands for the older one of the same variant alone.
    let mut newer = variants(under(&mut rows, "ticket", Perturbation::Launch), &["sm=7"]);
    newer[0].timestamp = "2026-02-01T00:00:00Z".to_owned();
    let both = [rows.clone(), newer].concat();
    assert_eq!(Comparison::new(&both).devices[0].superseded, 1);
    // Compiled again, what claims its bits on one device may change them.
    observe(under(&mut rows, "ticket", Perturbation::ReloadRecompile), 31, 1);
    assert_eq!(marks(&rows, "ticket"), ["A"]);
    assert!(!Comparison::new(&rows).is_unmet());
    observe(under(&mut rows, "ticket", Perturbation::ReloadContext), 31, 1);
    assert_eq!(marks(&rows, "ticket"), ["~"]);
    assert!(Comparison::new(&rows).is_unmet());
}

#[test]
fn claims_of_the_ladder_are_seen_broken_by_variant() {
    let mut rows = from(ladder(), 0, "bits");
    for perturbation in [Perturbation::Launch, Perturbation::Batch] {
        observe(under(&mut rows, "fixed_tree", perturbation), 31, 1);
    }
    under(&mut rows, "fixed_tree", Perturbation::Launch).remark("re-run: differs again in 3 of 3");
    let comparison = Comparison::new(&rows);
    let told: Vec<&str> = comparison.broken.iter().map(|broken| broken.what.as_str()).collect();
    assert_eq!(
        told,
        [
            "reduce/fixed_tree (gpu_to_gpu) differs under launch sm=7 on NVIDIA H200, sum of 2^24, f32, wide: 31 \
             of 31 executions, every element of sum, max 1 ULP; re-run: differs again in 3 of 3",
            "reduce/fixed_tree (batch_invariant) differs under batch batch=129;first=17 on NVIDIA H200, sum of \
             2^24, f32, wide: 31 of 31 executions, every element of sum, max 1 ULP"
        ]
    );
    assert_eq!(
        comparison.broken[0].first.as_deref(),
        Some("first at sum[0]; the undisturbed output has digest bits")
    );
    assert!(comparison.broken[1].command.join(" ").contains("--perturb batch "));
    assert_eq!(marks(&rows, "fixed_tree"), ["A"], "its undisturbed bits are those of others");
}

/// A `~` is about runs, so a missing one says no less where launches have no power.
#[test]
fn power_is_asked_of_what_marks_rest_on() {
    let mut rows = from(ladder(), 0, "bits");
    for perturbation in [Perturbation::Launch, Perturbation::ReloadContext] {
        under(&mut rows, "fixed_tree", perturbation).remark("no power");
    }
    let told = Comparison::new(&rows).findings.join("\n");
    assert!(told.contains("for reduce under reload:context no algorithm"), "{told}");
}
