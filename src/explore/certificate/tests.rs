//! Every kernel that an operation's algorithms launch: what claims to give the same bits is certified, atomics depend.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::device::plan::{BATCH_NORM, CONTRACTIBLE_FMAD0, CONTRACTIBLE_FMAD1, MATMUL, REDUCE};
use crate::explore::Settings;
use crate::explore::certificate::Certificate;
use crate::explore::verdict::{Explored, Verdict};
use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::operation::{Algorithm, Target};
use crate::simt::Module;
use crate::suite::case::Case;
use crate::tensor::Dtype;
use crate::workload::Workload;

/// Few multiprocessors, so that plans for many blocks are small.
const TARGET: Target = Target { sm_count: 2 };
const FUEL: u64 = 1 << 30;
/// Where the order of atomic additions shows in f32 and f16 alike; the last of each operation is odd in every extent.
const SHAPES: [(&str, &str); 8] = [
    ("reduce", "n=20000"),
    ("reduce", "r=3;c=9001"),
    ("reduce", "r=7;c=13"),
    ("matmul", "m=8;n=300;k=64"),
    ("matmul", "m=8;n=16;k=516"),
    ("matmul", "m=33;n=17;k=65;ta=1;tb=1"),
    ("batch_norm", "n=32;c=2;h=28;w=28"),
    ("batch_norm", "n=3;c=5;h=7;w=11"),
];

fn workloads() -> Vec<Workload> {
    let of = |(operation, shape): &(&str, &str), dtype| {
        let operation = crate::operation::find(operation).unwrap();
        let shape = operation.shape(shape).unwrap();
        Workload { seed: 5, ..Workload::new("wide", operation, shape, dtype, Distribution::Wide) }
    };
    SHAPES.iter().flat_map(|shape| [Dtype::F32, Dtype::F16].map(|dtype| of(shape, dtype))).collect()
}

fn certificate(algorithm: &Algorithm, workload: &Workload) -> Certificate {
    let case = Case::new(workload);
    // Where nothing differs, more schedules show no more.
    let settings = Settings::of(if algorithm.guarantee > Guarantee::NotGuaranteed { 4 } else { 12 });
    Certificate::of(algorithm, &case.problem, &TARGET, &settings, FUEL).unwrap()
}

/// What is wrong with a launch of an algorithm, if anything.
fn wrong(algorithm: &Algorithm, launch: &Explored) -> Option<String> {
    let is_claimed = algorithm.guarantee > Guarantee::NotGuaranteed;
    let has_place = |explored: &Explored| {
        explored.why.iter().all(|reason| {
            let is_add = reason.instruction.as_deref().is_some_and(|name| name.contains(".add.f32"));
            let source = reason.source.as_ref().and_then(|(_, line)| {
                algorithm.module.source.text.lines().nth((*line as usize).saturating_sub(1))
            });
            is_add && source.is_some_and(|line| line.contains("atomicAdd"))
        })
    };
    let is_right = match launch.verdict {
        Verdict::Independent => launch.why.is_empty(),
        Verdict::Depends | Verdict::MayDepend => !is_claimed && has_place(launch),
    };
    let fine = is_right && launch.races.is_empty();
    (!fine).then(|| format!("{} {launch:#?}", algorithm.name))
}

#[test]
fn what_claims_the_same_bits_is_certified_and_atomics_depend() {
    let workloads = workloads();
    let cases: Vec<(&Algorithm, &Workload)> = workloads
        .iter()
        .flat_map(|workload| workload.operation.algorithms().iter().map(move |way| (way, workload)))
        .collect();
    let found: Vec<(&Algorithm, Certificate)> =
        cases.par_iter().map(|(way, workload)| (*way, certificate(way, workload))).collect();
    let all = || found.iter().flat_map(|(way, found)| found.launches.iter().map(move |launch| (way, launch)));
    let wrong: Vec<_> = all().filter_map(|(way, launch)| wrong(way, launch)).collect();
    assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), all().count(), wrong.join("\n"));

    // Every kernel was launched, and of everything that adds atomically two schedules were seen to differ.
    let known: BTreeSet<&str> = all().map(|(_, launch)| launch.entry.as_str()).collect();
    let differing: BTreeSet<&str> = all()
        .filter(|(_, launch)| launch.verdict == Verdict::Depends)
        .map(|(_, launch)| launch.entry.as_str())
        .collect();
    for module in [&REDUCE, &MATMUL, &CONTRACTIBLE_FMAD0, &CONTRACTIBLE_FMAD1, &BATCH_NORM] {
        for entry in Module::new(module.ptx).unwrap().entries() {
            assert!(known.contains(entry), "{entry} was not launched");
            let adds = entry.contains("atomic") && !entry.contains("finish");
            assert_eq!(differing.contains(entry), adds, "{entry}");
        }
    }
}

#[test]
fn it_is_told_in_one_remark() {
    let workload = &workloads()[0];
    let certificate = |name: &str| {
        let way = workload.operation.algorithms().iter().find(|way| way.name == name).unwrap();
        certificate(way, workload)
    };
    let (tree, atomic) = (certificate("fixed_tree"), certificate("atomic_block"));
    assert_eq!(tree.beside(false), "certificate: independent of the schedule");
    assert!(tree.beside(true).contains("an error of this program"));
    let told = atomic.beside(true);
    let begin = "certificate: none, depends on the schedule: atom.global.add.f32 at reduce.ptx:";
    assert!(told.starts_with(begin) && told.contains("(kernels/reduce.cu:"), "{told}");
}
