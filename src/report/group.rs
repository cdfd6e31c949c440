//! The rows of one device and operation, and the questions that a report asks them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::measurement::{Measurement, OWN_ENGINE};
use crate::operation::{self, Operation};
use crate::perturbation::Perturbation;
use crate::tensor::Dtype;
use crate::verdict::Verdict;
use crate::workload::{Setting, Shape};

/// One way to compute an operation: a line of a block. Ordered as lines are: by the operation's
/// table, others' ways behind it, then by name, engine and setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way<'a> {
    rank: usize,
    /// The algorithm.
    pub algorithm: &'a str,
    /// Whose code.
    pub engine: &'a str,
    /// What tells it from others of its name; not what belongs to the workload.
    pub setting: &'a str,
    /// Which of the operation's functions it computes.
    pub function: &'static str,
}

impl Way<'_> {
    /// Whether it is this program's own.
    pub fn is_own(&self) -> bool {
        self.engine == OWN_ENGINE
    }

    /// Its name in its operation: with its engine where that is not this program, with its setting.
    pub fn name(&self) -> String {
        format!("{}{}{}", self.foreign_engine(), self.algorithm, self.bracketed_setting())
    }

    /// Its name among all operations.
    pub fn full_name(&self, operation: &str) -> String {
        format!("{}{operation}/{}{}", self.foreign_engine(), self.algorithm, self.bracketed_setting())
    }

    fn foreign_engine(&self) -> String {
        if self.is_own() { String::new() } else { format!("{} ", self.engine) }
    }

    fn bracketed_setting(&self) -> String {
        if self.setting.is_empty() { String::new() } else { format!(" [{}]", self.setting) }
    }
}

/// What was to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem<'a> {
    /// The workload's name.
    pub workload: &'a str,
    /// Its extents.
    pub shape: &'a str,
    /// Type of its inputs.
    pub dtype: Dtype,
    /// Distribution of its inputs.
    pub input: Distribution,
    /// What is set beside its extents.
    pub setting: &'a str,
}

/// The rows of one device and operation.
pub struct Group<'a> {
    /// The device's name.
    pub device: &'a str,
    /// What it is, in words.
    pub kind: &'a str,
    /// The operation's name.
    pub operation: &'a str,
    /// Its rows, without gaps.
    pub rows: Vec<&'a Measurement>,
    /// Its rows that hold gaps: they are no ways, and nothing is claimed of them.
    pub gaps: Vec<&'a Measurement>,
    known: Option<&'static dyn Operation>,
    /// Its rows again, as questions ask for them.
    by_way: BTreeMap<Way<'a>, Vec<&'a Measurement>>,
    by_problem: BTreeMap<Problem<'a>, Vec<&'a Measurement>>,
    by_both: HashMap<(Way<'a>, Problem<'a>), Vec<&'a Measurement>>,
}

/// Whether bits that change under `perturbation` change from run to run: what even the weakest claim
/// rules out.
pub fn is_run_to_run(perturbation: Perturbation) -> bool {
    Guarantee::RunToRun.covers(perturbation, "")
}

/// Splits rows by device and operation: devices as they come, operations as the suite lists them.
pub fn groups(rows: &[Measurement]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let is_its = |group: &&Group| {
            group.device == row.device && group.kind == row.device_kind && group.operation == row.operation
        };
        let place = groups.iter().position(|group| is_its(&group)).unwrap_or_else(|| {
            groups.push(Group {
                device: &row.device,
                kind: &row.device_kind,
                operation: &row.operation,
                rows: Vec::new(),
                gaps: Vec::new(),
                known: operation::find(&row.operation).ok(),
                by_way: BTreeMap::new(),
                by_problem: BTreeMap::new(),
                by_both: HashMap::new(),
            });
            groups.len() - 1
        });
        groups[place].add(row);
    }
    let mut devices: Vec<(&str, &str)> = Vec::new();
    for group in &groups {
        if !devices.contains(&(group.device, group.kind)) {
            devices.push((group.device, group.kind));
        }
    }
    let place = |group: &Group| devices.iter().position(|device| *device == (group.device, group.kind));
    groups.sort_by_key(|group| (place(group), listed(group.operation), group.operation));
    groups
}

/// An operation's place in the suite; last what the suite does not know.
pub fn listed(operation: &str) -> usize {
    operation::OPERATIONS.iter().position(|known| known.name() == operation).unwrap_or(usize::MAX)
}

