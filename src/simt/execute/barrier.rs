//! Barriers: of a block, and of a warp.

use crate::simt::execute::observe::Observer;
use crate::simt::execute::step::{BlockSide, Next, Shared, Stop};
use crate::simt::execute::warp::{LANES, Wait, Warp};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::program::{Barrier, BarrierAction, BarrierReduction, Kernel, Op, Slot};

/// Barriers of a block.
pub const BARRIERS: usize = 16;

/// Lanes of a warp that arrived at a barrier of their block.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The instruction.
    pub pc: u32,
    /// The lanes; those that wait are in the warp's fragments already.
    pub mask: u32,
    /// Which barrier.
    pub number: u32,
    /// The number of threads that it waits for, if given.
    pub threads: Option<u32>,
}

/// A barrier at work.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Lanes that arrived, of each warp.
    arrived: Vec<u32>,
    /// Threads that arrived, whole warps counting as 32.
    count: u32,
    /// The number of threads that the first arrival gave.
    threads: Option<u32>,
    any: bool,
    all: bool,
    true_count: u32,
}

impl<O: Observer> Shared<'_, O> {
    /// Lanes come to a barrier of the block.
    pub fn arrive(
        &mut self,
        warp: &mut Warp,
        block: &BlockSide,
        barrier: &Barrier,
        pc: u32,
        mut mask: u32,
    ) -> Result<Next> {
        let first = mask.trailing_zeros() as usize;
        let number_of_warp = warp.index;
        let blame = |what: String| {
            let fault = Fault::new(FaultKind::Undefined, what);
            self.blame(fault, pc, block.index, number_of_warp, first)
        };
        let (number, threads) = {
            let value = |slot: Slot| warp.registers.get(slot, first);
            (value(barrier.number), barrier.threads.map(value))
        };
        if number >= BARRIERS as u64 {
            return Err(blame(format!("barrier {number}: they are numbered from 0 to 15")));
        }
        if let Some(threads) = threads
            && (threads == 0 || threads % LANES as u64 != 0 || threads > 1024)
        {
            return Err(blame(format!(
                "a barrier of {threads} threads: it must be a multiple of {LANES} up to 1024"
            )));
        }
        let (number, threads) = (number as u32, threads.map(|threads| threads as u32));
        if barrier.aligned {
            mask |= warp.take(|fragment| fragment.wait == Wait::Aligned && fragment.pc == pc);
            if mask != warp.live {
                let elsewhere = warp.fragments.iter().find(|fragment| {
                    fragment.pc != pc && matches!(fragment.wait, Wait::Aligned | Wait::Block(_))
                });
                if let Some(elsewhere) = elsewhere {
                    return Err(blame(format!(
                        "an aligned barrier in divergent code: lanes {mask:#010x} are here, lanes {:#010x} \
                         at that of PTX line {}",
                        elsewhere.mask, self.kernel.places[elsewhere.pc as usize].line
                    )));
                }
                warp.put_waiting(pc, mask, Wait::Aligned);
                return Ok(Next::Choose);
            }
        }
        if O::ACTIVE {
            let at = self.at(warp, block, pc);
            self.observer.arrive(&at, mask, number, barrier.action != BarrierAction::Arrive);
        }
        match barrier.action {
            BarrierAction::Arrive => warp.put(pc + 1, mask),
            BarrierAction::Sync | BarrierAction::Reduce { .. } => {
                warp.put_waiting(pc, mask, Wait::Block(number));
            }
        }
        Ok(Next::Stop(Stop::Barrier(Arrival { pc, mask, number, threads })))
    }

    /// Lanes come to `bar.warp.sync`.
    pub fn warp_barrier(
        &mut self,
        warp: &mut Warp,
        block: &BlockSide,
        members: Slot,
        pc: u32,
        mask: u32,
    ) -> Result<()> {
        for (wanted, here) in self.by_members(warp, block, members, pc, mask)? {
            warp.put_waiting(pc, here, Wait::WarpBarrier(wanted));
            let waiting = |wait: Wait| wait == Wait::WarpBarrier(wanted);
            let present = warp.fragments.iter().filter(|f| waiting(f.wait)).fold(0, |mask, f| mask | f.mask);
            if present == wanted & warp.live {
                if O::ACTIVE {
                    let at = self.at(warp, block, pc);
                    self.observer.warp_sync(&at, present);
                }
                let released: Vec<_> = warp.fragments.extract_if(.., |f| waiting(f.wait)).collect();
                for fragment in released {
                    warp.put(fragment.pc + 1, fragment.mask);
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// Lanes arrive.
    ///
    /// # Errors
    /// If others gave another number of threads.
    pub fn arrive(&mut self, kernel: &Kernel, warp: &Warp, warps: usize, arrival: &Arrival) -> Result<()> {
        if self.count == 0 {
            *self = Self { arrived: vec![0; warps], threads: arrival.threads, all: true, ..Self::default() };
        }
        if self.threads != arrival.threads {
            let count = |threads: Option<u32>| threads.map_or("all".to_owned(), |n| n.to_string());
            return Err(Fault::new(
                FaultKind::Undefined,
                format!(
                    "barrier {} of {} threads while others wait there for {}",
                    arrival.number,
                    count(arrival.threads),
                    count(self.threads)
                ),
            ));
        }
        self.arrived[warp.index as usize] |= arrival.mask;
        // PTX ISA, bar: the count goes up by the size of a warp, whatever of it is there.
        let whole = arrival.mask == warp.live;
        self.count += if whole { LANES as u32 } else { arrival.mask.count_ones() };
        if let Op::Barrier(barrier) = &kernel.code[arrival.pc as usize].op
            && let BarrierAction::Reduce { predicate, negated, .. } = barrier.action
        {
            let flip = if negated { u32::MAX } else { 0 };
            let bits = (warp.registers.predicates[predicate as usize] ^ flip) & arrival.mask;
            self.any |= bits != 0;
            self.all &= bits == arrival.mask;
            self.true_count += bits.count_ones();
        }
        Ok(())
    }

    /// Whether all are there: as many as were asked for, or all that did not exit.
    pub fn is_complete(&self, warps: &[Warp]) -> bool {
        self.count > 0
            && match self.threads {
                Some(threads) => self.count >= threads,
                None => self.arrived.iter().zip(warps).all(|(arrived, warp)| warp.live & !arrived == 0),
            }
    }

    /// Lets everybody go on, with the results of reductions.
    ///
    /// Gives who waited: warps, lanes, and at which instruction.
    pub fn release(&mut self, kernel: &Kernel, warps: &mut [Warp], number: u32) -> Vec<(u32, u32, u32)> {
        let state = std::mem::take(self);
        let mut woken = Vec::new();
        for warp in warps {
            let waiting = |f: &mut super::warp::Fragment| f.wait == Wait::Block(number);
            let released: Vec<_> = warp.fragments.extract_if(.., waiting).collect();
            for fragment in released {
                if let Op::Barrier(barrier) = &kernel.code[fragment.pc as usize].op
                    && let BarrierAction::Reduce { reduction, to, .. } = barrier.action
                {
                    let value = match reduction {
                        BarrierReduction::And => u64::from(state.all),
                        BarrierReduction::Or => u64::from(state.any),
                        BarrierReduction::Popc => u64::from(state.true_count),
                    };
                    warp.registers.set_all(to, &[value; LANES], fragment.mask);
                }
                warp.put(fragment.pc + 1, fragment.mask);
                woken.push((warp.index, fragment.mask, fragment.pc));
            }
        }
        woken
    }

    /// For a report: who is there and who is awaited.
    pub fn describe(&self) -> String {
        match self.threads {
            Some(threads) => format!("{} of {threads} threads arrived", self.count),
            None => "it waits for all threads of the block".to_owned(),
        }
    }
}
