//! The tables of a comparison, before a terminal or Markdown lays them out: an algorithm per line and a device per
//! column, or the other way round; or the rankings.

use std::collections::BTreeSet;

use crate::measurement::Measurement;
use crate::report::compare::cell::{Cell, Mark};
use crate::report::compare::choice::{LinesAre, Sort};
use crate::report::compare::claims::some_of;
use crate::report::compare::model::{Block, Comparison, GapLine};
use crate::report::compare::rank::{OfDevices, OfWays, Standing};
use crate::report::compare::select;
use crate::report::gap;
use crate::report::group::Way;
use crate::report::words::{self, plural};
use crate::verdict::Verdict;

/// Tables with the same columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// What the columns are, safe to print.
    pub headings: Vec<String>,
    /// The tables.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The operation, safe to print.
    pub operation: String,
    /// What the table is about, safe to print.
    pub title: String,
    /// The unit of its throughputs; `None` where entries tell their own.
    pub unit: Option<String>,
    /// Names and entries, one per heading.
    pub lines: Vec<(String, Vec<Option<Entry>>)>,
}

/// What stands in a place of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A text that stands alone.
    Text(String),
    /// What a way gave on a device.
    Cell {
        /// Whose bits.
        mark: String,
        /// Work per time, with its unit.
        throughput: Option<(String, String)>,
        /// Share of what the device can do.
        limit: String,
        /// The tax, or the ratio to the baseline; with its interval.
        ratio: [String; 2],
    },
}

impl Entry {
    fn of(cell: &Cell, has_baseline: bool) -> Self {
        if matches!(cell.mark, Mark::Skipped | Mark::Failed) {
            return Self::Text(cell.mark.text());
        }
        let ratio = [false, true].map(|with_interval| match (has_baseline, cell.ratio, cell.tax) {
            (true, Some(ratio), _) => words::factor_of(ratio, with_interval),
            (false, _, Some(tax)) => words::tax_of(tax, with_interval),
            _ => String::new(),
        });
        let number = cell.throughput().map(|throughput| words::significant(throughput, 3));
        Self::Cell {
            mark: cell.mark.text(),
            throughput: number.zip(cell.unit().map(words::visible)),
            limit: cell.percent_of_limit().map_or_else(String::new, words::limit),
            ratio,
        }
    }

    /// What a gap is on one device.
    fn of_gap(row: &Measurement) -> Self {
        Self::Text(match row.verdict {
            Verdict::Same => row.verdict.name().to_owned(),
            Verdict::Skipped | Verdict::Failed => gap::elements(row),
            Verdict::Differs => {
                let nan = row.max_ulp.is_none() && gap::ulp(row) == "NaN";
                format!("{}  {}{}", gap::elements(row), gap::ulp(row), if nan { "" } else { " ulp" })
            }
        })
    }
}

/// What a comparison shows, as tables.
pub fn sheets(comparison: &Comparison) -> Vec<Sheet> {
    let devices = || comparison.devices.iter().map(|device| device.label.clone()).collect();
    match (comparison.choice.rank, comparison.choice.lines) {
        (true, LinesAre::Algorithm) => vec![Sheet { headings: devices(), tables: ways_ranked(comparison) }],
        (true, LinesAre::Device) => {
            vec![Sheet { headings: vec!["geometric mean".to_owned()], tables: devices_ranked(comparison) }]
        }
        (false, LinesAre::Algorithm) => {
            let tables = comparison.shown().map(|block| by_algorithm(block, comparison));
            vec![Sheet { headings: devices(), tables: tables.collect() }]
        }
        (false, LinesAre::Device) => comparison.shown().map(|block| by_device(block, comparison)).collect(),
    }
}

fn by_algorithm(block: &Block, comparison: &Comparison) -> Table {
    let columns = 0..comparison.devices.len();
    let has_baseline = comparison.baseline.is_some();
    let lines = block.lines.iter().map(|line| {
        let entry = |column| line.cells.get(&column).map(|cell| Entry::of(cell, has_baseline));
        (line.name.clone(), columns.clone().map(entry).collect())
    });
    let gaps = gaps(block, comparison).iter().map(|gap| {
        let entry = |column| gap.cells.get(&column).map(|row| Entry::of_gap(row));
        (gap.name.clone(), columns.clone().map(entry).collect())
    });
    Table {
        operation: block.operation.clone(),
        title: block.title.clone(),
        unit: block.unit(),
        lines: lines.chain(gaps).collect(),
    }
}

