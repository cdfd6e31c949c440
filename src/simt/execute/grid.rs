//! A launch: which blocks are resident, which warp runs next, and what it means when none can.

use crate::simt::execute::LaunchFacts;
use crate::simt::execute::barrier::{Arrival, BARRIERS, State};
use crate::simt::execute::observe::Observer;
use crate::simt::execute::step::{BlockSide, Shared, Stop};
use crate::simt::execute::warp::{Fragment, LANES, Registers, Wait, Warp};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::program::{Special, WideConstant};
use crate::simt::segment::Segment;

/// Waiting warps that a report of a deadlock lists.
const MOST_LISTED: usize = 8;

/// A resident block.
struct Block {
    index: [u32; 3],
    shared: Segment,
    warps: Vec<Warp>,
    barriers: Vec<State>,
}

/// A launch at work.
pub struct Grid<'a, O> {
    pub shared: Shared<'a, O>,
    pub facts: LaunchFacts<'a>,
}

impl<O: Observer> Grid<'_, O> {
    /// Runs all blocks of `order`, first to last as there is room.
    pub fn run(&mut self, mut order: Vec<u64>) -> Result<()> {
        self.shared.choices.order_blocks(&mut order);
        let mut todo = order.into_iter();
        let mut blocks: Vec<Block> = Vec::new();
        // Blocks and warps that can run, in the order in which they became so.
        let mut runnable: Vec<(usize, usize)> = Vec::new();
        for index in todo.by_ref().take(self.shared.choices.resident()) {
            blocks.push(self.fresh_block());
            let slot = blocks.len() - 1;
            self.start(&mut blocks[slot], index);
            self.shared.choices.start_block(slot, blocks[slot].warps.len());
            runnable.extend((0..blocks[slot].warps.len()).map(|warp| (slot, warp)));
        }
        while !runnable.is_empty() {
            let (slot, number) = runnable.remove(self.shared.choices.next_warp(&runnable));
            let block = &mut blocks[slot];
            let warp = &mut block.warps[number];
            warp.listed = false;
            let mut side = BlockSide { index: block.index, memory: &mut block.shared };
            match self.shared.run(warp, &mut side)? {
                Stop::Turn if warp.can_run() => self.shared.choices.turn_is_over(),
                Stop::Turn => {}
                Stop::Barrier(arrival) => self.arrive(block, number, &arrival)?,
                Stop::Exited => self.exit(block),
            }
            for (number, warp) in block.warps.iter_mut().enumerate() {
                if !warp.listed && warp.can_run() {
                    warp.listed = true;
                    runnable.push((slot, number));
                }
            }
            if block.warps.iter().all(|warp| warp.live == 0)
                && let Some(index) = todo.next()
            {
                self.start(block, index);
                self.shared.choices.start_block(slot, block.warps.len());
                runnable.extend((0..block.warps.len()).map(|warp| (slot, warp)));
            }
        }
        let waits = |block: &Block| block.warps.iter().any(|warp| warp.live != 0);
        if blocks.iter().any(waits) { Err(self.deadlock(&blocks)) } else { Ok(()) }
    }

    fn fresh_block(&self) -> Block {
        let [x, y, z] = self.facts.block;
        let warps = (x * y * z).div_ceil(LANES as u32);
        let local = self.shared.kernel.local_bytes as usize * LANES;
        let warp = |index| Warp {
            registers: Registers::default(),
            written: vec![0; self.shared.kernel.watch.names.len()],
            local: Segment::unwritten(local),
            fragments: Vec::new(),
            live: 0,
            index,
            impatience: 0,
            copies: Vec::new(),
            groups: [0; LANES],
            listed: false,
        };
        Block {
            index: [0; 3],
            shared: Segment::unwritten(self.facts.shared_bytes as usize),
            warps: (0..warps).map(warp).collect(),
            barriers: vec![State::default(); BARRIERS],
        }
    }

    /// Makes `block` the one of that linear index, at its beginning.
    fn start(&mut self, block: &mut Block, linear: u64) {
        let [x, y, _] = self.facts.grid.map(u64::from);
        block.index = [linear % x, linear / x % y, linear / x / y].map(|index| index as u32);
        block.shared.forget();
        block.barriers.fill(State::default());
        let [x, y, z] = self.facts.block;
        let threads = x * y * z;
        for warp in &mut block.warps {
            let present = (threads - warp.index * LANES as u32).min(LANES as u32);
            warp.live = u32::MAX >> (LANES as u32 - present);
            warp.fragments.clear();
            warp.put(0, warp.live);
            warp.local.forget();
            let local_bytes = u64::from(self.shared.kernel.local_bytes);
            for lane in 0..LANES as u64 {
                for (start, bytes) in &self.shared.kernel.argument_rooms {
                    if let Ok(place) = warp.local.write(lane * local_bytes + start, *bytes as usize) {
                        place.fill(0);
                    }
                }
            }
            warp.written.fill(0);
            warp.impatience = 0;
            warp.copies.clear();
            warp.groups = [0; LANES];
            warp.listed = true;
            self.fill_registers(&mut warp.registers, warp.index, block.index);
        }
        if O::ACTIVE {
            let live: Vec<u32> = block.warps.iter().map(|warp| warp.live).collect();
            self.shared.observer.start(block.index, &live);
        }
    }

    /// Constants, special registers and addresses; zeros elsewhere.
    fn fill_registers(&self, registers: &mut Registers, warp: u32, block: [u32; 3]) {
        let file = &self.shared.kernel.registers;
        registers.reset(file);
        for (slot, value) in &file.narrow_constants {
            registers.narrow[*slot as usize] = [*value; LANES];
        }
        for (slot, value) in &file.wide_constants {
            let value = match *value {
                WideConstant::Number(value) => value,
                WideConstant::Variable(index, offset) => {
                    self.facts.variables[index as usize].wrapping_add_signed(offset)
                }
            };
            registers.wide[*slot as usize] = [value; LANES];
        }
        for (slot, value) in &file.predicate_constants {
            registers.predicates[*slot as usize] = if *value { u32::MAX } else { 0 };
        }
        for (slot, special) in &file.specials {
            registers.narrow[*slot as usize] =
                std::array::from_fn(|lane| self.special(*special, warp, lane as u32, block));
        }
    }

    fn special(&self, special: Special, warp: u32, lane: u32, block: [u32; 3]) -> u32 {
        let [x, y, z] = self.facts.block;
        let linear = warp * LANES as u32 + lane;
        let below = (1u32 << lane) - 1;
        match special {
            Special::Thread(axis) => [linear % x, linear / x % y, linear / x / y][usize::from(axis)],
            Special::Threads(axis) => self.facts.block[usize::from(axis)],
            Special::Block(axis) => block[usize::from(axis)],
            Special::Blocks(axis) => self.facts.grid[usize::from(axis)],
            Special::Lane => lane,
            Special::Warp => warp,
            Special::Warps => (x * y * z).div_ceil(LANES as u32),
            Special::MaskEqual => 1 << lane,
            Special::MaskLessEqual => below | 1 << lane,
            Special::MaskLess => below,
            Special::MaskGreaterEqual => !below,
            Special::MaskGreater => !(below | 1 << lane),
            Special::DynamicShared => self.facts.dynamic_shared,
            Special::TotalShared => self.facts.shared_bytes,
            Special::Multiprocessor => 0,
            Special::Multiprocessors => 1,
        }
    }

    fn arrive(&mut self, block: &mut Block, number: usize, arrival: &Arrival) -> Result<()> {
        let kernel = self.shared.kernel;
        let state = &mut block.barriers[arrival.number as usize];
        let warp = &block.warps[number];
        state.arrive(kernel, warp, block.warps.len(), arrival).map_err(|fault| {
            let lane = arrival.mask.trailing_zeros() as usize;
            self.shared.blame(fault, arrival.pc, block.index, warp.index, lane)
        })?;
        if state.is_complete(&block.warps) {
            let woken = state.release(kernel, &mut block.warps, arrival.number);
            if O::ACTIVE {
                self.shared.observer.release(kernel, block.index, arrival.number, &woken);
            }
        }
        Ok(())
    }

    /// Who exits is awaited at no barrier any more.
    fn exit(&mut self, block: &mut Block) {
        for number in 0..BARRIERS {
            if block.barriers[number].is_complete(&block.warps) {
                let kernel = self.shared.kernel;
                let woken = block.barriers[number].release(kernel, &mut block.warps, number as u32);
                if O::ACTIVE {
                    self.shared.observer.release(kernel, block.index, number as u32, &woken);
                }
            }
        }
    }

    #[cold]
    fn deadlock(&self, blocks: &[Block]) -> Fault {
        let mut lines = Vec::new();
        let mut first = None;
        for block in blocks {
            let waiting = block
                .warps
                .iter()
                .flat_map(|warp| warp.fragments.iter().map(move |fragment| (warp.index, *fragment)));
            for (warp, fragment) in waiting {
                let place = &self.shared.kernel.places[fragment.pc as usize];
                first.get_or_insert(place);
                lines.push(describe(block, warp, &fragment, place.line));
            }
        }
        let more = lines.len().saturating_sub(MOST_LISTED);
        lines.truncate(MOST_LISTED);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let fault = Fault::new(FaultKind::Deadlock, format!("deadlock: {}", lines.join("; ")));
        match first {
            Some(place) => fault.at(place),
            None => fault,
        }
    }
}

fn describe(block: &Block, warp: u32, fragment: &Fragment, line: u32) -> String {
    let [x, y, z] = block.index;
    let for_what = match fragment.wait {
        Wait::Block(number) => {
            format!("barrier {number} ({})", block.barriers[number as usize].describe())
        }
        Wait::WarpBarrier(members) => format!("lanes {members:#010x} at bar.warp.sync"),
        Wait::Aligned => "the rest of the warp at an aligned barrier".to_owned(),
        Wait::Exchange(members) => format!("lanes {members:#010x} at an exchange of the same sort"),
        Wait::Matrix | Wait::Nothing => "the rest of the warp at a matrix instruction".to_owned(),
    };
    format!("block {x},{y},{z} warp {warp} lanes {:#010x} wait at line {line} for {for_what}", fragment.mask)
}
