//! The ladder on real devices: every rung over all operations, on ordinary and odd shapes.
//!
//! Nothing here depends on a race being lost: what must differ has another plan, or another schedule of a
//! simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;

use samebits::guarantee::Guarantee;
use samebits::measurement::Measurement;
use samebits::operation::instructions::Instructions;
use samebits::perturbation::Perturbation;
use samebits::tensor::Dtype;
use samebits::verdict::Verdict;

use crate::interruptions::{has_rows, ids};
use crate::place::{Place, workload};

/// All but repetition goes to the top.
const RUNGS: &str = "repeat,load,schedule,launch,batch,reload";
/// The longest sum: others than one multiprocessor share it.
const LONG: &str = "sum-70001";

/// The TOML of a workload of some operation.
fn of(operation: &str, name: &str, shape: &str, dtype: &str) -> String {
    let reduce = workload(name, shape);
    reduce.replace("reduce", operation).replace("f32", dtype)
}

/// Climbs the whole ladder with the workloads of `text`.
fn climb(device: &str, text: &str, executions: u64) -> Vec<Measurement> {
    let place = Place::new();
    place.write("own.toml", text);
    place.done(&format!(
        "run --device {device} --workloads own.toml --perturb {RUNGS} --executions {executions} --no-timing \
         --quiet --out mine"
    ));
    let rows = place.rows("mine");
    check_claims(device, &rows);
    check_columns(device, &rows, executions);
    rows
}

/// Nothing failed, no claim is broken, and every claim was put to the test on every rung that it covers.
fn check_claims(device: &str, rows: &[Measurement]) {
    let mut tried: BTreeMap<_, BTreeSet<Perturbation>> = BTreeMap::new();
    for row in rows {
        assert_ne!(row.verdict, Verdict::Failed, "{row:?}");
        assert!(!row.breaks_claim(), "{row:?}");
        if row.gap().is_some() {
            continue;
        }
        let claims = (row.guarantee, row.batch_invariant);
        let tried = tried.entry((&row.workload, &row.algorithm, &row.setting, claims)).or_default();
        if row.claims() && row.verdict == Verdict::Same {
            tried.insert(row.perturbation);
        }
    }
    for ((workload, algorithm, setting, (guarantee, invariant)), tried) in tried {
        let other = if device == "cpu" { Perturbation::Load } else { Perturbation::Schedule };
        let of_runs = [
            Perturbation::Repeat,
            other,
            Perturbation::ReloadAllocation,
            Perturbation::ReloadProcess,
            Perturbation::ReloadCheckpoint,
        ];
        let mut claimed = BTreeSet::new();
        claimed.extend(of_runs.into_iter().filter(|_| guarantee >= Guarantee::RunToRun));
        claimed.extend((guarantee >= Guarantee::GpuToGpu).then_some(Perturbation::Launch));
        claimed.extend((invariant && (device == "cpu" || workload != LONG)).then_some(Perturbation::Batch));
        let missing: Vec<_> = claimed.difference(&tried).collect();
        assert!(missing.is_empty(), "{workload} {algorithm} {setting}: not seen to hold under {missing:?}");
    }
}

/// What variants of a perturbation begin with.
fn kinds_of_variants(device: &str, perturbation: Perturbation) -> &'static [&'static str] {
    match (perturbation, device) {
        (Perturbation::Launch, "cpu") => &["sm=", "threads="],
        (Perturbation::Launch, _) => &["sm=", "grid="],
        (Perturbation::Batch, _) => &["batch="],
        (Perturbation::ReloadAllocation, "cpu") => &["copy="],
        (Perturbation::ReloadAllocation, _) => &["offset="],
        (Perturbation::ReloadRecompile, "sim") => &["nvrtc="],
        _ => &[],
    }
}

fn check_columns(device: &str, rows: &[Measurement], executions: u64) {
    let ids: BTreeSet<_> = rows.iter().map(|row| &row.row_id).collect();
    assert_eq!(ids.len(), rows.len(), "each row is there once");
    let mut digests: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    let mut kinds: BTreeMap<Perturbation, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        assert_eq!(row.row_id, row.id());
        let untimed = (row.samples, row.median_ns, row.ci95_low_ns, row.ci95_high_ns, row.hot_median_ns);
        assert_eq!(untimed, (None, None, None, None, None), "{row:?}");
        assert!(row.throughput.is_none() && row.throughput_unit.is_empty(), "{row:?}");
        assert!(row.percent_of_limit.is_none() && row.throttled.is_none(), "{row:?}");
        if row.gap().is_some() {
            continue;
        }
        if !row.is_observed() {
            check_skipped(device, row);
            continue;
        }
        let known = kinds_of_variants(device, row.perturbation);
        let kind = known.iter().find(|kind| row.variant.starts_with(**kind));
        assert_eq!(kind.is_some(), !row.variant.is_empty(), "{row:?}");
        kinds.entry(row.perturbation).or_default().extend(kind);
        if row.perturbation.starts_processes() {
            assert_eq!(row.comparisons, Some(executions - 1), "{row:?}");
        }
        // On the CPU the order of atomics is the threads', from the first execution on.
        if device == "sim" || row.guarantee >= Guarantee::RunToRun {
            digests.entry((&row.workload, &row.algorithm, &row.setting)).or_default().insert(&row.digest);
        }
    }
    for (perturbation, seen) in kinds {
        let known: BTreeSet<_> = kinds_of_variants(device, perturbation).iter().copied().collect();
        assert_eq!(seen, known, "{perturbation}");
    }
    for (way, digests) in digests {
        assert!(digests.len() == 1 && !digests.contains(""), "{way:?}: {digests:?}");
    }
}

