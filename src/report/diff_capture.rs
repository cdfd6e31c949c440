//! What two captures show beside their tensors, on a terminal: where the difference begins, what else was
//! found, and the state that differs.

use serde_json::Value;

use crate::diff::capture::model::{CaptureDiff, Change, FirstActivation, Part};
use crate::diff::cause::Cause;
use crate::diff::model::Diff;
use crate::report::diff::readable;
use crate::report::page::{Page, Style};
use crate::report::words::{plural, share, ulp, visible};
use crate::report::wrap::truncated;

/// Changes of one part that are shown unless all are asked for.
const CHANGES: usize = 6;

/// The first line: how many tensors differ, and why.
pub fn headline(diff: &Diff) -> String {
    let (different, tensors) = (diff.summary.different, diff.summary.tensors);
    let differ = match different {
        0 => format!("All {tensors} tensors have the same bits"),
        _ => format!("{different} of {tensors} tensors {}", plural(different, "differs", "differ")),
    };
    // Not a cause, where there is none to tell.
    let is_none = ["nothing", "cannot tell"].iter().any(|none| diff.likely_cause.starts_with(none));
    let likely = if is_none { "" } else { "likely cause: " };
    format!("{differ}; {likely}{}", readable(&diff.likely_cause))
}

/// Everything between the headline and the table of tensors.
pub fn sections(page: &mut Page, diff: &Diff, capture: &CaptureDiff, all: bool) {
    if let Some((first, others)) = diff.causes.split_first() {
        evidence(page, first);
        if let Some(first) = &capture.first_activation {
            page.sentence(&readable(&activation(first, capture)), Style::Plain);
        }
        for cause in others {
            page.sentence(&format!("Also: {}", readable(&cause.what)), Style::Plain);
            evidence(page, cause);
        }
    }
    for note in &capture.notes {
        page.sentence(&format!("Note: {}", readable(note)), Style::Warning);
    }
    if !capture.changes.is_empty() {
        page.gap();
        for line in changes(&capture.changes, all, page.width) {
            page.plain(line);
        }
    }
}

fn evidence(page: &mut Page, cause: &Cause) {
    for evidence in &cause.evidence {
        page.sentence(&format!("· {}", readable(evidence)), Style::Plain);
    }
}

fn activation(first: &FirstActivation, capture: &CaptureDiff) -> String {
    let behind = match first.equal_before {
        0 => "no activation before it".to_owned(),
        1 => "1 equal one before it".to_owned(),
        count => format!("{count} equal ones before it"),
    };
    let far = first.distance.as_ref().map_or_else(
        || "its elements cannot be paired".to_owned(),
        |distance| {
            let mut parts = vec![format!("{} differ", share(distance.v_c))];
            parts.extend(distance.max_ulp.map(|distance| format!("max ulp {}", ulp(distance))));
            parts.extend(distance.v_ermv.map(|mean| format!("v_ermv {mean:.1e}")));
            parts.join(", ")
        },
    );
    format!(
        "First of {} activations to differ: {} ({}), {behind}: {far}",
        capture.activations, first.key, first.class
    )
}

/// "mode   bn1, drop1: false → true".
fn changes(changes: &[Change], all: bool, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let widest = changes.iter().map(|change| change.part.name().len()).max().unwrap_or(0);
    let mut parts: Vec<Part> = changes.iter().map(|change| change.part).collect();
    parts.dedup();
    for part in parts {
        let of: Vec<&Change> = changes.iter().filter(|change| change.part == part).collect();
        let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
        for change in of {
            let (what, name) = (what(change), named(change));
            match grouped.iter_mut().find(|(other, _)| *other == what) {
                Some((_, names)) => names.push(name),
                None => grouped.push((what, vec![name])),
            }
        }
        let most = if all { grouped.len() } else { CHANGES };
        let more = grouped.len().saturating_sub(most);
        for (place, (what, names)) in grouped.into_iter().take(most).enumerate() {
            let heading = if place == 0 { part.name() } else { "" };
            let names = if all { names.join(", ") } else { few(&names) };
            let line = visible(&format!("{heading:<widest$}   {names}: {what}"));
            lines.push(if all { line } else { truncated(&line, width) });
        }
        if more > 0 {
            lines.push(format!("{:<widest$}   … and {more} more; --all shows them", ""));
        }
    }
    lines
}

/// Names as far as they leave room for what changed.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let more = names.len().saturating_sub(SHOWN);
    match more {
        0 | 1 => names.join(", "),
        _ => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

fn named(change: &Change) -> String {
    if change.name.is_empty() { "(model)".to_owned() } else { change.name.clone() }
}

fn what(change: &Change) -> String {
    match (change.part, &change.before, &change.after) {
        // A digest says nothing but that it is another one.
        (Part::Generator, Some(_), Some(_)) => "another state".to_owned(),
        (_, Some(before), Some(after)) => format!("{} → {}", value(before), value(after)),
        (Part::Generator, Some(_), None) => "only before".to_owned(),
        (Part::Generator, None, _) => "only after".to_owned(),
        (_, Some(before), None) => format!("{} → nothing", value(before)),
        (_, None, after) => format!("nothing → {}", after.as_ref().map_or_else(String::new, value)),
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
