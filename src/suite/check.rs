//! Outputs against the accurate answer: κ, ULP distance and relative error.

use half::f16;

use crate::divergence::ulp_distance;
use crate::operation::Reference;
use crate::tensor::{Dtype, Tensor};

/// The accurate answer and how far an algorithm may be from it.
pub struct Checker<'a> {
    reference: &'a Reference,
    bounds: Vec<Vec<f64>>,
}

/// How outputs stand to the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// κ: the largest error ÷ its bound; infinite for an error where none is allowed.
    pub coverage: f64,
    /// The largest ULP distance from the rounded reference.
    pub max_ulp: u64,
    /// ‖output − reference‖₂ / ‖reference‖₂ over all outputs; `None` for a reference of zeros.
    pub relative_error: Option<f64>,
}

impl Accuracy {
    /// The worse of two, column by column.
    pub fn or_worse(self, other: Self) -> Self {
        let relative_error = match (self.relative_error, other.relative_error) {
            (Some(ours), Some(theirs)) => Some(ours.max(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        Self {
            coverage: self.coverage.max(other.coverage),
            max_ulp: self.max_ulp.max(other.max_ulp),
            relative_error,
        }
    }
}

impl<'a> Checker<'a> {
    /// `bounds` per output and element of `reference`.
    pub fn new(reference: &'a Reference, bounds: Vec<Vec<f64>>) -> Self {
        Self { reference, bounds }
    }

    /// Holds `outputs` against the reference.
    ///
    /// # Errors
    /// Says what is wrong: not finite where the reference is, or farther off than the bound.
    pub fn check(&self, outputs: &[Tensor]) -> Result<Accuracy, String> {
        let mut accuracy = Accuracy { coverage: 0.0, max_ulp: 0, relative_error: None };
        let (mut squared_error, mut squared_reference) = (0.0, 0.0);
        let mut worst = String::new();
        for ((output, reference), bounds) in outputs.iter().zip(&self.reference.outputs).zip(&self.bounds) {
            if let Some(index) = output.first_non_finite() {
                return Err(format!("{}[{index}] is not finite, the reference is", output.name));
            }
            for (index, (&wanted, &bound)) in reference.values.iter().zip(bounds).enumerate() {
                let error = (output.value(index) - wanted).abs();
                let coverage = coverage(error, bound);
                if coverage > accuracy.coverage {
                    accuracy.coverage = coverage;
                    worst =
                        format!("{}[{index}] is off by {error:.3e}, allowed are {bound:.3e}", output.name);
                }
                squared_error += error * error;
                squared_reference += wanted * wanted;
                accuracy.max_ulp = accuracy.max_ulp.max(ulp_from(output, index, wanted));
            }
        }
        accuracy.relative_error =
            (squared_reference > 0.0).then(|| (squared_error / squared_reference).sqrt());
        if accuracy.coverage > 1.0 {
            return Err(format!("wrong beyond rounding: {worst} (κ = {:.3e})", accuracy.coverage));
        }
        Ok(accuracy)
    }
}

fn coverage(error: f64, bound: f64) -> f64 {
    match (error == 0.0, bound == 0.0) {
        (true, _) => 0.0,
        (false, true) => f64::INFINITY,
        (false, false) => error / bound,
    }
}

fn ulp_from(output: &Tensor, index: usize, wanted: f64) -> u64 {
    let got = output.value(index);
    let bits = |value: f64| match output.dtype() {
        Dtype::F32 => (value as f32).to_bits(),
        Dtype::F16 => u32::from(f16::from_f64(value).to_bits()),
    };
    // A zero's sign is no inaccuracy: the reference does not know one.
    if got == 0.0 && bits(wanted) & !bits(-0.0) == 0 {
        return 0;
    }
    ulp_distance(output.dtype(), bits(got), bits(wanted)).unwrap_or(u64::MAX)
}
