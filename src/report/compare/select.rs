//! What a reader chose to see of a comparison: which problems, which lines, and in which order.

use std::cmp::{Ordering, Reverse};

use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::ratio::Ratio;
use crate::report::compare::cell::{Cell, Mark};
use crate::report::compare::choice::{Choice, Sort};
use crate::report::compare::model::{Block, Device, Line};
use crate::report::group;
use crate::report::words::plural;
use crate::tensor::Dtype;

/// Leaves the problems that `choice` asks for, and marks the most telling one of each operation; says what is left
/// out, as `filtered` rows are already.
pub fn problems(
    blocks: &mut Vec<Block>,
    devices: &[Device],
    choice: &Choice,
    filtered: usize,
) -> Vec<String> {
    let mut left_out = Vec::new();
    if filtered > 0 {
        let rows = plural(filtered, "row is", "rows are");
        left_out.push(format!("{filtered} {rows} left out by the filters: nothing above is about them."));
    }
    if choice.intersection {
        let before = blocks.len();
        blocks.retain(|block| (0..devices.len()).all(|column| is_measured(block, column)));
        let gone = before - blocks.len();
        if gone > 0 {
            let workloads = plural(
                gone,
                "workload that not every device measured is",
                "workloads that not every device measured are",
            );
            left_out.push(format!("{gone} {workloads} left out (--intersection)."));
        }
    }
    for blocks in blocks.chunk_by_mut(|a, b| a.operation == b.operation) {
        if let Some(telling) = blocks.iter_mut().max_by(|a, b| by_how_telling(a, b)) {
            telling.is_telling = true;
        }
    }
    let shown = blocks.iter().filter(|block| block.is_telling).count();
    let has_gaps = blocks.iter().any(|block| block.is_telling && !block.gaps.is_empty());
    if (shown < blocks.len() || has_gaps) && !choice.shows_every_workload() && !choice.rank {
        let gaps = if has_gaps { ", without gaps" } else { "" };
        left_out.push(format!(
            "{shown} of {} workloads shown, the most telling of each operation{gaps}: --all shows all, csv and json have \
             it too.",
            blocks.len()
        ));
    }
    left_out
}

/// Leaves the lines that `choice` asks for, in its order; says how many are left out.
pub fn lines(blocks: &mut Vec<Block>, choice: &Choice) -> Option<String> {
    let mut hidden = 0;
    for block in blocks.iter_mut() {
        let before = block.lines.len();
        if choice.has_thresholds() {
            block.lines.retain(|line| line.cells.values().any(|cell| is_within(cell, choice)));
        }
        hidden += before - block.lines.len();
        sort(&mut block.lines, choice.sort);
    }
    if choice.has_thresholds() {
        blocks.retain(|block| !block.lines.is_empty());
    }
    (hidden > 0).then(|| {
        format!(
            "{hidden} {} outside of the thresholds {} left out.",
            plural(hidden, "line", "lines"),
            plural(hidden, "is", "are")
        )
    })
}

/// The ratio that a cell is judged by: to the baseline where there is one, else to the fastest.
pub fn ratio(cell: &Cell) -> Option<Ratio> {
    cell.ratio.or(cell.tax)
}

fn is_within(cell: &Cell, choice: &Choice) -> bool {
    ratio(cell).is_some_and(|ratio| {
        choice.least.is_none_or(|least| ratio.value >= least)
            && choice.most.is_none_or(|most| ratio.value <= most)
    })
}

fn is_measured(block: &Block, column: usize) -> bool {
    block.cells().any(|(own, cell)| own == column && cell.row.is_observed())
}

/// Sorts lines by the leftmost column that has what is asked for; what has it nowhere stands last, as it came.
fn sort(lines: &mut [Line], by: Sort) {
    match by {
        Sort::Listed => {}
        Sort::Name => lines.sort_by(|a, b| a.name.cmp(&b.name)),
        Sort::Throughput | Sort::Tax => {
            let columns = lines.iter().flat_map(|line| line.cells.iter());
            let key = |cell: &Cell| key(cell, by);
            let leftmost = columns.filter(|(_, cell)| key(cell).is_some()).map(|(column, _)| *column).min();
            let Some(leftmost) = leftmost else { return };
            lines.sort_by(|a, b| {
                let of = |line: &Line| line.cells.get(&leftmost).and_then(key);
                least_first(of(a), of(b))
            });
        }
    }
}

/// What cells are sorted by, the least first.
pub fn key(cell: &Cell, by: Sort) -> Option<f64> {
    match by {
        Sort::Listed | Sort::Name => None,
        Sort::Throughput => cell.throughput().map(|throughput| -throughput),
        Sort::Tax => ratio(cell).map(|ratio| ratio.value),
    }
}

/// Nothing behind everything.
pub fn least_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Which of two problems tells more: one where something broke or failed, that most devices measured, where an
/// algorithm that may vary did, of f32, of `wide` values, with the most to show, the largest; the first by name.
fn by_how_telling(a: &Block, b: &Block) -> Ordering {
    let rated = |block: &Block| {
        let cells = || block.cells();
        let mut columns: Vec<usize> =
            cells().filter(|(_, cell)| cell.row.is_observed()).map(|(column, _)| column).collect();
        columns.sort_unstable();
        columns.dedup();
        let is_broken =
            |line: &Line| line.cells.values().any(|cell| cell.is_broken || cell.mark == Mark::Failed);
        let varies =
            |cell: &Cell| cell.mark == Mark::Varies && cell.row.guarantee == Guarantee::NotGuaranteed;
        (
            block.lines.iter().any(|line| is_broken(line) || line.differs_against_its_claim()),
            columns.len(),
            block.lines.iter().any(|line| line.way.is_own() && line.cells.values().any(varies)),
            block.on.dtype == Dtype::F32,
            block.on.input == Distribution::Wide,
            cells().filter(|(_, cell)| cell.row.is_observed()).count(),
            group::elements(block.on),
        )
    };
    rated(a).cmp(&rated(b)).then_with(|| Reverse(a.on).cmp(&Reverse(b.on)))
}
