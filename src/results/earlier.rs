//! Whether what a folder holds may be gone on with: rows of one folder are of one machine, one program, and
//! of one workload by each name.

use std::path::Path;

use serde_json::Value;

use crate::digest::digest;
use crate::environment::{Environment, differences};
use crate::error::{Error, Result};
use crate::input::generate;
use crate::measurement::Measurement;
use crate::results::ENVIRONMENT;
use crate::workload::{Setting, Workload};

/// Differences that are named; of more there is only the number.
const NAMED: usize = 3;

/// Refuses rows of another environment than this one.
///
/// # Errors
/// Names what differs, or says that the folder does not tell it.
pub fn check_environment(path: &Path, rows: &[Measurement], environment: &Environment) -> Result<()> {
    let file = path.join(ENVIRONMENT);
    let text = std::fs::read_to_string(&file).map_err(Error::file(
        &file,
        "cannot read what the rows were measured in; put it back, or start a new run with --out",
    ))?;
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    let (Some(there), Some(here)) = (parse(&text), parse(&environment.to_json())) else {
        return Err(Error::input(format!(
            "{}: not the JSON that tells what the rows were measured in; put it back, or start a new run with \
             --out",
            file.display()
        )));
    };
    let mut differing = differences(&there, &here);
    if !differing.is_empty() {
        let more = differing.len().saturating_sub(NAMED);
        differing.truncate(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        return Err(Error::input(format!(
            "{}: measured in another environment: {}{more}; go on with it there, or start a new run with --out",
            path.display(),
            differing.join(", ")
        )));
    }
    // Rows that were put together by hand.
    let here = environment.hash();
    match rows.iter().find(|row| row.environment != here) {
        Some(row) => Err(Error::input(format!(
            "{}: row {} was measured in environment {} and not in that of {ENVIRONMENT}, {here}; take it out, \
             or start a new run with --out",
            path.display(),
            row.row_id,
            row.environment,
        ))),
        None => Ok(()),
    }
}

/// Refuses rows that have the name of one of `workloads`, and are of something else: the table would show
/// both as one. Executions may differ, since every row tells how many it compared.
///
/// # Errors
/// Names the workload and what differs.
pub fn check_workloads(path: &Path, rows: &[Measurement], workloads: &[Workload]) -> Result<()> {
    for workload in workloads {
        let rows = || rows.iter().filter(|row| row.workload == workload.name);
        // A given tensor is known by its digest only, and that of generated inputs follows from the rest.
        // What was never executed may be too large to be made.
        let is_given = workload.given.is_some() && rows().any(|row| !row.input_digest.is_empty());
        let inputs = is_given.then(|| input_digest(workload));
        for row in rows() {
            let differs = |(_, there, here): &(&str, String, String)| there != here;
            if let Some((what, there, here)) = compared(row, workload, inputs.as_deref()).find(differs) {
                return Err(Error::input(format!(
                    "{}: workload {:?} has {what} {there} in its rows, and {here} by these flags; give the \
                     flags of that run, or start a new one with --out",
                    path.display(),
                    workload.name
                )));
            }
        }
    }
    Ok(())
}

/// What is compared, as the row and as the workload have it.
fn compared<'a>(
    row: &Measurement,
    workload: &Workload,
    inputs: Option<&'a str>,
) -> impl Iterator<Item = (&'static str, String, String)> + use<'a> {
    // What was not executed has no inputs.
    let there = (!row.input_digest.is_empty()).then(|| row.input_digest.clone());
    let digests = there.zip(inputs).map(|(there, here)| ("inputs of digest", there, here.to_owned()));
    let quoted = |setting: &dyn std::fmt::Display| format!("\"{setting}\"");
    [
        ("operation", row.operation.clone(), workload.operation.name().to_owned()),
        ("shape", row.shape.clone(), workload.shape.to_string()),
        ("dtype", row.dtype.to_string(), workload.dtype.to_string()),
        ("input", row.input.name().to_owned(), workload.input.name().to_owned()),
        ("seed", row.seed.to_string(), workload.seed.to_string()),
        ("setting", quoted(&own_setting(row, workload)), quoted(&workload.setting)),
    ]
    .into_iter()
    .chain(digests)
}

/// What the row's workload sets, without what its way or gap adds to it.
fn own_setting(row: &Measurement, workload: &Workload) -> Setting {
    let is_own = |pair: &&str| {
        Setting::parse(pair).and_then(|setting| workload.operation.check_setting(&setting)).is_ok()
    };
    let pairs: Vec<&str> = row.setting.split(';').filter(is_own).collect();
    Setting::parse(&pairs.join(";")).unwrap_or_default()
}

fn input_digest(workload: &Workload) -> String {
    let mut inputs = generate(&workload.operation.inputs(workload), workload.input, workload.seed);
    if let Some(given) = &workload.given {
        inputs[given.input].data = given.tensor.data.clone();
    }
    digest(&inputs).to_string()
}
