//! The comparison as CSV, for spreadsheets and programs: one line per workload, algorithm and device.
//! Numbers are plain. A text that a spreadsheet would take for a formula gets an apostrophe in front.

use crate::error::{Error, Result};
use crate::measurement::Measurement;
use crate::report::compare::model::{Cell, Comparison, Device, Mark};
use crate::report::words;

/// The columns. A change of what is there is a change for the programs that read them.
pub const COLUMNS: [&str; 26] = [
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
];

/// The comparison as CSV with a header.
///
/// # Errors
/// Never: it is written into memory.
pub fn render(comparison: &Comparison) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::input(format!("cannot write CSV: {error}"));
    writer.write_record(COLUMNS).map_err(failed)?;
    for block in &comparison.blocks {
        for (column, cell) in block.lines.iter().flat_map(|line| &line.cells) {
            writer.write_record(record(&comparison.devices[*column], cell)).map_err(failed)?;
        }
        for (column, row) in block.gaps.iter().flat_map(|gap| &gap.cells) {
            writer.write_record(gap_record(&comparison.devices[*column], row)).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| Error::input(format!("cannot write CSV: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn record(device: &Device, cell: &Cell) -> [String; COLUMNS.len()] {
    let row = cell.row;
    let mut record = key(device, row);
    let numbers = [
        match cell.mark {
            Mark::Letter(_) | Mark::Varies | Mark::OtherInput => cell.mark.text(),
            Mark::Unknown | Mark::Skipped | Mark::Failed => String::new(),
        },
        cell.verdict.name().to_owned(),
        plain(&row.digest),
        number(cell.throughput()),
        cell.timed.map_or_else(String::new, |timed| plain(&timed.throughput_unit)),
        number(cell.percent_of_limit()),
        number(cell.tax),
    ];
    record[SAME_AS..SAME_AS + numbers.len()].clone_from_slice(&numbers);
    record
}

/// A gap has no letter and no time, and the algorithm's digest says nothing about it.
fn gap_record(device: &Device, row: &Measurement) -> [String; COLUMNS.len()] {
    let mut record = key(device, row);
    record[SAME_AS + 1] = row.verdict.name().to_owned();
    record[SAME_AS + 2] = plain(&row.digest);
    let found =
        [number(row.v_c), number(row.v_ermv), row.max_ulp.map_or_else(String::new, |ulp| ulp.to_string())];
    record[V_C..].clone_from_slice(&found);
    record
}

/// Where `same_as` stands.
const SAME_AS: usize = 13;
/// Where `v_c` stands.
const V_C: usize = 23;

/// What tells lines apart, and the inputs; the rest is empty.
fn key(device: &Device, row: &Measurement) -> [String; COLUMNS.len()] {
    let mut record = std::array::from_fn(|_| String::new());
    let texts = [
        &row.operation,
        &row.workload,
        &row.shape,
        row.dtype.name(),
        row.input.name(),
        &row.engine,
        &row.setting,
        &row.algorithm,
        row.guarantee.name(),
        device.name,
        device.kind,
        device.environment,
        &row.run_id,
    ];
    for (field, text) in record.iter_mut().zip(texts) {
        *field = plain(text);
    }
    record[SAME_AS + 7] = plain(&row.accumulator_digest);
    record[SAME_AS + 8] = plain(&row.input_digest);
    record[SAME_AS + 9] = row.seed.to_string();
    record
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| value.to_string())
}

/// A text that shows as it is and that no spreadsheet computes.
fn plain(text: &str) -> String {
    let text = words::visible(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}
