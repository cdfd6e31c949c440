//! Criterion: the time of every way to normalise.

mod shared;

use criterion::{Criterion, criterion_group, criterion_main};
use samebits::operation::batch_norm::BatchNorm;

/// Workloads that show both types, planes of whole vectors, odd ones, and none.
const SHOWN: [&str; 4] = [
    "bn-4x64x56-f32-normal",
    "bn-4x64x56-f16-normal",
    "bn-16x512x7-f32-uniform",
    "bn-1024x256-f32-cancelling",
];

fn bench(criterion: &mut Criterion) {
    shared::bench(criterion, &BatchNorm, &SHOWN);
}

criterion_group! {
    name = benches;
    config = shared::criterion();
    targets = bench
}
criterion_main!(benches);
