//! Who watches an execution: told of every access and of everything that orders threads. Of executions that nobody
//! watches, nothing of this is left once they are compiled.

use crate::simt::execute::access::MOST_BYTES;
use crate::simt::execute::warp::{Copy, LANES, Registers};
use crate::simt::program::{Access, Atomic, Exchange, Kernel, MatrixOp, Reach};

/// Where something happens.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The code.
    pub kernel: &'a Kernel,
    /// The warp's registers, before the instruction changes them.
    pub registers: &'a Registers,
    /// The instruction.
    pub pc: u32,
    /// `%ctaid`.
    pub block: [u32; 3],
    /// The warp's number in its block.
    pub warp: u32,
}

/// An atomic operation of one lane.
pub struct AtomicStep<'a> {
    /// The instruction.
    pub op: &'a Atomic,
    /// Which lane.
    pub lane: usize,
    /// Where.
    pub address: u64,
    /// What lay there before.
    pub old: u64,
}

/// Bytes that a matrix instruction reads or writes.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// On behalf of which lane.
    pub lane: usize,
    /// Where.
    pub address: u64,
    /// What is written; of a read, zeros.
    pub bytes: [u8; 16],
    /// How many bytes.
    pub len: usize,
}

/// What is told. Every method has the lanes' masks as the interpreter has them: `mask` came to the instruction, and of
/// these `active` execute it.
#[expect(unused_variables, reason = "an observer looks at what it needs")]
pub trait Observer {
    /// Whether there is anybody.
    const ACTIVE: bool;

    /// A block begins; `live` are the lanes of each of its warps.
    fn start(&mut self, block: [u32; 3], live: &[u32]) {}
    /// Lanes end.
    fn exit(&mut self, at: &At, mask: u32) {}
    /// An instruction is about to be executed.
    fn step(&mut self, at: &At, mask: u32, active: u32) {}
    /// A load, after [`Observer::step`].
    fn load(&mut self, at: &At, active: u32, access: &Access, addresses: &[u64; LANES]) {}
    /// A store with the bytes of each lane.
    fn store(
        &mut self,
        at: &At,
        active: u32,
        access: &Access,
        addresses: &[u64; LANES],
        bytes: &[[u8; MOST_BYTES]; LANES],
    ) {
    }
    /// An atomic operation of one lane, in the order of their execution.
    fn atomic(&mut self, at: &At, step: &AtomicStep) {}
    /// A fence.
    fn fence(&mut self, at: &At, active: u32, scope: Reach) {}
    /// Lanes arrive at a barrier of their block, and wait there or not.
    fn arrive(&mut self, at: &At, mask: u32, number: u32, waits: bool) {}
    /// A barrier is complete: the warps, lanes and instructions that waited go on.
    fn release(&mut self, kernel: &Kernel, block: [u32; 3], number: u32, woken: &[(u32, u32, u32)]) {}
    /// Lanes of a warp have met at `bar.warp.sync`.
    fn warp_sync(&mut self, at: &At, mask: u32) {}
    /// Lanes exchange values, at one instruction or several.
    fn exchange(&mut self, at: &At, parts: &[(&Exchange, u32)]) {}
    /// A matrix instruction with what it reads, or writes, in memory.
    fn matrix(&mut self, at: &At, op: &MatrixOp, pieces: &[Piece]) {}
    /// A lane begins an asynchronous copy.
    fn begin_copy(&mut self, at: &At, copy: &Copy) {}
    /// Lanes wait until at most `left` of their groups are under way, of those that each has ended.
    fn wait_for_copies(&mut self, at: &At, active: u32, left: Option<u32>, groups: &[u32; LANES]) {}
}

/// Nobody watches.
pub struct Nobody;

impl Observer for Nobody {
    const ACTIVE: bool = false;
}
