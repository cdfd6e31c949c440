//! What was measured where and how, why numbers may not be comparable, and what the page does not show.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::report::compare::devices::Device;
use crate::report::findings::full_comparisons;
use crate::report::html::section::{Section, and_more};
use crate::report::html::table::Table;
use crate::report::html::{Input, text};
use crate::report::ladder;
use crate::verdict::Verdict;

/// Devices that are described one by one.
const DEVICES: usize = 24;

/// Remarks that are told.
const REMARKS: usize = 24;

/// Runs that are named.
const RUNS: usize = 8;

/// The section.
pub fn section(input: &Input) -> Option<Section> {
    let comparison = input.comparison;
    let perturbations: BTreeSet<_> = input.rows.iter().map(|row| row.perturbation).collect();
    let body = html! {
        div.cards { @for device in comparison.devices.iter().take(DEVICES) { (card(device)) } }
        h3 { "Method" }
        ul { @for sentence in method(input) { li { (sentence) } } }
        @if !perturbations.is_empty() {
            h3 { "What is changed between executions" }
            ul { @for under in &perturbations { li { (ladder::explain(*under)) } } }
        }
        @let remarks: Vec<&String> = comparison.findings.iter().skip(1).collect();
        @if !remarks.is_empty() {
            h3 { "What to bear in mind" }
            ul { @for remark in remarks.iter().take(REMARKS) { li { (text::sentence(remark)) } } }
            @if remarks.len() > REMARKS { p.note { (remarks.len() - REMARKS) " more, which --format table tells." } }
        }
        @if !comparison.warnings.is_empty() {
            h3 { "Why numbers may not be comparable" }
            ul {
                @for warning in comparison.warnings.iter().take(REMARKS) {
                    li { (text::sentence(&warning.what)) ": " (text::sentence(&warning.remedy)) "." }
                }
            }
        }
        h3 { "Limits" }
        ul { @for sentence in limits(input) { li { (sentence) } } }
    };
    Some(Section {
        id: "method",
        title: "Environment, method and limits",
        how_to_read: String::new(),
        body,
        figures: Vec::new(),
        left_out: Vec::from_iter(and_more(comparison.devices.len(), DEVICES, "device", "devices")),
        data: vec![data(input)],
    })
}

fn card(device: &Device) -> Markup {
    let runs: Vec<String> = device.runs.iter().map(|(run, rows)| format!("{run} ({rows} rows)")).collect();
    let unknown = "not recorded";
    let entry =
        |term: &str, text: Option<&str>| html! { dt { (term) } dd { (text::name(text.unwrap_or(unknown))) } };
    html! {
        div.card {
            h3 { (text::name(&device.label)) }
            dl {
                (entry("device", Some(device.name)))
                (entry("kind", Some(device.kind).filter(|kind| !kind.is_empty())))
                (entry("program", device.program.as_deref()))
                @if device.name != "cpu" {
                    (entry("driver", device.driver.as_deref()))
                    (entry("CUDA", device.cuda.as_deref()))
                }
                (entry("environment", Some(device.environment)))
                dt { "rows of the runs" }
                dd {
                    @if runs.is_empty() { "none is shown: only gaps" }
                    @for (place, run) in runs.iter().take(RUNS).enumerate() {
                        @if place > 0 { "; " }
                        (text::name(run))
                    }
                    @if runs.len() > RUNS { " and " (runs.len() - RUNS) " more" }
                }
                @if device.is_shared { dt { "remark" } dd { "others may have used it during the run" } }
            }
        }
    }
}

fn method(input: &Input) -> Vec<String> {
    let with = |verdict| input.rows.iter().filter(move |row| row.verdict == verdict).count();
    let [same, differs, skipped, failed] =
        [Verdict::Same, Verdict::Differs, Verdict::Skipped, Verdict::Failed].map(with);
    let mut sentences = vec![format!(
        "{} rows: {same} same, {differs} that differ, {skipped} skipped, {failed} failed.",
        input.rows.len()
    )];
    let observed = || input.rows.iter().filter(|row| row.is_observed() && row.gap().is_none());
    let comparisons: BTreeSet<u64> = observed().filter_map(|row| row.comparisons).collect();
    if let (Some(fewest), Some(most)) = (comparisons.first(), comparisons.last()) {
        let range = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
        let profile = if *most < full_comparisons() {
            "as a quick run does: a rare difference can be missed, and --profile full tries more"
        } else {
            "the most of them as a full run does"
        };
        sentences.push(format!(
            "Each row executes a way again and again on the same inputs, and compares the bits of {range} later executions \
             with those of the first, {profile}."
        ));
    }
    let is_only = |name: &str| !input.rows.is_empty() && input.rows.iter().all(|row| row.device == name);
    if is_only("cpu") {
        sentences.push(
            "Everything here was measured on a CPU, where the GPU kernels' twins run: it says nothing about the speed \
             of a GPU, and nothing about whether its bits vary."
                .to_owned(),
        );
    }
    if input.rows.iter().any(|row| row.device == "sim") {
        sentences.push(
            "The device sim is a simulated GPU: its bits are those of the kernels' PTX, and it has no times."
                .to_owned(),
        );
    }
    sentences
}

fn limits(input: &Input) -> Vec<&'static str> {
    let mut sentences = vec![
        "“Same” is what was seen, not a proof: p bounds the probability that a later execution differs, with 95 % \
         confidence, if executions are independent and like those that were tried.",
        "Boxes of the ladder show the worst row of many, so that a claim which broke anywhere is seen; they do not show \
         how often it held.",
        "Prices are means over the workloads that the ways have in common: one workload may be dearer or cheaper.",
        "Of each row the newest is in the prices and letters; older ones count for broken claims.",
    ];
    if input.rows.iter().any(|row| row.gap().is_some()) {
        sentences.push(
            "Gaps between ways, and to the reference, are not on the page: --format table --all has them.",
        );
    }
    sentences
}

fn data(input: &Input) -> Table {
    let rows = input.comparison.devices.iter().map(|device| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            device.label.clone(),
            device.name.to_owned(),
            device.kind.to_owned(),
            text(&device.program),
            text(&device.driver),
            text(&device.cuda),
            device.environment.to_owned(),
            device.runs.len().to_string(),
            device.runs.values().sum::<usize>().to_string(),
            device.superseded.to_string(),
        ]
    });
    const HEADINGS: [&str; 10] = [
        "heading",
        "device",
        "kind",
        "program",
        "driver",
        "CUDA",
        "environment",
        "#runs",
        "#rows shown",
        "#older rows",
    ];
    Table::new("devices and environments", &HEADINGS, rows)
}