/// The way that a row took; `known` is its operation.
pub fn way<'a>(known: Option<&dyn Operation>, row: &'a Measurement) -> Way<'a> {
    let table = known.map(Operation::algorithms).unwrap_or_default();
    let place = table.iter().position(|algorithm| algorithm.name == row.algorithm);
    let rank = place.filter(|_| row.is_own()).unwrap_or(usize::MAX);
    let (_, setting) = split_setting(known, &row.setting);
    let function = known.map(|known| known.function(&row.algorithm)).unwrap_or_default();
    Way { rank, algorithm: &row.algorithm, engine: &row.engine, setting, function }
}

/// The problem of a row; `known` is its operation.
pub fn problem<'a>(known: Option<&dyn Operation>, row: &'a Measurement) -> Problem<'a> {
    let (setting, _) = split_setting(known, &row.setting);
    Problem { workload: &row.workload, shape: &row.shape, dtype: row.dtype, input: row.input, setting }
}

/// A problem in words, for instance "sum of 2^24, f32, wide".
pub fn describe(known: Option<&dyn Operation>, problem: Problem) -> String {
    let setting = problem.setting.split(';').filter(|pair| !pair.is_empty());
    [extents_in_words(known, problem).as_str(), problem.dtype.name(), problem.input.name()]
        .into_iter()
        .chain(setting)
        .collect::<Vec<_>>()
        .join(", ")
}

fn extents_in_words(known: Option<&dyn Operation>, problem: Problem) -> String {
    let known = known.and_then(|known| Some((known, known.shape(problem.shape).ok()?)));
    known.map_or_else(|| problem.shape.to_owned(), |(known, shape)| known.describe(&shape))
}

impl<'a> Group<'a> {
    fn add(&mut self, row: &'a Measurement) {
        if row.gap().is_some() {
            self.gaps.push(row);
            return;
        }
        let (way, on) = (self.way(row), self.problem(row));
        self.rows.push(row);
        self.by_way.entry(way).or_default().push(row);
        self.by_problem.entry(on).or_default().push(row);
        self.by_both.entry((way, on)).or_default().push(row);
    }

