//! Products of packed panels: the twins' inner loops.
//!
//! A panel holds [`ROWS`] rows of A, or [`COLUMNS`] columns of B, step after step along K. A tile is the
//! product of two panels, its sums in registers; K is cut into pieces that fit a cache, between which sums
//! are stored and loaded again, which changes no bit.
//!
//! The loops are written in vectors: where two roundings per step are wanted, LLVM gives up on the plain
//! form, which is then forty times as slow.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::operation::instructions;

/// Rows of a tile: with [`COLUMNS`], 24 of the 32 registers of AVX-512 hold sums.
pub const ROWS: usize = 12;
/// Columns of a tile.
pub const COLUMNS: usize = 32;
/// Elements of a tile.
pub const TILE: usize = ROWS * COLUMNS;
/// Steps along K at a time: a panel of B is then 32 KiB.
const STEPS: usize = 256;
/// Steps that are packed at a time, so that what is written stays in the first-level cache.
const PACKED: usize = 64;

/// Lines of an operand in panels of `width`, the last filled up with zeros.
///
/// `along_k`: lines lie one after the other, each with its steps; otherwise steps lie one after the
/// other, each with its lines.
pub fn pack(matrix: &[f32], lines: usize, k: usize, along_k: bool, width: usize) -> Vec<f32> {
    let mut panels = vec![0f32; lines.div_ceil(width) * width * k];
    if k == 0 {
        return panels;
    }
    panels.par_chunks_mut(width * k).enumerate().for_each(|(index, panel)| {
        let first = index * width;
        let present = width.min(lines - first);
        if along_k {
            for start in (0..k).step_by(PACKED) {
                let steps = start..k.min(start + PACKED);
                for line in 0..present {
                    let row = &matrix[(first + line) * k..][..k];
                    for step in steps.clone() {
                        panel[step * width + line] = row[step];
                    }
                }
            }
        } else {
            for (step, to) in panel.chunks_exact_mut(width).enumerate() {
                to[..present].copy_from_slice(&matrix[step * lines + first..][..present]);
            }
        }
    });
    panels
}

/// Adds the products of some panels of A and of B over some steps to their tiles; with one rounding per
/// step if `fused`, else with two.
///
/// `a` and `b` hold whole panels of `k` steps each; the tiles of one panel of B lie one after the other.
pub fn add(a: &[f32], b: &[f32], k: usize, steps: Range<usize>, fused: bool, tiles: &mut [f32]) {
    for start in steps.clone().step_by(STEPS) {
        let steps = start..steps.end.min(start + STEPS);
        if fused {
            instructions::dispatch(Piece::<true> { a, b, k, steps, tiles });
        } else {
            instructions::dispatch(Piece::<false> { a, b, k, steps, tiles });
        }
    }
}

/// What [`add`] does at a time.
struct Piece<'a, const FUSED: bool> {
    a: &'a [f32],
    b: &'a [f32],
    k: usize,
    steps: Range<usize>,
    tiles: &'a mut [f32],
}

impl<const FUSED: bool> WithSimd for Piece<'_, FUSED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, b, k, steps, tiles } = self;
        let panels_of_a = a.chunks_exact(ROWS * k);
        let tiles_of_a = panels_of_a.len() * TILE;
        for (b, tiles) in b.chunks_exact(COLUMNS * k).zip(tiles.chunks_exact_mut(tiles_of_a)) {
            let b = b[steps.start * COLUMNS..steps.end * COLUMNS].as_chunks().0;
            for (a, tile) in panels_of_a.clone().zip(tiles.as_chunks_mut::<COLUMNS>().0.as_chunks_mut().0) {
                let a = a[steps.start * ROWS..steps.end * ROWS].as_chunks().0;
                // As many sums as registers hold beside a row of B and an element of A.
                if S::F32_LANES >= 16 {
                    add_to_tile::<S, 12, 2, FUSED>(simd, a, b, tile);
                } else {
                    add_to_tile::<S, 6, 2, FUSED>(simd, a, b, tile);
                }
            }
        }
    }
}

/// Adds to a tile, R rows by V vectors at a time.
#[inline(always)]
fn add_to_tile<S: Simd, const R: usize, const V: usize, const FUSED: bool>(
    simd: S,
    a: &[[f32; ROWS]],
    b: &[[f32; COLUMNS]],
    tile: &mut [[f32; COLUMNS]; ROWS],
) {
    for row in (0..ROWS).step_by(R) {
        for column in (0..COLUMNS).step_by(V * S::F32_LANES) {
            let mut sums = [[simd.splat_f32s(0.0); V]; R];
            for (sums, tile) in sums.iter_mut().zip(&tile[row..row + R]) {
                sums.copy_from_slice(&S::as_simd_f32s(&tile[column..]).0[..V]);
            }
            for (a, b) in a.iter().zip(b) {
                let b = S::as_simd_f32s(&b[column..]).0;
                for i in 0..R {
                    let a = simd.splat_f32s(a[row + i]);
                    for j in 0..V {
                        sums[i][j] = if FUSED {
                            simd.mul_add_f32s(a, b[j], sums[i][j])
                        } else {
                            simd.add_f32s(sums[i][j], simd.mul_f32s(a, b[j]))
                        };
                    }
                }
            }
            for (sums, tile) in sums.iter().zip(&mut tile[row..row + R]) {
                S::as_mut_simd_f32s(&mut tile[column..]).0[..V].copy_from_slice(sums);
            }
        }
    }
}
