//! Training or evaluation: `model.eval()` or `model.train()` was not called, or on a part only.

use crate::diff::capture::facts::{Facts, called};
use crate::diff::capture::model::{Change, Part};
use crate::diff::capture::rule::{Finding, some};

pub fn find(facts: &Facts) -> Option<Finding> {
    let changes: Vec<&Change> = facts.of_part(Part::Mode).collect();
    // What the mode acts on, first: where the difference was seen, else batch-norms and dropouts.
    let acts = |change: &&&Change| {
        facts.module(&change.name).is_some_and(|module| module.is_dropout() || module.keeps_statistics())
    };
    let seen = changes.iter().find(|change| Some(change.name.as_str()) == facts.first_module());
    let named = seen.or_else(|| changes.iter().find(acts)).or_else(|| changes.first())?;
    let trains = |change: &Change| change.after == Some(true.into());
    let call = if trains(named) { "model.eval()" } else { "model.train()" };
    let is = trains(named);
    let flag = if named.name.is_empty() { "model".to_owned() } else { named.name.clone() };
    let modules = |wanted: bool| -> Vec<&str> {
        let of = changes.iter().filter(|change| trains(change) == wanted);
        of.map(|change| if change.name.is_empty() { "model" } else { change.name.as_str() }).collect()
    };
    let mut evidence = Vec::new();
    for (wanted, mode) in [(true, "training"), (false, "evaluation")] {
        let names = modules(wanted);
        if !names.is_empty() {
            evidence.push(format!("in {mode} mode after loading only: {}", some(&names)));
        }
    }
    evidence.extend(effect(facts, &named.name));
    Some(Finding {
        kind: "mode",
        what: format!("{call} was not called: `{flag}.training` is {is} after loading"),
        evidence,
        tensors: Vec::new(),
        reach: facts.reach(changes.iter().map(|change| change.name.as_str())),
    })
}

fn effect(facts: &Facts, name: &str) -> Option<String> {
    let module = facts.module(name)?;
    let name = called(name);
    if module.keeps_statistics() {
        return Some(if module.training {
            format!(
                "{name} normalises with the batch's own statistics in place of the running ones, and \
                 moves these"
            )
        } else {
            format!("{name} normalises with the running statistics in place of the batch's own")
        });
    }
    module.is_dropout().then(|| {
        if module.training {
            format!("{name} drops elements at random")
        } else {
            format!("{name} drops nothing")
        }
    })
}
