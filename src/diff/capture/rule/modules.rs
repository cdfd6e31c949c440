//! Other modules: the two sides are not the same model.

use crate::diff::capture::facts::{Facts, Reach, told};
use crate::diff::capture::model::{Change, Part};
use crate::diff::capture::rule::{Finding, some};

/// What `DataParallel` and `DistributedDataParallel` put before every name.
const WRAPPED: &str = "module";

pub fn find(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let changes: Vec<&Change> = facts.of_part(Part::Module).collect();
    if !changes.is_empty() {
        found.push(if is_wrapped(facts) { wrapped() } else { others(facts, &changes) });
    }
    found.extend(settings(facts));
    found
}

/// Whether one side's names are the other's with the wrapper's prefix.
fn is_wrapped(facts: &Facts) -> bool {
    let names = |side: &super::super::metadata::Capture| -> Vec<String> {
        side.modules.iter().map(|module| module.name.clone()).collect()
    };
    let (before, after) = (names(&facts.before.capture), names(&facts.after.capture));
    let behind = |name: &String| match name.as_str() {
        "" => WRAPPED.to_owned(),
        name => format!("{WRAPPED}.{name}"),
    };
    let wraps = |inner: &[String], outer: &[String]| {
        outer.len() == inner.len() + 1 && inner.iter().map(behind).eq(outer[1..].iter().cloned())
    };
    wraps(&before, &after) || wraps(&after, &before)
}

fn wrapped() -> Finding {
    Finding {
        kind: "wrapped_model",
        what: "one side is wrapped, so that all its names begin with `module.`, and cannot be compared by \
               name; capture `model.module` there"
            .to_owned(),
        evidence: Vec::new(),
        tensors: Vec::new(),
        reach: Reach::First,
    }
}

fn others(facts: &Facts, changes: &[&Change]) -> Finding {
    let names = |of: &dyn Fn(&Change) -> bool| -> Vec<&str> {
        changes.iter().filter(|change| of(change)).map(|change| change.name.as_str()).collect()
    };
    let gone = names(&|change| change.after.is_none());
    let new = names(&|change| change.before.is_none());
    let mut parts = Vec::new();
    if !gone.is_empty() {
        parts.push(format!("{} only before", some(&gone)));
    }
    if !new.is_empty() {
        parts.push(format!("{} only after", some(&new)));
    }
    for change in changes.iter().filter(|change| change.before.is_some() && change.after.is_some()).take(4) {
        let (before, after) = (told(change.before.as_ref()), told(change.after.as_ref()));
        parts.push(format!("{} {before} before and {after} after", some(&[&change.name])));
    }
    Finding {
        kind: "other_modules",
        what: format!("the model is another one: {}", parts.join(", ")),
        evidence: vec![format!(
            "{} modules before, {} after",
            facts.before.capture.modules.len(),
            facts.after.capture.modules.len()
        )],
        tensors: Vec::new(),
        reach: match facts.reach(changes.iter().map(|change| change.name.as_str())) {
            // A module that was taken out has no activation to be found by.
            Reach::Aside => Reach::Perhaps,
            reach => reach,
        },
    }
}

/// A batch-norm's momentum or epsilon, a dropout's probability.
fn settings(facts: &Facts) -> Option<Finding> {
    let changes: Vec<&Change> = facts.of_part(Part::Setting).collect();
    let module = |change: &&Change| change.name.rsplit_once('.').map_or("", |(module, _)| module).to_owned();
    let first = changes.first()?;
    let modules: Vec<String> = changes.iter().map(module).collect();
    let reach = facts.reach(modules.iter().map(String::as_str));
    let own = changes.iter().find(|change| facts.first_module() == Some(module(change).as_str()));
    let named = own.unwrap_or(first);
    Some(Finding {
        kind: "module_settings",
        what: format!(
            "modules are set otherwise: `{}` is {} before and {} after",
            named.name,
            told(named.before.as_ref()),
            told(named.after.as_ref())
        ),
        evidence: Vec::new(),
        tensors: Vec::new(),
        reach,
    })
}
