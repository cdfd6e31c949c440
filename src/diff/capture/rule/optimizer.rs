//! The optimizer, the learning rate's schedule and the scaler of gradients: state that is lost or other, and
//! hyperparameters that are others.

use serde_json::Value;

use crate::diff::capture::facts::{Facts, Reach, Section, told};
use crate::diff::capture::metadata::Optimizer;
use crate::diff::capture::model::{Change, Part};
use crate::diff::capture::rule::{Finding, some};
use crate::diff::capture::values::values;
use crate::diff::model::{Status, TensorDiff};

/// What the place in a schedule is called in the state of torch's schedules, by how much it tells.
const POSITIONS: [&str; 3] = ["last_epoch", "_step_count", "num_bad_epochs"];

pub fn find(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let rates = learning_rates(facts);
    let schedule = schedule(facts, &rates);
    found.extend(state(facts));
    // A schedule that starts anew sets the learning rate.
    if schedule.is_none() {
        found.extend(rate(facts, &rates));
    }
    found.extend(schedule);
    found.extend(hyperparameters(facts));
    found.extend(scaler(facts));
    found
}

fn later(kind: &'static str, what: String, evidence: Vec<String>) -> Finding {
    Finding { kind, what, evidence, tensors: Vec::new(), reach: Reach::Later }
}

/// Momentum, moments and step counts.
fn state(facts: &Facts) -> Option<Finding> {
    let (before, after) = (facts.before.capture.optimizer.as_ref()?, facts.after.capture.optimizer.as_ref()?);
    let tensors = facts.differing(Section::Optimizer);
    let scalars: Vec<&Change> = facts.of_part(Part::OptimizerState).collect();
    if tensors.is_empty() && scalars.is_empty() {
        return None;
    }
    let (gone, at_zero) = (lost(facts, &tensors), step(after).is_none_or(|step| step == 0.0));
    let is_lost = step(before).is_none_or(|step| step > 0.0) && at_zero && gone == tensors.len();
    let mut evidence = Vec::new();
    if !tensors.is_empty() {
        let mut kinds: Vec<&str> =
            tensors.iter().filter_map(|(name, _)| name.rsplit_once('/')).map(|(_, state)| state).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let how = if is_lost { "missing or zero after" } else { "others" };
        evidence.push(format!("{} tensors are {how}: {}", tensors.len(), some(&kinds)));
    }
    if let Some(before) = step(before) {
        let after = step(after).map_or("nothing".to_owned(), |step| step.to_string());
        evidence.push(format!("`step` is {before} before and {after} after"));
    }
    let class = &before.class;
    let (kind, what) = if is_lost {
        (
            "optimizer_state_lost",
            format!("the state of the optimizer ({class}) is lost: it begins anew after loading"),
        )
    } else if tensors.iter().all(|(_, tensor)| tensor.status == Status::Missing) && !tensors.is_empty() {
        ("optimizer_state_partly_lost", format!("a part of the optimizer's state ({class}) is lost"))
    } else {
        (
            "optimizer_state",
            format!("the state of the optimizer ({class}) is another one, as of another step or run"),
        )
    };
    let tensors = tensors.iter().map(|(_, tensor)| tensor.name.clone()).collect();
    Some(Finding { tensors, ..later(kind, what, evidence) })
}

/// How many tensors of state are missing after, or zero throughout.
fn lost(facts: &Facts, tensors: &[(&str, &TensorDiff)]) -> usize {
    let is_zero = |tensor: &TensorDiff| {
        let after = facts.pair(&tensor.name).and_then(|(_, after)| values(after));
        after.is_some_and(|after| after.iter().all(|value| *value == 0.0))
    };
    tensors.iter().filter(|(_, tensor)| tensor.status == Status::Missing || is_zero(tensor)).count()
}

