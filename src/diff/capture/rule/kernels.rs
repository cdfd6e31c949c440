//! Everything that is recorded is equal up to a module, and its output is not: the kernels computed
//! otherwise. And flags and versions that differ where no activation does.

use crate::diff::capture::facts::{Facts, Reach, called, told};
use crate::diff::capture::model::{Change, Part};
use crate::diff::capture::rule::{Finding, some};

pub fn find(facts: &Facts, is_explained: bool) -> Option<Finding> {
    let changes: Vec<&Change> = facts.of_part(Part::Backend).chain(facts.of_part(Part::Version)).collect();
    let evidence: Vec<String> = changes
        .iter()
        .take(6)
        .map(|change| {
            format!(
                "`{}` is {} before and {} after",
                change.name,
                told(change.before.as_ref()),
                told(change.after.as_ref())
            )
        })
        .collect();
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    if is_explained || facts.first_module().is_none() {
        return (!changes.is_empty()).then(|| Finding {
            kind: "backend",
            what: format!("backend flags or versions differ ({}): kernels may round otherwise", some(&names)),
            evidence,
            tensors: Vec::new(),
            // Where all activations are equal, flags did nothing to the forward pass; the backward one is
            // not seen.
            reach: if facts.activations.is_none() { Reach::Perhaps } else { Reach::Aside },
        });
    }
    let module = called(facts.first_module()?);
    let (kind, what) = if !facts.is_rounding() {
        (
            "unknown",
            format!(
                "cannot tell: nothing that is recorded before {module} differs, and its output differs by \
                 more than rounding; look at what its forward reads besides modules"
            ),
        )
    } else if changes.is_empty() {
        (
            "nondeterministic_kernels",
            format!(
                "the kernels of {module} rounded otherwise on equal inputs and state, and no recorded flag \
                 differs: a nondeterministic or autotuned algorithm; capture the same side twice to see it"
            ),
        )
    } else {
        (
            "other_kernels",
            format!(
                "other kernels: {module} rounds otherwise on equal inputs and state, and {} {}",
                some(&names),
                if names.len() == 1 { "differs" } else { "differ" }
            ),
        )
    };
    Some(Finding { kind, what, evidence, tensors: Vec::new(), reach: Reach::First })
}
