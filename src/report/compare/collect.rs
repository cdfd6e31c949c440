//! The rows of a comparison sorted into problems, ways and columns, in one pass.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::measurement::{Gap, Measurement};
use crate::operation::{self, Operation};
use crate::report::compare::devices::Devices;
use crate::report::gap;
use crate::report::group::{self, Problem, Way};
use crate::tensor::Dtype;

/// What tells inputs apart: their digest, and the seed that they were made from.
pub type Input<'a> = (&'a str, u64);

/// The inputs of a row, if they were made.
pub fn input(row: &Measurement) -> Option<Input<'_>> {
    (!row.input_digest.is_empty()).then_some((row.input_digest.as_str(), row.seed))
}

/// A gap's place in its list: that in the operation's table, what it compares, which way.
pub type GapKey<'a> = (usize, Gap<'a>, Way<'a>);

/// Everything that was measured of one problem; rows by column.
pub struct Collected<'a> {
    /// The operation's name.
    pub operation: &'a str,
    /// The operation, if this program knows it.
    pub known: Option<&'static dyn Operation>,
    /// The problem.
    pub on: Problem<'a>,
    /// Rows of ways.
    pub ways: BTreeMap<Way<'a>, BTreeMap<usize, Vec<&'a Measurement>>>,
    /// The newest row of each gap.
    pub gaps: BTreeMap<GapKey<'a>, BTreeMap<usize, &'a Measurement>>,
    /// Inputs: when they came first, and the columns that have rows of them.
    inputs: HashMap<Input<'a>, (usize, BTreeSet<usize>)>,
}

impl<'a> Collected<'a> {
    /// The inputs that most columns have, of several those that came first: the yardstick that letters
    /// are given for.
    pub fn yardstick(&self) -> Option<Input<'a>> {
        let rated = self.inputs.iter().map(|(input, (first, columns))| (columns.len(), *first, *input));
        rated.max_by_key(|(columns, first, _)| (*columns, usize::MAX - first)).map(|(_, _, input)| input)
    }

    /// The inputs that each column is shown for: the yardstick's where it has them, else its newest.
    pub fn chosen(&self) -> BTreeMap<usize, Input<'a>> {
        let yardstick = self.yardstick();
        let mut chosen: BTreeMap<usize, (bool, &str, Input)> = BTreeMap::new();
        for (column, rows) in self.ways.values().flatten() {
            for row in rows {
                let Some(input) = input(row) else { continue };
                let rated = (Some(input) == yardstick, row.timestamp.as_str(), input);
                let best = chosen.entry(*column).or_insert(rated);
                if (rated.0, rated.1) > (best.0, best.1) {
                    *best = rated;
                }
            }
        }
        chosen.into_iter().map(|(column, (_, _, input))| (column, input)).collect()
    }
}

/// Sorts rows into problems: operations as the suite lists them, f32 before f16, then as they came.
pub fn collect<'a>(rows: &'a [Measurement], devices: &mut Devices<'a>) -> Vec<Collected<'a>> {
    let mut known: HashMap<&str, Option<&'static dyn Operation>> = HashMap::new();
    let mut places: HashMap<(&str, Problem), usize> = HashMap::new();
    let mut problems: Vec<Collected> = Vec::new();
    for row in rows {
        let operation = row.operation.as_str();
        let known = *known.entry(operation).or_insert_with(|| operation::find(operation).ok());
        let column = devices.place(row);
        let on = group::problem(known, row);
        let place = *places.entry((operation, on)).or_insert_with(|| {
            problems.push(Collected {
                operation,
                known,
                on,
                ways: BTreeMap::new(),
                gaps: BTreeMap::new(),
                inputs: HashMap::new(),
            });
            problems.len() - 1
        });
        let problem = &mut problems[place];
        let way = group::way(known, row);
        if let Some(gap) = row.gap() {
            let key = (gap::rank(known, row, gap), gap, way);
            let newest = problem.gaps.entry(key).or_default().entry(column).or_insert(row);
            if row.timestamp >= newest.timestamp {
                *newest = row;
            }
            continue;
        }
        problem.ways.entry(way).or_default().entry(column).or_default().push(row);
        if let Some(input) = input(row) {
            let first = problem.inputs.len();
            problem.inputs.entry(input).or_insert((first, BTreeSet::new())).1.insert(column);
        }
    }
    problems.sort_by_key(|problem| {
        (group::listed(problem.operation), problem.operation, problem.on.dtype != Dtype::F32)
    });
    problems
}
