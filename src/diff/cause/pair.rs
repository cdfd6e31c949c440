//! A tensor of both sides as the rules see it: values as f64, all of them or a sample.

use std::cell::OnceCell;
use std::ops::Range;

use rayon::prelude::*;

use crate::checkpoint::View;
use crate::checkpoint::element::{Float, Kind, float, kind};
use crate::diff::model::Distance;
use crate::diff::widen;

/// Elements that are widened together.
const BLOCK: usize = 4096;

/// Elements that a sample has at the most: a correlation of 0 is then known to ± 0.004.
const SAMPLE: usize = 1 << 16;

/// Elements of a sample that lie beside each other: single ones would each cost a line of the memory.
const RUN: usize = 256;

/// A tensor that both sides have with the same number of elements.
pub struct Pair<'a> {
    /// As BEFORE has it.
    pub before: View<'a>,
    /// As AFTER has it.
    pub after: View<'a>,
    /// How far they are apart.
    pub distance: &'a Distance,
    sample: OnceCell<(Vec<f64>, Vec<f64>)>,
}

impl<'a> Pair<'a> {
    /// A tensor of both sides, which must have the same number of elements.
    pub fn new(before: View<'a>, after: View<'a>, distance: &'a Distance) -> Self {
        Self { before, after, distance, sample: OnceCell::new() }
    }

    /// The formats of both, if both are floats.
    pub fn floats(&self) -> Option<(Float, Float)> {
        float(self.before.element).zip(float(self.after.element))
    }

    /// Whether all values are exact as f64.
    pub fn is_numeric(&self) -> bool {
        is_numeric(self.before) && is_numeric(self.after)
    }

    /// Whether `holds` says so of all blocks of values; stops at the first of which it does not. False where
    /// values are not exact as f64.
    pub fn all(&self, holds: impl Fn(&[f64], &[f64]) -> bool + Sync) -> bool {
        let elements = self.before.elements() as usize;
        let (before, after) = (self.before, self.after);
        let check = |block: usize| {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            widen_block(before, block, &mut a);
            widen_block(after, block, &mut b);
            holds(&a, &b)
        };
        // The first one by itself: most rules end there.
        self.is_numeric()
            && (elements == 0 || check(0))
            && (1..elements.div_ceil(BLOCK)).into_par_iter().all(check)
    }

    /// Values of both at the same places: all of them if they are few, else runs out of every part.
    pub fn sample(&self) -> &(Vec<f64>, Vec<f64>) {
        self.sample.get_or_init(|| {
            let elements = self.before.elements() as usize;
            let runs: Vec<Range<usize>> = if elements <= SAMPLE {
                std::iter::once(0..elements).collect()
            } else {
                let parts = SAMPLE / RUN;
                let part = |place: usize| (elements as u128 * place as u128 / parts as u128) as usize;
                // Not in equal steps: these could meet the same columns of every row.
                let spread = |place: usize| (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                let begin = |place: usize| {
                    part(place) + spread(place) as usize % (part(place + 1) - part(place) - RUN + 1)
                };
                (0..parts).map(|place| begin(place)..begin(place) + RUN).collect()
            };
            (at(self.before, &runs), at(self.after, &runs))
        })
    }
}

/// Whether all values of a tensor are exact as f64.
pub fn is_numeric(view: View) -> bool {
    match kind(view.element) {
        Kind::Float(_) | Kind::Bool => true,
        Kind::Integer { bits, .. } => bits <= 32,
        Kind::Opaque => false,
    }
}

/// Whether `holds` says so of all values of one tensor.
pub fn all(view: View, holds: impl Fn(f64) -> bool + Sync) -> bool {
    let check = |block: usize| {
        let mut values = Vec::new();
        widen_block(view, block, &mut values);
        values.iter().all(|value| holds(*value))
    };
    is_numeric(view) && (0..(view.elements() as usize).div_ceil(BLOCK)).into_par_iter().all(check)
}

/// The first value; `None` of an empty tensor or one whose values are not exact as f64.
pub fn first(view: View) -> Option<f64> {
    (is_numeric(view) && view.elements() > 0).then(|| at(view, std::slice::from_ref(&(0..1)))[0])
}

fn at(view: View, runs: &[Range<usize>]) -> Vec<f64> {
    let size = widen::size(view.element);
    let mut values = vec![0.0; runs.iter().map(|run| run.len()).sum()];
    let mut rest = values.as_mut_slice();
    for run in runs {
        let (out, behind) = rest.split_at_mut(run.len());
        widen::to_f64(view.element, &view.bytes[run.start * size..run.end * size], out);
        rest = behind;
    }
    values
}

fn widen_block(view: View, block: usize, values: &mut Vec<f64>) {
    let size = widen::size(view.element);
    let elements = view.bytes.len() / size;
    let (begin, end) = (block * BLOCK, elements.min((block + 1) * BLOCK));
    values.resize(end - begin, 0.0);
    widen::to_f64(view.element, &view.bytes[begin * size..end * size], values);
}
