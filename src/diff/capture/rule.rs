//! The rules: what may have made two captures differ, each from its own evidence. One file, one subject.

mod buffers;
mod gradients;
mod inputs;
mod kernels;
mod mode;
mod modules;
mod optimizer;
mod parameters;
mod precision;
mod randomness;
mod statistics;

use std::collections::HashSet;

use crate::diff::capture::facts::{Facts, Reach};

/// A cause that a rule has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its stable name, as `mode`.
    pub kind: &'static str,
    /// What it is, in a sentence without its full stop.
    pub what: String,
    /// What speaks for it.
    pub evidence: Vec<String>,
    /// Names of the tensors that it explains.
    pub tensors: Vec<String>,
    /// How it can act on what was seen.
    pub reach: Reach,
}

/// All that the rules find, what explains the first activation that differs before what does not; among
/// equals in the order of the rules.
pub fn find(facts: &Facts) -> Vec<Finding> {
    let mut found = modules::find(facts);
    found.extend(mode::find(facts));
    let precision = precision::find(facts);
    // Tensors that a rounding explains need no other explanation.
    let rounded = tensors(&precision);
    found.extend(precision);
    found.extend(parameters::find(facts, &rounded));
    found.extend(statistics::find(facts, &rounded));
    found.extend(buffers::find(facts, &tensors(&found)));
    found.extend(inputs::find(facts));
    found.extend(randomness::of_the_forward_pass(facts));
    found.extend(optimizer::find(facts));
    found.extend(gradients::find(facts));
    found.extend(randomness::of_later_steps(facts));
    let is_explained = found.iter().any(|finding| finding.reach <= Reach::Perhaps);
    found.extend(kernels::find(facts, is_explained));
    found.sort_by_key(|finding| finding.reach);
    found
}

/// Names of all tensors that are explained.
fn tensors(findings: &[Finding]) -> HashSet<String> {
    findings.iter().flat_map(|finding| finding.tensors.clone()).collect()
}

/// A module's name; the whole model has none.
fn shown(name: &str) -> &str {
    if name.is_empty() { "model" } else { name }
}

/// "`a`, `b` and 3 others".
pub fn some(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let mut listed: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", shown(name))).collect();
    if names.len() > SHOWN {
        let more = names.len() - SHOWN;
        listed.push(if more == 1 { "1 other".to_owned() } else { format!("{more} others") });
    }
    crate::report::words::listed(&listed)
}