/// The largest step count of all parameters.
fn step(optimizer: &Optimizer) -> Option<f64> {
    let steps = optimizer.scalars.iter().filter(|(name, _)| name.ends_with("/step"));
    steps.filter_map(|(_, value)| Value::as_f64(value)).reduce(f64::max)
}

fn learning_rates<'f>(facts: &'f Facts) -> Vec<&'f Change> {
    facts.of_part(Part::Optimizer).filter(|change| change.name.ends_with("].lr")).collect()
}

fn rate(facts: &Facts, rates: &[&Change]) -> Option<Finding> {
    let first = rates.first()?;
    let more = if rates.len() > 1 { format!(", in {} groups", rates.len()) } else { String::new() };
    let what = format!("the learning rate is another one: {}{more}", from_to(first));
    let has_schedule = facts.before.capture.schedule.is_some() && facts.after.capture.schedule.is_some();
    let evidence = has_schedule.then(|| "the schedule's state is equal".to_owned());
    Some(later("learning_rate", what, evidence.into_iter().collect()))
}

fn from_to(change: &Change) -> String {
    format!("{} before and {} after", told(change.before.as_ref()), told(change.after.as_ref()))
}

fn schedule(facts: &Facts, rates: &[&Change]) -> Option<Finding> {
    let changes: Vec<&Change> = facts.of_part(Part::Schedule).collect();
    let first = changes.first()?;
    let named = |name: &str| changes.iter().find(|change| change.name == name);
    let class = facts.before.capture.schedule.as_ref().map_or("", |schedule| schedule.class.as_str());
    let is_one_sided = facts.before.capture.schedule.is_none() || facts.after.capture.schedule.is_none();
    if is_one_sided {
        let what = format!("only one side has a schedule: {}", from_to(first));
        return Some(Finding { reach: Reach::Aside, ..later("schedule_missing", what, Vec::new()) });
    }
    let mut evidence: Vec<String> =
        rates.iter().take(2).map(|rate| format!("`{}` is {}", rate.name, from_to(rate))).collect();
    let (kind, what) = if let Some(kind) = named("type") {
        ("schedule", format!("the schedule is another one: {}", from_to(kind)))
    } else if let Some(position) = POSITIONS.iter().find_map(|name| named(name)) {
        let what = format!(
            "the schedule ({class}) stands at another position: `{}` is {}",
            position.name,
            from_to(position)
        );
        ("schedule_position", what)
    } else {
        (
            "schedule",
            format!("the schedule ({class}) is set otherwise: `{}` is {}", first.name, from_to(first)),
        )
    };
    let others: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    evidence.push(format!("of its state differ: {}", some(&others)));
    Some(later(kind, what, evidence))
}

fn hyperparameters(facts: &Facts) -> Option<Finding> {
    let changes: Vec<&Change> =
        facts.of_part(Part::Optimizer).filter(|change| !change.name.ends_with("].lr")).collect();
    let first = changes.first()?;
    let is_one_sided = facts.before.capture.optimizer.is_none() || facts.after.capture.optimizer.is_none();
    if is_one_sided {
        let what = format!("only one side has an optimizer: {}", from_to(first));
        return Some(Finding { reach: Reach::Aside, ..later("optimizer_missing", what, Vec::new()) });
    }
    let evidence = changes.iter().skip(1).take(3);
    let evidence = evidence.map(|change| format!("`{}` is {}", change.name, from_to(change))).collect();
    let what = if first.name.ends_with(".params") {
        "the optimizer's groups hold other parameters".to_owned()
    } else {
        format!("the optimizer is set otherwise: `{}` is {}", first.name, from_to(first))
    };
    Some(later("hyperparameters", what, evidence))
}

fn scaler(facts: &Facts) -> Option<Finding> {
    let first = facts.of_part(Part::Scaler).next()?;
    let what = format!("the scaler of gradients is another one: `{}` is {}", first.name, from_to(first));
    Some(later("gradient_scaler", what, Vec::new()))
}
