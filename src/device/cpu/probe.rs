//! What the CPU can do at most: reading the inputs, and f32 arithmetic in registers.

use std::time::{Duration, Instant};

use multiversion::multiversion;
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::device::{Cache, KernelIdentity, Prepared, Probe};
use crate::error::Result;
use crate::operation::Work;
use crate::poison::Poison;
use crate::tensor::Tensor;

/// Bytes that one task of the read probe reads at the most, and at the least.
const READ_PARTS: (usize, usize) = (1 << 20, 1 << 14);
/// Tasks per thread where that leaves a choice: enough for threads to end together.
const READ_TASKS: usize = 4;
/// Independent chains of the FMA probe with 32 vector registers of 16, and with 16 of 8: enough to hide
/// the latency, and few enough to stay in registers.
const CHAINS: (usize, usize) = (192, 96);
/// Fused operations of a chain: about 20 µs.
const ROUNDS: usize = 2048;
/// Times that each thread repeats that, so that handing out the work does not show.
const REPEATS: usize = 16;

/// Reads every byte of `inputs` with all threads and keeps one word per part.
pub(super) fn read<'a>(pool: &'a ThreadPool, inputs: &'a [Tensor]) -> Probe<'a> {
    let part_of = move |input: &Tensor| {
        let (most, least) = READ_PARTS;
        (input.bytes().len() / (READ_TASKS * pool.current_num_threads())).clamp(least, most)
    };
    let read =
        move |input: &Tensor| input.bytes().par_chunks(part_of(input)).map(xor).reduce(|| 0, |a, b| a ^ b);
    let once = move || {
        std::hint::black_box(pool.install(|| inputs.iter().map(read).fold(0, |a, b| a ^ b)));
    };
    let bytes = inputs.iter().map(|input| input.bytes().len() as u64).sum();
    Probe { prepared: Box::new(Repeated(once)), work: Work::Bytes(bytes) }
}

/// Multiplies and adds f32 in registers, with all threads.
pub(super) fn fma(pool: &ThreadPool) -> Probe<'_> {
    let (chains, width): (fn(f32) -> f32, usize) =
        if is_wide() { (chains_512, CHAINS.0) } else { (chains_256, CHAINS.1) };
    let once = move || {
        let start = |thread: usize, repeat: usize| std::hint::black_box((thread + repeat) as f32);
        let sum = |thread| (0..REPEATS).map(|repeat| chains(start(thread, repeat))).sum::<f32>();
        std::hint::black_box(pool.broadcast(|context| sum(context.index())));
    };
    let flops = 2 * width * ROUNDS * REPEATS * pool.current_num_threads();
    Probe { prepared: Box::new(Repeated(once)), work: Work::Flops(flops as u64) }
}

/// Something to be timed that has no outputs.
struct Repeated<F: Fn()>(F);

impl<F: Fn()> Prepared for Repeated<F> {
    fn execute(&mut self, _: Poison) -> Result<()> {
        (self.0)();
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&[])
    }

    fn time(&mut self, iterations: u64, _: Cache) -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..iterations {
            (self.0)();
        }
        Ok(start.elapsed())
    }

    fn kernel(&self) -> KernelIdentity {
        KernelIdentity::default()
    }
}

/// The exclusive or of all 8-byte words: integer work that is never slower than the memory.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn xor(bytes: &[u8]) -> u64 {
    let mut lanes = [0u64; 64];
    let (blocks, rest) = bytes.as_chunks::<512>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane ^= u64::from_ne_bytes(*word);
        }
    }
    rest.iter().fold(lanes.iter().fold(0, |a, b| a ^ b), |a, b| a ^ u64::from(*b))
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq+fma"))]
fn chains_512(start: f32) -> f32 {
    chains::<{ CHAINS.0 }>(start)
}

#[multiversion(targets("x86_64+avx2+fma"))]
fn chains_256(start: f32) -> f32 {
    chains::<{ CHAINS.1 }>(start)
}

/// Whether [`chains_512`] finds the registers that it is made for.
fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512f")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Sums of chains of fused multiplications and additions.
#[inline(always)]
fn chains<const CHAINS: usize>(start: f32) -> f32 {
    let mut chains = [0f32; CHAINS];
    for (index, chain) in chains.iter_mut().enumerate() {
        *chain = start + index as f32;
    }
    for _ in 0..ROUNDS {
        for chain in &mut chains {
            *chain = chain.mul_add(0.999_023_44, 0.5);
        }
    }
    chains.iter().sum()
}
