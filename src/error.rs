//! One error type for the library: each variant is a single line that names the thing and the remedy.

use std::path::PathBuf;

/// What can go wrong, as one line for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong usage or input: exit code 2.
    #[error("{0}")]
    Input(String),
    /// A file or folder that could not be read or written: exit code 2.
    #[error("{}: {action}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, with the remedy where there is one.
        action: &'static str,
        /// The system's own words.
        source: std::io::Error,
    },
    /// A device refused or failed; the row fails, the run goes on.
    #[error("{0}")]
    Device(String),
    /// The loss of a training run is no finite number.
    #[error("the loss is {0}: training diverged; lower the learning rate")]
    Diverged(f32),
    /// Somebody else's code that is measured will not do what it was asked; the row is skipped with its words.
    #[error("{0}")]
    Refused(String),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// An error about what the user gave.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// What is wrong with `text`, a TOML file that `origin` names: the line, in one line.
    pub fn toml(origin: &str, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        let problem = error.message().lines().collect::<Vec<_>>().join(" ").replace(char::is_control, "?");
        Self::input(format!("{origin}, line {line}: {problem}"))
    }

    /// An error of a device.
    pub fn device(message: impl Into<String>) -> Self {
        Self::Device(message.into())
    }

    /// Wraps an I/O error with the path it happened at; for `map_err`.
    pub fn file(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, action, source }
    }
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;
