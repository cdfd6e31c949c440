//! `--fail-on`: which differences make the exit code 1.

use std::str::FromStr;

use crate::diff::model::{Diff, Status, TensorDiff};
use crate::error::{Error, Result};

/// One of the limits; several may be given, and each of them is enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailOn {
    /// Anything that is not equal: bits, type, shape, or a tensor that one side lacks.
    Bits,
    /// A tensor farther apart than so many units in the last place.
    Ulp(u64),
    /// A tensor whose mean relative difference is larger.
    Ermv(f64),
    /// A tensor that one side lacks, or that cannot be compared.
    Missing,
    /// Nothing.
    Never,
}

const KNOWN: &str = "known: bits, ulp=N, v_ermv=X, missing, never";

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once('=') {
            None => match text {
                "bits" => Ok(Self::Bits),
                "missing" => Ok(Self::Missing),
                "never" => Ok(Self::Never),
                _ => Err(KNOWN.to_owned()),
            },
            Some(("ulp", limit)) => {
                limit.parse().map(Self::Ulp).map_err(|_| "a whole number is wanted, as in ulp=4".to_owned())
            }
            Some(("v_ermv", limit)) => {
                let limit = limit.parse().ok().filter(|limit: &f64| limit.is_finite() && *limit >= 0.0);
                limit.map(Self::Ermv).ok_or_else(|| "a number from 0 is wanted, as in v_ermv=1e-6".to_owned())
            }
            Some(_) => Err(KNOWN.to_owned()),
        }
    }
}

impl FailOn {
    fn is_exceeded_by(self, tensor: &TensorDiff) -> bool {
        // Beyond every limit of how far: nothing says how far it is.
        let is_unmeasured = tensor.distance.is_none() || tensor.is_not_finite();
        let distance = tensor.distance.as_ref().filter(|distance| distance.differing > 0);
        match self {
            Self::Never => false,
            Self::Bits => tensor.status != Status::Equal,
            Self::Missing => tensor.distance.is_none(),
            Self::Ulp(limit) => {
                let ulp = |ulp: Option<u64>| ulp.is_none_or(|ulp| ulp > limit);
                is_unmeasured || distance.is_some_and(|distance| ulp(distance.max_ulp))
            }
            Self::Ermv(limit) => {
                let far = |mean: Option<f64>| mean.is_none_or(|mean| mean > limit || mean.is_nan());
                is_unmeasured || distance.is_some_and(|distance| far(distance.v_ermv))
            }
        }
    }
}

/// Which limits a difference exceeds; `bits` if none is given.
///
/// # Errors
/// If `never` is given beside others.
pub fn exceeded(limits: &[FailOn], diff: &Diff) -> Result<bool> {
    if limits.contains(&FailOn::Never) && limits.len() > 1 {
        return Err(Error::input(
            "--fail-on never and another limit contradict each other; give one of them",
        ));
    }
    let limits = if limits.is_empty() { &[FailOn::Bits] } else { limits };
    // State beside tensors has no distance: it counts where any difference does.
    let beside = diff.capture.as_ref().is_some_and(|capture| !capture.changes.is_empty());
    if beside && limits.contains(&FailOn::Bits) {
        return Ok(true);
    }
    Ok(diff.tensors.iter().any(|tensor| limits.iter().any(|limit| limit.is_exceeded_by(tensor))))
}
