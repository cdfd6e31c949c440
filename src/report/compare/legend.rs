//! What the marks mean: only those that are shown.

use std::collections::BTreeSet;

use crate::ratio::Ratio;
use crate::report::compare::choice::LinesAre;
use crate::report::compare::model::{Cell, Comparison, Mark};
use crate::report::gap;

/// An entry per thing that needs an explanation, for the columns that `is_shown` tells; with or without shares of
/// limits.
pub fn legend(comparison: &Comparison, is_shown: impl Fn(usize) -> bool, has_limits: bool) -> Vec<String> {
    if comparison.choice.rank {
        return ranking(comparison);
    }
    let lines = || comparison.shown().flat_map(|block| &block.lines);
    let cells = || lines().flat_map(|line| &line.cells).filter(|(column, _)| is_shown(**column));
    let any = |is_it: fn(&Cell) -> bool| cells().any(|(_, cell)| is_it(cell));
    let gaps = || {
        comparison
            .shown()
            .filter(|_| comparison.choice.all)
            .flat_map(|block| &block.gaps)
            .flat_map(|gap| &gap.cells)
    };
    let mut entries = Vec::new();
    if any(|cell| matches!(cell.mark, Mark::Letter(_))) {
        entries.push("A, B, …: within a workload, the same letter means the very same bits".to_owned());
    }
    if any(|cell| cell.mark == Mark::Varies) {
        entries.push("~: bits change from run to run".to_owned());
    }
    if any(|cell| cell.mark == Mark::OtherInput) {
        entries.push("≠: measured on other inputs (another seed or other data), not comparable".to_owned());
    }
    if any(|cell| cell.mark == Mark::Unknown) {
        entries.push("?: the row keeps no digest".to_owned());
    }
    if has_limits && any(|cell| cell.percent_of_limit().is_some()) {
        entries.push("%: share of what a probe reached there that only reads, or only computes".to_owned());
    }
    let (tax, ratio) = (any(|cell| cell.tax.is_some()), any(|cell| cell.ratio.is_some()));
    match &comparison.baseline {
        Some(baseline) if ratio => entries.push(format!("×: time over that of {baseline}")),
        None if tax => {
            let engines: BTreeSet<&str> = cells().map(|(_, cell)| cell.row.engine.as_str()).collect();
            let among = if engines.len() > 1 { " of the same engine" } else { "" };
            entries.push(format!("+%, ×: time over that of the fastest algorithm{among} on that device"));
        }
        _ => {}
    }
    let is_unclear = |cell: &Cell| {
        let ratio = if comparison.baseline.is_some() { cell.ratio } else { cell.tax };
        ratio.is_some_and(|ratio| ratio != Ratio::ONE && !ratio.is_told())
    };
    if cells().any(|(_, cell)| is_unclear(cell)) {
        entries.push(CANNOT_TELL_IN_WORDS.to_owned());
    }
    let kinds: BTreeSet<&str> = gaps()
        .filter(|(column, _)| is_shown(**column))
        .filter_map(|(_, row)| row.gap())
        .map(|gap| gap.kind)
        .collect();
    if !kinds.is_empty() {
        entries.push(gap::legend(&kinds.into_iter().collect::<Vec<_>>()));
        entries.push("beside a gap: the share of elements that differ, and the largest distance".to_owned());
    }
    entries
}

const CANNOT_TELL_IN_WORDS: &str = "cannot tell: the 95 % intervals of the two times overlap";

/// What the numbers of a ranking mean.
fn ranking(comparison: &Comparison) -> Vec<String> {
    let what = match comparison.choice.lines {
        LinesAre::Algorithm => "time over that of the fastest algorithm of the same engine and function",
        LinesAre::Device => {
            "time over that of the fastest device, on the same workload with the same algorithm"
        }
    };
    let means = "geometric mean over the cases that all who are ranked have in common";
    vec![format!("{what}: {means}, with those of the ends of the intervals"), CANNOT_TELL_IN_WORDS.to_owned()]
}
