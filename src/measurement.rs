//! One row: what was observed of a workload × algorithm × setting × perturbation × variant. Its
//! columns are a contract (results/README.md), read and written as CSV.

mod range;
mod read;

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::digest::short_hash;
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::perturbation::Perturbation;
use crate::tensor::Dtype;
use crate::verdict::Verdict;

pub use read::{Rows, Seen, read, read_distinct, read_whole};

/// The engine whose ways are this program's own.
pub const OWN_ENGINE: &str = "samebits";

/// What a gap is against, if it is no other way.
pub const REFERENCE: &str = "reference";

/// The version of the columns.
pub const SCHEMA: u32 = 1;

/// The columns, in their order: the contract that other programs read.
pub const COLUMNS: [&str; 53] = [
    "schema",
    "row_id",
    "run_id",
    "timestamp",
    "environment",
    "device",
    "device_kind",
    "engine",
    "setting",
    "operation",
    "algorithm",
    "guarantee",
    "batch_invariant",
    "workload",
    "shape",
    "dtype",
    "accumulate",
    "output_dtype",
    "input",
    "input_digest",
    "seed",
    "perturbation",
    "variant",
    "verdict",
    "comparisons",
    "differing",
    "distinct",
    "p_upper_95",
    "v_c",
    "v_ermv",
    "v_ermv_excluded",
    "max_ulp",
    "p99_ulp",
    "worst_output",
    "first_difference",
    "reference_max_ulp",
    "reference_rel_err",
    "bound_coverage",
    "digest",
    "accumulator_digest",
    "samples",
    "median_ns",
    "ci95_low_ns",
    "ci95_high_ns",
    "hot_median_ns",
    "throughput",
    "throughput_unit",
    "percent_of_limit",
    "clock_mhz",
    "throttled",
    "kernel",
    "cubin",
    "note",
];

/// One row, a field per column of [`COLUMNS`]. Columns without a meaning are empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Short hash of the row's key within its run.
    pub row_id: String,
    /// The name of the run's folder.
    pub run_id: String,
    /// When the row was finished, UTC, RFC 3339.
    pub timestamp: String,
    /// Short hash of `environment.json`.
    pub environment: String,
    /// `cpu`, `cuda:0`.
    pub device: String,
    /// What the device is, in words.
    pub device_kind: String,
    /// Whose code ran.
    pub engine: String,
    /// What the user set, `key=value;key=value`.
    pub setting: String,
    /// What was computed.
    pub operation: String,
    /// In which way.
    pub algorithm: String,
    /// What the algorithm claims.
    pub guarantee: Guarantee,
    /// Whether it claims that a row's bits are the same in every batch.
    pub batch_invariant: bool,
    /// The workload's name.
    pub workload: String,
    /// The workload's extents.
    pub shape: String,
    /// Type of the inputs.
    pub dtype: Dtype,
    /// Type of the accumulators.
    pub accumulate: Dtype,
    /// Type of the outputs.
    pub output_dtype: Dtype,
    /// Distribution of the inputs.
    pub input: Distribution,
    /// Digest of the inputs.
    pub input_digest: String,
    /// Seed of the inputs.
    pub seed: u64,
    /// What changed between executions.
    pub perturbation: Perturbation,
    /// The value tried.
    pub variant: String,
    /// What was observed.
    pub verdict: Verdict,
    /// Executions that were compared with the first.
    pub comparisons: Option<u64>,
    /// How many of them differed.
    pub differing: Option<u64>,
    /// Distinct digests seen.
    pub distinct: Option<u64>,
    /// Upper bound of the probability that a later execution differs.
    pub p_upper_95: Option<f64>,
    /// Fraction of elements whose bits differ.
    pub v_c: Option<f64>,
    /// Mean relative difference.
    pub v_ermv: Option<f64>,
    /// Elements that `v_ermv` leaves out.
    pub v_ermv_excluded: Option<u64>,
    /// Largest ULP distance.
    pub max_ulp: Option<u64>,
    /// 99th percentile of the ULP distance.
    pub p99_ulp: Option<u64>,
    /// The output that differs most.
    pub worst_output: String,
    /// Index of its first differing element.
    pub first_difference: Option<u64>,
    /// Largest ULP distance from the reference, rounded to the output's type.
    pub reference_max_ulp: Option<u64>,
    /// ‖output − reference‖₂ / ‖reference‖₂.
    pub reference_rel_err: Option<f64>,
    /// κ: the largest error ÷ its bound.
    pub bound_coverage: Option<f64>,
    /// Digest of the outputs of the first execution.
    pub digest: String,
    /// Digest of their f32 stores, where they are also stored narrower.
    pub accumulator_digest: String,
    /// Timing samples.
    pub samples: Option<u64>,
    /// Median time of an execution.
    pub median_ns: Option<u64>,
    /// Lower end of its 95 % interval.
    pub ci95_low_ns: Option<u64>,
    /// Upper end of its 95 % interval.
    pub ci95_high_ns: Option<u64>,
    /// Median with warm caches.
    pub hot_median_ns: Option<u64>,
    /// Work per time.
    pub throughput: Option<f64>,
    /// `GB/s` or `GFLOP/s`.
    pub throughput_unit: String,
    /// Time of a probe that only reads the same inputs, in percent of the median; or share of the FMA
    /// peak.
    pub percent_of_limit: Option<f64>,
    /// Clock of the multiprocessors.
    pub clock_mhz: Option<u32>,
    /// Samples thrown away because the clock was throttled.
    pub throttled: Option<u64>,
    /// Short hash of PTX or source.
    pub kernel: String,
    /// Short hash of the machine code.
    pub cubin: String,
    /// Reason, error or remarks, separated by `; `.
    pub note: String,
}

