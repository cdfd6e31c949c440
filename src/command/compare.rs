//! `samebits compare`: rows of any number of folders side by side, a column per device.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::cli::{CompareFlags, Layout};
use crate::command::replace::replace;
use crate::command::{End, beside, colour, print, rows, say, width};
use crate::error::{Error, Result};
use crate::measurement::Measurement;
use crate::operation::OPERATIONS;
use crate::report::compare::choice::{Choice, Filter, Surroundings};
use crate::report::compare::model::Comparison;
use crate::report::compare::{csv, json, markdown, terminal};
use crate::report::html;

/// Columns of a text that goes into a file.
const FILE_WIDTH: usize = 120;

/// Compares what `flags` name.
///
/// # Errors
/// A path that is not there or holds no rows, a file that is none of rows, a report of causes where no page is made, a
/// filter that leaves nothing, a baseline that is not there, an output that cannot be written.
pub fn compare(flags: &CompareFlags) -> Result<End> {
    let (causes, paths) = beside::causes(&flags.paths, flags.format)?;
    let files = rows::files(&paths)?;
    if let Some(out) = &flags.output {
        refuse_to_overwrite_rows(out, &files)?;
    }
    let mut rows = rows::read(&files)?;
    let (recorded, unread) = rows::environments(&files, &rows);
    let filtered = filter(&mut rows, flags)?;
    let around = Surroundings { recorded, unread, carried: carried(), filtered };
    let comparison = Comparison::with(&rows, choice(flags), &around)?;
    let text = match flags.format {
        Layout::Table => {
            let to_file = flags.output.is_some();
            let options = terminal::Options {
                width: if to_file { FILE_WIDTH } else { width() },
                colour: !to_file && colour(),
            };
            terminal::render(&comparison, options)
        }
        Layout::Md => markdown::render(&comparison),
        Layout::Csv => csv::render(&comparison)?,
        Layout::Json => json::render(&comparison),
        Layout::Html => {
            let beside = beside::read(&files, causes);
            html::render(&html::Input { rows: &rows, comparison: &comparison, beside: &beside })
        }
    };
    match &flags.output {
        Some(path) => replace(path, &text)?,
        None => print(&text)?,
    }
    if flags.output.is_some() || flags.format == Layout::Csv {
        // What must not be missed is not in a CSV, and a file may not be looked at.
        let broken = comparison.broken.iter().map(|broken| format!("BROKEN CLAIM: {}", broken.what));
        let failed = comparison.failures.iter().map(|failure| format!("FAILED: {failure}"));
        broken.chain(failed).for_each(|line| say(&format!("samebits: {line}\n")));
    }
    if flags.format == Layout::Csv {
        comparison.warnings.iter().for_each(|warning| say(&format!("samebits: {}\n", warning.sentence())));
    }
    Ok(if comparison.is_unmet() { End::NotMet } else { End::Done })
}

fn choice(flags: &CompareFlags) -> Choice {
    Choice {
        lines: flags.row,
        sort: flags.sort,
        rank: flags.rank,
        // A page has room for everything.
        all: flags.all || flags.format == Layout::Html,
        intersection: flags.intersection,
        least: flags.threshold_min,
        most: flags.threshold_max,
        baseline: flags.baseline.clone(),
    }
}

/// Leaves the rows that the filters keep; how many they do not.
fn filter(rows: &mut Vec<Measurement>, flags: &CompareFlags) -> Result<usize> {
    let filter = Filter {
        only: flags.filter.clone(),
        not: flags.filter_not.clone(),
        engines: flags.engine.clone(),
        devices: flags.device.clone(),
    };
    let all = rows.len();
    if !filter.is_empty() {
        rows.retain(|row| filter.keeps(row));
    }
    if rows.is_empty() && all > 0 {
        return Err(Error::input(format!(
            "none of the {all} rows is left by --filter, --filter-not, --engine and --device; widen them, or list \
             what there is with --format csv"
        )));
    }
    Ok(all - rows.len())
}

/// The hashes of the kernels that this program carries, by operation, algorithm and setting.
fn carried() -> HashMap<[String; 3], String> {
    let algorithms = OPERATIONS.iter().flat_map(|operation| {
        operation.algorithms().iter().map(|algorithm| {
            let key = [operation.name(), algorithm.name, algorithm.setting].map(str::to_owned);
            (key, algorithm.module.hash())
        })
    });
    algorithms.collect()
}

fn refuse_to_overwrite_rows(out: &Path, files: &[PathBuf]) -> Result<()> {
    let own = |path: &Path| path.canonicalize().ok();
    let is_input = own(out).is_some_and(|out| files.iter().any(|file| own(file).as_ref() == Some(&out)));
    if is_input {
        return Err(Error::input(format!(
            "{}: holds rows that are compared; give another -o",
            out.display()
        )));
    }
    Ok(())
}
