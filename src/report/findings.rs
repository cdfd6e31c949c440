//! Findings: what a reader must not miss, in sentences.

use std::collections::BTreeMap;

use crate::input::Distribution;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::block::has_no_power;
use crate::report::group::{Group, Problem, Way};
use crate::report::headline::several_devices;
use crate::report::words::{self, plural};
use crate::statistics::comparisons_for;
use crate::verdict::Verdict;

/// The probability that a full run brings its bounds to; a run with weaker bounds was a quick one.
const FULL_RUN_P: f64 = 0.01;

/// The remark on rows of a device that others may have used.
const SHARED: &str = "shared";

/// A claim that was seen broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// What was claimed, and what was seen, where.
    pub what: String,
    /// Where the first difference lies, if the row says so.
    pub first: Option<String>,
    /// The arguments of a command that repeats it, quoted for a shell.
    pub command: Vec<String>,
}

/// All broken claims.
pub fn broken(groups: &[Group]) -> Vec<Broken> {
    let of_group = |group: &Group| -> Vec<Broken> {
        let broken = |row: &&Measurement| {
            let (name, on) = (group.full_name(group.way(row)), group.describe(group.problem(row)));
            broken_row(row, &name, group.device, &on)
        };
        group.rows.iter().filter(|row| row.breaks_claim()).map(broken).collect()
    };
    groups.iter().flat_map(of_group).collect()
}

/// What a row that breaks its claim says: of the way `name` at `place`, on the problem `on`.
pub fn broken_row(row: &Measurement, name: &str, place: &str, on: &str) -> Broken {
    let mut what = format!("{name} ({}) differs under {} on {place}, {on}", row.guarantee.name(), under(row));
    if let (Some(differing), Some(comparisons)) = (row.differing, row.comparisons) {
        what.push_str(&format!(": {differing} of {comparisons} executions"));
    }
    if let Some(share) = row.v_c {
        let output = if row.worst_output.is_empty() { "the output" } else { &row.worst_output };
        what.push_str(&match share {
            1.0 => format!(", every element of {output}"),
            share => format!(", {} of the elements of {output}", words::share(share)),
        });
    }
    what.push_str(&row.max_ulp.map_or_else(
        || ", a number against a NaN".to_owned(),
        |distance| format!(", max {} ULP", words::ulp(distance)),
    ));
    Broken {
        what,
        first: row.first_difference.map(|index| format!("first at {}[{index}]", row.worst_output)),
        command: command(row, true),
    }
}

fn under(row: &Measurement) -> String {
    let variant = if row.variant.is_empty() { String::new() } else { format!(" {}", row.variant) };
    format!("{}{variant}", row.perturbation.name())
}

/// The command that measures one row again, on its device or on any.
pub fn command(row: &Measurement, on_its_device: bool) -> Vec<String> {
    let name = format!("{}/{} {}", row.operation, row.algorithm, row.workload);
    let mut command: Vec<String> = ["samebits", "run"].map(str::to_owned).into();
    if on_its_device {
        command.extend(["--device".to_owned(), words::argument(&row.device)]);
    }
    command.push("--filter".to_owned());
    command.push(words::quoted(&format!("^{}$", words::literal(&name))));
    command.extend(["--perturb".to_owned(), row.perturbation.name().to_owned()]);
    if row.input == Distribution::Weights {
        // Rows hold no path; the reader knows the file.
        command.extend(["--weights", "FILE"].map(str::to_owned));
    }
    if let Some(comparisons) = row.comparisons {
        if comparisons >= full_comparisons() {
            // The quick profile may not know the workload.
            command.extend(["--profile", "full"].map(str::to_owned));
        }
        // A rare difference shows only when as many are tried again.
        command.extend(["--executions".to_owned(), (comparisons + 1).to_string()]);
    }
    command.extend(["--seed".to_owned(), row.seed.to_string()]);
    command
}

