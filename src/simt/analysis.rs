//! Watches one execution and judges whether any other schedule could have given other bits.
//!
//! The argument: threads that share nothing but what barriers, fences and one ticket order do the same under every
//! schedule. So every access is held against all unordered ones to the same bytes (`race`), and values that are not
//! the same under every schedule are followed, through memory and control, to the outputs (`flowing`).

mod clock;
mod flow;
mod flowing;
mod meeting;
mod order;
mod race;
mod shadow;
mod taint;
mod telling;
#[cfg(test)]
mod tests;
mod winner;

use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::simt::analysis::clock::Numbering;
use crate::simt::analysis::flow::Region;
use crate::simt::analysis::order::{Ordering, Who};
use crate::simt::analysis::shadow::Shadow;
use crate::simt::analysis::taint::{Labels, Registers, Taint};
use crate::simt::compute::AtomicOp;
use crate::simt::execute::Copy;
use crate::simt::execute::observe::At;
use crate::simt::fault::Thread;
use crate::simt::program::Kernel;
use crate::simt::ptx::ast::{Place, Type};

pub use race::{Access, Race, Side};
pub use winner::{Differing, Held};

/// Different races that are remembered.
const MOST_RACES: usize = 64;

/// Why there is no certificate, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// The instruction.
    pub place: Place,
    /// What about it.
    pub what: String,
}

/// What an execution's analysis came to.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// Why other schedules may give other bits; by place.
    pub doubts: Vec<Doubt>,
    /// Accesses that nothing orders.
    pub races: Vec<Race>,
    /// Blocks of which each has to be tried as the last at its ticket.
    pub participants: Vec<u32>,
    /// What the block that was tried as the last held when it learned of it.
    pub held: Held,
}

/// An entered region: lanes that a branch with such a condition sent one way or the other.
#[derive(Debug, Clone, Copy)]
struct Entered {
    branch: u32,
    join: u32,
    lanes: u32,
    taint: Taint,
}

/// A warp as the analysis has it.
#[derive(Debug, Clone)]
struct Warp {
    registers: Registers,
    entered: Vec<Entered>,
    local: Shadow,
    /// Copies under way.
    copies: Vec<Copy>,
}

/// A block as the analysis has it.
#[derive(Debug, Clone)]
struct Block {
    shared: Shadow,
    /// What was stored in some way of a branch that others did not go: of all bytes.
    everywhere: Taint,
    warps: Vec<Warp>,
    meetings: Vec<meeting::Meeting>,
}

/// The analysis of one execution. A clone goes on from where the execution is.
#[derive(Clone)]
pub struct Analysis<'k> {
    kernel: &'k Kernel,
    regions: Rc<FxHashMap<u32, Rc<Region>>>,
    grid: [u32; 3],
    threads: [u32; 3],
    order: Ordering,
    global: Shadow,
    blocks: FxHashMap<u32, Block>,
    labels: Labels,
    classes: Vec<(AtomicOp, Type, u64)>,
    /// The block that is tried as the last, and what differs between those that can be.
    last: Option<u32>,
    differing: Option<&'k Differing>,
    held: Held,
    visits: FxHashMap<(u64, u32, u32), u32>,
    doubts: BTreeMap<u32, String>,
    /// Instructions that met, and whether only their order was open.
    pairs: FxHashSet<(u32, u32, bool)>,
    races: Vec<Race>,
}

impl<'k> Analysis<'k> {
    /// Of a launch of `kernel`.
    pub fn new(kernel: &'k Kernel, grid: [u32; 3], block: [u32; 3]) -> Self {
        let warps = block.iter().fold(1u32, |all, extent| all.saturating_mul(*extent)).div_ceil(32).max(1);
        let regions = flow::regions(kernel).into_iter();
        Self {
            kernel,
            regions: Rc::new(regions.map(|(at, region)| (at, Rc::new(region))).collect()),
            grid,
            threads: block,
            order: Ordering::new(Numbering { warps }),
            global: Shadow::default(),
            blocks: FxHashMap::default(),
            labels: Labels::default(),
            classes: Vec::new(),
            last: None,
            differing: None,
            held: Held::default(),
            visits: FxHashMap::default(),
            doubts: BTreeMap::new(),
            pairs: FxHashSet::default(),
            races: Vec::new(),
        }
    }

    /// The same, of a launch in which that block comes last, where `differing` is known to differ between blocks that
    /// can.
    #[must_use]
    pub fn with_last(mut self, block: u32, differing: Option<&'k Differing>) -> Self {
        (self.last, self.differing) = (Some(block), differing);
        self
    }

    /// What it came to, for outputs of these addresses and lengths.
    pub fn judge(mut self, outputs: &[(String, u64, usize)]) -> Judgement {
        for (name, address, len) in outputs {
            self.judge_output(name, *address, *len);
        }
        for (pc, what) in self.labels.judge() {
            self.doubt(pc, what);
        }
        let place = |pc: u32| self.kernel.places[pc as usize].clone();
        let doubts = self.doubts.iter().map(|(pc, what)| Doubt { place: place(*pc), what: what.clone() });
        let doubts = doubts.collect();
        let held = self.take_held();
        Judgement { doubts, participants: self.labels.participants(), races: self.races, held }
    }

    fn judge_output(&mut self, name: &str, address: u64, len: usize) {
        let mut doubts = Vec::new();
        self.global.visit_met(address, len, |cell, offset, _| {
            let taint = cell.taint;
            if taint.varies != 0 {
                doubts.push((taint.varies, offset, false));
            } else if taint.label != 0 {
                doubts.push((taint.label, offset, true));
            }
        });
        for (number, offset, is_label) in doubts {
            if !is_label {
                let (from, what) = self.cause(number);
                self.doubt(from, format!("{what}; it reaches byte {offset} of {name}"));
            } else if !self.labels.is_last_only(number) {
                let drawn = self.labels.pc(number);
                let what = self.why_it_varies(drawn);
                self.doubt(drawn, format!("{what}; it reaches byte {offset} of {name}"));
            }
        }
    }

    /// Notes a reason, the first of an instruction.
    fn doubt(&mut self, pc: u32, what: impl Into<String>) {
        self.doubts.entry(pc).or_insert_with(|| what.into());
    }

    fn block_number(&self, index: [u32; 3]) -> u32 {
        let [x, y, z] = index;
        x + self.grid[0] * (y + self.grid[1] * z)
    }

    fn who(&self, at: &At, lane: usize) -> Who {
        let block = self.block_number(at.block);
        Who { block, warp: self.order.numbering.warp(block, at.warp), lane }
    }

    /// A thread of a warp that is numbered through the grid.
    fn thread(&self, warp: u32, lane: u32) -> Thread {
        let block = self.order.numbering.block_of(warp);
        let linear = (warp - self.order.numbering.warp(block, 0)) * 32 + lane;
        let ([gx, gy, _], [x, y, _]) = (self.grid, self.threads);
        Thread {
            block: [block % gx, block / gx % gy, block / gx / gy],
            thread: [linear % x, linear / x % y, linear / x / y],
        }
    }

    fn warp(&mut self, at: &At) -> Option<&mut Warp> {
        let block = self.block_number(at.block);
        self.blocks.get_mut(&block)?.warps.get_mut(at.warp as usize)
    }

    fn side(&self, pc: u32, warp: u32, lane: u32, access: Access) -> Side {
        Side { place: self.kernel.places[pc as usize].clone(), thread: self.thread(warp, lane), access }
    }
}
