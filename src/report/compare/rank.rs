//! Who is how fast over many cases: geometric means of times over the fastest's, over the cases that all who are
//! compared have in common, so that nobody gains by cases that others lack.

use std::collections::BTreeMap;

use crate::measurement::Measurement;
use crate::ratio::Ratio;
use crate::report::compare::model::Block;
use crate::report::group::Way;
use crate::report::words;

/// Who was timed on fewer than this share of the cases of whoever was timed on most is not ranked: the cases in
/// common would dwindle to theirs.
const LEAST_SHARE: f64 = 0.5;

/// One who is ranked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked<T> {
    /// Who.
    pub who: T,
    /// The geometric mean of times over those of the fastest.
    pub mean: Ratio,
}

/// A ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing<T> {
    /// The fastest first.
    pub ranked: Vec<Ranked<T>>,
    /// The cases in common: what they are, safe to print.
    pub cases: Vec<String>,
    /// Who was timed on too few cases, and on how many.
    pub unranked: Vec<(T, usize)>,
}

/// The ways of one engine and function on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct OfWays<'a> {
    /// The operation, safe to print.
    pub operation: String,
    /// The column.
    pub column: usize,
    /// The ranking.
    pub standing: Standing<Way<'a>>,
}

/// The devices on one operation; a case is a workload and a way.
#[derive(Debug, Clone, PartialEq)]
pub struct OfDevices {
    /// The operation, safe to print.
    pub operation: String,
    /// The ranking, by column.
    pub standing: Standing<usize>,
}

/// Times by who has them, and case.
type Times<'a, T, C> = BTreeMap<T, BTreeMap<C, &'a Measurement>>;

/// Ranks the ways of each operation, function and engine on each device where several were timed.
pub fn ways<'a>(blocks: &[Block<'a>]) -> Vec<OfWays<'a>> {
    let mut ranks = Vec::new();
    for blocks in blocks.chunk_by(|a, b| a.operation == b.operation) {
        let mut groups: BTreeMap<(&str, &str, usize), Times<Way, usize>> = BTreeMap::new();
        for (case, block) in blocks.iter().enumerate() {
            for line in &block.lines {
                for (column, cell) in &line.cells {
                    if let Some(row) = cell.timed {
                        let times = groups.entry((line.way.function, line.way.engine, *column)).or_default();
                        times.entry(line.way).or_default().insert(case, row);
                    }
                }
            }
        }
        let title = |case: &usize| blocks.get(*case).map(|block| block.title.clone()).unwrap_or_default();
        let operation = blocks.first().map(|block| block.operation.clone()).unwrap_or_default();
        for ((_, _, column), times) in groups {
            let standing = standing(times, title);
            ranks.extend(standing.map(|standing| OfWays { operation: operation.clone(), column, standing }));
        }
    }
    ranks
}

/// Ranks the devices on each operation.
pub fn devices(blocks: &[Block]) -> Vec<OfDevices> {
    let mut ranks = Vec::new();
    for blocks in blocks.chunk_by(|a, b| a.operation == b.operation) {
        let mut times: Times<usize, (usize, Way)> = BTreeMap::new();
        for (place, block) in blocks.iter().enumerate() {
            for line in &block.lines {
                for (column, cell) in &line.cells {
                    if let Some(row) = cell.timed {
                        times.entry(*column).or_default().insert((place, line.way), row);
                    }
                }
            }
        }
        let title = |(place, way): &(usize, Way)| {
            let title = blocks.get(*place).map_or("", |block| block.title.as_str());
            format!("{}, {title}", words::visible(&way.name()))
        };
        let operation = blocks.first().map(|block| block.operation.clone()).unwrap_or_default();
        ranks.extend(standing(times, title).map(|standing| OfDevices { operation, standing }));
    }
    ranks
}

/// Ranks by times per case; `None` where there are no two to rank, or no case in common.
fn standing<T: Copy + Ord, C: Ord>(
    mut times: Times<T, C>,
    title: impl Fn(&C) -> String,
) -> Option<Standing<T>> {
    for cases in times.values_mut() {
        // Against itself a row has a ratio if it has a time with an interval.
        cases.retain(|_, row| Ratio::of_times(row, row).is_some());
    }
    times.retain(|_, cases| !cases.is_empty());
    let most = times.values().map(BTreeMap::len).max()?;
    let has_few = |cases: &BTreeMap<C, &Measurement>| (cases.len() as f64) < LEAST_SHARE * most as f64;
    let unranked = times.iter().filter(|(_, cases)| has_few(cases)).map(|(who, cases)| (*who, cases.len()));
    let unranked: Vec<(T, usize)> = unranked.collect();
    times.retain(|_, cases| !has_few(cases));
    if times.len() < 2 {
        return None;
    }
    let first = times.values().next()?;
    let common: Vec<&C> =
        first.keys().filter(|case| times.values().all(|cases| cases.contains_key(case))).collect();
    let mut ratios: BTreeMap<T, Vec<Ratio>> = BTreeMap::new();
    for case in &common {
        let rows = || times.iter().filter_map(|(who, cases)| Some((*who, *cases.get(case)?)));
        let (_, fastest) = rows().min_by_key(|(_, row)| row.median_ns)?;
        for (who, row) in rows() {
            ratios.entry(who).or_default().push(Ratio::of_times(row, fastest)?);
        }
    }
    let mean = |(who, ratios): (T, Vec<Ratio>)| Some(Ranked { who, mean: Ratio::geometric_mean(&ratios)? });
    let mut ranked: Vec<Ranked<T>> = ratios.into_iter().filter_map(mean).collect();
    ranked.sort_by(|a, b| a.mean.value.total_cmp(&b.mean.value));
    let cases = common.into_iter().map(title).collect();
    (!ranked.is_empty()).then_some(Standing { ranked, cases, unranked })
}
