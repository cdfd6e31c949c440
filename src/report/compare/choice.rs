//! What a reader wants to see of a comparison, and what else there is to know about its rows.

use std::collections::{BTreeMap, HashMap};

use clap::ValueEnum;
use regex::Regex;

use crate::environment::Recorded;
use crate::measurement::Measurement;

/// What a line of a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LinesAre {
    /// An algorithm; devices are columns.
    #[default]
    Algorithm,
    /// A device; algorithms are columns.
    Device,
}

/// The order of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Sort {
    /// As the operation lists its algorithms, and as devices come.
    #[default]
    Listed,
    /// By name.
    Name,
    /// The fastest first, by the leftmost column that has a throughput.
    Throughput,
    /// The least first, by the leftmost column that has a tax, or a ratio to the baseline.
    Tax,
}

/// What to show, and in which order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// What a line is.
    pub lines: LinesAre,
    /// The order of lines.
    pub sort: Sort,
    /// The ranking in place of the tables.
    pub rank: bool,
    /// Every workload, not only the most telling one of each operation.
    pub all: bool,
    /// Only workloads that every device measured.
    pub intersection: bool,
    /// Only lines with a ratio of at least this: to the baseline, or else to the fastest.
    pub least: Option<f64>,
    /// Only lines with a ratio of at most this.
    pub most: Option<f64>,
    /// The device or the algorithm that times are compared with.
    pub baseline: Option<String>,
}

impl Choice {
    /// Whether lines are chosen by their ratio.
    pub fn has_thresholds(&self) -> bool {
        self.least.is_some() || self.most.is_some()
    }

    /// Whether every workload is shown: where lines are chosen by their ratio, whichever workload they are of.
    pub fn shows_every_workload(&self) -> bool {
        self.all || self.has_thresholds()
    }
}

/// Which rows are compared at all.
#[derive(Debug, Default)]
pub struct Filter {
    /// Where there are any, one of them matches "operation/algorithm workload".
    pub only: Vec<Regex>,
    /// None of them matches it.
    pub not: Vec<Regex>,
    /// Where there are any, one of them matches the engine.
    pub engines: Vec<Regex>,
    /// Where there are any, one of them matches "device kind environment".
    pub devices: Vec<Regex>,
}

impl Filter {
    /// Whether a row is compared.
    pub fn keeps(&self, row: &Measurement) -> bool {
        let any = |patterns: &[Regex], text: &str| patterns.iter().any(|pattern| pattern.is_match(text));
        let is_free =
            |patterns: &[Regex], text: &dyn Fn() -> String| patterns.is_empty() || any(patterns, &text());
        let what = || format!("{}/{} {}", row.operation, row.algorithm, row.workload);
        let place = || format!("{} {} {}", row.device, row.device_kind, row.environment);
        is_free(&self.only, &what)
            && (self.not.is_empty() || !any(&self.not, &what()))
            && is_free(&self.engines, &|| row.engine.clone())
            && is_free(&self.devices, &place)
    }

    /// Whether it keeps everything.
    pub fn is_empty(&self) -> bool {
        [&self.only, &self.not, &self.engines, &self.devices].iter().all(|patterns| patterns.is_empty())
    }
}

/// What is known about rows beside what stands in them.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// What rows' environments are, by their hash.
    pub recorded: BTreeMap<String, Recorded>,
    /// Why others are not known: a sentence for each file that could not be used.
    pub unread: Vec<String>,
    /// The hashes of the kernels that this program carries, by operation, algorithm and setting.
    pub carried: HashMap<[String; 3], String>,
    /// Rows that a filter left out.
    pub filtered: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guarantee::Guarantee;
    use crate::perturbation::Perturbation;
    use crate::report::tests::rows::{at, by, row};

    #[test]
    fn filters_are_over_what_their_help_says() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Regex::new(text).unwrap()).collect();
        let ours = row("ticket", Guarantee::RunToRun, Perturbation::Repeat);
        let ours = at(vec![ours], "cuda:0", "NVIDIA L4").remove(0);
        let theirs = by(vec![ours.clone()], "torch", "threads=2").remove(0);
        let kept = |filter: &Filter| [filter.keeps(&ours), filter.keeps(&theirs)];
        let none = Filter::default();
        assert!(none.is_empty());
        assert_eq!(kept(&none), [true, true]);
        let only = |texts| Filter { only: patterns(texts), ..Filter::default() };
        assert_eq!(kept(&only(&["^reduce/ticket sum-2"])), [true, true]);
        assert_eq!(kept(&only(&["two_pass", "ticket"])), [true, true]);
        assert_eq!(kept(&only(&["two_pass"])), [false, false]);
        assert_eq!(
            kept(&Filter { not: patterns(&["two_pass", "wide$"]), ..Filter::default() }),
            [false, false]
        );
        assert_eq!(kept(&Filter { engines: patterns(&["torch"]), ..Filter::default() }), [false, true]);
        assert_eq!(
            kept(&Filter { devices: patterns(&["^cuda:0 NVIDIA L4"]), ..Filter::default() }),
            [true, true]
        );
        assert_eq!(kept(&Filter { devices: patterns(&["H200"]), ..Filter::default() }), [false, false]);
    }
}
