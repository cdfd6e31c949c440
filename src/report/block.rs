//! A block: one operation on one device, a line per algorithm.

use std::collections::BTreeSet;

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::code;
use crate::report::gap::{self, GapLine};
use crate::report::group::{Group, Problem, Way};
use crate::report::ladder::{self, BATCH_CLAIM};
use crate::report::{skipped, words};
use crate::verdict::Verdict;

/// What marks a difference that the algorithm claims there is not.
pub const BROKEN: &str = " !";

/// The remark on a `same` that no varying algorithm stands beside.
const NO_POWER: &str = "no power";

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The algorithm.
    Name,
    /// What it claims.
    Claims,
    /// What was observed under a perturbation.
    Under(Perturbation),
    /// The largest distance.
    Ulp,
    /// Work per time.
    Throughput,
    /// Share of what the device can do.
    Limit,
    /// Time over the fastest's.
    Tax,
}

impl Column {
    /// Whether it holds numbers, which are flush right.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Ulp | Self::Throughput | Self::Limit | Self::Tax)
    }
}

/// What was observed under one perturbation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// No comparison found a difference.
    Same {
        /// Executions compared with the first.
        comparisons: u64,
        /// Whether nothing was seen to vary that could.
        no_power: bool,
    },
    /// Some did.
    Differs {
        /// How many.
        differing: u64,
        /// Of how many.
        comparisons: u64,
        /// Whether the algorithm claims that none does.
        is_broken: bool,
    },
    /// Not executed.
    Skipped,
    /// Executed, and wrong.
    Failed,
    /// No row.
    Absent,
}

impl Cell {
    /// The worst of `rows`; comparisons of several variants are added up.
    fn of<'a>(rows: impl Iterator<Item = &'a Measurement>) -> Self {
        let rows: Vec<_> = rows.collect();
        let with = |verdict| rows.iter().filter(move |row| row.verdict == verdict);
        let observed = || with(Verdict::Same).chain(with(Verdict::Differs));
        let comparisons = observed().filter_map(|row| row.comparisons).sum();
        if with(Verdict::Failed).next().is_some() {
            Self::Failed
        } else if with(Verdict::Differs).next().is_some() {
            Self::Differs {
                differing: observed().filter_map(|row| row.differing).sum(),
                comparisons,
                is_broken: rows.iter().any(|row| row.breaks_claim()),
            }
        } else if with(Verdict::Same).next().is_some() {
            Self::Same { comparisons, no_power: with(Verdict::Same).any(|row| has_no_power(row)) }
        } else if rows.is_empty() {
            Self::Absent
        } else {
            Self::Skipped
        }
    }

    /// What it says, in numbers alone if it has to be short.
    fn text(self, is_short: bool) -> String {
        match self {
            Self::Same { comparisons, no_power } => {
                let same = if is_short { "" } else { "same " };
                format!("{same}0/{comparisons}{}", if no_power { " *" } else { "" })
            }
            Self::Differs { differing, comparisons, is_broken } => {
                let differs = match (is_short, differing) {
                    (true, _) => format!("{differing}/{comparisons}"),
                    (false, 1) => format!("1 of {comparisons} differs"),
                    (false, _) => format!("{differing} of {comparisons} differ"),
                };
                differs + if is_broken { BROKEN } else { "" }
            }
            Self::Skipped => "skipped".to_owned(),
            Self::Failed => "FAILED".to_owned(),
            Self::Absent => String::new(),
        }
    }
}

/// Whether a row is a `same` that carries the remark `no power`.
pub fn has_no_power(row: &Measurement) -> bool {
    row.verdict == Verdict::Same && row.has_remark(NO_POWER)
}

/// One algorithm.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name, with engine and setting where these tell lines apart.
    pub name: String,
    /// The size that was measured in place of the block's, if this one was skipped.
    pub measured_at: Option<String>,
    /// Whose code it is.
    pub engine: String,
    /// What it claims.
    pub guarantee: Guarantee,
    /// Whether it claims that a row's bits are the same in every batch.
    pub batch_invariant: bool,
    /// What was observed, per perturbation of the block.
    pub cells: Vec<Cell>,
    /// The largest distance in words; `NaN` where there is none.
    pub ulp: Option<String>,
    /// Work per time.
    pub throughput: Option<f64>,
    /// Its unit.
    pub unit: String,
    /// Share of what the device can do, in percent.
    pub percent_of_limit: Option<f64>,
    /// Time over the fastest's, minus 1.
    pub tax: Option<f64>,
}

