//! The comparison as CSV, for spreadsheets and programs: one line per workload, algorithm and device; or the ranking,
//! one line per algorithm and device. Numbers are plain. A text that a spreadsheet would take for a formula gets an
//! apostrophe in front.

use crate::error::{Error, Result};
use crate::measurement::Measurement;
use crate::ratio::Ratio;
use crate::report::compare::choice::LinesAre;
use crate::report::compare::model::{Block, Cell, Comparison, Device, Mark};
use crate::report::compare::rank::{OfDevices, OfWays, Ranked};
use crate::report::group::Way;
use crate::report::words;

/// The columns. A change of what is there is a change for the programs that read them.
pub const COLUMNS: [&str; 39] = [
    "operation",
    "workload",
    "shape",
    "dtype",
    "input",
    "engine",
    "setting",
    "algorithm",
    "guarantee",
    "device",
    "device_kind",
    "environment",
    "run_id",
    "same_as",
    "verdict",
    "digest",
    "throughput",
    "throughput_unit",
    "percent_of_limit",
    "tax",
    "accumulator_digest",
    "input_digest",
    "seed",
    "v_c",
    "v_ermv",
    "max_ulp",
    "median_ns",
    "ci95_low_ns",
    "ci95_high_ns",
    "tax_low",
    "tax_high",
    "baseline",
    "ratio",
    "ratio_low",
    "ratio_high",
    "throttled",
    "kernel",
    "cubin",
    "note",
];

/// The columns of a ranking.
pub const RANK_COLUMNS: [&str; 12] = [
    "operation",
    "function",
    "engine",
    "setting",
    "algorithm",
    "device",
    "device_kind",
    "environment",
    "mean",
    "mean_low",
    "mean_high",
    "cases",
];

/// The comparison as CSV with a header.
///
/// # Errors
/// Never: it is written into memory.
pub fn render(comparison: &Comparison) -> Result<String> {
    if comparison.choice.rank {
        return written(&RANK_COLUMNS, ranking(comparison));
    }
    let baseline = plain(comparison.baseline.as_deref().unwrap_or_default());
    let of_block = |block: &Block| {
        let cells = block.cells().map(|(column, cell)| record(&comparison.devices[column], cell, &baseline));
        let gaps = block.gaps.iter().flat_map(|gap| &gap.cells);
        let gaps = gaps.map(|(column, row)| gap_record(&comparison.devices[*column], row));
        cells.chain(gaps).collect::<Vec<_>>()
    };
    written(&COLUMNS, comparison.blocks.iter().flat_map(of_block))
}