/// What is skipped says why, and only what may be is.
fn check_skipped(device: &str, row: &Measurement) {
    let no_meaning = match device {
        "cpu" => [Perturbation::Schedule, Perturbation::ReloadModule, Perturbation::ReloadContext].as_slice(),
        _ => &[Perturbation::Load, Perturbation::ReloadModule, Perturbation::ReloadContext],
    };
    let said = match row.perturbation {
        Perturbation::ReloadRecompile if device == "sim" => "SAMEBITS_NVRTC".to_owned(),
        Perturbation::ReloadRecompile => format!("reload:recompile has no meaning on {device}"),
        // A single row is a batch of its own; a simulation takes no larger one of it.
        Perturbation::Batch if row.workload == LONG => "no other batch is small enough".to_owned(),
        Perturbation::Batch => "training normalises over the whole batch".to_owned(),
        perturbation => {
            assert!(no_meaning.contains(&perturbation), "{row:?}");
            format!("{perturbation} has no meaning on {device}")
        }
    };
    assert!(row.note.contains(&said), "{said:?} is not in {}", row.note);
    assert_eq!((row.variant.as_str(), row.comparisons, row.digest.as_str()), ("", None, ""), "{row:?}");
}

/// Every reload that has no meaning is there as a skipped row.
fn check_reloads(rows: &[Measurement]) {
    for perturbation in [Perturbation::ReloadModule, Perturbation::ReloadContext] {
        let mut of = rows.iter().filter(|row| row.perturbation == perturbation).peekable();
        assert!(of.peek().is_some() && of.all(|row| row.verdict == Verdict::Skipped), "{perturbation}");
    }
    assert!(rows.iter().any(|row| row.perturbation == Perturbation::ReloadRecompile));
}

/// Whatever instructions execute them, what claims its bits keeps them; and what is not contracted has others.
fn check_settings_of_a_cpu(rows: &[Measurement]) {
    let kind = |kind: &str| rows.iter().filter(|row| row.gap().is_some_and(|gap| gap.kind == kind)).collect();
    let dispatched: Vec<&Measurement> = kind("dispatch");
    assert!(dispatched.iter().all(|row| row.verdict == Verdict::Same), "{dispatched:?}");
    let told = |row: &Measurement| {
        let setting = row.setting.split(';').find(|setting| setting.starts_with("isa="));
        (
            row.workload.clone(),
            row.algorithm.clone(),
            row.gap().unwrap().against.to_owned(),
            setting.unwrap().to_owned(),
        )
    };
    let seen: BTreeSet<_> = dispatched.iter().map(|row| told(row)).collect();
    assert_eq!(seen.len(), dispatched.len());
    let claims = rows.iter().filter(|row| {
        row.perturbation == Perturbation::Repeat
            && row.gap().is_none()
            && row.guarantee >= Guarantee::RunToRun
    });
    let others = Instructions::others().count();
    assert_eq!(dispatched.len(), claims.count() * others);
    let compiled: Vec<&Measurement> = kind("compile");
    assert!(compiled.iter().all(|row| row.algorithm == "contractible"), "{compiled:?}");
    for row in compiled {
        // The product of two f16 is an f32 as it is: rounding it by itself changes nothing.
        let changes = if row.dtype == Dtype::F32 { Verdict::Differs } else { Verdict::Same };
        assert_eq!(row.verdict, changes, "{row:?}");
    }
}

/// The verdicts of an algorithm on the long sum under launches of one kind.
fn launches(rows: &[Measurement], algorithm: &str, kind: &str) -> BTreeSet<&'static str> {
    let wanted = rows.iter().filter(|row| {
        row.workload == LONG
            && row.algorithm == algorithm
            && row.perturbation == Perturbation::Launch
            && row.variant.starts_with(kind)
    });
    wanted.map(|row| row.verdict.name()).collect()
}

