//! Criterion: the time of every way to sum.

mod shared;

use criterion::{Criterion, criterion_group, criterion_main};
use samebits::operation::reduce::Reduce;

/// Workloads that show both types, one large and one small.
const SHOWN: [&str; 4] =
    ["sum-16Mi-f32-wide", "sum-256Ki-f32-wide", "sum-4Mi-f16-normal", "rows-64x4096-f32-normal"];

fn bench(criterion: &mut Criterion) {
    shared::bench(criterion, &Reduce, &SHOWN);
}

criterion_group! {
    name = benches;
    config = shared::criterion();
    targets = bench
}
criterion_main!(benches);
