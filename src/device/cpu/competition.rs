//! Work that competes with the twins for the CPU.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::device::Load;
use crate::error::Result;

/// Threads that compete with the twins: each alternates between arithmetic, memory traffic and short
/// sleeps of irregular length, so that the twins' threads are pushed aside at irregular moments.
pub(super) struct Competition {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Words that a competing thread streams through: more than a second-level cache holds.
const COMPETING_WORDS: usize = 1 << 19;

impl Competition {
    pub(super) fn start(threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..threads as u64)
            .map(|thread| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || compete(thread, &stop))
            })
            .collect();
        Self { stop, threads }
    }
}

fn compete(thread: u64, stop: &AtomicBool) {
    let mut memory = vec![thread; COMPETING_WORDS];
    let mut state = thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while !stop.load(Ordering::Relaxed) {
        // xorshift64 (Marsaglia 2003): any irregular sequence serves.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let start = state as usize % COMPETING_WORDS;
        let end = COMPETING_WORDS.min(start + (state >> 32) as usize % (COMPETING_WORDS / 4));
        for word in &mut memory[start..end] {
            *word = word.wrapping_mul(state) ^ state;
        }
        std::hint::black_box(&memory);
        std::thread::sleep(Duration::from_micros(state >> 56));
    }
}

impl Load for Competition {
    fn renew(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Competition {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A competing thread has nothing to lose; if one panicked, the load was merely lighter.
            let _ = thread.join();
        }
    }
}
