//! Criterion: the time of every way to multiply matrices.

mod shared;

use criterion::{Criterion, criterion_group, criterion_main};
use samebits::operation::matmul::Matmul;

/// Workloads that show both types, the splits of K, and a size at which libraries are compared.
const SHOWN: [&str; 4] = [
    "square-1024-f32-normal",
    "split-64x64x16384-f32-wide",
    "llama-kv-16-f16-normal",
    "resnet-conv4-1x1-f16-wide",
];

fn bench(criterion: &mut Criterion) {
    shared::bench(criterion, &Matmul, &SHOWN);
}

criterion_group! {
    name = benches;
    config = shared::criterion();
    targets = bench
}
criterion_main!(benches);
