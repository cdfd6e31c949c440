//! Likely causes of a difference between plain checkpoints: one rule, one file, each with its evidence in
//! numbers.

use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::diff::model::{Summary, TensorDiff};

/// A cause that explains some tensors, or all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    /// Its stable name, as `lower_precision`.
    pub kind: &'static str,
    /// What it is, as a part of a sentence.
    pub what: String,
    /// The numbers that speak for it.
    pub evidence: Vec<String>,
    /// How many tensors it explains.
    pub tensors: usize,
}

/// The likely causes, in one sentence and one by one; each tensor that one of them explains is told it.
pub fn find(_: &Checkpoint, _: &Checkpoint, _: &mut [TensorDiff], summary: &Summary) -> (String, Vec<Cause>) {
    if summary.different == 0 {
        return (
            format!(
                "all {} tensors have the same bits: the saved tensors are not the cause",
                summary.tensors
            ),
            Vec::new(),
        );
    }
    ("cannot tell".to_owned(), Vec::new())
}
