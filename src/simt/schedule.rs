//! Schedules: everything that hardware leaves open is drawn from one seed, so that it can be replayed.

use std::collections::HashMap;

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
    /// Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): every warp has a priority that is drawn, the
    /// highest that can run does, and at a few places that are drawn whoever runs falls below all others.
    Priorities {
        /// What everything is drawn from.
        seed: u64,
    },
    /// As [`Schedule::of_seed`] for so many choices, and then in turn.
    Begun {
        /// Whose choices.
        seed: u64,
        /// How many of them.
        choices: u64,
    },
    /// One block after the other, and this one, by its linear index, as the last.
    LastBlock {
        /// Which.
        block: u64,
    },
}

impl Schedule {
    /// The schedule of a number: in turn for 0, by priorities for other multiples of 4, else drawn freely.
    pub fn of_seed(seed: u64) -> Self {
        match seed {
            0 => Self::RoundRobin,
            seed if seed.is_multiple_of(4) => Self::Priorities { seed },
            seed => Self::Random { seed },
        }
    }
}

/// Accesses to shared state that a warp may do in turn, of which a random schedule takes one: long turns
/// let one warp run far ahead, short ones interleave finely.
const TURNS: [u32; 6] = [1, 2, 4, 16, 64, 256];
/// The accesses in turn of round-robin.
const FAIR_TURN: u32 = 1;
/// Most blocks that are resident together.
pub const MOST_RESIDENT: u32 = 8;
/// Where lanes of a warp went different ways, the lowest position runs first, so that they meet again;
/// a random schedule departs from that once in so many choices.
const ODD_CHOICES: u32 = 16;
/// Places at which the priority of who runs falls, at most.
const MOST_FALLS: u32 = 4;
/// They are among the first 2^k accesses, with k up to this.
const FALLS_WITHIN: u32 = 16;
/// Accesses after which the priority of who runs falls in any case: it may wait for what another has to write.
const LONGEST_TURN: u32 = 4096;

/// Priorities of warps, and when they fall.
struct Priorities {
    /// Of warps by their places.
    of: HashMap<(usize, usize), i64>,
    /// The lowest so far.
    lowest: i64,
    /// Accesses until falls, the next one last.
    falls: Vec<u32>,
    /// Who runs.
    running: Option<(usize, usize)>,
}

/// A schedule at work.
pub(crate) struct Choices {
    rng: Option<Xoshiro256PlusPlus>,
    priorities: Option<Priorities>,
    turn: u32,
    resident: u32,
    /// The block that comes last.
    last: Option<u64>,
    /// Choices that were made, and how many may be.
    made: u64,
    most: u64,
}

impl Choices {
    pub(crate) fn new(schedule: Schedule) -> Self {
        let in_turn = Self {
            rng: None,
            priorities: None,
            turn: FAIR_TURN,
            resident: MOST_RESIDENT,
            last: None,
            made: 0,
            most: u64::MAX,
        };
        match schedule {
            Schedule::RoundRobin => in_turn,
            Schedule::LastBlock { block } => Self { resident: 1, last: Some(block), ..in_turn },
            Schedule::Begun { choices: 0, .. } => in_turn,
            Schedule::Begun { seed, choices } => {
                let mut begun = Self::new(Schedule::of_seed(seed));
                begun.most = choices;
                begun
            }
            Schedule::Random { seed } => {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
                let turn = TURNS[rng.random_range(0..TURNS.len())];
                let resident = rng.random_range(1..=MOST_RESIDENT);
                Self { rng: Some(rng), turn, resident, made: 1, ..in_turn }
            }
            Schedule::Priorities { seed } => {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
                let resident = rng.random_range(1..=MOST_RESIDENT);
                let falls = 0..rng.random_range(0..=MOST_FALLS);
                let within = rng.random_range(0..=FALLS_WITHIN);
                let falls = falls.map(|_| rng.random_range(1..=1 << within)).collect();
                let priorities = Priorities { of: HashMap::new(), lowest: 0, falls, running: None };
                Self { rng: Some(rng), priorities: Some(priorities), resident, made: 1, ..in_turn }
            }
        }
    }

    /// Counts a choice; behind the last that may be made, everything is in turn.
    fn choose(&mut self) {
        if self.rng.is_none() {
            return;
        }
        if self.made == self.most {
            (self.rng, self.priorities, self.turn) = (None, None, FAIR_TURN);
        } else {
            self.made += 1;
        }
    }

    /// Most blocks that are resident together.
    pub(crate) fn resident(&self) -> usize {
        self.resident as usize
    }

    /// Accesses to shared state until another warp may run.
    pub(crate) fn turn(&mut self) -> u32 {
        if let Some(priorities) = &mut self.priorities {
            return priorities.falls.last().copied().unwrap_or(LONGEST_TURN).min(LONGEST_TURN);
        }
        if self.turn > 1 {
            self.choose();
        }
        match &mut self.rng {
            Some(rng) if self.turn > 1 => rng.random_range(1..=2 * self.turn),
            _ => self.turn,
        }
    }

