//! What the table of a comparison does not show by itself, in sentences.

use crate::report::compare::claims::Claims;
use crate::report::compare::collect::Collected;
use crate::report::compare::devices::Device;
use crate::report::words::{self, plural};

/// What is compared, in a line.
pub fn caption(rows: usize, devices: &[Device], problems: &[Collected]) -> String {
    let counted = |count, one, many| format!("{count} {}", plural(count, one, many));
    let mut operations: Vec<&str> = problems.iter().map(|problem| problem.operation).collect();
    operations.dedup();
    words::visible(&format!(
        "{} · {} · {} · {}",
        counted(devices.len(), "device", "devices"),
        operations.join(", "),
        counted(problems.len(), "workload", "workloads"),
        counted(rows, "row", "rows"),
    ))
}

/// Where the rows of a column come from.
pub fn source(device: &Device) -> String {
    let runs = match device.runs.len() {
        0 => "only gaps".to_owned(),
        1 => {
            let run = device.runs.keys().next().copied().unwrap_or_default();
            if run.is_empty() { "rows without a run".to_owned() } else { format!("run {run}") }
        }
        many => format!("rows of {many} runs"),
    };
    let driver = device.driver.as_ref().map(|driver| format!(" · driver {driver}")).unwrap_or_default();
    let text =
        format!("{}: {}{driver} · environment {} · {runs}", device.label, device.name, device.environment);
    words::visible(&text)
}

/// Everything that must not be missed.
pub fn findings(devices: &[Device], claims: &Claims, mixed: usize) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(across(devices.len(), claims));
    findings.extend(devices.iter().filter_map(superseded));
    for (column, places) in &claims.without_power {
        let places: Vec<String> =
            places.iter().map(|(operation, under)| format!("{operation} under {under}")).collect();
        findings.push(format!(
            "No power on {}: for {} no algorithm that may vary was seen to vary, so a missing ~ says little.",
            devices[*column].label,
            words::listed(&places)
        ));
    }
    for device in devices.iter().filter(|device| device.of_other_inputs > 0) {
        let count = device.of_other_inputs;
        findings.push(format!(
            "{}: {count} more {} of other inputs (another seed) and not shown.",
            device.label,
            plural(count, "row is", "rows are")
        ));
    }
    if mixed > 0 {
        findings.push(format!(
            "In {mixed} {} a tax compares times of several runs, which is worth less than times of one.",
            plural(mixed, "workload", "workloads")
        ));
    }
    findings
}

/// What was compared across devices, and what came of it if nothing broke.
fn across(devices: usize, claims: &Claims) -> Option<String> {
    let ways = claims.compared.len();
    let cases: usize = claims.compared.values().sum();
    if devices < 2 {
        return Some("One device: the letters compare its algorithms with each other.".to_owned());
    }
    if ways == 0 {
        return Some(
            "Nothing that claims gpu_to_gpu was measured on the same inputs on two devices.".to_owned(),
        );
    }
    claims.all_held().then(|| {
        format!(
            "Across devices every claim held: {ways} {} gpu_to_gpu gave the same bits wherever devices had the \
             same inputs ({cases} {}).",
            plural(ways, "algorithm that claims", "algorithms that claim"),
            plural(cases, "case", "cases"),
        )
    })
}

/// Which runs' rows are shown, where there are several.
fn superseded(device: &Device) -> Option<String> {
    if device.runs.len() < 2 && device.superseded == 0 {
        return None;
    }
    let mut runs: Vec<_> = device.runs.iter().collect();
    runs.sort_by_key(|(run, count)| (usize::MAX - **count, **run));
    let runs: Vec<String> = runs.iter().map(|(run, count)| format!("{count} of {run}")).collect();
    Some(words::visible(&format!(
        "{}: of each key the newest row is shown, {}; {} older {} not.",
        device.label,
        super::claims::some_of(&runs),
        device.superseded,
        plural(device.superseded, "one is", "ones are")
    )))
}