/// The gaps below a problem, which say nothing about whether devices agree: only where everything is shown.
fn gaps<'b, 'a>(block: &'b Block<'a>, comparison: &Comparison) -> &'b [GapLine<'a>] {
    if comparison.choice.all { &block.gaps } else { &[] }
}

fn by_device(block: &Block, comparison: &Comparison) -> Sheet {
    let has_baseline = comparison.baseline.is_some();
    let of_lines = block.lines.iter().flat_map(|line| line.cells.keys());
    let gaps = gaps(block, comparison);
    let shown = of_lines.chain(gaps.iter().flat_map(|gap| gap.cells.keys()));
    let mut columns: Vec<usize> = shown.copied().collect::<BTreeSet<_>>().into_iter().collect();
    let label = |column: usize| comparison.devices.get(column).map_or("", |device| device.label.as_str());
    let cells = |column: usize| block.lines.iter().map(move |line| line.cells.get(&column));
    match comparison.choice.sort {
        Sort::Listed => {}
        Sort::Name => columns.sort_by_key(|column| label(*column)),
        by => {
            let key = |cell: &Cell| select::key(cell, by);
            // The leftmost algorithm that any device has it for.
            let has_it = |place: &usize| {
                columns.iter().any(|column| cells(*column).nth(*place).flatten().and_then(key).is_some())
            };
            if let Some(place) = (0..block.lines.len()).find(has_it) {
                let of = |column: usize| cells(column).nth(place).flatten().and_then(key);
                columns.sort_by(|a, b| select::least_first(of(*a), of(*b)));
            }
        }
    }
    let lines = columns.into_iter().map(|column| {
        let ways = cells(column).map(|cell| cell.map(|cell| Entry::of(cell, has_baseline)));
        let gaps = gaps.iter().map(|gap| gap.cells.get(&column).map(|row| Entry::of_gap(row)));
        (label(column).to_owned(), ways.chain(gaps).collect())
    });
    let names = block.lines.iter().map(|line| line.name.clone());
    Sheet {
        headings: names.chain(gaps.iter().map(|gap| gap.name.clone())).collect(),
        tables: vec![Table {
            operation: block.operation.clone(),
            title: block.title.clone(),
            unit: block.unit(),
            lines: lines.collect(),
        }],
    }
}

/// What the ways of a ranking have in common: function and engine.
fn function<'a>(rank: &OfWays<'a>) -> (&'a str, &'a str) {
    rank.standing.ranked.first().map(|ranked| (ranked.who.function, ranked.who.engine)).unwrap_or_default()
}

/// A table per operation, engine and function: their ways, with their mean on each device.
fn ways_ranked(comparison: &Comparison) -> Vec<Table> {
    let alike = comparison.ranks.chunk_by(|a, b| a.operation == b.operation && function(a) == function(b));
    alike
        .map(|ranks| {
            let mut ways = Vec::new();
            for ranked in ranks.iter().flat_map(|rank| &rank.standing.ranked) {
                if !ways.contains(&ranked.who) {
                    ways.push(ranked.who);
                }
            }
            let of = |way: Way, column: usize| {
                let rank = ranks.iter().find(|rank| rank.column == column)?;
                let ranked = rank.standing.ranked.iter().find(|ranked| ranked.who == way)?;
                Some(Entry::Text(words::tax_of(ranked.mean, true)))
            };
            let columns = 0..comparison.devices.len();
            let line = |way: Way| {
                let entries = columns.clone().map(|column| of(way, column)).collect();
                (words::visible(&way.name()), entries)
            };
            let counts = || ranks.iter().map(|rank| rank.standing.cases.len());
            let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
            let least = if least == most { String::new() } else { format!("{least} to ") };
            let cases = plural(most, "workload", "workloads");
            let function = ranks.first().map(function).unwrap_or_default();
            let function = if function.0.is_empty() { String::new() } else { format!("{}, ", function.0) };
            Table {
                operation: ranks.first().map(|rank| rank.operation.clone()).unwrap_or_default(),
                title: format!("{function}over {least}{most} {cases}"),
                unit: None,
                lines: ways.into_iter().map(line).collect(),
            }
        })
        .collect()
}

