//! The sections of drift, distances, throughput, settings and causes, and what lies beside rows.

use std::collections::HashMap;

use super::{Measurement, check, fleet, hostile};
use crate::causes::measure::Length;
use crate::causes::told::{Outcome, Told};
use crate::guarantee::Guarantee;
use crate::perturbation::Perturbation;
use crate::report::compare::model::Comparison;
use crate::report::html::beside::Beside;
use crate::report::html::{Input, render, sections::SECTIONS};
use crate::report::tests::rows::{on, row, time};
use crate::verdict::Verdict;

/// Rows of two lengths that drift, and of a framework with a setting off and on.
fn rows() -> Vec<Measurement> {
    let mut rows = fleet();
    rows.extend(on(fleet(), "sum-2^20-f32-wide", "n=1048576"));
    for (place, row) in rows.iter_mut().enumerate() {
        row.row_id = place.to_string();
        if row.verdict == Verdict::Differs {
            row.v_ermv = Some(if row.shape == "n=1048576" { 2e-7 } else { 1e-6 });
        }
    }
    for (place, value) in ["0", "1"].into_iter().enumerate() {
        for (length, ns) in [(4096, 1_000_000), (8192, 3_000_000)] {
            let mut of = row("sum", Guarantee::NotGuaranteed, Perturbation::Repeat);
            of.engine = "torch".to_owned();
            of.setting = format!("deterministic={value};threads=2");
            (of.workload, of.shape) = (format!("sum-{length}"), format!("n={length}"));
            (of.device, of.verdict) = ("cpu".to_owned(), Verdict::Same);
            (of.comparisons, of.differing) = (Some(31), Some(0));
            (of.input_digest, of.digest) = ("inputs".to_owned(), format!("bits {place}"));
            time(&mut of, ns + 500_000 * place as u64);
            rows.push(of);
        }
    }
    rows
}

fn histograms(rows: &[Measurement]) -> HashMap<String, HashMap<String, Vec<u64>>> {
    let mut all: HashMap<String, HashMap<String, Vec<u64>>> = HashMap::new();
    for row in rows.iter().filter(|row| row.verdict == Verdict::Differs) {
        all.entry(row.run_id.clone()).or_default().insert(row.row_id.clone(), vec![60, 25, 10, 0, 5]);
    }
    all
}

fn outcome(cause: &str, seed: u64, curve: &[f64]) -> Outcome {
    Outcome {
        cause: cause.to_owned(),
        kind: "state".to_owned(),
        seed,
        skipped: None,
        refused: None,
        loss_before: Some(0.25),
        curve: curve.iter().map(|loss| loss.is_finite().then_some(*loss)).collect(),
    }
}

fn told() -> Told {
    let refused = Outcome { refused: Some("cut off".to_owned()), ..outcome("truncated file", 1, &[]) };
    Told {
        device: "cpu".to_owned(),
        remark: Some("no GPU".to_owned()),
        optimizer: "adam".to_owned(),
        algorithms: "reduce=fixed_tree".to_owned(),
        length: Length { before: 220, after: 3 },
        outcomes: vec![
            outcome("same process", 1, &[0.25, 0.24, 0.23, 0.22]),
            outcome("same process", 2, &[0.26, 0.25, 0.24, 0.22]),
            outcome("no momentum", 1, &[0.25, 0.9, 0.5, 0.3]),
            outcome("no momentum", 2, &[0.26, 3.0, f64::INFINITY]),
            refused,
        ],
    }
}

fn beside(rows: &[Measurement]) -> Beside {
    Beside { histograms: histograms(rows), causes: vec![told()], remarks: Vec::new() }
}

fn section(rows: &[Measurement], beside: &Beside, id: &str) -> Option<String> {
    let input = Input { rows, comparison: &Comparison::new(rows), beside };
    let section = SECTIONS.iter().filter_map(|make| make(&input)).find(|section| section.id == id)?;
    Some(section.render().into_string().replace("><", ">\n<"))
}

fn page(rows: &[Measurement], beside: &Beside) -> String {
    render(&Input { rows, comparison: &Comparison::new(rows), beside })
}

