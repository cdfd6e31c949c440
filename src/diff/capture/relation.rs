//! How one batch became the other: the same rows in another order, one scale and shift, another index map,
//! mirrored rows, noise. The first relation that explains every element is taken.

use std::collections::HashMap;

use twox_hash::XxHash3_128;

use crate::checkpoint::View;
use crate::checkpoint::element::{Kind, kind, name};
use crate::diff::capture::values::{Affine, affine, correlation, relative_distance, values};

/// Larger batches are told to differ, and not looked into.
const MOST: u64 = 1 << 24;

/// How the second tensor comes about from the first.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation {
    /// Another type, and the same values.
    OtherType(String, String),
    /// Another shape.
    OtherShape,
    /// The same rows, in another order: row *i* of the second is row `order[i]` of the first.
    OtherOrder(Vec<usize>),
    /// Every index stands for what another one stood for: how many do, and some of them.
    IndexMap {
        /// Distinct indices that changed.
        changed: usize,
        /// Distinct indices.
        distinct: usize,
        /// The smallest ones that changed, old and new.
        examples: Vec<(i64, i64)>,
    },
    /// One scale and shift.
    Affine(Affine),
    /// A scale and shift for each index of an axis: the axis, and those of the first index that changed.
    AffineBy(Axis, Affine),
    /// So many rows are mirrored along their last axis, the others are equal.
    Mirrored(usize, usize),
    /// So many rows are equal, in place.
    SomeRows(usize, usize),
    /// So many rows are among those of the other side, at whatever place.
    SharedRows(usize, usize),
    /// Close by: the correlation, and the largest difference relative to the largest value.
    Near(f64, f64),
    /// Nothing that is known.
    Unknown,
}

/// What a scale and shift belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// A row, the first axis.
    Row,
    /// The second axis: channels of images, columns of tables.
    Channel,
    /// The last axis.
    Last,
}

/// A batch's numbers, a row after the other.
struct Rows<'a> {
    values: &'a [f64],
    rows: usize,
}

impl<'a> Rows<'a> {
    fn width(&self) -> usize {
        self.values.len() / self.rows
    }

    fn row(&self, index: usize) -> &'a [f64] {
        &self.values[index * self.width()..(index + 1) * self.width()]
    }

    /// A digest of a row's bits: rows that have the same one are taken as equal.
    fn key(&self, index: usize) -> u128 {
        XxHash3_128::oneshot(bytemuck::cast_slice(self.row(index)))
    }
}

/// How `after` comes about from `before`.
pub fn relation(before: View, after: View) -> Relation {
    if before.shape != after.shape {
        return Relation::OtherShape;
    }
    if before.elements() == 0 || before.elements() > MOST {
        return Relation::Unknown;
    }
    let (Some(a), Some(b)) = (values(before), values(after)) else {
        return Relation::Unknown;
    };
    let apart = relative_distance(before, after);
    if before.element != after.element && apart.is_none_or(|apart| apart < 0.01) {
        return Relation::OtherType(name(before.element), name(after.element));
    }
    let rows = before.shape.first().copied().unwrap_or(1).max(1) as usize;
    let (ours, theirs) = (Rows { values: &a, rows }, Rows { values: &b, rows });
    let is_integer = matches!(kind(before.element), Kind::Integer { .. });
    order(&ours, &theirs)
        .or_else(|| is_integer.then(|| index_map(&a, &b)).flatten())
        .or_else(|| scaled(before.shape, &ours, &theirs))
        .or_else(|| row_by_row(before.shape, &ours, &theirs))
        .or_else(|| near(&a, &b, apart))
        .unwrap_or(Relation::Unknown)
}

fn order(ours: &Rows, theirs: &Rows) -> Option<Relation> {
    let mut places: HashMap<u128, Vec<usize>> = HashMap::new();
    for row in (0..ours.rows).rev() {
        places.entry(ours.key(row)).or_default().push(row);
    }
    let order: Option<Vec<usize>> =
        (0..theirs.rows).map(|row| places.get_mut(&theirs.key(row))?.pop()).collect();
    order.filter(|_| ours.rows > 1).map(Relation::OtherOrder)
}

