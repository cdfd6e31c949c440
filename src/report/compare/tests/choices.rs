//! What a reader can choose: baselines, rankings, lines and their order, filters and thresholds; every renderer.

use super::*;
use crate::report::compare::choice::{Choice, LinesAre, Sort, Surroundings};
use crate::report::compare::json;
use crate::report::tests::rows::time;

/// Three devices with PyTorch beside ours on the CPU under two settings, an operation that this program does not
/// know, a time that was throttled, a device that was shared, one row that failed and one broken claim.
fn troubled() -> Vec<Measurement> {
    let mut rows = fleet();
    let torch = |ns, setting: &str, bits: &str| {
        let mut rows = by(pair("sum", Guarantee::NotGuaranteed, [0, 0], ns), "torch", setting);
        rows.iter_mut().for_each(|row| row.worst_output.clear());
        from(rows, 2, bits)
    };
    rows.extend(torch(1_400_000, "deterministic=0;threads=2", "torch"));
    rows.extend(torch(1_500_000, "deterministic=1;threads=2", "torch"));
    let mut unknown = torch(9_000, "deterministic=0;threads=2", "add");
    observe(&mut unknown[1], 30, 4);
    unknown.extend(torch(19_000, "deterministic=1;threads=2", "add"));
    for row in &mut unknown {
        (row.operation, row.algorithm) = ("index_add".to_owned(), "index_add".to_owned());
        (row.workload, row.shape) = ("index-add-4Ki".to_owned(), "n=4096;c=64".to_owned());
    }
    rows.extend(unknown);
    for row in &mut rows {
        if row.device_kind == "NVIDIA L4" {
            row.remark("shared");
            row.throttled = row.median_ns.map(|_| 3);
        }
        if row.device_kind == "NVIDIA H200" && row.algorithm == "two_pass" && row.dtype == Dtype::F16 {
            (row.verdict, row.note) = (Verdict::Failed, "sum[3] was never written".to_owned());
        }
        if row.device == "cpu" && row.algorithm == "ticket" && row.perturbation == Perturbation::Load {
            observe(row, 2, 1);
        }
    }
    rows
}

fn chosen(rows: &[Measurement], choice: Choice) -> Comparison<'_> {
    Comparison::with(rows, choice, &Surroundings::default()).unwrap()
}

fn text(comparison: &Comparison, width: usize) -> String {
    let text = render(comparison, Options { width, colour: false });
    for line in text.lines() {
        assert!(wrap::width(line) <= width, "more than {width} columns: {line}");
    }
    text
}

/// Names of the lines of the first table.
fn lines<'a>(comparison: &'a Comparison) -> Vec<&'a str> {
    comparison.blocks[0].lines.iter().map(|line| line.name.as_str()).collect()
}

#[test]
fn every_renderer_shows_what_is_wrong_and_others_code() {
    let rows = troubled();
    let comparison = chosen(&rows, Choice::default());
    insta::assert_snapshot!("troubled", text(&comparison, 120));
    insta::assert_snapshot!("troubled_narrow", text(&comparison, 80));
    insta::assert_snapshot!("troubled_in_markdown", markdown::render(&comparison));
    insta::assert_snapshot!("troubled_in_csv", csv::render(&comparison).unwrap());
    insta::assert_snapshot!("troubled_in_json", json::render(&comparison));
    assert!(comparison.is_unmet());
    // A command is broken between its arguments only, and its longest has 37 columns.
    for width in 48..140 {
        text(&comparison, width);
    }
}

#[test]
fn three_devices_fit_on_one_screen() {
    let rows = fleet();
    let shown = text(&chosen(&rows, Choice::default()), 120);
    insta::assert_snapshot!("three_devices_at_a_glance", shown);
    assert!(shown.lines().count() <= 40, "{shown}");
    assert!(shown.contains("1 of 2 workloads shown"), "{shown}");
}

#[test]
fn a_device_is_a_baseline() {
    let rows = fleet();
    let baseline = |name: &str| Choice { baseline: Some(name.to_owned()), ..Choice::default() };
    for name in ["NVIDIA H200", "h200", "000a5b6c7d8e9"] {
        let comparison = chosen(&rows, baseline(name));
        assert_eq!(comparison.baseline.as_deref(), Some("NVIDIA H200"));
        let cells = &comparison.blocks[0].lines[0].cells;
        assert_eq!(cells[&0].ratio, Some(Ratio::ONE));
        let ratio = cells[&2].ratio.unwrap();
        assert!(
            (ratio.value - 100.0).abs() < 0.1 && ratio.low < ratio.value && ratio.value < ratio.high,
            "{ratio:?}"
        );
    }
    insta::assert_snapshot!("a_device_is_the_baseline", text(&chosen(&rows, baseline("H200")), 120));
}

