//! Workloads: named problems, read from TOML (`benches/workloads/*.toml` or a user's own file).

mod setting;
mod shape;
pub mod weights;

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::input::Distribution;
use crate::operation::{self, Operation};
use crate::tensor::{Dtype, Tensor};

pub use setting::Setting;
pub use shape::Shape;

/// How much of the suite a run measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A minute on two cores.
    Quick,
    /// Half an hour on two cores.
    Full,
}

impl Profile {
    /// The name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

/// A named operation with shape, dtype, input distribution and seed.
#[derive(Clone)]
pub struct Workload {
    /// Its unique name.
    pub name: String,
    /// What is computed.
    pub operation: &'static dyn Operation,
    /// Extents, checked by the operation.
    pub shape: Shape,
    /// What is set beside the shape, checked by the operation.
    pub setting: Setting,
    /// The input's element type.
    pub dtype: Dtype,
    /// How input values are distributed.
    pub input: Distribution,
    /// The seed of the inputs.
    pub seed: u64,
    /// The profiles that measure it.
    pub profiles: Vec<Profile>,
    /// Whose real model it comes from, or what it shows.
    pub about: String,
    /// An input that is not generated.
    pub given: Option<Given>,
}

/// An input that a user gave.
#[derive(Clone)]
pub struct Given {
    /// Its place among the operation's inputs.
    pub input: usize,
    /// Its elements; the operation names them itself.
    pub tensor: Arc<Tensor>,
}

impl Workload {
    /// A workload with seed 0, nothing set, in no profile.
    pub fn new(
        name: impl Into<String>,
        operation: &'static dyn Operation,
        shape: Shape,
        dtype: Dtype,
        input: Distribution,
    ) -> Self {
        Self {
            name: name.into(),
            operation,
            shape,
            setting: Setting::default(),
            dtype,
            input,
            seed: 0,
            profiles: Vec::new(),
            about: String::new(),
            given: None,
        }
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {} {})", self.name, self.operation.name(), self.shape, self.dtype)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    workload: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    operation: String,
    shape: String,
    #[serde(default)]
    setting: String,
    dtype: String,
    input: Distribution,
    #[serde(default)]
    seed: u64,
    #[serde(default = "both_profiles")]
    profiles: Vec<Profile>,
    about: String,
}

fn both_profiles() -> Vec<Profile> {
    vec![Profile::Quick, Profile::Full]
}

/// The files that the program carries, in the order of operations.
const BUILT_IN: &[(&str, &str)] = &[
    ("benches/workloads/reduce.toml", include_str!("../benches/workloads/reduce.toml")),
    ("benches/workloads/matmul.toml", include_str!("../benches/workloads/matmul.toml")),
    ("benches/workloads/batch_norm.toml", include_str!("../benches/workloads/batch_norm.toml")),
    ("benches/workloads/conv2d.toml", include_str!("../benches/workloads/conv2d.toml")),
    ("benches/workloads/index_add.toml", include_str!("../benches/workloads/index_add.toml")),
    ("benches/workloads/cumsum.toml", include_str!("../benches/workloads/cumsum.toml")),
];

/// The workloads that the program carries.
///
/// # Errors
/// Never for a released program: a test parses them.
pub fn built_in() -> Result<Vec<Workload>> {
    let mut all = Vec::new();
    for (origin, text) in BUILT_IN {
        all.extend(parse(text, origin)?);
    }
    Ok(all)
}

/// The workloads of the golden digests.
///
/// # Errors
/// Never for a released program: a test parses them.
pub fn golden() -> Result<Vec<Workload>> {
    parse(include_str!("../benches/workloads/golden.toml"), "benches/workloads/golden.toml")
}

/// Reads a user's workload file.
///
/// # Errors
/// Names the file, the entry and what is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Workload>> {
    let text = std::fs::read_to_string(path).map_err(Error::file(
        path,
        "cannot read the workload file; give a TOML file with [[workload]] entries",
    ))?;
    parse(&text, &path.display().to_string())
}

