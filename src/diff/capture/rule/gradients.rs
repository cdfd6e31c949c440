//! Gradients that one side holds: accumulated over a part of a step, or left over from the last one.

use crate::diff::capture::facts::{Facts, Reach, Section};
use crate::diff::capture::rule::{Finding, some};
use crate::diff::model::{Status, TensorDiff};

pub fn find(facts: &Facts) -> Option<Finding> {
    let differing = facts.differing(Section::Gradient);
    if differing.is_empty() {
        return None;
    }
    let all = |status| differing.iter().all(|(_, tensor)| tensor.status == status);
    let names: Vec<&str> = differing.iter().map(|(name, _)| *name).collect();
    let is_training = facts.before.capture.is_training() && facts.after.capture.is_training();
    let (kind, what) = if !is_training {
        (
            "gradients_left_over",
            format!(
                "{} gradients left from an earlier step differ or are on one side only: an evaluation \
                 does not read them",
                differing.len()
            ),
        )
    } else if all(Status::Missing) {
        (
            "gradients_dropped",
            "gradients that were held before are gone after loading: a step that accumulates them goes on \
             with a part of their sum, unless they are zeroed before the next backward pass"
                .to_owned(),
        )
    } else if all(Status::Extra) {
        (
            "gradients_held",
            "gradients are held after loading only: the next step adds to them, unless they are zeroed first"
                .to_owned(),
        )
    } else {
        ("gradients", format!("gradients are others: {}", some(&names)))
    };
    Some(Finding {
        kind,
        what,
        evidence: if is_training { vec![evidence(&differing)] } else { Vec::new() },
        tensors: differing.iter().map(|(_, tensor)| tensor.name.clone()).collect(),
        reach: if is_training { Reach::Later } else { Reach::Aside },
    })
}

fn evidence(differing: &[(&str, &TensorDiff)]) -> String {
    let count = |status| differing.iter().filter(|(_, tensor)| tensor.status == status).count();
    format!(
        "{} only before, {} only after, {} on both sides and other",
        count(Status::Missing),
        count(Status::Extra),
        differing.len() - count(Status::Missing) - count(Status::Extra)
    )
}
