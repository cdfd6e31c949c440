//! Outputs against the accurate answer: κ, ULP distance and relative error.

use half::f16;
use rayon::prelude::*;

use crate::divergence::ulp_distance;
use crate::operation::{OutputSpec, Reference};
use crate::tensor::{Data, Dtype, Tensor};

/// The accurate answer and how far an algorithm may be from it.
pub struct Checker<'a> {
    reference: &'a Reference,
    specs: Vec<OutputSpec>,
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

/// Elements that are checked by one task.
const CHUNK: usize = 1 << 14;

/// What a run of elements showed.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// The largest coverage, and where.
    coverage: f64,
    at: usize,
    max_ulp: u64,
    squared_error: f64,
    squared_reference: f64,
}

impl Seen {
    fn and(self, later: Self) -> Self {
        let worst = if later.coverage > self.coverage { later } else { self };
        Self {
            coverage: worst.coverage,
            at: worst.at,
            max_ulp: self.max_ulp.max(later.max_ulp),
            squared_error: self.squared_error + later.squared_error,
            squared_reference: self.squared_reference + later.squared_reference,
        }
    }
}

impl<'a> Checker<'a> {
    /// `bounds` per entry of `specs` and element.
    pub fn new(reference: &'a Reference, specs: Vec<OutputSpec>, bounds: Vec<Vec<f64>>) -> Self {
        Self { reference, specs, bounds }
    }

    /// Holds `outputs` against the reference.
    ///
    /// # Errors
    /// Says what is wrong: not finite where the reference is, or farther off than the bound.
    pub fn check(&self, outputs: &[Tensor]) -> Result<Accuracy, String> {
        let (mut all, mut worst) = (Seen::default(), None);
        for ((output, spec), bounds) in outputs.iter().zip(&self.specs).zip(&self.bounds) {
            if let Some(index) = output.first_non_finite() {
                return Err(format!("{}[{index}] is not finite, the reference is", output.name));
            }
            let wanted = self.reference.outputs.get(spec.reference).map(|reference| &reference.values);
            let wanted = wanted.filter(|wanted| (wanted.len(), bounds.len()) == (output.len(), output.len()));
            let Some(wanted) = wanted else {
                return Err(format!("{}: reference or bound is of another length", output.name));
            };
            let seen = see(output, wanted, bounds);
            if seen.coverage > all.coverage {
                worst = Some((output, wanted[seen.at], bounds[seen.at], seen.at));
            }
            all = all.and(seen);
        }
        let relative_error =
            (all.squared_reference > 0.0).then(|| (all.squared_error / all.squared_reference).sqrt());
        match worst {
            Some((output, wanted, bound, at)) if all.coverage > 1.0 => Err(format!(
                "wrong beyond rounding: {}[{at}] is off by {:.3e}, allowed are {bound:.3e} (κ = {:.3e})",
                output.name,
                (output.value(at) - wanted).abs(),
                all.coverage
            )),
            _ => Ok(Accuracy { coverage: all.coverage, max_ulp: all.max_ulp, relative_error }),
        }
    }

    /// The accurate answer for the output called `name`, rounded to the output's type.
    pub fn rounded(&self, name: &str) -> Option<Tensor> {
        let spec = self.specs.iter().find(|spec| spec.name == name)?;
        let values = &self.reference.outputs.get(spec.reference)?.values;
        let data = match spec.dtype {
            Dtype::F32 => Data::F32(values.par_iter().map(|value| *value as f32).collect()),
            Dtype::F16 => Data::F16(values.par_iter().map(|value| f16::from_f64(*value)).collect()),
        };
        Some(Tensor { name: spec.name, data })
    }
}

/// Runs of elements side by side, put together in their order: the sums are the same every time.
fn see(output: &Tensor, wanted: &[f64], bounds: &[f64]) -> Seen {
    let chunks: Vec<Seen> = (0..output.len().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let run = chunk * CHUNK..output.len().min((chunk + 1) * CHUNK);
            run.fold(Seen::default(), |seen, at| seen.and(see_one(output, at, wanted[at], bounds[at])))
        })
        .collect();
    chunks.into_iter().fold(Seen::default(), Seen::and)
}

fn see_one(output: &Tensor, at: usize, wanted: f64, bound: f64) -> Seen {
    let error = (output.value(at) - wanted).abs();
    Seen {
        coverage: coverage(error, bound),
        at,
        max_ulp: ulp_from(output, at, wanted),
        squared_error: error * error,
        squared_reference: wanted * wanted,
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
