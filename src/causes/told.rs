//! What `samebits causes --format json` wrote, read again: for reports that show several things.

use std::path::Path;

use serde::Deserialize;

use crate::causes::measure::Length;
use crate::error::{Error, Result};

/// A report of causes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(expecting = "a report of causes, which is an object")]
pub struct Told {
    /// Where was trained, in words.
    pub device: String,
    /// What is to be known of that.
    pub remark: Option<String>,
    /// The optimizer.
    pub optimizer: String,
    /// `operation=algorithm` of each.
    pub algorithms: String,
    /// How long was trained and watched.
    pub length: Length,
    /// What each cause did, seed by seed.
    pub outcomes: Vec<Outcome>,
}

/// What a cause did with one seed. A number that JSON has no form for, as an infinite loss, is `None`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(expecting = "an object for each outcome")]
pub struct Outcome {
    /// The cause.
    pub cause: String,
    /// Its sort; `control` where nothing was to change.
    pub kind: String,
    /// The run's seed.
    pub seed: u64,
    /// Why it was not tried, if so.
    pub skipped: Option<String>,
    /// What the reader of checkpoints said, if it refused the file.
    pub refused: Option<String>,
    /// The loss on the held-out images just before saving.
    pub loss_before: Option<f64>,
    /// The losses after loading, and after each step from there.
    pub curve: Vec<Option<f64>>,
}

/// Whether the file at `path` is meant as one: JSON, which no rows are. What cannot be read is none.
pub fn is_one(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    let mut start = [0; 64];
    let read = std::io::Read::read(&mut &file, &mut start).unwrap_or(0);
    path.is_file() && start[..read].trim_ascii_start().first().is_some_and(|byte| b"{[".contains(byte))
}

/// Reads one.
///
/// # Errors
/// A file that cannot be read, or is any other JSON.
pub fn read(path: &Path) -> Result<Told> {
    let text = std::fs::read(path).map_err(Error::file(path, "cannot read"))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::input(format!(
            "{}: JSON, but not what `samebits causes --format json` writes: {error}; give that, or results folders",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::measure;
    use crate::causes::table::Kind;
    use crate::report::causes::{Measured, json};

    #[test]
    fn what_causes_writes_is_read_again() {
        let outcome = measure::Outcome {
            cause: "same process",
            kind: Kind::Control,
            seed: 1,
            skipped: None,
            refused: None,
            steps: 2,
            first_difference: None,
            loss_before: 0.5,
            loss_after: Some(f32::INFINITY),
            changed: Some(0.0),
            v_c: None,
            v_ermv: None,
            max_ulp: None,
            later_ratio: None,
            back_after: None,
            diverged: None,
            curve: vec![0.5, f32::INFINITY],
        };
        let measured = Measured {
            device: "cpu".to_owned(),
            remark: None,
            optimizer: "sgd".to_owned(),
            algorithms: "reduce=fixed_tree".to_owned(),
            length: measure::Length::ON_SIM,
            outcomes: vec![outcome],
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("causes.json");
        std::fs::write(&path, json(&measured).unwrap()).unwrap();
        assert!(is_one(&path));
        let told = read(&path).unwrap();
        assert_eq!(told.length, Length { before: 4, after: 2 });
        assert_eq!(told.outcomes[0].kind, "control");
        assert_eq!(told.outcomes[0].curve, [Some(0.5), None]);
    }

    #[test]
    fn any_other_json_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.json");
        for text in ["{}", "[]", "[1, 2]", "{\"device\": \"cpu\"", " {\"outcomes\": 1}"] {
            std::fs::write(&path, text).unwrap();
            assert!(is_one(&path), "{text}");
            let said = read(&path).unwrap_err().to_string();
            assert!(said.contains("environment.json: JSON, but not what `samebits causes"), "{said}");
            assert!(!said.contains("struct"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        std::fs::write(&path, "schema,row_id\n").unwrap();
        assert!(!is_one(&path) && !is_one(folder.path()) && !is_one(&folder.path().join("none")));
    }
}
