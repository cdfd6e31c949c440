//! Why bits or times of several devices may not be comparable, each with a remedy.

use std::collections::{BTreeMap, BTreeSet};

use crate::measurement::{Measurement, OWN_ENGINE};
use crate::report::compare::cell::Cell;
use crate::report::compare::choice::Surroundings;
use crate::report::compare::claims::some_of;
use crate::report::compare::model::{Block, Device, Line};
use crate::report::findings::SHARED;
use crate::report::words::{self, plural};
use crate::verdict::Verdict;

/// Ways that a command names one by one; of more it names the operations.
const NAMED: usize = 4;

/// A reason to doubt a comparison, safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What differs or is not known.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Warning {
    fn new(what: String, remedy: impl Into<String>) -> Self {
        Self { what: words::visible(&what), remedy: words::visible(&remedy.into()) }
    }

    /// As a sentence.
    pub fn sentence(&self) -> String {
        format!("Warning: {}: {}.", self.what, self.remedy)
    }
}

/// Everything that there is to warn of.
pub fn warnings(blocks: &[Block], devices: &[Device], around: &Surroundings) -> Vec<Warning> {
    let driver = |column: usize| {
        let device = &devices[column];
        let driver = device.driver.as_ref()?;
        Some(device.cuda.as_ref().map_or_else(|| driver.clone(), |cuda| format!("{driver} (CUDA {cuda})")))
    };
    let mut warnings = Vec::new();
    warnings.extend(differing(devices, "the driver and its CUDA", driver).map(|what| {
        Warning::new(
            what,
            "install one driver everywhere, or read differences as those of GPU and driver together",
        )
    }));
    let mut toolkits: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for (column, cell) in blocks.iter().flat_map(Block::cells) {
        toolkits.entry(column).or_default().extend(&cell.toolkits);
    }
    let toolkit = |column: usize| {
        let toolkits = toolkits.get(&column).filter(|toolkits| !toolkits.is_empty())?;
        Some(toolkits.iter().copied().collect::<Vec<_>>().join(" and "))
    };
    warnings.extend(
        differing(devices, "the toolkit under reload:recompile", toolkit).map(|what| {
            Warning::new(what, "name the same NVRTC everywhere (SAMEBITS_NVRTC) and measure again")
        }),
    );
    warnings.extend(differing(devices, "the program", |column| devices[column].program.clone()).map(
        |what| {
            Warning::new(
                what,
                "measure everywhere with one version of samebits before you conclude from bits or times",
            )
        },
    ));
    warnings.extend(other_kernels(blocks, devices, around));
    warnings.extend(other_machine_code(blocks, devices));
    warnings.extend(throttled(blocks, devices));
    warnings.extend(shared(blocks, devices));
    warnings.extend(noisy(blocks));
    let unknown: Vec<String> =
        devices.iter().filter(|device| device.program.is_none()).map(|device| device.label.clone()).collect();
    if !unknown.is_empty() && devices.len() > 1 {
        warnings.push(Warning::new(
            format!(
                "no environment.json tells the driver and the program's version of {}",
                some_of(&unknown)
            ),
            "keep it beside measurements.csv when you copy results",
        ));
    }
    warnings.extend(around.unread.iter().map(|why| Warning::new(why.clone(), "it is not used")));
    warnings
}

/// What differs between devices, with who has which; `None` if all that are known are alike.
fn differing(devices: &[Device], what: &str, of: impl Fn(usize) -> Option<String>) -> Option<String> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (column, device) in devices.iter().enumerate() {
        if let Some(value) = of(column) {
            values.entry(value).or_default().push(device.label.clone());
        }
    }
    let told = values.iter().map(|(value, labels)| format!("{value} on {}", some_of(labels)));
    let told: Vec<String> = told.collect();
    (told.len() > 1).then(|| format!("{what} differs: {}", told.join("; ")))
}

/// The rows that a cell shows.
fn rows<'a>(cell: &Cell<'a>) -> impl Iterator<Item = &'a Measurement> {
    let timed = cell.timed.filter(|timed| !std::ptr::eq(*timed, cell.row));
    std::iter::once(cell.row).chain(timed)
}

