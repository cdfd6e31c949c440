//! Likely causes of a difference between plain checkpoints: one rule, one file, each with its evidence in
//! numbers, and in its head when it fires. `METHODOLOGY.md` has them in one place.
//!
//! Every tensor that differs is given to one rule, the first that explains it: those that hold bit for bit
//! come before those that only bound a difference, and "truly different" and "cannot tell" come last. The
//! whole is a sentence of the rules that fired, the one that explains most tensors first.

mod different;
mod layout;
mod lower_precision;
mod optimizer_state;
mod pair;
mod permuted;
mod reinitialised;
mod rounding_noise;
mod running_statistics;
mod scale_shift;

use rayon::prelude::*;
use serde::Serialize;

use crate::checkpoint::element::float;
use crate::checkpoint::{Checkpoint, View};
use crate::diff::cause::pair::{Pair, all, first};
use crate::diff::model::{Status, Summary, TensorDiff};

/// A cause that explains some tensors, or all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    /// Its stable name, as `lower_precision`.
    pub kind: &'static str,
    /// What it is, as a part of a sentence.
    pub what: String,
    /// The numbers that speak for it.
    pub evidence: Vec<String>,
    /// How many tensors it explains.
    pub tensors: usize,
}

/// What a rule needs to know of the whole.
pub struct Scope {
    /// Names on either side.
    pub tensors: usize,
    /// Tensors that are not equal.
    pub different: usize,
    /// Whether something of BEFORE is recognisable in AFTER.
    pub is_something_left: bool,
}

impl Scope {
    /// So many tensors, in words.
    pub fn of(&self, found: usize) -> String {
        match found {
            1 if self.tensors == 1 => "the only tensor".to_owned(),
            several if several == self.tensors => format!("all {several} tensors"),
            some => count(some, "tensor"),
        }
    }
}

/// "1 tensor", "3 tensors".
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What explains one tensor.
enum Finding {
    Precision(lower_precision::Found),
    Statistics(running_statistics::Found),
    Optimizer(optimizer_state::Found),
    Permuted(permuted::Found),
    Scaled(scale_shift::Found),
    Noise(rounding_noise::Found),
    Fresh(reinitialised::Found),
    Layout(layout::Found),
    Different(different::Found),
}

/// The likely causes, in one sentence and one by one; each tensor that one of them explains is told it.
pub fn find(
    before: &Checkpoint,
    after: &Checkpoint,
    tensors: &mut [TensorDiff],
    summary: &Summary,
) -> (String, Vec<Cause>) {
    if summary.different == 0 {
        return ("the saved tensors are not the cause".to_owned(), Vec::new());
    }
    let findings: Vec<Option<Finding>> =
        tensors.par_iter().map(|tensor| look(tensor, before, after)).collect();
    let is_something_left = tensors.iter().zip(&findings).any(|(tensor, finding)| match finding {
        None => before.get(&tensor.name).is_some_and(is_telling),
        Some(Finding::Different(different::Found::Values(correlation))) => {
            correlation.is_some_and(|r| r > 0.2)
        }
        Some(Finding::Precision(_) | Finding::Permuted(_) | Finding::Scaled(_) | Finding::Noise(_)) => true,
        Some(_) => false,
    });
    let scope = Scope { tensors: summary.tensors, different: summary.different, is_something_left };
    let unchanged = tensors.iter().zip(&findings).filter(|(_, finding)| finding.is_none());
    let equal: Vec<View> = unchanged.filter_map(|(tensor, _)| before.get(&tensor.name)).collect();
    let mut causes = tell(tensors, &findings, &scope, &equal);
    // Stable: among equals the order of the rules stays.
    causes.sort_by_key(|cause| (cause.kind == "cannot_tell", std::cmp::Reverse(cause.tensors)));
    let sentence = causes.iter().map(|cause| cause.what.as_str()).collect::<Vec<_>>().join("; ");
    let kinds: Vec<Option<&'static str>> =
        findings.iter().map(|finding| finding.as_ref().map(|finding| finding.kind(&scope))).collect();
    tensors.iter_mut().zip(kinds).for_each(|(tensor, kind)| tensor.cause = kind);
    (sentence, causes)
}

impl Finding {
    /// The `kind` of the cause that it becomes part of.
    fn kind(&self, scope: &Scope) -> &'static str {
        match self {
            Self::Precision(_) => "lower_precision",
            Self::Statistics(_) => "running_statistics",
            Self::Optimizer(_) => "optimizer_state",
            Self::Permuted(_) => "permuted",
            Self::Scaled(_) => "scale_and_shift",
            Self::Noise(_) => "rounding_noise",
            Self::Fresh(_) if scope.is_something_left => "reinitialised",
            Self::Fresh(_) | Self::Different(different::Found::Values(_)) => "different_values",
            Self::Layout(layout::Found::Missing) => "missing_tensors",
            Self::Layout(layout::Found::Extra) => "extra_tensors",
            Self::Layout(layout::Found::SameValues) => "same_values",
            Self::Different(different::Found::Unknown(_)) => "cannot_tell",
        }
    }
}

