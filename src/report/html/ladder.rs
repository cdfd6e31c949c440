//! The verdict ladder: what every way claims, beside what was observed under every perturbation.

use maud::{Markup, html};

use crate::guarantee::Guarantee;
use crate::perturbation::Perturbation;
use crate::report::html::section::{Section, and_more};
use crate::report::html::table::Table;
use crate::report::html::tally::{Ladder, Rung, Tally, ladders};
use crate::report::html::{Input, text};
use crate::report::ladder::heading;
use crate::report::words::{self, plural};
use crate::report::wrap;
use crate::verdict::Verdict;

/// Operations on devices that are shown: as many as names of 500 characters leave room for on a page below 3 MB.
const LADDERS: usize = 19;

/// Ways that are shown of each.
const RUNGS: usize = 24;

/// Ladders of more perturbations have a line of the page for themselves.
const NARROW: usize = 4;

/// What a box tells a pointer is cut here, in characters: notes may be long, and there are many boxes.
const LONGEST: usize = 200;

/// The section.
pub fn section(input: &Input) -> Option<Section> {
    let mut ladders = ladders(input);
    if ladders.is_empty() {
        return None;
    }
    let is_bad = |ladder: &Ladder| ladder.rungs.iter().any(Rung::is_bad);
    if ladders.len() > LADDERS {
        // What is bad must not be what is left out.
        ladders.sort_by_key(|ladder| !is_bad(ladder));
    }
    let data = data(input, &ladders);
    let mut left_out =
        Vec::from_iter(and_more(ladders.len(), LADDERS, "operation on a device", "operations on devices"));
    ladders.truncate(LADDERS);
    for ladder in &mut ladders {
        if ladder.rungs.len() > RUNGS {
            ladder.rungs.sort_by_key(|rung| !rung.is_bad());
            let [one, many] =
                ["way", "ways"].map(|ways| format!("{ways} of {}", words::visible(ladder.operation)));
            left_out.extend(and_more(ladder.rungs.len(), RUNGS, &one, &many));
            ladder.rungs.truncate(RUNGS);
        }
    }
    Some(Section {
        id: "ladder",
        title: "Claimed, and observed",
        how_to_read: "each line is a way, and each box what was seen under a perturbation, the worst over workloads, \
                      variants and runs: a box with a thick edge is claimed to be the same; 0/31 means that none of 31 \
                      later executions differed from the first, so that one differs with a probability below p (95 % \
                      confidence)."
            .to_owned(),
        body: html! { div.ladders { @for ladder in &ladders { (picture(input, ladder)) } } },
        figures: Vec::new(),
        left_out,
        data: vec![data],
    })
}

fn device<'a>(input: &Input<'a>, column: usize) -> &'a str {
    input.comparison.devices.get(column).map_or("", |device| device.label.as_str())
}

fn picture(input: &Input, ladder: &Ladder) -> Markup {
    // Others' code claims nothing: it is folded, so that what is claimed is seen at once.
    let (own, others): (Vec<&Rung>, Vec<&Rung>) =
        ladder.rungs.iter().partition(|rung| rung.way.is_own() || rung.is_bad());
    let is_wide = perturbations(&own).len() > NARROW;
    html! {
        div class=(if is_wide { "ladder wide" } else { "ladder" }) {
            h3 { (text::name(ladder.operation)) " on " (text::name(device(input, ladder.column))) }
            @if !own.is_empty() { (lines(&own)) }
            @if !others.is_empty() {
                details.others { summary { (in_short(&others)) } (lines(&others)) }
            }
        }
    }
}

fn lines(rungs: &[&Rung]) -> Markup {
    let perturbations = perturbations(rungs);
    html! { ul { @for rung in rungs { (line(rung, &perturbations)) } } }
}

/// The perturbations that there are rows of, mildest first.
fn perturbations(rungs: &[&Rung]) -> Vec<Perturbation> {
    let is_there = |under: &Perturbation| rungs.iter().any(|rung| rung.cells.contains_key(under));
    Perturbation::ALL.into_iter().filter(is_there).collect()
}

/// What others' ways do, in a line.
fn in_short(others: &[&Rung]) -> String {
    let (count, varied) = (others.len(), others.iter().filter(|rung| rung.changes()).count());
    let ways = plural(count, "way", "ways");
    match varied {
        0 if !others.iter().any(|rung| rung.is_tried()) => {
            format!("{count} {ways} of others’ code: not compared from run to run")
        }
        0 => format!("{count} {ways} of others’ code: none was seen to change its bits from run to run"),
        _ => format!(
            "{count} {ways} of others’ code: {varied} {} bits from run to run",
            plural(varied, "changes its", "change their")
        ),
    }
}