#[test]
fn a_way_is_a_baseline() {
    let rows = troubled();
    let ratios = |name: &str| {
        let comparison = chosen(&rows, Choice { baseline: Some(name.to_owned()), ..Choice::default() });
        let line = |line: &crate::report::compare::model::Line| {
            line.cells.get(&2).and_then(|cell| cell.ratio).map(|ratio| (ratio.value * 100.0).round() / 100.0)
        };
        (
            comparison.baseline.clone().unwrap(),
            comparison.blocks[0].lines.iter().map(line).collect::<Vec<_>>(),
        )
    };
    let expected = vec![Some(1.03), Some(0.97), Some(1.0), Some(0.98), None, Some(0.9), Some(0.97)];
    for name in ["ticket", "reduce/ticket", "samebits:ticket", "samebits:reduce/ticket"] {
        let (told, ratios) = ratios(name);
        assert_eq!((told.as_str(), ratios), ("reduce/ticket", expected.clone()));
    }
    let (told, _) = ratios("torch:sum[deterministic=1;threads=2]");
    assert_eq!(told, "torch:reduce/sum[deterministic=1;threads=2]");
}

#[test]
fn a_baseline_that_is_none_or_several_is_refused_in_one_line() {
    let mut rows = troubled();
    rows.extend(fleet().into_iter().filter(|row| row.device == "cpu").map(|row| Measurement {
        device_kind: "NVIDIA L40".to_owned(),
        device: "cuda:1".to_owned(),
        ..row
    }));
    let refused = |name: &str| {
        let choice = Choice { baseline: Some(name.to_owned()), ..Choice::default() };
        let error = Comparison::with(&rows, choice, &Surroundings::default()).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    assert_eq!(
        refused("torch:sum"),
        "--baseline \"torch:sum\" names 2 things; give one of \"torch:reduce/sum[deterministic=0;threads=2]\", \
         \"torch:reduce/sum[deterministic=1;threads=2]\""
    );
    assert!(refused("cuda:0").contains("names 2 things; give one of \"NVIDIA H200\", \"NVIDIA L4\""));
    assert!(refused("nvidia").contains("names 3 things"));
    assert!(
        refused("none\u{1b}[2J")
            .starts_with("--baseline \"none\\u{1b}[2J\" names no device and no algorithm")
    );
    assert!(refused("").contains("\"NVIDIA H200\", \"NVIDIA L4\""));
    // Exactly this one, although another holds its name.
    let choice = Choice { baseline: Some("NVIDIA L4".to_owned()), ..Choice::default() };
    assert_eq!(Comparison::with(&rows, choice, &Surroundings::default()).unwrap().baseline_column, Some(1));
    let choice = Choice { baseline: Some("x".to_owned()), ..Choice::default() };
    let error = Comparison::with(&[], choice, &Surroundings::default()).unwrap_err().to_string();
    assert!(error.ends_with("there are no rows"), "{error}");
}

#[test]
fn ratios_that_cannot_be_told_say_so() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.algorithm == "ticket" && row.median_ns.is_some()) {
        // Within 1 % below and 2 % above of two_pass.
        let ns = row.median_ns.unwrap() * 150 / 155;
        time(row, ns + ns / 100);
    }
    let comparison = Comparison::new(&rows);
    let shown = text(&comparison, 120);
    let line = shown.lines().find(|line| line.starts_with("  ticket")).unwrap();
    assert_eq!(line.matches("cannot tell").count(), 3, "{line}");
    assert!(shown.contains("cannot tell: the 95 % intervals of the two times overlap"), "{shown}");
    assert!(markdown::render(&comparison).contains("cannot tell (−2.0 to +4.1 %)"));
}

#[test]
fn devices_are_lines_where_that_is_asked_for() {
    let rows = fleet();
    let comparison = chosen(&rows, Choice { lines: LinesAre::Device, ..Choice::default() });
    insta::assert_snapshot!("devices_as_lines", text(&comparison, 120));
    insta::assert_snapshot!("devices_as_lines_in_markdown", markdown::render(&comparison));
    for width in 24..140 {
        text(&comparison, width);
    }
    let sorted = |sort| {
        let choice = Choice { lines: LinesAre::Device, sort, ..Choice::default() };
        let shown = text(&chosen(&rows, choice), 160);
        let names = ["NVIDIA H200", "NVIDIA L4", "Intel Xeon"]
            .map(|name| shown.find(&format!("\n  {name}")).unwrap());
        let mut places = [0, 1, 2];
        places.sort_by_key(|place| names[*place]);
        places
    };
    assert_eq!(sorted(Sort::Listed), [0, 1, 2]);
    assert_eq!(sorted(Sort::Name), [2, 0, 1]);
    assert_eq!(sorted(Sort::Throughput), [0, 1, 2]);
}

