//! The comparison as JSON, for programs: everything that the tables and sentences have, with numbers as numbers. The
//! shape is a contract: what changes it raises [`SCHEMA`].

use serde_json::{Map, Value, json};

use crate::measurement::Measurement;
use crate::ratio::Ratio;
use crate::report::compare::agreement::Agreement;
use crate::report::compare::model::{Block, Cell, Comparison, Device, Line, Mark};
use crate::report::compare::price::Price;
use crate::report::compare::rank::{OfDevices, OfWays, Standing};
use crate::report::compare::warnings::Warning;
use crate::report::findings::Broken;
use crate::report::group::Way;
use crate::report::words;

/// The version of the shape.
pub const SCHEMA: u32 = 1;

/// The comparison as JSON that ends in a newline. Characters that would do something to a terminal are written as
/// escapes, which any reader of JSON turns back.
pub fn render(comparison: &Comparison) -> String {
    let agreement = |agreement: &Agreement| {
        let (left, right) = agreement.columns;
        json!({"devices": [left, right], "same": agreement.same, "cases": agreement.cases})
    };
    let price = |price: &Price| {
        let mut object = way(&price.way);
        object.insert("operation".to_owned(), json!(price.operation));
        object.insert("device".to_owned(), json!(price.column));
        object.insert("claims".to_owned(), json!(price.claims.name()));
        object.insert("mean".to_owned(), ratio(Some(price.mean)));
        object.insert("cases".to_owned(), json!(price.cases));
        Value::from(object)
    };
    let rank = |rank: &OfWays| {
        let mut object = standing(&rank.standing, |who| Value::from(way(&who)));
        object.insert("operation".to_owned(), json!(rank.operation));
        object.insert("device".to_owned(), json!(rank.column));
        Value::from(object)
    };
    let device_rank = |rank: &OfDevices| {
        let mut object = standing(&rank.standing, |column| json!({"device": column}));
        object.insert("operation".to_owned(), json!(rank.operation));
        Value::from(object)
    };
    let warning = |warning: &Warning| json!({"what": warning.what, "remedy": warning.remedy});
    let whole = json!({
        "schema": SCHEMA,
        "caption": comparison.caption,
        "devices": comparison.devices.iter().map(device).collect::<Vec<_>>(),
        "baseline": comparison.baseline,
        "baseline_device": comparison.baseline_column,
        "broken": comparison.broken.iter().map(broken).collect::<Vec<_>>(),
        "failures": comparison.failures,
        "findings": comparison.findings,
        "warnings": comparison.warnings.iter().map(warning).collect::<Vec<_>>(),
        "left_out": comparison.left_out,
        "agreements": comparison.agreements.iter().map(agreement).collect::<Vec<_>>(),
        "prices": comparison.prices.iter().map(price).collect::<Vec<_>>(),
        "rankings": comparison.ranks.iter().map(rank).collect::<Vec<_>>(),
        "device_rankings": comparison.device_ranks.iter().map(device_rank).collect::<Vec<_>>(),
        "workloads": comparison.blocks.iter().map(block).collect::<Vec<_>>(),
    });
    // Keys are strings and numbers finite: writing it cannot fail.
    escaped(&serde_json::to_string_pretty(&whole).unwrap_or_default()) + "\n"
}

fn device(device: &Device) -> Value {
    json!({
        "label": device.label,
        "device": device.name,
        "device_kind": device.kind,
        "environment": device.environment,
        "driver": device.driver,
        "cuda": device.cuda,
        "program": device.program,
        "runs": device.runs,
        "superseded": device.superseded,
        "of_other_inputs": device.of_other_inputs,
    })
}

fn broken(broken: &Broken) -> Value {
    json!({"what": broken.what, "first": broken.first, "command": broken.command.join(" ")})
}

fn block(block: &Block) -> Value {
    let gaps = block.gaps.iter().map(|gap| {
        let cells: Vec<Value> = gap.cells.iter().map(|(column, row)| gap_cell(*column, row)).collect();
        json!({"name": gap.name, "cells": cells})
    });
    json!({
        "operation": block.operation,
        "workload": block.on.workload,
        "shape": block.on.shape,
        "dtype": block.on.dtype.name(),
        "input": block.on.input.name(),
        "setting": block.on.setting,
        "description": block.title,
        "is_most_telling": block.is_telling,
        "lines": block.lines.iter().map(line).collect::<Vec<_>>(),
        "gaps": gaps.collect::<Vec<_>>(),
    })
}

