//! Criterion: the time of every way to multiply matrices on the device that `auto` names, and of the
//! reference on the CPU. The device's own clock is used, and nothing else is shared with the suite than
//! `Prepared::time`.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use samebits::device::select::select;
use samebits::device::{Cache, Device, Problem};
use samebits::error::Result;
use samebits::input::generate;
use samebits::operation::{Operation, Work, matmul::Matmul};
use samebits::workload::{self, Workload};

/// Workloads that show both types, the splits of K, and a size at which libraries are compared.
const SHOWN: [&str; 4] = [
    "square-1024-f32-normal",
    "split-64x64x16384-f32-wide",
    "llama-kv-16-f16-normal",
    "resnet-conv4-1x1-f16-wide",
];

fn bench(criterion: &mut Criterion) {
    if let Err(error) = try_bench(criterion) {
        eprintln!("matmul: {error}");
        std::process::exit(2);
    }
}

fn try_bench(criterion: &mut Criterion) -> Result<()> {
    let selected = select("auto", false)?;
    for device in &selected.devices {
        for workload in
            workload::built_in()?.iter().filter(|workload| SHOWN.contains(&workload.name.as_str()))
        {
            bench_workload(criterion, &**device, workload)?;
        }
    }
    Ok(())
}

fn bench_workload(criterion: &mut Criterion, device: &dyn Device, workload: &Workload) -> Result<()> {
    let specs = Matmul.inputs(workload);
    let inputs = generate(&specs, workload.input, workload.seed);
    let problem = Arc::new(Problem { workload: workload.clone(), inputs });
    let staged = device.stage(Arc::clone(&problem))?;
    let mut group = criterion.benchmark_group(format!("{} {}", device.name(), workload.name));
    if let Work::Flops(flops) = Matmul.work(workload) {
        group.throughput(Throughput::Elements(flops));
    }
    group.bench_function("reference", |bencher| {
        bencher.iter(|| Matmul.reference(workload, &problem.inputs));
    });
    for algorithm in Matmul.algorithms() {
        let mut prepared = staged.prepare(algorithm)?;
        let mut refusal = None;
        group.bench_function(BenchmarkId::new(algorithm.name, algorithm.setting), |bencher| {
            bencher.iter_custom(|iterations| match prepared.time(iterations, Cache::Cold) {
                Ok(time) => time,
                Err(error) => {
                    refusal = Some(error);
                    // Criterion needs some time to go on with; the error is reported below.
                    Duration::from_nanos(iterations)
                }
            });
        });
        if let Some(error) = refusal {
            return Err(error);
        }
    }
    group.finish();
    Ok(())
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = bench
}
criterion_main!(benches);
