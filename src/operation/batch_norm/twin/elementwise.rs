//! The elementwise step: every value minus its channel's mean, times scale, plus bias, each operation
//! rounded.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::operation::batch_norm::lanes::Element;
use crate::operation::batch_norm::plan::Geometry;
use crate::operation::batch_norm::statistics::canonical;
use crate::operation::batch_norm::twin::values;
use crate::tensor::{Data, Tensor};

/// Elements of one task.
const TASK: usize = 1 << 15;
/// Elements that are widened, computed and narrowed at a time: they stay in the first-level cache.
const AT_A_TIME: usize = 1 << 10;

/// What the elements of a channel go through.
#[derive(Debug, Clone, Copy)]
struct Channel {
    mean: f32,
    scale: f32,
    bias: f32,
}

/// Writes y, and the f32 store beside a narrow one unless it has no elements.
pub fn normalise(
    geometry: &Geometry,
    inputs: &[Tensor],
    mean: &[f32],
    invstd: &[f32],
    results: &mut [Tensor],
) {
    let [weight, bias] = [&inputs[1], &inputs[2]].map(values);
    let channels: Vec<Channel> = (0..geometry.channels as usize)
        .map(|c| Channel { mean: mean[c], scale: weight[c] * invstd[c], bias: bias[c] })
        .collect();
    if geometry.total() == 0 {
        return;
    }
    let layout = Layout { channels: &channels, plane: geometry.plane as usize };
    match (&inputs[0].data, results) {
        (Data::F32(x), [Tensor { data: Data::F32(y), .. }, ..]) => layout.all(x, y, &mut []),
        (Data::F16(x), [Tensor { data: Data::F16(y), .. }, Tensor { data: Data::F32(wide), .. }, ..]) => {
            layout.all(x, y, wide);
        }
        _ => {}
    }
}

struct Layout<'a> {
    channels: &'a [Channel],
    plane: usize,
}

impl Layout<'_> {
    /// All elements in the order of memory; a task begins and ends with a plane, or lies within one.
    fn all<T: Element>(&self, x: &[T], y: &mut [T], wide: &mut [f32]) {
        let task = if self.plane >= TASK { TASK } else { TASK / self.plane * self.plane };
        if wide.is_empty() {
            let tasks = x.par_chunks(task).zip(y.par_chunks_mut(task));
            tasks.enumerate().for_each(|(index, (x, y))| self.run(index * task, x, y, &mut []));
        } else {
            let tasks = x.par_chunks(task).zip(y.par_chunks_mut(task)).zip(wide.par_chunks_mut(task));
            tasks.enumerate().for_each(|(index, ((x, y), wide))| self.run(index * task, x, y, wide));
        }
    }

    /// A run of elements that starts at element `first`.
    fn run<T: Element>(&self, first: usize, x: &[T], y: &mut [T], wide: &mut [f32]) {
        let (mut input, mut output) = ([0f32; AT_A_TIME], [0f32; AT_A_TIME]);
        let mut start = 0;
        while start < x.len() {
            let end = x.len().min(start + AT_A_TIME);
            let (input, output) = (&mut input[..end - start], &mut output[..end - start]);
            let input = match T::as_f32(&x[start..end]) {
                Some(input) => input,
                None => {
                    T::widen(&x[start..end], input);
                    input
                }
            };
            compute(self.channels, self.plane, first + start, input, output);
            T::narrow(output, &mut y[start..end]);
            if let Some(wide) = wide.get_mut(start..end) {
                wide.copy_from_slice(output);
            }
            start = end;
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn compute(channels: &[Channel], plane: usize, first: usize, input: &[f32], output: &mut [f32]) {
    let mut channel = first / plane % channels.len();
    let mut left = plane - first % plane;
    let (mut input, mut output) = (input, output);
    while !input.is_empty() {
        let length = left.min(input.len());
        let Channel { mean, scale, bias } = channels[channel];
        let (values, rest) = input.split_at(length);
        let (results, after) = output.split_at_mut(length);
        for (to, value) in results.iter_mut().zip(values) {
            *to = canonical((value - mean) * scale + bias);
        }
        (input, output) = (rest, after);
        channel = if channel + 1 == channels.len() { 0 } else { channel + 1 };
        left = plane;
    }
}
