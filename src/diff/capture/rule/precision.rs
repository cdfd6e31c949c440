//! Parameters and buffers that are those before, rounded to fewer bits: saved in f16 or bf16, and read back.

use crate::checkpoint::element::{self, Float, Kind, kind};
use crate::diff::capture::facts::{Facts, Section};
use crate::diff::capture::rule::{Finding, some};
use crate::diff::capture::values::{blocks, is_rounded};
use crate::diff::model::TensorDiff;

const FORMATS: [Float; 3] = [Float::F32, Float::F16, Float::Bf16];

pub fn find(facts: &Facts) -> Vec<Finding> {
    let sections = [Section::Parameter, Section::Buffer];
    let mut left: Vec<(&str, &TensorDiff)> =
        sections.iter().flat_map(|section| facts.differing(*section)).collect();
    let differing = left.len();
    let mut found = Vec::new();
    // A few small tensors may fit two formats: the one that explains most goes first, and takes them.
    loop {
        let candidates = FORMATS.into_iter().flat_map(|format| [(format, true), (format, false)]);
        let explained = |(format, is_lost)| {
            let fits = |(_, tensor): &&(&str, &TensorDiff)| rounds(facts, &tensor.name, format, is_lost);
            left.iter().filter(fits).copied().collect::<Vec<_>>()
        };
        let best = candidates.map(|candidate| (candidate, explained(candidate)));
        let best = best.reduce(|a, b| if b.1.len() > a.1.len() { b } else { a });
        let Some(((format, is_lost), rounded)) = best.filter(|(_, rounded)| !rounded.is_empty()) else {
            return found;
        };
        let side =
            if is_lost { "after loading is the one before" } else { "before is the one after loading" };
        found.push(finding(facts, &rounded, differing, format, side));
        left.retain(|(name, _)| !rounded.iter().any(|(other, _)| other == name));
    }
}

/// Whether every element of the narrower side is the other side's, rounded.
fn rounds(facts: &Facts, name: &str, format: Float, is_lost: bool) -> bool {
    let Some((before, after)) = facts.pair(name) else { return false };
    let (wide, narrow) = if is_lost { (before, after) } else { (after, before) };
    let is_float = |view: crate::checkpoint::View| matches!(kind(view.element), Kind::Float(_));
    let is_wider = |of: Float| of.precision() > format.precision();
    if wide.shape != narrow.shape || !is_float(wide) || !is_float(narrow) {
        return false;
    }
    if !element::float(wide.element).is_some_and(is_wider) {
        return false;
    }
    let mut all = true;
    let can_be = blocks(wide, narrow, |wide, narrow| {
        all = wide.iter().zip(narrow).all(|(a, b)| is_rounded(*a, *b, format));
        all
    });
    can_be && all
}

fn finding(
    facts: &Facts,
    rounded: &[(&str, &TensorDiff)],
    differing: usize,
    format: Float,
    side: &str,
) -> Finding {
    let names: Vec<&str> = rounded.iter().map(|(name, _)| *name).collect();
    let which = if rounded.len() == differing {
        format!("all {differing} that differ")
    } else {
        format!("{} of {differing} that differ", rounded.len())
    };
    let format = element::name(format.element());
    Finding {
        kind: "lower_precision",
        what: format!("parameters were saved as {format}: every value {side}, rounded to {format}"),
        evidence: vec![format!("parameters and buffers that this explains: {which}, {}", some(&names))],
        tensors: rounded.iter().map(|(_, tensor)| tensor.name.clone()).collect(),
        reach: facts.reach(names.iter().map(|name| facts.owner(name))),
    }
}
