//! What a thread knows to have happened: times of other threads, one by one, or of a whole warp or block where all of
//! it has met. Every thread counts its own time; what a thread did up to the time that another knows of it lies before
//! what that other does next.

use crate::simt::execute::LANES;

/// Times by number, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Times(Vec<(u32, u32)>);

/// Times that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock {
    blocks: Times,
    warps: Times,
    threads: Times,
}

/// How threads, warps and blocks are numbered: through the whole grid.
#[derive(Debug, Clone, Copy)]
pub struct Numbering {
    /// Warps of a block.
    pub warps: u32,
}

impl Numbering {
    /// The number of a warp.
    pub fn warp(self, block: u32, warp: u32) -> u32 {
        block * self.warps + warp
    }

    /// The number of a lane's thread.
    pub fn thread(warp: u32, lane: usize) -> u32 {
        warp * LANES as u32 + lane as u32
    }

    /// The block of a warp.
    pub fn block_of(self, warp: u32) -> u32 {
        warp / self.warps
    }
}

impl Times {
    fn get(&self, number: u32) -> Option<u32> {
        let at = self.0.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        Some(self.0[at].1)
    }

    fn raise(&mut self, number: u32, time: u32) {
        match self.0.binary_search_by_key(&number, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = self.0[at].1.max(time),
            Err(at) => self.0.insert(at, (number, time)),
        }
    }

    fn join(&mut self, other: &Self) {
        if other.0.len() <= 4 {
            other.0.iter().for_each(|(number, time)| self.raise(*number, *time));
            return;
        }
        let mut joined = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut a, mut b) = (self.0.iter().copied().peekable(), other.0.iter().copied().peekable());
        loop {
            match (a.peek(), b.peek()) {
                (Some(x), Some(y)) if x.0 == y.0 => {
                    joined.push((x.0, x.1.max(y.1)));
                    a.next();
                    b.next();
                }
                (Some(x), Some(y)) => joined.extend(if x.0 < y.0 { a.next() } else { b.next() }),
                (Some(_), None) => joined.extend(a.next()),
                (None, Some(_)) => joined.extend(b.next()),
                (None, None) => break,
            }
        }
        self.0 = joined;
    }

    fn forget(&mut self, numbers: std::ops::Range<u32>) {
        self.0.retain(|(number, _)| !numbers.contains(number));
    }
}

impl Clock {
    /// Which of the threads `lanes` of a warp are known up to `time`.
    pub fn known(&self, numbering: Numbering, warp: u32, lanes: u32, time: u32) -> u32 {
        if self.blocks.get(numbering.block_of(warp)).is_some_and(|known| known >= time)
            || self.warps.get(warp).is_some_and(|known| known >= time)
        {
            return lanes;
        }
        let knows = |lane: &usize| {
            self.threads.get(Numbering::thread(warp, *lane)).is_some_and(|known| known >= time)
        };
        crate::simt::execute::lanes(lanes).filter(knows).fold(0, |mask, lane| mask | 1 << lane)
    }

    /// Knows what another knows, too.
    pub fn join(&mut self, other: &Self) {
        self.blocks.join(&other.blocks);
        self.warps.join(&other.warps);
        self.threads.join(&other.threads);
    }

    /// Knows a thread up to a time.
    pub fn learn_thread(&mut self, thread: u32, time: u32) {
        self.threads.raise(thread, time);
    }

    /// Knows all threads of a warp up to a time, which is at least what was known of any.
    pub fn learn_warp(&mut self, warp: u32, time: u32) {
        self.warps.raise(warp, time);
        let first = Numbering::thread(warp, 0);
        self.threads.forget(first..first + LANES as u32);
    }

    /// Knows all threads of a block up to a time, which is at least what was known of any.
    pub fn learn_block(&mut self, numbering: Numbering, block: u32, time: u32) {
        self.blocks.raise(block, time);
        let first = numbering.warp(block, 0);
        let (first_thread, warps) = (Numbering::thread(first, 0), numbering.warps);
        self.warps.forget(first..first + warps);
        self.threads.forget(first_thread..first_thread + warps * LANES as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_threads_warps_and_blocks_adds_up() {
        let numbering = Numbering { warps: 2 };
        let mut clock = Clock::default();
        // Warp 3 is the second of block 1.
        clock.learn_thread(Numbering::thread(3, 5), 7);
        assert_eq!(clock.known(numbering, 3, 0b110_0000, 7), 0b10_0000);
        assert_eq!(clock.known(numbering, 3, 0b110_0000, 8), 0);
        let mut other = Clock::default();
        other.learn_warp(3, 8);
        other.learn_block(numbering, 0, 4);
        clock.join(&other);
        assert_eq!(clock.known(numbering, 3, u32::MAX, 8), u32::MAX);
        assert_eq!(clock.known(numbering, 1, 1, 4), 1);
        assert_eq!(clock.known(numbering, 1, 1, 5), 0);
        assert_eq!(clock.known(numbering, 2, 1, 1), 0);
        clock.learn_block(numbering, 1, 9);
        assert_eq!(clock.known(numbering, 2, 1, 9), 1);
        assert!(clock.warps.0.is_empty() && clock.threads.0.is_empty());
    }

    #[test]
    fn long_lists_are_merged() {
        let times = |numbers: &[u32]| Times(numbers.iter().map(|number| (*number, *number)).collect());
        let mut all = times(&[1, 4, 9]);
        all.join(&times(&[0, 1, 2, 4, 8, 10]));
        assert_eq!(all, times(&[0, 1, 2, 4, 8, 9, 10]));
    }
}
