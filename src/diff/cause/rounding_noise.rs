//! Rounding noise of reordered sums: the same sums were computed in another order (nondeterministic kernels,
//! another algorithm, another device).
//!
//! The bound of a sum of k terms in any order is k·u·Σ|terms| (Jeannerod and Rump 2013; `METHODOLOGY.md`), so
//! two orders are at most twice that apart. A checkpoint tells neither terms nor how often it was added to a
//! weight. So it is *assumed* that k is the layer's fan-in, that sums are accumulated in f32 (f64 for f64),
//! and that Σ|terms| is no more than the largest weight of the tensor, M. It fires if
//!
//! - no element is farther away than 2·k·u·M and one unit in the last place of the stored type at M, and
//! - 99 % of the elements are no farther away than k units in their own last place: noise is relative to
//!   what was added, while steps of training are not.
//!
//! The fan-in is the product of all extents but the first; of a vector that of the `weight` beside it, else
//! its own length. Many steps of training let such noise grow beyond any bound of one sum: then it does not
//! fire, and the values are told to be different.

use crate::checkpoint::Checkpoint;
use crate::checkpoint::element::Float;
use crate::diff::cause::pair::Pair;
use crate::diff::cause::{Cause, Scope, last_part};

/// What was found of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// k.
    pub fan_in: u64,
    /// The largest difference over the bound.
    pub coverage: f64,
    /// The largest distance.
    pub max_ulp: u64,
}

/// Looks at one tensor of `checkpoint`.
pub fn look(pair: &Pair, checkpoint: &Checkpoint) -> Option<Found> {
    let (before, after) = pair.floats()?;
    let distance = pair.distance;
    let (difference, max_ulp, p99) = (distance.max_difference?, distance.max_ulp?, distance.p99_ulp?);
    if before != after || distance.differing == 0 {
        return None;
    }
    let fan_in = fan_in(pair.before.name, pair.before.shape, checkpoint);
    let accumulated = if before == Float::F64 { Float::F64 } else { Float::F32 };
    let largest = distance.facts.max_magnitude;
    let bound =
        2.0 * fan_in as f64 * accumulated.unit_roundoff() * largest + 2.0 * before.unit_roundoff() * largest;
    // Of a narrower type, noise of the accumulation shows as one unit at most.
    let is_relative = p99 <= if before == accumulated { fan_in } else { 1 };
    (difference <= bound && is_relative).then_some(Found { fan_in, coverage: difference / bound, max_ulp })
}

/// How many products a weight's sum has.
pub fn fan_in(name: &str, shape: &[u64], checkpoint: &Checkpoint) -> u64 {
    let of = |shape: &[u64]| shape.iter().skip(1).product::<u64>().max(1);
    if shape.len() >= 2 {
        return of(shape);
    }
    let stem = &name[..name.len() - last_part(name).len()];
    let beside = checkpoint.get(&format!("{stem}weight")).filter(|weight| weight.shape.len() >= 2);
    beside.map_or_else(|| shape.iter().product::<u64>().max(1), |weight| of(weight.shape))
}

/// The cause of the tensors that were found.
pub fn tell(found: &[(&str, Found)], scope: &Scope) -> Cause {
    let mut worst = found[0];
    for one in found {
        if one.1.coverage > worst.1.coverage {
            worst = *one;
        }
    }
    let evidence = vec![
        format!(
            "all differences lie within the bound of sums of as many terms as the layer's fan-in; the \
             nearest to it \
             is {}: {:.2} of the bound, fan-in {}, {} ulp",
            worst.0, worst.1.coverage, worst.1.fan_in, worst.1.max_ulp
        ),
        "assumed: one sum per weight, of terms that together are no larger than the largest weight"
            .to_owned(),
    ];
    Cause {
        kind: "rounding_noise",
        what: format!("rounding noise of reordered sums: {}", scope.of(found.len())),
        evidence,
        tensors: found.len(),
    }
}
