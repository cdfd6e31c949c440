//! What a user requires of bits: which changes must leave them as they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;

/// A change that must not change bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Requirement {
    /// One perturbation.
    Under(Perturbation),
    /// What loading a model again does: [`RELOAD`].
    Reload,
    /// Another device.
    Device,
}

/// The kinds of reload that `reload` requires: all but compiling again, which loading a model does not do and
/// which is asked for by its own name.
pub const RELOAD: [Perturbation; 5] = [
    Perturbation::ReloadModule,
    Perturbation::ReloadAllocation,
    Perturbation::ReloadContext,
    Perturbation::ReloadProcess,
    Perturbation::ReloadCheckpoint,
];

const RELOAD_NAME: &str = "reload";
const DEVICE_NAME: &str = "device";

impl Requirement {
    /// The name in flags and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Under(perturbation) => perturbation.name(),
            Self::Reload => RELOAD_NAME,
            Self::Device => DEVICE_NAME,
        }
    }

    /// Parses a comma-separated list, for instance `repeat,reload,device`; duplicates are dropped.
    ///
    /// # Errors
    /// Names the entry that is not known, and lists those that are.
    pub fn parse_list(list: &str) -> Result<Vec<Self>> {
        let mut parsed: Vec<Self> =
            list.split(',').map(|entry| entry.trim().parse()).collect::<Result<_>>()?;
        parsed.sort();
        parsed.dedup();
        Ok(parsed)
    }

    /// Whether an algorithm with these claims claims it.
    pub fn is_claimed(self, guarantee: Guarantee, batch_invariant: bool) -> bool {
        match self {
            Self::Under(Perturbation::Batch) => batch_invariant,
            Self::Under(perturbation) => guarantee.covers(perturbation, ""),
            Self::Reload => guarantee >= Guarantee::RunToRun,
            Self::Device => guarantee >= Guarantee::GpuToGpu,
        }
    }

    /// The perturbations of which rows are needed; none where rows of several devices are.
    pub fn kinds(self) -> Vec<Perturbation> {
        match self {
            Self::Under(perturbation) => vec![perturbation],
            Self::Reload => RELOAD.to_vec(),
            Self::Device => Vec::new(),
        }
    }

    /// Whether a row tells something of it.
    pub fn is_tried_by(self, row: &Measurement) -> bool {
        self.kinds().contains(&row.perturbation)
    }
}

/// What is known of, for an error.
fn known() -> String {
    let of_perturbations = Perturbation::ALL.iter().map(|perturbation| perturbation.name());
    of_perturbations.chain([RELOAD_NAME, DEVICE_NAME]).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Requirement {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            RELOAD_NAME => Ok(Self::Reload),
            DEVICE_NAME => Ok(Self::Device),
            _ => {
                Perturbation::ALL.into_iter().find(|known| known.name() == name).map(Self::Under).ok_or_else(
                    || Error::input(format!("unknown requirement \"{name}\"; known: {}", known())),
                )
            }
        }
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.name().to_owned()
    }
}

impl TryFrom<String> for Requirement {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parsed_and_an_unknown_entry_is_named() {
        let list = Requirement::parse_list("reload, repeat,device,repeat,reload:recompile").unwrap();
        let under = Requirement::Under;
        assert_eq!(
            list,
            [
                under(Perturbation::Repeat),
                under(Perturbation::ReloadRecompile),
                Requirement::Reload,
                Requirement::Device
            ]
        );
        let error = Requirement::parse_list("repeat,relod").unwrap_err().to_string();
        assert!(
            error.contains("\"relod\"")
                && error.contains("reload:process, reload:checkpoint, reload, device"),
            "{error}"
        );
        assert!(Requirement::parse_list("").is_err());
    }

    #[test]
    fn claims_cover_what_the_table_of_claims_says() {
        let claimed =
            |name: &str, guarantee, batch| name.parse::<Requirement>().unwrap().is_claimed(guarantee, batch);
        use Guarantee::{GpuToGpu, NotGuaranteed, RunToRun};
        for name in ["repeat", "load", "schedule", "reload", "reload:process", "reload:allocation"] {
            assert!(!claimed(name, NotGuaranteed, true), "{name}");
            assert!(claimed(name, RunToRun, false), "{name}");
        }
        for name in ["launch", "device", "reload:recompile"] {
            assert!(!claimed(name, RunToRun, true) && claimed(name, GpuToGpu, false), "{name}");
        }
        assert!(claimed("batch", NotGuaranteed, true) && !claimed("batch", GpuToGpu, false));
    }

    #[test]
    fn names_in_policies_are_those_of_flags() {
        let all = Perturbation::ALL.map(Requirement::Under);
        for requirement in all.into_iter().chain([Requirement::Reload, Requirement::Device]) {
            let json = serde_json::to_string(&requirement).unwrap();
            assert_eq!(serde_json::from_str::<Requirement>(&json).unwrap(), requirement);
            assert_eq!(requirement.name().parse::<Requirement>().unwrap(), requirement);
        }
    }
}
