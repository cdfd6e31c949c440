//! Batch-norm's running statistics moved or were lost.
//!
//! It fires on tensors whose name ends in `running_mean`, `running_var` or `num_batches_tracked` (PyTorch),
//! or in `moving_mean` or `moving_variance` (TensorFlow, Keras), whatever they hold; it is the *only* cause
//! if nothing else differs. Told apart are statistics at their initial values (mean 0, variance 1, count 0)
//! on one side, which were lost or never there, and others, which moved: forward passes in training mode
//! between saving and comparing do that. Where every variance has one ratio, that is told with the *n* for
//! which it is n/(n − 1): biased against unbiased variance.

use crate::checkpoint::View;
use crate::diff::cause::pair::{Pair, all, first};
use crate::diff::cause::scale_shift;
use crate::diff::cause::{Cause, Scope, last_part};

/// What was found of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whether BEFORE has initial values.
    pub is_initial_before: bool,
    /// Whether AFTER has them.
    pub is_initial_after: bool,
    /// Batches that were counted before and after, if it is the count.
    pub batches: Option<(f64, f64)>,
    /// AFTER over BEFORE, if it is the same for every channel of a variance.
    pub ratio: Option<f64>,
}

/// What a statistic is before the first batch, by its name.
fn initial(name: &str) -> Option<f64> {
    match last_part(name) {
        "running_mean" | "moving_mean" | "num_batches_tracked" => Some(0.0),
        "running_var" | "moving_variance" => Some(1.0),
        _ => None,
    }
}

/// Looks at one tensor.
pub fn look(pair: &Pair) -> Option<Found> {
    let initial = initial(pair.before.name)?;
    let is_count = last_part(pair.before.name) == "num_batches_tracked";
    let is_initial = |view: View| match is_count {
        true => view.bytes.iter().all(|byte| *byte == 0),
        false => all(view, |value| value == initial),
    };
    let batches = is_count.then(|| count(pair.before).zip(count(pair.after))).flatten();
    let ratio = (initial == 1.0).then(|| scale_shift::look(pair)).flatten();
    Some(Found {
        is_initial_before: is_initial(pair.before),
        is_initial_after: is_initial(pair.after),
        batches,
        ratio: ratio.filter(|fit| fit.shift == 0.0).map(|fit| fit.scale),
    })
}

fn count(view: View) -> Option<f64> {
    let whole = view.bytes.first_chunk::<8>().map(|bytes| i64::from_le_bytes(*bytes) as f64);
    first(view).or(whole.filter(|_| view.bytes.len() == 8))
}

/// The cause of the tensors that were found.
pub fn tell(found: &[(&str, &Found)], scope: &Scope) -> Cause {
    let count = |of: fn(&Found) -> bool| found.iter().filter(|(_, found)| of(found)).count();
    let (lost, new) = (count(|found| found.is_initial_after), count(|found| found.is_initial_before));
    let is_only = found.len() == scope.different;
    let (only, others) = if is_only {
        (
            "only ",
            if scope.tensors > scope.different { " (every other tensor has the same bits)" } else { "" },
        )
    } else {
        ("", "")
    };
    let how = if lost == found.len() {
        "are at their initial values in AFTER"
    } else if new == found.len() {
        "are at their initial values in BEFORE"
    } else {
        "moved"
    };
    let mut evidence = vec![format!("{} statistics differ, such as {}", found.len(), found[0].0)];
    if lost > 0 {
        evidence.push(format!(
            "{lost} of them are 0 (means, counts) or 1 (variances) throughout in AFTER: lost when saving \
             or loading"
        ));
    }
    if new > 0 {
        evidence.push(format!(
            "{new} of them are 0 or 1 throughout in BEFORE: not yet there, or lost before it was saved"
        ));
    }
    let is_real = |found: &Found| !found.is_initial_after && !found.is_initial_before;
    if let Some((before, after)) =
        found.iter().find_map(|(_, found)| found.batches.filter(|_| is_real(found)))
    {
        evidence.push(format!(
            "batches that were counted: {before} before, {after} after: forward passes in training mode \
             lie between"
        ));
    }
    if let Some(ratio) = found.iter().find_map(|(_, found)| found.ratio.filter(|_| is_real(found))) {
        let n = if ratio > 1.0 { ratio / (ratio - 1.0) } else { 1.0 / (1.0 - ratio) };
        evidence.push(format!(
            "a variance is ×{ratio:.6} in every channel, as n/(n − 1) or its inverse is for n = {n:.1}: \
             biased \
             against unbiased variance"
        ));
    }
    Cause {
        kind: "running_statistics",
        what: format!("{only}batch-norm running statistics {how}{others}"),
        evidence,
        tensors: found.len(),
    }
}
