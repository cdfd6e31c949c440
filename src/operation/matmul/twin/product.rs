//! A product cut into blocks of tiles, which threads share out.

use std::borrow::Cow;
use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::operation::matmul::shape::Extents;
use crate::operation::matmul::twin::block::{self, COLUMNS, ROWS, TILE};
use crate::tensor::{Data, Tensor};

/// Panels of A and of B in a block at the most: with 256 steps of K they fill a second-level cache to
/// three quarters.
const MOST: (usize, usize) = (20, 16);
/// Blocks per thread where that leaves a choice, so that threads end together.
const PER_THREAD: usize = 4;
/// Elements that are widened by one task.
const WIDENED: usize = 1 << 14;

/// Both operands, widened and packed.
pub struct Product {
    a: Vec<f32>,
    b: Vec<f32>,
    rows: usize,
    columns: usize,
    k: usize,
    fused: bool,
}

/// Panels of A and of B.
pub struct Block {
    a: Range<usize>,
    b: Range<usize>,
}

impl Block {
    /// Elements of its tiles.
    pub fn elements(&self) -> usize {
        self.a.len() * self.b.len() * TILE
    }
}

/// The sums of every block.
pub struct Blocks {
    layout: Vec<Block>,
    sums: Vec<Vec<f32>>,
    columns: usize,
    /// Panels of a block that is not at an edge.
    size: (usize, usize),
    /// Blocks side by side.
    across: usize,
}

impl Product {
    /// Widens and packs the operands.
    pub fn new(extents: &Extents, inputs: &[Tensor], fused: bool) -> Self {
        let (rows, columns, k) = (extents.m as usize, extents.n as usize, extents.k as usize);
        Self {
            a: block::pack(&widened(&inputs[0]), rows, k, !extents.ta, ROWS),
            b: block::pack(&widened(&inputs[1]), columns, k, extents.tb, COLUMNS),
            rows,
            columns,
            k,
            fused,
        }
    }

    /// Panels of a block: fewer where there would be too few blocks for the threads.
    fn size(&self) -> (usize, usize) {
        let (down, across) = (self.rows.div_ceil(ROWS), self.columns.div_ceil(COLUMNS));
        let wanted = PER_THREAD * rayon::current_num_threads();
        let mut size = (MOST.0.min(down).max(1), MOST.1.min(across).max(1));
        while size != (1, 1) && down.div_ceil(size.0) * across.div_ceil(size.1) < wanted {
            if size.0 * ROWS > size.1 * COLUMNS || size.1 == 1 {
                size.0 = size.0.div_ceil(2);
            } else {
                size.1 = size.1.div_ceil(2);
            }
        }
        size
    }

    /// The blocks, row by row.
    pub fn layout(&self) -> Vec<Block> {
        let (down, across) = (self.rows.div_ceil(ROWS), self.columns.div_ceil(COLUMNS));
        let (height, width) = self.size();
        let of_row = |a: usize| {
            (0..across)
                .step_by(width)
                .map(move |b| Block { a: a..down.min(a + height), b: b..across.min(b + width) })
        };
        (0..down).step_by(height).flat_map(of_row).collect()
    }

    /// One chain per element of `block` over some steps, from +0.
    pub fn sums(&self, block: &Block, steps: Range<usize>) -> Vec<f32> {
        let mut tiles = vec![0f32; block.elements()];
        let panels =
            |range: &Range<usize>, width: usize| range.start * width * self.k..range.end * width * self.k;
        let (a, b) = (&self.a[panels(&block.a, ROWS)], &self.b[panels(&block.b, COLUMNS)]);
        block::add(a, b, self.k, steps, self.fused, &mut tiles);
        tiles
    }

    /// Computes every block by `sums`.
    pub fn blocks(&self, sums: impl Fn(&Block) -> Vec<f32> + Sync) -> Blocks {
        let layout = self.layout();
        let each = layout.par_iter().with_max_len(1).map(&sums).collect();
        self.of_layout(layout, each)
    }

    /// Blocks whose sums are known.
    pub fn of_layout(&self, layout: Vec<Block>, sums: Vec<Vec<f32>>) -> Blocks {
        let size = self.size();
        let across = self.columns.div_ceil(COLUMNS).div_ceil(size.1);
        Blocks { layout, sums, columns: self.columns, size, across }
    }
}

impl Blocks {
    /// Columns of the result.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// A row's sums, [`COLUMNS`] at a time; the last may reach beyond the row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = &[f32]> {
        let panel = row / ROWS;
        (0..self.columns.div_ceil(COLUMNS)).map(move |column| {
            let index = panel / self.size.0 * self.across + column / self.size.1;
            let block = &self.layout[index];
            let tile = (column - block.b.start) * block.a.len() + panel - block.a.start;
            &self.sums[index][tile * TILE + row % ROWS * COLUMNS..][..COLUMNS]
        })
    }
}

fn widened(operand: &Tensor) -> Cow<'_, [f32]> {
    match &operand.data {
        Data::F32(values) => Cow::Borrowed(values),
        Data::F16(values) => Cow::Owned(widen(values)),
    }
}

fn widen(values: &[f16]) -> Vec<f32> {
    let mut wide = vec![0f32; values.len()];
    wide.par_chunks_mut(WIDENED)
        .zip(values.par_chunks(WIDENED))
        .for_each(|(wide, values)| values.convert_to_f32_slice(wide));
    wide
}