fn line(line: &Line) -> Value {
    let mut object = way(&line.way);
    object.insert("name".to_owned(), json!(line.name));
    let cells: Vec<Value> = line.cells.iter().map(|(column, one)| cell(*column, one)).collect();
    object.insert("cells".to_owned(), Value::from(cells));
    Value::from(object)
}

fn cell(column: usize, cell: &Cell) -> Value {
    let letter = match cell.mark {
        Mark::Letter(_) => Some(cell.mark.text()),
        _ => None,
    };
    let bits = match cell.mark {
        Mark::Letter(_) => "steady",
        Mark::Varies => "vary",
        Mark::OtherInput => "of_other_inputs",
        Mark::Unknown => "unknown",
        Mark::Skipped => "skipped",
        Mark::Failed => "failed",
    };
    let row = cell.row;
    let timed = |of: fn(&Measurement) -> Option<u64>| cell.timed.and_then(of);
    json!({
        "device": column,
        "bits": bits,
        "same_as": letter,
        "verdict": cell.verdict.name(),
        "guarantee": row.guarantee.name(),
        "batch_invariant": row.batch_invariant,
        "is_broken": cell.is_broken,
        "toolkits": cell.toolkits,
        "digest": row.digest,
        "accumulator_digest": row.accumulator_digest,
        "input_digest": row.input_digest,
        "seed": row.seed,
        "run_id": row.run_id,
        "throughput": cell.throughput(),
        "throughput_unit": cell.unit(),
        "percent_of_limit": cell.percent_of_limit(),
        "median_ns": timed(|row| row.median_ns),
        "ci95_low_ns": timed(|row| row.ci95_low_ns),
        "ci95_high_ns": timed(|row| row.ci95_high_ns),
        "time_over_fastest": ratio(cell.tax),
        "time_over_baseline": ratio(cell.ratio),
        "throttled": timed(|row| row.throttled),
        "kernel": row.kernel,
        "cubin": row.cubin,
        "note": row.note,
    })
}

fn gap_cell(column: usize, row: &Measurement) -> Value {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    json!({
        "device": column,
        "verdict": row.verdict.name(),
        "output": row.worst_output,
        "v_c": finite(row.v_c),
        "v_ermv": finite(row.v_ermv),
        "max_ulp": row.max_ulp,
        "run_id": row.run_id,
        "note": row.note,
    })
}

fn way(way: &Way) -> Map<String, Value> {
    let pairs = [
        ("engine", way.engine),
        ("algorithm", way.algorithm),
        ("setting", way.setting),
        ("function", way.function),
    ];
    pairs.into_iter().map(|(key, text)| (key.to_owned(), json!(text))).collect()
}

fn ratio(ratio: Option<Ratio>) -> Value {
    ratio.map_or(Value::Null, |ratio| {
        json!({"value": ratio.value, "low": ratio.low, "high": ratio.high, "is_told": ratio.is_told()})
    })
}

fn standing<T: Copy>(standing: &Standing<T>, who: impl Fn(T) -> Value) -> Map<String, Value> {
    let mut object = Map::new();
    let ranked = standing
        .ranked
        .iter()
        .map(|ranked| json!({"who": who(ranked.who), "mean": ratio(Some(ranked.mean))}));
    let unranked = standing.unranked.iter().map(|(one, cases)| json!({"who": who(*one), "cases": cases}));
    object.insert("ranked".to_owned(), ranked.collect());
    object.insert("unranked".to_owned(), unranked.collect());
    object.insert("cases".to_owned(), json!(standing.cases));
    object
}

/// JSON whose strings hold nothing that does not show, or that does something to a terminal.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    let mut units = [0; 2];
    for character in json.chars() {
        // Line ends stand between values only.
        if character != '\n' && words::is_hidden(character) {
            character
                .encode_utf16(&mut units)
                .iter()
                .for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_is_escaped_and_comes_back() {
        let text = "a\u{1b}[2J\u{9b}1m\u{7f}\u{202e}\u{e0041}é×\"\\\n";
        let json = escaped(&serde_json::to_string_pretty(&json!({ text: [text] })).unwrap());
        assert!(json.chars().all(|character| character == '\n' || !words::is_hidden(character)), "{json}");
        assert!(json.contains("\\u202e\\udb40\\udc41é×"), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), json!({ text: [text] }));
    }
}
