//! The rows that a user's paths name: files, results folders, folders of them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::command::say;
use crate::environment::Recorded;
use crate::error::{Error, Result};
use crate::golden;
use crate::measurement::{self, Measurement, Seen};
use crate::report::words::plural;
use crate::results::{ENVIRONMENT, ROWS};

/// The files of rows that `paths` name: each itself, in a results folder, or in the folders of one.
///
/// # Errors
/// A path that is not there or holds no rows.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut seen = HashSet::new();
    let mut passed_over = Vec::new();
    for path in paths {
        let kind = std::fs::metadata(path)
            .map_err(Error::file(path, "cannot read rows; give results folders, or a folder of them"))?;
        let found = if kind.is_dir() {
            in_folder(path)?
        } else if golden::is_one(path) {
            passed_over.push((path, "golden digests, no rows"));
            Vec::new()
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            vec![path.clone()]
        } else {
            passed_over.push((path, "no rows file, which are called *.csv"));
            Vec::new()
        };
        // The same folder may be named in two ways, and counts once.
        let is_new = |file: &PathBuf| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone()));
        files.extend(found.into_iter().filter(is_new));
    }
    for (path, why) in &passed_over {
        // `results/*` names what lies beside the folders too.
        let what = format!("{}: {why}", path.display());
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

/// Reads the rows of `files`, each of which counts once however often it is there; copies, and a file that was cut off
/// by a kill, are told on stderr.
///
/// # Errors
/// A file that cannot be read or is none of rows.
pub fn read(files: &[PathBuf]) -> Result<Vec<Measurement>> {
    let mut all = Vec::new();
    let mut seen = Seen::default();
    for file in files {
        let read = measurement::read_distinct(file, &mut seen)?;
        let warn = |what: String| say(&format!("samebits: warning: {}: {what}\n", file.display()));
        if read.cut_off {
            let whole = read.rows.len() + read.duplicates;
            warn(format!("cut off after {whole} whole rows; these are read"));
        }
        if read.duplicates > 0 {
            let copies = plural(read.duplicates, "row is a copy of another", "rows are copies of others");
            warn(format!("{} {copies}, and counted once", read.duplicates));
        }
        if all.is_empty() {
            // Most rows may be in one file, and need not be there twice.
            all = read.rows;
        } else {
            all.extend(read.rows);
        }
    }
    Ok(all)
}

/// What the `environment.json` beside each of `files` tells, by the hash that its rows have; and a clause for each
/// that could not be used. Nothing where there is none.
pub fn environments(files: &[PathBuf], rows: &[Measurement]) -> (BTreeMap<String, Recorded>, Vec<String>) {
    let wanted: HashSet<&str> = rows.iter().map(|row| row.environment.as_str()).collect();
    let (mut recorded, mut unread) = (BTreeMap::new(), Vec::new());
    for file in files {
        let path = file.with_file_name(ENVIRONMENT);
        match Recorded::read(&path) {
            Ok(None) => {}
            Ok(Some((hash, environment))) if wanted.contains(hash.as_str()) => {
                recorded.insert(hash, environment);
            }
            Ok(Some((hash, _))) => {
                unread.push(format!("{}: its hash, {hash}, is that of none of the rows", path.display()));
            }
            Err(error) => unread.push(error.to_string()),
        }
    }
    (recorded, unread)
}
