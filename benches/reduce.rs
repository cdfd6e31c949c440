//! Criterion: the time of every way to sum on the device that `auto` names. The device's own clock is
//! used, and nothing else is shared with the suite than `Prepared::time`.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use samebits::device::select::select;
use samebits::device::{Cache, Device, Problem};
use samebits::error::Result;
use samebits::input::generate;
use samebits::operation::{Operation, reduce::Reduce};
use samebits::workload::{self, Profile, Workload};

/// Workloads that show both types, one large and one small.
const SHOWN: [&str; 4] =
    ["sum-16Mi-f32-wide", "sum-256Ki-f32-wide", "sum-4Mi-f16-normal", "rows-64x4096-f32-normal"];

fn bench(criterion: &mut Criterion) {
    if let Err(error) = try_bench(criterion) {
        eprintln!("reduce: {error}");
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
    let specs = Reduce.inputs(workload);
    let inputs = generate(&specs, workload.input, workload.seed);
    let bytes: usize = inputs.iter().map(|input| input.bytes().len()).sum();
    let staged = device.stage(Arc::new(Problem { workload: workload.clone(), inputs }))?;
    let mut group = criterion.benchmark_group(format!("{} {}", device.name(), workload.name));
    group.throughput(Throughput::Bytes(bytes as u64));
    let limit = device.limits(Profile::Quick).contended_elements;
    let fits = |contended: bool| !contended || workload.shape.elements().is_some_and(|n| n <= limit);
    for algorithm in Reduce.algorithms().iter().filter(|algorithm| fits(algorithm.contended)) {
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
