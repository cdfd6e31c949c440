//! What the marks mean: only those that are shown.

use std::collections::BTreeSet;

use crate::report::compare::model::{Cell, Comparison, Mark};
use crate::report::gap;

/// An entry per thing that needs an explanation, for the columns that `is_shown` tells.
pub fn legend(comparison: &Comparison, is_shown: impl Fn(usize) -> bool) -> Vec<String> {
    let lines = || comparison.blocks.iter().flat_map(|block| &block.lines);
    let cells = || lines().flat_map(|line| &line.cells).filter(|(column, _)| is_shown(**column));
    let any = |is_it: fn(&Cell) -> bool| cells().any(|(_, cell)| is_it(cell));
    let gaps = || comparison.blocks.iter().flat_map(|block| &block.gaps).flat_map(|gap| &gap.cells);
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
    if any(|cell| cell.tax.is_some()) {
        let engines: BTreeSet<&str> = cells().map(|(_, cell)| cell.row.engine.as_str()).collect();
        let among = if engines.len() > 1 { " of the same engine" } else { "" };
        entries.push(format!("+%, ×: time over that of the fastest algorithm{among} on that device"));
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
