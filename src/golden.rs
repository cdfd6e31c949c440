//! Golden digests: the bits that every device must give of what claims `gpu_to_gpu`.
//!
//! `results/golden.csv` holds them, made by the twins on a CPU and confirmed by other devices. A device that gives
//! others has a driver, a compiler or hardware that does not do what the kernels say.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::verdict::Verdict;

/// Where the digests lie in the repository.
pub const FILE: &str = "results/golden.csv";

const CARRIED: &str = include_str!("../results/golden.csv");

/// The bits of an algorithm on a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Golden {
    /// What is computed.
    pub operation: String,
    /// In which way.
    pub algorithm: String,
    /// As in rows.
    pub setting: String,
    /// On which workload of `benches/workloads/golden.toml`.
    pub workload: String,
    /// Digest of the inputs.
    pub input_digest: String,
    /// Digest of the outputs.
    pub digest: String,
    /// Digest of their f32 stores, where they are also stored narrower.
    pub accumulator_digest: String,
    /// The devices that gave these bits, the first of which made them: `cpu;sim`.
    pub devices: String,
}

/// What tells one entry from another.
type Key<'a> = [&'a str; 4];

impl Golden {
    fn key(&self) -> Key<'_> {
        [&self.operation, &self.algorithm, &self.setting, &self.workload]
    }
}

fn key(row: &Measurement) -> Key<'_> {
    [&row.operation, &row.algorithm, &row.setting, &row.workload]
}

/// Whether a file holds golden digests, by its header.
pub fn is_one(path: &Path) -> bool {
    let header = CARRIED.lines().next().unwrap_or_default();
    let read = || {
        let mut begin = vec![0; header.len()];
        std::fs::File::open(path)?.read_exact(&mut begin).map(|()| begin)
    };
    read().is_ok_and(|begin: Vec<u8>| begin == header.as_bytes())
}

/// The digests that the program carries.
///
/// # Errors
/// Never for a released program: a test reads them.
pub fn carried() -> Result<Vec<Golden>> {
    let rows = csv::Reader::from_reader(CARRIED.as_bytes()).into_deserialize();
    rows.collect::<std::result::Result<_, _>>().map_err(|error| Error::input(format!("{FILE}: {error}")))
}

/// Whether a row is one whose bits all devices must give.
fn is_golden(row: &&Measurement) -> bool {
    row.is_own()
        && row.gap().is_none()
        && row.guarantee >= Guarantee::GpuToGpu
        && row.perturbation == Perturbation::Repeat
}

/// The entries that rows of several devices agree on.
///
/// # Errors
/// Names the first row of which two devices gave different bits, or that has none.
pub fn of_rows(rows: &[Measurement]) -> Result<Vec<Golden>> {
    let mut entries: BTreeMap<Key, Golden> = BTreeMap::new();
    for row in rows.iter().filter(is_golden) {
        let what = || format!("{}/{} {} on {}", row.operation, row.algorithm, row.workload, row.device);
        if row.verdict != Verdict::Same {
            return Err(Error::input(format!(
                "{}: {}, so its bits are not golden",
                what(),
                row.verdict.name()
            )));
        }
        let entry = entries.entry(key(row)).or_insert_with(|| Golden {
            operation: row.operation.clone(),
            algorithm: row.algorithm.clone(),
            setting: row.setting.clone(),
            workload: row.workload.clone(),
            input_digest: row.input_digest.clone(),
            digest: row.digest.clone(),
            accumulator_digest: row.accumulator_digest.clone(),
            devices: String::new(),
        });
        if bits(row) != [&entry.input_digest, &entry.digest, &entry.accumulator_digest] {
            let devices = &entry.devices;
            return Err(Error::input(format!("{}: other bits than on {devices}", what())));
        }
        if !entry.devices.split(';').any(|device| device == row.device) {
            let separator = if entry.devices.is_empty() { "" } else { ";" };
            entry.devices.push_str(separator);
            entry.devices.push_str(&row.device);
        }
    }
    Ok(entries.into_values().collect())
}

fn bits(row: &Measurement) -> [&String; 3] {
    [&row.input_digest, &row.digest, &row.accumulator_digest]
}

/// How rows of one or more devices stand to the golden digests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Rows with the very bits.
    pub agreeing: usize,
    /// Rows with others, or with none for a reason that is a failure.
    pub differing: Vec<Disagreement>,
    /// Rows that were skipped, each with its reason.
    pub skipped: Vec<String>,
}

/// A row without the golden bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// The device.
    pub device: String,
    /// `reduce/fixed_tree golden-sum-1-f32`: what a filter finds it by.
    pub name: String,
    /// What is wrong.
    pub problem: Problem,
}

/// Why a row has not the golden bits.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// Its inputs are others: the host computes otherwise.
    Inputs,
    /// Its outputs are: the golden digest, and the row's.
    Outputs(String, String),
    /// They change from one execution to the next, whatever the first one gave.
    Vary,
    /// It failed: the note.
    Failed(String),
    /// No golden digest is known of it.
    Unknown,
}

