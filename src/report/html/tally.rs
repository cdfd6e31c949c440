//! What was observed of every way on every device under every perturbation: the worst over workloads, variants and
//! runs, since a claim that broke once is broken.

use std::collections::{BTreeMap, HashMap};

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::operation::{self, Operation};
use crate::perturbation::Perturbation;
use crate::report::block::has_no_power;
use crate::report::group::{self, Way};
use crate::report::html::Input;
use crate::verdict::Verdict;

/// The rows of one way on one device under one perturbation.
#[derive(Debug, Clone, Copy)]
pub struct Tally<'a> {
    /// How many there are.
    pub rows: usize,
    /// How many of them compared bits.
    pub observed: usize,
    /// How many of them differ.
    pub differing: usize,
    /// The one that says the worst.
    pub worst: &'a Measurement,
    /// Whether the way claims that none differs.
    pub is_claimed: bool,
    /// Whether it was seen to do what it claims it does not.
    pub is_broken: bool,
}

impl<'a> Tally<'a> {
    fn of(row: &'a Measurement) -> Self {
        let mut tally =
            Self { rows: 0, observed: 0, differing: 0, worst: row, is_claimed: false, is_broken: false };
        tally.add(row);
        tally
    }

    fn add(&mut self, row: &'a Measurement) {
        self.rows += 1;
        self.observed += usize::from(row.is_observed());
        self.differing += usize::from(row.verdict == Verdict::Differs);
        self.is_claimed |= row.claims();
        self.is_broken |= row.breaks_claim();
        if badness(row) > badness(self.worst) {
            self.worst = row;
        }
    }

    /// The bound for the probability that a later execution differs, of the `same` that says the least.
    pub fn bound(&self) -> Option<f64> {
        self.worst.p_upper_95.filter(|bound| (0.0..=1.0).contains(bound))
    }

    /// Whether a `same` here says little, since nothing was seen to vary that may.
    pub fn has_no_power(&self) -> bool {
        has_no_power(self.worst)
    }
}

/// How bad a row is: what failed, broke a claim, differed, was the same with the weakest bound, was skipped.
fn badness(row: &Measurement) -> (u8, bool, f64) {
    let differing = row.differing.unwrap_or(0) as f64 / row.comparisons.unwrap_or(1).max(1) as f64;
    match row.verdict {
        Verdict::Failed => (4, false, 0.0),
        Verdict::Differs if row.breaks_claim() => (3, false, differing),
        Verdict::Differs => (2, false, differing),
        Verdict::Same => (1, has_no_power(row), row.p_upper_95.unwrap_or(1.0)),
        Verdict::Skipped => (0, false, 0.0),
    }
}

/// One way on one device.
pub struct Rung<'a> {
    /// The way.
    pub way: Way<'a>,
    /// What it claims.
    pub guarantee: Guarantee,
    /// Whether it claims that a row's bits are the same in every batch.
    pub batch_invariant: bool,
    /// What was observed.
    pub cells: BTreeMap<Perturbation, Tally<'a>>,
}

impl Rung<'_> {
    /// Whether any claim was seen broken, or a row failed.
    pub fn is_bad(&self) -> bool {
        self.cells.values().any(|tally| tally.is_broken || tally.worst.verdict == Verdict::Failed)
    }

    /// Whether bits were compared under what even the weakest claim covers.
    pub fn is_tried(&self) -> bool {
        self.cells.iter().any(|(under, tally)| group::is_run_to_run(*under) && tally.observed > 0)
    }

    /// Whether bits were seen to change from run to run.
    pub fn changes(&self) -> bool {
        self.cells.iter().any(|(under, tally)| group::is_run_to_run(*under) && tally.differing > 0)
    }

    /// Whether any claim was tested.
    pub fn is_tested(&self) -> bool {
        self.cells.values().any(|tally| tally.is_claimed && tally.observed > 0)
    }
}

/// One operation on one device.
pub struct Ladder<'a> {
    /// The operation.
    pub operation: &'a str,
    /// The device: a column of the comparison.
    pub column: usize,
    /// Its ways, in the order of the operation's table.
    pub rungs: Vec<Rung<'a>>,
}

/// Everything that was observed, operations as the suite lists them, then devices as they came.
pub fn ladders<'a>(input: &Input<'a>) -> Vec<Ladder<'a>> {
    let columns = input.columns();
    let mut known: HashMap<&str, Option<&'static dyn Operation>> = HashMap::new();
    let mut all: BTreeMap<(usize, &str, usize), BTreeMap<Way, Rung>> = BTreeMap::new();
    for row in input.rows.iter().filter(|row| row.gap().is_none()) {
        let operation = row.operation.as_str();
        let known = *known.entry(operation).or_insert_with(|| operation::find(operation).ok());
        let device = [row.device.as_str(), row.device_kind.as_str(), row.environment.as_str()];
        let Some(column) = columns.get(&device) else { continue };
        let way = group::way(known, row);
        let ways = all.entry((group::listed(operation), operation, *column)).or_default();
        let rung = ways.entry(way).or_insert_with(|| Rung {
            way,
            guarantee: row.guarantee,
            batch_invariant: false,
            cells: BTreeMap::new(),
        });
        rung.guarantee = rung.guarantee.max(row.guarantee);
        rung.batch_invariant |= row.batch_invariant;
        rung.cells
            .entry(row.perturbation)
            .and_modify(|tally| tally.add(row))
            .or_insert_with(|| Tally::of(row));
    }
    let ladder = |((_, operation, column), rungs): ((usize, &'a str, usize), BTreeMap<Way<'a>, Rung<'a>>)| {
        Ladder { operation, column, rungs: rungs.into_values().collect() }
    };
    all.into_iter().map(ladder).collect()
}
