//! Gaps: how far an output of one way lies from that of another way, or from the accurate answer.

use crate::measurement::{Gap, Measurement, REFERENCE};
use crate::operation::{self, Operation};
use crate::report::{code, words};
use crate::verdict::Verdict;

/// Headings of [`GapLine::texts`].
pub const HEADINGS: [&str; 5] = ["gap", "between", "differ", "mean relative", "max ulp"];

/// The first of the columns that hold numbers.
pub const NUMBERS_FROM: usize = 2;

/// What the columns mean; `kinds` are those that are shown.
pub fn legend(kinds: &[&str]) -> String {
    let explained = [
        ("semantic", "the two mean different things"),
        ("algorithm", "the same thing computed in another way"),
        ("rounding", "the accurate answer, rounded to the output's type"),
        ("compile", "the same kernels compiled under other options"),
        ("dispatch", "the same loops executed with other instructions of the CPU"),
    ];
    let told = explained.into_iter().filter(|(kind, _)| kinds.contains(kind));
    let told: Vec<String> = told.map(|(kind, what)| format!("{kind}: {what}")).collect();
    let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) };
    format!("gap: one execution's output against another way's on the same inputs{told}")
}

/// Rows of gaps in the order of their operation's table, then by what they compare.
pub fn sorted<'a>(
    known: Option<&dyn Operation>,
    rows: impl Iterator<Item = &'a Measurement>,
) -> impl Iterator<Item = &'a Measurement> {
    let mut sorted: Vec<_> = rows.filter_map(|row| Some((rank(known, row, row.gap()?), row))).collect();
    sorted.sort_by_key(|(rank, row)| (*rank, row.gap(), &row.algorithm, &row.setting));
    sorted.into_iter().map(|(_, row)| row)
}

/// A gap's place in its operation's table.
pub fn rank(known: Option<&dyn Operation>, row: &Measurement, gap: Gap) -> usize {
    let table = known.map(Operation::gaps).unwrap_or_default();
    let is_it = |listed: &operation::Gap| {
        listed.kind == gap.kind
            && listed.algorithm == row.algorithm
            && listed.against.unwrap_or(REFERENCE) == gap.against
    };
    table.iter().position(is_it).unwrap_or(usize::MAX)
}

/// One gap in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapLine {
    /// What makes the two differ.
    pub kind: String,
    /// What is compared, for instance "y of one against other".
    pub between: String,
    /// Elements that differ, or why none was compared.
    pub elements: String,
    /// Mean relative difference.
    pub relative: String,
    /// Largest distance.
    pub ulp: String,
}

impl GapLine {
    /// The words for a row that holds a gap.
    pub fn of(row: &Measurement) -> Option<Self> {
        let gap = row.gap()?;
        Some(Self {
            kind: gap.kind.to_owned(),
            between: between(row, gap),
            elements: elements(row),
            relative: row.v_ermv.filter(|_| row.is_observed()).map_or_else(String::new, relative),
            ulp: if row.is_observed() { ulp(row) } else { String::new() },
        })
    }

    /// The columns.
    pub fn texts(&self) -> [&str; 5] {
        [&self.kind, &self.between, &self.elements, &self.relative, &self.ulp]
    }
}

/// What is compared, for instance "y of one against other".
pub fn between(row: &Measurement, gap: Gap) -> String {
    let output =
        if row.worst_output.is_empty() { String::new() } else { format!("{} of ", row.worst_output) };
    let against = if gap.against == REFERENCE { "the reference" } else { gap.against };
    // The way itself, compiled otherwise.
    if code::is_of_code(row) {
        return format!("{output}{against} with {}", code::settings(row));
    }
    format!("{output}{} against {against}", row.algorithm)
}

/// The share of elements that differ, or why none was compared.
pub fn elements(row: &Measurement) -> String {
    match row.verdict {
        Verdict::Same => "none".to_owned(),
        Verdict::Differs => row.v_c.map_or_else(|| "some".to_owned(), words::share),
        Verdict::Skipped => "skipped".to_owned(),
        Verdict::Failed => "FAILED".to_owned(),
    }
}

/// The largest distance. A difference without one is that of a NaN.
pub fn ulp(row: &Measurement) -> String {
    match row.verdict {
        Verdict::Same => words::ulp(0),
        _ => row.max_ulp.map_or_else(|| "NaN".to_owned(), words::ulp),
    }
}

fn relative(mean: f64) -> String {
    if mean == 0.0 { "0".to_owned() } else { format!("{mean:.1e}") }
}
