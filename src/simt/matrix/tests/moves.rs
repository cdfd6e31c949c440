//! `ldmatrix`, `stmatrix`, `movmatrix`, and that what they load is what `mma` wants.

use super::super::{MatrixMove, Move};
use super::*;
use crate::simt::ptx::ast::Space;

fn moved(name: &str) -> MatrixMove {
    let words = words(name);
    MatrixMove::decode(&words[0], &words[1..]).unwrap()
}

/// Rows of matrices whose elements tell matrix, row and column.
fn rows(count: usize) -> Vec<[u8; 16]> {
    let element = |row: usize, byte: usize| [byte / 2, row][byte % 2] as u8;
    (0..count).map(|row| std::array::from_fn(|byte| element(row, byte))).collect()
}

#[test]
fn a_lane_holds_two_neighbours_of_a_row_or_of_a_column() {
    for (name, matrices) in [("x1", 1), ("x2", 2), ("x4", 4)] {
        for transposed in [false, true] {
            let trans = if transposed { ".trans" } else { "" };
            let load = moved(&format!("ldmatrix.sync.aligned.m8n8.{name}{trans}.shared.b16"));
            assert_eq!((load.kind(), load.space()), (Move::Load, Some(Space::Shared)));
            assert_eq!((load.matrices(), load.rows()), (matrices, 8 * matrices));
            let rows = rows(8 * matrices);
            let fragments = load.distribute(&rows);
            for (matrix, fragment) in fragments.iter().enumerate() {
                for (lane, word) in fragment.iter().enumerate() {
                    for half in 0..2 {
                        let (major, minor) = (lane / 4, lane % 4 * 2 + half);
                        let (row, column) = if transposed { (minor, major) } else { (major, minor) };
                        let expected = (column | (8 * matrix + row) << 8) as u64;
                        assert_eq!(word >> (16 * half) & 0xffff, expected);
                    }
                }
            }
            let store = moved(&format!("stmatrix.sync.aligned.m8n8.{name}{trans}.shared.b16"));
            assert_eq!(store.kind(), Move::Store);
            assert_eq!(store.collect(&fragments), rows);
        }
    }
}

#[test]
fn movmatrix_transposes() {
    let transpose = moved("movmatrix.sync.aligned.m8n8.trans.b16");
    assert_eq!(transpose.kind(), Move::Transpose);
    let rows = rows(8);
    let plain = moved("ldmatrix.sync.aligned.m8n8.x1.shared.b16").distribute(&rows);
    let transposed = moved("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16").distribute(&rows);
    assert_eq!(transpose.transpose(&plain[0]), transposed[0]);
    assert_ne!(plain, transposed);
    assert_eq!(transpose.transpose(&transposed[0]), plain[0]);
}

#[test]
fn missing_rows_and_fragments_are_zeros() {
    let load = moved("ldmatrix.sync.aligned.m8n8.x2.b16");
    assert_eq!(load.space(), None);
    assert_eq!(load.distribute(&[]), vec![[0; 32]; 2]);
    assert_eq!(load.collect(&[]), vec![[0; 16]; 16]);
}

/// Row-major A by `ldmatrix.x4`, row-major B by `ldmatrix.x2.trans`: the usual way to feed `m16n8k16`.
#[test]
fn ldmatrix_feeds_mma() {
    let (m, n, k) = (16, 8, 16);
    let a = integers(m * k, 8, (-9, 9));
    let b = integers(k * n, 9, (-9, 9));
    let line = |values: &[i64]| -> [u8; 16] {
        let bytes: Vec<u8> =
            values.iter().flat_map(|v| half::f16::from_f64(*v as f64).to_le_bytes()).collect();
        bytes.try_into().unwrap()
    };
    // Matrices of A: upper left, lower left, upper right, lower right.
    let a_rows: Vec<_> = [0, 8]
        .iter()
        .flat_map(|column| (0..16).map(move |row| row * k + column))
        .map(|start| line(&a[start..start + 8]))
        .collect();
    let b_rows: Vec<_> = b.chunks(n).map(line).collect();
    let a_fragments = moved("ldmatrix.sync.aligned.m8n8.x4.shared.b16").distribute(&a_rows);
    let b_fragments = moved("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16").distribute(&b_rows);
    let mma = product("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
    let mut d = [[0; 32]; 4];
    mma.execute(&a_fragments, &b_fragments, &[[0; 32]; 4], &mut d);
    let expected = plain(&a, &b, &[0; 128], (m, n, k));
    for (i, fragment) in d.iter().enumerate() {
        for (lane, word) in fragment.iter().enumerate() {
            let (row, column) = (lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2);
            assert_eq!(*word, encode("f32", expected[row * n + column]));
        }
    }
}
