//! The elementwise step: every value minus its channel's mean, times scale, plus bias, each operation
//! rounded.

use half::f16;
use rayon::prelude::*;

use crate::operation::batch_norm::lanes::Element;
use crate::operation::batch_norm::plan::Geometry;
use crate::operation::batch_norm::twin::values;
use crate::operation::instructions::dispatched;
use crate::operation::twin::canonical;
use crate::tensor::{Data, Tensor};

/// Elements of one task.
const TASK: usize = 1 << 15;

/// What the elements of every channel go through.
#[derive(Debug, Clone, Copy)]
struct Parameters<'a> {
    mean: &'a [f32],
    scale: &'a [f32],
    bias: &'a [f32],
}

/// Writes y, and the f32 store beside a narrow one unless it has no elements.
pub fn normalise(
    geometry: &Geometry,
    inputs: &[Tensor],
    mean: &[f32],
    invstd: &[f32],
    results: &mut [Tensor],
) {
    if geometry.total() == 0 {
        return;
    }
    let [weight, bias] = [&inputs[1], &inputs[2]].map(values);
    let scale: Vec<f32> = weight.iter().zip(invstd).map(|(weight, invstd)| weight * invstd).collect();
    let parameters = Parameters { mean, scale: &scale, bias };
    let plane = geometry.plane as usize;
    match (&inputs[0].data, results) {
        (Data::F32(x), [Tensor { data: Data::F32(y), .. }, ..]) => all(parameters, plane, x, y, f32_to_f32),
        (Data::F16(x), [Tensor { data: Data::F16(y), .. }, Tensor { data: Data::F32(wide), .. }, ..]) => {
            all(parameters, plane, x, y, f16_to_f16);
            if !wide.is_empty() {
                all(parameters, plane, x, wide, f16_to_f32);
            }
        }
        _ => {}
    }
}

/// A run of elements that starts at element `first` of the tensor.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    parameters: Parameters<'a>,
    plane: usize,
    first: usize,
}

/// All elements in the order of memory.
fn all<T: Sync, R: Send>(
    parameters: Parameters,
    plane: usize,
    x: &[T],
    to: &mut [R],
    run: impl for<'r> Fn(Run<'r>, &'r [T], &'r mut [R]) + Sync,
) {
    let tasks = x.par_chunks(TASK).zip(to.par_chunks_mut(TASK));
    tasks.enumerate().for_each(|(index, (x, to))| run(Run { parameters, plane, first: index * TASK }, x, to));
}

// One function per pair of types, which a profile tells apart.

dispatched! {
    fn f32_to_f32(of: Run<'a>, x: &'a [f32], to: &'a mut [f32]) {
        run(of, x, to);
    }
}

dispatched! {
    fn f16_to_f16(of: Run<'a>, x: &'a [f16], to: &'a mut [f16]) {
        run(of, x, to);
    }
}

dispatched! {
    fn f16_to_f32(of: Run<'a>, x: &'a [f16], to: &'a mut [f32]) {
        run(of, x, to);
    }
}

#[inline(always)]
fn run<T: Element, R: Element>(Run { parameters, plane, first }: Run, x: &[T], to: &mut [R]) {
    let Parameters { mean, scale, bias } = parameters;
    let mut channel = first / plane % mean.len();
    let mut left = plane - first % plane;
    let (mut x, mut to) = (x, to);
    while !x.is_empty() {
        // Planes of one element: as many channels as there are, side by side.
        let length = if plane == 1 { mean.len() - channel } else { left }.min(x.len());
        let (values, after) = x.split_at(length);
        let (results, rest) = to.split_at_mut(length);
        if plane == 1 {
            let (mean, scale, bias) = (&mean[channel..], &scale[channel..], &bias[channel..]);
            let parameters = mean.iter().zip(scale).zip(bias);
            for ((to, value), ((mean, scale), bias)) in results.iter_mut().zip(values).zip(parameters) {
                *to = R::narrow(canonical((value.widen() - mean) * scale + bias));
            }
            channel = 0;
        } else {
            let (mean, scale, bias) = (mean[channel], scale[channel], bias[channel]);
            for (to, value) in results.iter_mut().zip(values) {
                *to = R::narrow(canonical((value.widen() - mean) * scale + bias));
            }
            channel = if channel + 1 == parameters.mean.len() { 0 } else { channel + 1 };
        }
        (x, to, left) = (after, rest, plane);
    }
}
