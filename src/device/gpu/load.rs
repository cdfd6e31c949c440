//! Competing work on a GPU: kernels of varying size in a second stream, launched ahead.

use crate::device::gpu::{Gpu, GpuDevice, LaunchShape, Stream, Value, within};
use crate::device::{Load, Strength};
use crate::error::Result;
use crate::input::random;

/// Threads of a block.
const THREADS: u32 = 256;
/// 16-byte words that a thread walks through in a round. At two blocks per multiprocessor these are
/// tens of megabytes, of the order of the second-level cache, so that memory is disturbed as well.
const WORDS_PER_THREAD: u64 = 64;
/// Rounds at the least. A step through a word takes about a microsecond, nearly all of it waiting
/// for memory, so a launch takes from half to one and a half milliseconds.
const FEWEST_ROUNDS: u32 = 8;
/// How many rounds there may be on top.
const MORE_ROUNDS: u32 = 17;
/// Launches in flight.
const AHEAD: usize = 2;

/// Memory traffic and arithmetic beside the measured stream; ends when dropped.
pub(super) struct Traffic<'a, G: Gpu> {
    device: &'a GpuDevice<G>,
    kernel: G::Kernel,
    buffer: G::Memory,
    /// The ends of the launches in flight, used in turn.
    ends: [G::Event; AHEAD],
    launches: u64,
    strength: Strength,
}

impl<'a, G: Gpu> Traffic<'a, G> {
    pub(super) fn new(device: &'a GpuDevice<G>, strength: Strength) -> Result<Self> {
        let kernel = device.support("support_load")?;
        let buffer = device.allocate(bytes(device, strength), "memory of the competing work")?;
        let ends = [device.gpu.event()?, device.gpu.event()?];
        let mut traffic = Self { device, kernel, buffer, ends, launches: 0, strength };
        // The kernel may be loaded at its first launch, which can wait for an idle GPU.
        traffic.renew()?;
        device.gpu.synchronize(Stream::Background)?;
        Ok(traffic)
    }
}

impl<G: Gpu> Load for Traffic<'_, G> {
    fn renew(&mut self) -> Result<()> {
        let gpu = &self.device.gpu;
        let end = &self.ends[self.launches as usize % AHEAD];
        if self.launches >= AHEAD as u64 {
            gpu.wait(end).map_err(within("support_load"))?;
        }
        // The launches' sizes vary, yet are the same in every run.
        let random = random(0, self.launches);
        let blocks = 1 + (random as u32) % most_blocks(self.device, self.strength);
        let rounds = FEWEST_ROUNDS + ((random >> 32) as u32) % MORE_ROUNDS;
        let arguments = [
            Value::U64(gpu.address(&self.buffer)),
            Value::U64(words(blocks)),
            Value::U32(rounds),
            Value::U32((random >> 16) as u32),
        ];
        gpu.launch(Stream::Background, &self.kernel, LaunchShape::line(blocks, THREADS), &arguments)
            .and_then(|()| gpu.record(Stream::Background, end))
            .map_err(within("support_load"))?;
        self.launches += 1;
        Ok(())
    }
}

impl<G: Gpu> Drop for Traffic<'_, G> {
    fn drop(&mut self) {
        // What failed here fails again, and is reported, at the next use of the GPU.
        let _ = self.device.gpu.synchronize(Stream::Background);
    }
}

/// Two blocks per multiprocessor: enough to be met everywhere, few enough to leave room.
fn most_blocks<G: Gpu>(device: &GpuDevice<G>, strength: Strength) -> u32 {
    strength.of(2 * device.gpu.properties().sm_count.max(1))
}

/// Bytes of the memory that is walked through.
pub(super) fn bytes<G: Gpu>(device: &GpuDevice<G>, strength: Strength) -> u64 {
    words(most_blocks(device, strength)) * 16
}

/// Words for so many blocks, so that a thread's work does not depend on their number.
fn words(blocks: u32) -> u64 {
    u64::from(blocks) * u64::from(THREADS) * WORDS_PER_THREAD
}