/// What a row compares that is no matter of repetition: one output of the algorithm's first execution
/// with that of another way, or with the reference rounded to the output's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gap<'a> {
    /// What makes the two differ, for instance `algorithm`.
    pub kind: &'a str,
    /// The way that the algorithm is compared with, or [`REFERENCE`].
    pub against: &'a str,
}

impl Measurement {
    /// The gap that the row measures, if it is not one of executions compared with each other.
    pub fn gap(&self) -> Option<Gap<'_>> {
        let get = |wanted| {
            let pairs = self.setting.split(';').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == wanted).map(|(_, value)| value).next()
        };
        Some(Gap { kind: get("gap")?, against: get("against").unwrap_or(REFERENCE) })
    }

    /// Whether the row is of this program's own code, and not of a framework that it measures too.
    pub fn is_own(&self) -> bool {
        self.engine == OWN_ENGINE
    }

    /// Whether bits were compared.
    pub fn is_observed(&self) -> bool {
        matches!(self.verdict, Verdict::Same | Verdict::Differs)
    }

    /// Whether an algorithm of this program that claims nothing was seen to vary, so that the test
    /// notices differences. Others' code claims nothing either, but is not known to vary.
    pub fn is_moving_canary(&self) -> bool {
        self.is_own() && self.gap().is_none() && self.verdict == Verdict::Differs && !self.claims()
    }

    /// What tells rows of one run apart; `row_id` is its hash.
    pub fn key(&self) -> String {
        [
            self.device.as_str(),
            &self.engine,
            &self.setting,
            &self.operation,
            &self.algorithm,
            &self.workload,
            &self.shape,
            self.dtype.name(),
            self.input.name(),
            &self.seed.to_string(),
            self.perturbation.name(),
            &self.variant,
        ]
        .join("|")
    }

    /// The hash of [`Measurement::key`].
    pub fn id(&self) -> String {
        short_hash(self.key().as_bytes())
    }

    /// Whether a claim was seen broken: the bits differ where the guarantee says they do not. A gap is
    /// between two ways, and nobody claims that there is none.
    pub fn breaks_claim(&self) -> bool {
        self.verdict == Verdict::Differs && self.claims()
    }

    /// Whether the algorithm claims that its bits are the same under the row's perturbation.
    pub fn claims(&self) -> bool {
        let invariant = self.perturbation == Perturbation::Batch && self.batch_invariant;
        self.gap().is_none() && (invariant || self.guarantee.covers(self.perturbation, &self.variant))
    }

    /// Adds a remark to the note.
    pub fn remark(&mut self, remark: &str) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        // Remarks are separated by "; " and rows by line ends: keep both out of a remark.
        self.note.push_str(&remark.replace(['\n', '\r'], " ").replace("; ", ", "));
    }

    /// Whether the note holds `remark`.
    pub fn has_remark(&self, remark: &str) -> bool {
        self.note.split("; ").any(|part| part == remark)
    }
}

/// Writes rows as CSV, the header first, each row flushed, so that a kill leaves the finished ones.
pub struct Writer<W: Write>(csv::Writer<W>);

impl<W: Write> Writer<W> {
    /// Starts a file: the header comes with the first row.
    pub fn new(out: W) -> Self {
        Self(csv::Writer::from_writer(out))
    }

    /// Goes on with a file that has its header.
    pub fn resuming(out: W) -> Self {
        Self(csv::WriterBuilder::new().has_headers(false).from_writer(out))
    }

