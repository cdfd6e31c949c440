//! The accurate running sums in f64.

use rayon::prelude::*;

use crate::operation::{Reference, ReferenceOutput, bound};
use crate::tensor::{Dtype, Tensor};

/// Running sums of values and magnitudes.
pub fn running_sums([rows, columns]: [u64; 2], x: &Tensor, output: Dtype) -> Reference {
    let (rows, columns) = (rows as usize, columns as usize);
    let of_row = |row: usize| {
        let step = move |(sum, magnitude): &mut (f64, f64), column: usize| {
            let term = x.value(row * columns + column);
            (*sum, *magnitude) = (*sum + term, *magnitude + term.abs());
            Some((*sum, *magnitude))
        };
        (0..columns).scan((0.0, 0.0), step)
    };
    let (values, magnitudes): (Vec<f64>, Vec<f64>) = (0..rows).into_par_iter().flat_map_iter(of_row).unzip();
    let answer = ReferenceOutput { values, magnitudes, own_error: Vec::new() };
    let range = bound::range("Σ|x|", output, &answer);
    Reference { outputs: vec![answer], range }
}