/// Whose code a row is of: what its kernel can be compared with.
fn class(row: &Measurement) -> &'static str {
    match row.device.as_str() {
        "cpu" => "cpu",
        // The simulated GPU executes the kernels of the others.
        _ if row.is_own() => "gpu",
        _ => "",
    }
}

/// A way, and what executes it.
type Coded<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

fn coded<'a>(line: &Line<'a>, row: &'a Measurement) -> Coded<'a> {
    (&row.operation, line.way.engine, line.way.algorithm, line.way.setting, class(row))
}

/// Rows of one column that are of another version of their code.
#[derive(Default, PartialEq)]
struct Old<'a> {
    rows: usize,
    ways: BTreeSet<String>,
    operations: BTreeSet<&'a str>,
}

/// Rows of another version of their kernel than the newest row of the same way, or than this program carries.
fn other_kernels(blocks: &[Block], devices: &[Device], around: &Surroundings) -> Vec<Warning> {
    let all = || {
        let lines = blocks.iter().flat_map(|block| &block.lines);
        let cells = lines.flat_map(|line| line.cells.iter().map(move |(column, cell)| (line, *column, cell)));
        let rows = cells.flat_map(|(line, column, cell)| rows(cell).map(move |row| (line, column, row)));
        // Of a CPU's rows the kernel is the program's version, which is told once where it is known.
        let is_told = |column: usize, row: &Measurement| {
            class(row) == "cpu" && row.is_own() && devices[column].program.is_some()
        };
        // What was not executed has no code.
        let has_code = |row: &Measurement| row.verdict != Verdict::Skipped && !row.kernel.is_empty();
        rows.filter(move |(_, column, row)| has_code(row) && !is_told(*column, row))
    };
    let mut newest: BTreeMap<Coded, (&str, &str)> = BTreeMap::new();
    for (line, _, row) in all() {
        let own = (row.timestamp.as_str(), row.kernel.as_str());
        let best = newest.entry(coded(line, row)).or_insert(own);
        *best = own.max(*best);
    }
    // The version that counts: the one that this program carries, or else the newest row's.
    let is_current = |line: &Line, row: &Measurement| {
        let key = [row.operation.clone(), row.algorithm.clone(), line.way.setting.to_owned()];
        let carried = around.carried.get(&key).filter(|_| class(row) == "gpu");
        match (carried, newest.get(&coded(line, row))) {
            (Some(carried), _) => *carried == row.kernel,
            (None, newest) => newest.is_none_or(|(_, kernel)| *kernel == row.kernel),
        }
    };
    let mut old: BTreeMap<(usize, &str), Old> = BTreeMap::new();
    for (line, column, row) in all().filter(|(line, _, row)| !is_current(line, row)) {
        let old = old.entry((column, line.way.engine)).or_default();
        old.rows += 1;
        old.ways.insert(format!("{}/{}", row.operation, row.algorithm));
        old.operations.insert(&row.operation);
    }
    // What is so on several devices is told once.
    let mut alike: Vec<(&str, Old, Vec<usize>)> = Vec::new();
    for ((column, engine), old) in old {
        match alike.iter_mut().find(|(known, other, _)| *known == engine && *other == old) {
            Some((_, _, columns)) => columns.push(column),
            None => alike.push((engine, old, vec![column])),
        }
    }
    alike.into_iter().map(|(engine, old, columns)| of_other_kernels(engine, old, &columns, devices)).collect()
}

/// The warning of rows of `engine` on `columns`.
fn of_other_kernels(engine: &str, old: Old, columns: &[usize], devices: &[Device]) -> Warning {
    let Old { rows, ways, operations } = old;
    let ways: Vec<String> = ways.into_iter().collect();
    let labels: Vec<String> = columns.iter().map(|column| devices[*column].label.clone()).collect();
    let code = if engine == OWN_ENGINE { "their kernels or program" } else { engine };
    let what = format!(
        "{rows} {}{} on {} {} of another version of {code} than this program has, or than the newest rows ({})",
        plural(rows, "row", "rows"),
        if columns.len() > 1 { " each" } else { "" },
        some_of(&labels),
        plural(rows, "is", "are"),
        some_of(&ways)
    );
    let names = match ways.len() {
        0..=NAMED => ways.iter().map(|way| words::literal(way)).collect::<Vec<_>>(),
        _ => operations.into_iter().map(|operation| format!("{}/.*", words::literal(operation))).collect(),
    };
    let filter = words::quoted(&format!("^({}) ", names.join("|")));
    let peer =
        if engine == OWN_ENGINE { String::new() } else { format!(" --peer {}", words::argument(engine)) };
    let names: BTreeSet<&str> = columns.iter().map(|column| devices[*column].name).collect();
    let device = match names.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => format!(" --device {}", words::argument(one)),
        _ => String::new(),
    };
    let again = format!("samebits run{device}{peer} --filter {filter}");
    Warning::new(what, format!("measure them again there with the same version: {again}"))
}

