//! What a way costs on a device: its time over that of the fastest way to compute the same, in one run, where both
//! had the same machine under the same load.

use std::collections::BTreeMap;

use crate::measurement::Measurement;
use crate::ratio::Ratio;
use crate::report::compare::collect::Collected;
use crate::report::group::Way;

/// The time of a way on one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost<'a> {
    /// Over the fastest way's.
    pub ratio: Ratio,
    /// Which way that is: itself, if it is the fastest.
    pub against: Way<'a>,
}

/// Costs by way and column. A way that was not timed, or beside which nothing else was although there is something
/// else, has none.
pub type Costs<'a> = BTreeMap<(Way<'a>, usize), Cost<'a>>;

/// The costs of this program's own ways to compute `function`.
pub fn costs<'a>(problem: &Collected<'a>, function: &str) -> Costs<'a> {
    let ways: Vec<Way> =
        problem.ways.keys().copied().filter(|way| way.is_own() && way.function == function).collect();
    let mut costs = Costs::new();
    for &way in &ways {
        for (&column, rows) in &problem.ways[&way] {
            let Some(own) = rows.iter().copied().filter(|row| is_timed(row)).max_by_key(|row| &row.timestamp)
            else {
                continue;
            };
            let beside = ways.iter().filter_map(|other| {
                let rows = problem.ways[other].get(&column)?;
                let is_beside = |row: &&Measurement| is_timed(row) && row.run_id == own.run_id;
                Some((*other, rows.iter().copied().filter(is_beside).min_by_key(|row| row.median_ns)?))
            });
            let beside: Vec<(Way, &Measurement)> = beside.collect();
            let fastest = beside.iter().min_by_key(|(_, row)| row.median_ns);
            if let Some((against, fastest)) = fastest.filter(|_| beside.len() > 1 || ways.len() == 1)
                && let Some(ratio) =
                    if *against == way { Some(Ratio::ONE) } else { Ratio::of_times(own, fastest) }
            {
                costs.insert((way, column), Cost { ratio, against: *against });
            }
        }
    }
    costs
}

/// Whether a row holds a time.
pub fn is_timed(row: &Measurement) -> bool {
    row.is_observed() && row.median_ns.is_some_and(|ns| ns > 0)
}
