//! The program's own speed against yardsticks of the same run: the fixed tree against the read bandwidth,
//! digest and divergence against a memory copy; products for `scripts/peers/numpy_ratios.py`; the simulated
//! GPU in thread instructions; `samebits diff` on files in the page cache against the read bandwidth; `samebits
//! compare` of many rows; `samebits causes` with one seed; `samebits explore`.
//!
//! `cargo bench --features self-bench --bench self_speed`

#![expect(clippy::expect_used, reason = "a bench for developers: nothing here depends on a user's input")]

use std::cell::Cell;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use safetensors::tensor::TensorView;
use samebits::causes::measure::{Bench, Length, Other};
use samebits::causes::resume;
use samebits::causes::table::Place;
use samebits::checkpoint::Checkpoint;
use samebits::device::cpu::Cpu;
use samebits::device::plan::REDUCE;
use samebits::device::sim::Sim;
use samebits::device::{Cache, Device, Problem, Simulation};
use samebits::diff::diff;
use samebits::digest::{Hasher, digest, digest_of_bytes};
use samebits::divergence::divergence_and_digest;
use samebits::explore::explore;
use samebits::explore::plan::Given;
use samebits::explore::schedules::Subject;
use samebits::guarantee::Guarantee;
use samebits::input::{Distribution, generate};
use samebits::measurement::{Seen, Writer, read_distinct};
use samebits::operation::matmul::{Matmul, reference, shape::Extents};
use samebits::operation::{Operation, reduce::Reduce};
use samebits::perturbation::Perturbation;
use samebits::poison::Poison;
use samebits::report::compare::choice::{Choice, Surroundings};
use samebits::report::compare::model::Comparison;
use samebits::report::compare::{csv, json, terminal};
use samebits::report::html::{self, beside::Beside};
use samebits::simt::Module;
use samebits::suite::blank_row;
use samebits::tensor::{Data, Dtype, Tensor};
use samebits::train::digits::Digits;
use samebits::train::optimizer::Optimizer;
use samebits::train::trainer::{Settings, Trainer};
use samebits::verdict::Verdict;
use samebits::workload::Workload;

const ELEMENTS: usize = 1 << 26;

fn workload() -> Workload {
    workload_of(ELEMENTS)
}

fn workload_of(elements: usize) -> Workload {
    let shape = Reduce.shape(&format!("n={elements}")).expect("a valid shape");
    Workload { seed: 1, ..Workload::new("self", &Reduce, shape, Dtype::F32, Distribution::Normal) }
}

fn inputs(workload: &Workload) -> Vec<Tensor> {
    generate(&Reduce.inputs(workload), workload.input, workload.seed)
}

/// `fixed_tree` of 2^26 f32 beside the probe that reads the same bytes, with one thread and with all.
fn fixed_tree(criterion: &mut Criterion) {
    let workload = workload();
    let problem = Arc::new(Problem { inputs: inputs(&workload), workload });
    let all = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    for threads in [1, all] {
        let cpu = Cpu::with_threads(threads).expect("threads");
        let staged = cpu.stage(Arc::clone(&problem)).expect("staged");
        let algorithm = Reduce.algorithms().iter().find(|a| a.name == "fixed_tree").expect("in the table");
        let mut group = criterion.benchmark_group(format!("fixed_tree 2^26 f32, {threads} threads"));
        group.throughput(Throughput::Bytes(4 * ELEMENTS as u64));
        let mut probe = staged.probe(Reduce.work(&problem.workload)).expect("probe").prepared;
        group.bench_function("read", |b| b.iter_custom(|n| probe.time(n, Cache::Hot).expect("time")));
        let mut tree = staged.prepare(algorithm).expect("prepared");
        group.bench_function("fixed_tree", |b| b.iter_custom(|n| tree.time(n, Cache::Hot).expect("time")));
    }
}

