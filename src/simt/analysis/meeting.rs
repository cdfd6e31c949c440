//! Who meets at a barrier must not be a matter of chance: a thread that comes to a barrier a second time, or for the
//! first time after others left it, must know of these; else it could have come before them and taken a place.

use std::rc::Rc;

use crate::simt::analysis::Analysis;
use crate::simt::analysis::clock::Clock;
use crate::simt::analysis::order::Who;
use crate::simt::analysis::taint::Taint;
use crate::simt::execute::lanes;
use crate::simt::execute::observe::At;
use crate::simt::program::{BarrierAction, Kernel, Op, Slot};

/// A barrier of a block.
#[derive(Debug, Clone, Default)]
pub struct Meeting {
    /// What a predicate that is reduced there depends on.
    taint: Taint,
    /// Whom the last round had: warp and lane with its time, of one thread each; all share what they know.
    last: Vec<(u32, u32, u32)>,
    now: Vec<(u32, u32, u32)>,
}

impl Analysis<'_> {
    /// Lanes arrive at a barrier.
    pub fn arrive_at(&mut self, at: &At, mask: u32, number: u32, waits: bool) {
        let Op::Barrier(barrier) = &at.kernel.code[at.pc as usize].op else { return };
        let mut taint = Taint::NONE;
        for lane in lanes(mask) {
            for slot in [Some(barrier.number), barrier.threads].into_iter().flatten() {
                let of_slot = self.register(at, slot, lane);
                self.settles(at, of_slot, "decides which barrier is meant, or how many threads meet there");
            }
            if let BarrierAction::Reduce { predicate, .. } = barrier.action {
                let of_lane =
                    self.with_control(at, self.register(at, Slot::Predicate(predicate), lane), lane);
                taint = self.labels.union(taint, of_lane);
            }
        }
        let first = self.who(at, mask.trailing_zeros() as usize);
        let (clock, time) = (self.order.knows(first), self.order.time(first));
        let block = first.block;
        let all = self.blocks.get(&block).and_then(|block| block.meetings.get(number as usize)).cloned();
        let Some(meeting) = all else { return };
        let taint = self.labels.union(meeting.taint, taint);
        if meeting.last.iter().any(|known| !self.is_known(&clock, first, *known)) {
            self.doubt(
                at.pc,
                format!("which threads meet at barrier {number} is open: others may come first"),
            );
        }
        if let Some(meeting) =
            self.blocks.get_mut(&block).and_then(|block| block.meetings.get_mut(number as usize))
        {
            meeting.taint = taint;
            meeting.now.push((first.warp, first.lane as u32, time));
        }
        if !waits {
            self.order.arrive(block, at.warp, mask, number);
        }
    }

    fn is_known(&self, clock: &Rc<Clock>, who: Who, (warp, lane, time): (u32, u32, u32)) -> bool {
        (warp, lane) == (who.warp, who.lane as u32)
            || clock.known(self.order.numbering, warp, 1 << lane, time) != 0
    }

    /// A barrier lets go.
    pub fn release_from(&mut self, kernel: &Kernel, block: u32, number: u32, woken: &[(u32, u32, u32)]) {
        self.order.release(block, number, woken);
        let Some(state) = self.blocks.get_mut(&block) else { return };
        let meeting = &mut state.meetings[number as usize];
        meeting.last = std::mem::take(&mut meeting.now);
        let taint = std::mem::take(&mut meeting.taint);
        for (warp, mask, pc) in woken {
            if let Op::Barrier(barrier) = &kernel.code[*pc as usize].op
                && let BarrierAction::Reduce { to, .. } = barrier.action
            {
                lanes(*mask).for_each(|lane| state.warps[*warp as usize].registers.set(to, lane, taint));
            }
        }
    }
}
