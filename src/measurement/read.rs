//! Rows from CSV, line by line, so that a large file takes no more memory than its rows do. What no row of a
//! run can say is refused with its line and column, for all verbs.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use csv::{DeserializeErrorKind, ErrorKind, StringRecord};

use crate::digest::{Digest, digest_of_bytes};
use crate::error::{Error, Result};
use crate::measurement::{COLUMNS, Measurement, SCHEMA, range};

/// Rows that were read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The whole rows.
    pub rows: Vec<Measurement>,
    /// Bytes up to the end of the last whole row.
    pub end: u64,
    /// Whether something that is not a whole row stands behind it.
    pub cut_off: bool,
    /// Rows left out because the very same ones had been read before; 0 where all are kept.
    pub duplicates: usize,
}

/// The rows that were read so far, from whichever files, so that each counts once.
#[derive(Debug, Default)]
pub struct Seen {
    rows: HashSet<Digest>,
    bytes: Vec<u8>,
}

impl Seen {
    /// Whether the same fields come for the first time.
    fn is_new(&mut self, record: &StringRecord) -> bool {
        self.bytes.clear();
        for field in record {
            self.bytes.extend_from_slice(field.as_bytes());
            // No text holds this byte, so no field can pass for two.
            self.bytes.push(0xff);
        }
        self.rows.insert(digest_of_bytes(&self.bytes))
    }
}

/// Reads rows, telling a file that was cut off by a kill from a damaged one.
///
/// # Errors
/// If the file cannot be read, has other columns or another schema, or a row in its middle is damaged or says
/// what no row can say, such as a probability above 1.
pub fn read(path: &Path) -> Result<Rows> {
    read_file(path, None)
}

/// As [`read`], without the rows that are in `seen` already, to which the others are added.
///
/// # Errors
/// As [`read`].
pub fn read_distinct(path: &Path, seen: &mut Seen) -> Result<Rows> {
    read_file(path, Some(seen))
}

/// Reads rows from a file that must be whole.
///
/// # Errors
/// As [`read`], and if the file is cut off.
pub fn read_whole(path: &Path) -> Result<Vec<Measurement>> {
    let Rows { rows, cut_off, .. } = read(path)?;
    if cut_off {
        return Err(Error::input(format!(
            "{}: cut off after {} whole rows; finish the run with `samebits run --resume {}`",
            path.display(),
            rows.len(),
            path.parent().unwrap_or(path).display()
        )));
    }
    Ok(rows)
}

fn read_file(path: &Path, seen: Option<&mut Seen>) -> Result<Rows> {
    let cannot = || Error::file(path, "cannot read the rows; give the results folder of a run");
    let mut file = File::open(path).map_err(cannot())?;
    let length = file.seek(SeekFrom::End(0)).map_err(cannot())?;
    let end = end_of_lines(&mut file, length).map_err(cannot())?;
    file.rewind().map_err(cannot())?;
    let rows = parse(file.take(end), &path.display().to_string(), seen)?;
    Ok(Rows { end, cut_off: end < length, ..rows })
}

/// How far the lines go that have an end: a row is one line, and what has no line end yet was being written when
/// the program was killed.
fn end_of_lines(file: &mut (impl Read + Seek), length: u64) -> io::Result<u64> {
    let mut block = [0; 1 << 16];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let block = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Rows of a text of whole lines; where they end is not told.
pub(super) fn parse(text: impl Read, origin: &str, mut seen: Option<&mut Seen>) -> Result<Rows> {
    let mut rows = Rows { rows: Vec::new(), end: 0, cut_off: false, duplicates: 0 };
    let mut reader = csv::Reader::from_reader(text);
    let headers =
        reader.headers().map_err(|error| Error::input(format!("{origin}: {}", reason(&error))))?.clone();
    if headers.is_empty() {
        return Ok(rows);
    }
    check_headers(&headers, origin)?;
    let mut record = StringRecord::new();
    loop {
        let bad = |line: Option<u64>, problem: String| {
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            Error::input(format!("{origin}{line}: {problem}"))
        };
        let remedy = "remove that line and resume the run";
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(rows),
            Err(error) => {
                let line = error.position().map(csv::Position::line);
                return Err(bad(line, format!("{}; {remedy}", reason(&error))));
            }
        }
        let line = record.position().map(csv::Position::line);
        // First of all: rows of another schema may hold what this program does not know.
        if let Some(other) = record.get(0).and_then(|field| field.parse().ok()).filter(|s: &u32| *s != SCHEMA)
        {
            let remedy = "use the program version that wrote it";
            return Err(bad(line, format!("schema {other} in place of {SCHEMA}; {remedy}")));
        }
        if seen.as_mut().is_some_and(|seen| !seen.is_new(&record)) {
            rows.duplicates += 1;
            continue;
        }
        // The header is the contract, so that fields can be taken in their order.
        let row: Measurement = record
            .deserialize(None)
            .map_err(|error| bad(line, format!("{}; {remedy}", reason_in(&error, &record))))?;
        if let Some(problem) = range::impossible(&row) {
            return Err(bad(line, format!("{problem}; {remedy}")));
        }
        rows.rows.push(row);
    }
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns in place of {expected_len}")
        }
        ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

/// What is wrong with a field: its column, what stands there, and what should.
fn reason_in(error: &csv::Error, record: &StringRecord) -> String {
    let ErrorKind::Deserialize { err, .. } = error.kind() else { return reason(error) };
    let is_unknown = |field: &&str| err.to_string().starts_with(&format!("unknown variant `{field}`"));
    let place = err.field().and_then(|field| usize::try_from(field).ok());
    // Of a name that is not known the reader does not tell the place.
    let Some(place) = place.or_else(|| record.iter().position(|field| is_unknown(&field))) else {
        return format!("{:?}", err.to_string());
    };
    let column = COLUMNS.get(place).copied().unwrap_or_default();
    let expected = match err.kind() {
        DeserializeErrorKind::ParseInt(_) => "no whole number from 0 up that fits",
        DeserializeErrorKind::ParseFloat(_) => "no number",
        DeserializeErrorKind::ParseBool(_) => "neither true nor false",
        _ => "nothing that this version of the program knows",
    };
    format!("column \"{column}\": {} is {expected}", shortened(record.get(place).unwrap_or_default()))
}

/// A field in quotes, on one line, safe to print.
fn shortened(field: &str) -> String {
    const LONGEST: usize = 40;
    let start: String = field.chars().take(LONGEST).collect();
    let more = if start.len() < field.len() { "…" } else { "" };
    format!("{start:?}{more}")
}

fn check_headers(headers: &StringRecord, origin: &str) -> Result<()> {
    if headers.iter().eq(COLUMNS) {
        return Ok(());
    }
    let missing = COLUMNS.iter().find(|column| headers.iter().all(|header| header != **column));
    let foreign = headers.iter().find(|header| !COLUMNS.contains(header));
    let detail = match (missing, foreign) {
        (Some(missing), _) => format!("column \"{missing}\" is missing"),
        (None, Some(foreign)) => format!("column {} is unknown", shortened(foreign)),
        (None, None) => "the columns stand in another order".to_owned(),
    };
    Err(Error::input(format!(
        "{origin}: not rows of schema {SCHEMA}: {detail}; read it with the program version that wrote it"
    )))
}