/// One problem on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The operation.
    pub operation: String,
    /// The problem in words, for instance "sum of 2^24, f32, wide".
    pub problem: String,
    /// The perturbations that anything was executed under; if there is none, all that there are rows of.
    pub perturbations: Vec<Perturbation>,
    /// The others that there are rows of, with the reason for which most of these were skipped.
    pub not_tried: Vec<(Perturbation, String)>,
    /// The unit of the throughput; empty where lines have several or none.
    pub unit: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// The gaps between outputs on this problem.
    pub gaps: Vec<GapLine>,
}

impl Block {
    /// The block of a problem. With `borrow`, a way that was skipped here shows another size.
    pub fn new<'a>(group: &Group<'a>, on: Problem<'a>, borrow: bool) -> Self {
        let present = |way: &Way<'a>| group.of(*way, on).next().is_some();
        let ways: Vec<Way> = group.ways().into_iter().filter(present).collect();
        let shown = |way| if borrow { group.shown(way, on) } else { on };
        let rows = || ways.iter().flat_map(|way| group.of(*way, shown(*way)));
        let (perturbations, not_tried) = tried(group, rows);
        let lines = ways.iter().filter_map(|&way| {
            let shown = shown(way);
            line(group, way, shown, (shown != on).then_some(on), &perturbations)
        });
        let lines: Vec<Line> = lines.collect();
        let units: BTreeSet<&str> =
            lines.iter().map(|line| line.unit.as_str()).filter(|unit| !unit.is_empty()).collect();
        Self {
            operation: group.operation.to_owned(),
            problem: group.describe(on),
            unit: if units.len() == 1 { units.into_iter().collect() } else { String::new() },
            lines,
            perturbations,
            not_tried,
            gaps: gap::sorted(group.known(), group.gaps_on(on).filter(|row| !code::is_unchanged(row)))
                .filter_map(GapLine::of)
                .collect(),
        }
    }

    /// The columns that hold anything, from left to right.
    pub fn columns(&self) -> Vec<Column> {
        let any = |is_there: fn(&Line) -> bool| self.lines.iter().any(is_there);
        let under = self.perturbations.iter().map(|perturbation| Column::Under(*perturbation));
        [Column::Name, Column::Claims]
            .into_iter()
            .chain(under)
            .chain(any(|line| line.ulp.is_some()).then_some(Column::Ulp))
            .chain(any(|line| line.throughput.is_some()).then_some(Column::Throughput))
            .chain(any(|line| line.percent_of_limit.is_some()).then_some(Column::Limit))
            .chain(any(|line| line.tax.is_some()).then_some(Column::Tax))
            .collect()
    }

    /// A column's heading.
    pub fn heading(&self, column: Column) -> String {
        match column {
            Column::Name => "algorithm".to_owned(),
            Column::Claims => "claims".to_owned(),
            Column::Under(perturbation) => ladder::heading(perturbation).to_owned(),
            Column::Ulp => "ulp".to_owned(),
            Column::Throughput if self.unit.is_empty() => "throughput".to_owned(),
            Column::Throughput => self.unit.clone(),
            Column::Limit => "limit".to_owned(),
            Column::Tax => "tax".to_owned(),
        }
    }

    /// Whether a column says who claims that a row's bits are the same in every batch: where it was tried.
    pub fn tells_batch_claims(&self) -> bool {
        self.perturbations.contains(&Perturbation::Batch)
            && self.lines.iter().any(|line| line.batch_invariant)
    }

    /// What a line says in a column, in numbers alone if cells have to be short.
    pub fn text(&self, line: &Line, column: Column, is_short: bool) -> String {
        match column {
            Column::Name => match &line.measured_at {
                Some(size) => format!("{} ({size})", line.name),
                None => line.name.clone(),
            },
            Column::Claims => {
                let is_told = line.batch_invariant && self.tells_batch_claims();
                match (line.guarantee, is_told) {
                    (Guarantee::NotGuaranteed, false) => "–".to_owned(),
                    (Guarantee::NotGuaranteed, true) => BATCH_CLAIM.to_owned(),
                    (guarantee, false) => guarantee.name().to_owned(),
                    (guarantee, true) => format!("{} {BATCH_CLAIM}", guarantee.name()),
                }
            }
            Column::Under(perturbation) => {
                let place = self.perturbations.iter().position(|p| *p == perturbation);
                place
                    .and_then(|place| line.cells.get(place))
                    .map_or_else(String::new, |cell| cell.text(is_short))
            }
            Column::Ulp => line.ulp.clone().unwrap_or_default(),
            Column::Throughput => {
                line.throughput.map_or_else(String::new, |throughput| words::significant(throughput, 3))
            }
            Column::Limit => line.percent_of_limit.map_or_else(String::new, words::limit),
            Column::Tax => line.tax.map_or_else(String::new, words::tax),
        }
    }
}