/// Rows that failed, one sentence for those that failed alike.
pub fn failures(groups: &[Group]) -> Vec<String> {
    let mut sentences = Vec::new();
    for group in groups {
        let mut alike: BTreeMap<(Way, Problem, &str), Vec<String>> = BTreeMap::new();
        let all = group.rows.iter().chain(&group.gaps);
        for row in all.filter(|row| row.verdict == Verdict::Failed) {
            alike.entry((group.way(row), group.problem(row), &row.note)).or_default().push(under(row));
        }
        sentences.extend(alike.into_iter().map(|((way, on, note), under)| {
            let why = if note.is_empty() { "no reason is noted" } else { note };
            let (name, on) = (group.full_name(way), group.describe(on));
            format!("{name} on {}, {on}, under {}: {why}", group.device, under.join(" and "))
        }));
    }
    sentences
}

/// How many comparisons tell a full run from a quick one.
pub fn full_comparisons() -> u64 {
    comparisons_for(FULL_RUN_P)
}

/// Everything else that a reader must not miss.
pub fn others(groups: &[Group]) -> Vec<String> {
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let mut findings = Vec::new();
    if !rows().any(|row| row.breaks_claim() || row.verdict == Verdict::Failed) {
        findings.extend(held(groups));
    }
    findings.extend(uncovered(groups));
    findings.extend(no_power(groups));
    findings.extend(noisy(groups));
    if rows().any(|row| row.has_remark(SHARED)) {
        findings.push(
            "Measured with --shared: others may have used the device, and times may show it.".to_owned(),
        );
    }
    findings
}

/// That every claim held, if any was tested; and that not all were, if so.
fn held(groups: &[Group]) -> Option<String> {
    let mut tested: BTreeMap<_, bool> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        for row in group.rows.iter().filter(|row| row.guarantee.covers(row.perturbation)) {
            let claim = tested.entry((index, group.way(row), row.perturbation)).or_default();
            *claim |= row.verdict == Verdict::Same;
        }
    }
    let count = tested.values().filter(|tested| **tested).count();
    match count {
        0 => None,
        all if all == tested.len() => Some("Every claim held.".to_owned()),
        _ => Some("Every claim that was tested held; those of skipped algorithms were not.".to_owned()),
    }
}

/// Where load made bits change that repetition left alone, or change more.
fn uncovered(groups: &[Group]) -> Vec<String> {
    let several = several_devices(groups);
    let (mut hidden, mut more) = (Vec::new(), Vec::new());
    for group in groups {
        for way in group.ways() {
            let Some((on, repeat, load)) = most_uncovered(group, way) else { continue };
            let mut details = Vec::new();
            if let (Some(before), Some(after)) = (repeat.distinct, load.distinct) {
                details.push(format!("{before} → {after} distinct"));
            }
            if group.telling().is_none_or(|telling| group.shown(way, telling) != on) {
                details.push(group.describe(on));
            }
            let details =
                if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
            let place = if several { format!(" on {}", group.device) } else { String::new() };
            let list = if repeat.verdict == Verdict::Same { &mut hidden } else { &mut more };
            list.push(format!("{}{details}{place}", group.full_name(way)));
        }
    }
    let load = words::capitalised(Perturbation::Load.name());
    let mut findings = Vec::new();
    if !hidden.is_empty() {
        findings.push(format!("{load} uncovered what repetition hid: {}.", hidden.join(", ")));
    }
    if !more.is_empty() {
        findings.push(format!("{load} brought out more results than repetition: {}.", more.join(", ")));
    }
    findings
}

/// The problem on which load showed what repetition did not, with both rows: one where repetition saw
/// nothing if there is any, then the one that is shown, then the one with most results.
fn most_uncovered<'a>(
    group: &Group<'a>,
    way: Way<'a>,
) -> Option<(Problem<'a>, &'a Measurement, &'a Measurement)> {
    let shown = group.telling().map(|telling| group.shown(way, telling));
    let pairs = group.problems().into_iter().filter_map(|on| {
        let under = |perturbation| group.of(way, on).find(|row| row.perturbation == perturbation);
        Some((on, under(Perturbation::Repeat)?, under(Perturbation::Load)?))
    });
    pairs
        .filter(|(_, repeat, load)| is_uncovered(repeat, load))
        .max_by_key(|(on, repeat, load)| (repeat.verdict == Verdict::Same, Some(*on) == shown, load.distinct))
}

