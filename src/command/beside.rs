//! What a page shows beside rows, from the files that lie beside theirs or are given with them.

use std::path::{Path, PathBuf};

use crate::causes::told;
use crate::cli::Layout;
use crate::error::{Error, Result};
use crate::report::html::beside::Beside;
use crate::report::words::plural;
use crate::results;

/// Takes the reports of causes out of `paths`; the paths that are left.
///
/// # Errors
/// Any other JSON, a report where `layout` shows none, or nothing but reports.
pub fn causes(paths: &[PathBuf], layout: Layout) -> Result<(Vec<told::Told>, Vec<PathBuf>)> {
    let (reports, others): (Vec<&PathBuf>, Vec<&PathBuf>) = paths.iter().partition(|path| told::is_one(path));
    let told = reports.iter().map(|path| told::read(path)).collect::<Result<Vec<_>>>()?;
    if let Some(path) = reports.first() {
        let path = path.display();
        if layout != Layout::Html {
            return Err(Error::input(format!(
                "{path}: a report of causes, which only --format html shows; add that, or leave the file out"
            )));
        }
        if others.is_empty() {
            return Err(Error::input(format!(
                "{path}: a report of causes, and no rows to compare; give results folders too"
            )));
        }
    }
    Ok((told, others.into_iter().cloned().collect()))
}

/// Reads what lies beside `files` of rows. Nothing there is needed: what cannot be read becomes a remark.
pub fn read(files: &[PathBuf], causes: Vec<told::Told>) -> Beside {
    let mut beside = Beside { causes, ..Beside::default() };
    for file in files {
        match results::histograms(file) {
            Ok(None) => {}
            Ok(Some(found)) => {
                let lines = found.damaged;
                if lines > 0 {
                    beside.remarks.push(format!(
                        "Of the samples beside {}, {lines} {} not be read; ULP histograms may be missing.",
                        file.display(),
                        plural(lines, "line could", "lines could")
                    ));
                }
                if let (Some(run), false) = (run(file), found.by_row.is_empty()) {
                    beside.histograms.entry(run).or_default().extend(found.by_row);
                }
            }
            Err(error) => beside.remarks.push(format!("{error}; ULP histograms may be missing.")),
        }
    }
    beside
}

/// The run that a file of rows is of, which is in every row.
fn run(file: &Path) -> Option<String> {
    let mut reader = csv::Reader::from_path(file).ok()?;
    let place = reader.headers().ok()?.iter().position(|column| column == "run_id")?;
    let first = reader.records().next()?.ok()?;
    first.get(place).map(str::to_owned)
}
