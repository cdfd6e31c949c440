//! What a setting of somebody else's framework does: rows that differ in that one setting and in nothing else, side by
//! side.

use std::collections::BTreeMap;

use crate::measurement::Measurement;
use crate::ratio::Ratio;
use crate::report::advise::cost::is_timed;
use crate::report::compare::collect::Collected;
use crate::report::evidence::Evidence;
use crate::report::group::{self, Way, is_run_to_run};
use crate::verdict::Verdict;

/// A setting that is said to make results the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Whose it is: the engine in rows.
    pub engine: &'static str,
    /// Its key in rows.
    pub key: &'static str,
    /// The value that is said to make results the same.
    pub on: &'static str,
    /// What a user writes for that.
    pub written: &'static str,
    /// The kind of device that it is for; empty for all.
    pub device: &'static str,
}

const fn torch(key: &'static str, on: &'static str, written: &'static str, device: &'static str) -> Known {
    Known { engine: "torch", key, on, written, device }
}

/// The settings that PyTorch's notes on reproducibility name, and those that decide in which precision and order sums
/// are made.
pub const KNOWN: [Known; 9] = [
    torch("deterministic", "1", "torch.use_deterministic_algorithms(True)", ""),
    torch("cudnn_deterministic", "1", "torch.backends.cudnn.deterministic = True", "cuda"),
    torch("cudnn_benchmark", "0", "torch.backends.cudnn.benchmark = False", "cuda"),
    torch("cublas_workspace", ":4096:8", "CUBLAS_WORKSPACE_CONFIG=:4096:8", "cuda"),
    torch("matmul_tf32", "0", "torch.backends.cuda.matmul.allow_tf32 = False", "cuda"),
    torch("cudnn_tf32", "0", "torch.backends.cudnn.allow_tf32 = False", "cuda"),
    torch(
        "reduced_precision",
        "0",
        "torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False",
        "cuda",
    ),
    torch("streams", "1", "one CUDA stream", "cuda"),
    torch("threads", "1", "torch.set_num_threads(1)", "cpu"),
];

/// A setting with every pair of rows that shows what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Toggle<'a> {
    /// The setting.
    pub setting: Known,
    /// What it does, in the order of problems.
    pub effects: Vec<Effect<'a>>,
}

/// What a setting does to one way on one problem and device.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect<'a> {
    /// The way's name among all operations, as `conv2d/conv2d_backward`.
    pub name: String,
    /// The problem in words.
    pub described: String,
    /// The column.
    pub column: usize,
    /// The value that it is switched from.
    pub from: &'a str,
    /// Without it.
    pub off: Seen<'a>,
    /// With it.
    pub on: Seen<'a>,
    /// Whether both gave the same bits; `None` where one has none of its own.
    pub is_same_bits: Option<bool>,
    /// The time with it over that without it, in one run.
    pub ratio: Option<Ratio>,
}

/// What was seen from run to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen<'a> {
    /// None of so many comparisons differed.
    Same(u64),
    /// So many comparisons differed, of so many.
    Varies(u64, u64),
    /// It was not executed, or it failed: the row says why.
    Not(&'a Measurement),
}

/// Every known setting with what rows show of it.
pub fn toggles<'a>(problems: &[Collected<'a>]) -> Vec<Toggle<'a>> {
    let mut toggles: Vec<Toggle> =
        KNOWN.iter().map(|setting| Toggle { setting: *setting, effects: Vec::new() }).collect();
    for problem in problems {
        for toggle in &mut toggles {
            pair(problem, toggle);
        }
    }
    toggles
}

/// Adds what `problem` shows of a setting.
fn pair<'a>(problem: &Collected<'a>, toggle: &mut Toggle<'a>) {
    let setting = toggle.setting;
    let ways = || problem.ways.iter().filter(|(way, _)| way.engine == setting.engine);
    for (on, on_rows) in ways().filter(|(way, _)| value(way, setting.key) == Some(setting.on)) {
        for (off, off_rows) in ways().filter(|(way, _)| way.algorithm == on.algorithm) {
            let Some(from) = value(off, setting.key).filter(|_| is_otherwise_alike(on, off, setting.key))
            else {
                continue;
            };
            for (column, off_rows) in off_rows {
                let Some(on_rows) = on_rows.get(column) else { continue };
                let (without, with) = (Evidence::of(off_rows), Evidence::of(on_rows));
                if let (Some(off), Some(on_seen)) = (seen(&without), seen(&with)) {
                    toggle.effects.push(Effect {
                        name: name(problem.operation, on.algorithm),
                        described: group::describe(problem.known, problem.on),
                        column: *column,
                        from,
                        off,
                        on: on_seen,
                        is_same_bits: same_bits(&without, &with, &off, &on_seen),
                        ratio: ratio(off_rows, on_rows),
                    });
                }
            }
        }
    }
}

/// `sum` of `reduce`, and what is called as its operation by one name.
fn name(operation: &str, algorithm: &str) -> String {
    if operation == algorithm { operation.to_owned() } else { format!("{operation}/{algorithm}") }
}

fn pairs<'a>(way: &Way<'a>) -> BTreeMap<&'a str, &'a str> {
    way.setting.split(';').filter_map(|pair| pair.split_once('=')).collect()
}

fn value<'a>(way: &Way<'a>, key: &str) -> Option<&'a str> {
    pairs(way).get(key).copied()
}

/// Whether two ways have the same settings but for `key`, which they have otherwise.
fn is_otherwise_alike(a: &Way, b: &Way, key: &str) -> bool {
    let (mut a, mut b) = (pairs(a), pairs(b));
    a.remove(key) != b.remove(key) && a == b
}

/// What rows show from run to run; `None` where there are none.
fn seen<'a>(evidence: &Evidence<'a>) -> Option<Seen<'a>> {
    let rows = || evidence.rows().iter().copied().filter(|row| is_run_to_run(row.perturbation));
    if let Some(failed) = rows().find(|row| row.verdict == Verdict::Failed) {
        return Some(Seen::Not(failed));
    }
    if !rows().any(|row| row.is_observed()) {
        return rows().next().map(Seen::Not);
    }
    let observed = || rows().filter(|row| row.is_observed());
    let differing: u64 = observed().filter_map(|row| row.differing).sum();
    let comparisons: u64 = observed().filter_map(|row| row.comparisons).sum();
    let varies = observed().any(|row| row.verdict == Verdict::Differs);
    Some(if varies { Seen::Varies(differing, comparisons) } else { Seen::Same(comparisons) })
}

fn same_bits(without: &Evidence, with: &Evidence, off: &Seen, on: &Seen) -> Option<bool> {
    let (Seen::Same(_), Seen::Same(_)) = (off, on) else { return None };
    let first = |evidence: &Evidence| {
        let row = evidence.rows().iter().find(|row| row.is_observed() && !row.digest.is_empty())?;
        Some((row.input_digest.clone(), row.digest.clone(), row.accumulator_digest.clone()))
    };
    let (without, with) = (first(without)?, first(with)?);
    (without.0 == with.0).then(|| without == with)
}

/// The ratio of times of the newest run that has both.
fn ratio(off: &[&Measurement], on: &[&Measurement]) -> Option<Ratio> {
    let mut timed: Vec<&Measurement> = on.iter().copied().filter(|row| is_timed(row)).collect();
    timed.sort_by(|a, b| b.timestamp.cmp(&a.timestamp));
    timed.iter().find_map(|on| {
        let off = off.iter().find(|off| is_timed(off) && off.run_id == on.run_id)?;
        Ratio::of_times(on, off)
    })
}
