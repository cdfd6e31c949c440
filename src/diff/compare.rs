//! Comparing one tensor with another, over their mapped bytes: blocks that lie in the nearest cache, chunks
//! that threads take, and groups of chunks whose sums are put together in order, so that no result depends on
//! how many threads there are, and memory does not grow with the tensor.

use rayon::prelude::*;

use crate::checkpoint::View;
use crate::diff::block::Scratch;
use crate::diff::common::Common;
use crate::diff::extent::Extent;
use crate::diff::model::{Distance, Facts};
use crate::diff::special::{self, Special};
use crate::diff::widen;
use crate::diff::window::{Hits, LARGE, Window};
use crate::divergence::accumulate::{Accumulator, percentile, places, rank_of_p99, select};
use crate::divergence::block::BLOCK;

/// Blocks that one task compares.
const CHUNK: usize = 128 * BLOCK;

/// Chunks whose sums are kept until all of them are there.
const GROUP: usize = 256;

/// Blocks that a sample has at the most: a hundred thousand elements, of which a thousand lie above the percentile.
const SAMPLED: usize = 64;

/// How far `after` is from `before`; `None` if no type holds both exactly, or they have not the same number
/// of elements. `read` is told of bytes that were compared.
pub fn compare(before: View, after: View, read: &(dyn Fn(u64) + Sync)) -> Option<Distance> {
    let common = Common::of(before.element, after.element)?;
    let pair = Pair::new(before, after, common)?;
    let window = pair.window();
    let mut sum = Tally { hits: window.map(Window::hits), ..Tally::default() };
    for group in pair.groups() {
        let tallies: Vec<Tally> = group
            .into_par_iter()
            .map_init(Scratch::default, |scratch, chunk| {
                let (a, b) = pair.chunk(chunk);
                let tally = pair.tally(a, b, window, scratch);
                read((a.len() + b.len()) as u64);
                tally
            })
            .collect();
        tallies.iter().for_each(|tally| sum.append(tally));
    }
    Some(pair.distance(sum))
}

/// Two tensors of the same number of elements, and the type that they are compared in.
struct Pair<'a> {
    common: Common,
    before: View<'a>,
    after: View<'a>,
    elements: usize,
}

/// What a number of elements showed.
#[derive(Default, Clone)]
struct Tally {
    sum: Accumulator,
    before: Special,
    after: Special,
    /// Of blocks that differ.
    extent: Extent,
    /// Distances near the percentile, if it was guessed.
    hits: Option<Hits>,
}

impl Tally {
    fn append(&mut self, later: &Self) {
        self.sum.append(&later.sum);
        self.before.append(later.before);
        self.after.append(later.after);
        self.extent.append(&later.extent);
        if let Some((hits, later)) = self.hits.as_mut().zip(later.hits.as_ref()) {
            hits.append(later);
        }
    }
}

impl<'a> Pair<'a> {
    fn new(before: View<'a>, after: View<'a>, common: Common) -> Option<Self> {
        let elements = before.bytes.len() / widen::size(before.element);
        (elements == after.bytes.len() / widen::size(after.element) && before.elements() == after.elements())
            .then_some(Self { common, before, after, elements })
    }

    fn groups(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let chunks = self.elements.div_ceil(CHUNK);
        (0..chunks).step_by(GROUP).map(move |first| first..chunks.min(first + GROUP))
    }