fn devices_ranked(comparison: &Comparison) -> Vec<Table> {
    let table = |rank: &OfDevices| {
        let label = |column: usize| comparison.devices.get(column).map_or("", |device| device.label.as_str());
        let lines = rank.standing.ranked.iter().map(|ranked| {
            let text = words::factor_of(ranked.mean, true);
            (label(ranked.who).to_owned(), vec![Some(Entry::Text(text))])
        });
        let count = rank.standing.cases.len();
        Table {
            operation: rank.operation.clone(),
            title: format!(
                "over {count} {}",
                plural(count, "workload and algorithm", "workloads and algorithms")
            ),
            unit: None,
            lines: lines.collect(),
        }
    };
    comparison.device_ranks.iter().map(table).collect()
}

/// What rankings rest on, and who is not in them, in sentences.
pub fn ranking_sentences(comparison: &Comparison) -> Vec<String> {
    let label = |column: usize| comparison.devices.get(column).map_or("", |device| device.label.as_str());
    let mut rested = Rested::default();
    match comparison.choice.lines {
        LinesAre::Algorithm => {
            for rank in &comparison.ranks {
                let way = rank.standing.ranked.first().map(|first| first.who);
                let engine =
                    way.filter(|way| !way.is_own()).map(|way| format!("{} ", way.engine)).unwrap_or_default();
                let function = way.map(|way| way.function).filter(|function| !function.is_empty());
                let function = function.map(|function| format!(" ({function})")).unwrap_or_default();
                let what = words::visible(&format!("{engine}{}{function}", rank.operation));
                rested.add(what, label(rank.column), &rank.standing, |way| words::visible(&way.name()));
            }
        }
        LinesAre::Device => {
            for rank in &comparison.device_ranks {
                rested.add(rank.operation.clone(), "", &rank.standing, |column| label(column).to_owned());
            }
        }
    }
    rested.told()
}

/// What is ranked over the same cases, with the devices where it is.
#[derive(Default)]
struct Rested {
    over: Vec<Over>,
    unranked: Vec<String>,
}

/// What was ranked, over which cases, on which devices.
struct Over {
    what: String,
    cases: Vec<String>,
    labels: Vec<String>,
}

impl Rested {
    fn add<T: Copy>(
        &mut self,
        what: String,
        label: &str,
        standing: &Standing<T>,
        name: impl Fn(T) -> String,
    ) {
        if !standing.unranked.is_empty() {
            let names = standing
                .unranked
                .iter()
                .map(|(who, cases)| format!("{} ({cases} {})", name(*who), plural(*cases, "case", "cases")));
            let on = if label.is_empty() { String::new() } else { format!(" on {label}") };
            let names = words::listed(&names.collect::<Vec<_>>());
            self.unranked.push(format!("Of too few cases to be ranked, {what}{on}: {names}."));
        }
        let label = label.to_owned();
        match self.over.iter_mut().find(|over| over.what == what && over.cases == standing.cases) {
            Some(over) => over.labels.push(label),
            None => self.over.push(Over { what, cases: standing.cases.clone(), labels: vec![label] }),
        }
    }

    fn told(self) -> Vec<String> {
        const NAMED: usize = 3;
        if self.over.is_empty() && self.unranked.is_empty() {
            return vec!["Nothing to rank: no two have a timed case in common.".to_owned()];
        }
        let cases = self.over.into_iter().map(|Over { what, cases, mut labels }| {
            labels.retain(|label| !label.is_empty());
            let on = if labels.is_empty() { String::new() } else { format!(" on {}", some_of(&labels)) };
            let more = match cases.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!("; and {more} more, which --format json names"),
            };
            let named: Vec<String> = cases.iter().take(NAMED).cloned().collect();
            let count = plural(cases.len(), "case", "cases");
            format!("{} {count} of {what}{on}: {}{more}.", cases.len(), named.join("; "))
        });
        cases.chain(self.unranked).collect()
    }
}
