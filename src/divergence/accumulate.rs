//! What blocks show, put together: counts, the mean of relative differences, a histogram of distances, and
//! from it an exact percentile.

use crate::divergence::block::{
    LOOKED_AT, PLACES, Summary, count_at_least, count_at_least_wide, look_within,
};

/// ULP distances of a block.
#[derive(Debug, Clone, Copy)]
pub enum Distances<'a> {
    /// Of numbers up to 32 bits.
    Narrow(&'a [u32]),
    /// Of wider numbers.
    Wide(&'a [u64]),
}

impl Distances<'_> {
    /// Whether the element there differs.
    pub fn differs(self, index: usize) -> bool {
        match self {
            Self::Narrow(distances) => distances[index] != 0,
            Self::Wide(distances) => distances[index] != 0,
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Narrow(distances) => distances.len(),
            Self::Wide(distances) => distances.len(),
        }
    }

    fn at_least(self, power: usize) -> u64 {
        self.count_from(1 << power)
    }

    /// How many are `least` or more.
    pub fn count_from(self, least: u64) -> u64 {
        match self {
            Self::Narrow(distances) => {
                u32::try_from(least).map_or(0, |least| count_at_least(distances, least))
            }
            Self::Wide(distances) => count_at_least_wide(distances, least),
        }
    }

    /// Calls `each` with every distance, in order.
    pub fn each(self, mut each: impl FnMut(u64)) {
        match self {
            Self::Narrow(distances) => distances.iter().for_each(|distance| each(u64::from(*distance))),
            Self::Wide(distances) => distances.iter().for_each(|distance| each(*distance)),
        }
    }

    /// Calls `each` with every distance from `low` to `high`, both included, in any order, and says how
    /// many are `low` or more.
    pub fn within(self, low: u64, high: u64, mut each: impl FnMut(u64)) -> u64 {
        match self {
            Self::Narrow(distances) => {
                let (Ok(first), width) = (u32::try_from(low), u32::try_from(high - low).unwrap_or(u32::MAX))
                else {
                    return 0;
                };
                let mut all_above = 0;
                for block in distances.chunks(LOOKED_AT) {
                    let (above, within) = look_within(block, first, width);
                    all_above += above;
                    for (place, mut steps) in within.into_iter().enumerate() {
                        while steps != 0 {
                            each(u64::from(block[steps.trailing_zeros() as usize * PLACES + place]));
                            steps &= steps - 1;
                        }
                    }
                }
                all_above
            }
            Self::Wide(distances) => {
                let inside = distances.iter().filter(|distance| (low..=high).contains(distance));
                inside.for_each(|distance| each(*distance));
                count_at_least_wide(distances, low)
            }
        }
    }
}

/// The sum of what blocks showed.
#[derive(Debug, Clone)]
pub struct Accumulator {
    /// Elements.
    pub elements: u64,
    /// Elements whose bits differ.
    pub differing: u64,
    /// The index of the first of them.
    pub first: Option<u64>,
    relative: f64,
    counted: u64,
    /// The largest distance; `None` if a NaN differs.
    pub max: Option<u64>,
    /// Elements at distance 2^k or more, by k: what the histogram's differences are made of. Not kept up once
    /// a NaN differs.
    at_least: [u64; 64],
}

impl Default for Accumulator {
    fn default() -> Self {
        Self {
            elements: 0,
            differing: 0,
            first: None,
            relative: 0.0,
            counted: 0,
            max: Some(0),
            at_least: [0; 64],
        }
    }
}

impl Accumulator {
    /// Adds a block.
    pub fn add(&mut self, distances: Distances, summary: &Summary) {
        self.add_without_histogram(distances, summary);
        if let Some(max) = self.max.and(summary.max).filter(|_| summary.differing > 0) {
            self.at_least[0] += summary.differing;
            for power in 1..=max.ilog2() as usize {
                self.at_least[power] += distances.at_least(power);
            }
        }
    }