/// The first rule that explains a tensor; `None` if it is equal.
fn look(tensor: &TensorDiff, before: &Checkpoint, after: &Checkpoint) -> Option<Finding> {
    let is_state = optimizer_state::is_state(&tensor.name);
    match tensor.status {
        Status::Equal => return None,
        Status::Missing if is_state => return Some(Finding::Optimizer(optimizer_state::Found::Missing)),
        Status::Extra if is_state => return Some(Finding::Optimizer(optimizer_state::Found::Extra)),
        Status::Missing => return Some(Finding::Layout(layout::Found::Missing)),
        Status::Extra => return Some(Finding::Layout(layout::Found::Extra)),
        Status::Incomparable | Status::Different => {}
    }
    let (Some(distance), Some(a), Some(b)) =
        (&tensor.distance, before.get(&tensor.name), after.get(&tensor.name))
    else {
        return Some(Finding::Different(different::Found::Unknown("it cannot be compared")));
    };
    let pair = Pair::new(a, b, distance);
    Some(look_at_values(&pair, before, is_state))
}

fn look_at_values(pair: &Pair, before: &Checkpoint, is_state: bool) -> Finding {
    let statistics = running_statistics::look(pair);
    let is_lost = statistics.as_ref().is_some_and(|found| found.is_initial_after || found.is_initial_before);
    if let Some(statistics) = statistics.clone().filter(|_| is_lost && pair.distance.differing > 0) {
        return Finding::Statistics(statistics);
    }
    optimizer_state::look(pair)
        .map(Finding::Optimizer)
        .or_else(|| lower_precision::look(pair).map(Finding::Precision))
        .or_else(|| (pair.distance.differing == 0).then_some(Finding::Layout(layout::Found::SameValues)))
        .or_else(|| permuted::look(pair).map(Finding::Permuted))
        .or_else(|| statistics.map(Finding::Statistics))
        .or_else(|| scale_shift::look(pair).map(Finding::Scaled))
        .or_else(|| rounding_noise::look(pair, before).map(Finding::Noise))
        .or_else(|| is_state.then_some(Finding::Optimizer(optimizer_state::Found::Moved)))
        .or_else(|| reinitialised::look(pair, before).map(Finding::Fresh))
        .unwrap_or_else(|| Finding::Different(different::look(pair)))
}

/// Whether a tensor tells which model it is of: floats that are not all the same. Integers are often
/// positions, which are the same in every model.
fn is_telling(view: View) -> bool {
    float(view.element).is_some() && first(view).is_some_and(|first| !all(view, |value| value == first))
}

fn tell(tensors: &[TensorDiff], findings: &[Option<Finding>], scope: &Scope, equal: &[View]) -> Vec<Cause> {
    let mut by_rule = ByRule::default();
    for (tensor, finding) in tensors.iter().zip(findings) {
        let name = tensor.name.as_str();
        match finding {
            None => {}
            Some(Finding::Precision(found)) => by_rule.precision.push((name, found)),
            Some(Finding::Statistics(found)) => by_rule.statistics.push((name, found)),
            Some(Finding::Optimizer(found)) => by_rule.optimizer.push((name, *found)),
            Some(Finding::Permuted(found)) => by_rule.permuted.push((name, found)),
            Some(Finding::Scaled(found)) => by_rule.scaled.push((name, *found)),
            Some(Finding::Noise(found)) => by_rule.noise.push((name, *found)),
            Some(Finding::Fresh(found)) => by_rule.fresh.push((name, found)),
            Some(Finding::Layout(found)) => by_rule.layout.push((name, *found)),
            Some(Finding::Different(found)) => by_rule.different.push((name, found)),
        }
    }
    by_rule.tell(scope, equal)
}

/// The tensors that each rule explains.
#[derive(Default)]
struct ByRule<'a> {
    precision: Vec<(&'a str, &'a lower_precision::Found)>,
    statistics: Vec<(&'a str, &'a running_statistics::Found)>,
    optimizer: Vec<(&'a str, optimizer_state::Found)>,
    permuted: Vec<(&'a str, &'a permuted::Found)>,
    scaled: Vec<(&'a str, scale_shift::Found)>,
    noise: Vec<(&'a str, rounding_noise::Found)>,
    fresh: Vec<(&'a str, &'a reinitialised::Found)>,
    layout: Vec<(&'a str, layout::Found)>,
    different: Vec<(&'a str, &'a different::Found)>,
}

impl ByRule<'_> {
    fn tell(&self, scope: &Scope, equal: &[View]) -> Vec<Cause> {
        let mut causes = lower_precision::tell(&self.precision, scope, equal);
        if !self.statistics.is_empty() {
            causes.push(running_statistics::tell(&self.statistics, scope));
        }
        if !self.optimizer.is_empty() {
            causes.push(optimizer_state::tell(&self.optimizer, scope));
        }
        if !self.permuted.is_empty() {
            causes.push(permuted::tell(&self.permuted, scope));
        }
        if !self.scaled.is_empty() {
            causes.push(scale_shift::tell(&self.scaled, scope));
        }
        if !self.noise.is_empty() {
            causes.push(rounding_noise::tell(&self.noise, scope));
        }
        if !self.fresh.is_empty() {
            causes.push(reinitialised::tell(&self.fresh, scope));
        }
        causes.extend(layout::tell(&self.layout, scope));
        causes.extend(different::tell(&self.different, scope));
        causes
    }
}

/// The last part of a name, behind `.` and `/`.
fn last_part(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
