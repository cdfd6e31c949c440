//! Rows for tests: a run on a device that does not exist, with made-up numbers.

use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::operation::Operation;
use crate::operation::reduce::Reduce;
use crate::perturbation::Perturbation;
use crate::statistics::p_upper_95;
use crate::suite::blank_row;
use crate::verdict::Verdict;
use crate::workload::{Shape, built_in};

/// A skipped row of `reduce` that the functions below change into what a test needs.
pub fn row(algorithm: &str, guarantee: Guarantee, perturbation: Perturbation) -> Measurement {
    let workload = &built_in().unwrap()[0];
    Measurement {
        run_id: "run".to_owned(),
        device_kind: "Made-up CPU, 8 cores".to_owned(),
        algorithm: algorithm.to_owned(),
        guarantee,
        batch_invariant: false,
        // A name that shells and regular expressions misread unless it is quoted.
        workload: "sum-2^24-f32-wide".to_owned(),
        seed: 7,
        ..blank_row("cpu", workload, &Reduce.algorithms()[0], perturbation)
    }
}

/// Makes `row` one of executions of which `differing` of 31 later ones differed, by up to `ulp`.
pub fn observe(row: &mut Measurement, differing: u64, ulp: u64) {
    row.verdict = if differing == 0 { Verdict::Same } else { Verdict::Differs };
    row.comparisons = Some(31);
    row.differing = Some(differing);
    row.distinct = Some(differing.min(17) + 1);
    row.p_upper_95 = Some(p_upper_95(differing, 31));
    row.max_ulp = Some(ulp);
    row.v_c = Some(if differing == 0 { 0.0 } else { 1.0 });
    row.worst_output = "sum".to_owned();
    row.first_difference = (differing > 0).then_some(0);
}

/// Gives `row` a time.
pub fn time(row: &mut Measurement, ns: u64) {
    row.samples = Some(40);
    row.median_ns = Some(ns);
    row.ci95_low_ns = Some(ns - ns / 100);
    row.ci95_high_ns = Some(ns + ns / 50);
    let elements = Shape::parse(&row.shape).ok().and_then(|shape| shape.elements()).unwrap_or(0);
    let throughput = 4.0 * elements as f64 / ns as f64;
    row.throughput = Some(throughput);
    row.throughput_unit = "GB/s".to_owned();
    row.percent_of_limit = Some(throughput / 0.18);
}

/// An algorithm of a run: repeat and load rows.
pub fn pair(name: &str, guarantee: Guarantee, differing: [u64; 2], ns: u64) -> Vec<Measurement> {
    let pairs = Perturbation::OF_HARDWARE.into_iter().zip(differing);
    pairs
        .map(|(perturbation, differing)| {
            let mut row = row(name, guarantee, perturbation);
            observe(&mut row, differing, 3 * differing);
            if perturbation == Perturbation::Repeat {
                time(&mut row, ns);
            }
            row
        })
        .collect()
}

/// A run as it usually goes: the contended algorithm is skipped on the large workload, and measured
/// on a smaller one.
pub fn typical() -> Vec<Measurement> {
    let mut rows = Vec::new();
    let mut contended = Vec::new();
    for (name, guarantee, differing, ns) in [
        ("atomic_element", Guarantee::NotGuaranteed, [31, 31], 0),
        ("atomic_block", Guarantee::NotGuaranteed, [0, 17], 4_700_000),
        ("fixed_tree", Guarantee::GpuToGpu, [0, 0], 4_650_000),
        ("ticket", Guarantee::RunToRun, [0, 0], 4_510_000),
        ("two_pass", Guarantee::RunToRun, [0, 0], 4_600_000),
    ] {
        let small_ns = if ns == 0 { 900_000 } else { ns / 64 };
        contended.extend(on(pair(name, guarantee, differing, small_ns), "sum-2^18-f32-wide", "n=262144"));
        if ns == 0 {
            for perturbation in Perturbation::OF_HARDWARE {
                let mut row = row(name, guarantee, perturbation);
                row.remark("contended: more than 262144 elements take too long in profile quick");
                rows.push(row);
            }
        } else {
            rows.extend(pair(name, guarantee, differing, ns));
        }
    }
    rows.extend(contended);
    rows
}

/// Moves `rows` to another workload.
pub fn on(mut rows: Vec<Measurement>, workload: &str, shape: &str) -> Vec<Measurement> {
    for row in &mut rows {
        workload.clone_into(&mut row.workload);
        shape.clone_into(&mut row.shape);
        if let Some(ns) = row.median_ns {
            time(row, ns);
        }
    }
    rows
}

/// Moves `rows` to another device.
pub fn at(mut rows: Vec<Measurement>, device: &str, kind: &str) -> Vec<Measurement> {
    for row in &mut rows {
        device.clone_into(&mut row.device);
        kind.clone_into(&mut row.device_kind);
    }
    rows
}

