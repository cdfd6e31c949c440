//! Parameters that differ: all of them, or a part; and whether those of a new model are in their place.

use std::collections::HashSet;

use serde_json::Value;

use crate::diff::capture::facts::{Facts, Section};
use crate::diff::capture::model::Part;
use crate::diff::capture::rule::{Finding, some};
use crate::diff::capture::values::{relative_distance, scalar, values};
use crate::diff::model::{Status, TensorDiff};

/// Weights closer than this, relative to the largest of their tensor, have not been drawn anew.
const NEAR: f64 = 1e-3;

pub fn find(facts: &Facts, rounded: &HashSet<String>) -> Vec<Finding> {
    let mut differing = facts.differing(Section::Parameter);
    differing.retain(|(_, tensor)| !rounded.contains(&tensor.name));
    if differing.is_empty() {
        return Vec::new();
    }
    let all = facts.section(Section::Parameter).count();
    let (lone, changed): (Vec<_>, Vec<_>) = differing
        .into_iter()
        .partition(|(_, tensor)| matches!(tensor.status, Status::Missing | Status::Extra));
    let mut found = Vec::new();
    if !changed.is_empty() {
        found.push(values_differ(facts, &changed, all));
    }
    // A module that only one side has is told by another rule.
    if !lone.is_empty() && facts.of_part(Part::Module).next().is_none() {
        found.push(one_side(facts, &lone));
    }
    found
}

fn one_side(facts: &Facts, lone: &[(&str, &TensorDiff)]) -> Finding {
    let names: Vec<&str> = lone.iter().map(|(name, _)| *name).collect();
    finding(
        facts,
        lone,
        "parameters_missing",
        format!("parameters that only one side has: {}", some(&names)),
        Vec::new(),
    )
}

fn values_differ(facts: &Facts, changed: &[(&str, &TensorDiff)], all: usize) -> Finding {
    let names: Vec<&str> = changed.iter().map(|(name, _)| *name).collect();
    let mut evidence = vec![format!("{} of {all} parameters differ: {}", changed.len(), some(&names))];
    let farthest = changed.iter().filter_map(|(_, tensor)| distance(facts, tensor)).fold(0.0, f64::max);
    evidence.push(format!("the largest difference is {farthest:.1e} of the largest value of its tensor"));
    let is_all = changed.len() == all;
    if let Some([before, after]) = steps(facts).filter(|[before, after]| before != after) {
        let what =
            format!("parameters of another step: the optimizer had made {before} before and {after} after");
        return finding(facts, changed, "other_step", what, evidence);
    }
    if farthest < NEAR {
        let what = format!(
            "parameters differ by little: {}; another rounding, or other kernels in the steps before",
            if is_all { "all of them".to_owned() } else { some(&names) }
        );
        return finding(facts, changed, "parameters_near", what, evidence);
    }
    let fresh = fresh(facts);
    if is_all && !fresh.is_empty() {
        evidence.extend(fresh);
        let what = "no weights were loaded: all parameters are others, and the model is as a new one";
        return finding(facts, changed, "not_loaded", what.to_owned(), evidence);
    }
    if is_all {
        let what = "all parameters are others: those of another seed or another checkpoint";
        return finding(facts, changed, "other_weights", what.to_owned(), evidence);
    }
    let what = format!(
        "a part of the parameters was not loaded: {} differ and the other {} are equal, as after a \
         non-strict load",
        some(&names),
        all - changed.len()
    );
    finding(facts, changed, "partial_load", what, evidence)
}

fn finding(
    facts: &Facts,
    tensors: &[(&str, &TensorDiff)],
    kind: &'static str,
    what: String,
    evidence: Vec<String>,
) -> Finding {
    Finding {
        kind,
        what,
        evidence,
        tensors: tensors.iter().map(|(_, tensor)| tensor.name.clone()).collect(),
        reach: facts.reach(tensors.iter().map(|(name, _)| facts.owner(name))),
    }
}

fn distance(facts: &Facts, tensor: &TensorDiff) -> Option<f64> {
    let (before, after) = facts.pair(&tensor.name)?;
    relative_distance(before, after)
}

/// The optimizer's steps on both sides, the largest of all parameters.
fn steps(facts: &Facts) -> Option<[f64; 2]> {
    let steps = |capture: &crate::diff::capture::metadata::Capture| {
        let scalars = &capture.optimizer.as_ref()?.scalars;
        let step = scalars.iter().filter(|(name, _)| name.ends_with("/step"));
        step.filter_map(|(_, value)| Value::as_f64(value)).reduce(f64::max)
    };
    Some([steps(&facts.before.capture)?, steps(&facts.after.capture)?])
}

/// What shows that a side after loading is as it was made: norms that have not learnt or counted anything.
fn fresh(facts: &Facts) -> Vec<String> {
    let counted = |name: &str| {
        let (before, after) = facts.pair(&format!("buffer/{name}.num_batches_tracked"))?;
        (scalar(before)? > 0.0 && scalar(after)? == 0.0)
            .then(|| format!("`{name}.num_batches_tracked` is 0, as in a new module"))
    };
    let learnt = |name: &str| {
        let constant = |tensor: &str, value: f64| {
            let (before, after) = facts.pair(&format!("parameter/{name}.{tensor}"))?;
            let is = |side: Vec<f64>| side.iter().all(|element| *element == value);
            Some(!is(values(before)?) && is(values(after)?))
        };
        (constant("weight", 1.0)? && constant("bias", 0.0)?)
            .then(|| format!("`{name}.weight` is 1 and `{name}.bias` 0 throughout, as in a new module"))
    };
    let modules = || facts.after.capture.modules.iter().map(|module| module.name.as_str());
    modules().find_map(counted).into_iter().chain(modules().find_map(learnt)).collect()
}