    /// Adds a block, and leaves the histogram as it is.
    pub fn add_without_histogram(&mut self, distances: Distances, summary: &Summary) {
        self.relative += summary.relative;
        self.counted += summary.counted;
        if summary.differing > 0 {
            if self.first.is_none() {
                let index = (0..distances.len()).find(|&index| distances.differs(index));
                self.first = index.map(|index| self.elements + index as u64);
            }
            self.differing += summary.differing;
            self.max = self.max.zip(summary.max).map(|(a, b)| a.max(b));
        }
        self.elements += distances.len() as u64;
    }

    /// Adds elements that are equal, of which `counted` are finite and not 0.
    pub fn add_equal(&mut self, elements: u64, counted: u64) {
        self.elements += elements;
        self.counted += counted;
    }

    /// Adds what comes behind.
    pub fn append(&mut self, later: &Self) {
        self.first = self.first.or(later.first.map(|first| self.elements + first));
        self.elements += later.elements;
        self.differing += later.differing;
        self.relative += later.relative;
        self.counted += later.counted;
        self.max = self.max.zip(later.max).map(|(a, b)| a.max(b));
        for (sum, count) in self.at_least.iter_mut().zip(&later.at_least) {
            *sum += count;
        }
    }

    /// Mean of |A−B|/|A| over elements with finite A ≠ 0 and finite B; `None` without any.
    pub fn v_ermv(&self) -> Option<f64> {
        (self.counted > 0).then(|| self.relative / self.counted as f64)
    }

    /// Elements that `v_ermv` leaves out.
    pub fn v_ermv_excluded(&self) -> u64 {
        self.elements - self.counted
    }

    /// Elements per distance: entry 0 counts distance 0, entry *k* distances in [2^(k−1), 2^k). Empty if a
    /// NaN differs.
    pub fn histogram(&self) -> Vec<u64> {
        if self.max.is_none() {
            return Vec::new();
        }
        let mut histogram = vec![self.elements - self.at_least[0]];
        for (power, count) in self.at_least.iter().enumerate().take_while(|(_, count)| **count > 0) {
            histogram.push(count - self.at_least.get(power + 1).copied().unwrap_or(0));
        }
        histogram
    }
}

/// The smallest distance that at least 99 % of all elements do not exceed.
///
/// The histogram names the binary order of magnitude; within it the distances are counted again by 16 more
/// bits at a time until one value is left: `count(low, high, shift)` must tell how many distances from
/// `low` to `high` have which `(distance − low) >> shift`.
pub fn percentile(histogram: &[u64], elements: u64, count: impl FnMut(u64, u64, u32) -> Vec<u64>) -> u64 {
    let mut rank = rank_of_p99(elements);
    let bucket = place_of(&mut rank, histogram);
    if bucket <= 1 {
        return bucket as u64;
    }
    select(1 << (bucket - 1), bucket as u32 - 1, rank, count)
}

/// How many of all distances the 99th percentile is to be no less than.
pub fn rank_of_p99(elements: u64) -> u64 {
    elements.saturating_mul(99).div_ceil(100)
}

/// The `rank`-th smallest (from 1) of the distances in [low, low + 2^bits), counted by `count` as
/// [`percentile`] has it.
pub fn select(
    mut low: u64,
    mut bits: u32,
    mut rank: u64,
    mut count: impl FnMut(u64, u64, u32) -> Vec<u64>,
) -> u64 {
    while bits > 0 {
        let shift = bits.saturating_sub(16);
        let counts = count(low, low + (u64::MAX >> (64 - bits)), shift);
        low += (place_of(&mut rank, &counts) as u64) << shift;
        bits = shift;
    }
    low
}

/// How many entries the answer of `count` in [`percentile`] has.
pub fn places(low: u64, high: u64, shift: u32) -> usize {
    ((high - low) >> shift) as usize + 1
}

/// The first place at which the running count reaches `rank`; takes what came before off `rank`.
fn place_of(rank: &mut u64, counts: &[u64]) -> usize {
    let mut place = 0;
    while place + 1 < counts.len() && counts[place] < *rank {
        *rank -= counts[place];
        place += 1;
    }
    place
}
