//! A run's folder: `measurements.csv`, `samples.jsonl` and `environment.json`, written so that a kill
//! at any moment leaves every finished row readable.

mod earlier;
mod histograms;

use std::fs::{DirEntry, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::short_hash;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::measurement::{self, Measurement, Rows, Writer};
use crate::suite::Finished;
use crate::workload::Workload;

pub use histograms::{Histograms, histograms};

/// The name of the file that holds the rows of a results folder.
pub const ROWS: &str = "measurements.csv";
const SAMPLES: &str = "samples.jsonl";
/// The file that tells what the rows were measured in, in a results folder.
pub const ENVIRONMENT: &str = "environment.json";

/// A results folder that is being written.
pub struct Folder {
    path: PathBuf,
    rows: Writer<File>,
    samples: File,
    /// Held for as long as the folder is written; the system takes it off however the program ends.
    _lock: Option<File>,
}

/// One line of `samples.jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    row_id: &'a str,
    samples_ns: &'a [f64],
    hot_samples_ns: &'a [f64],
    /// Entry 0 counts distance 0, entry k distances in [2^(k-1), 2^k).
    ulp_histogram: &'a [u64],
}

/// The default name of a run's folder, unique by its time and a hash: `2026-11-21T234500Z-cpu-1a2b3c`.
pub fn default_name(device: &str, environment: &Environment) -> String {
    let now = jiff::Timestamp::now();
    let unique = format!("{now}{}{}", std::process::id(), environment.hash());
    let short = &short_hash(unique.as_bytes())[..6];
    format!("{}-{}-{short}", now.strftime("%Y-%m-%dT%H%M%SZ"), device.replace(':', ""))
}

impl Folder {
    /// Makes a new folder.
    ///
    /// # Errors
    /// If it exists already or cannot be written.
    pub fn create(path: &Path, environment: &Environment) -> Result<Self> {
        if path.exists() {
            return Err(Error::input(format!(
                "{}: exists already; give another --out, or go on with it by --resume",
                path.display()
            )));
        }
        std::fs::create_dir_all(path).map_err(Error::file(
            path,
            "cannot make the results folder; give --out a place that can be written",
        ))?;
        let lock = lock(path)?;
        let json = environment.to_json();
        let file = path.join(ENVIRONMENT);
        std::fs::write(&file, json).map_err(Error::file(&file, "cannot write"))?;
        let rows = Writer::new(create(&path.join(ROWS))?);
        Ok(Self { path: path.to_owned(), rows, samples: create(&path.join(SAMPLES))?, _lock: lock })
    }

    /// Goes on with a folder: returns its rows too, without a last one that was cut off.
    ///
    /// # Errors
    /// If it is no results folder, another run writes to it, it was measured in another environment, or has rows of one of `workloads`
    /// that are of something else. Nothing in the folder has changed then.
    pub fn resume(
        path: &Path,
        environment: &Environment,
        workloads: &[Workload],
    ) -> Result<(Self, Vec<Measurement>)> {
        let rows_path = path.join(ROWS);
        let lock = lock(path)?;
        let earlier = if is_without_files(path) {
            Rows { rows: Vec::new(), end: 0, cut_off: false, duplicates: 0 }
        } else {
            measurement::read(&rows_path)?
        };
        if !earlier.rows.is_empty() {
            earlier::check_environment(path, &earlier.rows, environment)?;
            earlier::check_workloads(path, &earlier.rows, workloads)?;
        }
        let rows = if earlier.rows.is_empty() {
            // Without a row the header may be cut off too: it comes again with the first row.
            Writer::new(append_from(&rows_path, 0)?)
        } else {
            Writer::resuming(append_from(&rows_path, earlier.end)?)
        };
        let samples = resumed_samples(&path.join(SAMPLES), &earlier.rows)?;
        if earlier.rows.is_empty() {
            // Nothing was measured in the environment that was written down.
            let file = path.join(ENVIRONMENT);
            std::fs::write(&file, environment.to_json()).map_err(Error::file(&file, "cannot write"))?;
        }
        Ok((Self { path: path.to_owned(), rows, samples, _lock: lock }, earlier.rows))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a finished row with its raw data.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn write(&mut self, finished: &Finished) -> Result<()> {
        let samples = finished.samples.as_ref();
        let line = Line {
            row_id: &finished.row.row_id,
            samples_ns: samples.map_or(&[], |samples| &samples.ns),
            hot_samples_ns: samples.map_or(&[], |samples| &samples.hot_ns),
            ulp_histogram: &finished.ulp_histogram,
        };
        if samples.is_some() || !finished.ulp_histogram.is_empty() {
            let mut text = serde_json::to_string(&line).map_err(|error| Error::input(error.to_string()))?;
            text.push('\n');
            let path = self.path.join(SAMPLES);
            self.samples.write_all(text.as_bytes()).map_err(Error::file(path, "cannot write the samples"))?;
        }
        // The row last: a row that is there has its samples.
        self.rows.write(&finished.row).map_err(|error| match error {
            Error::File { source, .. } => Error::File {
                path: self.path.join(ROWS),
                action: "cannot write a row; those before it are kept: make room and go on with --resume",
                source,
            },
            other => other,
        })
    }
}

/// Keeps other runs out of a folder. Without a lock where the system has none for folders.
fn lock(path: &Path) -> Result<Option<File>> {
    let Ok(folder) = File::open(path) else { return Ok(None) };
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Err(Error::input(format!(
            "{}: another run is writing to it; wait for its end, or start a new run with --out",
            path.display()
        ))),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Whether it is a folder as a kill leaves it that comes before the file of rows is there.
fn is_without_files(path: &Path) -> bool {
    let is_first =
        |entry: std::io::Result<DirEntry>| entry.is_ok_and(|entry| entry.file_name() == ENVIRONMENT);
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_first))
}

fn create(path: &Path) -> Result<File> {
    File::create_new(path).map_err(Error::file(path, "cannot write"))
}

/// Opens for appending what is whole: the first `end` bytes.
fn append_from(path: &Path, end: u64) -> Result<File> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(Error::file(path, "cannot append"))?;
    file.set_len(end).map_err(Error::file(path, "cannot take off a line that was cut off"))?;
    Ok(file)
}

/// Opens the samples for appending, without those whose row was not finished: it comes again.
fn resumed_samples(path: &Path, rows: &[Measurement]) -> Result<File> {
    #[derive(serde::Deserialize)]
    struct Known {
        row_id: String,
    }
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::file(path, "cannot read")(error)),
    };
    let has_row = |line: &&str| {
        let known = serde_json::from_str::<Known>(line);
        line.ends_with('\n') && known.is_ok_and(|known| rows.iter().any(|row| row.row_id == known.row_id))
    };
    // A row is written right after its samples, so only the last line can be without one.
    let kept: usize = text.split_inclusive('\n').take_while(has_row).map(str::len).sum();
    append_from(path, kept as u64)
}
