//! Which devices gave the same bits, in how many cases: a case is a way on a workload whose bits both keep, on the
//! same inputs.

use std::collections::BTreeMap;

use crate::report::compare::cell::Mark;
use crate::report::compare::model::{Block, Device};

/// Pairs that are told before they are only counted.
const TOLD: usize = 6;

/// More columns have more pairs than anybody looks at, and than are worth the time.
const MOST: usize = 64;

/// Two columns, and how often their bits were the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The columns, the left one first.
    pub columns: (usize, usize),
    /// Cases with the same bits.
    pub same: usize,
    /// All cases.
    pub cases: usize,
}

/// All pairs of columns that have a case in common; none of more than 64 columns.
pub fn agreements(blocks: &[Block], devices: &[Device]) -> Vec<Agreement> {
    if devices.len() > MOST {
        return Vec::new();
    }
    let mut pairs: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
    for line in blocks.iter().flat_map(|block| &block.lines) {
        let letters: Vec<(usize, usize)> = line
            .cells
            .iter()
            .filter_map(|(column, cell)| match cell.mark {
                Mark::Letter(letter) => Some((*column, letter)),
                _ => None,
            })
            .collect();
        for (place, (left, letter)) in letters.iter().enumerate() {
            for (right, other) in &letters[place + 1..] {
                let (same, cases) = pairs.entry((*left, *right)).or_default();
                *same += usize::from(letter == other);
                *cases += 1;
            }
        }
    }
    let told = |(columns, (same, cases))| Agreement { columns, same, cases };
    pairs.into_iter().map(told).collect()
}

/// Who agrees in how many cases, those that agree least first.
pub fn sentence(agreements: &[Agreement], devices: &[Device]) -> Option<String> {
    let mut pairs = agreements.to_vec();
    pairs.sort_by(|a, b| (a.same * b.cases).cmp(&(b.same * a.cases)));
    let label = |column: usize| devices.get(column).map_or("", |device| device.label.as_str());
    let told: Vec<String> = pairs
        .iter()
        .take(TOLD)
        .map(|pair| {
            let (left, right) = pair.columns;
            format!("{} of {} on {} and {}", pair.same, pair.cases, label(left), label(right))
        })
        .collect();
    let more = pairs.len().saturating_sub(TOLD);
    let more = if more == 0 { String::new() } else { format!("; {more} more pairs in --format json") };
    (!told.is_empty()).then(|| {
        format!(
            "The same bits, in how many cases (a workload and an algorithm that keeps its bits): {}{more}.",
            told.join("; ")
        )
    })
}
