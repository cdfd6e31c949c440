//! What a simulation's seeds replay, and what it cannot do.

use samebits::guarantee::Guarantee;
use samebits::measurement::Measurement;
use samebits::perturbation::Perturbation;
use samebits::verdict::Verdict;

use crate::place::{Place, workload};

/// Rows whose order of additions shows, of a size that takes no time.
const ROWS: &str = "r=2;c=9001";

fn place() -> Place {
    let place = Place::new();
    place.write("own.toml", workload("rows", ROWS));
    place
}

/// `run` on the workload of [`place`].
fn run(device: &str, flags: &str) -> String {
    format!("run --device {device} --workloads own.toml --executions 9 {flags}")
}

#[test]
fn claims_hold_under_every_schedule_and_atomics_differ() {
    let place = place();
    let ended = place.done(&run("sim", "--out mine"));
    assert!(ended.stdout.contains("sim · simulated GPU"), "{ended:?}");
    for untold in ["tax", "GB/s", "price"] {
        assert!(!ended.stdout.contains(untold), "there is no time: {ended:?}");
    }
    assert!(ended.stdout.contains("schedule: warps, blocks and lanes"), "{ended:?}");
    let rows = place.rows("mine");
    assert_eq!(rows.len(), 5 * 2);
    for row in &rows {
        let is_free = row.guarantee == Guarantee::NotGuaranteed;
        let differs = is_free && row.perturbation == Perturbation::Schedule;
        assert_eq!(row.verdict, if differs { Verdict::Differs } else { Verdict::Same }, "{row:?}");
        let remarks: Vec<_> = row.note.split("; ").collect();
        let instructions = remarks.iter().find_map(|remark| remark.strip_suffix(" thread instructions"));
        assert!(instructions.unwrap().parse::<u64>().unwrap() > 9000, "{}", row.note);
        assert_eq!(remarks.iter().any(|remark| remark.contains("seeds 0 and ")), differs, "{}", row.note);
        let certificate = remarks.iter().find_map(|remark| remark.strip_prefix("certificate: "));
        assert_eq!(certificate.is_some(), row.perturbation == Perturbation::Schedule, "{}", row.note);
        if let Some(certificate) = certificate {
            let depends = certificate.starts_with("none, depends on the schedule: ")
                && certificate.contains(".global.add.f32 at reduce.ptx:")
                && certificate.contains("added in any order");
            let right = if is_free { depends } else { certificate == "independent of the schedule" };
            assert!(right, "{}", row.note);
        }
        assert_eq!(row.has_remark("no power"), row.perturbation == Perturbation::Repeat, "{}", row.note);
        assert_eq!((row.samples, row.median_ns, row.throughput), (None, None, None), "{row:?}");
        assert_eq!((row.clock_mhz, row.throughput_unit.as_str()), (None, ""), "{row:?}");
    }
    let samples = place.read("mine/samples.jsonl");
    assert!(samples.lines().all(|line| line.contains("\"samples_ns\":[]")), "{samples}");
}

/// Rows as far as they do not tell when and in which folder they were measured.
fn told(rows: Vec<Measurement>) -> Vec<Measurement> {
    let nameless = |row| Measurement { run_id: String::new(), timestamp: String::new(), ..row };
    rows.into_iter().map(nameless).collect()
}

#[test]
fn a_run_replays_exactly_whatever_the_number_of_threads() {
    let place = place();
    let threads = |count| [("RAYON_NUM_THREADS", count)];
    for (name, count) in [("first", "1"), ("again", "1"), ("wide", "5")] {
        let line = run("sim", &format!("--out {name}"));
        assert_eq!(place.run_in(&place.path(""), &line, &threads(count)).code, 0);
    }
    let [first, again, mut wide] = ["first", "again", "wide"].map(|name| told(place.rows(name)));
    assert_eq!(first, again);
    for (row, other) in wide.iter_mut().zip(&first) {
        assert!(row.device_kind.contains("5 CPU threads"), "{}", row.device_kind);
        row.device_kind.clone_from(&other.device_kind);
        row.environment.clone_from(&other.environment);
    }
    assert_eq!(first, wide);
}

#[test]
fn a_shape_that_no_memory_holds_is_skipped_before_it_is_estimated() {
    let place = Place::new();
    let shapes = ["n=35184372088832", "r=140737488355328;c=1"];
    place.write("own.toml", shapes.map(|shape| workload(shape, shape)).concat());
    place.done(&run("sim", "--out mine"));
    let rows = place.rows("mine");
    assert_eq!(rows.len(), 2 * 5 * 2);
    for row in rows {
        assert_eq!(row.verdict, Verdict::Skipped);
        assert!(row.note.starts_with("memory: needs ") || row.note.starts_with("work: "), "{}", row.note);
    }
}

#[test]
fn what_has_no_meaning_on_a_device_is_skipped_where_it_is_asked_for() {
    let place = place();
    for (device, asked, meaningless) in
        [("sim", "repeat,load", "load"), ("cpu", "repeat,schedule", "schedule")]
    {
        let flags = format!("--filter fixed_tree --no-timing --perturb {asked} --out {device}");
        place.done(&run(device, &flags));
        for row in place.rows(device) {
            let is_meaningless = row.perturbation.name() == meaningless;
            assert_eq!(row.verdict, if is_meaningless { Verdict::Skipped } else { Verdict::Same }, "{row:?}");
            assert_eq!(row.note.contains(device), is_meaningless, "{}", row.note);
        }
    }
}

#[test]
fn gaps_are_measured_on_sim_too() {
    let place = Place::new();
    let layer = workload("layer", "n=2;c=2;h=3;w=5").replace("reduce", "batch_norm");
    place.write("own.toml", layer);
    place.done(&run("sim", "--out on-sim"));
    place.done(&run("cpu", "--no-timing --out on-cpu"));
    let gaps = |name: &str| -> Vec<_> {
        let rows = place.rows(name).into_iter().filter(|row| row.gap().is_some());
        rows.map(|row| (row.setting.clone(), row.verdict, row.v_c, row.max_ulp)).collect()
    };
    assert_eq!(gaps("on-sim").len(), 3);
    assert_eq!(gaps("on-sim"), gaps("on-cpu"));
}

#[test]
fn verify_compares_kernels_with_their_twins() {
    let place = Place::new();
    let ended = place.done("verify --device sim --out checks --budget 60s --part 1/60");
    assert!(ended.stdout.starts_with("verified on sim (") && ended.stdout.contains(" 0 failed"), "{ended:?}");
    let text = place.read("checks");
    assert!(text.contains("twin: same bits") && text.lines().count() > 3, "{text}");
}

#[test]
fn a_peer_is_refused_beside_it_and_auto_never_takes_it() {
    let place = place();
    place.refuses(&run("sim", "--peer numpy"), &["--peer numpy", "--device cpu"]);
    let ended = place.done(&run("auto", "--filter fixed_tree --no-timing --format csv --out mine"));
    assert!(place.rows("mine").iter().all(|row| row.device != "sim"), "{ended:?}");
}
