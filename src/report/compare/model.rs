//! What there is to say about rows of several devices, before anybody lays it out.

pub use crate::report::compare::cell::{Cell, Mark};
pub use crate::report::compare::devices::Device;
pub use crate::report::findings::Broken;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::Result;
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::ratio::Ratio;
use crate::report::compare::agreement::{self, Agreement};
use crate::report::compare::baseline::Baseline;
use crate::report::compare::cell::Bits;
use crate::report::compare::choice::{Choice, Surroundings};
use crate::report::compare::claims::Claims;
use crate::report::compare::collect::{Collected, Input, collect, input};
use crate::report::compare::devices::Devices;
use crate::report::compare::price::{self, Price};
use crate::report::compare::rank::{self, OfDevices, OfWays};
use crate::report::compare::warnings::{self, Warning};
use crate::report::compare::{select, sentences};
use crate::report::{gap, group, words};

/// One way, with what it gave per device. A device that did not measure it has no entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// Its name, safe to print.
    pub name: String,
    /// The way.
    pub way: group::Way<'a>,
    /// By column.
    pub cells: BTreeMap<usize, Cell<'a>>,
}

impl Line<'_> {
    /// Whether devices gave different bits on the same inputs to what claims the same on all.
    pub fn differs_against_its_claim(&self) -> bool {
        let letters = self.cells.values().filter_map(|cell| match cell.mark {
            Mark::Letter(letter) if cell.row.guarantee >= Guarantee::GpuToGpu => Some(letter),
            _ => None,
        });
        letters.collect::<BTreeSet<_>>().len() > 1
    }
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
    /// The problem.
    pub on: group::Problem<'a>,
    /// Whether it is the one of its operation that tells most.
    pub is_telling: bool,
    /// The lines.
    pub lines: Vec<Line<'a>>,
    /// The gaps below them.
    pub gaps: Vec<GapLine<'a>>,
}

impl<'a> Block<'a> {
    /// What all ways gave, with their columns.
    pub fn cells(&self) -> impl Iterator<Item = (usize, &Cell<'a>)> {
        self.lines.iter().flat_map(|line| &line.cells).map(|(column, cell)| (*column, cell))
    }

    /// The unit of its throughputs; `None` where there are several or none.
    pub fn unit(&self) -> Option<String> {
        let units: BTreeSet<&str> = self.cells().filter_map(|(_, cell)| cell.unit()).collect();
        (units.len() == 1).then(|| units.into_iter().map(words::visible).collect())
    }
}

/// Rows of any number of devices, side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison<'a> {
    /// What the reader wants to see.
    pub choice: Choice,
    /// The columns.
    pub devices: Vec<Device<'a>>,
    /// What is compared, in a line.
    pub caption: String,
    /// What times are compared with, safe to print.
    pub baseline: Option<String>,
    /// The column that is the baseline, if one is.
    pub baseline_column: Option<usize>,
    /// Claims that were seen broken, on a device or across devices.
    pub broken: Vec<Broken>,
    /// Rows that failed, in sentences.
    pub failures: Vec<String>,
    /// Which devices gave the same bits how often.
    pub agreements: Vec<Agreement>,
    /// What the same bits cost.
    pub prices: Vec<Price<'a>>,
    /// The rankings of ways.
    pub ranks: Vec<OfWays<'a>>,
    /// The rankings of devices.
    pub device_ranks: Vec<OfDevices>,
    /// Everything else that must not be missed, in sentences.
    pub findings: Vec<String>,
    /// Why numbers or bits may not be comparable, each with a remedy.
    pub warnings: Vec<Warning>,
    /// What the choice leaves out, in sentences.
    pub left_out: Vec<String>,
    /// The problems: operations as the suite lists them, f32 before f16, then as they came.
    pub blocks: Vec<Block<'a>>,
}

impl<'a> Comparison<'a> {
    /// Compares `rows` and shows everything.
    pub fn new(rows: &'a [Measurement]) -> Self {
        let mut devices = Devices::default();
        let problems = collect(rows, &mut devices);
        let choice = Choice { all: true, ..Choice::default() };
        Self::of(rows.len(), &problems, devices.labelled(), choice, None, &Surroundings::default())
    }

    /// Compares `rows` and shows what `choice` says.
    ///
    /// # Errors
    /// If the baseline is the name of nothing that is compared, or of several things.
    pub fn with(rows: &'a [Measurement], choice: Choice, around: &Surroundings) -> Result<Self> {
        let mut devices = Devices::default();
        let problems = collect(rows, &mut devices);
        devices.learn(&around.recorded);
        let devices = devices.labelled();
        let baseline = choice.baseline.as_deref().map(|text| Baseline::find(text, &devices, &problems));
        let baseline = baseline.transpose()?;
        Ok(Self::of(rows.len(), &problems, devices, choice, baseline, around))
    }

