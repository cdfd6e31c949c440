//! What the columns mean: only those that are shown.

use std::collections::BTreeSet;

use crate::guarantee::Guarantee;
use crate::perturbation::Perturbation;
use crate::report::gap;
use crate::report::model::{Block, Cell, Column, Report};
use crate::report::words;

/// An entry per thing that needs an explanation, for the columns in `shown`.
pub fn legend(report: &Report, shown: &[Column]) -> Vec<String> {
    let blocks = || report.sections.iter().flat_map(|section| &section.blocks);
    let is_shown = |column| shown.contains(&column);
    let mut entries = Vec::new();
    if let Some((comparisons, bound)) = report.commonest_same.filter(|_| blocks().any(has_same)) {
        let later = if comparisons == 1 { "execution" } else { "executions" };
        entries.push(format!(
            "same 0/{comparisons}: none of {comparisons} later {later} differed from the first, so \
             p(differs) < {} at 95 %",
            words::percent_up(bound)
        ));
    }
    if is_shown(Column::Claims) {
        let claims: BTreeSet<Guarantee> =
            blocks().flat_map(|block| &block.lines).map(|line| line.guarantee).collect();
        let claims: Vec<String> = claims.into_iter().map(explain_claim).collect();
        entries.push(format!("claims: {}", claims.join(", ")));
    }
    if is_shown(Column::Under(Perturbation::Repeat)) {
        entries.push("repeat: nothing changes between executions".to_owned());
    }
    if is_shown(Column::Under(Perturbation::Load)) {
        entries.push("load: other work competes for the device".to_owned());
    }
    if is_shown(Column::Under(Perturbation::Schedule)) {
        entries.push("schedule: warps, blocks and lanes run in another drawn order".to_owned());
    }
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

fn has_same(block: &Block) -> bool {
    block.lines.iter().flat_map(|line| &line.cells).any(|cell| matches!(cell, Cell::Same { .. }))
}

fn explain_claim(claim: Guarantee) -> String {
    match claim {
        Guarantee::NotGuaranteed => "– nothing".to_owned(),
        Guarantee::RunToRun => format!("{} the same bits in every run on one device", claim.name()),
        Guarantee::GpuToGpu => format!("{} the same bits on every device", claim.name()),
    }
}
