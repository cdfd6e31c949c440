//! `samebits compare`: rows of any number of folders side by side, a column per device.

use std::path::{Path, PathBuf};

use crate::cli::{CompareFlags, Layout};
use crate::command::{End, colour, print, rows, say, width};
use crate::error::{Error, Result};
use crate::report::compare::model::Comparison;
use crate::report::compare::{csv, markdown, terminal};

/// Columns of a text that goes into a file.
const FILE_WIDTH: usize = 120;

/// Compares what `flags` name.
///
/// # Errors
/// A path that is not there or holds no rows, a file that is none of rows, an output that cannot be
/// written.
pub fn compare(flags: &CompareFlags) -> Result<End> {
    let files = rows::files(&flags.paths)?;
    if let Some(out) = &flags.output {
        refuse_to_overwrite_rows(out, &files)?;
    }
    let rows = rows::read(&files)?;
    let comparison = Comparison::new(&rows);
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
    };
    match &flags.output {
        Some(path) => std::fs::write(path, text).map_err(Error::file(path, "cannot write"))?,
        None => print(&text)?,
    }
    if flags.output.is_some() || flags.format == Layout::Csv {
        // What must not be missed is not in a CSV, and a file may not be looked at.
        comparison
            .broken
            .iter()
            .for_each(|broken| say(&format!("samebits: BROKEN CLAIM: {}\n", broken.what)));
        comparison.failures.iter().for_each(|failure| say(&format!("samebits: FAILED: {failure}\n")));
    }
    Ok(if comparison.is_unmet() { End::NotMet } else { End::Done })
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
