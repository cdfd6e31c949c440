//! State beside tensors, side by side: what differs between the headers of two captures.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::diff::capture::metadata::{Capture, Module, Optimizer, Stateful};
use crate::diff::capture::model::{Change, Part};

/// Everything that differs, in the order of the parts.
pub fn changes(before: &Capture, after: &Capture) -> Vec<Change> {
    let mut found = modules(&before.modules, &after.modules);
    found.extend(optimizer(before.optimizer.as_ref(), after.optimizer.as_ref()));
    found.extend(stateful(Part::Schedule, before.schedule.as_ref(), after.schedule.as_ref()));
    found.extend(stateful(Part::Scaler, before.scaler.as_ref(), after.scaler.as_ref()));
    let texts = |digests: &BTreeMap<String, String>| -> BTreeMap<String, Value> {
        digests.iter().map(|(name, digest)| (name.clone(), Value::from(digest.as_str()))).collect()
    };
    found.extend(maps(Part::Generator, "", &texts(&before.generators), &texts(&after.generators)));
    found.extend(maps(Part::Backend, "", &before.backend, &after.backend));
    found.extend(maps(Part::Version, "", &before.versions, &after.versions));
    found.sort_by_key(|change| change.part);
    found
}

/// Whether two values mean the same: 0 and 0.0 do.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn modules(before: &[Module], after: &[Module]) -> Vec<Change> {
    let of = |side: &[Module], name: &str| side.iter().position(|module| module.name == name);
    let added = after.iter().filter(|module| of(before, &module.name).is_none());
    let mut found: Vec<Change> = added
        .map(|module| Change {
            part: Part::Module,
            name: module.name.clone(),
            before: None,
            after: Some(Value::from(module.class.as_str())),
        })
        .collect();
    for module in before {
        let change = |part, before: Value, after: Option<Value>| Change {
            part,
            name: module.name.clone(),
            before: Some(before),
            after,
        };
        let class = || Value::from(module.class.as_str());
        let Some(other) = of(after, &module.name).map(|place| &after[place]) else {
            found.push(change(Part::Module, class(), None));
            continue;
        };
        if module.class != other.class {
            found.push(change(Part::Module, class(), Some(Value::from(other.class.as_str()))));
        }
        if module.training != other.training {
            found.push(change(Part::Mode, module.training.into(), Some(other.training.into())));
        }
        let prefix = format!("{}.", module.name);
        found.extend(maps(Part::Setting, &prefix, &module.settings, &other.settings));
    }
    found
}

fn optimizer(before: Option<&Optimizer>, after: Option<&Optimizer>) -> Vec<Change> {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (before, after) => {
            return one_side(Part::Optimizer, before.map(|x| &x.class), after.map(|x| &x.class));
        }
    };
    let mut found = class(Part::Optimizer, &before.class, &after.class);
    let none = BTreeMap::new();
    for index in 0..before.param_groups.len().max(after.param_groups.len()) {
        let group = |side: &Optimizer| side.param_groups.get(index).unwrap_or(&none).clone();
        let prefix = format!("param_groups[{index}].");
        found.extend(maps(Part::Optimizer, &prefix, &group(before), &group(after)));
    }
    found.extend(maps(Part::OptimizerState, "", &before.scalars, &after.scalars));
    found
}

fn stateful(part: Part, before: Option<&Stateful>, after: Option<&Stateful>) -> Vec<Change> {
    match (before, after) {
        (Some(before), Some(after)) => {
            let mut found = class(part, &before.class, &after.class);
            found.extend(maps(part, "", &before.state, &after.state));
            found
        }
        (before, after) => one_side(part, before.map(|x| &x.class), after.map(|x| &x.class)),
    }
}

fn class(part: Part, before: &str, after: &str) -> Vec<Change> {
    if before == after {
        return Vec::new();
    }
    vec![Change { part, name: "type".to_owned(), before: Some(before.into()), after: Some(after.into()) }]
}

fn one_side(part: Part, before: Option<&String>, after: Option<&String>) -> Vec<Change> {
    if before.is_none() && after.is_none() {
        return Vec::new();
    }
    let value = |class: Option<&String>| class.map(|class| Value::from(class.as_str()));
    vec![Change { part, name: "type".to_owned(), before: value(before), after: value(after) }]
}

fn maps(
    part: Part,
    prefix: &str,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> Vec<Change> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |key: &&String| match (before.get(*key), after.get(*key)) {
        (Some(before), Some(after)) => !same(before, after),
        _ => true,
    };
    let change = |key: &String| Change {
        part,
        name: format!("{prefix}{key}"),
        before: before.get(key).cloned(),
        after: after.get(key).cloned(),
    };
    keys.into_iter().filter(differs).map(change).collect()
}
