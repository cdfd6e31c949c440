//! What is changed on purpose between two executions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What changes between two executions of the same algorithm on the same inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Perturbation {
    /// Nothing.
    Repeat,
    /// Other work competes for the device while the later executions run.
    Load,
    /// The order in which warps, blocks and lanes run, on a simulated GPU.
    Schedule,
}

impl Perturbation {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Repeat, Self::Load, Self::Schedule];

    /// What a CPU or a GPU is perturbed by.
    pub const OF_HARDWARE: [Self; 2] = [Self::Repeat, Self::Load];

    /// The name in files, flags and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Load => "load",
            Self::Schedule => "schedule",
        }
    }

    /// Parses a comma-separated list, for instance `repeat,load`; duplicates are dropped.
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
}

impl fmt::Display for Perturbation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Perturbation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|p| p.name()).collect();
            Error::input(format!("unknown perturbation \"{name}\"; known here: {}", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parsed_and_an_unknown_entry_is_named() {
        let list = Perturbation::parse_list("schedule,load, repeat,load").unwrap();
        assert_eq!(list, Perturbation::ALL);
        let error = Perturbation::parse_list("repeat,lod").unwrap_err().to_string();
        assert!(error.contains("\"lod\"") && error.contains("repeat, load, schedule"), "{error}");
    }
}
