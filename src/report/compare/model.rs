//! What there is to say about rows of several devices, before anybody lays it out.

pub use crate::report::compare::cell::{Cell, Mark};
pub use crate::report::compare::devices::Device;
pub use crate::report::findings::Broken;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::measurement::Measurement;
use crate::report::compare::cell::Bits;
use crate::report::compare::claims::Claims;
use crate::report::compare::collect::{Collected, Input, collect, input};
use crate::report::compare::devices::Devices;
use crate::report::compare::sentences;
use crate::report::{gap, group, words};

/// One way, with what it gave per device. A device that did not measure it has no entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// Its name, safe to print.
    pub name: String,
    /// By column.
    pub cells: BTreeMap<usize, Cell<'a>>,
}

/// One gap between two outputs, per device.
#[derive(Debug, Clone, PartialEq)]
pub struct GapLine<'a> {
    /// What is compared, safe to print.
    pub name: String,
    /// By column.
    pub cells: BTreeMap<usize, &'a Measurement>,
}

/// One problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Block<'a> {
    /// The operation, safe to print.
    pub operation: String,
    /// The problem in words and the workload's name, safe to print.
    pub title: String,
    /// The lines.
    pub lines: Vec<Line<'a>>,
    /// The gaps below them.
    pub gaps: Vec<GapLine<'a>>,
}

/// Rows of any number of devices, side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison<'a> {
    /// The columns.
    pub devices: Vec<Device<'a>>,
    /// What is compared, in a line.
    pub caption: String,
    /// Claims that were seen broken, on a device or across devices.
    pub broken: Vec<Broken>,
    /// Rows that failed, in sentences.
    pub failures: Vec<String>,
    /// Everything else that must not be missed, in sentences.
    pub findings: Vec<String>,
    /// The problems: operations as the suite lists them, f32 before f16, then as they came.
    pub blocks: Vec<Block<'a>>,
}

impl<'a> Comparison<'a> {
    /// Compares `rows`.
    pub fn new(rows: &'a [Measurement]) -> Self {
        let mut devices = Devices::default();
        let problems = collect(rows, &mut devices);
        let mut devices = devices.labelled();
        let mut claims = Claims::default();
        let mut blocks = Vec::new();
        let mut mixed = 0;
        for problem in &problems {
            let (lines, runs_are_mixed) = lines(problem, &mut devices);
            mixed += usize::from(runs_are_mixed);
            claims.see(problem, &lines, &devices);
            let lines =
                lines.into_iter().map(|(way, cells)| Line { name: words::visible(&way.name()), cells });
            blocks.push(Block {
                operation: words::visible(problem.operation),
                title: title(problem),
                lines: lines.collect(),
                gaps: gaps(problem),
            });
        }
        let findings = sentences::findings(&devices, &claims, mixed);
        let caption = sentences::caption(rows.len(), &devices, &problems);
        let (broken, failures) = claims.told();
        Self { devices, caption, broken, failures, findings, blocks }
    }

    /// Whether a claim was seen broken or a row failed: exit code 1.
    pub fn is_unmet(&self) -> bool {
        !self.broken.is_empty() || !self.failures.is_empty()
    }
}

fn title(problem: &Collected) -> String {
    let words = group::describe(problem.known, problem.on);
    words::visible(&format!("{words} ({})", problem.on.workload))
}

fn gaps<'a>(problem: &Collected<'a>) -> Vec<GapLine<'a>> {
    let line = |((_, gap, _), cells): (_, &BTreeMap<usize, &'a Measurement>)| {
        let between = cells.values().next().map(|row| gap::between(row, gap)).unwrap_or_default();
        let name = words::visible(&format!("gap {}: {between}", gap.kind));
        GapLine { name, cells: cells.clone() }
    };
    problem.gaps.iter().map(|(key, cells)| line((*key, cells))).collect()
}

/// A way and what it gave, by column.
pub type Row<'a> = (group::Way<'a>, BTreeMap<usize, Cell<'a>>);

/// The lines of a problem, and whether a tax in them compares times of several runs.
fn lines<'a>(problem: &Collected<'a>, devices: &mut [Device<'a>]) -> (Vec<Row<'a>>, bool) {
    let (yardstick, chosen) = (problem.yardstick(), problem.chosen());
    let mut letters: HashMap<Bits, usize> = HashMap::new();
    let mut lines = Vec::new();
    for (way, rows) in &problem.ways {
        let mut cells = BTreeMap::new();
        for (column, rows) in rows {
            let shown = chosen.get(column).copied();
            let Some(mut cell) = Cell::of(rows, shown) else { continue };
            if let Some(bits) = cell.bits() {
                let next = letters.len();
                cell.mark = match input(cell.row) == yardstick {
                    true => Mark::Letter(*letters.entry(bits).or_insert(next)),
                    false => Mark::OtherInput,
                };
            }
            account(&mut devices[*column], rows, &cell, shown);
            cells.insert(*column, cell);
        }
        lines.push((*way, cells));
    }
    let runs_are_mixed = set_taxes(&mut lines);
    (lines, runs_are_mixed)
}

/// Counts which rows a column shows.
fn account<'a>(device: &mut Device<'a>, rows: &[&'a Measurement], cell: &Cell<'a>, shown: Option<Input>) {
    for (run, count) in &cell.runs {
        *device.runs.entry(run).or_default() += count;
    }
    device.superseded += cell.superseded;
    let others = rows.iter().filter(|row| input(row).is_some_and(|own| Some(own) != shown));
    device.of_other_inputs += others.count();
}

/// Times of one engine's ways in one column.
#[derive(Default)]
struct Times<'a> {
    fastest: u64,
    count: usize,
    runs: BTreeSet<&'a str>,
}

/// Sets the taxes, per column, engine and function; true if one compares times of several runs.
fn set_taxes(lines: &mut [Row]) -> bool {
    let mut times: BTreeMap<(usize, &str, &str), Times> = BTreeMap::new();
    for (way, cells) in lines.iter() {
        for (column, cell) in cells {
            let Some((row, ns)) = cell.timed.and_then(|row| Some((row, row.median_ns?))) else { continue };
            let key = (*column, way.engine, way.function);
            let times = times.entry(key).or_insert(Times { fastest: ns, ..Times::default() });
            times.fastest = times.fastest.min(ns);
            times.count += 1;
            times.runs.insert(&row.run_id);
        }
    }
    let mixed = times.values().any(|times| times.count > 1 && times.runs.len() > 1);
    for (way, cells) in lines.iter_mut() {
        for (column, cell) in cells.iter_mut() {
            let own = cell.timed.and_then(|row| row.median_ns);
            let rivals = times.get(&(*column, way.engine, way.function)).filter(|times| times.count > 1);
            cell.tax = own.zip(rivals).map(|(own, rivals)| own as f64 / rivals.fastest as f64 - 1.0);
        }
    }
    mixed
}
