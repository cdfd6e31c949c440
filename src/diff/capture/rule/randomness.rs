//! Generators: dropout's masks within the forward pass, and what later steps draw.

use crate::diff::capture::facts::{Facts, Reach, called};
use crate::diff::capture::model::Part;
use crate::diff::capture::rule::{Finding, some};

/// What modules draw from.
const OF_TORCH: &str = "torch_";

/// The first activation that differs is of a module that draws at random, or of one behind such a function.
pub fn of_the_forward_pass(facts: &Facts) -> Option<Finding> {
    let name = facts.first_module()?;
    let (before, after) = (facts.before.capture.module(name)?, facts.after.capture.module(name)?);
    if !(before.training && after.training) {
        return None;
    }
    let generators = of_torch(facts);
    let module = called(name);
    let is_dropout = before.is_dropout() && after.is_dropout();
    let (reach, what) = match (is_dropout, generators.is_empty()) {
        (true, false) => {
            (Reach::First, format!("{module} draws other masks: the generators' states were not restored"))
        }
        (true, true) => (
            Reach::Perhaps,
            format!(
                "{module} drops at random and gave another output, and no recorded generator differs: its \
                 masks come from another one, or something drew numbers in between"
            ),
        ),
        // Not where rounding alone may do it: generators differ between any two processes.
        (false, false) if !facts.is_rounding() => (
            Reach::Perhaps,
            format!(
                "{module}, or a function before it such as torch.nn.functional.dropout, draws other random \
                 numbers: the generators' states were not restored"
            ),
        ),
        _ => return None,
    };
    let evidence = (!generators.is_empty()).then(|| format!("the state of {} differs", some(&generators)));
    Some(Finding {
        kind: if is_dropout { "dropout_masks" } else { "random_forward" },
        what,
        evidence: evidence.into_iter().collect(),
        tensors: Vec::new(),
        reach,
    })
}

/// Generators differ, and nothing of the forward pass drew from them.
pub fn of_later_steps(facts: &Facts) -> Option<Finding> {
    let names: Vec<&str> = facts.of_part(Part::Generator).map(|change| change.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let is_training = facts.is_training();
    Some(Finding {
        kind: "generators",
        what: format!(
            "the state of {} differs: {}",
            some(&names),
            if is_training {
                "dropout, shuffling and augmentation of later steps draw other numbers"
            } else {
                "it acts on nothing in evaluation mode"
            }
        ),
        evidence: Vec::new(),
        tensors: Vec::new(),
        reach: if is_training && facts.first_module().is_none() { Reach::Later } else { Reach::Aside },
    })
}

fn of_torch<'f>(facts: &'f Facts) -> Vec<&'f str> {
    let names = facts.of_part(Part::Generator).map(|change| change.name.as_str());
    names.filter(|name| name.starts_with(OF_TORCH)).collect()
}
