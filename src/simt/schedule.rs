//! Schedules: everything that hardware leaves open is drawn from one seed, so that it can be replayed.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Who runs next, in which order blocks start, how many are resident, in which order the lanes of a warp
/// reach memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Warps in turn, blocks and lanes in ascending order.
    RoundRobin,
    /// Drawn; the same seed gives the same schedule.
    Random {
        /// What everything is drawn from.
        seed: u64,
    },
    /// One block after the other, and this one, by its linear index, as the last.
    LastBlock {
        /// Which.
        block: u64,
    },
}

/// Accesses to shared state that a warp may do in turn, of which a random schedule takes one: long turns
/// let one warp run far ahead, short ones interleave finely.
const TURNS: [u32; 6] = [1, 2, 4, 16, 64, 256];
/// The accesses in turn of round-robin.
const FAIR_TURN: u32 = 1;
/// Most blocks that are resident together.
const MOST_RESIDENT: u32 = 8;
/// Where lanes of a warp went different ways, the lowest position runs first, so that they meet again;
/// a random schedule departs from that once in so many choices.
const ODD_CHOICES: u32 = 16;

/// A schedule at work.
pub(crate) struct Choices {
    rng: Option<Xoshiro256PlusPlus>,
    turn: u32,
    resident: u32,
    /// The block that comes last.
    last: Option<u64>,
}

impl Choices {
    pub(crate) fn new(schedule: Schedule) -> Self {
        match schedule {
            Schedule::RoundRobin => Self { rng: None, turn: FAIR_TURN, resident: MOST_RESIDENT, last: None },
            Schedule::LastBlock { block } => {
                Self { rng: None, turn: FAIR_TURN, resident: 1, last: Some(block) }
            }
            Schedule::Random { seed } => {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
                let turn = TURNS[rng.random_range(0..TURNS.len())];
                let resident = rng.random_range(1..=MOST_RESIDENT);
                Self { rng: Some(rng), turn, resident, last: None }
            }
        }
    }

    /// Most blocks that are resident together.
    pub(crate) fn resident(&self) -> usize {
        self.resident as usize
    }

    /// Accesses to shared state until another warp may run.
    pub(crate) fn turn(&mut self) -> u32 {
        match &mut self.rng {
            Some(rng) if self.turn > 1 => rng.random_range(1..=2 * self.turn),
            _ => self.turn,
        }
    }

    /// Puts the order of blocks.
    pub(crate) fn order_blocks(&mut self, blocks: &mut [u64]) {
        if let Some(rng) = &mut self.rng {
            blocks.shuffle(rng);
        }
        if let Some(at) = blocks.iter().position(|block| Some(*block) == self.last) {
            blocks[at..].rotate_left(1);
        }
    }

    /// The warp that runs next, of `runnable` ones in the order in which they became so.
    pub(crate) fn next_warp(&mut self, runnable: usize) -> usize {
        match &mut self.rng {
            Some(rng) if runnable > 1 => rng.random_range(0..runnable),
            _ => 0,
        }
    }

    /// Which of `runnable` parts of a warp runs in place of the one at the lowest position, if any.
    pub(crate) fn odd_choice(&mut self, runnable: usize) -> Option<usize> {
        let rng = self.rng.as_mut()?;
        (rng.random_range(0..ODD_CHOICES) == 0).then(|| rng.random_range(0..runnable))
    }

    /// The order in which lanes execute an atomic operation.
    pub(crate) fn order_lanes(&mut self, lanes: &mut [u8]) {
        if let Some(rng) = &mut self.rng {
            lanes.shuffle(rng);
        }
    }

    /// A yes or no; always no in turn.
    pub(crate) fn coin(&mut self) -> bool {
        self.rng.as_mut().is_some_and(|rng| rng.random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(schedule: Schedule) -> (u32, Vec<u64>, Vec<u8>, Vec<usize>) {
        let mut choices = Choices::new(schedule);
        let (mut blocks, mut lanes) = ((0..50).collect::<Vec<_>>(), (0..32).collect::<Vec<_>>());
        choices.order_blocks(&mut blocks);
        choices.order_lanes(&mut lanes);
        (choices.turn(), blocks, lanes, (0..20).map(|_| choices.next_warp(9)).collect())
    }

    #[test]
    fn a_seed_replays_and_seeds_differ() {
        let first = drawn(Schedule::Random { seed: 1 });
        assert_eq!(first, drawn(Schedule::Random { seed: 1 }));
        assert_ne!(first, drawn(Schedule::Random { seed: 2 }));
        let (_, blocks, ..) = drawn(Schedule::LastBlock { block: 7 });
        assert!(blocks[..49].is_sorted() && blocks[49] == 7);
        let (turn, blocks, lanes, warps) = drawn(Schedule::RoundRobin);
        assert!(turn == 1 && blocks.is_sorted() && lanes.is_sorted() && warps == [0; 20]);
    }
}