#[test]
fn sections_of_what_is_measured_and_beside_it() {
    let rows = rows();
    let beside = beside(&rows);
    for id in ["drift", "distances", "throughput", "settings", "causes"] {
        insta::assert_snapshot!(id, section(&rows, &beside, id).unwrap());
    }
    check(&page(&rows, &beside)).unwrap();
}

#[test]
fn what_is_not_there_has_no_section() {
    let rows = [row("fixed_tree", Guarantee::GpuToGpu, Perturbation::Repeat)];
    for id in ["drift", "distances", "throughput", "settings", "causes"] {
        assert_eq!(section(&rows, &Beside::default(), id), None, "{id}");
    }
}

#[test]
fn a_row_without_distances_and_a_damaged_file_are_told() {
    let rows = rows();
    let mut beside = beside(&rows);
    let run = rows.iter().find(|row| row.verdict == Verdict::Differs).unwrap().run_id.clone();
    let lost = beside.histograms.remove(&run).unwrap().len();
    beside.remarks.push("Of the samples beside <x>, 3 lines could not be read.".to_owned());
    let text = section(&rows, &beside, "distances").unwrap();
    assert!(text.contains(&format!("{lost} rows that differ have no distances")), "{text}");
    assert!(text.contains("Of the samples beside &lt;x&gt;, 3 lines could not be read."), "{text}");
    beside.histograms.clear();
    assert!(section(&rows, &beside, "distances").unwrap().contains("3 lines could not be read"));
    check(&page(&rows, &beside)).unwrap();
}

#[test]
fn numbers_without_a_place_are_passed_over() {
    let mut rows = rows();
    let strange = [f64::NAN, f64::INFINITY, -0.0, f64::MIN_POSITIVE, f64::MAX];
    for (row, x) in rows.iter_mut().zip(strange.into_iter().cycle()) {
        (row.v_ermv, row.throughput, row.percent_of_limit) = (Some(x), Some(x), Some(x));
    }
    let mut beside = beside(&rows);
    for counts in beside.histograms.values_mut().flat_map(HashMap::values_mut) {
        *counts = vec![u64::MAX; 70];
    }
    for outcome in &mut beside.causes[0].outcomes {
        outcome.curve = strange.map(Some).to_vec();
        outcome.loss_before = Some(f64::NAN);
    }
    check(&page(&rows, &beside)).unwrap();
}

#[test]
fn hostile_names_inject_nothing_beside_rows() {
    for name in
        ["</script><script>alert(1)</script>", "\"><img src=x>", "\u{202e}\u{5d0}\0", &"x".repeat(500)]
    {
        let rows = [hostile(name), rows()].concat();
        let mut beside = beside(&rows);
        for told in &mut beside.causes {
            told.device.push_str(name);
            told.optimizer = name.to_owned();
            told.remark = Some(name.to_owned());
            for outcome in &mut told.outcomes {
                outcome.cause.push_str(name);
                outcome.kind = name.to_owned();
                outcome.refused = outcome.refused.as_ref().map(|_| name.to_owned());
            }
        }
        beside.remarks.push(name.to_owned());
        let page = page(&rows, &beside);
        check(&page).unwrap();
        assert!(
            !page.contains("<script>alert") && !page.contains("<img") && !page.contains('\u{202e}'),
            "{name}"
        );
    }
}

/// However long curves are and however many causes there are, the page is one that a browser opens.
#[test]
fn long_curves_are_thinned_and_the_page_says_so() {
    let rows = rows();
    let mut beside = beside(&rows);
    let curve: Vec<f64> = (1..=10_000).map(f64::from).collect();
    beside.causes[0].outcomes =
        (0..600).map(|place| outcome(&format!("cause {}", place / 10), place % 10, &curve)).collect();
    let page = page(&rows, &beside);
    check(&page).unwrap();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    for said in ["12 more causes: ", "Seeds after the first 7", "Curves are shown at 200"] {
        assert!(page.contains(said), "{said}");
    }
}
