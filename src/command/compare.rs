//! `samebits compare`: rows of any number of folders side by side, a column per device.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cli::{CompareFlags, Layout};
use crate::command::{End, colour, print, say, width};
use crate::error::{Error, Result};
use crate::measurement::{self, Measurement};
use crate::report::compare::model::Comparison;
use crate::report::compare::{csv, markdown, terminal};
use crate::results::ROWS;

/// Columns of a text that goes into a file.
const FILE_WIDTH: usize = 120;

/// Compares what `flags` name.
///
/// # Errors
/// A path that is not there or holds no rows, a file that is none of rows, an output that cannot be
/// written.
pub fn compare(flags: &CompareFlags) -> Result<End> {
    let files = files(&flags.paths)?;
    if let Some(out) = &flags.output {
        refuse_to_overwrite_rows(out, &files)?;
    }
    let rows = read(&files)?;
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

/// The files of rows that `paths` name: each itself, in a results folder, or in the folders of one.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut seen = HashSet::new();
    let mut passed_over = Vec::new();
    for path in paths {
        let kind = std::fs::metadata(path)
            .map_err(Error::file(path, "cannot compare; give results folders, or a folder of them"))?;
        let found = if kind.is_dir() {
            in_folder(path)?
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            vec![path.clone()]
        } else {
            passed_over.push(path);
            Vec::new()
        };
        // The same folder may be named in two ways, and counts once.
        let is_new = |file: &PathBuf| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone()));
        files.extend(found.into_iter().filter(is_new));
    }
    for path in &passed_over {
        // `results/*` names what lies beside the folders too.
        let what = format!("{}: no rows file, which are called *.csv", path.display());
        if files.is_empty() {
            return Err(Error::input(format!("{what}; give results folders, or a folder of them")));
        }
        say(&format!("samebits: {what}; passed over\n"));
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let own = folder.join(ROWS);
    if own.is_file() {
        return Ok(vec![own]);
    }
    let cannot = || Error::file(folder, "cannot read the folder");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot())? {
        let rows = entry.map_err(cannot())?.path().join(ROWS);
        if rows.is_file() {
            files.push(rows);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::input(format!(
            "{}: no {ROWS} in it or in a folder directly below; give results folders of `samebits run`",
            folder.display()
        )));
    }
    Ok(files)
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

fn read(files: &[PathBuf]) -> Result<Vec<Measurement>> {
    let mut all = Vec::new();
    for file in files {
        let read = measurement::read(file)?;
        if read.cut_off {
            say(&format!(
                "samebits: warning: {}: cut off after {} whole rows; these are compared\n",
                file.display(),
                read.rows.len()
            ));
        }
        all.extend(read.rows);
    }
    Ok(all)
}
