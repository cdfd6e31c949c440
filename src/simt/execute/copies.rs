//! `cp.async`: copies that are done some time between their beginning and the wait for them.

use crate::simt::execute::access::addresses;
use crate::simt::execute::observe::Observer;
use crate::simt::execute::step::{BlockSide, Shared};
use crate::simt::execute::warp::{Copy, Warp, lanes};
use crate::simt::fault::{FaultKind, Result};
use crate::simt::program::AsyncCopy;
use crate::simt::ptx::ast::Space;

/// The most bytes of one copy.
const MOST_BYTES: usize = 16;

impl<O: Observer> Shared<'_, O> {
    /// Begins a copy of each lane of `active`. Whether it is done at once or when it is waited for is drawn.
    pub fn begin_copy(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        op: &AsyncCopy,
        pc: u32,
        active: u32,
    ) -> Result<()> {
        let (to, from) = (addresses(&warp.registers, &op.to), addresses(&warp.registers, &op.from));
        let at_once = self.choices.coin();
        for lane in lanes(active) {
            let ignored = op.ignore.is_some_and(|(predicate, negated)| {
                (warp.registers.predicates[predicate as usize] >> lane & 1 == 1) != negated
            });
            let asked = op.source_bytes.map_or(op.bytes, |slot| warp.registers.get(slot, lane) as u32);
            let copy = Copy {
                lane: lane as u8,
                group: warp.groups[lane],
                to: to[lane],
                from: from[lane],
                bytes: op.bytes,
                source_bytes: if ignored { 0 } else { asked.min(op.bytes) },
                pc,
            };
            if O::ACTIVE {
                let at = self.at(warp, block, pc);
                self.observer.begin_copy(&at, &copy);
            }
            if at_once {
                self.copy(warp, block, &copy)?;
            } else {
                warp.copies.push(copy);
            }
        }
        Ok(())
    }

    /// Waits, in the lanes of `active`, until at most `left` groups are not done; `None` for everything.
    pub fn wait_for_copies(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        left: Option<u32>,
        pc: u32,
        active: u32,
    ) -> Result<()> {
        let groups = warp.groups;
        if O::ACTIVE {
            let at = self.at(warp, block, pc);
            self.observer.wait_for_copies(&at, active, left, &groups);
        }
        let due = |copy: &mut Copy| {
            let lane = usize::from(copy.lane);
            active >> lane & 1 == 1 && left.is_none_or(|left| copy.group.saturating_add(left) < groups[lane])
        };
        let due: Vec<_> = warp.copies.extract_if(.., due).collect();
        due.iter().try_for_each(|copy| self.copy(warp, block, copy))
    }

    fn copy(&mut self, warp: &mut Warp, block: &mut BlockSide, copy: &Copy) -> Result<()> {
        let (lane, len, read) = (usize::from(copy.lane), copy.bytes as usize, copy.source_bytes as usize);
        let mut spaces = self.spaces(&mut warp.local, block);
        let mut bytes = [0u8; MOST_BYTES];
        let mut result = Ok(());
        if !copy.from.is_multiple_of(len as u64) {
            result = Err((FaultKind::Misaligned, Space::Global, copy.from));
        } else if !copy.to.is_multiple_of(len as u64) {
            result = Err((FaultKind::Misaligned, Space::Shared, copy.to));
        } else if read > 0 {
            match spaces.read(Some(Space::Global), lane, copy.from, read) {
                Ok(source) => bytes[..read].copy_from_slice(source),
                Err(kind) => result = Err((kind, Space::Global, copy.from)),
            }
        }
        if result.is_ok() {
            match spaces.write(Some(Space::Shared), lane, copy.to, len) {
                Ok(place) => place.copy_from_slice(&bytes[..len]),
                Err(kind) => result = Err((kind, Space::Shared, copy.to)),
            }
        }
        let Err((kind, space, address)) = result else { return Ok(()) };
        let fault = spaces.fault(kind, "an asynchronous copy", Some(space), address, len);
        Err(self.blame(fault, copy.pc, block.index, warp.index, lane))
    }
}