/// Sums whose plan follows the GPU have other bits where the plan is that for another GPU.
fn check_plans(rows: &[Measurement]) {
    for algorithm in ["two_pass", "ticket"] {
        assert!(launches(rows, algorithm, "sm=").contains("differs"), "{algorithm}");
    }
    assert_eq!(launches(rows, "fixed_tree", "sm="), BTreeSet::from(["same"]));
}

fn sums() -> String {
    of("reduce", "rows-9x5003", "r=9;c=5003", "f16") + &of("reduce", LONG, "n=70001", "f32")
}

fn products() -> String {
    of("matmul", "product", "m=33;n=70;k=1100", "f32")
        + &of("matmul", "transposed", "m=17;n=9;k=523;ta=1;tb=1", "f16")
}

/// The same for a simulation, which takes longer.
fn small_products() -> String {
    of("matmul", "product", "m=5;n=9;k=140", "f32")
        + &of("matmul", "transposed", "m=3;n=7;k=61;ta=1;tb=1", "f16")
}

fn norms() -> String {
    of("batch_norm", "norm", "n=3;c=4;h=5;w=7", "f32")
        + &of("batch_norm", "norm-f16", "n=2;c=3;h=1;w=5", "f16")
}

#[test]
fn sums_keep_their_claims_on_every_rung_of_a_cpu() {
    let rows = climb("cpu", &sums(), 3);
    check_settings_of_a_cpu(&rows);
    check_plans(&rows);
    check_reloads(&rows);
    for algorithm in ["two_pass", "ticket", "fixed_tree"] {
        assert_eq!(launches(&rows, algorithm, "threads="), BTreeSet::from(["same"]), "{algorithm}");
    }
}

#[test]
fn sums_keep_their_claims_on_every_rung_of_a_simulation() {
    let rows = climb("sim", &sums(), 3);
    check_plans(&rows);
    check_reloads(&rows);
    for algorithm in ["two_pass", "ticket", "fixed_tree"] {
        assert_eq!(launches(&rows, algorithm, "grid="), BTreeSet::from(["same"]), "{algorithm}");
    }
    for algorithm in ["atomic_block", "atomic_element"] {
        let moved = rows.iter().find(|row| {
            row.workload == LONG && row.algorithm == algorithm && row.perturbation == Perturbation::Schedule
        });
        assert_eq!(moved.unwrap().verdict, Verdict::Differs, "{algorithm}");
    }
}

#[test]
fn products_and_norms_keep_their_claims_on_every_rung() {
    check_settings_of_a_cpu(&climb("cpu", &(products() + &norms()), 3));
    climb("sim", &(small_products() + &norms()), 3);
}

#[test]
fn rows_of_new_processes_count_processes() {
    let rows = climb("cpu", &of("reduce", "small", "r=5;c=70", "f32"), 5);
    let of_processes = rows.iter().filter(|row| row.perturbation == Perturbation::ReloadProcess);
    let comparisons: Vec<_> = of_processes.map(|row| row.comparisons).collect();
    assert_eq!(comparisons, [Some(4); 5]);
}

#[test]
fn a_killed_climb_goes_on_to_the_rows_of_one_that_was_not() {
    let place = Place::new();
    let text: String = (0..5).map(|i| workload(&format!("rows-{i}"), "r=3;c=1000")).collect();
    place.write("own.toml", text + &of("batch_norm", "norm", "n=2;c=3;h=3;w=5", "f32"));
    let flags = format!(
        "run --device cpu --no-timing --workloads own.toml --perturb {RUNGS} --executions 3 \
         --filter fixed_tree|two_pass|norm"
    );
    place.done(&format!("{flags} --out whole"));
    let whole = ids(&place, "whole");

    let mut child = place.start(&format!("{flags} --out mine"));
    child.wait_for(|| has_rows(&place, "mine"));
    child.kill();
    // It may have been faster than the kill.
    let ended = child.ended();
    assert!(ended.signal() == Some(9) || ended.code() == Some(0), "{}", place.read("stderr"));
    place.done(&format!("{flags} --resume mine"));
    assert_eq!(ids(&place, "mine"), whole);

    // As a kill leaves it that comes among the values of one perturbation, or in the middle of a row.
    let bytes = std::fs::read(place.path("whole/measurements.csv")).unwrap();
    for (results, end) in [("third", bytes.len() / 3), ("most", bytes.len() - 700)] {
        std::fs::create_dir(place.path(results)).unwrap();
        place.write(&format!("{results}/environment.json"), place.read("whole/environment.json"));
        place.write(&format!("{results}/measurements.csv"), &bytes[..end]);
        place.done(&format!("{flags} --resume {results}"));
        assert_eq!(ids(&place, results), whole, "{results}");
    }
    let stdout = place.done(&format!("{flags} --resume mine")).stdout;
    assert!(stdout.contains("nothing is left to measure"), "{stdout}");
}
