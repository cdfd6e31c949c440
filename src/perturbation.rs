//! What is changed on purpose between two executions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What changes between two executions of the same algorithm on the same inputs: the ladder, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Perturbation {
    /// Nothing.
    #[serde(rename = "repeat")]
    Repeat,
    /// Other work competes for the device while the later executions run.
    #[serde(rename = "load")]
    Load,
    /// The order in which warps, blocks and lanes run, on a simulated GPU.
    #[serde(rename = "schedule")]
    Schedule,
    /// How the same algorithm is launched: grid, block, threads, multiprocessors that its plan is made for.
    #[serde(rename = "launch")]
    Launch,
    /// The rows that stand beside a row, how many they are, and its place among them.
    #[serde(rename = "batch")]
    Batch,
    /// The compiled kernels are unloaded and loaded again.
    #[serde(rename = "reload:module")]
    ReloadModule,
    /// Buffers lie at other addresses, and at other alignments.
    #[serde(rename = "reload:allocation")]
    ReloadAllocation,
    /// The device's context is destroyed and created.
    #[serde(rename = "reload:context")]
    ReloadContext,
    /// The kernels are compiled again.
    #[serde(rename = "reload:recompile")]
    ReloadRecompile,
    /// A new process of this program, which makes its inputs itself.
    #[serde(rename = "reload:process")]
    ReloadProcess,
    /// Inputs are written to a file, and read back in a new process.
    #[serde(rename = "reload:checkpoint")]
    ReloadCheckpoint,
}

/// What a list of perturbations calls all kinds of reload together.
const RELOAD: &str = "reload";

impl Perturbation {
    /// All of them, mildest first.
    pub const ALL: [Self; 11] = [
        Self::Repeat,
        Self::Load,
        Self::Schedule,
        Self::Launch,
        Self::Batch,
        Self::ReloadModule,
        Self::ReloadAllocation,
        Self::ReloadContext,
        Self::ReloadRecompile,
        Self::ReloadProcess,
        Self::ReloadCheckpoint,
    ];

    /// What has a meaning on a GPU.
    pub const ON_GPU: [Self; 10] = [
        Self::Repeat,
        Self::Load,
        Self::Launch,
        Self::Batch,
        Self::ReloadModule,
        Self::ReloadAllocation,
        Self::ReloadContext,
        Self::ReloadRecompile,
        Self::ReloadProcess,
        Self::ReloadCheckpoint,
    ];

    /// What has a meaning on a simulated GPU.
    pub const ON_SIM: [Self; 8] = [
        Self::Repeat,
        Self::Schedule,
        Self::Launch,
        Self::Batch,
        Self::ReloadAllocation,
        Self::ReloadRecompile,
        Self::ReloadProcess,
        Self::ReloadCheckpoint,
    ];

    /// What has a meaning on a CPU.
    pub const ON_CPU: [Self; 7] = [
        Self::Repeat,
        Self::Load,
        Self::Launch,
        Self::Batch,
        Self::ReloadAllocation,
        Self::ReloadProcess,
        Self::ReloadCheckpoint,
    ];

    /// What has a meaning on the device of that name, as rows have it.
    pub fn on_device(name: &str) -> &'static [Self] {
        match name {
            "cpu" => &Self::ON_CPU,
            "sim" => &Self::ON_SIM,
            _ => &Self::ON_GPU,
        }
    }

    /// What a CPU or a GPU is perturbed by in profile `quick`.
    pub const OF_HARDWARE: [Self; 2] = [Self::Repeat, Self::Load];

    /// The name in files, flags and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Load => "load",
            Self::Schedule => "schedule",
            Self::Launch => "launch",
            Self::Batch => "batch",
            Self::ReloadModule => "reload:module",
            Self::ReloadAllocation => "reload:allocation",
            Self::ReloadContext => "reload:context",
            Self::ReloadRecompile => "reload:recompile",
            Self::ReloadProcess => "reload:process",
            Self::ReloadCheckpoint => "reload:checkpoint",
        }
    }

    /// Whether profile `quick` tries it.
    pub fn is_quick(self) -> bool {
        matches!(self, Self::Repeat | Self::Load | Self::Schedule)
    }

    /// Whether it starts a process for each execution but the first.
    pub fn starts_processes(self) -> bool {
        matches!(self, Self::ReloadProcess | Self::ReloadCheckpoint)
    }

    /// Parses a comma-separated list, for instance `repeat,load`; `reload` names all kinds of reload, and
    /// duplicates are dropped.
    ///
    /// # Errors
    /// Names the entry that is not known, and lists those that are.
    pub fn parse_list(list: &str) -> Result<Vec<Self>> {
        let mut parsed = Vec::new();
        for entry in list.split(',').map(str::trim) {
            match entry {
                RELOAD => parsed.extend(Self::ALL.into_iter().filter(|p| p.name().starts_with(RELOAD))),
                _ => parsed.push(entry.parse()?),
            }
        }
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
            let known = known.join(", ");
            Error::input(format!(
                "unknown perturbation \"{name}\"; known: {known}; {RELOAD} is all of its kinds"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parsed_and_an_unknown_entry_is_named() {
        let list = Perturbation::parse_list("schedule,load, repeat,load").unwrap();
        assert_eq!(list, [Perturbation::Repeat, Perturbation::Load, Perturbation::Schedule]);
        let reload = Perturbation::parse_list("reload,launch,reload:module").unwrap();
        assert_eq!(reload.len(), 7);
        assert_eq!(reload[0], Perturbation::Launch);
        let error = Perturbation::parse_list("repeat,lod").unwrap_err().to_string();
        assert!(error.contains("\"lod\"") && error.contains("repeat, load, schedule, launch"), "{error}");
    }

    #[test]
    fn names_in_files_are_those_of_flags() {
        for perturbation in Perturbation::ALL {
            let json = serde_json::to_string(&perturbation).unwrap();
            assert_eq!(json, format!("\"{perturbation}\""));
            assert_eq!(perturbation.name().parse::<Perturbation>().unwrap(), perturbation);
        }
        assert!(Perturbation::ALL.is_sorted());
    }
}
