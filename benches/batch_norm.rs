//! Criterion: the time of every way to normalise on the device that `auto` names. The device's own clock
//! is used, and nothing else is shared with the suite than `Prepared::time`.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use samebits::device::select::select;
use samebits::device::{Cache, Device, Problem};
use samebits::error::Result;
use samebits::input::generate;
use samebits::operation::{Operation, Work, batch_norm::BatchNorm};
use samebits::workload::{self, Workload};

/// Workloads that show both types, planes of whole vectors, odd ones, and none.
const SHOWN: [&str; 4] = [
    "bn-4x64x56-f32-normal",
    "bn-4x64x56-f16-normal",
    "bn-16x512x7-f32-uniform",
    "bn-1024x256-f32-cancelling",
];

fn bench(criterion: &mut Criterion) {
    if let Err(error) = try_bench(criterion) {
        eprintln!("batch_norm: {error}");
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
    let inputs = generate(&BatchNorm.inputs(workload), workload.input, workload.seed);
    let staged = device.stage(Arc::new(Problem { workload: workload.clone(), inputs }))?;
    let mut group = criterion.benchmark_group(format!("{} {}", device.name(), workload.name));
    if let Work::Bytes(bytes) = BatchNorm.work(workload) {
        group.throughput(Throughput::Bytes(bytes));
    }
    for algorithm in BatchNorm.algorithms() {
        let mut prepared = staged.prepare(algorithm)?;
        let mut refusal = None;
        group.bench_function(BenchmarkId::from_parameter(algorithm.name), |bencher| {
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
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    targets = bench
}
criterion_main!(benches);