/// The perturbations under which any of `rows` was executed, and those under which all were skipped.
fn tried<'a, R: Iterator<Item = &'a Measurement>>(
    group: &Group<'a>,
    rows: impl Fn() -> R,
) -> (Vec<Perturbation>, Vec<(Perturbation, String)>) {
    let under = |perturbation| rows().filter(move |row| row.perturbation == perturbation);
    let is_tried =
        |perturbation: &Perturbation| under(*perturbation).any(|row| row.verdict != Verdict::Skipped);
    let (tried, not): (Vec<_>, Vec<_>) = group.perturbations().into_iter().partition(is_tried);
    if tried.is_empty() {
        return (not, Vec::new());
    }
    let anywhere =
        |perturbation| group.rows.iter().copied().filter(move |row| row.perturbation == perturbation);
    let reason = |perturbation| {
        let reason = skipped::commonest(under(perturbation));
        Some((perturbation, reason.or_else(|| skipped::commonest(anywhere(perturbation)))?))
    };
    (tried, not.into_iter().filter_map(reason).collect())
}

fn line<'a>(
    group: &Group<'a>,
    way: Way<'a>,
    shown: Problem<'a>,
    in_place_of: Option<Problem<'a>>,
    perturbations: &[Perturbation],
) -> Option<Line> {
    let under = |perturbation| group.of(way, shown).filter(move |row| row.perturbation == perturbation);
    let timed = group.timed(way, shown);
    let first = group.of(way, shown).next()?;
    Some(Line {
        name: way.name(),
        measured_at: in_place_of.map(|on| differing_part(group, shown, on)),
        engine: way.engine.to_owned(),
        guarantee: first.guarantee,
        batch_invariant: first.batch_invariant,
        cells: perturbations.iter().map(|perturbation| Cell::of(under(*perturbation))).collect(),
        ulp: ulp(group.of(way, shown)),
        throughput: timed.and_then(|row| row.throughput),
        unit: timed.map_or_else(String::new, |row| row.throughput_unit.clone()),
        percent_of_limit: timed.and_then(|row| row.percent_of_limit),
        tax: group.tax(way, shown),
    })
}

/// The largest distance under any perturbation. A difference without a distance is that of a NaN.
fn ulp<'a>(rows: impl Iterator<Item = &'a Measurement>) -> Option<String> {
    let distances: Vec<Option<u64>> = rows
        .filter_map(|row| match row.verdict {
            Verdict::Same => Some(Some(0)),
            Verdict::Differs => Some(row.max_ulp),
            Verdict::Skipped | Verdict::Failed => None,
        })
        .collect();
    if distances.contains(&None) {
        return Some("NaN".to_owned());
    }
    distances.into_iter().flatten().max().map(words::ulp)
}

/// What of the words for `shown` is not in those for `on`: "2^18" of "sum of 2^18" and "sum of 2^24".
fn differing_part(group: &Group, shown: Problem, on: Problem) -> String {
    let (shown_words, on_words) = (group.extents_in_words(shown), group.extents_in_words(on));
    let (own, other): (Vec<&str>, Vec<&str>) =
        (shown_words.split(' ').collect(), on_words.split(' ').collect());
    let shared = own.iter().zip(&other).take_while(|(a, b)| a == b).count();
    // Sizes of the same words differ in numbers; anything else is told whole.
    match own.get(shared..) {
        Some([]) => shown.workload.to_owned(),
        Some(rest) if own.len() == other.len() => rest.join(" "),
        _ => shown_words,
    }
}
