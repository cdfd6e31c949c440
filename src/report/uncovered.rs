//! The ladder's findings: what a harsher perturbation showed that milder ones did not.

use std::collections::BTreeMap;

use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::group::{Group, Problem, Way, is_run_to_run};
use crate::report::headline::several_devices;
use crate::report::ladder;
use crate::report::words::{self, plural};
use crate::verdict::Verdict;

/// What each harsher perturbation uncovered, in sentences, mildest first.
pub fn uncovered(groups: &[Group]) -> Vec<String> {
    let mut findings = by_load(groups);
    findings.extend(further(groups));
    findings
}

/// Which perturbations beyond repetition and load change bits that nothing milder changed from run to run, where
/// nobody claims that they do not: a broken claim is told elsewhere.
fn further(groups: &[Group]) -> Vec<String> {
    let several = several_devices(groups);
    let mut changed: BTreeMap<Perturbation, Vec<String>> = BTreeMap::new();
    for group in groups {
        let place = if several { format!(" on {}", group.device) } else { String::new() };
        for way in group.ways() {
            let differs = |row: &&Measurement| row.verdict == Verdict::Differs;
            let rows: Vec<&Measurement> = group.of_way(way).filter(differs).collect();
            // Where bits change from run to run, harsher perturbations show nothing new.
            let from_run_to_run =
                rows.iter().map(|row| row.perturbation).filter(|under| is_run_to_run(*under)).min();
            let under = group.perturbations().into_iter().filter(|under| ladder::is_further(*under));
            for under in under.filter(|under| from_run_to_run.is_none_or(|first| first >= *under)) {
                let mut rows = rows.iter().filter(|row| row.perturbation == under).peekable();
                if rows.peek().is_some() && !rows.any(|row| row.claims()) {
                    changed.entry(under).or_default().push(group.full_name(way) + &place);
                }
            }
        }
    }
    let sentence = |(under, names): (Perturbation, Vec<String>)| {
        let they = plural(names.len(), "it does", "they do");
        format!(
            "{} changes the bits of {} ({they} not claim otherwise).",
            words::capitalised(under.name()),
            words::listed(&names)
        )
    };
    changed.into_iter().map(sentence).collect()
}

/// Where load made bits change that repetition left alone, or change more.
fn by_load(groups: &[Group]) -> Vec<String> {
    let several = several_devices(groups);
    let (mut hidden, mut more) = (Vec::new(), Vec::new());
    for group in groups {
        for way in group.ways() {
            let Some((on, repeat, load)) = most_uncovered(group, way) else { continue };
            let mut details = Vec::new();
            if let (Some(before), Some(after)) = (repeat.distinct, load.distinct) {
                details.push(format!("{before} → {after} distinct"));
            }
            if group.telling().is_none_or(|telling| group.shown(way, telling) != on) {
                details.push(group.describe(on));
            }
            let details =
                if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
            let place = if several { format!(" on {}", group.device) } else { String::new() };
            let list = if repeat.verdict == Verdict::Same { &mut hidden } else { &mut more };
            list.push(format!("{}{details}{place}", group.full_name(way)));
        }
    }
    let load = words::capitalised(Perturbation::Load.name());
    let mut findings = Vec::new();
    if !hidden.is_empty() {
        findings.push(format!("{load} uncovered what repetition hid: {}.", hidden.join(", ")));
    }
    if !more.is_empty() {
        findings.push(format!("{load} brought out more results than repetition: {}.", more.join(", ")));
    }
    findings
}

/// The problem on which load showed what repetition did not, with both rows: one where repetition saw
/// nothing if there is any, then the one that is shown, then the one with most results.
fn most_uncovered<'a>(
    group: &Group<'a>,
    way: Way<'a>,
) -> Option<(Problem<'a>, &'a Measurement, &'a Measurement)> {
    let shown = group.telling().map(|telling| group.shown(way, telling));
    let pairs = group.problems().into_iter().filter_map(|on| {
        let under = |perturbation| group.of(way, on).find(|row| row.perturbation == perturbation);
        Some((on, under(Perturbation::Repeat)?, under(Perturbation::Load)?))
    });
    pairs
        .filter(|(_, repeat, load)| is_uncovered(repeat, load))
        .max_by_key(|(on, repeat, load)| (repeat.verdict == Verdict::Same, Some(*on) == shown, load.distinct))
}

fn is_uncovered(repeat: &Measurement, load: &Measurement) -> bool {
    match (repeat.verdict, load.verdict) {
        (Verdict::Same, Verdict::Differs) => true,
        // Twice as many from no more executions: less may be chance.
        (Verdict::Differs, Verdict::Differs) => {
            load.comparisons <= repeat.comparisons
                && load.distinct.zip(repeat.distinct).is_some_and(|(after, before)| after >= 2 * before)
        }
        _ => false,
    }
}
