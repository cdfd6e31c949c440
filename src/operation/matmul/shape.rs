//! Shapes of a product: `m=…;n=…;k=…`, or the operands as they lie in memory, `a=128x4096;b=4096x512`;
//! with `ta=1` or `tb=1` where an operand is stored transposed.

use crate::error::{Error, Result};
use crate::workload::Shape;

/// Extents of C = A·B: A is m×k and B is k×n, as factors, however they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extents {
    /// Rows of A and C.
    pub m: u64,
    /// Columns of B and C.
    pub n: u64,
    /// Columns of A, rows of B: what is summed over.
    pub k: u64,
    /// Whether A is stored k×m.
    pub ta: bool,
    /// Whether B is stored n×k.
    pub tb: bool,
}

/// The largest extent: kernels count in 32 bits within a row, and in 64 beyond.
const MOST: u64 = (1 << 31) - 1;
/// What a shape may be.
const FORMS: &str = "m=…;n=…;k=… or a=ROWSxCOLUMNS;b=ROWSxCOLUMNS, each with ;ta=1 and ;tb=1 for operands \
                     that are stored transposed";

impl Extents {
    /// The extents of a shape that [`parse`] made; zeros for any other.
    pub fn of(shape: &Shape) -> Self {
        let with = |m, n, k, ta, tb| Self { m, n, k, ta, tb };
        if let Some([m, n, k]) = shape.extents(["m", "n", "k"]) {
            with(m, n, k, false, false)
        } else if let Some([m, n, k, _]) = shape.extents(["m", "n", "k", "ta"]) {
            with(m, n, k, true, false)
        } else if let Some([m, n, k, _]) = shape.extents(["m", "n", "k", "tb"]) {
            with(m, n, k, false, true)
        } else if let Some([m, n, k, _, _]) = shape.extents(["m", "n", "k", "ta", "tb"]) {
            with(m, n, k, true, true)
        } else {
            with(0, 0, 0, false, false)
        }
    }

    /// Floating-point operations: a product and an addition per step.
    pub fn flops(&self) -> u64 {
        2u64.saturating_mul(self.m).saturating_mul(self.n).saturating_mul(self.k)
    }

    fn text(&self) -> String {
        let (ta, tb) = (if self.ta { ";ta=1" } else { "" }, if self.tb { ";tb=1" } else { "" });
        format!("m={};n={};k={}{ta}{tb}", self.m, self.n, self.k)
    }
}

/// A matrix as it lies in memory.
#[derive(Clone, Copy)]
struct Stored {
    rows: u64,
    columns: u64,
}

impl Stored {
    fn in_words(self, transposed: bool) -> String {
        let suffix = if transposed { " transposed" } else { "" };
        format!("{}×{}{suffix}", self.rows, self.columns)
    }
}

/// What a shape's text says, key by key.
#[derive(Default)]
struct Said {
    m: Option<u64>,
    n: Option<u64>,
    k: Option<u64>,
    a: Option<Stored>,
    b: Option<Stored>,
    ta: Option<bool>,
    tb: Option<bool>,
}

/// Parses a shape in either form into `m=…;n=…;k=…`, with `;ta=1` and `;tb=1` where they hold.
///
/// # Errors
/// Names the part that does not fit, or both operands where their inner dimensions differ.
pub fn parse(text: &str) -> Result<Shape> {
    let mut said = Said::default();
    for part in text.split(';') {
        said.take(part, text)?;
    }
    Shape::parse(&said.extents(text)?.text())
}

impl Said {
    fn take(&mut self, part: &str, text: &str) -> Result<()> {
        let Some((key, value)) = part.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
            return Err(unfit(text));
        };
        match key {
            "m" => set(&mut self.m, extent(key, value)?, key, text),
            "n" => set(&mut self.n, extent(key, value)?, key, text),
            "k" => set(&mut self.k, extent(key, value)?, key, text),
            "a" => set(&mut self.a, stored(key, value)?, key, text),
            "b" => set(&mut self.b, stored(key, value)?, key, text),
            "ta" => set(&mut self.ta, flag(key, value)?, key, text),
            "tb" => set(&mut self.tb, flag(key, value)?, key, text),
            _ => Err(unfit(text)),
        }
    }

    fn extents(self, text: &str) -> Result<Extents> {
        let (ta, tb) = (self.ta.is_some(), self.tb.is_some());
        match self {
            Self { m: Some(m), n: Some(n), k: Some(k), a: None, b: None, .. } => {
                Ok(Extents { m, n, k, ta, tb })
            }
            Self { m: None, n: None, k: None, a: Some(a), b: Some(b), .. } => {
                let (m, inner) = if ta { (a.columns, a.rows) } else { (a.rows, a.columns) };
                let (n, k) = if tb { (b.rows, b.columns) } else { (b.columns, b.rows) };
                if inner != k {
                    let (a, b) = (a.in_words(ta), b.in_words(tb));
                    return Err(Error::input(format!("inner dimensions differ: a is {a}, b is {b}")));
                }
                Ok(Extents { m, n, k, ta, tb })
            }
            _ => Err(unfit(text)),
        }
    }
}

fn unfit(text: &str) -> Error {
    Error::input(format!("shape \"{text}\" does not fit matmul, which takes {FORMS}"))
}

fn set<T>(place: &mut Option<T>, value: T, key: &str, text: &str) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::input(format!("shape \"{text}\" has {key} twice"))),
    }
}

fn extent(key: &str, value: &str) -> Result<u64> {
    let extent = value.parse().ok().filter(|extent| *extent <= MOST);
    extent.ok_or_else(|| Error::input(format!("{key}={value} is no extent below 2^31, which matmul takes")))
}

fn stored(key: &str, value: &str) -> Result<Stored> {
    let Some((rows, columns)) = value.split_once(['x', '×']) else {
        return Err(Error::input(format!(
            "{key}={value} is not of the form ROWSxCOLUMNS, for instance 128x4096"
        )));
    };
    Ok(Stored { rows: extent(key, rows.trim())?, columns: extent(key, columns.trim())? })
}

fn flag(key: &str, value: &str) -> Result<bool> {
    match value {
        "1" => Ok(true),
        _ => Err(Error::input(format!(
            "{key}={value}: give {key}=1 for a transposed operand, or leave it out"
        ))),
    }
}
