//! Two captures: the first activation that differs, the state that differs before it, and the likely cause.
//!
//! [`metadata`] reads what the headers say, `facts` puts both sides next to each other, and each rule in
//! `rule` looks for one kind of cause in them. What explains the first activation that differs comes
//! before what acts behind it or in later steps, and that before what acts on nothing that is seen.

pub mod metadata;
pub mod model;

mod activations;
mod changes;
mod facts;
mod relation;
mod rule;
mod values;

use crate::checkpoint::Checkpoint;
use crate::diff::capture::facts::{Facts, Reach, Section, Side, called};
use crate::diff::capture::metadata::Capture;
use crate::diff::capture::model::CaptureDiff;
use crate::diff::capture::rule::Finding;
use crate::diff::cause::Cause;
use crate::diff::model::{Status, TensorDiff};
use crate::error::{Error, Result};
use crate::report::words::{listed, plural};

/// Two captures whose headers have been read.
pub struct Pair<'a> {
    before: Side<'a>,
    after: Side<'a>,
}

/// What is told of two captures.
pub struct Told {
    /// What differs beside tensors.
    pub capture: CaptureDiff,
    /// The likely cause in a sentence.
    pub likely_cause: String,
    /// Everything that the rules found, what explains most first.
    pub causes: Vec<Cause>,
}

impl<'a> Pair<'a> {
    /// Reads both headers; `None` if neither side is a capture.
    ///
    /// # Errors
    /// If one side is a capture only, or what [`Capture::read`] refuses.
    pub fn read(before: &'a Checkpoint, after: &'a Checkpoint) -> Result<Option<Self>> {
        let (capture, other) = match (before.is_capture(), after.is_capture()) {
            (true, true) => {
                let side = |file: &'a Checkpoint| Ok(Side { file, capture: Capture::read(file)? });
                return Ok(Some(Self { before: side(before)?, after: side(after)? }));
            }
            (false, false) => return Ok(None),
            (true, false) => (before, after),
            (false, true) => (after, before),
        };
        Err(Error::input(format!(
            "{} is a capture and {} is a checkpoint; give two captures, or two checkpoints",
            capture.path().display(),
            other.path().display()
        )))
    }

    /// Looks for the cause, and tells each tensor that one explains.
    pub fn explain(self, tensors: &mut [TensorDiff]) -> Told {
        let facts = Facts::of(self.before, self.after, tensors);
        let findings = rule::find(&facts);
        let likely_cause = sentence(&facts, &findings);
        let notes = notes(&facts);
        let Facts { changes, activations, .. } = facts;
        let activations = activations.unwrap_or_default();
        for tensor in tensors {
            let explains = |finding: &&Finding| finding.tensors.contains(&tensor.name);
            tensor.cause = findings.iter().find(explains).map(|finding| finding.kind);
        }
        let cause = |finding: Finding| Cause {
            kind: finding.kind,
            what: finding.what,
            evidence: finding.evidence,
            tensors: finding.tensors.len(),
        };
        Told {
            capture: CaptureDiff {
                first_activation: activations.first,
                activations: activations.paired,
                changes,
                notes,
            },
            likely_cause,
            causes: findings.into_iter().map(cause).collect(),
        }
    }
}

/// What acts before what it acts on: the batch, parameters, buffers, the optimizer, then activations in the
/// order in which they were finished, and last gradients; equal ones behind all.
pub fn sort(tensors: &mut [TensorDiff]) {
    const ORDER: [&str; 6] = ["input/", "parameter/", "buffer/", "optimizer/", "activation/", "gradient/"];
    let section = |tensor: &TensorDiff| ORDER.iter().position(|prefix| tensor.name.starts_with(prefix));
    // By name in each: an activation's begins with its number.
    tensors.sort_by_cached_key(|tensor| {
        let place = section(tensor).unwrap_or(ORDER.len());
        (tensor.status == Status::Equal, place, tensor.name.clone())
    });
}

/// The first finding, with what speaks against others: what is equal, and where the difference begins.
fn sentence(facts: &Facts, findings: &[Finding]) -> String {
    let paired = facts.activations.as_ref().map_or(0, |found| found.paired);
    let equal = if paired > 0 {
        let activations = plural(paired, "the only activation is equal", "activations are equal");
        Some(if paired == 1 { activations.to_owned() } else { format!("all {paired} {activations}") })
    } else {
        None
    };
    let is_equal = facts.changes.is_empty()
        && facts.tensors.iter().all(|tensor| tensor.status == Status::Equal)
        && facts.activations.as_ref().is_none_or(|found| found.unpaired == 0);
    let Some(best) = findings.first() else {
        if !is_equal {
            return "cannot tell: no rule explains what differs".to_owned();
        }
        let parts: Vec<String> = equal.into_iter().collect();
        return [
            &["nothing in the two captures differs".to_owned()][..],
            &parts,
            &["look at what they do not hold: later batches, the loss, code behind the model".to_owned()],
        ]
        .concat()
        .join("; ");
    };
    let mut parts = vec![match best.reach {
        Reach::Aside => format!("nothing that is recorded can have changed the results; {}", best.what),
        Reach::Perhaps => {
            format!("{} (not certain: it lies outside of where the difference is seen)", best.what)
        }
        _ => best.what.clone(),
    }];
    match facts.first_module() {
        Some(module) => {
            parts.extend(equal_parts(facts));
            parts.push(format!("the first difference is the output of {}", called(module)));
            let others = findings.iter().skip(1).filter(|other| other.reach == best.reach).count();
            if others > 0 && best.reach != Reach::Aside {
                parts.push(format!(
                    "{others} more that may explain it {} below",
                    plural(others, "stands", "stand")
                ));
            }
        }
        None => parts.extend(equal),
    }
    parts.join("; ")
}

fn equal_parts(facts: &Facts) -> Option<String> {
    let parts =
        [(Section::Input, "inputs"), (Section::Parameter, "parameters"), (Section::Buffer, "buffers")];
    let equal: Vec<String> = parts
        .into_iter()
        .filter(|(section, _)| facts.is_equal(*section))
        .map(|(_, name)| name.to_owned())
        .collect();
    (!equal.is_empty()).then(|| format!("{} are equal", listed(&equal)))
}

/// What stands in the way of a full comparison.
fn notes(facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    match &facts.activations {
        None => notes.push("a side has no forward pass: no activations are compared".to_owned()),
        Some(found) => {
            if found.unpaired > 0 {
                let are = plural(found.unpaired, "activation is", "activations are");
                notes.push(format!("{} {are} on one side only", found.unpaired));
            }
            if !found.same_order {
                notes.push("modules ran in another order".to_owned());
            }
        }
    }
    for (name, side) in [("BEFORE", &facts.before), ("AFTER", &facts.after)] {
        let left_out = side.capture.left_out.len();
        if left_out > 0 {
            let were = plural(left_out, "activation was", "activations were");
            notes.push(format!("{left_out} {were} left out of {name} for their size"));
        }
        if !side.capture.skipped.is_empty() {
            let names: Vec<&str> = side.capture.skipped.keys().map(String::as_str).collect();
            notes.push(format!("not storable in {name}: {}", rule::some(&names)));
        }
    }
    notes
}

#[cfg(test)]
mod tests;
