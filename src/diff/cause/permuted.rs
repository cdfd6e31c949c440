//! Rows or columns permuted, as by another order of a vocabulary or of classes.
//!
//! It fires if the rows of AFTER (slices along its first dimension) are those of BEFORE in another order, bit
//! for bit and each as often; or else its columns (along the second dimension, of a matrix or more). Rows are
//! found by hash (XXH3) and then compared bit by bit. Sums over the bits, taken while comparing, say
//! beforehand where that is worth trying. Equal rows are told apart by nothing, and matched in order.

use std::collections::HashMap;

use rayon::prelude::*;
use twox_hash::XxHash3_128;

use crate::checkpoint::View;
use crate::diff::cause::pair::Pair;
use crate::diff::cause::{Cause, Scope, count};

/// Rows or columns that are looked up at the most: their table has about 60 bytes for each.
const MOST: usize = 1 << 20;

/// What was found of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Rows, or columns.
    pub what: &'static str,
    /// How many there are.
    pub count: usize,
    /// How many are at another place.
    pub moved: usize,
    /// The place in AFTER and in BEFORE of the first that is.
    pub example: (usize, usize),
}

/// Looks at one tensor.
pub fn look(pair: &Pair) -> Option<Found> {
    let (before, after) = (pair.before, pair.after);
    if !pair.distance.facts.may_be_permuted || before.shape != after.shape || before.bytes.is_empty() {
        return None;
    }
    let rows = *before.shape.first()? as usize;
    let row_bytes = before.bytes.len() / rows;
    by_rows(before, after, rows, row_bytes).or_else(|| by_columns(before, after, rows, row_bytes))
}

fn by_rows(before: View, after: View, rows: usize, row_bytes: usize) -> Option<Found> {
    let hash = |view: View| -> Vec<u64> {
        view.bytes.par_chunks(row_bytes).map(|row| XxHash3_128::oneshot(row) as u64).collect()
    };
    let is_equal = |to: usize, from: usize| {
        after.bytes[to * row_bytes..][..row_bytes] == before.bytes[from * row_bytes..][..row_bytes]
    };
    if rows > MOST {
        return None;
    }
    found("rows", &hash(before), &hash(after), is_equal)
}

fn by_columns(before: View, after: View, rows: usize, row_bytes: usize) -> Option<Found> {
    let columns = *before.shape.get(1)? as usize;
    if columns > MOST {
        return None;
    }
    let column_bytes = row_bytes / columns;
    // A column's hash goes on from row to row.
    let hash = |view: View| -> Vec<u64> {
        let mut hashes = vec![0u64; columns];
        for row in view.bytes.chunks(row_bytes) {
            hashes.par_iter_mut().zip(row.par_chunks(column_bytes)).with_min_len(1024).for_each(
                |(hash, part)| {
                    *hash = XxHash3_128::oneshot_with_seed(*hash, part) as u64;
                },
            );
        }
        hashes
    };
    let is_equal = |to: usize, from: usize| {
        (0..rows).all(|row| {
            let at = |column: usize| row * row_bytes + column * column_bytes;
            after.bytes[at(to)..][..column_bytes] == before.bytes[at(from)..][..column_bytes]
        })
    };
    found("columns", &hash(before), &hash(after), is_equal)
}

/// Matches by hash, then looks whether what was matched is equal.
fn found(
    what: &'static str,
    before: &[u64],
    after: &[u64],
    is_equal: impl Fn(usize, usize) -> bool + Sync,
) -> Option<Found> {
    // What stands where it stood has not moved, though an equal one may stand before it.
    let stays = |place: usize| before[place] == after[place];
    // The other places of a hash in BEFORE, the first one last.
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for place in (0..before.len()).rev().filter(|&place| !stays(place)) {
        places.entry(before[place]).or_default().push(place);
    }
    let mut from = Vec::with_capacity(after.len());
    for (place, hash) in after.iter().enumerate() {
        from.push(if stays(place) { place } else { places.get_mut(hash)?.pop()? });
    }
    let moved = from.iter().enumerate().filter(|(to, from)| to != *from).count();
    let example = from.iter().enumerate().find(|(to, from)| to != *from).map(|(to, from)| (to, *from))?;
    let is_so = from.par_iter().enumerate().all(|(to, from)| is_equal(to, *from));
    is_so.then_some(Found { what, count: after.len(), moved, example })
}

/// The cause of the tensors that were found.
pub fn tell(found: &[(&str, &Found)], scope: &Scope) -> Cause {
    let what: Vec<&str> = ["rows", "columns"]
        .into_iter()
        .filter(|what| found.iter().any(|(_, found)| found.what == *what))
        .collect();
    let mut evidence: Vec<String> = found
        .iter()
        .take(3)
        .map(|(name, found)| {
            let (to, from) = found.example;
            format!(
                "{} of {} {} of {name} moved, all with the same bits: {} {to} of AFTER is {from} of BEFORE",
                found.moved,
                found.count,
                found.what,
                found.what.trim_end_matches('s')
            )
        })
        .collect();
    if found.len() > 3 {
        evidence.push(format!("and {} more", count(found.len() - 3, "tensor")));
    }
    let of = if let [(name, _)] = found { (*name).to_owned() } else { scope.of(found.len()) };
    Cause {
        kind: "permuted",
        what: format!("{} permuted (order of a vocabulary or of classes): {of}", what.join(" and ")),
        evidence,
        tensors: found.len(),
    }
}
