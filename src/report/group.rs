//! The rows of one device and operation, and the questions that a report asks them.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};

use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::measurement::Measurement;
use crate::operation::{self, Operation};
use crate::perturbation::Perturbation;
use crate::tensor::Dtype;
use crate::verdict::Verdict;
use crate::workload::Shape;

/// One way to compute an operation: a line of a block. Ordered as lines are: by the operation's
/// table, then by name, engine and setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way<'a> {
    rank: usize,
    /// The algorithm.
    pub algorithm: &'a str,
    /// Whose code.
    pub engine: &'a str,
    /// What the user set.
    pub setting: &'a str,
}

/// What was to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem<'a> {
    /// The workload's name.
    pub workload: &'a str,
    /// Its extents.
    pub shape: &'a str,
    /// Type of its inputs.
    pub dtype: Dtype,
    /// Distribution of its inputs.
    pub input: Distribution,
}

/// The rows of one device and operation.
#[derive(Debug)]
pub struct Group<'a> {
    /// The device's name.
    pub device: &'a str,
    /// What it is, in words.
    pub kind: &'a str,
    /// The operation's name.
    pub operation: &'a str,
    /// Its rows.
    pub rows: Vec<&'a Measurement>,
}

/// Whether bits were compared for this row.
pub fn is_observed(row: &Measurement) -> bool {
    matches!(row.verdict, Verdict::Same | Verdict::Differs)
}

/// Whether bits that change under `perturbation` change from run to run: what even the weakest claim
/// rules out.
pub fn is_run_to_run(perturbation: Perturbation) -> bool {
    Guarantee::RunToRun.covers(perturbation)
}

/// Splits rows by device and operation: devices as they come, operations as the suite lists them.
pub fn groups(rows: &[Measurement]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let is_its = |group: &&mut Group| {
            group.device == row.device && group.kind == row.device_kind && group.operation == row.operation
        };
        match groups.iter_mut().find(is_its) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                device: &row.device,
                kind: &row.device_kind,
                operation: &row.operation,
                rows: vec![row],
            }),
        }
    }
    let mut devices: Vec<(&str, &str)> = Vec::new();
    for group in &groups {
        if !devices.contains(&(group.device, group.kind)) {
            devices.push((group.device, group.kind));
        }
    }
    let place = |group: &Group| devices.iter().position(|device| *device == (group.device, group.kind));
    let listed =
        |name: &str| operation::OPERATIONS.iter().position(|o| o.name() == name).unwrap_or(usize::MAX);
    groups.sort_by_key(|group| (place(group), listed(group.operation), group.operation));
    groups
}

