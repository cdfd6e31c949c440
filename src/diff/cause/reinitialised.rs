//! Part of the model re-initialised: a partial load, or new weights from another seed.
//!
//! A tensor is fresh if its values have nothing to do with those of BEFORE and look as new ones do:
//!
//! - the correlation of a sample of m ≥ [`FEWEST`] elements is below 4/√m (four standard deviations of that
//!   of independent values) and below 0.2, and the standard deviation of AFTER is either from half to twice
//!   that of BEFORE or, to 15 %, that of a usual initialisation: 1/√(3·fan-in) (PyTorch's linear and
//!   convolution layers), √(2/fan-in) (He), √(2/(fan-in + fan-out)) (Glorot), 0.02 (transformers) or 1
//!   (embeddings); or
//! - AFTER is 0 or 1 throughout, as new biases and norms are, and BEFORE is not.
//!
//! *Part* of a model is re-initialised if something of it is left: a tensor that is correlated with its
//! counterpart, or has the same bits without being constant. Otherwise nothing of the model is left, and the
//! values are told to be truly different.

use crate::checkpoint::Checkpoint;
use crate::diff::cause::pair::{Pair, all};
use crate::diff::cause::rounding_noise::fan_in;
use crate::diff::cause::{Cause, Scope, count};

/// Elements of a sample from which a correlation tells something.
pub const FEWEST: usize = 256;

/// What was found of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Correlation of BEFORE and AFTER; `None` of constants.
    pub correlation: Option<f64>,
    /// How AFTER is spread, in words.
    pub spread: String,
}

/// Mean, standard deviation and correlation of two samples; `None` if one is constant or not finite.
pub fn correlation(x: &[f64], y: &[f64]) -> Option<(f64, f64, f64)> {
    let n = x.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    let correlation = xy / (xx * yy).sqrt();
    correlation.is_finite().then(|| ((xx / n).sqrt(), (yy / n).sqrt(), correlation))
}

/// Looks at one tensor of `checkpoint`.
pub fn look(pair: &Pair, checkpoint: &Checkpoint) -> Option<Found> {
    pair.floats()?;
    for constant in [0.0, 1.0] {
        if all(pair.after, |value| value == constant) && pair.after.elements() > 1 {
            return Some(Found { correlation: None, spread: format!("{constant} throughout") });
        }
    }
    let (x, y) = pair.sample();
    let (spread_before, spread_after, correlation) = correlation(x, y)?;
    let limit = (4.0 / (x.len() as f64).sqrt()).min(0.2);
    if x.len() < FEWEST || correlation.abs() >= limit {
        return None;
    }
    let inputs = fan_in(pair.after.name, pair.after.shape, checkpoint) as f64;
    let outputs = pair.after.elements() as f64 / inputs;
    let usual = [
        ((1.0 / (3.0 * inputs)).sqrt(), "1/√(3·fan-in)"),
        ((2.0 / inputs).sqrt(), "√(2/fan-in)"),
        ((2.0 / (inputs + outputs)).sqrt(), "√(2/(fan-in + fan-out))"),
        (0.02, "0.02"),
        (1.0, "1"),
    ];
    let usual = usual.into_iter().find(|(usual, _)| (spread_after / usual - 1.0).abs() <= 0.15);
    let spread = match usual {
        Some((_, name)) => format!("deviation {spread_after:.4}, as of new weights ({name})"),
        None if (0.5..=2.0).contains(&(spread_after / spread_before)) => {
            format!("deviation {spread_after:.4}, {spread_before:.4} before")
        }
        None => return None,
    };
    Some(Found { correlation: Some(correlation), spread })
}

/// The cause of the tensors that were found.
pub fn tell(found: &[(&str, &Found)], scope: &Scope) -> Cause {
    let mut evidence: Vec<String> = found
        .iter()
        .take(3)
        .map(|(name, found)| match found.correlation {
            Some(correlation) => {
                format!("{name}: correlation with BEFORE {correlation:.3}, {}", found.spread)
            }
            None => format!("{name} is {}", found.spread),
        })
        .collect();
    if found.len() > 3 {
        evidence.push(format!("and {} more", count(found.len() - 3, "tensor")));
    }
    let (kind, what) = if scope.is_something_left {
        evidence.push(format!(
            "{} of {} tensors have the same bits",
            scope.tensors - scope.different,
            scope.tensors
        ));
        ("reinitialised", format!("part of the model re-initialised: {}", scope.of(found.len())))
    } else {
        let what =
            "truly different values: no tensor is correlated with its counterpart (another seed or model)";
        ("different_values", what.to_owned())
    };
    Cause { kind, what, evidence, tensors: found.len() }
}
