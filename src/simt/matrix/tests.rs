//! Checks of the matrix instructions: layouts against the PTX ISA's own formulas, arithmetic against plain
//! products and against a second writing of the rounding model.

mod decode;
mod layouts;
mod model;
mod moves;
mod wmma;

use super::{Fragment, Mma, RegisterList};
use crate::simt::ptx::ast::Type;

/// The modifiers of an instruction written in full.
fn words(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}

fn product(name: &str) -> Mma {
    let words = words(name);
    Mma::decode(&words[0], &words[1..]).unwrap()
}

fn fragments(list: RegisterList) -> Vec<Fragment> {
    vec![[0; 32]; list.count]
}

/// Bits of a small integer as an element of that type.
fn encode(ty: &str, value: i64) -> u64 {
    let sign = u64::from(value < 0);
    let eight_bits = |codes: [u64; 5]| codes[value.unsigned_abs() as usize] | sign << 7;
    match ty {
        "f16" => u64::from(half::f16::from_f64(value as f64).to_bits()),
        "bf16" => u64::from(half::bf16::from_f64(value as f64).to_bits()),
        "tf32" | "f32" => u64::from((value as f32).to_bits()),
        "f64" => (value as f64).to_bits(),
        "e4m3" => eight_bits([0, 0x38, 0x40, 0x44, 0x48]),
        "e5m2" => eight_bits([0, 0x3c, 0x40, 0x42, 0x44]),
        _ => value as u64 & (u64::MAX >> (64 - bits(ty))),
    }
}

fn bits(ty: &str) -> u32 {
    match ty {
        "b1" => 1,
        "s4" | "u4" => 4,
        "s8" | "u8" | "e4m3" | "e5m2" => 8,
        "f16" | "bf16" => 16,
        "f64" => 64,
        _ => 32,
    }
}

/// Integers that are elements of every such type and whose sums are exact in f16.
fn range(ty: &str) -> (i64, i64) {
    match ty {
        "b1" => (0, 1),
        "u4" | "u8" => (0, 15),
        "s4" | "s8" => (-8, 7),
        _ => (-4, 4),
    }
}

/// Counter-based integers in a range.
fn integers(count: usize, seed: u64, (low, high): (i64, i64)) -> Vec<i64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state = state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x2545_f491_4f6c_dd1d);
        low + (state >> 33) as i64 % (high - low + 1)
    };
    std::iter::repeat_with(step).take(count).collect()
}

/// A·B + C of row-major matrices.
fn plain(a: &[i64], b: &[i64], c: &[i64], (m, n, k): (usize, usize, usize)) -> Vec<i64> {
    let sum = |i: usize| {
        let (row, column) = (i / n, i % n);
        c[i] + (0..k).map(|k_| a[row * k + k_] * b[k_ * n + column]).sum::<i64>()
    };
    (0..m * n).map(sum).collect()
}

fn list(count: usize, ty: Type) -> RegisterList {
    RegisterList { count, ty }
}
