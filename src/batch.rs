//! The same rows inside other batches: which batches are tried, and how rows lie in tensors.
//!
//! Servers put whatever requests wait into one batch, so a row's neighbours, their number and its own place
//! among them change from one execution to the next. Where code picks another kernel, tile or grid by the
//! batch's size, it does so at a threshold; hence sizes stand around all that kernels commonly have.

use std::collections::BTreeSet;
use std::fmt;
use std::iter::successors;

use crate::device::Problem;
use crate::input::random;
use crate::tensor::{Data, Tensor};
use crate::workload::{Shape, Workload};

/// The longest edge of a tile that thresholds are looked for at; those of `matmul` are none longer.
const LARGEST_TILE: u64 = 256;
/// Sizes that are drawn beside those, for thresholds that are no power of two.
const DRAWN: usize = 4;
/// Draws at the most: where few sizes are allowed, all of them may be there already.
const DRAWS: u64 = 64;

/// One batch to try: which rows of the problem stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Rows of the problem, in the order in which they stand in the batch; one may come several times.
    pub rows: Vec<u64>,
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch={}", self.rows.len())?;
        self.rows.first().map_or(Ok(()), |first| write!(f, ";first={first}"))
    }
}

/// The batches to try of a problem of `count` rows, none larger than `most_rows`: in ascending order of their
/// sizes, no size twice. The same for the same arguments.
///
/// Sizes are 1, 2, 3; the powers of two up to 256 with the numbers beside them, which are the edges of tiles
/// too; `count` itself; and four that the seed draws, from 1 to 512. From a first row that is not row 0, rows
/// follow at a distance that has no divisor in common with `count`: so each comes once before any comes
/// again, and all do where they fit. The batch of `count` rows has them in their order, rotated, so that none
/// stands at its place.
///
/// There is none where nothing can be changed: of no rows, and of a single row, none of size 1.
pub fn batches(count: u64, most_rows: u64, seed: u64) -> Vec<Batch> {
    if count == 0 {
        return Vec::new();
    }
    let batch = |size| Batch { rows: rows(count, size, seed) };
    sizes(count, most_rows, seed).into_iter().filter(|size| (*size, count) != (1, 1)).map(batch).collect()
}

fn sizes(count: u64, most_rows: u64, seed: u64) -> BTreeSet<u64> {
    let powers = successors(Some(2), |power| Some(2 * power)).take_while(|power| *power <= LARGEST_TILE);
    let thresholds = powers.flat_map(|power| [power - 1, power, power + 1]);
    let mut sizes: BTreeSet<u64> = thresholds.chain([count]).filter(|size| *size <= most_rows).collect();
    let (wanted, most) = (sizes.len() + DRAWN, most_rows.min(2 * LARGEST_TILE));
    let mut draws = 0..if most == 0 { 0 } else { DRAWS };
    while sizes.len() < wanted
        && let Some(draw) = draws.next()
    {
        sizes.insert(1 + random(seed, draw) % most);
    }
    sizes
}

fn rows(count: u64, size: u64, seed: u64) -> Vec<u64> {
    // Other numbers than those that sizes are drawn with, two for each size.
    let draw = |number| random(seed, DRAWS.wrapping_add(size.wrapping_mul(2)).wrapping_add(number));
    let first = if count == 1 { 0 } else { 1 + draw(0) % (count - 1) };
    let step = if size == count { 1 } else { coprime(count, draw(1)) };
    let next = |row: &u64| Some(((u128::from(*row) + u128::from(step)) % u128::from(count)) as u64);
    successors(Some(first), next).take(size as usize).collect()
}

/// The first number from `start` on, modulo `count`, that has no divisor in common with `count`.
fn coprime(count: u64, start: u64) -> u64 {
    let divisor = |mut a: u64, mut b: u64| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    // 1 is one, so the search ends; gaps between such numbers are short.
    successors(Some(start % count), |step| Some((step + 1) % count))
        .find(|step| divisor(count, *step) == 1)
        .unwrap_or(1)
}

/// How the rows of a batch lie in a row-major tensor of `before`×`rows`×`after` elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// Elements of all axes before that of the rows, multiplied: 1 where rows are contiguous.
    pub before: usize,
    /// Rows.
    pub rows: usize,
    /// Elements of all axes after it, multiplied.
    pub after: usize,
}

impl Axis {
    /// Rows of `after` elements each, one after the other.
    pub fn first(rows: u64, after: u64) -> Self {
        Self { before: 1, rows: rows as usize, after: after as usize }
    }

    /// A tensor of these rows of `tensor`, which keeps its other axes.
    ///
    /// # Panics
    /// If a row is out of bounds, or the tensor has fewer elements than that.
    pub fn gather(&self, tensor: &Tensor, rows: &[u64]) -> Tensor {
        let data = match &tensor.data {
            Data::F16(values) => Data::F16(self.gathered(values, rows)),
            Data::F32(values) => Data::F32(self.gathered(values, rows)),
        };
        Tensor { name: tensor.name, data }
    }

    fn gathered<T: Copy>(&self, values: &[T], rows: &[u64]) -> Vec<T> {
        let mut gathered = Vec::with_capacity(self.before * rows.len() * self.after);
        for before in 0..self.before {
            let slab = &values[before * self.rows * self.after..][..self.rows * self.after];
            for row in rows {
                gathered.extend_from_slice(&slab[*row as usize * self.after..][..self.after]);
            }
        }
        gathered
    }
}

/// A batch of these rows of `problem`, of that shape. Rows lie in its first input, along `axis`; what its other
/// inputs hold belongs to every row, and they stay.
///
/// # Panics
/// If a row is out of bounds.
pub fn rebatched(problem: &Problem, shape: Shape, axis: &Axis, rows: &[u64]) -> Problem {
    // Inputs are those of the problem, given or generated: nobody is to make them from the workload.
    let workload = Workload { shape, given: None, ..problem.workload.clone() };
    let (batch, shared) = problem.inputs.split_at(problem.inputs.len().min(1));
    let inputs = batch.iter().map(|input| axis.gather(input, rows)).chain(shared.iter().cloned()).collect();
    Problem { workload, inputs }
}

/// `rows`, if there are any.
///
/// # Errors
/// The reason of a skipped row.
pub fn at_least_one(rows: u64) -> Result<u64, String> {
    if rows > 0 { Ok(rows) } else { Err("no rows: there is nothing to put into other batches".to_owned()) }
}

#[cfg(test)]
mod tests;
