//! What was observed: one word, and why where it needs a reason.

use serde::{Deserialize, Serialize};

/// What was observed of an algorithm's bits under a perturbation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No comparison found a differing bit.
    Same,
    /// At least one comparison found a differing bit.
    Differs,
    /// Not executed; the row's note says why.
    Skipped,
    /// Executed, and wrong: the row's note holds the error.
    Failed,
}

impl Verdict {
    /// The name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}