/// What an execution's outputs are put through: the first's digest, then that of a later one together
/// with how it differs.
fn compare(a: &Tensor, b: &Tensor) {
    let mut hasher = Hasher::new();
    let divergence = divergence_and_digest(a, b, &mut hasher);
    black_box((digest([a]), hasher.finish(), divergence));
}

/// Digests and divergence of two buffers of 256 MiB that differ everywhere, beside copying one.
fn digest_and_divergence(criterion: &mut Criterion) {
    let a = inputs(&workload()).remove(0);
    let mut b = a.clone();
    let mut group = criterion.benchmark_group("two buffers of 256 MiB");
    group.throughput(Throughput::Bytes(2 * 4 * ELEMENTS as u64));
    if let Data::F32(values) = &mut b.data {
        values.iter_mut().for_each(|value| *value = f32::from_bits(value.to_bits() ^ 1));
    }
    group.bench_function("digest and divergence, all elements differ", |bencher| {
        bencher.iter(|| compare(&a, &b));
    });
    if let (Data::F32(a), Data::F32(b)) = (&a.data, &mut b.data) {
        let restored = a.iter().zip(b).enumerate().filter(|(index, _)| !index.is_multiple_of(1000));
        restored.for_each(|(_, (a, b))| *b = *a);
    }
    group.bench_function("digest and divergence, one in a thousand differs", |bencher| {
        bencher.iter(|| compare(&a, &b));
    });
    group.throughput(Throughput::Bytes(4 * ELEMENTS as u64));
    group.bench_function("memcpy of one", |bencher| {
        bencher.iter(|| black_box(&mut b).bytes_mut().copy_from_slice(black_box(&a).bytes()));
    });
}

/// The reference's f64 product, alone and with the magnitudes that bounds need, and the twin of `tiled`, on
/// all cores.
fn products(criterion: &mut Criterion) {
    let cpu = Cpu::new().expect("threads");
    for size in [1024, 2048] {
        let shape = Matmul.shape(&format!("m={size};n={size};k={size}")).expect("a valid shape");
        let extents = Extents::of(&shape);
        let workload = Workload::new("self", &Matmul, shape, Dtype::F32, Distribution::Normal);
        let inputs = generate(&Matmul.inputs(&workload), workload.input, workload.seed);
        let wide = |x: &Tensor| (0..x.len()).map(|index| x.value(index)).collect::<Vec<f64>>();
        let (a, b) = (wide(&inputs[0]), wide(&inputs[1]));
        let problem = Arc::new(Problem { inputs, workload });
        let mut group = criterion.benchmark_group(format!("matmul {size}"));
        group.throughput(Throughput::Elements(extents.flops()));
        group.bench_function("reference f64", |bencher| {
            bencher.iter(|| reference::multiply_f64(&extents, &a, &b));
        });
        group.bench_function("reference f64 and magnitudes", |bencher| {
            bencher.iter(|| Matmul.reference(&problem.workload, &problem.inputs));
        });
        let algorithm = Matmul.algorithms().iter().find(|a| a.name == "tiled").expect("in the table");
        let staged = cpu.stage(Arc::clone(&problem)).expect("staged");
        let mut twin = staged.prepare(algorithm).expect("prepared");
        group.bench_function("tiled f32", |b| b.iter_custom(|n| twin.time(n, Cache::Hot).expect("time")));
    }
}

/// The simulated GPU on one core, in thread instructions: f32 `tiled`, whose kernel is mostly products, and
/// `fixed_tree`, which is mostly loads.
fn simulation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("simulated GPU, thread instructions");
    let cases: [(&'static dyn Operation, &str, &str); 2] =
        [(&Matmul, "tiled", "m=128;n=128;k=256"), (&Reduce, "fixed_tree", "n=262144")];
    for (operation, name, shape) in cases {
        let shape = operation.shape(shape).expect("a valid shape");
        let workload =
            Workload { seed: 1, ..Workload::new("self", operation, shape, Dtype::F32, Distribution::Wide) };
        let inputs = generate(&operation.inputs(&workload), workload.input, workload.seed);
        let device = Sim::new(u64::MAX);
        let staged = device.stage(Arc::new(Problem { workload, inputs })).expect("staged");
        let algorithm = operation.algorithms().iter().find(|a| a.name == name).expect("in the table");
        let mut prepared = staged.prepare(algorithm).expect("prepared");
        device.set_schedule(1);
        device.take_instructions();
        prepared.execute(Poison::of_execution(0)).expect("executed");
        group.throughput(Throughput::Elements(device.take_instructions()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| prepared.execute(Poison::of_execution(0)).expect("executed"));
        });
    }
}

