//! What an `environment.json` tells about rows from elsewhere: only what a reader of rows asks for. Fields that it
//! lacks, or has besides, do no harm.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::digest::short_hash;
use crate::error::{Error, Result};

/// What an `environment.json` tells. `None` where it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Recorded {
    /// Version of the program.
    pub samebits: Option<String>,
    /// Revision that it was built from.
    pub revision: Option<String>,
    /// The devices of the run, by name.
    pub devices: BTreeMap<String, RecordedDevice>,
}

/// What it tells about a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RecordedDevice {
    /// Driver version.
    pub driver: Option<String>,
    /// The newest CUDA version that the driver supports.
    pub cuda: Option<String>,
    /// Whether others used the device too.
    pub shared: Option<bool>,
}

impl Recorded {
    /// Reads the file at `path` if there is one, with the hash that its rows have in `environment`.
    ///
    /// # Errors
    /// If it cannot be read, or is not such a file.
    pub fn read(path: &Path) -> Result<Option<(String, Self)>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file(path, "cannot read")(error)),
        };
        // A struct may come as a list too, which this is not.
        let object = serde_json::from_slice::<Map<String, Value>>(&bytes).map(Value::from);
        match object.and_then(serde_json::from_value) {
            Ok(recorded) => Ok(Some((short_hash(&bytes), recorded))),
            Err(error) => Err(Error::input(format!(
                "{}: not what tells where rows were measured ({error}); put back the file of that run",
                path.display()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn what_the_program_writes_comes_back_under_the_hash_of_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.json");
        assert_eq!(Recorded::read(&path).unwrap(), None);
        let environment = Environment::collect(&[]);
        std::fs::write(&path, environment.to_json()).unwrap();
        let (hash, recorded) = Recorded::read(&path).unwrap().unwrap();
        assert_eq!(hash, environment.hash());
        assert_eq!(recorded.samebits.as_deref(), Some(environment.samebits));
        assert_eq!(recorded.revision.as_deref(), Some(environment.revision));
    }

    #[test]
    fn what_is_missing_is_unknown_and_what_is_no_such_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Recorded::read(&path)
        };
        let text =
            r#"{"samebits": null, "new": [1], "devices": {"cuda:0": {"driver": "550.1", "cuda": null}}}"#;
        let (_, recorded) = read(text).unwrap().unwrap();
        assert_eq!(recorded.samebits, None);
        let device = RecordedDevice { driver: Some("550.1".to_owned()), ..RecordedDevice::default() };
        assert_eq!(recorded.devices["cuda:0"], device);
        for bad in ["", "[]", "{\"devices\": 1}", "\u{1b}[2J", "{\"samebits\": 2}"] {
            let told = read(bad).unwrap_err().to_string();
            assert!(
                told.contains("environment.json: not what tells where") && told.lines().count() == 1,
                "{told}"
            );
        }
        let folder_error = Recorded::read(folder.path()).unwrap_err().to_string();
        assert!(folder_error.contains("cannot read"), "{folder_error}");
    }
}
