//! The accurate sums in f64, and how far sums in any order may be from them.

use rayon::prelude::*;

use crate::operation::{Reference, ReferenceOutput, bound};
use crate::tensor::{Dtype, Tensor};

/// Sums of the rows of x that the index sends to each row.
pub fn sums([rows, columns, _]: [u64; 3], inputs: &[Tensor], output: Dtype) -> Reference {
    let (x, columns) = (&inputs[0], columns as usize);
    let members = members(rows, &inputs[1]);
    let of_row = |members: &Vec<usize>| -> Vec<(f64, f64)> {
        let of_column = |column: usize| {
            let terms = members.iter().map(|member| x.value(member * columns + column));
            terms.fold((0.0, 0.0), |(sum, magnitude), term| (sum + term, magnitude + term.abs()))
        };
        (0..columns).map(of_column).collect()
    };
    let (values, magnitudes): (Vec<f64>, Vec<f64>) = members.par_iter().flat_map_iter(of_row).unzip();
    let answer = ReferenceOutput { values, magnitudes, own_error: Vec::new() };
    let range = bound::range("Σ|x|", output, &answer);
    Reference { outputs: vec![answer], range }
}

/// Per row that is added to, which rows are added.
fn members(rows: u64, index: &Tensor) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); rows as usize];
    for place in 0..index.len() {
        members[index.value(place) as usize].push(place);
    }
    members
}

/// One chain through all rows that meet, in the type of the sums, whether it rounds each of them to that or the last
/// only; and the reference's own error.
pub fn bound(
    [rows, columns, _]: [u64; 3],
    index: &Tensor,
    dtype: Dtype,
    reference: &ReferenceOutput,
) -> Vec<f64> {
    let counts = members(rows, index).into_iter().map(|members| members.len() as u64);
    let per_element: Vec<u64> = counts.flat_map(|count| (0..columns).map(move |_| count)).collect();
    bound::of_chains(&per_element, dtype, reference)
}
