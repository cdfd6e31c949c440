//! How far sums of products may be from the accurate answer, in any order of additions: what operations share.
//! METHODOLOGY.md derives it.

use rayon::prelude::*;

use crate::operation::{Precision, ReferenceOutput};
use crate::tensor::Dtype;

/// How sums are computed, as far as their bound depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Sums {
    /// Roundings on the longest way from a product to the sum.
    pub depth: u64,
    /// Products, each of which may be subnormal; and what the f64 reference itself added up.
    pub terms: u64,
    /// Whether additions may flush subnormal numbers, as atomic ones do on a GPU.
    pub flushes: bool,
    /// How exactly each step is computed.
    pub precision: Precision,
}

impl Sums {
    /// How far each f32 sum may be from the reference, whose magnitudes are Σ|a||b|.
    pub fn bound(self, reference: &ReferenceOutput) -> Vec<f64> {
        let Self { depth, terms, flushes, precision } = self;
        let own = terms as f64 * 2f64.powi(-53);
        let rounding = precision.of_sum(depth) + own;
        // Half a spacing of subnormal numbers per step; an atomic addition loses what is subnormal, on the way
        // in and on the way out.
        let subnormal = terms as f64 * 2f64.powi(-150);
        let flushed = if flushes { 2.0 * depth as f64 * Dtype::F32.min_normal() } else { 0.0 };
        let largest = reference.magnitudes.par_iter().copied().reduce(|| 0.0, f64::max);
        let everywhere = subnormal + flushed + precision.spread * precision.of_sum(depth) * largest;
        reference.magnitudes.par_iter().map(|sum| rounding * sum + everywhere).collect()
    }
}

/// How far sums may be once they are rounded to f16: half a spacing of normal numbers, and of subnormal ones.
pub fn of_halves(sums: &[f64], reference: &ReferenceOutput) -> Vec<f64> {
    let halves = |(bound, value): (&f64, &f64)| {
        bound + Dtype::F16.unit_roundoff() * (value.abs() + bound) + 2f64.powi(-25)
    };
    sums.par_iter().zip(&reference.values).map(halves).collect()
}

/// Why some order of additions may leave the range of the `output` type, if so: `what` is the sum of the
/// reference's magnitudes in words.
pub fn range(what: &str, output: Dtype, reference: &ReferenceOutput) -> Option<String> {
    let larger = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    let largest = reference.magnitudes.par_iter().copied().reduce(|| 0.0, larger);
    (largest >= output.max_finite() || largest.is_nan())
        .then(|| format!("{what} = {largest:.3e} is beyond {output}: some order may overflow"))
}

/// How far sums of so many terms each may be from the reference, in any order, if they are added in `dtype`, or in
/// f32 and then stored as that. A single term is exact.
pub fn of_chains(terms: &[u64], dtype: Dtype, reference: &ReferenceOutput) -> Vec<f64> {
    let chain = |(terms, (magnitude, value)): (&u64, (&f64, &f64))| {
        let additions = terms.saturating_sub(1) as f64;
        if additions == 0.0 {
            return 0.0;
        }
        // Additions of subnormal numbers are exact, unless they are flushed, going in and coming out.
        let flushed = 2.0 * additions * Dtype::F32.min_normal();
        let rounded = additions * (dtype.unit_roundoff() + 2f64.powi(-53)) * magnitude + flushed;
        match dtype {
            Dtype::F32 => rounded,
            Dtype::F16 => rounded + dtype.unit_roundoff() * (value.abs() + rounded) + 2f64.powi(-25),
        }
    };
    let reference = reference.magnitudes.par_iter().zip(&reference.values);
    terms.par_iter().zip(reference).map(chain).collect()
}