fn written<const N: usize>(
    columns: &[&str; N],
    records: impl IntoIterator<Item = [String; N]>,
) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::input(format!("cannot write CSV: {error}"));
    writer.write_record(columns).map_err(failed)?;
    for record in records {
        writer.write_record(record).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::input(format!("cannot write CSV: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn record(device: &Device, cell: &Cell, baseline: &str) -> [String; COLUMNS.len()] {
    let mut record = key(device, cell.row);
    let whose = match cell.mark {
        Mark::Letter(_) | Mark::Varies | Mark::OtherInput => cell.mark.text(),
        Mark::Unknown | Mark::Skipped | Mark::Failed => String::new(),
    };
    let integer = |of: fn(&Measurement) -> Option<u64>| {
        cell.timed.and_then(of).map_or_else(String::new, |value| value.to_string())
    };
    let part = |ratio: Option<Ratio>, of: fn(Ratio) -> f64| number(ratio.map(of));
    let baseline = if cell.ratio.is_some() { baseline.to_owned() } else { String::new() };
    set(&mut record, "same_as", whose);
    set(&mut record, "throughput", number(cell.throughput()));
    set(&mut record, "throughput_unit", cell.unit().map_or_else(String::new, plain));
    set(&mut record, "percent_of_limit", number(cell.percent_of_limit()));
    set(&mut record, "verdict", cell.verdict.name().to_owned());
    set(&mut record, "median_ns", integer(|row| row.median_ns));
    set(&mut record, "ci95_low_ns", integer(|row| row.ci95_low_ns));
    set(&mut record, "ci95_high_ns", integer(|row| row.ci95_high_ns));
    set(&mut record, "tax", part(cell.tax, |tax| tax.value - 1.0));
    set(&mut record, "tax_low", part(cell.tax, |tax| tax.low - 1.0));
    set(&mut record, "tax_high", part(cell.tax, |tax| tax.high - 1.0));
    set(&mut record, "baseline", baseline);
    set(&mut record, "ratio", part(cell.ratio, |ratio| ratio.value));
    set(&mut record, "ratio_low", part(cell.ratio, |ratio| ratio.low));
    set(&mut record, "ratio_high", part(cell.ratio, |ratio| ratio.high));
    set(&mut record, "throttled", integer(|row| row.throttled));
    record
}

/// A gap has no letter and no time, and the algorithm's digest says nothing about it.
fn gap_record(device: &Device, row: &Measurement) -> [String; COLUMNS.len()] {
    let mut record = key(device, row);
    set(&mut record, "v_c", number(row.v_c));
    set(&mut record, "v_ermv", number(row.v_ermv));
    set(&mut record, "max_ulp", row.max_ulp.map_or_else(String::new, |ulp| ulp.to_string()));
    record
}

/// What tells lines apart, and what the row itself says; the rest is empty.
fn key(device: &Device, row: &Measurement) -> [String; COLUMNS.len()] {
    let mut record = std::array::from_fn(|_| String::new());
    for (column, text) in [
        ("operation", row.operation.as_str()),
        ("workload", &row.workload),
        ("shape", &row.shape),
        ("dtype", row.dtype.name()),
        ("input", row.input.name()),
        ("engine", &row.engine),
        ("setting", &row.setting),
        ("algorithm", &row.algorithm),
        ("guarantee", row.guarantee.name()),
        ("device", device.name),
        ("device_kind", device.kind),
        ("environment", device.environment),
        ("run_id", &row.run_id),
        ("verdict", row.verdict.name()),
        ("digest", &row.digest),
        ("accumulator_digest", &row.accumulator_digest),
        ("input_digest", &row.input_digest),
        ("kernel", &row.kernel),
        ("cubin", &row.cubin),
        ("note", &row.note),
    ] {
        set(&mut record, column, plain(text));
    }
    set(&mut record, "seed", row.seed.to_string());
    record
}

fn set(record: &mut [String; COLUMNS.len()], column: &str, field: String) {
    let place = COLUMNS.iter().position(|known| *known == column);
    if let Some(place) = place.and_then(|place| record.get_mut(place)) {
        *place = field;
    }
}

/// A line per way and device, or per device.
fn ranking(comparison: &Comparison) -> Vec<[String; RANK_COLUMNS.len()]> {
    let line = |operation: &str,
                [function, engine, setting, algorithm]: [&str; 4],
                column: usize,
                mean: Ratio,
                cases| {
        let device = &comparison.devices[column];
        let texts =
            [operation, function, engine, setting, algorithm, device.name, device.kind, device.environment];
        let [operation, function, engine, setting, algorithm, name, kind, environment] = texts.map(plain);
        let [value, low, high] = [mean.value, mean.low, mean.high].map(|part| number(Some(part)));
        let cases = format!("{cases}");
        [operation, function, engine, setting, algorithm, name, kind, environment, value, low, high, cases]
    };
    match comparison.choice.lines {
        LinesAre::Algorithm => {
            let of_rank = |rank: &OfWays| {
                let cases = rank.standing.cases.len();
                let of_way = |ranked: &Ranked<Way>| {
                    let way =
                        [ranked.who.function, ranked.who.engine, ranked.who.setting, ranked.who.algorithm];
                    line(&rank.operation, way, rank.column, ranked.mean, cases)
                };
                rank.standing.ranked.iter().map(of_way).collect::<Vec<_>>()
            };
            comparison.ranks.iter().flat_map(of_rank).collect()
        }
        LinesAre::Device => {
            let of_rank = |rank: &OfDevices| {
                let cases = rank.standing.cases.len();
                let ranked = rank.standing.ranked.iter();
                ranked
                    .map(|ranked| line(&rank.operation, [""; 4], ranked.who, ranked.mean, cases))
                    .collect::<Vec<_>>()
            };
            comparison.device_ranks.iter().flat_map(of_rank).collect()
        }
    }
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| value.to_string())
}

/// A text that shows as it is and that no spreadsheet computes.
fn plain(text: &str) -> String {
    let text = words::visible(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}
