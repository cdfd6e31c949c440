//! Every kernel of the project, executed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use crate::device::Device;
use crate::device::gpu::GpuDevice;
use crate::device::sim::SimGpu;
use crate::digest::digest;
use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::operation::OPERATIONS;
use crate::simt::Schedule;
use crate::suite::case::Case;
use crate::suite::observe;
use crate::suite::verify::{Check, checks};
use crate::tensor::Dtype;
use crate::workload::Workload;

/// Schedules that a deterministic algorithm must not notice.
const SCHEDULES: u64 = 20;
/// Elements of the workloads that are executed under all of them.
const SMALL: u64 = 3000;
/// Elements of the workloads that are executed under one.
const LARGE: u64 = 40_000;

fn device(schedule: Schedule) -> GpuDevice<SimGpu> {
    let gpu = SimGpu::new();
    gpu.set_schedule(schedule);
    GpuDevice::new(gpu)
}

fn run(check: &Check, seed: u64) -> Option<String> {
    let found = check.run(&device(Schedule::Random { seed }));
    found.err().map(|error| format!("{} under seed {seed}: {error}", check.id()))
}

/// Checks by algorithm and dtype, the first so many of each below a size.
fn selected(most_elements: u64, of_each: usize) -> Vec<Check> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut checks = checks().unwrap();
    checks.sort_by_key(|check| std::cmp::Reverse(check.elements()));
    checks.retain(|check| {
        let id = check.id();
        let mut words = id.split(' ');
        let key = format!("{:?} {:?}", words.next(), words.nth(1));
        let count = taken.entry(key).or_default();
        let wanted = check.elements() <= most_elements && *count < of_each;
        *count += usize::from(wanted);
        wanted
    });
    checks
}

#[test]
fn every_kernel_agrees_with_its_twin_on_ordinary_and_odd_shapes() {
    let mut checks = checks().unwrap();
    checks.retain(|check| check.elements() <= LARGE);
    let executed: HashSet<_> = checks.iter().map(|check| check.algorithm().name).collect();
    let all = OPERATIONS.iter().flat_map(|operation| operation.algorithms());
    for algorithm in all {
        assert!(executed.contains(algorithm.name), "{} has no check of that size", algorithm.name);
    }
    let numbered: Vec<_> = checks.iter().zip(0u64..).collect();
    let wrong: Vec<_> = numbered.par_iter().filter_map(|(check, seed)| run(check, *seed)).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), checks.len());
}

#[test]
fn deterministic_kernels_do_not_notice_the_schedule() {
    let mut checks = selected(SMALL, 3);
    checks.retain(|check| check.algorithm().guarantee > Guarantee::NotGuaranteed);
    assert!(checks.len() > 40, "{}", checks.len());
    let runs: Vec<_> =
        checks.iter().flat_map(|check| (0..SCHEDULES).map(move |seed| (check, seed))).collect();
    let wrong: Vec<_> = runs.par_iter().filter_map(|(check, seed)| run(check, 1000 + seed)).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), runs.len());
}

/// A workload on which the order of additions shows.
fn wide(operation: &str, shape: &str, dtype: Dtype) -> Workload {
    let operation = crate::operation::find(operation).unwrap();
    let shape = operation.shape(shape).unwrap();
    Workload { seed: 5, ..Workload::new("wide", operation, shape, dtype, Distribution::Wide) }
}

fn digest_under(workload: &Workload, name: &str, schedule: Schedule) -> crate::digest::Digest {
    let device = device(schedule);
    let case = Case::new(workload);
    let staged = device.stage(Arc::clone(&case.problem)).unwrap();
    let algorithm = workload.operation.algorithms().iter().find(|a| a.name == name).unwrap();
    let mut prepared = staged.prepare(algorithm).unwrap();
    digest(observe::execute(&mut *prepared, 0).unwrap())
}

#[test]
fn atomic_kernels_differ_between_schedules_and_repeat_under_one() {
    let cases = [
        ("reduce", "n=20000", "atomic_element"),
        ("reduce", "n=200000", "atomic_block"),
        ("matmul", "m=40;n=40;k=4096", "split_k_atomic"),
        ("batch_norm", "n=32;c=2;h=28;w=28", "atomic"),
    ];
    for (operation, shape, name) in cases {
        for dtype in [Dtype::F32, Dtype::F16] {
            let workload = wide(operation, shape, dtype);
            let digests: Vec<_> = (0..8u64)
                .into_par_iter()
                .map(|seed| digest_under(&workload, name, Schedule::Random { seed }))
                .collect();
            let distinct: HashSet<_> = digests.iter().collect();
            assert!(distinct.len() > 1, "{operation}/{name} {dtype}: one result in 8 schedules");
            let again = digest_under(&workload, name, Schedule::Random { seed: 3 });
            assert_eq!(again, digests[3], "{operation}/{name} {dtype}: the seed does not replay");
        }
    }
}
