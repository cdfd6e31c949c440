//! The accurate product in f64, with upper bounds of Σ|a||b|.

use gemm::{Parallelism, gemm};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::operation::matmul::shape::Extents;
use crate::operation::{Reference, ReferenceOutput};
use crate::tensor::{Data, Dtype, Tensor};

/// Elements of a task.
const CHUNK: usize = 1 << 13;
/// The longest K whose magnitudes are summed in f32: beyond, their own error would show.
const LONGEST_NARROW: u64 = 1 << 20;
/// Roundings on top of K that some algorithm may need: those of adding up parts of K.
const MORE_ROUNDINGS: f64 = 64.0;

/// The product with upper bounds of Σ|a||b|.
pub fn product(extents: &Extents, inputs: &[Tensor], output: Dtype) -> Reference {
    let [a, b] = [0, 1].map(|operand| elements(&inputs[operand], f64::from));
    let values = multiply(extents, &a, &b);
    let magnitudes = narrow_magnitudes(extents, inputs).unwrap_or_else(|| wide_magnitudes(extents, &a, &b));
    let range = range(extents, output, &values, &magnitudes);
    Reference { outputs: vec![ReferenceOutput { values, magnitudes, own_error: Vec::new() }], range }
}

/// Upper bounds of Σ|a||b| from sums in f32, which take half the time of f64, enlarged by their own error;
/// `None` where that would show, or where a sum overflows.
///
/// A sum S of K products in any order, fused or not, is computed as s with |s − S| ≤ K·u·S + K·2^−149
/// (Jeannerod and Rump 2013; the last term for subnormal products), hence S ≤ (s + K·2^−149) / (1 − K·u).
fn narrow_magnitudes(extents: &Extents, inputs: &[Tensor]) -> Option<Vec<f64>> {
    if extents.k > LONGEST_NARROW {
        return None;
    }
    let [a, b] = [0, 1].map(|operand| elements(&inputs[operand], f32::abs));
    let sums = multiply(extents, &a, &b);
    let k = extents.k as f64;
    let (lost, factor) = (k * 2f64.powi(-149), 1.0 / (1.0 - k * Dtype::F32.unit_roundoff()));
    let mut magnitudes = vec![0.0; sums.len()];
    let enlarge = |(magnitudes, sums): (&mut [f64], &[f32])| {
        let mut finite = true;
        for (magnitude, sum) in magnitudes.iter_mut().zip(sums) {
            finite &= sum.is_finite();
            *magnitude = (f64::from(*sum) + lost) * factor;
        }
        finite
    };
    let finite = magnitudes.par_chunks_mut(CHUNK).zip(sums.par_chunks(CHUNK)).map(enlarge);
    finite.reduce(|| true, |a, b| a && b).then_some(magnitudes)
}

/// The same in f64.
fn wide_magnitudes(extents: &Extents, a: &[f64], b: &[f64]) -> Vec<f64> {
    let absolute = |values: &[f64]| values.par_iter().map(|value| value.abs()).collect::<Vec<_>>();
    let factor = 1.0 / (1.0 - extents.k as f64 * 2f64.powi(-53));
    multiply(extents, &absolute(a), &absolute(b)).into_par_iter().map(|sum| sum * factor).collect()
}

/// Why some order of operations may leave the range of f32, or the result that of the output.
fn range(extents: &Extents, output: Dtype, values: &[f64], magnitudes: &[f64]) -> Option<String> {
    let off = (extents.k as f64 + MORE_ROUNDINGS) * Dtype::F32.unit_roundoff();
    // Where a product is no number, neither is its magnitude.
    let of_chunk = |(values, magnitudes): (&[f64], &[f64])| {
        let (mut value, mut magnitude, mut number) = (0f64, 0f64, true);
        for (v, m) in values.iter().zip(magnitudes) {
            number &= !m.is_nan();
            magnitude = if *m > magnitude { *m } else { magnitude };
            let reach = v.abs() + off * m;
            value = if reach > value { reach } else { value };
        }
        (value, if number { magnitude } else { f64::NAN })
    };
    let largest = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    let (value, magnitude) = values
        .par_chunks(CHUNK)
        .zip(magnitudes.par_chunks(CHUNK))
        .map(of_chunk)
        .reduce(|| (0.0, 0.0), |a, b| (largest(a.0, b.0), largest(a.1, b.1)));
    if magnitude.is_nan() || magnitude >= Dtype::F32.max_finite() {
        return Some(format!("Σ|a||b| = {magnitude:.3e} is beyond f32: some order may overflow"));
    }
    (value >= output.max_finite()).then(|| format!("|c| up to {value:.3e} is beyond {output}"))
}

/// An operand's elements, widened to f32 and then changed by `of`.
fn elements<T: Copy + Default + Send>(operand: &Tensor, of: impl Fn(f32) -> T + Sync) -> Vec<T> {
    let mut elements = vec![T::default(); operand.len()];
    let change = |to: &mut [T], from: &[f32]| {
        for (to, from) in to.iter_mut().zip(from) {
            *to = of(*from);
        }
    };
    let chunks = elements.par_chunks_mut(CHUNK);
    match &operand.data {
        Data::F32(values) => {
            chunks.zip(values.par_chunks(CHUNK)).for_each(|(to, from)| change(to, from));
        }
        Data::F16(values) => chunks.zip(values.par_chunks(CHUNK)).for_each(|(to, from)| {
            let mut wide = [0f32; CHUNK];
            from.convert_to_f32_slice(&mut wide[..from.len()]);
            change(to, &wide);
        }),
    }
    elements
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
