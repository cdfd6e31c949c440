//! The committed PTX: made from the sources that lie beside it, free of the build machine's paths, and
//! true to the rules that the claims rest on. No driver is needed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

mod freshness;
mod ptx;
mod rounding;
mod rules;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use samebits::device::plan::{MODULES, Plan, REDUCE, Step};
use samebits::input::Distribution;
use samebits::operation::{Algorithm, OPERATIONS, Operation, Target};
use samebits::tensor::Dtype;
use samebits::train::elementwise;
use samebits::workload::Workload;

use ptx::Function;

/// The repository, or the unpacked crate.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of `folder` with this ending, sorted by name.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// Every algorithm of every operation, with every entry that a plan of it can name. The steps of training come after the
/// suite's operations.
fn algorithms() -> Vec<(&'static dyn Operation, &'static Algorithm, BTreeSet<String>)> {
    let steps = elementwise::ALL.into_iter().map(|step| step as &dyn Operation);
    let both = |operation: &'static dyn Operation| {
        operation.algorithms().iter().map(move |algorithm| (operation, algorithm))
    };
    OPERATIONS
        .iter()
        .copied()
        .chain(steps)
        .flat_map(both)
        .map(|(operation, algorithm)| (operation, algorithm, entries_of(operation, algorithm)))
        .collect()
}

fn entries_of(operation: &'static dyn Operation, algorithm: &Algorithm) -> BTreeSet<String> {
    let plans = operation.check_shapes().into_iter().flat_map(|shape| {
        Dtype::ALL.into_iter().flat_map(move |dtype| {
            let workload = workload(operation, &shape, dtype);
            [1, 16, 132].map(|sm_count| (algorithm.plan)(&workload, &Target { sm_count }))
        })
    });
    let launches = |plan: Plan| {
        plan.steps.into_iter().filter_map(|step| match step {
            Step::Launch(launch) => Some(launch.entry),
            Step::Zero(_) => None,
        })
    };
    plans.flat_map(launches).collect()
}

fn workload(operation: &'static dyn Operation, shape: &str, dtype: Dtype) -> Workload {
    Workload::new("", operation, operation.shape(shape).unwrap(), dtype, Distribution::ALL[0])
}

/// The entry called `name` with all functions that it calls.
fn with_callees<'a>(functions: &'a [Function], name: &str) -> Vec<&'a Function> {
    ptx::with_callees(functions, name).unwrap_or_else(|problem| panic!("{problem}"))
}

#[test]
fn every_entry_is_named_after_its_module_and_every_plan_names_entries_that_are_there() {
    let mut named = BTreeSet::new();
    for (operation, algorithm, entries) in algorithms() {
        let functions = ptx::functions(algorithm.module.ptx);
        assert!(!entries.is_empty(), "{} has no plan that launches anything", algorithm.name);
        for entry in &entries {
            let there = functions.iter().any(|function| function.is_entry && function.name == *entry);
            assert!(
                there,
                "{}/{} launches {entry}, which is not in its PTX",
                operation.name(),
                algorithm.name
            );
        }
        named.extend(entries);
    }
    for module in MODULES {
        let functions = ptx::functions(module.ptx);
        let entries: Vec<_> = functions.iter().filter(|function| function.is_entry).collect();
        assert!(!entries.is_empty(), "{}.ptx has no entry", module.name);
        for Function { name, .. } in entries {
            assert!(name.starts_with(&format!("{}_", module.name)), "{name} in {}.ptx", module.name);
            assert!(module.name == "support" || named.contains(name), "no plan launches {name}");
        }
    }
}

#[test]
fn fixed_tree_loads_sixteen_bytes_at_once_and_has_a_guarded_path_for_single_elements() {
    for (entry, element) in [("reduce_fixed_tree_f32", 4), ("reduce_fixed_tree_f16", 2)] {
        let functions = ptx::functions(REDUCE.ptx);
        let loads: Vec<_> = with_callees(&functions, entry)
            .into_iter()
            .flat_map(|function| &function.instructions)
            .filter(|instruction| instruction.is_global_load())
            .collect();
        assert!(loads.iter().any(|load| load.bytes() == Some(16)), "{entry} has no load of 16 bytes");
        let single = |load: &&ptx::Instruction| load.bytes() == Some(element) && load.guard.is_some();
        assert!(loads.iter().any(single), "{entry} has no guarded load of a single element");
    }
}
