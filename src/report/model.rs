//! What there is to say about rows, before anybody lays it out.

pub use crate::report::block::{Block, Cell, Column, Line};
pub use crate::report::findings::Broken;
pub use crate::report::gap::GapLine;

use std::collections::{BTreeMap, BTreeSet};

use crate::measurement::Measurement;
use crate::report::group::{Group, groups};
use crate::report::words::plural;
use crate::report::{findings, headline, skipped};

/// One operation on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The device's name.
    pub device: String,
    /// What it is, in words.
    pub kind: String,
    /// What was found, in a sentence.
    pub headline: String,
    /// The most telling block, or all.
    pub blocks: Vec<Block>,
}

/// A report on the rows of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Per device, what was run on it.
    pub captions: Vec<String>,
    /// Per device and operation, devices in the order of their rows.
    pub sections: Vec<Section>,
    /// Claims that were seen broken.
    pub broken: Vec<Broken>,
    /// Rows that failed, in sentences.
    pub failures: Vec<String>,
    /// Everything else that must not be missed, in sentences.
    pub findings: Vec<String>,
    /// What the same bits cost, a sentence per device.
    pub prices: Vec<String>,
    /// Perturbations that a block has no column of, with the reason, in sentences.
    pub not_tried: Vec<String>,
    /// Reasons for which other rows were skipped, and how many rows.
    pub skipped: Vec<(String, usize)>,
    /// Comparisons of the commonest `same`, and the bound that they allow.
    pub commonest_same: Option<(u64, f64)>,
    /// Whether fewer executions were compared than a full run compares.
    pub is_quick: bool,
}

impl Report {
    /// A report on `rows`: with `all` a block for every problem, else for the most telling one.
    pub fn new(rows: &[Measurement], all: bool) -> Self {
        let groups = groups(rows);
        let most = groups.iter().flat_map(|group| &group.rows);
        let most = most.filter(|row| row.is_observed()).filter_map(|row| row.comparisons).max();
        let sections = sections(&groups, all);
        Self {
            captions: captions(&groups),
            not_tried: skipped::not_tried(&sections, headline::several_devices(&groups)),
            sections,
            broken: findings::broken(&groups),
            failures: findings::failures(&groups),
            findings: findings::others(&groups),
            prices: headline::prices(&groups),
            skipped: skipped::skipped(&groups),
            commonest_same: findings::commonest_same(&groups),
            is_quick: most.is_some_and(|most| most < findings::full_comparisons()),
        }
    }

    /// Whether rows of more than one device are in it, so that each must be named.
    pub fn has_several_devices(&self) -> bool {
        self.captions.len() > 1
    }

    /// What was not tried at all, and the other skipped rows in a sentence per reason.
    pub fn skipped_in_words(&self) -> Vec<String> {
        let sentence = |(reason, count): &(String, usize)| {
            format!("{count} {} skipped: {reason}", plural(*count, "row was", "rows were"))
        };
        self.not_tried.iter().cloned().chain(self.skipped.iter().map(sentence)).collect()
    }
}

fn sections(groups: &[Group], all: bool) -> Vec<Section> {
    let several = headline::several_devices(groups);
    let section = |group: &Group| {
        let place = if several { format!("On {},", group.device) } else { "Here".to_owned() };
        let shown = if all { group.problems() } else { group.telling().into_iter().collect() };
        Section {
            device: group.device.to_owned(),
            kind: group.kind.to_owned(),
            headline: headline::headline(group, &place),
            blocks: shown.into_iter().map(|on| Block::new(group, on, !all)).collect(),
        }
    };
    groups.iter().map(section).collect()
}

fn captions(groups: &[Group]) -> Vec<String> {
    groups
        .chunk_by(|a, b| (a.device, a.kind) == (b.device, b.kind))
        .filter_map(|groups| groups.first().map(|first| caption(first, groups)))
        .collect()
}

/// What was run on one device.
fn caption(first: &Group, groups: &[Group]) -> String {
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let operations: Vec<&str> = groups.iter().map(|group| group.operation).collect();
    let problems: usize = groups.iter().map(|group| group.problems().len()).sum();
    let ways: usize = groups.iter().map(|group| group.own_ways().len()).sum();
    let mut foreign: BTreeMap<&str, usize> = BTreeMap::new();
    for way in groups.iter().flat_map(Group::ways).filter(|way| !way.is_own()) {
        *foreign.entry(way.engine).or_default() += 1;
    }
    let foreign: String = foreign.iter().map(|(engine, count)| format!(" + {count} of {engine}")).collect();
    let executions: BTreeSet<u64> =
        rows().filter(|row| row.is_observed()).filter_map(|row| Some(row.comparisons? + 1)).collect();
    let executions = match (executions.first(), executions.last()) {
        (Some(fewest), Some(most)) if fewest == most => format!("{most} executions each"),
        (Some(fewest), Some(most)) => format!("{fewest} to {most} executions each"),
        _ => "nothing was executed".to_owned(),
    };
    let kind = if first.kind.is_empty() { String::new() } else { format!(" · {}", first.kind) };
    format!(
        "{}{kind} · {} · {problems} {} · {ways} {}{foreign} · {executions}",
        first.device,
        operations.join(", "),
        plural(problems, "workload", "workloads"),
        plural(ways, "algorithm", "algorithms"),
    )
}
