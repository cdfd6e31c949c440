//! Findings: what a reader must not miss, in sentences.

use std::collections::BTreeMap;

use crate::input::Distribution;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::block::has_no_power;
use crate::report::certified::certified;
use crate::report::code;
use crate::report::group::{Group, Problem, Way};
use crate::report::uncovered::uncovered;
use crate::report::words::{self, plural};
use crate::statistics::comparisons_for;
use crate::verdict::Verdict;

/// The probability that a full run brings its bounds to; a run with weaker bounds was a quick one.
const FULL_RUN_P: f64 = 0.01;

/// How remarks begin that say whether a difference was seen again.
const SEEN_AGAIN: [&str; 2] = ["re-run", "one-off"];

/// The remark on rows of a device that others may have used.
pub const SHARED: &str = "shared";

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
            broken_row(row, &name, group.device, &on, is_of_full_run(row, &group.rows))
        };
        group.rows.iter().filter(|row| row.breaks_claim()).map(broken).collect()
    };
    groups.iter().flat_map(of_group).collect()
}

/// Whether any of `rows` of the same run as `row` has as many comparisons as only a full run makes: starting
/// processes takes long, so that `row` itself may have fewer.
pub fn is_of_full_run(row: &Measurement, rows: &[&Measurement]) -> bool {
    let is_full = |other: &&Measurement| other.comparisons >= Some(full_comparisons());
    rows.iter().any(|other| other.run_id == row.run_id && is_full(other))
}

/// What a row that breaks its claim says: of the way `name` at `place`, on the problem `on`.
pub fn broken_row(row: &Measurement, name: &str, place: &str, on: &str, is_of_full_run: bool) -> Broken {
    // What a row has to do with its neighbours is a claim of its own, which no guarantee implies.
    let is_batch = row.perturbation == Perturbation::Batch;
    let claim = if is_batch { "batch_invariant" } else { row.guarantee.name() };
    let mut what = format!("{name} ({claim}) differs under {} on {place}, {on}", under(row));
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
    let seen_again = |remark: &&str| SEEN_AGAIN.iter().any(|start| remark.starts_with(start));
    if let Some(remark) = row.note.split("; ").find(seen_again) {
        what.push_str(&format!("; {remark}"));
    }
    let index = row.first_difference.map(|index| format!("first at {}[{index}]", row.worst_output));
    let digest =
        (!row.digest.is_empty()).then(|| format!("the undisturbed output has digest {}", row.digest));
    let first: Vec<String> = index.into_iter().chain(digest).collect();
    Broken {
        what,
        first: (!first.is_empty()).then(|| first.join("; ")),
        command: command(row, true, is_of_full_run),
    }
}

fn under(row: &Measurement) -> String {
    let variant = if row.variant.is_empty() { String::new() } else { format!(" {}", row.variant) };
    format!("{}{variant}", row.perturbation.name())
}

/// What `rows` were measured under; several variants of a perturbation are only counted.
fn all_under(rows: &[&Measurement]) -> String {
    let mut by_perturbation: BTreeMap<Perturbation, Vec<&Measurement>> = BTreeMap::new();
    for row in rows {
        by_perturbation.entry(row.perturbation).or_default().push(row);
    }
    let told = by_perturbation.iter().map(|(perturbation, rows)| match rows.as_slice() {
        [row] => under(row),
        rows => format!("{} ({} variants)", perturbation.name(), rows.len()),
    });
    words::listed(&told.collect::<Vec<_>>())
}

/// The command that measures one row again, on its device or on any, as the full run that it is of or as a
/// quick one.
pub fn command(row: &Measurement, on_its_device: bool, is_of_full_run: bool) -> Vec<String> {
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
    if is_of_full_run {
        // The quick profile may not know the workload.
        command.extend(["--profile", "full"].map(str::to_owned));
    }
    if let Some(comparisons) = row.comparisons {
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
        let mut alike: BTreeMap<(Way, Problem, &str), Vec<&Measurement>> = BTreeMap::new();
        let all = group.rows.iter().chain(&group.gaps);
        for row in all.filter(|row| row.verdict == Verdict::Failed) {
            alike.entry((group.way(row), group.problem(row), &row.note)).or_default().push(row);
        }
        sentences.extend(alike.into_iter().map(|((way, on, note), rows)| {
            let why = if note.is_empty() { "no reason is noted" } else { note };
            let (name, on) = (group.full_name(way), group.describe(on));
            format!("{name} on {}, {on}, under {}: {why}", group.device, all_under(&rows))
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
    findings.extend(certified(groups));
    findings.extend(uncovered(groups));
    findings.extend(code::findings(groups));
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
    let mut tested: BTreeMap<_, BTreeMap<Perturbation, bool>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        for row in group.rows.iter().filter(|row| row.claims()) {
            let claims = tested.entry((index, group.way(row))).or_default();
            *claims.entry(row.perturbation).or_default() |= row.verdict == Verdict::Same;
        }
    }
    let (mut any, mut untested) = (false, Vec::new());
    for claims in tested.values() {
        let is_tested = claims.values().any(|tested| *tested);
        any |= is_tested;
        if !is_tested {
            untested.push("of skipped algorithms");
        } else if claims.values().any(|tested| !tested) {
            untested.push("under skipped perturbations");
        }
    }
    untested.sort_unstable();
    untested.dedup();
    match (any, untested.is_empty()) {
        (false, _) => None,
        (true, true) => Some("Every claim held.".to_owned()),
        (true, false) => {
            Some(format!("Every claim that was tested held; those {} were not.", untested.join(" and ")))
        }
    }
}

/// Where `same` says little, since nothing was seen to vary.
fn no_power(groups: &[Group]) -> Option<String> {
    let mut places = Vec::new();
    for group in groups {
        let weak = |perturbation: &Perturbation| {
            group.rows.iter().any(|row| row.perturbation == *perturbation && has_no_power(row))
        };
        let under = group.perturbations().into_iter().filter(weak);
        let under: Vec<String> = under.map(|perturbation| perturbation.name().to_owned()).collect();
        if !under.is_empty() {
            places.push(format!("{} under {} on {}", group.operation, words::listed(&under), group.device));
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

/// The commonest `same` of one row: comparisons, and the bound that they allow. Cells add up the comparisons of
/// variants, so no cell may say what one of these compared.
pub fn commonest_same(groups: &[Group]) -> Option<(u64, f64)> {
    let rows = || groups.iter().flat_map(|group| &group.rows).filter(|row| row.verdict == Verdict::Same);
    let has_variants = rows().all(|row| !row.variant.is_empty());
    let mut counts: BTreeMap<u64, (usize, f64)> = BTreeMap::new();
    for row in rows().filter(|row| has_variants || row.variant.is_empty()) {
        if let (Some(comparisons), Some(bound)) = (row.comparisons, row.p_upper_95) {
            counts.entry(comparisons).or_insert((0, bound)).0 += 1;
        }
    }
    counts
        .into_iter()
        .max_by_key(|(_, (count, _))| *count)
        .map(|(comparisons, (_, bound))| (comparisons, bound))
}
