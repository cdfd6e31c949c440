//! The algorithms on the CPU: the deterministic ones operation for operation as the kernels do them,
//! the atomic ones with compare-and-swap additions from the threads that rayon runs them on.

use half::f16;
use rayon::prelude::*;

use crate::operation::Target;
use crate::operation::instructions::dispatched;
use crate::operation::reduce::plan::{Geometry, Tiles, WIDTH_F16, WIDTH_F32};
use crate::operation::twin::{Accumulators, canonical};
use crate::tensor::{Data, Tensor};
use crate::workload::Workload;

/// Elements that one task adds at the least, so that tasks are not mostly overhead.
const TASK: u64 = 1 << 15;
/// Elements that a thread adds one by one before it takes the next part of the input.
const ELEMENT_RUN: usize = 1 << 10;

/// Twin of `fixed_tree`.
pub fn fixed_tree(workload: &Workload, _: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    tree(&Geometry::fixed(workload), inputs, outputs);
}

/// Twin of `two_pass`.
pub fn two_pass(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    tree(&Geometry::grid(workload, target), inputs, outputs);
}

/// Twin of `ticket`: the same sums in the same order as `two_pass`; only the launch differs.
pub fn ticket(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    tree(&Geometry::grid(workload, target), inputs, outputs);
}

/// Twin of `atomic_block`: block sums are added as they come.
pub fn atomic_block(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let geometry = Geometry::grid(workload, target);
    let sums = Accumulators::zeroed(geometry.rows as usize);
    match &inputs[0].data {
        Data::F32(x) => for_each_block(&geometry, x, |row, sum| sums.add(row, sum)),
        Data::F16(x) => for_each_block(&geometry, x, |row, sum| sums.add(row, sum)),
    }
    store(sums.into_values(), &mut outputs[0]);
}

/// Twin of `atomic_element`: elements are added as they come.
pub fn atomic_element(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let geometry = Geometry::grid(workload, target);
    let sums = Accumulators::zeroed(geometry.rows as usize);
    let columns = (geometry.columns as usize).max(1);
    match &inputs[0].data {
        Data::F32(x) => add_elements(&sums, columns, x, |value| value),
        Data::F16(x) => add_elements(&sums, columns, x, widen),
    }
    store(sums.into_values(), &mut outputs[0]);
}

fn add_elements<T: Copy + Sync>(
    sums: &Accumulators,
    columns: usize,
    x: &[T],
    widen: impl Fn(T) -> f32 + Sync,
) {
    x.par_chunks(ELEMENT_RUN).enumerate().for_each(|(run, elements)| {
        for (offset, &value) in elements.iter().enumerate() {
            sums.add((run * ELEMENT_RUN + offset) / columns, widen(value));
        }
    });
}

fn store(sums: Vec<f32>, output: &mut Tensor) {
    if let Data::F32(output) = &mut output.data {
        for (out, sum) in output.iter_mut().zip(sums) {
            *out = canonical(sum);
        }
    }
}

fn tree(geometry: &Geometry, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let partials = match &inputs[0].data {
        Data::F32(x) => block_sums(geometry, x),
        Data::F16(x) => block_sums(geometry, x),
    };
    let sums = if geometry.blocks > 1 { block_sums(&geometry.combine(), &partials) } else { partials };
    store(sums, &mut outputs[0]);
}

/// The sum of every logical block of every row, row by row.
fn block_sums<T: Element>(geometry: &Geometry, x: &[T]) -> Vec<f32> {
    let items = geometry.rows * geometry.blocks;
    let elements = (geometry.columns / geometry.blocks).max(1);
    (0..items as usize)
        .into_par_iter()
        .with_min_len(TASK.div_ceil(elements) as usize)
        .map(|item| block_sum(geometry, x, item as u64).1)
        .collect()
}

fn for_each_block<T: Element>(geometry: &Geometry, x: &[T], arrive: impl Fn(usize, f32) + Sync) {
    (0..(geometry.rows * geometry.blocks) as usize).into_par_iter().for_each(|item| {
        let (row, sum) = block_sum(geometry, x, item as u64);
        arrive(row, sum);
    });
}

fn block_sum<T: Element>(geometry: &Geometry, x: &[T], item: u64) -> (usize, f32) {
    let row = (item / geometry.blocks) as usize;
    let columns = geometry.columns as usize;
    let row_of_x = &x[row * columns..(row + 1) * columns];
    (row, T::lane_tree(row_of_x, geometry.tiles(item % geometry.blocks)))
}