    /// The operation, if this program knows it.
    pub fn known(&self) -> Option<&'static dyn Operation> {
        self.known
    }

    /// The way that a row took.
    pub fn way(&self, row: &'a Measurement) -> Way<'a> {
        way(self.known(), row)
    }

    /// The problem of a row.
    pub fn problem(&self, row: &'a Measurement) -> Problem<'a> {
        problem(self.known(), row)
    }

    /// All ways, in the order of lines.
    pub fn ways(&self) -> Vec<Way<'a>> {
        self.by_way.keys().copied().collect()
    }

    /// All problems, by name.
    pub fn problems(&self) -> Vec<Problem<'a>> {
        self.by_problem.keys().copied().collect()
    }

    /// All perturbations, mildest first.
    pub fn perturbations(&self) -> Vec<Perturbation> {
        self.rows.iter().map(|row| row.perturbation).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A way's name among all operations.
    pub fn full_name(&self, way: Way) -> String {
        way.full_name(self.operation)
    }

    /// This program's own ways.
    pub fn own_ways(&self) -> Vec<Way<'a>> {
        self.ways().into_iter().filter(Way::is_own).collect()
    }

    /// The gaps that were measured on a problem.
    pub fn gaps_on(&self, on: Problem<'a>) -> impl Iterator<Item = &'a Measurement> {
        self.gaps.iter().copied().filter(move |row| self.problem(row) == on)
    }

    /// The rows of a way.
    pub fn of_way(&self, way: Way<'a>) -> impl Iterator<Item = &'a Measurement> {
        self.by_way.get(&way).into_iter().flatten().copied()
    }

    /// The rows of a way on a problem.
    pub fn of(&self, way: Way<'a>, on: Problem<'a>) -> impl Iterator<Item = &'a Measurement> {
        self.by_both.get(&(way, on)).into_iter().flatten().copied()
    }

    /// Whether bits were compared for a way on a problem.
    pub fn is_measured(&self, way: Way<'a>, on: Problem<'a>) -> bool {
        self.of(way, on).any(Measurement::is_observed)
    }

    /// Whether a way was executed on a problem, whatever came of it.
    fn is_executed(&self, way: Way<'a>, on: Problem<'a>) -> bool {
        self.of(way, on).any(|row| row.verdict != Verdict::Skipped)
    }

    /// The row that holds a way's time on a problem.
    pub fn timed(&self, way: Way<'a>, on: Problem<'a>) -> Option<&'a Measurement> {
        self.of(way, on)
            .filter(|row| row.is_observed() && row.median_ns.is_some())
            .min_by_key(|row| (row.perturbation, &row.variant, row.seed))
    }

    /// The tax: time over the fastest time of the same engine, function and problem, minus 1. `None` where there
    /// is no other time to compare with.
    pub fn tax(&self, way: Way<'a>, on: Problem<'a>) -> Option<f64> {
        let own = self.timed(way, on)?.median_ns?;
        let rivals: Vec<u64> = self
            .ways()
            .into_iter()
            .filter(|other| (other.engine, other.function) == (way.engine, way.function))
            .filter_map(|other| self.timed(other, on)?.median_ns)
            .collect();
        let fastest = *rivals.iter().min()?;
        (rivals.len() > 1 && fastest > 0).then(|| own as f64 / fastest as f64 - 1.0)
    }

    /// A problem in words, for instance "sum of 2^24, f32, wide".
    pub fn describe(&self, problem: Problem) -> String {
        describe(self.known(), problem)
    }

    /// Its extents in words, or as they stand in the row where nobody knows their words.
    pub fn extents_in_words(&self, problem: Problem) -> String {
        extents_in_words(self.known(), problem)
    }

    /// The most telling problem: one where a canary was seen to vary, of f32, of `wide` values, with the
    /// most ways to show, the largest; the first by name if that leaves several.
    pub fn telling(&self) -> Option<Problem<'a>> {
        let ways = self.ways();
        self.problems().into_iter().max_by_key(|&on| {
            let rows = || self.by_problem.get(&on).into_iter().flatten();
            // What failed was measured too, and must be seen.
            let shown = ways.iter().filter(|way| self.is_executed(**way, self.shown(**way, on))).count();
            (
                rows().any(|row| row.is_observed()),
                rows().any(|row| row.is_moving_canary() && is_run_to_run(row.perturbation)),
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

    /// This program's ways whose bits were compared under what even the weakest claim covers.
    pub fn tried(&self) -> Vec<Way<'a>> {
        let is_tried = |row: &Measurement| row.is_observed() && is_run_to_run(row.perturbation);
        self.own_ways().into_iter().filter(|way| self.of_way(*way).any(is_tried)).collect()
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

    /// The price of the same bits: the tax, on the most telling problem, of the fastest of this
    /// program's ways that keeps its word. Others' code claims nothing that could have a price.
    pub fn price(&self) -> Option<f64> {
        let on = self.telling()?;
        self.own_ways()
            .into_iter()
            .filter(|way| self.keeps_its_word(*way))
            .filter_map(|way| self.tax(way, on))
            .min_by(f64::total_cmp)
    }
}

/// A row's setting in two: what belongs to the workload, which stands first, and what tells ways apart.
fn split_setting<'a>(known: Option<&dyn Operation>, setting: &'a str) -> (&'a str, &'a str) {
    split_where(setting, |pair| {
        let pair = Setting::parse(pair).ok();
        known.zip(pair).is_some_and(|(known, pair)| known.check_setting(&pair).is_ok())
    })
}

fn split_where(setting: &str, is_workloads: impl Fn(&str) -> bool) -> (&str, &str) {
    let pairs = setting.split(';').take_while(|pair| !pair.is_empty() && is_workloads(pair));
    let end = pairs.map(|pair| pair.len() + 1).sum::<usize>();
    let (workloads, ways) = setting.split_at(end.min(setting.len()));
    (workloads.strip_suffix(';').unwrap_or(workloads), ways)
}

/// Elements of a problem's extents; 0 where nobody can tell.
pub fn elements(problem: Problem) -> u64 {
    Shape::parse(problem.shape).ok().and_then(|shape| shape.elements()).unwrap_or(0)
}

/// The keys of a shape, without its extents.
fn keys(shape: &str) -> Vec<&str> {
    shape.split(';').map(|part| part.split('=').next().unwrap_or(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_split_behind_what_belongs_to_the_workload() {
        let split = |setting| split_where(setting, |pair| pair.starts_with('w'));
        for (setting, parts) in [
            ("", ("", "")),
            ("w=1", ("w=1", "")),
            ("w=1;w2=0.5", ("w=1;w2=0.5", "")),
            ("w=1;a=2", ("w=1", "a=2")),
            ("a=2;w=1", ("", "a=2;w=1")),
            ("w=1;gap=x;against=y", ("w=1", "gap=x;against=y")),
            (";", ("", ";")),
        ] {
            assert_eq!(split(setting), parts, "{setting}");
        }
    }
}