#[test]
fn lines_come_in_the_order_that_is_asked_for() {
    let rows = fleet();
    let sorted = |sort| lines(&chosen(&rows, Choice { sort, ..Choice::default() })).join(" ");
    assert_eq!(sorted(Sort::Listed), "fixed_tree two_pass ticket atomic_block atomic_element");
    assert_eq!(sorted(Sort::Name), "atomic_block atomic_element fixed_tree ticket two_pass");
    let by_speed = "two_pass atomic_block ticket fixed_tree atomic_element";
    assert_eq!((sorted(Sort::Throughput).as_str(), sorted(Sort::Tax).as_str()), (by_speed, by_speed));
}

#[test]
fn thresholds_hide_lines_and_count_them() {
    let rows = fleet();
    let within = |least, most| {
        let comparison = chosen(&rows, Choice { least, most, all: true, ..Choice::default() });
        let names = lines(&comparison).join(" ");
        (names, comparison.left_out.last().cloned().unwrap_or_default())
    };
    let (names, told) = within(Some(1.05), None);
    assert_eq!(
        (names.as_str(), told.as_str()),
        ("fixed_tree", "8 lines outside of the thresholds are left out.")
    );
    assert_eq!(within(None, Some(1.02)).0, "two_pass atomic_block");
    assert_eq!(within(Some(1.02), Some(1.05)).0, "ticket");
    assert_eq!(within(Some(1.0), None).0, "fixed_tree two_pass ticket atomic_block");
    // Whichever workload they are of.
    let comparison = chosen(&rows, Choice { least: Some(1.05), ..Choice::default() });
    assert_eq!(comparison.shown().count(), 2);
    let nothing = chosen(&rows, Choice { least: Some(2.0), ..Choice::default() });
    assert!(nothing.blocks.is_empty() && text(&nothing, 120).contains("10 lines outside of the thresholds"));
    // What is broken is told whether its line is hidden or not.
    let troubled = troubled();
    let comparison = chosen(&troubled, Choice { least: Some(1e9), ..Choice::default() });
    assert!(comparison.is_unmet() && text(&comparison, 120).starts_with("BROKEN CLAIM: "));
}

#[test]
fn an_intersection_has_what_every_device_measured() {
    let mut rows = fleet();
    rows.retain(|row| row.device_kind != "NVIDIA L4" || row.dtype != Dtype::F16);
    let of = |intersection| chosen(&rows, Choice { intersection, all: true, ..Choice::default() });
    assert_eq!((of(false).blocks.len(), of(true).blocks.len()), (2, 1));
    assert_eq!(
        of(true).left_out,
        ["1 workload that not every device measured is left out (--intersection)."]
    );
}

#[test]
fn rankings_rest_on_the_cases_in_common() {
    let mut rows = fleet();
    // Skipped is no case, and what is measured on too few of them is not ranked.
    for device in 0..2 {
        for count in 0..4 {
            let extra =
                on(pair("two_pass", Guarantee::RunToRun, [0, 0], 900), &format!("w{count}"), "n=4096");
            let slower =
                on(pair("ticket", Guarantee::RunToRun, [0, 0], 1800), &format!("w{count}"), "n=4096");
            rows.extend(from([extra, slower].concat(), device, "own"));
        }
    }
    let comparison = chosen(&rows, Choice { rank: true, ..Choice::default() });
    insta::assert_snapshot!("a_ranking", text(&comparison, 120));
    insta::assert_snapshot!("a_ranking_in_markdown", markdown::render(&comparison));
    insta::assert_snapshot!("a_ranking_in_csv", csv::render(&comparison).unwrap());
    let first = &comparison.ranks[0];
    assert_eq!((first.column, first.standing.cases.len(), first.standing.unranked.len()), (0, 6, 2));
    let ticket = first.standing.ranked.iter().find(|ranked| ranked.who.algorithm == "ticket").unwrap();
    // Twice as slow four times, and by a thirtieth twice.
    let expected = (2f64.powi(4) * (15_500f64 / 15_000.0).powi(2)).powf(1.0 / 6.0);
    assert!((ticket.mean.value - expected).abs() < 1e-9, "{ticket:?}");
    let devices = chosen(&rows, Choice { rank: true, lines: LinesAre::Device, ..Choice::default() });
    insta::assert_snapshot!("a_ranking_of_devices", text(&devices, 120));
    insta::assert_snapshot!("a_ranking_of_devices_in_csv", csv::render(&devices).unwrap());
    let nothing = chosen(&rows[..1], Choice { rank: true, ..Choice::default() });
    assert!(text(&nothing, 120).contains("Nothing to rank: no two have a timed case in common."));
}

