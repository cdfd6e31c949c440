//! Running statistics of batch-norms: lost, moved by forward passes, with the biased variance, or others.

use std::collections::HashSet;

use serde_json::Value;

use crate::diff::capture::facts::{Facts, Reach};
use crate::diff::capture::model::Part;
use crate::diff::capture::rule::{Finding, some};
use crate::diff::capture::values::{scalar, values};
use crate::diff::model::Status;

/// One module's statistics on both sides.
struct Statistics {
    mean: [Vec<f64>; 2],
    variance: [Vec<f64>; 2],
    tracked: Option<[f64; 2]>,
    /// Weight of the newest batch; `None` for the average over all.
    momentum: Option<f64>,
}

/// What has happened to a module's statistics; a number where it is the same for all modules that are told
/// together.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Lost,
    Moved(f64),
    Earlier(f64),
    Biased { values: f64, is_after: bool },
    Other,
}

pub fn find(facts: &Facts, rounded: &HashSet<String>) -> Vec<Finding> {
    let mut fates: Vec<(Fate, Vec<&str>)> = Vec::new();
    for module in facts.after.capture.modules.iter().filter(|module| module.keeps_statistics()) {
        let tensors = tensors(&module.name);
        let differs = |name: &String| {
            facts.tensors.iter().any(|tensor| &tensor.name == name && tensor.status != Status::Equal)
                && !rounded.contains(name)
        };
        if !tensors.iter().any(differs) {
            continue;
        }
        let Some(statistics) = read(facts, &module.name) else { continue };
        let fate = statistics.fate();
        match fates.iter_mut().find(|(other, _)| *other == fate) {
            Some((_, modules)) => modules.push(&module.name),
            None => fates.push((fate, vec![&module.name])),
        }
    }
    fates.into_iter().map(|(fate, modules)| finding(facts, fate, &modules)).collect()
}

fn tensors(module: &str) -> [String; 3] {
    let dot = if module.is_empty() { "" } else { "." };
    ["running_mean", "running_var", "num_batches_tracked"].map(|name| format!("buffer/{module}{dot}{name}"))
}

fn read(facts: &Facts, module: &str) -> Option<Statistics> {
    let [mean, variance, tracked] = tensors(module);
    let both = |name: &str| {
        let (before, after) = facts.pair(name)?;
        let sides = [values(before)?, values(after)?];
        (sides[0].len() == sides[1].len()).then_some(sides)
    };
    let counts = |name: &str| {
        let (before, after) = facts.pair(name)?;
        Some([scalar(before)?, scalar(after)?])
    };
    let momentum = facts.module(module)?.settings.get("momentum").and_then(Value::as_f64);
    Some(Statistics { mean: both(&mean)?, variance: both(&variance)?, tracked: counts(&tracked), momentum })
}

impl Statistics {
    fn fate(&self) -> Fate {
        let is_new = |side: usize| {
            self.mean[side].iter().all(|mean| *mean == 0.0)
                && self.variance[side].iter().all(|variance| *variance == 1.0)
        };
        if is_new(1) && !is_new(0) {
            return Fate::Lost;
        }
        match self.tracked {
            Some([before, after]) if after > before => Fate::Moved(after - before),
            Some([before, after]) if after < before => Fate::Earlier(before - after),
            _ => self.biased().unwrap_or(Fate::Other),
        }
    }

    /// Whether the means are equal, and variances are those of the other estimator.
    ///
    /// Each batch adds its variance times n/(n − 1), or without that factor. What is left of the initial
    /// value, (1 − momentum)^batches, has no factor; it is nothing where statistics were converted, or
    /// averaged over all.
    fn biased(&self) -> Option<Fate> {
        if self.mean[0] != self.mean[1] || self.variance[0].is_empty() {
            return None;
        }
        let left =
            self.momentum.zip(self.tracked).map(|(momentum, [batches, _])| (1.0 - momentum).powf(batches));
        [left.unwrap_or(0.0), 0.0].into_iter().find_map(|left| self.biased_but_for(left))
    }

