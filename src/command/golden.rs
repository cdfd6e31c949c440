//! `samebits golden`: makes `results/golden.csv` of the rows of `run --golden` on several devices, which must agree.

use crate::cli::GoldenFlags;
use crate::command::{End, say};
use crate::error::{Error, Result};
use crate::golden::of_rows;
use crate::{measurement, results};

/// Writes the digests that all rows agree on.
pub fn golden(flags: &GoldenFlags) -> Result<End> {
    let mut rows = Vec::new();
    for folder in &flags.results {
        rows.extend(measurement::read_whole(&folder.join(results::ROWS))?);
    }
    let entries = of_rows(&rows)?;
    if entries.is_empty() {
        return Err(Error::input("no row is of an algorithm that claims the same bits on every device"));
    }
    let cannot = |error: csv::Error| Error::input(format!("{}: cannot write: {error}", flags.file.display()));
    let mut writer = csv::Writer::from_path(&flags.file).map_err(cannot)?;
    entries.iter().try_for_each(|entry| writer.serialize(entry)).map_err(cannot)?;
    writer.flush().map_err(Error::file(&flags.file, "cannot write"))?;
    say(&format!("samebits: {}: {} digests\n", flags.file.display(), entries.len()));
    Ok(End::Done)
}