/// Whoever is ranked has a mean of at least 1, the fastest in every case exactly 1, and all rest on the same cases.
#[test]
fn rankings_are_of_times_over_the_fastest() {
    let mut state = 7u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..50 {
        let mut rows = Vec::new();
        for case in 0..5 {
            for algorithm in ["fixed_tree", "two_pass", "ticket"] {
                if next(4) > 0 {
                    let ns = 1_000 + next(1_000_000);
                    let one = pair(algorithm, Guarantee::RunToRun, [0, 0], ns);
                    rows.extend(from(on(one, &format!("w{case}"), "n=4096"), 0, "x"));
                }
            }
        }
        for rank in &Comparison::new(&rows).ranks {
            for ranked in &rank.standing.ranked {
                let mean = ranked.mean;
                assert!(1.0 <= mean.value && mean.low <= mean.value && mean.value <= mean.high, "{mean:?}");
            }
            assert!(rank.standing.ranked.is_sorted_by(|a, b| a.mean.value <= b.mean.value));
        }
    }
}

#[test]
fn what_the_same_bits_cost_is_of_what_keeps_its_word() {
    let rows = fleet();
    let comparison = Comparison::new(&rows);
    let told = comparison.sentences().join("\n");
    let expected = "The price of the same bits on NVIDIA H200, NVIDIA L4 and Intel Xeon Processor, 2 cores: reduce, 2 cases: none from run to run with two_pass, \
                    +6.7 % (+3.5 to +9.9 %) on every device with fixed_tree.";
    assert!(told.contains(expected), "{told}");
    // Seen to vary, to differ across devices, or failed.
    let with = |change: &dyn Fn(&mut Measurement)| {
        let mut rows = fleet();
        rows.iter_mut().for_each(change);
        Comparison::new(&rows).sentences().join("\n")
    };
    let varies = with(&|row| {
        if row.algorithm == "two_pass" && row.dtype == Dtype::F16 && row.perturbation == Perturbation::Load {
            observe(row, 1, 1);
        }
    });
    assert!(varies.contains("+3.3 % (+0.3 to +6.5 %) from run to run with ticket"), "{varies}");
    let across = with(&|row| {
        if row.algorithm == "fixed_tree" && row.device == "cpu" {
            row.digest.push('x');
        }
    });
    assert!(across.contains("with two_pass.") && !across.contains("fixed_tree"), "{across}");
}

#[test]
fn who_agrees_is_counted_per_pair() {
    let told = Comparison::new(&fleet()).sentences().join("\n");
    let expected = "The same bits in 2 of 6 cases (a workload and an algorithm that keeps its bits) on each two of NVIDIA \
                    H200, NVIDIA L4 and Intel Xeon Processor, 2 cores.";
    assert!(told.contains(expected), "{told}");
    let troubled = troubled();
    let told = Comparison::new(&troubled).sentences().join("\n");
    let expected = "2 of 5 on NVIDIA H200 and NVIDIA L4; 2 of 4 on NVIDIA L4 and Intel Xeon Processor, 2 cores; 2 of 3 on";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn json_has_numbers_as_numbers_and_its_schema() {
    let rows = troubled();
    let choice = Choice { baseline: Some("ticket".to_owned()), ..Choice::default() };
    let parsed: serde_json::Value = serde_json::from_str(&json::render(&chosen(&rows, choice))).unwrap();
    assert_eq!(parsed["schema"], 1);
    let cell = &parsed["workloads"][0]["lines"][0]["cells"][0];
    assert!(cell["throughput"].is_f64() && cell["median_ns"].is_u64() && cell["device"] == 0, "{cell}");
    assert!(cell["time_over_baseline"]["low"].is_f64() && cell["time_over_fastest"]["is_told"].is_boolean());
    let cells = |parsed: &serde_json::Value| {
        let lines =
            parsed["workloads"].as_array().unwrap().iter().flat_map(|w| w["lines"].as_array().unwrap());
        lines.map(|line| line["cells"].as_array().unwrap().len()).sum::<usize>()
    };
    let csv = csv_of(&rows);
    assert_eq!(cells(&parsed), csv.lines().count() - 1, "nothing lost");
}
