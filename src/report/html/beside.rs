//! What stands on the page beside rows, where it was given: it comes from other files.

use std::collections::HashMap;

use crate::causes::told::Told;
use crate::measurement::Measurement;

/// Everything that is not in rows.
#[derive(Debug, Default)]
pub struct Beside {
    /// ULP histograms by the row's run, then by its `row_id`: entry 0 counts distance 0, entry k distances in
    /// [2^(k-1), 2^k).
    pub histograms: HashMap<String, HashMap<String, Vec<u64>>>,
    /// Reports of causes.
    pub causes: Vec<Told>,
    /// What could not be read of these files, in sentences.
    pub remarks: Vec<String>,
}

impl Beside {
    /// The histogram of a row's distances, if there is one.
    pub fn histogram(&self, row: &Measurement) -> Option<&[u64]> {
        let of_row = self.histograms.get(&row.run_id)?.get(&row.row_id)?;
        Some(of_row.as_slice()).filter(|counts| counts.iter().any(|count| *count > 0))
    }
}