/// `samebits explore` of sums of 65,536 elements: one schedule with races looked for and values followed, on one core, in
/// thread instructions; and 100 schedules with a certificate, on all cores.
fn exploration(criterion: &mut Criterion) {
    let text = REDUCE.ptx;
    let module = Arc::new(Module::new(text).expect("PTX"));
    let mut group = criterion.benchmark_group("explore a sum of 65536");
    let partials = ["in:f32:65536:wide", "out:f32:8", "u64=1", "u64=65536", "u32=8"];
    let ticket = ["in:f32:65536:wide", "out:f32:1", "out:f32:8", "both:u32:1", "u64=1", "u64=65536", "u32=8"];
    let cases: [(&str, &str, &[&str], u64); 3] = [
        ("one watched schedule, thread instructions", "reduce_two_pass_f32", &partials, 1),
        ("100 schedules, two_pass", "reduce_two_pass_f32", &partials, 100),
        ("100 schedules, ticket", "reduce_ticket_f32", &ticket, 100),
    ];
    for (name, entry, arguments, schedules) in cases {
        let argument = |(number, text): (usize, &&str)| {
            Given::parse(text).expect("an argument").argument(number).expect("an argument")
        };
        let arguments: Vec<_> = arguments.iter().enumerate().map(argument).collect();
        let (grid, block, fuel) = ([8, 1, 1], [256, 1, 1], 1 << 30);
        let subject = Subject { module: &module, entry, grid, block, shared: 0, arguments: &arguments, fuel };
        let settings = samebits::explore::Settings::of(schedules);
        let once = || explore(&subject, text, &settings).expect("explored");
        group.throughput(Throughput::Elements(once().instructions));
        group.bench_function(name, |bencher| bencher.iter(once));
    }
    group.finish();
}