/// A map from old indices to new ones, the same wherever an index stands, and no two to the same.
fn index_map(a: &[f64], b: &[f64]) -> Option<Relation> {
    let (mut forth, mut back) = (HashMap::new(), HashMap::new());
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (*a as i64, *b as i64);
        if *forth.entry(a).or_insert(b) != b || *back.entry(b).or_insert(a) != a {
            return None;
        }
    }
    let mut examples: Vec<(i64, i64)> = forth.iter().map(|(a, b)| (*a, *b)).filter(|(a, b)| a != b).collect();
    examples.sort_unstable();
    let changed = examples.len();
    examples.truncate(3);
    // Where no index occurs twice, any batch is such a map of any other.
    (forth.len() < a.len()).then_some(Relation::IndexMap { changed, distinct: forth.len(), examples })
}

fn scaled(shape: &[u64], ours: &Rows, theirs: &Rows) -> Option<Relation> {
    let pairs = |of: &dyn Fn(usize) -> bool| -> Vec<(f64, f64)> {
        let pairs = ours.values.iter().copied().zip(theirs.values.iter().copied()).enumerate();
        pairs.filter(|(index, _)| of(*index)).map(|(_, pair)| pair).collect()
    };
    if let Some(found) = affine(&pairs(&|_| true)) {
        return Some(Relation::Affine(found));
    }
    let extent = |axis: usize| shape.get(axis).map_or(1, |extent| *extent as usize);
    let behind = |axis: usize| shape.iter().skip(axis + 1).product::<u64>() as usize;
    let axes = [(Axis::Channel, 1), (Axis::Last, shape.len().saturating_sub(1)), (Axis::Row, 0)];
    for (axis, place) in axes {
        let (extent, behind) = (extent(place), behind(place));
        // More parts than this are no statistics that anybody keeps.
        if !(2..=1 << 12).contains(&extent) || (axis != Axis::Row && place == 0) {
            continue;
        }
        let parts: Vec<Vec<(f64, f64)>> =
            (0..extent).map(|part| pairs(&|index| index / behind % extent == part)).collect();
        let is_changed = |part: &[(f64, f64)]| part.iter().any(|(x, y)| x.to_bits() != y.to_bits());
        let found: Option<Vec<Option<Affine>>> = parts
            .iter()
            .map(|part| if is_changed(part) { affine(part).map(Some) } else { Some(None) })
            .collect();
        // Rows that are untouched speak against a formula that is applied to every row.
        let found = found.filter(|found| axis != Axis::Row || found.iter().all(Option::is_some));
        if let Some(first) = found.and_then(|found| found.into_iter().flatten().next()) {
            return Some(Relation::AffineBy(axis, first));
        }
    }
    None
}

fn row_by_row(shape: &[u64], ours: &Rows, theirs: &Rows) -> Option<Relation> {
    let (mut equal, mut mirrored) = (0, 0);
    let last = shape.last().map_or(1, |extent| *extent as usize);
    for row in 0..ours.rows {
        let (a, b) = (ours.row(row), theirs.row(row));
        let flipped = || a.chunks(last).flat_map(|line| line.iter().rev());
        if a == b {
            equal += 1;
        } else if shape.len() > 1 && last > 2 && flipped().eq(b.iter()) {
            mirrored += 1;
        }
    }
    if mirrored > 0 && mirrored + equal == ours.rows {
        return Some(Relation::Mirrored(mirrored, ours.rows));
    }
    let shared = shared(ours, theirs);
    // Rows of one number are the same by chance.
    if shared > equal && ours.width() > 1 {
        return Some(Relation::SharedRows(shared, ours.rows));
    }
    (equal > 0).then_some(Relation::SomeRows(equal, ours.rows))
}

/// How many rows are among those of the other side, each taken once.
fn shared(ours: &Rows, theirs: &Rows) -> usize {
    let mut left: HashMap<u128, usize> = HashMap::new();
    (0..ours.rows).for_each(|row| *left.entry(ours.key(row)).or_default() += 1);
    let take = |row: &usize| match left.get_mut(&theirs.key(*row)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    (0..theirs.rows).filter(take).count()
}

fn near(a: &[f64], b: &[f64], apart: Option<f64>) -> Option<Relation> {
    const NEAR: f64 = 0.9;
    let found = correlation(a, b).filter(|found| *found >= NEAR)?;
    Some(Relation::Near(found, apart?))
}
