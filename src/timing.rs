//! Timing algorithms against each other: all of a workload together, in rounds of random order, so
//! that a noisy machine disturbs all alike and the ratios stay fair. The stopping rule and the
//! discarding of throttled samples follow NVIDIA's nvbench.

use std::time::{Duration, Instant};

use crate::device::{Cache, Device, Prepared};
use crate::error::Result;
use crate::statistics::Median;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// The most time that one participant takes for its samples.
    pub cap: Duration,
    /// The share of the median within which its interval must lie for stopping earlier.
    pub precision: f64,
}

/// The fewest samples of a participant, whatever they cost.
const FEWEST_SAMPLES: usize = 5;
/// A sample repeats an execution until it takes about this long, so that the clock's resolution and
/// the call's cost do not show.
const SAMPLE_AT_LEAST: Duration = Duration::from_micros(50);

/// The samples of one participant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// Nanoseconds of one execution, per sample, caches flushed where the device can.
    pub ns: Vec<f64>,
    /// The same with warm caches; empty where the device does not tell them apart.
    pub hot_ns: Vec<f64>,
    /// Samples that were thrown away because the clock was throttled.
    pub throttled: u64,
    /// Whether the cap came before the precision.
    pub noisy: bool,
    /// The clock in MHz after the last sample, if the device tells.
    pub clock_mhz: Option<u32>,
}

/// Times `participants` against each other until each is precise or has used up its budget.
/// `stop` is asked between samples.
///
/// # Errors
/// Whatever the device reports; [`crate::error::Error::Interrupted`] when `stop` says so.
pub fn rounds(
    device: &dyn Device,
    participants: &mut [&mut dyn Prepared],
    budget: Budget,
    stop: &dyn Fn() -> Result<()>,
) -> Result<Vec<Samples>> {
    let mut states = Vec::with_capacity(participants.len());
    for participant in participants.iter_mut() {
        states.push(State::calibrated(&mut **participant)?);
    }
    let hot_apart = device.flushes_caches();
    let mut order: Vec<usize> = (0..participants.len()).collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    while states.iter().any(|state| !state.done) {
        shuffle(&mut order, &mut seed);
        for &index in &order {
            stop()?;
            let state = &mut states[index];
            if state.done {
                continue;
            }
            state.sample(&mut *participants[index], device, hot_apart)?;
            state.decide(budget);
        }
    }
    Ok(states.into_iter().map(|state| state.samples).collect())
}

struct State {
    iterations: u64,
    spent: Duration,
    attempts: usize,
    done: bool,
    samples: Samples,
}

impl State {
    /// Warms up, and finds how many executions make a sample.
    fn calibrated(participant: &mut dyn Prepared) -> Result<Self> {
        participant.time(1, Cache::Hot)?;
        let once = participant.time(1, Cache::Hot)?.max(Duration::from_nanos(1));
        let iterations = SAMPLE_AT_LEAST.as_nanos().div_ceil(once.as_nanos()) as u64;
        Ok(Self { iterations, spent: Duration::ZERO, attempts: 0, done: false, samples: Samples::default() })
    }

    fn sample(&mut self, participant: &mut dyn Prepared, device: &dyn Device, hot_apart: bool) -> Result<()> {
        let start = Instant::now();
        let iterations = self.iterations.max(1);
        let cold = participant.time(iterations, Cache::Cold)?;
        let hot = if hot_apart { Some(participant.time(iterations, Cache::Hot)?) } else { None };
        self.spent += start.elapsed();
        self.attempts += 1;
        if device.throttled() == Some(true) {
            self.samples.throttled += 1;
            return Ok(());
        }
        let each = |time: Duration| time.as_nanos() as f64 / iterations as f64;
        self.samples.ns.push(each(cold));
        self.samples.hot_ns.extend(hot.map(each));
        self.samples.clock_mhz = device.clock_mhz();
        Ok(())
    }

    fn decide(&mut self, budget: Budget) {
        if self.attempts < FEWEST_SAMPLES {
            return;
        }
        let precise = self.samples.ns.len() >= FEWEST_SAMPLES
            && Median::of(&self.samples.ns).is_some_and(|median| median.is_within(budget.precision));
        self.samples.noisy = !precise;
        self.done = precise || self.spent >= budget.cap;
    }
}

/// Fisher–Yates with xorshift64: the order only has to be irregular.
fn shuffle(order: &mut [usize], state: &mut u64) {
    for last in (1..order.len()).rev() {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        order.swap(last, (*state % (last as u64 + 1)) as usize);
    }
}