/// Two files of `SAMEBITS_DIFF_BYTES` (1 GiB without it) in the page cache, equal and different everywhere:
/// by one unit in the last place, and by everything. In bytes of both files, beside the read bandwidth; and
/// the most memory of its own that the program took (RssAnon of Linux). First as they stay in the page cache when they
/// are written, then as they come there from the disk when `diff` reads them.
fn checkpoints(criterion: &mut Criterion) {
    let bytes = std::env::var("SAMEBITS_DIFF_BYTES").map_or(1 << 30, |text| text.parse().expect("bytes"));
    let read = Cell::new(Duration::MAX);
    let mut group = criterion.benchmark_group("diff of two checkpoints");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    {
        // As much as a file has: what a cache holds would be read faster than any file can be.
        let (workload, cpu) = (workload_of(bytes as usize / 4), Cpu::new().expect("threads"));
        let problem = Arc::new(Problem { inputs: inputs(&workload), workload });
        let staged = cpu.stage(Arc::clone(&problem)).expect("staged");
        let mut probe = staged.probe(Reduce.work(&problem.workload)).expect("probe").prepared;
        group.throughput(Throughput::Bytes(bytes));
        group.bench_function("read", |bencher| {
            bencher.iter_custom(|n| {
                let took = probe.time(n, Cache::Hot).expect("time");
                read.set(read.get().min(took / n as u32));
                took
            });
        });
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let (mut is_written, mut is_read_back) = (false, false);
    group.throughput(Throughput::Bytes(2 * bytes));
    for (name, other, from_disk) in [
        ("as written, different everywhere", "far", false),
        ("equal", "same", true),
        ("1 ulp everywhere", "near", true),
        ("different everywhere", "far", true),
    ] {
        let (best, most) = (Cell::new(Duration::MAX), AtomicU64::new(0));
        // What is left of writing the files is not the comparison's.
        let held = Cell::new(u64::MAX);
        group.bench_function(name, |bencher| {
            if !std::mem::replace(&mut is_written, true) {
                write_checkpoints(folder.path(), bytes as usize / 4);
            }
            if from_disk && !std::mem::replace(&mut is_read_back, true) {
                leave_the_page_cache(folder.path());
            }
            bencher.iter_custom(|n| {
                held.set(held.get().min(own_memory()));
                let start = Instant::now();
                for _ in 0..n {
                    let open = |name: &str| Checkpoint::open(&file(name)).expect("opened");
                    black_box(diff(&open("one"), &open(other), &|_| look(&most)).expect("diff"));
                }
                best.set(best.get().min(start.elapsed() / n as u32));
                start.elapsed()
            });
        });
        if best.get() < Duration::MAX && read.get() < Duration::MAX {
            let speed = |bytes: u64, time: Duration| bytes as f64 / time.as_secs_f64() / 1e9;
            let (ours, limit) = (speed(2 * bytes, best.get()), speed(bytes, read.get()));
            println!(
                "{name}: {ours:.1} GB/s, {:.2} of the read bandwidth {limit:.1} GB/s (best times); own memory {} MiB, of which the bench \
                 held {} MiB before",
                ours / limit,
                most.load(Ordering::Relaxed) >> 20,
                held.get() >> 20
            );
        }
    }
    group.finish();
}

/// Writes all files of a folder to the disk and takes them out of the page cache, where the system lets that be asked.
fn leave_the_page_cache(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let file = std::fs::File::open(entry.expect("an entry").path()).expect("a file");
        file.sync_all().expect("on the disk");
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advice");
    }
}

/// Files `one`, `same`, `near` and `far` of so many f32 in tensors of up to 64 MiB.
fn write_checkpoints(folder: &Path, elements: usize) {
    const MOST: usize = 1 << 24;
    let shape =
        |count: usize| if count.is_multiple_of(1024) { vec![count / 1024, 1024] } else { vec![count] };
    for (name, seed, flipped) in [("one", 1, 0), ("same", 1, 0), ("near", 1, 1), ("far", 2, 0)] {
        let parts: Vec<Vec<u8>> = (0..elements.div_ceil(MOST))
            .map(|part| {
                let count = MOST.min(elements - part * MOST);
                let workload = Workload { seed: seed * 1000 + part as u64, ..workload_of(count) };
                let mut values = inputs(&workload).remove(0);
                if let Data::F32(values) = &mut values.data {
                    values.iter_mut().for_each(|v| *v = f32::from_bits(v.to_bits() ^ flipped));
                }
                values.bytes().to_vec()
            })
            .collect();
        let views = parts.iter().enumerate().map(|(part, bytes)| {
            let view =
                TensorView::new(safetensors::Dtype::F32, shape(bytes.len() / 4), bytes).expect("a tensor");
            (format!("layers.{part}.weight"), view)
        });
        safetensors::serialize_to_file(views, None, &folder.join(name)).expect("written");
    }
}

/// Devices that rows are compared of.
const DEVICES: usize = 8;

