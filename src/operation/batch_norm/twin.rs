//! The algorithms on the CPU: the deterministic ones operation for operation as the kernels do them,
//! the atomic one with compare-and-swap additions from the threads that rayon runs it on.

mod elementwise;

use rayon::prelude::*;

use crate::operation::Target;
use crate::operation::batch_norm::lanes::{Channels, Element, Scratch, Term};
use crate::operation::batch_norm::plan::{CHUNK, Geometry};
use crate::operation::batch_norm::statistics::{Moments, inverse_deviation, store};
use crate::operation::batch_norm::{Factors, first_statistic};
use crate::operation::twin::Accumulators;
use crate::tensor::{Data, Tensor};
use crate::workload::Workload;

/// Elements that one task adds at the least, so that tasks are not mostly overhead.
const TASK: usize = 1 << 15;

/// Twin of `split_tree`.
pub fn split_tree(workload: &Workload, _: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let geometry = Geometry::of(workload);
    train(workload, &geometry, inputs, outputs, |x| match x {
        Data::F32(x) => split_moments(&Channels::new(x, &geometry), &geometry),
        Data::F16(x) => split_moments(&Channels::new(x, &geometry), &geometry),
    });
}

/// Twin of `channel_tree`.
pub fn channel_tree(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let geometry = Geometry::of(workload);
    let width = (geometry.groups(target) * geometry.vector) as usize;
    train(workload, &geometry, inputs, outputs, |x| match x {
        Data::F32(x) => tree_moments(&Channels::new(x, &geometry), &geometry, width),
        Data::F16(x) => tree_moments(&Channels::new(x, &geometry), &geometry, width),
    });
}

/// Twin of `atomic`: blocks' sums are added as they come.
pub fn atomic(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let geometry = Geometry::of(workload);
    let parts = geometry.parts(target) as usize;
    train(workload, &geometry, inputs, outputs, |x| match x {
        Data::F32(x) => atomic_moments(&Channels::new(x, &geometry), &geometry, parts),
        Data::F16(x) => atomic_moments(&Channels::new(x, &geometry), &geometry, parts),
    });
}

/// Twin of `inference`.
pub fn inference(workload: &Workload, _: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let geometry = Geometry::of(workload);
    let epsilon = Factors::of(workload).epsilon;
    let [mean, variance] = [&inputs[3], &inputs[4]].map(values);
    let invstd: Vec<f32> = variance.iter().map(|variance| inverse_deviation(*variance, epsilon)).collect();
    elementwise::normalise(&geometry, inputs, mean, &invstd, outputs);
}

/// The elements of an f32 tensor.
fn values(tensor: &Tensor) -> &[f32] {
    match &tensor.data {
        Data::F32(values) => values,
        Data::F16(_) => &[],
    }
}

/// What all training algorithms do with the channels' moments.
fn train(
    workload: &Workload,
    geometry: &Geometry,
    inputs: &[Tensor],
    outputs: &mut [Tensor],
    moments: impl FnOnce(&Data) -> Vec<Moments>,
) {
    if geometry.count() == 0 {
        return;
    }
    let moments = moments(&inputs[0].data);
    let (results, statistics) = outputs.split_at_mut(first_statistic(workload.dtype));
    store(&moments, geometry.count(), &Factors::of(workload), statistics);
    let [mean, invstd] = [&statistics[0], &statistics[1]].map(values);
    elementwise::normalise(geometry, inputs, mean, invstd, results);
}

/// Items of which `elements` are read each, side by side; results in the items' order.
fn side_by_side<R: Send>(
    items: usize,
    elements: usize,
    result: impl Fn(&mut Scratch, usize) -> R + Sync + Send,
) -> Vec<R> {
    (0..items)
        .into_par_iter()
        .with_min_len(TASK.div_ceil(elements.max(1)))
        .map_init(Scratch::new, |scratch, item| result(scratch, item))
        .collect()
}

fn tree_moments<T: Element>(channels: &Channels<T>, geometry: &Geometry, width: usize) -> Vec<Moments> {
    let count = channels.count();
    side_by_side(geometry.channels as usize, count, |scratch, channel| {
        let all = (0, 1, count);
        let mean = scratch.tiles(channels, channel, all, width, Term::Itself) / count as f32;
        let squares = scratch.tiles(channels, channel, all, width, Term::Square(mean));
        Moments { mean, squares }
    })
}

fn split_moments<T: Element>(channels: &Channels<T>, geometry: &Geometry) -> Vec<Moments> {
    let (count, chunks, width) = (channels.count(), geometry.chunks() as usize, geometry.width() as usize);
    let chunk_length = CHUNK as usize;
    let length = |chunk: usize| chunk_length.min(count - chunk * chunk_length);
    let tiles = chunk_length / width;
    let partials = side_by_side(geometry.channels as usize * chunks, length(0), |scratch, item| {
        let (channel, chunk) = (item / chunks, item % chunks);
        let part = (chunk * tiles, 1, chunk * chunk_length + length(chunk));
        let sum = scratch.tiles(channels, channel, part, width, Term::Itself);
        let mean = sum / length(chunk) as f32;
        (sum, scratch.tiles(channels, channel, part, width, Term::Square(mean)))
    });
    let mut scratch = Scratch::new();
    let combined = |partials: &[(f32, f32)]| {
        let mean = scratch.combine(partials.iter().map(|(sum, _)| *sum)) / count as f32;
        let moved = partials.iter().enumerate().map(|(chunk, (sum, squares))| {
            let length = length(chunk) as f32;
            let apart = sum / length - mean;
            squares + length * (apart * apart)
        });
        Moments { mean, squares: scratch.combine(moved) }
    };
    partials.chunks(chunks).map(combined).collect()
}

fn atomic_moments<T: Element>(channels: &Channels<T>, geometry: &Geometry, parts: usize) -> Vec<Moments> {
    let (count, width) = (channels.count(), geometry.width() as usize);
    let add_up = |term: &(dyn Fn(usize) -> Term + Sync)| {
        let all = geometry.channels as usize;
        let sums = Accumulators::zeroed(all);
        side_by_side(all * parts, count / parts, |scratch, item| {
            // A channel's parts lie far apart, so that different threads come to it.
            let (channel, part) = (item % all, item / all);
            sums.add(channel, scratch.tiles(channels, channel, (part, parts, count), width, term(channel)));
        });
        sums.into_values()
    };
    let sums = add_up(&|_| Term::Itself);
    let means: Vec<f32> = sums.iter().map(|sum| sum / count as f32).collect();
    let squares = add_up(&|channel| Term::Square(means[channel]));
    means.into_iter().zip(squares).map(|(mean, squares)| Moments { mean, squares }).collect()
}