    /// A turn was used up.
    pub(crate) fn turn_is_over(&mut self) {
        let Some(priorities) = &mut self.priorities else { return };
        priorities.falls.pop();
        priorities.lowest -= 1;
        if let Some(running) = priorities.running {
            priorities.of.insert(running, priorities.lowest);
        }
    }

    /// Puts the order of blocks.
    pub(crate) fn order_blocks(&mut self, blocks: &mut [u64]) {
        self.choose();
        if let Some(rng) = &mut self.rng {
            blocks.shuffle(rng);
        }
        if let Some(at) = blocks.iter().position(|block| Some(*block) == self.last) {
            blocks[at..].rotate_left(1);
        }
    }

    /// A block begins with so many warps.
    pub(crate) fn start_block(&mut self, slot: usize, warps: usize) {
        if let (Some(priorities), Some(rng)) = (&mut self.priorities, &mut self.rng) {
            let drawn = (0..warps).map(|warp| ((slot, warp), i64::from(rng.random::<u32>())));
            priorities.of.extend(drawn);
        }
    }

    /// The warp that runs next, of `runnable` ones in the order in which they became so.
    pub(crate) fn next_warp(&mut self, runnable: &[(usize, usize)]) -> usize {
        if runnable.len() > 1 {
            self.choose();
        }
        if let Some(priorities) = &mut self.priorities {
            let of = |(_, warp): &(usize, &(usize, usize))| priorities.of.get(warp).copied();
            let highest = runnable.iter().enumerate().max_by_key(of).map_or(0, |(nth, _)| nth);
            priorities.running = runnable.get(highest).copied();
            return highest;
        }
        match &mut self.rng {
            Some(rng) if runnable.len() > 1 => rng.random_range(0..runnable.len()),
            _ => 0,
        }
    }

    /// Which of `runnable` parts of a warp runs in place of the one at the lowest position, if any.
    pub(crate) fn odd_choice(&mut self, runnable: usize) -> Option<usize> {
        self.choose();
        let rng = self.rng.as_mut()?;
        (rng.random_range(0..ODD_CHOICES) == 0).then(|| rng.random_range(0..runnable))
    }

    /// The order in which lanes execute an atomic operation.
    pub(crate) fn order_lanes(&mut self, lanes: &mut [u8]) {
        self.choose();
        if let Some(rng) = &mut self.rng {
            lanes.shuffle(rng);
        }
    }

    /// A yes or no; always no in turn.
    pub(crate) fn coin(&mut self) -> bool {
        self.choose();
        self.rng.as_mut().is_some_and(|rng| rng.random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Drawn = (u32, Vec<u64>, Vec<u8>, Vec<usize>);

    fn drawn(schedule: Schedule) -> Drawn {
        let mut choices = Choices::new(schedule);
        let (mut blocks, mut lanes) = ((0..50).collect::<Vec<_>>(), (0..32).collect::<Vec<_>>());
        choices.order_blocks(&mut blocks);
        choices.order_lanes(&mut lanes);
        let warps: Vec<(usize, usize)> = (0..9).map(|warp| (0, warp)).collect();
        choices.start_block(0, 9);
        (choices.turn(), blocks, lanes, (0..20).map(|_| choices.next_warp(&warps)).collect())
    }

    #[test]
    fn a_seed_replays_and_seeds_differ() {
        for seeded in [|seed| Schedule::Random { seed }, |seed| Schedule::Priorities { seed }] {
            assert_eq!(drawn(seeded(1)), drawn(seeded(1)));
            assert_ne!(drawn(seeded(1)), drawn(seeded(2)));
        }
        let (_, blocks, ..) = drawn(Schedule::LastBlock { block: 7 });
        assert!(blocks[..49].is_sorted() && blocks[49] == 7);
        let (turn, blocks, lanes, warps) = drawn(Schedule::RoundRobin);
        assert!(turn == 1 && blocks.is_sorted() && lanes.is_sorted() && warps == [0; 20]);
    }

    #[test]
    fn choices_end_where_they_should() {
        let begun = |choices| drawn(Schedule::Begun { seed: 5, choices });
        assert_eq!(begun(0), drawn(Schedule::RoundRobin));
        assert_eq!(begun(1000), drawn(Schedule::of_seed(5)));
        // The second choice orders blocks, the third lanes.
        let (_, blocks, lanes, _) = begun(2);
        assert!(!blocks.is_sorted() && lanes.is_sorted());
    }

    #[test]
    fn the_highest_priority_runs_until_it_falls() {
        let mut choices = Choices::new(Schedule::Priorities { seed: 4 });
        choices.start_block(0, 9);
        let warps: Vec<(usize, usize)> = (0..9).map(|warp| (0, warp)).collect();
        let first = choices.next_warp(&warps);
        assert_eq!([first; 5], std::array::from_fn(|_| choices.next_warp(&warps)));
        // Whoever fell is below all others: nine falls let each run once, in the order of priorities.
        let mut next = || {
            choices.turn_is_over();
            choices.next_warp(&warps)
        };
        let mut order: Vec<usize> = std::iter::once(first).chain((0..8).map(|_| next())).collect();
        assert_eq!(next(), first);
        order.sort_unstable();
        order.dedup();
        assert_eq!(order.len(), 9, "{order:?}");
    }
}
