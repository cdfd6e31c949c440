//! The 99th percentile of distances without reading a large tensor again: a sample says between which
//! distances it will lie, and the one pass over the tensor keeps the distances in that window. If the sample
//! was wrong, or too much lies in the window, distances are counted bit by bit instead, which reads
//! everything again.

use crate::divergence::accumulate::{Distances, rank_of_p99};

/// Elements from which on a sample is worth its time.
pub const LARGE: usize = 1 << 21;

/// Standard deviations of the sample's percentile that the window reaches to either side: blocks of a tensor
/// are less independent than elements are.
const REACH: f64 = 6.0;

/// Windows up to this wide are counted by value.
const COUNTED: u64 = 4096;

/// Distances that are kept by themselves: 32 MB.
const KEPT: usize = 1 << 22;

/// Distances between which the percentile should lie, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    low: u64,
    high: u64,
}

impl Window {
    /// The window that a sample of distances tells. `None` where the histogram tells the percentile by
    /// itself.
    pub fn of(mut sample: Vec<u64>) -> Option<Self> {
        if sample.is_empty() {
            return None;
        }
        let count = sample.len() as f64;
        let reach = REACH * (0.99 * 0.01 / count).sqrt();
        let mut at = |share: f64| {
            let place = ((share * count) as usize).min(sample.len() - 1);
            *sample.select_nth_unstable(place).1
        };
        let window = Self { low: at(0.99 - reach), high: at(0.99 + reach) };
        (window.low > 0 && window.high > 1).then_some(window)
    }

    /// Room for what lies in it.
    pub fn hits(self) -> Hits {
        let within = if self.high - self.low < COUNTED {
            Within::Counts(vec![0; (self.high - self.low + 1) as usize])
        } else {
            Within::Values(Vec::new())
        };
        Hits { window: self, above: 0, within: Some(within) }
    }
}

/// What was seen of the distances.
#[derive(Debug, Clone)]
pub struct Hits {
    window: Window,
    /// Distances that are not below the window.
    above: u64,
    /// `None` where too many were.
    within: Option<Within>,
}

#[derive(Debug, Clone)]
enum Within {
    /// How often each distance occurred.
    Counts(Vec<u64>),
    /// The distances.
    Values(Vec<u64>),
}

impl Hits {
    /// Adds a block. Elements that are equal need not be told.
    pub fn add(&mut self, distances: Distances) {
        let Window { low, high } = self.window;
        self.above += match &mut self.within {
            None => distances.count_from(low),
            Some(Within::Counts(counts)) => distances.within(low, high, |d| counts[(d - low) as usize] += 1),
            Some(Within::Values(values)) => distances.within(low, high, |d| values.push(d)),
        };
        self.give_up();
    }

    /// Adds what comes behind.
    pub fn append(&mut self, later: &Self) {
        self.above += later.above;
        self.within = match (self.within.take(), &later.within) {
            (Some(Within::Counts(mut sums)), Some(Within::Counts(counts))) => {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                Some(Within::Counts(sums))
            }
            (Some(Within::Values(mut all)), Some(Within::Values(values))) => {
                all.extend(values);
                Some(Within::Values(all))
            }
            _ => None,
        };
        self.give_up();
    }

    fn give_up(&mut self) {
        if matches!(&self.within, Some(Within::Values(values)) if values.len() > KEPT) {
            self.within = None;
        }
    }

    /// The smallest distance that at least 99 % of `elements` do not exceed, if it lies in the window.
    pub fn p99(self, elements: u64) -> Option<u64> {
        let rank = rank_of_p99(elements);
        let mut rank = rank.checked_sub(elements - self.above).filter(|rank| *rank > 0)?;
        match self.within? {
            Within::Counts(counts) => {
                for (place, count) in counts.iter().enumerate() {
                    if rank <= *count {
                        return Some(self.window.low + place as u64);
                    }
                    rank -= count;
                }
                None
            }
            Within::Values(mut values) => {
                let place = usize::try_from(rank - 1).ok().filter(|place| *place < values.len())?;
                Some(*values.select_nth_unstable(place).1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances whose logarithm is uniform, from a seed.
    fn distances(seed: u64, count: usize, bits: u32) -> Vec<u32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        (0..count).map(|_| next() >> (next() % bits)).collect()
    }

    fn plainly(distances: &[u32]) -> u64 {
        let mut sorted = distances.to_vec();
        sorted.sort_unstable();
        u64::from(sorted[(sorted.len() * 99).div_ceil(100) - 1])
    }

    fn p99(all: &[u32], sample: &[u32]) -> Option<u64> {
        let window = Window::of(sample.iter().map(|d| u64::from(*d)).collect())?;
        let mut sum = window.hits();
        for part in all.chunks(10_000) {
            let mut hits = window.hits();
            part.chunks(2048).for_each(|block| hits.add(Distances::Narrow(block)));
            sum.append(&hits);
        }
        sum.p99(all.len() as u64)
    }

    #[test]
    fn the_percentile_is_exact_where_the_sample_was_right() {
        for (seed, bits) in [(1, 3), (2, 20), (3, 31)] {
            let all = distances(seed, 300_000, bits);
            assert_eq!(p99(&all, &all[..50_000]), Some(plainly(&all)), "{bits}");
        }
        let small: Vec<u32> = distances(4, 300_000, 3).iter().map(|d| d % 9).collect();
        assert_eq!(p99(&small, &small[..1000]), Some(8), "ties");
    }

    #[test]
    fn a_sample_that_was_wrong_is_noticed() {
        let all = distances(5, 100_000, 20);
        let below: Vec<u32> = all.iter().map(|d| d / 1000 + 1).collect();
        assert_eq!(p99(&all, &below), None);
        assert_eq!(p99(&below, &all), None);
        assert_eq!(p99(&all, &[0; 100]), None, "the histogram knows 0");
        assert_eq!(p99(&all, &[]), None);
    }
}