/// Other machine code of the same kernels on devices of one kind: the driver's doing.
fn other_machine_code(blocks: &[Block], devices: &[Device]) -> Option<Warning> {
    let mut codes: BTreeMap<(&str, &str, Coded), BTreeMap<&str, usize>> = BTreeMap::new();
    for line in blocks.iter().flat_map(|block| &block.lines) {
        for (column, cell) in &line.cells {
            for row in rows(cell).filter(|row| !row.cubin.is_empty()) {
                let key = (row.device_kind.as_str(), row.kernel.as_str(), coded(line, row));
                codes.entry(key).or_default().insert(&row.cubin, *column);
            }
        }
    }
    let several: Vec<_> = codes.into_values().filter(|codes| codes.len() > 1).collect();
    let columns: BTreeSet<usize> = several.iter().flat_map(|codes| codes.values().copied()).collect();
    let labels: Vec<String> = columns.into_iter().map(|column| devices[column].label.clone()).collect();
    (!several.is_empty()).then(|| {
        let ways = plural(several.len(), "algorithm has", "algorithms have");
        Warning::new(
            format!("{} {ways} other machine code of the same kernel on {}", several.len(), some_of(&labels)),
            "drivers compiled it differently: install one driver, or read differences as those of drivers too",
        )
    })
}

fn throttled(blocks: &[Block], devices: &[Device]) -> Vec<Warning> {
    let mut by_column: BTreeMap<usize, (u64, usize)> = BTreeMap::new();
    for (column, cell) in blocks.iter().flat_map(Block::cells) {
        if let Some(samples) = cell.timed.and_then(|timed| timed.throttled).filter(|samples| *samples > 0) {
            let (all, times) = by_column.entry(column).or_default();
            *all = all.saturating_add(samples);
            *times += 1;
        }
    }
    let told = |(column, (samples, times)): (usize, (u64, usize))| {
        let what = format!(
            "the clock of {} was throttled during {times} {}, and {samples} {} thrown away",
            devices[column].label,
            plural(times, "timing", "timings"),
            if samples == 1 { "sample was" } else { "samples were" }
        );
        Warning::new(
            what,
            "cool the device or lower its power limit or clock (nvidia-smi -pl, -lgc) and measure again",
        )
    };
    by_column.into_iter().map(told).collect()
}

fn shared(blocks: &[Block], devices: &[Device]) -> Option<Warning> {
    let cells = blocks.iter().flat_map(Block::cells);
    let marked =
        cells.filter(|(_, cell)| rows(cell).any(|row| row.has_remark(SHARED))).map(|(column, _)| column);
    let mut columns: BTreeSet<usize> = marked.collect();
    columns.extend((0..devices.len()).filter(|column| devices[*column].is_shared));
    let labels: Vec<String> = columns.into_iter().map(|column| devices[column].label.clone()).collect();
    (!labels.is_empty()).then(|| {
        Warning::new(
            format!(
                "others may have used {} during the run (--shared), and times may show it",
                some_of(&labels)
            ),
            "measure again while nobody else uses it, without --shared",
        )
    })
}

fn noisy(blocks: &[Block]) -> Option<Warning> {
    let times: Vec<&Measurement> =
        blocks.iter().flat_map(Block::cells).filter_map(|(_, cell)| cell.timed).collect();
    let noisy = times.iter().filter(|row| row.has_remark("noisy")).count();
    (noisy > 0).then(|| {
        Warning::new(
            format!("{noisy} of {} times are noisy, their medians not certain to 1 %", times.len()),
            "read intervals, or measure again on an idle machine with --profile full",
        )
    })
}