/// An input element: how the tree's lanes add it.
trait Element: Copy + Sync {
    /// Adds tiles lane by lane, then the lanes in a binary tree of adjacent pairs.
    fn lane_tree(row: &[Self], tiles: Tiles) -> f32;
}

impl Element for f32 {
    fn lane_tree(row: &[Self], tiles: Tiles) -> f32 {
        lane_tree_f32(row, tiles)
    }
}

impl Element for f16 {
    fn lane_tree(row: &[Self], tiles: Tiles) -> f32 {
        lane_tree_f16(row, tiles)
    }
}

/// The elements of one tile; short where the row ends.
fn tile<T>(row: &[T], width: u64, tiles: Tiles, index: u64) -> &[T] {
    let start = ((tiles.first + index * tiles.step) * width) as usize;
    &row[start..row.len().min(start + width as usize)]
}

/// A block's lanes, aligned so that no vector of them lies in two cache lines.
#[repr(align(64))]
struct Lanes<const WIDTH: usize>([f32; WIDTH]);

dispatched! {
    fn lane_tree_f32(row: &'a [f32], tiles: Tiles) -> f32 {
        let mut lanes = Lanes([0f32; WIDTH_F32 as usize]);
        for index in 0..tiles.count {
            lanes.add(tile(row, WIDTH_F32, tiles, index), |value| value);
        }
        lanes.adjacent_tree(row.len())
    }
}

dispatched! {
    fn lane_tree_f16(row: &'a [f16], tiles: Tiles) -> f32 {
        let mut lanes = Lanes([0f32; WIDTH_F16 as usize]);
        for index in 0..tiles.count {
            lanes.add(tile(row, WIDTH_F16, tiles, index), widen);
        }
        lanes.adjacent_tree(row.len())
    }
}

/// An f16 as f32, exactly, in operations that vectorise everywhere: twice as fast here as
/// conversions that are called. The multiplication by 2^112 moves the exponent from one bias to the
/// other, of subnormal values too.
#[inline(always)]
pub(super) fn widen(half: f16) -> f32 {
    let bits = u32::from(half.to_bits());
    let finite = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    let not_finite = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(finite.to_bits() | not_finite | (bits & 0x8000) << 16)
}

impl<const WIDTH: usize> Lanes<WIDTH> {
    /// Adds a tile. Full tiles are told apart because their length is then known when this is
    /// compiled, which makes the loop three times as fast.
    #[inline(always)]
    fn add<T: Copy>(&mut self, tile: &[T], widen: impl Fn(T) -> f32) {
        match <&[T; WIDTH]>::try_from(tile) {
            Ok(tile) => {
                for (lane, value) in self.0.iter_mut().zip(tile) {
                    *lane += widen(*value);
                }
            }
            Err(_) => {
                for (lane, value) in self.0.iter_mut().zip(tile) {
                    *lane += widen(*value);
                }
            }
        }
    }

    /// Adds adjacent pairs of lanes until one value is left.
    ///
    /// A row of fewer `columns` uses as many lanes as the next power of two. The others hold +0, and
    /// adding +0 changes nothing: a lane starts at +0, so that no lane ever holds −0.
    #[inline(always)]
    fn adjacent_tree(&mut self, columns: usize) -> f32 {
        if columns >= WIDTH { halve(&mut self.0) } else { halve(&mut self.0[..columns.next_power_of_two()]) }
    }
}

/// Between two buffers, since sums written over their own summands do not vectorise.
#[inline(always)]
fn halve(lanes: &mut [f32]) -> f32 {
    let mut other = [0f32; WIDTH_F16 as usize / 2];
    let mut width = lanes.len();
    while width >= 4 {
        pairs(&lanes[..width], &mut other[..width / 2]);
        pairs(&other[..width / 2], &mut lanes[..width / 4]);
        width /= 4;
    }
    if width == 2 { lanes[0] + lanes[1] } else { lanes[0] }
}

#[inline(always)]
fn pairs(lanes: &[f32], sums: &mut [f32]) {
    for (sum, pair) in sums.iter_mut().zip(lanes.as_chunks::<2>().0) {
        *sum = pair[0] + pair[1];
    }
}
