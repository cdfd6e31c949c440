//! What the criterion benches share: the time of every algorithm of an operation on the device that
//! `auto` names. The device's own clock is used, and nothing else is shared with the suite than
//! `Prepared::time`.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use samebits::device::select::select;
use samebits::device::{Cache, Device, Problem};
use samebits::error::{Error, Result};
use samebits::input::generate;
use samebits::operation::{Operation, Work};
use samebits::workload::{self, Profile, Workload};

/// Criterion with so many samples and so much time that all benches together stay within minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1000))
}

/// Times the algorithms of `operation` on the built-in workloads called `shown`; exits with 2 if that
/// cannot be done.
pub fn bench(criterion: &mut Criterion, operation: &dyn Operation, shown: &[&str]) {
    if let Err(error) = try_bench(criterion, shown) {
        eprintln!("{}: {error}", operation.name());
        std::process::exit(2);
    }
}

fn try_bench(criterion: &mut Criterion, shown: &[&str]) -> Result<()> {
    let (selected, workloads) = (select("auto", false, u64::MAX)?, workload::built_in()?);
    for device in &selected.devices {
        for name in shown {
            let workload = workloads.iter().find(|workload| workload.name == *name);
            let workload = workload.ok_or_else(|| Error::input(format!("there is no workload {name}")))?;
            bench_workload(criterion, &**device, workload)?;
        }
    }
    Ok(())
}

fn bench_workload(criterion: &mut Criterion, device: &dyn Device, workload: &Workload) -> Result<()> {
    let operation = workload.operation;
    let inputs = generate(&operation.inputs(workload), workload.input, workload.seed);
    let staged = device.stage(Arc::new(Problem { workload: workload.clone(), inputs }))?;
    let mut group = criterion.benchmark_group(format!("{} {}", device.name(), workload.name));
    group.throughput(match operation.work(workload) {
        Work::Bytes(bytes) => Throughput::Bytes(bytes),
        Work::Flops(flops) => Throughput::Elements(flops),
    });
    let limit = device.limits(Profile::Quick).contended_elements;
    let fits = |contended: bool| !contended || workload.shape.elements().is_some_and(|n| n <= limit);
    for algorithm in operation.algorithms().iter().filter(|algorithm| fits(algorithm.contended)) {
        let mut prepared = staged.prepare(algorithm)?;
        let mut refusal = None;
        let id = match algorithm.setting {
            "" => BenchmarkId::from_parameter(algorithm.name),
            setting => BenchmarkId::new(algorithm.name, setting),
        };
        group.bench_function(id, |bencher| {
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