/// Holds `rows` against `golden`.
pub fn judge(rows: &[Measurement], golden: &[Golden]) -> Judgement {
    let known: BTreeMap<Key, &Golden> = golden.iter().map(|entry| (entry.key(), entry)).collect();
    let mut judgement = Judgement::default();
    for row in rows.iter().filter(is_golden) {
        let name = format!("{}/{} {}", row.operation, row.algorithm, row.workload);
        let problem = match (row.verdict, known.get(&key(row))) {
            (Verdict::Skipped, _) => {
                judgement.skipped.push(format!("{name}: {}", row.note));
                continue;
            }
            (Verdict::Failed, _) => Problem::Failed(row.note.clone()),
            (Verdict::Differs, _) => Problem::Vary,
            (_, None) => Problem::Unknown,
            (_, Some(entry)) if entry.input_digest != row.input_digest => Problem::Inputs,
            (_, Some(entry)) if entry.digest != row.digest => {
                Problem::Outputs(entry.digest.clone(), row.digest.clone())
            }
            (_, Some(entry)) if entry.accumulator_digest != row.accumulator_digest => {
                Problem::Outputs(entry.accumulator_digest.clone(), row.accumulator_digest.clone())
            }
            _ => {
                judgement.agreeing += 1;
                continue;
            }
        };
        judgement.differing.push(Disagreement { device: row.device.clone(), name, problem });
    }
    judgement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::OPERATIONS;
    use crate::report::tests::rows::row;
    use crate::workload;

    fn measured(device: &str, digest: &str) -> Measurement {
        let mut row = row("fixed_tree", Guarantee::GpuToGpu, Perturbation::Repeat);
        row.device = device.to_owned();
        row.verdict = Verdict::Same;
        (row.input_digest, row.digest) = ("in".to_owned(), digest.to_owned());
        row
    }

    #[test]
    fn devices_that_agree_make_an_entry_and_others_are_refused() {
        let entries = of_rows(&[measured("cpu", "a"), measured("sim", "a"), measured("sim", "a")]).unwrap();
        assert_eq!((entries.len(), entries[0].devices.as_str()), (1, "cpu;sim"));
        let error = of_rows(&[measured("cpu", "a"), measured("cuda:0", "b")]).unwrap_err().to_string();
        assert!(error.contains("on cuda:0: other bits than on cpu"), "{error}");
        let mut failed = measured("cpu", "a");
        failed.verdict = Verdict::Failed;
        assert!(of_rows(&[failed]).unwrap_err().to_string().contains("not golden"));
    }

    #[test]
    fn each_way_of_not_having_the_bits_is_told() {
        let golden = of_rows(&[measured("cpu", "a")]).unwrap();
        let mut inputs = measured("cpu", "a");
        inputs.input_digest = "other".to_owned();
        let mut narrow = measured("cpu", "a");
        narrow.accumulator_digest = "c".to_owned();
        let mut unknown = measured("cpu", "a");
        unknown.workload = "elsewhere".to_owned();
        let mut failed = measured("cpu", "");
        (failed.verdict, failed.note) = (Verdict::Failed, "it burnt".to_owned());
        let mut skipped = measured("cpu", "");
        (skipped.verdict, skipped.note) = (Verdict::Skipped, "too large".to_owned());
        let mut varies = measured("cpu", "a");
        varies.verdict = Verdict::Differs;
        let mut claims_less = measured("cpu", "z");
        claims_less.guarantee = Guarantee::RunToRun;
        let rows = [
            measured("sim", "a"),
            measured("cpu", "b"),
            inputs,
            narrow,
            unknown,
            failed,
            skipped,
            varies,
            claims_less,
        ];
        let judgement = judge(&rows, &golden);
        assert_eq!(judgement.agreeing, 1);
        assert!(judgement.skipped[0].ends_with(": too large") && judgement.skipped.len() == 1);
        let problems: Vec<_> = judgement.differing.into_iter().map(|differing| differing.problem).collect();
        let outputs = |ours: &str, theirs: &str| Problem::Outputs(ours.to_owned(), theirs.to_owned());
        assert_eq!(
            problems,
            [
                outputs("a", "b"),
                Problem::Inputs,
                outputs("", "c"),
                Problem::Unknown,
                Problem::Failed("it burnt".to_owned()),
                Problem::Vary,
            ]
        );
    }

    #[test]
    fn every_algorithm_that_claims_it_has_its_bits_in_the_file_for_each_type() {
        let golden = carried().unwrap();
        let workloads = workload::golden().unwrap();
        let mut expected = Vec::new();
        for workload in &workloads {
            let algorithms = workload.operation.algorithms().iter();
            let claims = algorithms
                .filter(|way| way.guarantee >= Guarantee::GpuToGpu && way.dtypes.contains(&workload.dtype));
            expected.extend(claims.map(|way| (workload.operation.name(), way.name, workload.name.as_str())));
        }
        let mut there: Vec<_> = golden
            .iter()
            .map(|entry| (entry.operation.as_str(), entry.algorithm.as_str(), entry.workload.as_str()))
            .collect();
        expected.sort_unstable();
        there.sort_unstable();
        assert_eq!(there, expected);
        assert!(
            golden.iter().all(|entry| entry.devices.starts_with("cpu;sim")),
            "made by one, confirmed by another"
        );
        for operation in OPERATIONS.iter().filter(|operation| !operation.algorithms().is_empty()) {
            for dtype in crate::tensor::Dtype::ALL {
                assert!(workloads.iter().any(|w| w.operation.name() == operation.name() && w.dtype == dtype));
            }
        }
    }
}
