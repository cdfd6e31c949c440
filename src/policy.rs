//! A policy: which algorithm to use for which problem, and what was required of it. `advise` writes it and `check`
//! holds rows against it; a file of TOML, so that people can read and shorten it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::input::Distribution;
use crate::requirement::Requirement;
use crate::tensor::Dtype;

/// The version of the file's fields.
pub const SCHEMA: i64 = 1;

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// [`SCHEMA`].
    pub schema: i64,
    /// The version of the program that wrote it.
    pub samebits: String,
    /// What must leave bits as they are.
    pub require: Vec<Requirement>,
    /// What the probability of a difference must be below, from 0 to 1.
    pub max_p: f64,
    /// The most that the time over the fastest algorithm's may be above 1; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tax: Option<f64>,
    /// What to use.
    #[serde(default, rename = "use", skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
    /// Problems that were measured, and for which nothing could be decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<On>,
}

/// A problem, and one of its operation's functions: what tells them apart in rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// The operation.
    pub operation: String,
    /// Which of its functions; empty if it has only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub function: String,
    /// The workload's name.
    pub workload: String,
    /// Its extents.
    pub shape: String,
    /// Type of its inputs.
    pub dtype: Dtype,
    /// Distribution of its inputs.
    pub input: Distribution,
    /// What is set beside its extents.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub setting: String,
}

/// An algorithm for a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The algorithm.
    pub algorithm: String,
    /// What it was made with, if that tells it from another of its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub algorithm_setting: String,
    /// Comparisons that it rested on, none of which found a difference.
    pub comparisons: u64,
    /// 95 % bound of the probability of a difference, where least was tried.
    pub p_upper_95: f64,
    /// Geometric mean over devices of the time over the fastest algorithm's; none if it was not timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// The rows that it rested on, as `run_id/row_id`.
    pub rows: Vec<String>,
    /// For what.
    pub on: On,
}

/// Reads a policy.
///
/// # Errors
/// Names the file and the line, or the other version.
pub fn read(path: &Path) -> Result<Policy> {
    let text = std::fs::read_to_string(path)
        .map_err(Error::file(path, "cannot read the policy; `samebits advise … --write` makes one"))?;
    parse(&text, &path.display().to_string())
}

fn parse(text: &str, origin: &str) -> Result<Policy> {
    let bad = |error: toml::de::Error| Error::toml(origin, text, &error);
    let table: toml::Table = toml::from_str(text).map_err(bad)?;
    let again = "write it again with `samebits advise … --write`";
    match table.get("schema").map(toml::Value::as_integer) {
        Some(Some(SCHEMA)) => {}
        Some(Some(other)) => {
            return Err(Error::input(format!(
                "{origin}: a policy of schema {other}, and this program reads {SCHEMA}; {again}"
            )));
        }
        _ => {
            return Err(Error::input(format!("{origin}: no policy: it has no `schema = {SCHEMA}`; {again}")));
        }
    }
    let policy: Policy = toml::from_str(text).map_err(bad)?;
    if policy.require.is_empty() {
        return Err(Error::input(format!(
            "{origin}: `require` is empty, so that nothing is to be checked; {again}"
        )));
    }
    if !(policy.max_p > 0.0 && policy.max_p < 1.0) {
        return Err(Error::input(format!(
            "{origin}: max_p = {} is no probability between 0 and 1",
            policy.max_p
        )));
    }
    if policy.max_tax.is_some_and(|tax| !(tax >= 0.0 && tax.is_finite())) {
        return Err(Error::input(format!(
            "{origin}: max_tax is not a number of 0 or above, such as 0.1 for 10 %"
        )));
    }
    Ok(policy)
}

/// Whether a file is a policy, of whatever version.
pub fn is_one(path: &Path) -> bool {
    let table = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok());
    table.is_some_and(|table| table.contains_key("schema") && table.contains_key("require"))
}

/// The policy as text.
///
/// # Errors
/// Never, for a policy that can be parsed.
pub fn text(policy: &Policy) -> Result<String> {
    let body = toml::to_string(policy)
        .map_err(|error| Error::input(format!("the policy cannot be written as TOML: {error}")))?;
    Ok(format!(
        "# What `samebits advise` decided. `samebits check PATH… --policy FILE` holds other rows against it.\n\n{body}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturbation::Perturbation;

    fn policy() -> Policy {
        let on = On {
            operation: "reduce".to_owned(),
            function: String::new(),
            workload: "sum-\"quoted\"".to_owned(),
            shape: "n=16".to_owned(),
            dtype: Dtype::F32,
            input: Distribution::Wide,
            setting: String::new(),
        };
        Policy {
            schema: SCHEMA,
            samebits: "0.1.0".to_owned(),
            require: vec![Requirement::Under(Perturbation::Repeat), Requirement::Reload, Requirement::Device],
            max_p: 0.01,
            max_tax: Some(0.05),
            uses: vec![Use {
                algorithm: "fixed_tree".to_owned(),
                algorithm_setting: String::new(),
                comparisons: 598,
                p_upper_95: 0.009_97,
                cost: Some(1.01),
                rows: vec!["run/abc".to_owned()],
                on: on.clone(),
            }],
            undecided: vec![On { dtype: Dtype::F16, ..on }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let text = text(&policy()).unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(parse(&text, "policy.toml").unwrap(), policy());
        let none = Policy { max_tax: None, uses: Vec::new(), undecided: Vec::new(), ..policy() };
        assert_eq!(parse(&super::text(&none).unwrap(), "policy.toml").unwrap(), none);
    }

    #[test]
    fn bad_policies_are_refused_in_one_line() {
        let good = text(&policy()).unwrap();
        for (from, to, said) in [
            ("schema = 1", "schema = 2", "schema 2, and this program reads 1"),
            ("schema = 1", "version = 1", "no `schema = 1`"),
            ("schema = 1", "schema = \"1\"", "no `schema = 1`"),
            ("\"reload\"", "\"relod\"", "unknown requirement \"relod\""),
            ("max_p = 0.01", "max_p = 1.5", "no probability"),
            ("max_p = 0.01", "max_p = nan", "no probability"),
            ("max_p = 0.01", "max_q = 0.01", "max_q"),
            ("max_tax = 0.05", "max_tax = -1.0", "max_tax"),
            ("comparisons = 598", "comparisons = -1", "line "),
            ("[[use]]", "[[use]", "line "),
        ] {
            assert!(good.contains(from), "{from} is not in the policy");
            let error = parse(&good.replacen(from, to, 1), "p.toml").unwrap_err().to_string();
            assert!(error.contains(said) && error.starts_with("p.toml"), "{to}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        assert!(parse("", "p.toml").unwrap_err().to_string().contains("no policy"));
    }
}