/// `SAMEBITS_COMPARE_ROWS` rows (100,000 without it) of eight devices, a file for each: read, compared and rendered for
/// a terminal, as JSON and as CSV, and as a page with its size; and the most memory of its own that the program took.
fn comparison(criterion: &mut Criterion) {
    let rows = std::env::var("SAMEBITS_COMPARE_ROWS").map_or(100_000, |text| text.parse().expect("rows"));
    let folder = tempfile::tempdir().expect("a folder");
    let files: Vec<_> = (0..DEVICES).map(|device| folder.path().join(format!("{device}.csv"))).collect();
    // Only where a bench that was asked for needs them.
    let write = || {
        if !files.iter().all(|file| file.exists()) {
            files.iter().enumerate().for_each(|(device, file)| write_rows(file, device, rows / DEVICES));
        }
    };
    let mut group = criterion.benchmark_group(format!("compare {rows} rows of {DEVICES} devices"));
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(rows as u64));
    let read = || {
        let mut seen = Seen::default();
        let read = |file: &PathBuf| read_distinct(file, &mut seen).expect("rows").rows;
        files.iter().flat_map(read).collect::<Vec<_>>()
    };
    for (name, renderers) in [("to a screen", 1), ("to a screen, CSV and JSON", 3)] {
        let most = AtomicU64::new(0);
        group.bench_function(name, |bencher| {
            write();
            bencher.iter(|| {
                let rows = read();
                let comparison = Comparison::with(&rows, Choice::default(), &Surroundings::default());
                let comparison = comparison.expect("compared");
                let options = terminal::Options { width: 120, colour: false };
                let mut texts = vec![terminal::render(&comparison, options)];
                if renderers > 1 {
                    texts.push(csv::render(&comparison).expect("CSV"));
                    texts.push(json::render(&comparison));
                }
                most.fetch_max(own_memory(), Ordering::Relaxed);
                black_box(texts);
            });
        });
        if most.load(Ordering::Relaxed) > 0 {
            println!("{name}: own memory {} MiB", most.load(Ordering::Relaxed) >> 20);
        }
    }
    let (most, size) = (AtomicU64::new(0), AtomicU64::new(0));
    group.bench_function("to a page", |bencher| {
        write();
        bencher.iter(|| {
            let rows = read();
            let choice = Choice { all: true, ..Choice::default() };
            let comparison = Comparison::with(&rows, choice, &Surroundings::default()).expect("compared");
            let beside = Beside::default();
            let page = html::render(&html::Input { rows: &rows, comparison: &comparison, beside: &beside });
            most.fetch_max(own_memory(), Ordering::Relaxed);
            size.store(page.len() as u64, Ordering::Relaxed);
            black_box(page);
        });
    });
    let (most, size) = (most.load(Ordering::Relaxed), size.load(Ordering::Relaxed));
    if size > 0 {
        println!("to a page: own memory {} MiB, page {} kB", most >> 20, size / 1000);
        // Fewer or more rows are somebody's own question.
        assert!(rows != 100_000 || size < 3_000_000, "a page of {size} bytes is too large for a browser");
        assert!(rows != 100_000 || most < 500 << 20, "{most} bytes of memory for a page");
    }
    group.finish();
}