impl<'a> Group<'a> {
    /// The operation, if this program knows it.
    pub fn known(&self) -> Option<&'static dyn Operation> {
        operation::find(self.operation).ok()
    }

    /// The way that a row took.
    pub fn way(&self, row: &'a Measurement) -> Way<'a> {
        let table = self.known().map(Operation::algorithms).unwrap_or_default();
        let rank = table.iter().position(|a| a.name == row.algorithm).unwrap_or(usize::MAX);
        Way { rank, algorithm: &row.algorithm, engine: &row.engine, setting: &row.setting }
    }

    /// All ways, in the order of lines.
    pub fn ways(&self) -> Vec<Way<'a>> {
        self.rows.iter().map(|row| self.way(row)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All problems, by name.
    pub fn problems(&self) -> Vec<Problem<'a>> {
        self.rows.iter().map(|row| problem(row)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All perturbations, mildest first.
    pub fn perturbations(&self) -> Vec<Perturbation> {
        self.rows.iter().map(|row| row.perturbation).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A way's name in this operation: with its engine where there are several, with its setting.
    pub fn name(&self, way: Way) -> String {
        let mut name = way.algorithm.to_owned();
        if self.rows.iter().any(|row| row.engine != way.engine) {
            name = format!("{} {name}", way.engine);
        }
        if !way.setting.is_empty() {
            name = format!("{name} [{}]", way.setting);
        }
        name
    }

    /// A way's name among all operations.
    pub fn full_name(&self, way: Way) -> String {
        let setting = if way.setting.is_empty() { String::new() } else { format!(" [{}]", way.setting) };
        let foreign = self.rows.iter().any(|row| row.engine != way.engine);
        let engine = if foreign { format!("{} ", way.engine) } else { String::new() };
        format!("{engine}{}/{}{setting}", self.operation, way.algorithm)
    }

    /// The rows of a way.
    pub fn of_way(&self, way: Way<'a>) -> impl Iterator<Item = &'a Measurement> {
        self.rows.iter().copied().filter(move |row| {
            row.algorithm == way.algorithm && row.engine == way.engine && row.setting == way.setting
        })
    }

    /// The rows of a way on a problem.
    pub fn of(&self, way: Way<'a>, on: Problem<'a>) -> impl Iterator<Item = &'a Measurement> {
        self.of_way(way).filter(move |row| problem(row) == on)
    }

    /// Whether bits were compared for a way on a problem.
    pub fn is_measured(&self, way: Way<'a>, on: Problem<'a>) -> bool {
        self.of(way, on).any(is_observed)
    }

    /// Whether a way was executed on a problem, whatever came of it.
    fn is_executed(&self, way: Way<'a>, on: Problem<'a>) -> bool {
        self.of(way, on).any(|row| row.verdict != Verdict::Skipped)
    }

    /// The row that holds a way's time on a problem.
    pub fn timed(&self, way: Way<'a>, on: Problem<'a>) -> Option<&'a Measurement> {
        self.of(way, on)
            .filter(|row| is_observed(row) && row.median_ns.is_some())
            .min_by_key(|row| (row.perturbation, &row.variant, row.seed))
    }

    /// The tax: time over the fastest time of the same engine and problem, minus 1. `None` where there
    /// is no other time to compare with.
    pub fn tax(&self, way: Way<'a>, on: Problem<'a>) -> Option<f64> {
        let own = self.timed(way, on)?.median_ns?;
        let rivals: Vec<u64> = self
            .ways()
            .into_iter()
            .filter(|other| other.engine == way.engine)
            .filter_map(|other| self.timed(other, on)?.median_ns)
            .collect();
        let fastest = *rivals.iter().min()?;
        (rivals.len() > 1 && fastest > 0).then(|| own as f64 / fastest as f64 - 1.0)
    }

    /// A problem in words, for instance "sum of 2^24, f32, wide".
    pub fn describe(&self, problem: Problem) -> String {
        format!("{}, {}, {}", self.extents_in_words(problem), problem.dtype.name(), problem.input.name())
    }

    /// Its extents in words, or as they stand in the row where nobody knows their words.
    pub fn extents_in_words(&self, problem: Problem) -> String {
        let known = self.known().and_then(|known| Some((known, known.shape(problem.shape).ok()?)));
        known.map_or_else(|| problem.shape.to_owned(), |(known, shape)| known.describe(&shape))
    }

    /// The most telling problem: one where a canary was seen to vary, of f32, of `wide` values, with the
    /// most ways to show, the largest; the first by name if that leaves several.
    pub fn telling(&self) -> Option<Problem<'a>> {
        let ways = self.ways();
        self.problems().into_iter().max_by_key(|&on| {
            let rows = || self.rows.iter().filter(move |row| problem(row) == on);
            let varied = |row: &&Measurement| {
                row.guarantee == Guarantee::NotGuaranteed && row.verdict == Verdict::Differs
            };
            // What failed was measured too, and must be seen.
            let shown = ways.iter().filter(|way| self.is_executed(**way, self.shown(**way, on))).count();
            (
                rows().any(|row| is_observed(row)),
                rows().any(varied),
                on.dtype == Dtype::F32,
                on.input == Distribution::Wide,
                shown,
                elements(on),
                Reverse(on),
            )
        })
    }

    /// The problem whose rows stand for `way` in the block of `on`: `on` itself, or, where the way was
    /// skipped there, the largest like it on which the way was measured.
    pub fn shown(&self, way: Way<'a>, on: Problem<'a>) -> Problem<'a> {
        let mut rows = self.of(way, on).peekable();
        if rows.peek().is_none() || rows.any(|row| row.verdict != Verdict::Skipped) {
            return on;
        }
        self.problems()
            .into_iter()
            .filter(|other| other.dtype == on.dtype && other.input == on.input)
            .filter(|other| self.is_measured(way, *other))
            .max_by_key(|other| (keys(other.shape) == keys(on.shape), elements(*other), Reverse(*other)))
            .unwrap_or(on)
    }

    /// Ways whose bits were compared under what even the weakest claim covers.
    pub fn tried(&self) -> Vec<Way<'a>> {
        let is_tried = |row: &Measurement| is_observed(row) && is_run_to_run(row.perturbation);
        self.ways().into_iter().filter(|way| self.of_way(*way).any(is_tried)).collect()
    }

    /// Whether a way was seen to change its bits from run to run, on any problem.
    pub fn changes(&self, way: Way<'a>) -> bool {
        self.of_way(way).any(|row| row.verdict == Verdict::Differs && is_run_to_run(row.perturbation))
    }

    /// Whether a way claims the same bits from run to run, and every row of it that says anything says
    /// so too.
    pub fn keeps_its_word(&self, way: Way<'a>) -> bool {
        let rows = || self.of_way(way).filter(|row| is_run_to_run(row.perturbation));
        let upheld = |row: &Measurement| {
            row.guarantee >= Guarantee::RunToRun && matches!(row.verdict, Verdict::Same | Verdict::Skipped)
        };
        rows().any(|row| row.verdict == Verdict::Same) && rows().all(upheld)
    }

    /// The price of the same bits: the tax, on the most telling problem, of the fastest way that keeps
    /// its word. Of several engines, that with the most times speaks.
    pub fn price(&self) -> Option<f64> {
        let on = self.telling()?;
        let timed: Vec<Way> = self.ways().into_iter().filter(|way| self.timed(*way, on).is_some()).collect();
        let engines: HashSet<&str> = timed.iter().map(|way| way.engine).collect();
        let engine = engines.into_iter().max_by_key(|engine| {
            (timed.iter().filter(|way| way.engine == *engine).count(), Reverse(*engine))
        })?;
        timed
            .into_iter()
            .filter(|way| way.engine == engine && self.keeps_its_word(*way))
            .filter_map(|way| self.tax(way, on))
            .min_by(f64::total_cmp)
    }
}

/// The problem of a row.
pub fn problem(row: &Measurement) -> Problem<'_> {
    Problem { workload: &row.workload, shape: &row.shape, dtype: row.dtype, input: row.input }
}

fn elements(problem: Problem) -> u64 {
    Shape::parse(problem.shape).ok().and_then(|shape| shape.elements()).unwrap_or(0)
}

/// The keys of a shape, without its extents.
fn keys(shape: &str) -> Vec<&str> {
    shape.split(';').map(|part| part.split('=').next().unwrap_or(part)).collect()
}
