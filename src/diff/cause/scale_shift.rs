//! One scale and shift: AFTER is a·BEFORE + b, with the same a and b for a whole tensor, or for all of them.
//!
//! a and b are least squares over a sample, in f64; a scale alone and a shift alone are tried first. It fires
//! if *every* element then lies within [`ULPS`] units in the last place of the larger of |a·x|, |b| and |y|,
//! in the coarser of both types; if that explains a difference that is itself [`TELLING`] times as large; and
//! if there are [`FEWEST`] elements of at least 3 values: through two points there is always a line.

use crate::checkpoint::element::Float;
use crate::diff::cause::pair::Pair;
use crate::diff::cause::{Cause, Scope, count};

/// Units in the last place that an element may be off: a product and a sum, each rounded, and a and b
/// themselves.
const ULPS: f64 = 4.0;

/// How many times as large as the tolerance the difference must be that is explained.
const TELLING: f64 = 16.0;

/// Elements that a fit needs.
const FEWEST: usize = 8;

/// What was found of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// a.
    pub scale: f64,
    /// b.
    pub shift: f64,
    /// Elements that it was checked on.
    pub elements: u64,
}

/// Looks at one tensor.
pub fn look(pair: &Pair) -> Option<Found> {
    let (before, after) = pair.floats()?;
    if pair.distance.nan_before + pair.distance.nan_after > 0 || pair.before.elements() < FEWEST as u64 {
        return None;
    }
    let unit = unit(before).max(unit(after));
    let (x, y) = pair.sample();
    let has_three_values =
        x.iter().any(|v| *v != x[0] && x.iter().find(|w| **w != x[0]).is_some_and(|w| w != v));
    let largest = y.iter().chain(x).fold(0.0, |most: f64, v| most.max(v.abs()));
    if !has_three_values || pair.distance.max_difference? < TELLING * ULPS * unit * largest {
        return None;
    }
    let holds = |scale: f64, shift: f64, x: &[f64], y: &[f64]| {
        x.iter().zip(y).all(|(&x, &y)| {
            let size = (scale * x).abs().max(shift.abs()).max(y.abs());
            // Subnormal numbers are spaced as the smallest normal ones.
            let spacing = unit * size.max(before.min_normal().max(after.min_normal()));
            (scale.mul_add(x, shift) - y).abs() <= ULPS * spacing
        })
    };
    fits(x, y)
        .into_iter()
        .filter(|(scale, shift)| scale.is_finite() && shift.is_finite() && *scale != 0.0)
        .find(|(scale, shift)| holds(*scale, *shift, x, y) && pair.all(|x, y| holds(*scale, *shift, x, y)))
        .map(|(scale, shift)| Found { scale, shift, elements: pair.before.elements() })
}

/// The distance from 1 to the next number.
fn unit(format: Float) -> f64 {
    2.0 * format.unit_roundoff()
}

/// A scale alone, a shift alone, and both.
fn fits(x: &[f64], y: &[f64]) -> [(f64, f64); 3] {
    let n = x.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let sum = |of: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| of(*x, *y)).sum::<f64>();
    let scale_alone = sum(&|x, y| x * y) / sum(&|x, _| x * x);
    let scale = sum(&|x, y| (x - mean_x) * (y - mean_y)) / sum(&|x, _| (x - mean_x) * (x - mean_x));
    [(scale_alone, 0.0), (1.0, mean_y - mean_x), (scale, mean_y - scale * mean_x)]
}

/// The cause of the tensors that were found.
pub fn tell(found: &[(&str, Found)], scope: &Scope) -> Cause {
    let (name, first) = found[0];
    let is_near = |a: f64, b: f64| (a - b).abs() <= 1e-3 * (first.scale - 1.0).abs().max(first.shift.abs());
    let is_one = found.iter().all(|(_, f)| is_near(f.scale, first.scale) && is_near(f.shift, first.shift));
    let formula = |fit: &Found| match (fit.scale, fit.shift) {
        (scale, 0.0) => format!("{scale:.7}·x"),
        (1.0, shift) => format!("x {} {:.6e}", if shift < 0.0 { '−' } else { '+' }, shift.abs()),
        (scale, shift) => format!("{scale:.7}·x {} {:.6e}", if shift < 0.0 { '−' } else { '+' }, shift.abs()),
    };
    let what = match (found.len(), is_one) {
        (1, _) => format!("one scale and shift: {name} became {}", formula(&first)),
        (_, true) => format!("one scale and shift for {}: {}", scope.of(found.len()), formula(&first)),
        (_, false) => format!("scaled and shifted, each by its own: {}", scope.of(found.len())),
    };
    let shown = found.iter().take(3).map(|(name, fit)| {
        format!("all {} elements of {name} are {} within {ULPS} ulp", fit.elements, formula(fit))
    });
    let mut evidence: Vec<String> = shown.collect();
    if found.len() > 3 {
        evidence.push(format!("and {} more", count(found.len() - 3, "tensor")));
    }
    Cause { kind: "scale_and_shift", what, evidence, tensors: found.len() }
}
