//! How far an algorithm's outputs may be from the accurate answer: bounds of sum, mean, squares,
//! inverse deviation and y, one propagated into the next. METHODOLOGY.md derives each.

use rayon::prelude::*;

use crate::operation::batch_norm::plan::{Depth, Geometry};
use crate::operation::batch_norm::{Scheme, answer, reference, set};
use crate::operation::{OutputSpec, Reference};
use crate::tensor::{Dtype, Tensor};
use crate::workload::Workload;

/// One rounding of f32, enlarged by 2^-10 of itself: that covers products of several roundings, and the
/// reference's own f64 roundings, which are 2^-29 of one.
const U: f64 = 1.0 / 16_777_216.0 * (1.0 + 1.0 / 1024.0);
/// The same for the sums of the f64 reference.
const U64: f64 = f64::EPSILON / 2.0 * (1.0 + 1.0 / 1024.0);
/// At least what a multiplication or division loses where its result is subnormal.
const TINY: f64 = 1.401_298_464_324_817e-45;

/// Errors of a channel's statistics before they are stored.
#[derive(Debug, Clone, Copy)]
struct Errors {
    /// Of the mean.
    mean: f64,
    /// Of Σ(x − mean)².
    squares: f64,
}

/// A channel of the elementwise step, with the errors of what goes into it.
#[derive(Debug, Clone, Copy)]
struct Channel {
    mean: f64,
    mean_error: f64,
    scale: f64,
    scale_error: f64,
    /// |bias|, where y may be x·scale + (bias − mean·scale).
    folded_bias: Option<f64>,
}

impl Channel {
    /// The error of the product of the scale and of what is `value` and off by `error`.
    fn scaled(&self, value: f64, error: f64) -> f64 {
        let largest_scale = self.scale + self.scale_error;
        value * self.scale_error + error * largest_scale + U * (value + error) * largest_scale + TINY
    }

    /// The error of what is added to x·scale: of mean·scale, and of its difference from the bias.
    fn folded_error(&self) -> Option<f64> {
        let mean = self.mean.abs();
        let product = self.scaled(mean, self.mean_error);
        self.folded_bias.map(|bias| product + U * (bias + mean * self.scale + product))
    }
}

/// Bounds of the outputs `specs` of a way, per element.
pub fn bounds(
    scheme: Scheme,
    depth: Depth,
    workload: &Workload,
    inputs: &[Tensor],
    reference: &Reference,
    specs: &[OutputSpec],
) -> Vec<Vec<f64>> {
    let geometry = Geometry::of(workload);
    let (epsilon, momentum) = set(&workload.setting);
    let count = geometry.count() as f64;
    let of = |entry: usize, channel: usize| reference.outputs[entry].values[channel];
    let channels = 0..geometry.channels as usize;
    let of_channel = |c: usize| match scheme.evaluates() {
        true => Errors { mean: 0.0, squares: 0.0 },
        false => errors(scheme, depth, &geometry, reference, c),
    };
    let errors: Vec<Errors> = channels.clone().map(of_channel).collect();
    // Of the variance and of √(variance + epsilon) under one.
    let invstd_error = |c: usize| match scheme.evaluates() {
        true => inverse_error(inputs[4].value(c), 0.0, epsilon),
        false => {
            let variance = of(answer::SQUARES, c) / count;
            inverse_error(variance, quotient_error(variance, errors[c].squares, geometry.count()), epsilon)
        }
    };
    let updated = |before: f64, batch: f64, error: f64| {
        momentum * error * (1.0 + 3.0 * U)
            + 3.0 * U * ((1.0 - momentum) * before.abs() + momentum * batch.abs())
            + 2.0 * TINY
    };
    let one = |spec: &OutputSpec| -> Vec<f64> {
        match spec.reference {
            answer::SAVED_MEAN => errors.iter().map(|errors| errors.mean).collect(),
            answer::SAVED_INVSTD => channels.clone().map(invstd_error).collect(),
            answer::RUNNING_MEAN => channels
                .clone()
                .map(|c| updated(inputs[3].value(c), of(answer::SAVED_MEAN, c), errors[c].mean))
                .collect(),
            answer::RUNNING_VAR => channels
                .clone()
                .map(|c| {
                    let unbiased = of(answer::SQUARES, c) / (count - 1.0);
                    let error = quotient_error(unbiased, errors[c].squares, geometry.count() - 1);
                    updated(inputs[4].value(c), unbiased, error)
                })
                .collect(),
            y => {
                let each = |c: usize| {
                    let (mean, invstd) = match scheme.evaluates() {
                        true => (inputs[3].value(c), 1.0 / (inputs[4].value(c) + epsilon).sqrt()),
                        false => (of(answer::SAVED_MEAN, c), of(answer::SAVED_INVSTD, c)),
                    };
                    let weight = inputs[1].value(c).abs();
                    let scale = weight * invstd;
                    let scale_error = weight * invstd_error(c) * (1.0 + U) + U * scale + TINY;
                    let may_fold = matches!(scheme, Scheme::AnyOrder | Scheme::AnyInference);
                    let folded_bias = may_fold.then(|| inputs[2].value(c).abs());
                    Channel { mean, mean_error: errors[c].mean, scale, scale_error, folded_bias }
                };
                let channels: Vec<Channel> = channels.clone().map(each).collect();
                elementwise(&geometry, &channels, &inputs[0], &reference.outputs[y].values, spec.dtype)
            }
        }
    };
    specs.iter().map(one).collect()
}

