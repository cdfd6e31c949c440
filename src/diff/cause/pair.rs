//! A tensor of both sides as the rules see it: values as f64, all of them or a sample.

use rayon::prelude::*;

use crate::checkpoint::View;
use crate::checkpoint::element::{Float, Kind, float, kind};
use crate::diff::model::Distance;
use crate::diff::widen;

/// Elements that are widened together.
const BLOCK: usize = 4096;

/// Elements that a sample has at the most: a correlation of 0 is then known to ± 0.004.
const SAMPLE: usize = 1 << 16;

/// A tensor that both sides have with the same number of elements.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// As BEFORE has it.
    pub before: View<'a>,
    /// As AFTER has it.
    pub after: View<'a>,
    /// How far they are apart.
    pub distance: &'a Distance,
}

impl<'a> Pair<'a> {
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
        let check = |block: usize| {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            widen_block(self.before, block, &mut a);
            widen_block(self.after, block, &mut b);
            holds(&a, &b)
        };
        // The first one by itself: most rules end there.
        self.is_numeric()
            && (elements == 0 || check(0))
            && (1..elements.div_ceil(BLOCK)).into_par_iter().all(check)
    }

    /// Values of both at the same places: all of them if they are few, else some of every part.
    pub fn sample(&self) -> (Vec<f64>, Vec<f64>) {
        let elements = self.before.elements() as usize;
        let places: Vec<usize> = if elements <= SAMPLE {
            (0..elements).collect()
        } else {
            // Not in equal steps: these could meet the same column of every row.
            let at = |i: usize| {
                let (begin, end) = (part(elements, i), part(elements, i + 1));
                begin + (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16) % (end - begin)
            };
            (0..SAMPLE).map(at).collect()
        };
        (at(self.before, &places), at(self.after, &places))
    }
}

/// Where the `i`-th of [`SAMPLE`] parts begins.
fn part(elements: usize, i: usize) -> usize {
    (elements as u128 * i as u128 / SAMPLE as u128) as usize
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
    (is_numeric(view) && view.elements() > 0).then(|| at(view, &[0])[0])
}

fn at(view: View, places: &[usize]) -> Vec<f64> {
    let size = widen::size(view.element);
    let mut value = [0f64];
    let mut one = |place: &usize| {
        widen::to_f64(view.element, &view.bytes[place * size..(place + 1) * size], &mut value);
        value[0]
    };
    places.iter().map(&mut one).collect()
}

fn widen_block(view: View, block: usize, values: &mut Vec<f64>) {
    let size = widen::size(view.element);
    let elements = view.bytes.len() / size;
    let (begin, end) = (block * BLOCK, elements.min((block + 1) * BLOCK));
    values.resize(end - begin, 0.0);
    widen::to_f64(view.element, &view.bytes[begin * size..end * size], values);
}
