//! A block: one operation on one device, a line per algorithm.

use std::collections::BTreeSet;

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::gap::{self, GapLine};
use crate::report::group::{Group, Problem, Way};
use crate::report::words;
use crate::verdict::Verdict;

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
            Self::Differs { differing: observed().filter_map(|row| row.differing).sum(), comparisons }
        } else if with(Verdict::Same).next().is_some() {
            Self::Same { comparisons, no_power: with(Verdict::Same).any(|row| has_no_power(row)) }
        } else if rows.is_empty() {
            Self::Absent
        } else {
            Self::Skipped
        }
    }

    fn text(self) -> String {
        match self {
            Self::Same { comparisons, no_power } => {
                format!("same 0/{comparisons}{}", if no_power { " *" } else { "" })
            }
            Self::Differs { differing: 1, comparisons } => format!("1 of {comparisons} differs"),
            Self::Differs { differing, comparisons } => format!("{differing} of {comparisons} differ"),
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
    /// The perturbations that there are rows of.
    pub perturbations: Vec<Perturbation>,
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
        let perturbations = group.perturbations();
        let lines = ways.into_iter().filter_map(|way| {
            let shown = if borrow { group.shown(way, on) } else { on };
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
            gaps: gap::sorted(group.known(), group.gaps_on(on)).filter_map(GapLine::of).collect(),
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
            Column::Under(perturbation) => perturbation.name().to_owned(),
            Column::Ulp => "ulp".to_owned(),
            Column::Throughput if self.unit.is_empty() => "throughput".to_owned(),
            Column::Throughput => self.unit.clone(),
            Column::Limit => "limit".to_owned(),
            Column::Tax => "tax".to_owned(),
        }
    }

    /// What a line says in a column.
    pub fn text(&self, line: &Line, column: Column) -> String {
        match column {
            Column::Name => match &line.measured_at {
                Some(size) => format!("{} ({size})", line.name),
                None => line.name.clone(),
            },
            Column::Claims if line.guarantee == Guarantee::NotGuaranteed => "–".to_owned(),
            Column::Claims => line.guarantee.name().to_owned(),
            Column::Under(perturbation) => {
                let place = self.perturbations.iter().position(|p| *p == perturbation);
                place.and_then(|place| line.cells.get(place)).map_or_else(String::new, |cell| cell.text())
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

fn line<'a>(
    group: &Group<'a>,
    way: Way<'a>,
    shown: Problem<'a>,
    in_place_of: Option<Problem<'a>>,
    perturbations: &[Perturbation],
) -> Option<Line> {
    let under = |perturbation| group.of(way, shown).filter(move |row| row.perturbation == perturbation);
    let timed = group.timed(way, shown);
    Some(Line {
        name: way.name(),
        measured_at: in_place_of.map(|on| differing_part(group, shown, on)),
        engine: way.engine.to_owned(),
        guarantee: group.of(way, shown).next()?.guarantee,
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
