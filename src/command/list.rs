//! `samebits list`: operations, algorithms with their claims, workloads.

use std::fmt::Write;

use crate::command::{End, aligned, print};
use crate::error::Result;
use crate::operation::{OPERATIONS, Operation};
use crate::workload;

/// Prints the tables of algorithms and the built-in workloads.
pub fn list() -> Result<End> {
    let mut text = String::new();
    for operation in OPERATIONS {
        if operation.algorithms().is_empty() {
            text.push_str(&of_peers(*operation));
            continue;
        }
        let _ = writeln!(text, "{}: {} {}", operation.name(), operation.algorithms().len(), operation.ways());
        let row = |algorithm: &crate::operation::Algorithm| {
            let dtypes: Vec<_> = algorithm.dtypes.iter().map(|dtype| dtype.name()).collect();
            let batch = if algorithm.batch_invariant { "batch_invariant" } else { "" };
            vec![
                format!("  {} {}", algorithm.name, algorithm.setting).trim_end().to_owned(),
                algorithm.guarantee.name().to_owned(),
                batch.to_owned(),
                dtypes.join(" "),
                format!("order: {}", algorithm.order),
            ]
        };
        text.push_str(&aligned(operation.algorithms().iter().map(row).collect()));
    }
    text.push_str("\nworkloads\n");
    let row = |workload: &workload::Workload| {
        let profiles: Vec<_> = workload.profiles.iter().map(|profile| profile.name()).collect();
        vec![
            format!("  {}", workload.name),
            workload.operation.name().to_owned(),
            workload.shape.to_string(),
            workload.dtype.name().to_owned(),
            workload.input.name().to_owned(),
            profiles.join(" "),
            workload.about.clone(),
        ]
    };
    text.push_str(&aligned(workload::built_in()?.iter().map(row).collect()));
    text.push_str("\nA claim says where the bits must stay the same; see METHODOLOGY.md.\n");
    print(&text)?;
    Ok(End::Done)
}

/// An operation that peers alone compute.
fn of_peers(operation: &dyn Operation) -> String {
    let mut text = String::new();
    for way in operation.peers() {
        let dtypes: Vec<_> = way.dtypes.iter().map(|dtype| dtype.name()).collect();
        let (name, ways, engine, dtypes) = (operation.name(), operation.ways(), way.engine, dtypes.join(" "));
        let _ = writeln!(text, "{name}: {ways}, measured only with --peer {engine} ({dtypes})");
    }
    text
}