fn is_uncovered(repeat: &Measurement, load: &Measurement) -> bool {
    match (repeat.verdict, load.verdict) {
        (Verdict::Same, Verdict::Differs) => true,
        // Twice as many from no more executions: less may be chance.
        (Verdict::Differs, Verdict::Differs) => {
            load.comparisons <= repeat.comparisons
                && load.distinct.zip(repeat.distinct).is_some_and(|(after, before)| after >= 2 * before)
        }
        _ => false,
    }
}

/// Where `same` says little, since nothing was seen to vary.
fn no_power(groups: &[Group]) -> Option<String> {
    let mut places = Vec::new();
    for group in groups {
        let weak = |perturbation: &Perturbation| {
            group.rows.iter().any(|row| row.perturbation == *perturbation && has_no_power(row))
        };
        let under: Vec<_> = group.perturbations().into_iter().filter(weak).map(Perturbation::name).collect();
        if !under.is_empty() {
            places.push(format!("{} under {} on {}", group.operation, under.join(" and "), group.device));
        }
    }
    (!places.is_empty()).then(|| {
        format!(
            "* no power: for {} no algorithm that may vary was seen to vary, so the test has not shown \
             that it would notice a difference, and a `same` marked * says little.",
            places.join(", ")
        )
    })
}

/// How far times can be trusted, if some were still uncertain when their time was up.
fn noisy(groups: &[Group]) -> Option<String> {
    let timed: Vec<_> =
        groups.iter().flat_map(|group| &group.rows).filter(|row| row.median_ns.is_some()).collect();
    let noisy: Vec<_> = timed.iter().filter(|row| row.has_remark("noisy")).collect();
    let half_width = |row: &Measurement| {
        let (low, median, high) = (row.ci95_low_ns?, row.median_ns?, row.ci95_high_ns?);
        let reach = median.saturating_sub(low).max(high.saturating_sub(median));
        (median > 0).then(|| reach as f64 / median as f64)
    };
    let mut half_widths: Vec<f64> = noisy.iter().filter_map(|row| half_width(row)).collect();
    half_widths.sort_by(f64::total_cmp);
    let (middle, widest) = (half_widths.get(half_widths.len() / 2)?, half_widths.last()?);
    let percent = |share: f64| words::significant(100.0 * share, 2);
    Some(format!(
        "{} of {} {} noisy, with 95 % intervals of ±{} % in the middle and ±{} % at most: a tax within \
         them may be chance.",
        noisy.len(),
        timed.len(),
        plural(timed.len(), "time is", "times are"),
        percent(*middle),
        percent(*widest)
    ))
}

/// Why rows were skipped, the commonest reason first.
pub fn skipped(groups: &[Group]) -> Vec<(String, usize)> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in groups.iter().flat_map(|group| &group.rows).filter(|row| row.verdict == Verdict::Skipped) {
        // What is needed differs from row to row.
        let reason = row.note.split(" (about ").next().unwrap_or_default();
        *reasons.entry(if reason.is_empty() { "no reason is noted" } else { reason }).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    reasons
}

/// The commonest `same`: comparisons, and the bound that they allow.
pub fn commonest_same(groups: &[Group]) -> Option<(u64, f64)> {
    let mut counts: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
    for row in groups.iter().flat_map(|group| &group.rows).filter(|row| row.verdict == Verdict::Same) {
        if let (Some(comparisons), Some(bound)) = (row.comparisons, row.p_upper_95) {
            counts.entry(comparisons).or_insert((0, bound)).0 += 1;
        }
    }
    counts
        .into_iter()
        .max_by_key(|(_, (count, _))| *count)
        .map(|(comparisons, (_, bound))| (comparisons, bound))
}