fn line(rung: &Rung, perturbations: &[Perturbation]) -> Markup {
    html! {
        li.rung {
            div {
                h4 { (text::name(&rung.way.name())) }
                p { "claims " (claims(rung)) }
            }
            ul {
                @for under in perturbations {
                    @match rung.cells.get(under) {
                        Some(tally) => (chip(*under, tally)),
                        None => li.chip.none { span { (heading(*under)) } b { "·" } small { "not tried" } },
                    }
                }
            }
        }
    }
}

/// What a way claims, in words.
fn claims(rung: &Rung) -> String {
    match (rung.guarantee, rung.batch_invariant) {
        (Guarantee::NotGuaranteed, false) => "nothing".to_owned(),
        (Guarantee::NotGuaranteed, true) => "batch_invariant".to_owned(),
        (guarantee, false) => guarantee.name().to_owned(),
        (guarantee, true) => format!("{}, batch_invariant", guarantee.name()),
    }
}

fn chip(under: Perturbation, tally: &Tally) -> Markup {
    let verdict = tally.worst.verdict;
    let look = match verdict {
        _ if tally.is_broken => "bad",
        Verdict::Failed => "bad",
        Verdict::Differs => "differs",
        Verdict::Same => "same",
        Verdict::Skipped => "none",
    };
    let claimed = if tally.is_claimed { " claimed" } else { "" };
    let rows = format!("{} {}", tally.rows, plural(tally.rows, "row", "rows"));
    let observed = format!("{} of {rows}", tally.differing);
    let confidence = match (verdict, tally.bound()) {
        (Verdict::Same, Some(bound)) => format!("p < {}", words::percent_up(bound)),
        (Verdict::Differs, _) if tally.rows > 1 => observed,
        _ => rows.clone(),
    };
    html! {
        li class={ "chip " (look) (claimed) } title=(told(under, tally)) {
            span { (heading(under)) }
            b { (seen(tally)) }
            small { (confidence) }
        }
    }
}

/// What was seen, in as few characters as a box has.
fn seen(tally: &Tally) -> String {
    let worst = tally.worst;
    let of = match (worst.differing, worst.comparisons) {
        (Some(differing), Some(comparisons)) => format!("{differing}/{comparisons}"),
        _ => String::new(),
    };
    match worst.verdict {
        Verdict::Failed => "! FAILED".to_owned(),
        _ if tally.is_broken => format!("✗ BROKEN {of}"),
        Verdict::Differs => format!("~ {of}"),
        Verdict::Same => format!("= {of}{}", if tally.has_no_power() { " *" } else { "" }),
        Verdict::Skipped => "skipped".to_owned(),
    }
}

/// What a pointer that rests on a box is told.
fn told(under: Perturbation, tally: &Tally) -> String {
    let worst = tally.worst;
    let claim = if tally.is_claimed { "claimed to be the same" } else { "not claimed to be the same" };
    let power = if tally.has_no_power() { "; * no power: nothing was seen to vary that may" } else { "" };
    let note = match worst.verdict {
        Verdict::Skipped | Verdict::Failed if !worst.note.is_empty() => format!(": {}", worst.note),
        _ => String::new(),
    };
    let text = format!(
        "{under}, {claim}; the worst of {} is {} on {}{note}{power}",
        tally.rows,
        worst.verdict.name(),
        worst.workload
    );
    wrap::truncated(&text::plain(&text), LONGEST)
}

fn data(input: &Input, ladders: &[Ladder]) -> Table {
    let rows = ladders.iter().flat_map(|ladder| {
        ladder.rungs.iter().flat_map(move |rung| {
            rung.cells.iter().map(move |(under, tally)| {
                let number =
                    |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
                let reason = match tally.worst.verdict {
                    Verdict::Skipped | Verdict::Failed => tally.worst.note.clone(),
                    _ => String::new(),
                };
                vec![
                    rung.way.full_name(ladder.operation),
                    device(input, ladder.column).to_owned(),
                    claims(rung),
                    under.name().to_owned(),
                    if tally.is_claimed { "yes" } else { "no" }.to_owned(),
                    if tally.is_broken { "BROKEN" } else { tally.worst.verdict.name() }.to_owned(),
                    number(tally.worst.differing),
                    number(tally.worst.comparisons),
                    tally.bound().map_or_else(String::new, |bound| bound.to_string()),
                    tally.rows.to_string(),
                    tally.differing.to_string(),
                    reason,
                ]
            })
        })
    });
    const HEADINGS: [&str; 12] = [
        "way",
        "device",
        "claims",
        "perturbation",
        "claimed the same",
        "worst verdict",
        "#differing",
        "#comparisons",
        "#p upper 95 %",
        "#rows",
        "#rows that differ",
        "reason",
    ];
    Table::new("claims and what was observed", &HEADINGS, rows)
}