    /// Writes one row and flushes it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, row: &Measurement) -> Result<()> {
        let written = self.0.serialize(row).map_err(std::io::Error::from);
        written.and_then(|()| self.0.flush()).map_err(Error::file("measurements.csv", "cannot write a row"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Operation, reduce::Reduce};
    use crate::suite::blank_row;
    use crate::workload::built_in;

    fn rows() -> Vec<Measurement> {
        let workloads = built_in().unwrap();
        let mut rows: Vec<_> = workloads
            .iter()
            .zip(Reduce.algorithms().iter().cycle())
            .map(|(workload, algorithm)| blank_row("cpu", workload, algorithm, Perturbation::Load))
            .collect();
        rows[0].remark("a \"quoted\", separated\nremark; of two parts");
        rows[0].remark("noisy");
        rows[1].p_upper_95 = Some(0.1 + 0.2);
        rows[1].v_ermv = Some(5e-324);
        rows[1].bound_coverage = Some(f64::INFINITY);
        rows[1].max_ulp = Some(u64::MAX);
        rows[2].verdict = Verdict::Differs;
        rows
    }

    /// The rows of a text that may end anywhere, with a file around it.
    fn parsed(text: &[u8]) -> Result<Rows> {
        let file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    fn csv(rows: &[Measurement]) -> Vec<u8> {
        let mut text = Vec::new();
        let mut writer = Writer::new(&mut text);
        rows.iter().for_each(|row| writer.write(row).unwrap());
        drop(writer);
        text
    }

    #[test]
    fn the_header_is_the_contract() {
        let text = String::from_utf8(csv(&rows())).unwrap();
        assert_eq!(text.lines().next().unwrap(), COLUMNS.join(","));
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let rows = rows();
        let read = parsed(&csv(&rows)).unwrap();
        assert_eq!(read.rows, rows);
        assert!(!read.cut_off);
        assert!(rows[0].has_remark("noisy") && !rows[0].note.contains('\n'));
    }

    #[test]
    fn a_file_cut_off_anywhere_keeps_its_whole_rows() {
        let (rows, text) = (rows(), csv(&rows()));
        // Every end near those of lines, and some between.
        let near =
            |end: &usize| end.is_multiple_of(7) || text[end.saturating_sub(2)..end + 1].contains(&b'\n');
        for end in (0..text.len()).filter(near) {
            let read = parsed(&text[..end]).unwrap();
            assert_eq!(read.rows, rows[..read.rows.len()]);
            assert!(read.end <= end as u64 && read.cut_off == (read.end < end as u64));
            let lines = text[..end].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(read.rows.len(), lines.saturating_sub(1));
        }
    }

    #[test]
    fn other_files_are_refused_by_line_and_reason() {
        let text = String::from_utf8(csv(&rows())).unwrap();
        let cases = [
            (text.replacen("v_c", "v_x", 1), "column \"v_c\" is missing"),
            (text.replacen("verdict,", "", 1), "column \"verdict\" is missing"),
            (text.replacen("schema,row_id", "row_id,schema", 1), "another order"),
            (text.replacen("\n1,", "\n2,", 1), "line 2: schema 2"),
            (text.replacen(",load,", ",lod,", 1), "line 2"),
            (text.replacen(",load,", ",", 1), "52 columns in place of 53"),
            ("a,b\n1,2\n".to_owned(), "column \"schema\" is missing"),
            (text.replacen("\n1,", "\none,", 1), "line 2: column \"schema\": \"one\" is no whole number"),
            (
                text.replacen(",load,", ",l\u{1b}[2J\u{202e},", 1),
                r#"column "perturbation": "l\u{1b}[2J\u{202e}" is"#,
            ),
            (text.replacen(",true,", ",yes,", 1), "column \"batch_invariant\": \"yes\" is neither true nor"),
        ];
        for (bad, said) in cases {
            let error = read::parse(bad.as_bytes(), "x.csv", None).unwrap_err().to_string();
            assert!(
                error.starts_with("x.csv") && error.contains(said) && error.lines().count() == 1,
                "{error}"
            );
        }
    }

    #[test]
    fn numbers_that_no_row_can_have_are_refused_by_line_and_column() {
        let mut whole = rows().remove(3);
        whole.remark("hers");
        let text = |column: &str, value: &str| {
            let header = COLUMNS.join(",");
            let line = String::from_utf8(csv(std::slice::from_ref(&whole))).unwrap();
            let mut reader = csv::Reader::from_reader(line.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            let place = COLUMNS.iter().position(|name| *name == column).unwrap();
            let fields = record.iter().enumerate().map(|(at, old)| if at == place { value } else { old });
            format!("{header}\n{}\n", fields.collect::<Vec<_>>().join(","))
        };
        let said = |column: &str, value: &str| {
            read::parse(text(column, value).as_bytes(), "x.csv", None).unwrap_err().to_string()
        };
        let fractions = ["p_upper_95", "v_c"];
        let sizes = ["v_ermv", "reference_rel_err", "bound_coverage", "throughput", "percent_of_limit"];
        for column in fractions.into_iter().chain(sizes) {
            for value in ["NaN", "nan", "-NaN", "-0.5", "-1e-300", "-inf"] {
                let told = said(column, value);
                assert!(told.starts_with(&format!("x.csv, line 2: column \"{column}\": ")), "{told}");
                assert!(told.ends_with("; remove that line and resume the run"), "{told}");
            }
            assert_eq!(read::parse(text(column, "0.5").as_bytes(), "x", None).unwrap().rows.len(), 1);
            assert_eq!(read::parse(text(column, "").as_bytes(), "x", None).unwrap().rows.len(), 1);
            let infinite = read::parse(text(column, "inf").as_bytes(), "x", None);
            assert_eq!(infinite.is_ok(), column == "bound_coverage", "{column}");
        }
        for column in fractions {
            assert!(
                said(column, "1.0000001").contains("is not from 0 to 1"),
                "{}",
                said(column, "1.0000001")
            );
        }
        for column in ["comparisons", "differing", "max_ulp", "median_ns", "samples", "throttled", "seed"] {
            for value in ["-1", "1.5", "NaN", "18446744073709551616"] {
                let told = said(column, value);
                let expected =
                    format!("column \"{column}\": \"{value}\" is no whole number from 0 up that fits");
                assert!(told.contains(&expected), "{told}");
            }
        }
        assert!(said("differing", "7").contains("column \"differing\": 7 of 0 comparisons"));
    }

    #[test]
    fn times_lie_inside_their_intervals() {
        let with = |low, median, high| {
            let mut row = rows().remove(0);
            (row.ci95_low_ns, row.median_ns, row.ci95_high_ns) = (low, median, high);
            parsed(&csv(&[row])).map(|read| read.rows.len()).map_err(|error| error.to_string())
        };
        assert_eq!(with(Some(1), Some(2), Some(3)), Ok(1));
        assert_eq!(with(Some(2), Some(2), Some(2)), Ok(1));
        assert_eq!(with(None, Some(2), None), Ok(1));
        for (low, high, column) in [(3, 4, "ci95_low_ns"), (1, 1, "ci95_high_ns")] {
            let told = with(Some(low), Some(2), Some(high)).unwrap_err();
            assert!(told.contains(&format!("column \"{column}\": ")), "{told}");
        }
    }

    #[test]
    fn the_same_row_counts_once_where_that_is_asked_for() {
        let (rows, text) = (rows(), csv(&rows()));
        let twice =
            [text.as_slice(), &text[text.iter().position(|byte| *byte == b'\n').unwrap() + 1..]].concat();
        assert_eq!(read::parse(twice.as_slice(), "x", None).unwrap().rows.len(), 2 * rows.len());
        let mut seen = Seen::default();
        let read = read::parse(twice.as_slice(), "x", Some(&mut seen)).unwrap();
        assert_eq!((read.rows.len(), read.duplicates), (rows.len(), rows.len()));
        let again = read::parse(text.as_slice(), "y", Some(&mut seen)).unwrap();
        assert_eq!((again.rows.len(), again.duplicates), (0, rows.len()));
        let mut other = rows[0].clone();
        other.note.push('!');
        assert_eq!(read::parse(csv(&[other]).as_slice(), "z", Some(&mut seen)).unwrap().rows.len(), 1);
    }

    #[test]
    fn a_gap_is_read_from_the_setting_and_claims_nothing() {
        let mut row = rows().remove(0);
        row.verdict = Verdict::Differs;
        assert!(row.breaks_claim(), "the first algorithm claims its bits");
        for (setting, gap) in [
            ("", None),
            ("epsilon=0.001", None),
            ("nogap=1;against=x", None),
            ("gap=semantic;against=other", Some(("semantic", "other"))),
            ("epsilon=0.001;gap=rounding;against=reference", Some(("rounding", "reference"))),
            ("gap=rounding", Some(("rounding", "reference"))),
        ] {
            setting.clone_into(&mut row.setting);
            assert_eq!(row.gap(), gap.map(|(kind, against)| Gap { kind, against }), "{setting}");
            assert_eq!(row.breaks_claim(), gap.is_none(), "{setting}");
            row.guarantee = Guarantee::NotGuaranteed;
            assert_eq!(row.is_moving_canary(), gap.is_none(), "{setting}");
            row.guarantee = Guarantee::GpuToGpu;
        }
        row.setting.clear();
        row.guarantee = Guarantee::NotGuaranteed;
        "numpy".clone_into(&mut row.engine);
        assert!(!row.is_moving_canary(), "others' code is no canary");
    }

    #[test]
    fn ids_tell_rows_apart() {
        let rows = rows();
        let ids: std::collections::HashSet<_> = rows.iter().map(Measurement::id).collect();
        assert_eq!(ids.len(), rows.len());
    }
}
