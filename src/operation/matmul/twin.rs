//! The algorithms on the CPU. Every output is the kernel's chain: ascending along K, from +0, one fused
//! step after the other. Which thread computes it, and in which block, does not reach the chain.

mod block;
mod product;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::operation::Target;
use crate::operation::matmul::plan::Splits;
use crate::operation::matmul::shape::Extents;
use crate::operation::matmul::twin::product::{Blocks, Product};
use crate::operation::twin::{Accumulators, canonical};
use crate::tensor::{Data, Tensor};
use crate::workload::Workload;

/// Outputs that are stored by one task.
const STORED: usize = 1 << 14;

/// Twin of `tiled`, and of `contractible` where the compiler contracts.
pub fn chain(workload: &Workload, _: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    one_chain(workload, inputs, outputs, true);
}

/// Twin of `contractible` where the compiler does not.
pub fn uncontracted(workload: &Workload, _: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    one_chain(workload, inputs, outputs, false);
}

fn one_chain(workload: &Workload, inputs: &[Tensor], outputs: &mut [Tensor], fused: bool) {
    let extents = Extents::of(&workload.shape);
    let product = Product::new(&extents, inputs, fused);
    let blocks = product.blocks(|block| product.sums(block, Splits::none(&extents).range(0)));
    store(&blocks, outputs);
}

/// Twin of `split_k_ordered`: a chain per chunk of K, added in their order.
pub fn split_k_ordered(workload: &Workload, _: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let extents = Extents::of(&workload.shape);
    let splits = Splits::ordered(&extents);
    let product = Product::new(&extents, inputs, true);
    let blocks = product.blocks(|block| {
        let mut total = product.sums(block, splits.range(0));
        for split in 1..splits.count {
            let part = product.sums(block, splits.range(split));
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
        total
    });
    store(&blocks, outputs);
}

/// Twin of `split_k_atomic`: a chain per chunk of K, added as they come.
pub fn split_k_atomic(workload: &Workload, target: &Target, inputs: &[Tensor], outputs: &mut [Tensor]) {
    let extents = Extents::of(&workload.shape);
    let splits = Splits::atomic(&extents, target);
    let product = Product::new(&extents, inputs, true);
    let layout = product.layout();
    let sums: Vec<_> = layout.iter().map(|block| Accumulators::zeroed(block.elements())).collect();
    (0..splits.count as usize * layout.len()).into_par_iter().with_max_len(1).for_each(|item| {
        let (split, block) = (item / layout.len(), item % layout.len());
        let part = product.sums(&layout[block], splits.range(split as u64));
        part.into_iter().enumerate().for_each(|(element, part)| sums[block].add(element, part));
    });
    let sums = sums.into_par_iter().map(Accumulators::into_values).collect();
    store(&product.of_layout(layout, sums), outputs);
}

/// Stores sums as f32, or as f16 with the f32 sums beside them where they are wanted. Every NaN becomes
/// the one that PTX arithmetic makes.
fn store(blocks: &Blocks, outputs: &mut [Tensor]) {
    let columns = blocks.columns();
    if columns == 0 {
        return;
    }
    let rows = (STORED / columns).max(1);
    match outputs {
        [Tensor { data: Data::F32(c), .. }] => store_wide(blocks, c, rows),
        [Tensor { data: Data::F16(c), .. }, Tensor { data: Data::F32(c32), .. }] => {
            store_narrow(blocks, c, rows);
            if !c32.is_empty() {
                store_wide(blocks, c32, rows);
            }
        }
        _ => {}
    }
}

fn store_wide(blocks: &Blocks, c: &mut [f32], rows: usize) {
    c.par_chunks_mut(blocks.columns()).with_min_len(rows).enumerate().for_each(|(row, c)| {
        for (part, sums) in c.chunks_mut(block::COLUMNS).zip(blocks.row(row)) {
            for (c, sum) in part.iter_mut().zip(sums) {
                *c = canonical(*sum);
            }
        }
    });
}

fn store_narrow(blocks: &Blocks, c: &mut [f16], rows: usize) {
    c.par_chunks_mut(blocks.columns()).with_min_len(rows).enumerate().for_each(|(row, c)| {
        for (part, sums) in c.chunks_mut(block::COLUMNS).zip(blocks.row(row)) {
            part.convert_from_f32_slice(&sums[..part.len()]);
            for c in part.iter_mut().filter(|c| c.is_nan()) {
                *c = f16::from_bits(0x7fff);
            }
        }
    });
}