    fn of(
        rows: usize,
        problems: &[Collected<'a>],
        mut devices: Vec<Device<'a>>,
        choice: Choice,
        baseline: Option<Baseline<'a>>,
        around: &Surroundings,
    ) -> Self {
        let mut claims = Claims::default();
        let mut blocks = Vec::new();
        let mut mixed = 0;
        for problem in problems {
            let (mut lines, runs_are_mixed) = lines(problem, &mut devices);
            mixed += usize::from(runs_are_mixed);
            set_ratios(&mut lines, problem, baseline);
            claims.see(problem, &lines, &devices);
            let line = |(way, cells): Row<'a>| Line { name: words::visible(&way.name()), way, cells };
            blocks.push(Block {
                operation: words::visible(problem.operation),
                title: title(problem),
                on: problem.on,
                is_telling: false,
                lines: lines.into_iter().map(line).collect(),
                gaps: gaps(problem),
            });
        }
        let warnings = warnings::warnings(&blocks, &devices, around);
        let agreements = agreement::agreements(&blocks, &devices);
        let mut left_out = select::problems(&mut blocks, &devices, &choice, around.filtered);
        let (ranks, device_ranks) = (rank::ways(&blocks), rank::devices(&blocks));
        let prices = price::prices(&ranks, &blocks);
        left_out.extend(select::lines(&mut blocks, &choice));
        let findings = sentences::findings(&devices, &claims, mixed);
        let caption = sentences::caption(rows, &devices, problems);
        let (broken, failures) = claims.told();
        Self {
            baseline: baseline.map(|baseline| baseline.name(&devices)),
            baseline_column: match baseline {
                Some(Baseline::Device(column)) => Some(column),
                _ => None,
            },
            choice,
            devices,
            caption,
            broken,
            failures,
            agreements,
            prices,
            ranks,
            device_ranks,
            findings,
            warnings,
            left_out,
            blocks,
        }
    }

    /// Whether a claim was seen broken or a row failed: exit code 1.
    pub fn is_unmet(&self) -> bool {
        !self.broken.is_empty() || !self.failures.is_empty()
    }

    /// The problems that a table has room for: all, or the most telling of each operation.
    pub fn shown(&self) -> impl Iterator<Item = &Block<'a>> {
        self.blocks.iter().filter(|block| self.choice.shows_every_workload() || block.is_telling)
    }

    /// Findings for people: what was observed across devices, who agrees, what it costs, and the rest.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = self.findings.clone();
        let agreement = agreement::sentence(&self.agreements, &self.devices);
        let place = sentences.len().min(1);
        sentences
            .splice(place..place, agreement.into_iter().chain(price::sentences(&self.prices, &self.devices)));
        sentences
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
struct Times<'a> {
    fastest: &'a Measurement,
    count: usize,
    runs: BTreeSet<&'a str>,
}

/// Sets the taxes, per column, engine and function; true if one compares times of several runs.
fn set_taxes<'a>(lines: &mut [Row<'a>]) -> bool {
    let mut times: BTreeMap<(usize, &str, &str), Times<'a>> = BTreeMap::new();
    for (way, cells) in lines.iter() {
        for (column, cell) in cells {
            let Some(row) = cell.timed else { continue };
            let key = (*column, way.engine, way.function);
            let times = times.entry(key).or_insert(Times { fastest: row, count: 0, runs: BTreeSet::new() });
            if row.median_ns < times.fastest.median_ns {
                times.fastest = row;
            }
            times.count += 1;
            times.runs.insert(&row.run_id);
        }
    }
    let mixed = times.values().any(|times| times.count > 1 && times.runs.len() > 1);
    for (way, cells) in lines.iter_mut() {
        for (column, cell) in cells.iter_mut() {
            let rivals = times.get(&(*column, way.engine, way.function)).filter(|times| times.count > 1);
            cell.tax = cell.timed.zip(rivals).and_then(|(row, rivals)| Ratio::of_times(row, rivals.fastest));
        }
    }
    mixed
}

/// Sets the ratios to the baseline: of each way to itself on another device, or of each way on a device to
/// another there.
fn set_ratios<'a>(lines: &mut [Row<'a>], problem: &Collected<'a>, baseline: Option<Baseline<'a>>) {
    let against: BTreeMap<usize, &Measurement> = match baseline {
        Some(Baseline::Way(operation, wanted)) if operation == problem.operation => {
            let cells = lines.iter().filter(|(way, _)| *way == wanted).flat_map(|(_, cells)| cells);
            cells.filter_map(|(column, cell)| Some((*column, cell.timed?))).collect()
        }
        _ => BTreeMap::new(),
    };
    for (_, cells) in lines.iter_mut() {
        let of_device = match baseline {
            Some(Baseline::Device(column)) => cells.get(&column).and_then(|cell| cell.timed),
            _ => None,
        };
        for (column, cell) in cells.iter_mut() {
            let other = of_device.or_else(|| against.get(column).copied());
            cell.ratio = cell.timed.zip(other).and_then(|(row, other)| Ratio::of_times(row, other));
        }
    }
}
