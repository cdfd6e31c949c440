//! Reads of registers that were never written, of those that [`Watch`](crate::simt::program::Watch) names.

use crate::simt::execute::observe::Observer;
use crate::simt::execute::step::Shared;
use crate::simt::execute::warp::Warp;
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::program::WatchedStep;

impl<O: Observer> Shared<'_, O> {
    /// Lanes of `mask` come to a step, and those of `active` execute it.
    #[inline(never)]
    pub fn look(
        &self,
        warp: &mut Warp,
        step: &WatchedStep,
        pc: u32,
        block: [u32; 3],
        mask: u32,
        active: u32,
    ) -> Result<()> {
        let read = step.guard.iter().map(|guard| (guard, mask));
        for (register, readers) in read.chain(step.reads.iter().map(|register| (register, active))) {
            let unwritten = readers & !warp.written[*register as usize];
            if unwritten != 0 {
                let name = &self.kernel.watch.names[*register as usize];
                let what = format!("a read of {name}, to which nothing was written");
                let fault = Fault::new(FaultKind::Uninitialised, what);
                let lane = unwritten.trailing_zeros() as usize;
                return Err(self.blame(fault, pc, block, warp.index, lane));
            }
        }
        let known = step.copies.iter().fold(active, |known, from| known & warp.written[*from as usize]);
        for register in &step.writes {
            let written = &mut warp.written[*register as usize];
            *written = *written & !active | known;
        }
        Ok(())
    }
}
