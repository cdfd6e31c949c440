//! The accurate product in f64, and how far an f32 chain may be from it.

use gemm::{Parallelism, gemm};
use half::f16;
use rayon::prelude::*;

use crate::operation::matmul::shape::Extents;
use crate::operation::{Reference, ReferenceOutput};
use crate::tensor::{Data, Dtype, Tensor};

/// The longest K whose magnitudes are summed in f32: beyond, their own error would show.
const LONGEST_NARROW: u64 = 1 << 20;
/// Roundings on top of K that some algorithm may need: those of adding up parts of K.
const MORE_ROUNDINGS: f64 = 64.0;

/// The product with upper bounds of Σ|a||b|.
pub fn product(extents: &Extents, inputs: &[Tensor], output: Dtype) -> Reference {
    let [a, b] = [0, 1].map(|operand| elements(&inputs[operand], f64::from, f16::to_f64));
    let values = multiply(extents, &a, &b);
    let magnitudes = magnitudes(extents, inputs, &a, &b);
    let range = range(extents, output, &values, &magnitudes);
    Reference { outputs: vec![ReferenceOutput { values, magnitudes, own_error: Vec::new() }], range }
}

/// Upper bounds of Σ|a||b|: sums in f32, which take half the time of f64, enlarged by their own error.
///
/// A sum S of K products in any order, fused or not, is computed as s with |s − S| ≤ K·u·S + K·2^−149
/// (Jeannerod and Rump 2013; the last term for subnormal products), hence S ≤ (s + K·2^−149) / (1 − K·u).
fn magnitudes(extents: &Extents, inputs: &[Tensor], a: &[f64], b: &[f64]) -> Vec<f64> {
    let k = extents.k as f64;
    if extents.k <= LONGEST_NARROW {
        let [a, b] = [0, 1].map(|operand| elements(&inputs[operand], f32::abs, |half| half.to_f32().abs()));
        let sums = multiply(extents, &a, &b);
        if sums.par_iter().all(|sum| sum.is_finite()) {
            let (lost, factor) = (k * 2f64.powi(-149), 1.0 / (1.0 - k * Dtype::F32.unit_roundoff()));
            return sums.par_iter().map(|sum| (f64::from(*sum) + lost) * factor).collect();
        }
    }
    let absolute = |values: &[f64]| values.par_iter().map(|value| value.abs()).collect::<Vec<_>>();
    let factor = 1.0 / (1.0 - k * 2f64.powi(-53));
    multiply(extents, &absolute(a), &absolute(b)).into_par_iter().map(|sum| sum * factor).collect()
}

/// Why some order of operations may leave the range of f32, or the result that of the output.
fn range(extents: &Extents, output: Dtype, values: &[f64], magnitudes: &[f64]) -> Option<String> {
    let largest = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    let magnitude = magnitudes.par_iter().copied().reduce(|| 0.0, largest);
    if magnitude.is_nan() || magnitude >= Dtype::F32.max_finite() {
        return Some(format!("Σ|a||b| = {magnitude:.3e} is beyond f32: some order may overflow"));
    }
    let off = (extents.k as f64 + MORE_ROUNDINGS) * Dtype::F32.unit_roundoff();
    let value =
        values.par_iter().zip(magnitudes).map(|(value, sum)| value.abs() + off * sum).reduce(|| 0.0, largest);
    (value >= output.max_finite()).then(|| format!("|c| up to {value:.3e} is beyond {output}"))
}

/// An operand's elements in another type.
fn elements<T: Send>(
    operand: &Tensor,
    wide: impl Fn(f32) -> T + Sync + Send,
    half: impl Fn(f16) -> T + Sync + Send,
) -> Vec<T> {
    match &operand.data {
        Data::F32(values) => values.par_iter().map(|value| wide(*value)).collect(),
        Data::F16(values) => values.par_iter().map(|value| half(*value)).collect(),
    }
}

/// The product alone: what the reference's time is compared by.
pub fn multiply_f64(extents: &Extents, a: &[f64], b: &[f64]) -> Vec<f64> {
    multiply(extents, a, b)
}

/// op(A)·op(B) in the operands' own type, row-major.
fn multiply<T: 'static + Copy + Default + From<f32>>(extents: &Extents, a: &[T], b: &[T]) -> Vec<T> {
    let [m, n, k] = [extents.m, extents.n, extents.k].map(|extent| extent as usize);
    let mut c = vec![T::default(); m * n];
    if a.len() != m * k || b.len() != k * n || c.is_empty() || k == 0 {
        return c;
    }
    let strides = |columns: usize, rows: usize, transposed: bool| {
        if transposed { (1, rows as isize) } else { (columns as isize, 1) }
    };
    let ((a_row, a_column), (b_row, b_column)) = (strides(k, m, extents.ta), strides(n, k, extents.tb));
    // SAFETY: the lengths were checked above. Element (i, j) of a factor with `columns` columns lies at
    // i·columns + j, transposed with `rows` rows at i + j·rows, below rows·columns in both cases; that of
    // C at i·n + j. C is not read, as `read_dst` is false, and nobody else holds it.
    unsafe {
        gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_column,
            b_row,
            T::from(0.0),
            T::from(1.0),
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
    c
}

/// How far the f32 sums of an algorithm may be from the reference.
pub fn bound_of_sums(extents: &Extents, depth: u64, flushed: bool, reference: &ReferenceOutput) -> Vec<f64> {
    let own = extents.k as f64 * 2f64.powi(-53);
    let rounding = depth as f64 * Dtype::F32.unit_roundoff() + own;
    // Half a spacing of subnormal numbers per step; an atomic addition loses what is subnormal, on the way
    // in and on the way out.
    let subnormal = extents.k as f64 * 2f64.powi(-150);
    let flushed = if flushed { 2.0 * depth as f64 * Dtype::F32.min_normal() } else { 0.0 };
    reference.magnitudes.par_iter().map(|sum| rounding * sum + subnormal + flushed).collect()
}

/// How far they may be once they are rounded to f16: half a spacing of normal numbers, and of subnormal
/// ones.
pub fn bound_of_halves(sums: &[f64], reference: &ReferenceOutput) -> Vec<f64> {
    let halves = |(bound, value): (&f64, &f64)| {
        bound + Dtype::F16.unit_roundoff() * (value.abs() + bound) + 2f64.powi(-25)
    };
    sums.par_iter().zip(&reference.values).map(halves).collect()
}
