//! What the columns mean: only those that are shown.

use std::collections::BTreeSet;

use crate::guarantee::Guarantee;
use crate::perturbation::Perturbation;
use crate::report::block::BROKEN;
use crate::report::ladder::{self, BATCH_CLAIM};
use crate::report::model::{Block, Cell, Column, Report};
use crate::report::{gap, words};

/// What a layout shows, and so what has to be explained.
#[derive(Debug, Default)]
pub struct Shown {
    columns: Vec<Column>,
    has_words: bool,
    has_short: bool,
}

impl Shown {
    /// Adds a table with `columns`, whose cells are short or say it in words.
    pub fn add(&mut self, columns: &[Column], is_short: bool) {
        self.columns.extend(columns);
        self.has_short |= is_short;
        self.has_words |= !is_short;
    }

    fn holds(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }
}

/// An entry per thing that needs an explanation, for what is `shown`.
pub fn legend(report: &Report, shown: &Shown) -> Vec<String> {
    let blocks = || report.sections.iter().flat_map(|section| &section.blocks);
    let is_shown = |column| shown.holds(column);
    let under: Vec<Perturbation> =
        Perturbation::ALL.into_iter().filter(|p| is_shown(Column::Under(*p))).collect();
    let cells = || {
        let lines = blocks().flat_map(|block| block.lines.iter().map(move |line| (block, line)));
        let cells = lines.flat_map(|(block, line)| block.perturbations.iter().zip(&line.cells));
        cells.filter(|(perturbation, _)| under.contains(perturbation)).map(|(_, cell)| *cell)
    };
    let mut entries = same(report, shown, cells);
    let differing = cells().find_map(|cell| match cell {
        Cell::Differs { differing, comparisons, .. } => Some((differing, comparisons)),
        _ => None,
    });
    if let Some((differing, comparisons)) = differing.filter(|_| shown.has_short) {
        entries.push(format!("{differing}/{comparisons}: {differing} of {comparisons} differed"));
    }
    if cells().any(|cell| matches!(cell, Cell::Differs { is_broken: true, .. })) {
        entries.push(format!("{}: the claim says that none does", BROKEN.trim()));
    }
    if is_shown(Column::Claims) {
        let claims: BTreeSet<Guarantee> =
            blocks().flat_map(|block| &block.lines).map(|line| line.guarantee).collect();
        let mut claims: Vec<String> =
            claims.into_iter().map(|claim| ladder::explain_claim(claim, &under)).collect();
        if blocks().any(Block::tells_batch_claims) {
            claims.push(format!("{BATCH_CLAIM} the same bits of a row in every batch"));
        }
        entries.push(format!("claims: {}", claims.join(", ")));
    }
    entries.extend(under.iter().map(|perturbation| ladder::explain(*perturbation)));
    if is_shown(Column::Ulp) {
        entries.push("ulp: the largest difference seen, in units in the last place".to_owned());
    }
    if is_shown(Column::Limit) {
        let limited = blocks().flat_map(|block| &block.lines).filter(|line| line.percent_of_limit.is_some());
        let units: BTreeSet<&str> = limited.map(|line| line.unit.as_str()).collect();
        entries
            .push(format!("limit: share of what a probe reached in the same rounds that {}", probes(&units)));
    }
    if is_shown(Column::Tax) {
        let lines = || blocks().flat_map(|block| &block.lines);
        let several = lines().zip(lines().skip(1)).any(|(a, b)| a.engine != b.engine);
        let among = if several { " of the same engine" } else { "" };
        entries.push(format!("tax: time over that of the fastest algorithm{among}"));
    }
    let kinds: Vec<&str> = blocks().flat_map(|block| &block.gaps).map(|gap| gap.kind.as_str()).collect();
    if !kinds.is_empty() {
        entries.push(gap::legend(&kinds));
    }
    if let Some(size) = blocks().flat_map(|block| &block.lines).find_map(|line| line.measured_at.as_ref()) {
        entries.push(format!("({size}): measured at that size, skipped at the one in the heading"));
    }
    entries
}

/// The commonest `same`, with the bound that it allows.
fn same<I: Iterator<Item = Cell>>(report: &Report, shown: &Shown, cells: impl Fn() -> I) -> Vec<String> {
    let counts: BTreeSet<u64> = cells()
        .filter_map(|cell| match cell {
            Cell::Same { comparisons, .. } => Some(comparisons),
            _ => None,
        })
        .collect();
    let Some((comparisons, bound)) = report.commonest_same.filter(|_| !counts.is_empty()) else {
        return Vec::new();
    };
    let later = words::plural(comparisons as usize, "execution", "executions");
    let short = format!("0/{comparisons}");
    let name = match (shown.has_words, shown.has_short) {
        (true, false) => format!("same {short}"),
        (false, _) => short,
        (true, true) => format!("same {short}, in short {short}"),
    };
    let fewer =
        if counts.first().is_some_and(|fewest| *fewest < comparisons) { ", of fewer says less" } else { "" };
    // Both sides of the same bound: what may still be there, and what would have been seen.
    let bound = words::percent_up(bound);
    vec![format!(
        "{name}: none of {comparisons} later {later} differed from the first by even a bit, so p(differs) < {bound} at \
         95 %{fewer}; what acts in {bound} of executions or more would have been seen"
    )]
}

/// What the probes do that reach the limits of work in `units`.
fn probes(units: &BTreeSet<&str>) -> String {
    let probe = |unit: &&str| {
        let does = match *unit {
            "GB/s" => "only reads the inputs",
            "GFLOP/s" => "only multiplies and adds in registers",
            _ => "does nothing else",
        };
        if units.len() == 1 { does.to_owned() } else { format!("{does} ({unit})") }
    };
    units.iter().map(probe).collect::<Vec<_>>().join(" or ")
}