/// What rounding an integer to f32 adds to a division by it.
fn count_rounding(count: u64) -> f64 {
    if count <= 1 << 24 { 0.0 } else { U }
}

/// The error of a quotient whose dividend is off by `error`.
fn quotient_error(quotient: f64, error: f64, count: u64) -> f64 {
    let roundings = U + count_rounding(count);
    error / count as f64 * (1.0 + roundings) + roundings * quotient.abs() + TINY
}

/// Of a channel's mean and squares.
fn errors(
    scheme: Scheme,
    depth: Depth,
    geometry: &Geometry,
    reference: &Reference,
    channel: usize,
) -> Errors {
    let of = |entry: usize| reference.outputs[entry].values[channel];
    let (mean, squares) = (of(answer::SAVED_MEAN), of(answer::SQUARES));
    let magnitude = reference.outputs[answer::SQUARES].magnitudes[channel];
    let count = geometry.count() as f64;
    let (block, between) = (depth.block as f64, depth.between as f64);
    let own_depth = reference::depth(geometry.count());

    // Atomic additions on a GPU flush what is subnormal, on the way in and on the way out.
    let flushed = if scheme == Scheme::Atomic { 2.0 * between * Dtype::F32.min_normal() } else { 0.0 };
    let own_mean = (own_depth + 1.0) * U64 * magnitude / count;
    let sum = (block + between) * U * magnitude + flushed;
    let mean_error = quotient_error(mean, sum, geometry.count()) + own_mean;

    // Squares about the computed mean are larger than those about the true one by this.
    let off_mean = count * mean_error * mean_error;
    let own_squares =
        (own_depth + 4.0) * U64 * (squares + count * own_mean * own_mean) + count * own_mean * own_mean;
    let (moved, roundings) = if scheme == Scheme::SplitTree && between > 0.0 {
        // The same within chunks: a chunk's mean is off by (block + 2)·u·Σ|x| ÷ length, and
        // (Σ|x|)² ≤ length · Σx².
        let within = ((block + 3.0) * U).powi(2) * of(answer::RAW_SQUARES);
        // The distances between means are off by both errors.
        let apart = within.sqrt() + count.sqrt() * (mean_error + TINY);
        let own_between = 2.0 * ((own_depth + 4.0) * U64).powi(2) * of(answer::RAW_SQUARES);
        let between_chunks = of(answer::BETWEEN_CHUNKS) * (1.0 + 1e-9) + own_between;
        (within + 2.0 * between_chunks.sqrt() * apart + apart * apart, block + between + 6.0)
    } else {
        (off_mean, block + between + 3.0)
    };
    let squares_error =
        roundings * U * (squares + moved) + moved + 2.0 * count * TINY + flushed + own_squares;
    Errors { mean: mean_error, squares: squares_error }
}

/// The error of 1 ÷ √(variance + epsilon) where the variance is off by `error`.
fn inverse_error(variance: f64, error: f64, epsilon: f64) -> f64 {
    let exact = variance + epsilon;
    let off = (error + U * epsilon) * (1.0 + U) + U * exact;
    // A computed variance is never negative.
    let lowest = (exact - off).max(epsilon * (1.0 - 3.0 * U));
    1.0 / lowest.sqrt() * (1.0 + 2.0 * U) - 1.0 / exact.sqrt()
}

/// Of every y = (x − mean) · scale + bias, whose accurate values are `y`.
fn elementwise(geometry: &Geometry, channels: &[Channel], x: &Tensor, y: &[f64], dtype: Dtype) -> Vec<f64> {
    let mut bounds = vec![0.0; y.len()];
    let plane = (geometry.plane as usize).max(1);
    bounds.par_chunks_mut(plane).enumerate().with_min_len((1 << 14) / plane).for_each(|(index, bounds)| {
        let channel = channels[index % channels.len()];
        let (Channel { mean, mean_error, .. }, folded) = (channel, channel.folded_error());
        for (offset, bound) in bounds.iter_mut().enumerate() {
            let element = index * plane + offset;
            let distance = (x.value(element) - mean).abs();
            let distance_error = mean_error + U * (distance + mean_error);
            let centred = channel.scaled(distance, distance_error);
            let folded = folded.map_or(0.0, |addend| channel.scaled(x.value(element).abs(), 0.0) + addend);
            let terms = centred.max(folded);
            let sum = terms + U * (y[element].abs() + terms);
            *bound = match dtype {
                Dtype::F32 => sum,
                // One more rounding, and half the spacing of what is subnormal.
                Dtype::F16 => sum + Dtype::F16.unit_roundoff() * (y[element].abs() + sum) + 2f64.powi(-25),
            };
        }
    });
    bounds
}
