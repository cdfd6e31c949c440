//! The accurate answer in f64: mean, then squared distances from it; and the figures that bounds need.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::operation::batch_norm::lanes::{Channels, Element};
use crate::operation::batch_norm::plan::{CHUNK, Geometry};
use crate::operation::batch_norm::set;
use crate::operation::{Reference, ReferenceOutput};
use crate::tensor::{Data, Dtype, Tensor};
use crate::workload::Workload;

/// Independent f64 chains within a chunk.
const LANES: usize = 16;

/// The longest chain of f64 additions for a channel of `count` elements: a lane's chain, the lanes,
/// the chunks.
pub fn depth(count: u64) -> f64 {
    (CHUNK as usize / LANES + LANES) as f64 + count.div_ceil(CHUNK) as f64
}

/// Figures of one channel.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    mean: f64,
    squares: f64,
    magnitude: f64,
    raw_squares: f64,
    between_chunks: f64,
}

/// The entries that `answer` in `mod.rs` names.
pub fn reference(workload: &Workload, inputs: &[Tensor]) -> Reference {
    let geometry = Geometry::of(workload);
    let figures = match &inputs[0].data {
        Data::F32(x) => all_figures(&Channels::new(x, &geometry), &geometry),
        Data::F16(x) => all_figures(&Channels::new(x, &geometry), &geometry),
    };
    let per_channel = |value: &dyn Fn(usize, &Figures) -> f64| ReferenceOutput {
        values: figures.iter().enumerate().map(|(c, figures)| value(c, figures)).collect(),
        ..ReferenceOutput::default()
    };
    let (epsilon, momentum) = set(&workload.setting);
    let count = geometry.count() as f64;
    let [weight, bias, running_mean, running_var] = [1, 2, 3, 4].map(|input| &inputs[input]);
    let saved_invstd = per_channel(&|_, f| 1.0 / (f.squares / count + epsilon).sqrt());
    let updated = |running: f64, batch: f64| (1.0 - momentum) * running + momentum * batch;
    let scaled = |c: usize, mean: f64, invstd: f64| (mean, weight.value(c) * invstd, bias.value(c));
    let trained: Vec<_> =
        figures.iter().enumerate().map(|(c, f)| scaled(c, f.mean, saved_invstd.values[c])).collect();
    let evaluated: Vec<_> = (0..figures.len())
        .map(|c| scaled(c, running_mean.value(c), 1.0 / (running_var.value(c) + epsilon).sqrt()))
        .collect();
    let outputs = vec![
        elementwise(&geometry, &inputs[0], &trained),
        per_channel(&|_, f| f.mean),
        saved_invstd,
        per_channel(&|c, f| updated(running_mean.value(c), f.mean)),
        per_channel(&|c, f| updated(running_var.value(c), f.squares / (count - 1.0))),
        elementwise(&geometry, &inputs[0], &evaluated),
        ReferenceOutput {
            magnitudes: figures.iter().map(|f| f.magnitude).collect(),
            ..per_channel(&|_, f| f.squares)
        },
        per_channel(&|_, f| f.raw_squares),
        per_channel(&|_, f| f.between_chunks),
    ];
    let largest = figures.iter().map(|f| f.magnitude.max(4.0 * f.raw_squares)).fold(0.0, f64::max);
    let range = (largest >= Dtype::F32.max_finite() || largest.is_nan())
        .then(|| format!("Σ|x| or Σx² = {largest:.3e} is beyond f32: some order may overflow"));
    Reference { outputs, range }
}

fn elementwise(geometry: &Geometry, x: &Tensor, channels: &[(f64, f64, f64)]) -> ReferenceOutput {
    let mut values = vec![0.0; geometry.total() as usize];
    let plane = (geometry.plane as usize).max(1);
    values.par_chunks_mut(plane).enumerate().with_min_len((1 << 14) / plane).for_each(|(index, values)| {
        let (mean, scale, bias) = channels[index % channels.len()];
        for (offset, value) in values.iter_mut().enumerate() {
            *value = (x.value(index * plane + offset) - mean) * scale + bias;
        }
    });
    ReferenceOutput { values, ..ReferenceOutput::default() }
}

fn all_figures<T: Element>(channels: &Channels<T>, geometry: &Geometry) -> Vec<Figures> {
    let count = channels.count();
    if count == 0 {
        return vec![Figures::default(); geometry.channels as usize];
    }
    let chunks = geometry.chunks() as usize;
    let of_chunks = |channel: usize, sums: &(dyn Fn(&[f32]) -> [f64; 3] + Sync)| -> Vec<[f64; 3]> {
        (0..chunks)
            .into_par_iter()
            .map_init(
                || vec![0f32; CHUNK as usize],
                |buffer, chunk| {
                    let start = chunk * CHUNK as usize;
                    sums(channels.part(channel, start, count.min(start + CHUNK as usize), buffer))
                },
            )
            .collect()
    };
    let total = |sums: &[[f64; 3]], index: usize| sums.iter().map(|sums| sums[index]).sum::<f64>();
    (0..geometry.channels as usize)
        .into_par_iter()
        .map(|channel| {
            let sums = of_chunks(channel, &|part| raw_sums(part));
            let mean = total(&sums, 0) / count as f64;
            let squares = of_chunks(channel, &|part| [squares_from(part, mean), 0.0, 0.0]);
            let between_chunks = sums.iter().enumerate().map(|(chunk, sums)| {
                let length = (count - chunk * CHUNK as usize).min(CHUNK as usize) as f64;
                length * (sums[0] / length - mean).powi(2)
            });
            Figures {
                mean,
                squares: total(&squares, 0),
                magnitude: total(&sums, 1),
                raw_squares: total(&sums, 2),
                between_chunks: between_chunks.sum(),
            }
        })
        .collect()
}

/// Σx, Σ|x| and Σx².
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn raw_sums(part: &[f32]) -> [f64; 3] {
    let mut lanes = [[0f64; LANES]; 3];
    for group in part.chunks(LANES) {
        for (lane, &value) in group.iter().enumerate() {
            let value = f64::from(value);
            lanes[0][lane] += value;
            lanes[1][lane] += value.abs();
            lanes[2][lane] += value * value;
        }
    }
    lanes.map(|lanes| lanes.iter().sum())
}

/// Σ(x − mean)².
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn squares_from(part: &[f32], mean: f64) -> f64 {
    let mut lanes = [0f64; LANES];
    for group in part.chunks(LANES) {
        for (lane, &value) in group.iter().enumerate() {
            lanes[lane] += (f64::from(value) - mean).powi(2);
        }
    }
    lanes.iter().sum()
}