/// Moves `rows` to another engine, which claims nothing.
pub fn by(mut rows: Vec<Measurement>, engine: &str, setting: &str) -> Vec<Measurement> {
    for row in &mut rows {
        engine.clone_into(&mut row.engine);
        setting.clone_into(&mut row.setting);
        row.guarantee = Guarantee::NotGuaranteed;
    }
    rows
}

/// A row that holds the gap between `algorithm` and `against`: a share of elements, their mean relative
/// difference and the largest distance.
pub fn gap(kind: &str, algorithm: &str, against: &str, found: (f64, f64, u64)) -> Measurement {
    let mut row = row(algorithm, Guarantee::NotGuaranteed, Perturbation::Repeat);
    row.setting = format!("gap={kind};against={against}");
    let (share, relative, ulp) = found;
    let differs = share > 0.0;
    row.verdict = if differs { Verdict::Differs } else { Verdict::Same };
    (row.comparisons, row.differing) = (Some(1), Some(u64::from(differs)));
    (row.v_c, row.v_ermv, row.max_ulp) = (Some(share), Some(relative), Some(ulp));
    row.worst_output = "sum".to_owned();
    row.first_difference = differs.then_some(0);
    row
}

/// Gaps of three kinds on the problem that is shown, and one on another.
pub fn gaps() -> Vec<Measurement> {
    let mut skipped = gap("rounding", "atomic_element", "reference", (0.0, 0.0, 0));
    (skipped.verdict, skipped.v_c, skipped.v_ermv, skipped.max_ulp) = (Verdict::Skipped, None, None, None);
    skipped.remark("atomic_element was skipped or failed");
    let mut rows = vec![
        gap("semantic", "fixed_tree", "mean", (1.0, 0.31, 1_200_000_000)),
        gap("algorithm", "fixed_tree", "ticket", (0.123, 1.1e-8, 2)),
        gap("rounding", "fixed_tree", "reference", (0.0, 0.0, 0)),
        skipped,
    ];
    rows.extend(on(vec![gap("algorithm", "two_pass", "ticket", (0.5, 1e-7, 9))], "other", "n=4096"));
    rows
}

/// `row` once for each of `variants`, as the engine keeps them: a digest of the undisturbed execution in each.
pub fn variants(row: &Measurement, variants: &[&str]) -> Vec<Measurement> {
    let of = |variant: &&str| Measurement { variant: (*variant).to_owned(), ..row.clone() };
    variants.iter().map(of).collect()
}

/// A run under the whole ladder: the variants of launch, batch and allocation, a device that cannot load its
/// modules again, one algorithm that varies, one whose bits follow the launch, and one that follows nothing.
pub fn ladder() -> Vec<Measurement> {
    let mut rows = Vec::new();
    for (name, guarantee, batch_invariant, ns) in [
        ("atomic_block", Guarantee::NotGuaranteed, false, 4_700_000),
        ("fixed_tree", Guarantee::GpuToGpu, true, 4_650_000),
        ("ticket", Guarantee::RunToRun, false, 4_510_000),
    ] {
        for perturbation in Perturbation::ALL {
            let mut row = Measurement { batch_invariant, ..row(name, guarantee, perturbation) };
            if perturbation == Perturbation::ReloadModule {
                row.remark("no kernels are loaded here (about 3 of them)");
                rows.push(row);
                continue;
            }
            let differing = match (guarantee, perturbation) {
                (Guarantee::NotGuaranteed, Perturbation::Repeat) => 0,
                (Guarantee::NotGuaranteed, _) => 17,
                (Guarantee::RunToRun, Perturbation::Launch | Perturbation::Batch) => 31,
                _ => 0,
            };
            observe(&mut row, differing, 3 * differing);
            row.digest = format!("{name}-digest");
            match perturbation {
                Perturbation::Repeat => {
                    time(&mut row, ns);
                    rows.push(row);
                }
                Perturbation::Launch => {
                    rows.extend(variants(&row, &["sm=7", "grid=3;block=64", "threads=3"]))
                }
                Perturbation::Batch => {
                    rows.extend(variants(&row, &["batch=129;first=17", "batch=1;first=0"]));
                }
                Perturbation::ReloadAllocation => rows.extend(variants(&row, &["offset=4", "offset=64"])),
                _ => rows.push(row),
            }
        }
    }
    rows
}

/// The row of `rows` that `algorithm` has under `perturbation`, of the first variant.
pub fn under<'a>(
    rows: &'a mut [Measurement],
    algorithm: &str,
    perturbation: Perturbation,
) -> &'a mut Measurement {
    let is_it = |row: &&mut Measurement| row.algorithm == algorithm && row.perturbation == perturbation;
    rows.iter_mut().find(is_it).unwrap()
}
