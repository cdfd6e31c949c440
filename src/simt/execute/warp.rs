//! A warp: registers of 32 lanes, and where its lanes are.

use crate::simt::program::{RegisterFile, Slot};
use crate::simt::segment::Segment;

/// Lanes of a warp.
pub const LANES: usize = 32;

/// The registers of a warp.
#[derive(Debug, Default)]
pub struct Registers {
    /// Up to 32 bits a lane, zero above a register's own width.
    pub narrow: Vec<[u32; LANES]>,
    /// 64 bits a lane.
    pub wide: Vec<[u64; LANES]>,
    /// A bit a lane.
    pub predicates: Vec<u32>,
}

impl Registers {
    /// Everything zero, in the sizes of `file`.
    pub fn reset(&mut self, file: &RegisterFile) {
        self.narrow.clear();
        self.narrow.resize(file.narrow as usize, [0; LANES]);
        self.wide.clear();
        self.wide.resize(file.wide as usize, [0; LANES]);
        self.predicates.clear();
        self.predicates.resize(file.predicates as usize, 0);
    }

    /// A lane's value, zero-extended.
    #[inline(always)]
    pub fn get(&self, slot: Slot, lane: usize) -> u64 {
        match slot {
            Slot::Narrow(index) => u64::from(self.narrow[index as usize][lane]),
            Slot::Wide(index) => self.wide[index as usize][lane],
            Slot::Predicate(index) => u64::from(self.predicates[index as usize] >> lane & 1),
        }
    }

    /// Sets a lane's value, of which what does not fit is cut.
    #[inline(always)]
    pub fn set(&mut self, slot: Slot, lane: usize, value: u64) {
        match slot {
            Slot::Narrow(index) => self.narrow[index as usize][lane] = value as u32,
            Slot::Wide(index) => self.wide[index as usize][lane] = value,
            Slot::Predicate(index) => {
                let word = &mut self.predicates[index as usize];
                *word = *word & !(1 << lane) | ((value as u32 & 1) << lane);
            }
        }
    }

    /// The values of all lanes, zero-extended.
    #[inline(always)]
    pub fn all(&self, slot: Slot) -> [u64; LANES] {
        match slot {
            Slot::Narrow(index) => self.narrow[index as usize].map(u64::from),
            Slot::Wide(index) => self.wide[index as usize],
            Slot::Predicate(index) => {
                let word = self.predicates[index as usize];
                std::array::from_fn(|lane| u64::from(word >> lane & 1))
            }
        }
    }

    /// Sets the lanes of `mask`.
    #[inline(always)]
    pub fn set_all(&mut self, slot: Slot, values: &[u64; LANES], mask: u32) {
        match slot {
            Slot::Narrow(index) => {
                let register = &mut self.narrow[index as usize];
                if mask == u32::MAX {
                    *register = values.map(|value| value as u32);
                } else {
                    for lane in lanes(mask) {
                        register[lane] = values[lane] as u32;
                    }
                }
            }
            Slot::Wide(index) => {
                let register = &mut self.wide[index as usize];
                for lane in lanes(mask) {
                    register[lane] = values[lane];
                }
            }
            Slot::Predicate(index) => {
                let bits = values.iter().enumerate();
                let bits = bits.fold(0, |word, (lane, value)| word | ((*value as u32 & 1) << lane));
                let word = &mut self.predicates[index as usize];
                *word = *word & !mask | bits & mask;
            }
        }
    }
}

/// The lanes of a mask, ascending.
pub fn lanes(mut mask: u32) -> impl Iterator<Item = usize> + Clone {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let lane = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        Some(lane)
    })
}

/// Lanes that are at the same position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// The instruction that they execute next, or wait at.
    pub pc: u32,
    /// Which lanes.
    pub mask: u32,
    /// What they wait for.
    pub wait: Wait,
}

/// What lanes wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Nothing: they can run.
    Nothing,
    /// The rest of the warp to come to the same matrix instruction.
    Matrix,
    /// The lanes of this mask to come to an exchange of the same sort, wherever it stands.
    Exchange(u32),
    /// The lanes of this mask to come to any `bar.warp.sync`.
    WarpBarrier(u32),
    /// The rest of the warp to come to the same aligned barrier.
    Aligned,
    /// Other warps, at the barrier of this number.
    Block(u32),
}

/// A copy that was begun and may not be done yet.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    /// Whose.
    pub lane: u8,
    /// The group, counted from 0, of the lane.
    pub group: u32,
    /// Offset in shared memory.
    pub to: u64,
    /// Address in global memory.
    pub from: u64,
    /// Bytes that are written.
    pub bytes: u32,
    /// Bytes that are read; the rest is zero.
    pub source_bytes: u32,
    /// The instruction, for reports.
    pub pc: u32,
}

/// A warp at work.
#[derive(Debug)]
pub struct Warp {
    pub registers: Registers,
    /// The lanes that wrote each watched register.
    pub written: Vec<u32>,
    /// All lanes' local memory, one after the other.
    pub local: Segment,
    pub fragments: Vec<Fragment>,
    /// Lanes that did not exit.
    pub live: u32,
    /// Its number in the block.
    pub index: u32,
    /// Backward jumps while lanes elsewhere could have run, since these last ran for that reason.
    pub impatience: u32,
    /// Begun copies.
    pub copies: Vec<Copy>,
    /// Groups that each lane has ended.
    pub groups: [u32; LANES],
    /// Whether the grid's list of runnable warps names it.
    pub listed: bool,
}

impl Warp {
    /// Whether a part of it can run.
    pub fn can_run(&self) -> bool {
        self.fragments.iter().any(|fragment| fragment.wait == Wait::Nothing)
    }

    /// Adds lanes at a position; those that are there already and can run are joined.
    #[inline]
    pub fn put(&mut self, pc: u32, mask: u32) {
        if mask == 0 {
            return;
        }
        for fragment in &mut self.fragments {
            if fragment.pc == pc && fragment.wait == Wait::Nothing {
                fragment.mask |= mask;
                return;
            }
        }
        self.fragments.push(Fragment { pc, mask, wait: Wait::Nothing });
    }

    /// Lets lanes wait at a position.
    pub fn put_waiting(&mut self, pc: u32, mask: u32, wait: Wait) {
        self.fragments.push(Fragment { pc, mask, wait });
    }

    /// Takes out the fragments of which `which` holds and gives the union of their lanes.
    pub fn take(&mut self, which: impl Fn(&Fragment) -> bool) -> u32 {
        let mut mask = 0;
        self.fragments.retain(|fragment| {
            let taken = which(fragment);
            if taken {
                mask |= fragment.mask;
            }
            !taken
        });
        mask
    }

    /// Lets lanes that wait for others of their warp look again whom they wait for: some exited.
    pub fn look_again(&mut self) {
        for fragment in &mut self.fragments {
            if !matches!(fragment.wait, Wait::Block(_)) {
                fragment.wait = Wait::Nothing;
            }
        }
    }
}
