//! The accurate sum in f64, and how far an f32 sum may be from it.

use half::f16;
use multiversion::multiversion;
use rayon::prelude::*;

use crate::operation::{Reference, ReferenceOutput};
use crate::tensor::{Data, Dtype, Tensor};

/// Elements of one f64 chain per lane; chains are then added in order.
const CHUNK: usize = 1 << 14;
/// Independent f64 chains within a chunk.
const LANES: usize = 16;

/// Row sums, magnitudes and their own error.
pub fn sums(x: &Tensor, rows: usize, columns: usize) -> Reference {
    let row_sums: Vec<(f64, f64)> = match &x.data {
        Data::F32(x) => row_sums(x, rows, columns, sum_f32),
        Data::F16(x) => row_sums(x, rows, columns, sum_f16),
    };
    let (values, magnitudes): (Vec<f64>, Vec<f64>) = row_sums.into_iter().unzip();
    // Depth of the f64 sum: a lane's chain, the lanes, the chunks (Jeannerod and Rump 2013).
    let depth = (CHUNK / LANES + LANES + columns.div_ceil(CHUNK)) as f64;
    let own_error = magnitudes.iter().map(|magnitude| depth * 2f64.powi(-53) * magnitude).collect();
    let largest = magnitudes.iter().copied().fold(0.0, f64::max);
    let range = (largest >= Dtype::F32.max_finite() || largest.is_nan())
        .then(|| format!("Σ|x| = {largest:.3e} is beyond f32: some order may overflow"));
    Reference { outputs: vec![ReferenceOutput { values, magnitudes, own_error }], range }
}

fn row_sums<T: Sync>(
    x: &[T],
    rows: usize,
    columns: usize,
    sum: impl Fn(&[T]) -> (f64, f64) + Sync,
) -> Vec<(f64, f64)> {
    (0..rows)
        .into_par_iter()
        .map(|row| {
            let chunks: Vec<(f64, f64)> =
                x[row * columns..(row + 1) * columns].par_chunks(CHUNK).map(&sum).collect();
            chunks.into_iter().fold((0.0, 0.0), |total, chunk| (total.0 + chunk.0, total.1 + chunk.1))
        })
        .collect()
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn sum_f32(chunk: &[f32]) -> (f64, f64) {
    let (mut sums, mut magnitudes) = ([0f64; LANES], [0f64; LANES]);
    for part in chunk.chunks(LANES) {
        for (lane, &value) in part.iter().enumerate() {
            sums[lane] += f64::from(value);
            magnitudes[lane] += f64::from(value.abs());
        }
    }
    (sums.iter().sum(), magnitudes.iter().sum())
}

fn sum_f16(chunk: &[f16]) -> (f64, f64) {
    let widened: Vec<f32> = chunk.iter().map(|value| value.to_f32()).collect();
    sum_f32(&widened)
}

/// The largest error of an f32 sum whose longest chain has `depth` additions: depth·u·Σ|x|
/// (Jeannerod and Rump 2013), what flushing subnormal numbers may lose where `flushed`, and the
/// reference's own error. Additions of f32 are exact where the result is subnormal, and the output
/// is the f32 accumulator itself, so that no other term arises.
pub fn bound(depth: u64, flushed: bool, reference: &ReferenceOutput) -> Vec<f64> {
    // Per addition, what came in and what came out.
    let underflow = if flushed { 2.0 * depth as f64 * Dtype::F32.min_normal() } else { 0.0 };
    let zip = reference.magnitudes.iter().zip(&reference.own_error);
    zip.map(|(magnitude, own)| {
        let terms = depth as f64 * Dtype::F32.unit_roundoff() * magnitude;
        if *magnitude == 0.0 { 0.0 } else { terms + underflow + own }
    })
    .collect()
}