    fn chunk(&self, chunk: usize) -> (&'a [u8], &'a [u8]) {
        let part = |bytes: &'a [u8], element| {
            let length = CHUNK * widen::size(element);
            let begin = chunk * length;
            &bytes[begin..bytes.len().min(begin + length)]
        };
        (part(self.before.bytes, self.before.element), part(self.after.bytes, self.after.element))
    }

    fn blocks(&self, a: &'a [u8], b: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let length = |element| BLOCK * widen::size(element);
        a.chunks(length(self.before.element)).zip(b.chunks(length(self.after.element)))
    }

    fn tally(&self, a: &'a [u8], b: &'a [u8], window: Option<Window>, scratch: &mut Scratch) -> Tally {
        let mut tally = Tally { hits: window.map(Window::hits), ..Tally::default() };
        let (of_a, of_b) = (self.before.element, self.after.element);
        for (a, b) in self.blocks(a, b) {
            if of_a == of_b && a == b {
                let special =
                    if self.common == Common::Bytes { Special::default() } else { special::count(of_a, a) };
                let elements = (a.len() / widen::size(of_a)) as u64;
                tally.sum.add_equal(elements, elements - special.all());
                tally.before.append(special);
                tally.after.append(special);
                continue;
            }
            let (distances, summary, extent) = scratch.measure(self.common, (of_a, a), (of_b, b));
            if !extent.is_finite() {
                tally.before.append(special::count(of_a, a));
                tally.after.append(special::count(of_b, b));
            }
            tally.extent.append(&extent);
            match &mut tally.hits {
                // The window takes the histogram's place.
                Some(hits) => {
                    tally.sum.add_without_histogram(distances, &summary);
                    hits.add(distances);
                }
                None => tally.sum.add(distances, &summary),
            }
        }
        tally
    }

    /// Where the 99th percentile of a large tensor's distances should lie.
    fn window(&self) -> Option<Window> {
        if self.elements < LARGE || self.common == Common::Bytes {
            return None;
        }
        let chunks = self.elements / CHUNK;
        let sampled = if chunks > SAMPLED { SAMPLED } else { chunks };
        let sample = (0..sampled).into_par_iter().map_init(Scratch::default, |scratch, place| {
            // Another block of each chunk.
            let (a, b) = self.chunk(place * chunks / sampled);
            let (a, b) = self.blocks(a, b).nth(place * 37 % (CHUNK / BLOCK)).unwrap_or_default();
            let mut found = vec![0; a.len() / widen::size(self.before.element)];
            if self.before.element != self.after.element || a != b {
                let pair = ((self.before.element, a), (self.after.element, b));
                let (distances, _) = scratch.compare(self.common, pair.0, pair.1);
                found.clear();
                distances.each(|distance| found.push(distance));
            }
            found
        });
        Window::of(sample.flatten_iter().collect())
    }

    fn distance(&self, tally: Tally) -> Distance {
        let sum = &tally.sum;
        let measured = if self.common == Common::Bytes { None } else { sum.max };
        let count = |low, high, shift| self.count(low, high, shift);
        let p99 = measured.map(|_| match tally.hits {
            Some(hits) => hits.p99(sum.elements).unwrap_or_else(|| {
                let bits = u64::BITS - sum.max.unwrap_or(1).leading_zeros();
                select(0, bits, rank_of_p99(sum.elements), count)
            }),
            None => percentile(&sum.histogram(), sum.elements, count),
        });
        let difference = tally.extent.difference;
        Distance {
            compared_as: self.common.name(),
            elements: sum.elements,
            differing: sum.differing,
            v_c: if sum.elements == 0 { 0.0 } else { sum.differing as f64 / sum.elements as f64 },
            v_ermv: if self.common == Common::Bytes { None } else { sum.v_ermv() },
            v_ermv_excluded: sum.v_ermv_excluded(),
            max_difference: measured.map(|_| difference).filter(|difference| difference.is_finite()),
            max_ulp: measured,
            p99_ulp: p99,
            first_difference: sum.first,
            first_coordinates: sum.first.and_then(|first| self.coordinates(first)),
            nan_before: tally.before.nan,
            nan_after: tally.after.nan,
            infinite_before: tally.before.infinite,
            infinite_after: tally.after.infinite,
            facts: Facts {
                max_magnitude: tally.extent.magnitude_before,
                may_be_permuted: self.before.element == self.after.element
                    && sum.differing > 0
                    && tally.extent.bits[0] == tally.extent.bits[1],
            },
        }
    }

    /// Counts distances from `low` to `high` by their place in that range.
    fn count(&self, low: u64, high: u64, shift: u32) -> Vec<u64> {
        let length = places(low, high, shift);
        (0..self.elements.div_ceil(CHUNK))
            .into_par_iter()
            .fold(
                || (Scratch::default(), vec![0u64; length]),
                |(mut scratch, mut counts), chunk| {
                    let (a, b) = self.chunk(chunk);
                    for (a, b) in self.blocks(a, b) {
                        // Equal ones are at distance 0.
                        if low == 0 || self.before.element != self.after.element || a != b {
                            let pair = ((self.before.element, a), (self.after.element, b));
                            let (distances, _) = scratch.compare(self.common, pair.0, pair.1);
                            distances.within(low, high, |d| counts[((d - low) >> shift) as usize] += 1);
                        }
                    }
                    (scratch, counts)
                },
            )
            .map(|(_, counts)| counts)
            .reduce(
                || vec![0u64; length],
                |mut sums, counts| {
                    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                    sums
                },
            )
    }

    /// Where the element lies; `None` if it is no element but a byte, or the shapes are not the same.
    fn coordinates(&self, index: u64) -> Option<Vec<u64>> {
        (self.common != Common::Bytes && self.before.shape == self.after.shape)
            .then(|| coordinates(index, self.before.shape))
    }
}

/// The place of an element in a tensor of that shape.
pub fn coordinates(mut index: u64, shape: &[u64]) -> Vec<u64> {
    let mut place: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let at = index % extent.max(1);
            index /= extent.max(1);
            at
        })
        .collect();
    place.reverse();
    place
}
