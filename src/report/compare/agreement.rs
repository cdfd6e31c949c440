//! Which devices gave the same bits, in how many cases: a case is a way on a workload whose bits both keep, on the
//! same inputs.

use std::collections::BTreeMap;

use crate::report::compare::cell::Mark;
use crate::report::compare::claims::some_of;
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
    const CASES: &str = "cases (a workload and an algorithm that keeps its bits)";
    let labels: Vec<String> = devices.iter().map(|device| device.label.clone()).collect();
    let first = agreements.first()?;
    let is_alike = |pair: &Agreement| (pair.same, pair.cases) == (first.same, first.cases);
    let pairs = devices.len() * devices.len().saturating_sub(1) / 2;
    if agreements.len() == pairs && agreements.iter().all(is_alike) {
        let each = if pairs > 1 { "on each two of " } else { "on " };
        return Some(format!(
            "The same bits in {} of {} {CASES} {each}{}.",
            first.same,
            first.cases,
            some_of(&labels)
        ));
    }
    let mut sorted = agreements.to_vec();
    sorted.sort_by(|a, b| (a.same * b.cases).cmp(&(b.same * a.cases)));
    let label = |column: usize| labels.get(column).map_or("", String::as_str);
    let told = sorted.iter().take(TOLD).map(|pair| {
        let (left, right) = pair.columns;
        format!("{} of {} on {} and {}", pair.same, pair.cases, label(left), label(right))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let more = match sorted.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; {more} more pairs in --format json"),
    };
    Some(format!("The same bits, in how many {CASES}: {told}{more}."))
}