/// Parses workloads; `origin` names the file in errors.
///
/// # Errors
/// Names the entry and what is wrong with it.
pub fn parse(text: &str, origin: &str) -> Result<Vec<Workload>> {
    let file: File = toml::from_str(text).map_err(|error| Error::toml(origin, text, &error))?;
    if file.workload.is_empty() {
        return Err(Error::input(format!(
            "{origin}: no [[workload]] in it; each has name, operation, shape, dtype, input and about"
        )));
    }
    let mut names = HashSet::new();
    file.workload
        .into_iter()
        .map(|entry| {
            let name = entry.name.clone();
            if !names.insert(name.clone()) {
                return Err(Error::input(format!("{origin}: workload {name:?} is there twice")));
            }
            entry.check().map_err(|error| Error::input(format!("{origin}: workload {name:?}: {error}")))
        })
        .collect()
}

impl Entry {
    fn check(self) -> Result<Workload> {
        // Rows are lines, and the filter and the table show the name.
        if self.name.trim().is_empty() || self.name.contains(char::is_control) {
            return Err(Error::input("its name is empty or has a control character; give one line of text"));
        }
        if self.input == Distribution::Weights {
            return Err(Error::input(
                "input \"weights\" is a tensor's own values: give the file with --weights",
            ));
        }
        let operation = operation::find(&self.operation)?;
        let shape = operation.shape(&self.shape)?;
        let setting = Setting::parse(&self.setting)?;
        operation.check_setting(&setting)?;
        if shape.elements() == Some(0) {
            return Err(Error::input(format!("shape \"{shape}\" has a zero extent; give at least 1")));
        }
        // Half the address space: no product of sizes below can overflow.
        if shape.elements().is_none_or(|elements| elements >= 1 << 48) {
            return Err(Error::input(format!("shape \"{shape}\" overflows: more than 2^48 elements")));
        }
        Ok(Workload {
            setting,
            seed: self.seed,
            profiles: self.profiles,
            about: self.about,
            ..Workload::new(self.name, operation, shape, self.dtype.parse()?, self.input)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[workload]]\nname = \"a\"\noperation = \"reduce\"\nshape = \"n=8\"\ndtype = \"f32\"\ninput = \"wide\"\nabout = \"x\"\n";

    #[test]
    fn the_built_in_workloads_are_valid_and_cover_both_profiles() {
        let workloads = built_in().unwrap();
        for profile in [Profile::Quick, Profile::Full] {
            assert!(workloads.iter().any(|w| w.profiles.contains(&profile)));
        }
        for workload in workloads {
            assert!(workload.about.len() > 20, "{} says too little of itself", workload.name);
        }
    }

    #[test]
    fn bad_files_are_refused_by_name() {
        let cases = [
            ("shape = \"n=8\"", "shape = \"n=0\"", "zero extent"),
            ("shape = \"n=8\"", "shape = \"n=18446744073709551615\"", "overflows"),
            ("shape = \"n=8\"", "shape = \"n=99999999999999999999\"", "not of the form"),
            ("shape = \"n=8\"", "shape = \"r=99999999999;c=99999999999\"", "overflows"),
            ("shape = \"n=8\"", "shape = \"m=8\"", "n=… or r=…;c=…"),
            ("shape = \"n=8\"", "shape = \"n\"", "not of the form"),
            ("dtype = \"f32\"", "dtype = \"f8\"", "unknown dtype"),
            ("operation = \"reduce\"", "operation = \"sort\"", "unknown operation"),
            ("input = \"wide\"", "input = \"narrow\"", "line 6"),
            ("input = \"wide\"", "input = \"weights\"", "--weights"),
            ("about = \"x\"", "abuot = \"x\"", "abuot"),
            ("about = \"x\"", "about = \"x\"\nsetting = \"epsilon=1\"", "does not know the setting epsilon"),
            ("about = \"x\"", "about = \"x\"\nsetting = \"epsilon\"", "not of the form key=value"),
        ];
        for (from, to, said) in cases {
            let error = parse(&GOOD.replace(from, to), "own.toml").unwrap_err().to_string();
            assert!(error.contains(said) && error.starts_with("own.toml"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        assert!(parse("", "own.toml").unwrap_err().to_string().contains("no [[workload]]"));
        let twice = parse(&GOOD.repeat(2), "own.toml").unwrap_err().to_string();
        assert!(twice.contains("twice"), "{twice}");
    }

    #[test]
    fn shapes_round_trip() {
        for text in ["n=1", "r=64;c=4096"] {
            assert_eq!(Shape::parse(text).unwrap().to_string(), text);
        }
    }
}
