//! Atomic operations: lane by lane, in the order that the schedule draws.

use crate::simt::compute::{AtomicOp, atomic};
use crate::simt::execute::access::{addresses, window};
use crate::simt::execute::observe::{AtomicStep, Observer};
use crate::simt::execute::step::{BlockSide, Shared};
use crate::simt::execute::warp::{Warp, lanes};
use crate::simt::fault::{FaultKind, Result};
use crate::simt::program::Atomic;
use crate::simt::ptx::ast::Space;

impl<O: Observer> Shared<'_, O> {
    /// Carries out an atomic operation of the lanes of `active`.
    pub fn atomic(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        op: &Atomic,
        pc: u32,
        active: u32,
    ) -> Result<()> {
        let addresses = addresses(&warp.registers, &op.address);
        let (size, space) = (op.ty.bytes() as usize, op.address.space);
        let len = size * op.operand.len();
        let mut order = [0u8; 32];
        let mut count = 0;
        for lane in lanes(active) {
            order[count] = lane as u8;
            count += 1;
        }
        self.choices.order_lanes(&mut order[..count]);
        for lane in order[..count].iter().map(|lane| usize::from(*lane)) {
            let address = addresses[lane];
            let mut spaces = self.spaces(&mut warp.local, block);
            let read = if address.is_multiple_of(len as u64) {
                spaces.read(space, lane, address, len).map(|bytes| {
                    let mut copy = [0u8; 16];
                    copy[..len].copy_from_slice(bytes);
                    copy
                })
            } else {
                Err(FaultKind::Misaligned)
            };
            // PTX ISA, atom: f32 additions flush subnormals in global memory, not in shared memory.
            let in_shared = space.unwrap_or_else(|| window(address)) == Space::Shared;
            let here = match op.op {
                AtomicOp::Add { .. } => AtomicOp::Add { flush: !in_shared },
                other => other,
            };
            if O::ACTIVE
                && let Ok(bytes) = &read
            {
                let mut old = [0; 8];
                old.copy_from_slice(&bytes[..8]);
                let old = u64::from_le_bytes(old) & (u64::MAX >> (64 - 8 * len.min(8)));
                let at = self.at(warp, block, pc);
                self.observer.atomic(&at, &AtomicStep { op, lane, address, old });
            }
            let mut spaces = self.spaces(&mut warp.local, block);
            let result = read.and_then(|mut bytes| {
                for (index, operand) in op.operand.iter().enumerate() {
                    let place = &mut bytes[index * size..][..size];
                    let mut word = [0u8; 8];
                    word[..size].copy_from_slice(place);
                    let old = u64::from_le_bytes(word);
                    let operand = warp.registers.get(*operand, lane);
                    let swap = op.swap.map_or(0, |swap| warp.registers.get(swap, lane));
                    let new = atomic(here, op.ty, old, operand, swap);
                    place.copy_from_slice(&new.to_le_bytes()[..size]);
                    if let Some(slot) = op.old.get(index).copied().flatten() {
                        warp.registers.set(slot, lane, old);
                    }
                }
                spaces.write(space, lane, address, len)?.copy_from_slice(&bytes[..len]);
                Ok(())
            });
            if let Err(kind) = result {
                let fault = spaces.fault(kind, "an atomic operation", space, address, len);
                return Err(self.blame(fault, pc, block.index, warp.index, lane));
            }
        }
        Ok(())
    }
}
