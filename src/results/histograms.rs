//! ULP histograms from `samples.jsonl`, for whoever draws them: read a line at a time, since the file holds every
//! timing sample too.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::results::SAMPLES;

/// What of a line is wanted.
#[derive(Deserialize)]
struct Line {
    row_id: String,
    ulp_histogram: Vec<u64>,
}

/// The histograms of a folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Histograms {
    /// By `row_id`: entry 0 counts distance 0, entry k distances in [2^(k-1), 2^k). None is empty.
    pub by_row: HashMap<String, Vec<u64>>,
    /// Lines that could not be read.
    pub damaged: usize,
}

/// Reads the histograms in the folder of the rows `rows`; of lines with one `row_id`, the last counts. `None` where
/// there is no such file.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn histograms(rows: &Path) -> Result<Option<Histograms>> {
    let path = rows.with_file_name(SAMPLES);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, "cannot read")(error)),
    };
    let mut reader = BufReader::new(file);
    let mut found = Histograms::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(Error::file(&path, "cannot read"))? == 0 {
            return Ok(Some(found));
        }
        match serde_json::from_slice::<Line>(&line) {
            Ok(Line { row_id, ulp_histogram }) if !ulp_histogram.is_empty() => {
                found.by_row.insert(row_id, ulp_histogram);
            }
            Ok(_) => {}
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => found.damaged += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lines_are_counted_and_the_others_read() {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("measurements.csv");
        assert_eq!(histograms(&rows).unwrap(), None);
        let text = "{\"row_id\":\"a\",\"samples_ns\":[1.5],\"hot_samples_ns\":[],\"ulp_histogram\":[3,1]}\n\
                    {\"row_id\":\"b\",\"samples_ns\":[2.0],\"hot_samples_ns\":[],\"ulp_histogram\":[]}\n\
                    {\"row_id\":\"c\",\"ulp_histogram\":[-1]}\n\n\u{0}\n\
                    {\"row_id\":\"d\",\"ulp_hist";
        std::fs::write(folder.path().join(SAMPLES), text).unwrap();
        let found = histograms(&rows).unwrap().unwrap();
        assert_eq!(found.by_row, HashMap::from([("a".to_owned(), vec![3, 1])]));
        assert_eq!(found.damaged, 3);
    }
}
