//! What was found: in one sentence, then what is behind it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::report::html::section::Section;
use crate::report::html::tally::{Ladder, ladders};
use crate::report::html::{Input, text};
use crate::report::model::Report;
use crate::report::words::{capitalised, plural};

/// Broken claims and failures that are told one by one.
const TOLD: usize = 20;

/// Sentences of each kind.
const SENTENCES: usize = 12;

/// The section.
pub fn section(input: &Input) -> Option<Section> {
    let comparison = input.comparison;
    let report = Report::new(input.rows, false);
    // Devices may have one name on several machines.
    let kind = |kind: &str| if report.has_several_devices() { format!("{kind}: ") } else { String::new() };
    let headlines = report.sections.iter().map(|section| kind(&section.kind) + &section.headline);
    let headlines: Vec<String> = headlines.collect();
    let mut left_out = comparison.left_out.clone();
    let mut some = |sentences: Vec<String>| {
        let more = sentences.len().saturating_sub(SENTENCES);
        if more > 0 {
            left_out.push(format!("{more} more such sentences are left out: --format table tells them."));
        }
        html! { ul { @for sentence in sentences.iter().take(SENTENCES) { li { (text::sentence(sentence)) } } } }
    };
    let body = html! {
        p.lead { (text::sentence(&lead(input, &ladders(input)))) }
        (loud(input))
        @if !headlines.is_empty() { (some(headlines)) }
        @if let Some(first) = comparison.findings.first() { p { (text::sentence(first)) } }
    };
    Some(Section {
        id: "finding",
        title: "The finding",
        how_to_read: String::new(),
        body,
        figures: Vec::new(),
        left_out,
        data: Vec::new(),
    })
}

/// All in one sentence.
fn lead(input: &Input, ladders: &[Ladder]) -> String {
    let comparison = input.comparison;
    let (broken, failed) = (comparison.broken.len(), comparison.failures.len());
    let fate = match (broken, failed) {
        (0, 0) => String::new(),
        (0, failed) => format!("{failed} {} failed", plural(failed, "measurement", "kinds of measurements")),
        (broken, failed) => {
            let failed = if failed > 0 { ", and measurements failed" } else { "" };
            format!("{broken} {} seen broken{failed}", plural(broken, "claim was", "claims were"))
        }
    };
    let mut ways: BTreeMap<_, bool> = BTreeMap::new();
    for ladder in ladders {
        for rung in ladder.rungs.iter().filter(|rung| rung.is_tried()) {
            *ways.entry((rung.way.is_own(), ladder.operation, rung.way)).or_default() |= rung.changes();
        }
    }
    let count = |own: bool| {
        let tried = ways.iter().filter(|((is_own, ..), _)| *is_own == own);
        (tried.clone().count(), tried.filter(|(_, changes)| **changes).count())
    };
    let told = |(tried, changing): (usize, usize), one: &str, many: &str| match (tried, changing) {
        (0, _) => String::new(),
        (1, 0) => format!("the one {one} that was measured was not seen to change its bits from run to run"),
        (1, _) => format!("the one {one} that was measured changes its bits from run to run"),
        (all, 0) => format!("none of {all} {many} was seen to change its bits from run to run"),
        (all, some) => {
            format!(
                "{some} of {all} {many} {} bits from run to run",
                plural(some, "changes its", "change their")
            )
        }
    };
    let parts = [
        fate,
        told(count(true), "algorithm", "algorithms"),
        told(count(false), "way of others’ code", "ways of others’ code"),
    ];
    let mut parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if broken == 0 && ladders.iter().flat_map(|ladder| &ladder.rungs).any(|rung| rung.is_tested()) {
        parts.push("every claim that was tested held".to_owned());
    }
    if parts.is_empty() {
        let nothing = "nothing was measured: there is no row that repeats an execution and compares its bits";
        parts.push(nothing.to_owned());
    }
    format!("{}.", capitalised(&parts.join("; ")))
}

/// What must not be missed.
fn loud(input: &Input) -> Markup {
    let (broken, failures) = (&input.comparison.broken, &input.comparison.failures);
    let has_more = broken.len() > TOLD || failures.len() > TOLD;
    html! {
        @if !broken.is_empty() || !failures.is_empty() {
            div.loud {
                @for broken in broken.iter().take(TOLD) {
                    p { strong { "BROKEN CLAIM: " } (text::sentence(&broken.what)) }
                    @if let Some(first) = &broken.first { p { (text::sentence(first)) } }
                    @if !broken.command.is_empty() { p { "Repeat it: " code { (text::sentence(&broken.command.join(" "))) } } }
                }
                @for failure in failures.iter().take(TOLD) { p { strong { "FAILED: " } (text::sentence(failure)) } }
                @if has_more { p { "And more, which --format table and json tell." } }
            }
        }
    }
}