    fn biased_but_for(&self, left: f64) -> Option<Fate> {
        // Roundings of a running average in f32 amount to a few units in the last place.
        const TOLERANCE: f64 = 2e-6;
        let pairs = || self.variance[0].iter().zip(&self.variance[1]).map(|(a, b)| (a - left, b - left));
        let (sum_before, sum_after) = pairs().fold((0.0, 0.0), |sums, (a, b)| (sums.0 + a, sums.1 + b));
        let (factor, is_after) = if sum_after < sum_before {
            (sum_after / sum_before, true)
        } else {
            (sum_before / sum_after, false)
        };
        let explains = |(a, b): (f64, f64)| {
            let (large, small) = if is_after { (a, b) } else { (b, a) };
            (large * factor - small).abs() <= TOLERANCE * (large.abs() + left)
        };
        // (n − 1)/n for an n of at least 2.
        let values = 1.0 / (1.0 - factor);
        (factor >= 0.5 && 1.0 - factor > 4.0 * TOLERANCE && values.is_finite() && pairs().all(explains))
            .then_some(Fate::Biased { values: values.round(), is_after })
    }
}

fn finding(facts: &Facts, fate: Fate, modules: &[&str]) -> Finding {
    let of = if modules == [""] { "the model".to_owned() } else { some(modules) };
    let mut evidence = counts(facts, modules);
    let generators = facts.of_part(Part::Generator).next().is_some();
    let (kind, what) = match fate {
        Fate::Lost => (
            "statistics_lost",
            format!(
                "the running statistics of {of} are lost: mean 0 and variance 1, as a new module has them"
            ),
        ),
        Fate::Moved(batches) => {
            if generators && facts.after.capture.modules.iter().any(|module| module.is_dropout()) {
                evidence.push("generators have moved too, as dropout in training mode makes them".to_owned());
            }
            let passes = if batches == 1.0 { "pass" } else { "passes" };
            (
                "statistics_moved",
                format!(
                    "{batches} forward {passes} in training mode moved the running statistics of {of} after \
                     saving or loading"
                ),
            )
        }
        Fate::Earlier(batches) => {
            ("statistics_earlier", format!("the running statistics of {of} are of {batches} batches earlier"))
        }
        Fate::Biased { values, is_after } => {
            evidence.push("the running means are equal".to_owned());
            (
                "statistics_biased",
                format!(
                    "the running variance of {of} is biased {} and unbiased {}: batches' variances times \
                     (n − 1)/n with n = {values}",
                    if is_after { "after" } else { "before" },
                    if is_after { "before" } else { "after" }
                ),
            )
        }
        Fate::Other => (
            "statistics_other",
            format!(
                "the running statistics of {of} are others after as many batches: those of one shard in \
                 place of all, or of other data or another momentum; the numbers cannot tell which"
            ),
        ),
    };
    Finding {
        kind,
        what,
        evidence,
        tensors: modules.iter().flat_map(|module| tensors(module)).collect(),
        reach: reach(facts, modules),
    }
}

fn reach(facts: &Facts, modules: &[&str]) -> Reach {
    match facts.reach(modules.iter().copied()) {
        // In training mode a batch-norm does not read them, and they tell in a later evaluation.
        Reach::First | Reach::Perhaps if modules.iter().all(|name| is_training(facts, name)) => Reach::Later,
        reach => reach,
    }
}

fn is_training(facts: &Facts, module: &str) -> bool {
    let trains = |capture: &crate::diff::capture::metadata::Capture| {
        capture.module(module).is_some_and(|module| module.training)
    };
    trains(&facts.before.capture) && trains(&facts.after.capture)
}

fn counts(facts: &Facts, modules: &[&str]) -> Vec<String> {
    let count = |module: &&str| {
        let [before, after] = read(facts, module)?.tracked?;
        let name = if module.is_empty() { String::new() } else { format!("{module}.") };
        Some(if before == after {
            format!("`{name}num_batches_tracked` is {before} on both sides")
        } else {
            format!("`{name}num_batches_tracked` is {before} before and {after} after")
        })
    };
    modules.iter().take(3).filter_map(count).collect()
}
