//! Claims that rows of several devices show broken, or held; and what failed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::block::has_no_power;
use crate::report::compare::cell::{Bits, Cell, Mark};
use crate::report::compare::collect::{Collected, Input, input};
use crate::report::compare::devices::Device;
use crate::report::compare::model::Row;
use crate::report::findings::{self, Broken};
use crate::report::group::{self, Way, is_run_to_run};
use crate::report::words::{self, plural};
use crate::verdict::Verdict;

/// Devices that a sentence names before it only counts them.
const NAMED: usize = 4;

/// The rows of one way, by the bits that they have, with their columns.
type ByBits<'a, 'b> = BTreeMap<Bits<'a>, Vec<(usize, &'b Measurement)>>;

/// What is told once, however often it is so.
struct Told<T> {
    places: HashMap<String, usize>,
    all: Vec<(T, usize)>,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), all: Vec::new() }
    }
}

impl<T> Told<T> {
    /// Keeps the first of each `key`, and counts the others.
    fn add(&mut self, key: String, make: impl FnOnce() -> T) {
        match self.places.get(&key) {
            Some(place) => self.all[*place].1 += 1,
            None => {
                self.places.insert(key, self.all.len());
                self.all.push((make(), 0));
            }
        }
    }
}

/// What was seen of claims.
#[derive(Default)]
pub struct Claims {
    on_devices: Told<Broken>,
    across_rows: Told<Broken>,
    across_devices: Told<Broken>,
    failures: Told<String>,
    /// Ways that claim their bits on every device and were compared across devices, each with problems.
    pub compared: BTreeMap<String, usize>,
    /// Columns, operations and perturbations where nothing was seen to vary that may.
    pub without_power: BTreeMap<usize, BTreeSet<(String, Perturbation)>>,
}

impl Claims {
    /// Looks at one problem.
    pub fn see(&mut self, problem: &Collected, lines: &[Row], devices: &[Device]) {
        let on = || words::visible(&group::describe(problem.known, problem.on));
        for (way, cells) in lines {
            let name = words::visible(&way.full_name(problem.operation));
            // What was seen once was seen, even if a newer row did not see it again.
            for (column, rows) in problem.ways.get(way).into_iter().flatten() {
                let label = &devices[*column].label;
                // What is launched otherwise, compiled again or batched otherwise makes no ~.
                let is_mark = |row: &&&Measurement| has_no_power(row) && is_run_to_run(row.perturbation);
                for row in rows.iter().filter(is_mark) {
                    let places = self.without_power.entry(*column).or_default();
                    places.insert((words::visible(problem.operation), row.perturbation));
                }
                for row in rows.iter().filter(|row| row.breaks_claim()) {
                    let key = format!("{name}|{column}|{}|{}", row.perturbation, row.variant);
                    // Looks at all rows, so only for what is told.
                    let is_full = || findings::is_of_full_run(row, rows);
                    let broken = || safe(findings::broken_row(row, &name, label, &on(), is_full()));
                    self.on_devices.add(key, broken);
                }
            }
            for (column, cell) in cells {
                let label = &devices[*column].label;
                if let Some((row, other)) = cell.unstable
                    && row.guarantee >= Guarantee::RunToRun
                {
                    let key = format!("{name}|{column}");
                    self.across_rows.add(key, || unstable(row, other, &name, label, &on()));
                }
                if cell.mark == Mark::Failed {
                    self.fail(cell.row, &name, *column, label, &on());
                }
            }
            self.see_across(problem, way, &name, cells, devices);
        }
        for ((_, _, way), cells) in &problem.gaps {
            for (column, row) in cells.iter().filter(|(_, row)| row.verdict == Verdict::Failed) {
                let name = words::visible(&way.full_name(problem.operation));
                self.fail(row, &name, *column, &devices[*column].label, &on());
            }
        }
    }

    fn fail(&mut self, row: &Measurement, name: &str, column: usize, label: &str, on: &str) {
        let why = if row.note.is_empty() { "no reason is noted" } else { &row.note };
        let key = format!("{name}|{column}|{why}");
        self.failures.add(key, || format!("{name} on {label}, {on}: {}", words::visible(why)));
    }