/// Writes `count` rows as a run on one device leaves them: algorithms on many workloads, each under repetition with
/// times, under load, and on several variants of the ladder.
fn write_rows(file: &Path, device: usize, count: usize) {
    let variants = ["sm=1", "sm=7", "sm=132", "grid=1;block=1024", "stream=other", "graph=1"];
    let operations: [&'static dyn Operation; 2] = [&Reduce, &Matmul];
    let shapes = ["n=16777216", "m=128;n=128;k=4096"];
    let mut writer = Writer::new(std::fs::File::create(file).expect("a file"));
    let mut written = 0;
    for size in 0.. {
        for (operation, shape) in operations.into_iter().zip(shapes) {
            let shape = operation.shape(shape).expect("a valid shape");
            let name = format!("{}-{size}-f32-wide", operation.name());
            let workload =
                Workload { seed: 1, ..Workload::new(name, operation, shape, Dtype::F32, Distribution::Wide) };
            for algorithm in operation.algorithms() {
                for place in 0..2 + variants.len() {
                    if written == count {
                        return;
                    }
                    let perturbation =
                        [Perturbation::Repeat, Perturbation::Load, Perturbation::Launch][place.min(2)];
                    let mut row = blank_row("cuda:0", &workload, algorithm, perturbation);
                    let moves = algorithm.guarantee == Guarantee::NotGuaranteed && place == 1;
                    row.variant =
                        place.checked_sub(2).map_or_else(String::new, |place| variants[place].to_owned());
                    (row.run_id, row.device_kind) = (format!("run-{device}"), format!("NVIDIA GPU {device}"));
                    row.environment = format!("{device:012x}");
                    row.timestamp = format!("2026-01-01T{:02}:{:02}:{:02}Z", size % 24, written % 60, place);
                    row.row_id = row.id();
                    row.verdict = if moves { Verdict::Differs } else { Verdict::Same };
                    (row.comparisons, row.differing, row.distinct) =
                        (Some(31), Some(u64::from(moves)), Some(1));
                    (row.p_upper_95, row.v_c, row.v_ermv) = (Some(0.0921140599473237), Some(0.0), Some(0.0));
                    (row.max_ulp, row.p99_ulp, row.v_ermv_excluded) =
                        (Some(u64::from(moves)), Some(0), Some(0));
                    row.worst_output = "out".to_owned();
                    row.reference_rel_err = Some(2.3440177510271987e-8);
                    row.bound_coverage = Some(5.431698282126351e-6);
                    row.input_digest = digest_of_bytes(workload.name.as_bytes()).to_string();
                    let bits = if algorithm.guarantee == Guarantee::GpuToGpu { 0 } else { device % 3 };
                    let bits = format!("{} {} {bits}", workload.name, algorithm.name);
                    row.digest = digest_of_bytes(bits.as_bytes()).to_string();
                    row.kernel = algorithm.module.hash();
                    row.cubin = format!("{:012x}", device + 77);
                    if place == 0 {
                        let ns = 1_000_000 + 7919 * (written as u64 % 97);
                        (row.samples, row.throttled, row.clock_mhz) = (Some(50), Some(0), Some(1980));
                        (row.median_ns, row.hot_median_ns) = (Some(ns), Some(ns - 999));
                        (row.ci95_low_ns, row.ci95_high_ns) = (Some(ns - ns / 200), Some(ns + ns / 200));
                        (row.throughput, row.percent_of_limit) =
                            (Some(1e9 / ns as f64), Some(9e7 / ns as f64));
                        row.throughput_unit = "GB/s".to_owned();
                    }
                    writer.write(&row).expect("written");
                    written += 1;
                }
            }
        }
    }
}

/// Memory of its own that the program has now.
fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes: u64 = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
    kilobytes << 10
}

/// Keeps the most memory of its own that the program was seen to have; at every 64th call, so that looking
/// does not show in the times.
fn look(most: &AtomicU64) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    if !CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(64) {
        return;
    }
    most.fetch_max(own_memory(), Ordering::Relaxed);
}

/// All rows of `samebits causes` with one seed, and a step of training alone, on all cores. The new process's part is done
/// in this one.
fn training(criterion: &mut Criterion) {
    let (cpu, sim, digits) = (Cpu::new().expect("threads"), Sim::new(u64::MAX), Digits::load());
    let settings = Settings::new(Optimizer::Momentum);
    let folder = tempfile::tempdir().expect("a folder");
    let others = [Other { place: Place::Sim, device: Ok(&sim), steps: 3 }];
    let in_new_process = |path: &Path, steps| {
        let answer = folder.path().join("answer.json");
        resume::answer(&cpu, path, steps, &answer)?;
        resume::read(&answer)
    };
    let bench = Bench {
        device: &cpu,
        others: &others,
        digits: &digits,
        settings,
        length: Length::USUAL,
        folder: folder.path(),
        in_new_process: &in_new_process,
    };
    let mut group = criterion.benchmark_group("causes");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let mut trainer = Trainer::new(&cpu, &digits, settings, 1);
    group.bench_function("a step of training", |bencher| bencher.iter(|| trainer.step().expect("a step")));
    group.bench_function("all rows of one seed", |bencher| {
        bencher.iter(|| bench.measure(1, &|| Ok(())).expect("rows"));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(3));
    targets = fixed_tree, digest_and_divergence, products, simulation, exploration, checkpoints, comparison, training
}
criterion_main!(benches);