    /// Whether a way that claims the same bits on every device gave them.
    fn see_across(
        &mut self,
        problem: &Collected,
        way: &Way,
        name: &str,
        cells: &BTreeMap<usize, Cell>,
        devices: &[Device],
    ) {
        let mut by_input: BTreeMap<Input, ByBits> = BTreeMap::new();
        for (column, cell) in cells {
            let claims = cell.row.guarantee >= Guarantee::GpuToGpu;
            if let (true, Some(bits), Some(input)) = (claims, cell.bits(), input(cell.row)) {
                by_input.entry(input).or_default().entry(bits).or_default().push((*column, cell.row));
            }
        }
        for by_bits in by_input.values() {
            if by_bits.values().map(Vec::len).sum::<usize>() < 2 {
                continue;
            }
            *self.compared.entry(name.to_owned()).or_default() += 1;
            if by_bits.len() > 1 {
                let key = way.full_name(problem.operation);
                let on = words::visible(&group::describe(problem.known, problem.on));
                self.across_devices.add(key, || across_devices(by_bits, name, &on, devices));
            }
        }
    }

    /// Whether no claim was seen broken, on a device or across devices.
    pub fn all_held(&self) -> bool {
        [&self.on_devices, &self.across_rows, &self.across_devices].iter().all(|told| told.all.is_empty())
    }

    /// Broken claims and failed rows, each in words once, with how often it is so.
    pub fn told(self) -> (Vec<Broken>, Vec<String>) {
        let broken = |told: Told<Broken>, one: &'static str, many: &'static str| {
            told.all.into_iter().map(move |(mut broken, more)| {
                broken.what.push_str(&and_more(more, one, many));
                broken
            })
        };
        let all = broken(self.on_devices, "row", "rows")
            .chain(broken(self.across_rows, "workload", "workloads"))
            .chain(broken(self.across_devices, "workload", "workloads"));
        let failures = self.failures.all.into_iter();
        let failures = failures.map(|(failure, more)| failure + &and_more(more, "workload", "workloads"));
        (all.collect(), failures.collect())
    }
}

fn and_more(more: usize, one: &str, many: &str) -> String {
    if more == 0 { String::new() } else { format!("; and so in {more} more {}", plural(more, one, many)) }
}

fn safe(broken: Broken) -> Broken {
    Broken {
        what: words::visible(&broken.what),
        first: broken.first.map(|first| words::visible(&first)),
        command: broken.command.iter().map(|argument| words::visible(argument)).collect(),
    }
}

fn unstable(row: &Measurement, other: &Measurement, name: &str, label: &str, on: &str) -> Broken {
    let of = |row: &Measurement| format!("{} in run {} under {}", row.digest, row.run_id, row.perturbation);
    safe(Broken {
        what: format!(
            "{name} ({}) gave other bits in another row of the same inputs and program on {label}, {on}",
            row.guarantee.name()
        ),
        first: Some(format!("digest {}; digest {}", of(row), of(other))),
        command: findings::command(row, true, findings::is_of_full_run(row, &[row])),
    })
}

fn across_devices(by_bits: &ByBits, name: &str, on: &str, devices: &[Device]) -> Broken {
    let mut sides: Vec<_> = by_bits.iter().collect();
    sides.sort_by_key(|(_, members)| members.first().map(|(column, _)| *column));
    let side = |((digest, accumulators), members): &(&Bits, &Vec<(usize, &Measurement)>)| {
        let labels: Vec<String> = members.iter().map(|(column, _)| devices[*column].label.clone()).collect();
        let accumulators =
            if accumulators.is_empty() { String::new() } else { format!(" with f32 store {accumulators}") };
        format!("digest {digest}{accumulators} on {}", some_of(&labels))
    };
    let told: Vec<String> = sides.iter().map(side).collect();
    // Rows of one kind of device that were made by different code may differ for that reason.
    let mut codes: BTreeMap<bool, BTreeSet<&str>> = BTreeMap::new();
    for (_, row) in by_bits.values().flatten() {
        codes.entry(row.device.starts_with("cuda")).or_default().insert(&row.kernel);
    }
    let versions = if codes.values().any(|kernels| kernels.len() > 1) {
        "; their program or kernels differ, so measure all with one version before you conclude"
    } else {
        ""
    };
    let again = |row| findings::command(row, false, findings::is_of_full_run(row, &[row]));
    let first = sides.first().and_then(|(_, members)| members.first()).map(|(_, row)| *row);
    safe(Broken {
        what: format!(
            "{name} (gpu_to_gpu) gave different bits on the same inputs on different devices, {on}"
        ),
        first: Some(format!("{}{versions}", told.join("; "))),
        command: first.map(again).unwrap_or_default(),
    })
}

/// The first labels, and how many more there are.
pub fn some_of(labels: &[String]) -> String {
    match labels.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => words::listed(labels),
    }
}
