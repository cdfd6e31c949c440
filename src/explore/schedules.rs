//! Executing a launch under many schedules, several of them side by side. What each gives is a function of its seed
//! alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::digest::{Digest, digest_of_bytes};
use crate::explore::plan::{Argument, Role};
use crate::simt::analysis::{Analysis, Differing, Judgement};
use crate::simt::{self, Fault, FaultKind, Launch, Loaded, Memory, Module, Options, Schedule};

/// A launch that is executed again and again.
pub struct Subject<'a> {
    /// The kernels.
    pub module: &'a Arc<Module>,
    /// Which of them.
    pub entry: &'a str,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// In the order of the kernel's parameters.
    pub arguments: &'a [Argument],
    /// Thread instructions after which an execution is given up.
    pub fuel: u64,
}

/// One execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Under which schedule.
    pub schedule: Schedule,
    /// What it came to.
    pub outcome: Outcome,
    /// Thread instructions.
    pub instructions: u64,
    /// What the analysis says, if there was one.
    pub judgement: Option<Judgement>,
}

/// What an execution came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The kernel ended.
    Ended {
        /// Of all outputs, and of which of their bytes were written.
        digest: Digest,
        /// An output and its first byte that nothing was written to, where something must be.
        unwritten: Option<(String, usize)>,
    },
    /// It did not.
    Failed(Fault),
}

impl Outcome {
    /// Whether two executions cannot be told apart from outside.
    pub fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ended { digest, .. }, Self::Ended { digest: of_other, .. }) => digest == of_other,
            // Which of several threads meets the fault first says nothing, nor which of those that wait is named.
            (Self::Failed(fault), Self::Failed(other)) => {
                fault.kind == other.kind && (fault.place == other.place || fault.kind == FaultKind::Deadlock)
            }
            _ => false,
        }
    }
}

/// A launch, and what the device's memory holds before it.
pub struct Ready<'a> {
    /// The memory.
    pub memory: Memory,
    /// The kernels, whose variables lie in it.
    pub loaded: Loaded,
    /// What is launched.
    pub launch: Launch<'a>,
    /// Names, addresses and bytes of outputs.
    pub outputs: Vec<(String, u64, usize)>,
    /// Whether every byte of them must be written.
    pub is_whole: bool,
    /// Thread instructions after which an execution is given up.
    pub fuel: u64,
}

impl Subject<'_> {
    /// Lays the buffers out in a memory, and hands the launch to `then`.
    ///
    /// # Errors
    /// If the arguments do not fit, or what `then` says.
    pub fn ready<T>(&self, then: impl FnOnce(&Ready) -> Result<T, String>) -> Result<T, String> {
        let (mut memory, mut arguments, mut outputs) = (Memory::new(), Vec::new(), Vec::new());
        let loaded = self.module.load(&mut memory).map_err(|fault| fault.to_string())?;
        for argument in self.arguments {
            let (name, bytes, content, role) = match argument {
                Argument::Value(value) => {
                    arguments.push(value.clone());
                    continue;
                }
                Argument::Buffer { name, bytes, content, role, .. } => (name, *bytes, content, *role),
            };
            let address = match (content, role) {
                (Some(content), Role::In) => memory.map(Arc::clone(content)),
                (content, _) => {
                    let address = memory.allocate(bytes as u64);
                    if let Some(content) = content {
                        memory.write(address, content).map_err(|fault| fault.to_string())?;
                    }
                    address
                }
            };
            arguments.push(simt::Argument::U64(address));
            if role != Role::In {
                outputs.push((name.clone(), address, bytes));
            }
        }
        let launch = Launch {
            entry: self.entry,
            grid: self.grid,
            block: self.block,
            shared_bytes: self.shared,
            arguments: &arguments,
        };
        then(&Ready { memory, loaded, launch, outputs, is_whole: true, fuel: self.fuel })
    }
}

impl Ready<'_> {
    /// Executes under `schedules`, of which the first `watched` are analysed; in their order, up to the first under which
    /// the launch does not fit or takes too many instructions, if there is one. What else goes wrong is an outcome.
    pub fn all(&self, schedules: &[Schedule], watched: usize) -> (Vec<Execution>, Option<Fault>) {
        // Those before the first that fails are all executed, however many run side by side.
        let failed = AtomicUsize::new(usize::MAX);
        let execute = |(number, schedule): (usize, &Schedule)| {
            if number > failed.load(Ordering::Relaxed) {
                return None;
            }
            let executed = self.execute(*schedule, number < watched, None);
            if executed.is_err() {
                failed.fetch_min(number, Ordering::Relaxed);
            }
            Some(executed)
        };
        let all: Vec<_> = schedules.par_iter().enumerate().map(execute).collect();
        let mut executions = Vec::with_capacity(all.len());
        for executed in all.into_iter().flatten() {
            match executed {
                Ok(execution) => executions.push(execution),
                Err(fault) => return (executions, Some(fault)),
            }
        }
        (executions, None)
    }

    /// Executes under one schedule, unanalysed.
    ///
    /// # Errors
    /// If the launch does not fit, or takes too many instructions.
    pub fn one(&self, schedule: Schedule) -> simt::Result<Execution> {
        self.execute(schedule, false, None)
    }

    /// The memory behind the launch, all in turn.
    ///
    /// # Errors
    /// If the kernel does not end.
    pub fn left(mut self) -> simt::Result<Memory> {
        let options = Options { schedule: Schedule::RoundRobin, fuel: self.fuel, blocks: None };
        self.loaded.launch(&self.launch, &mut self.memory, &options)?;
        Ok(self.memory)
    }

    /// Executes under one schedule. If it is watched, it is analysed, and `differing` is known to differ between blocks
    /// that can be the last.
    ///
    /// # Errors
    /// As of [`Ready::one`].
    pub fn execute(
        &self,
        schedule: Schedule,
        is_watched: bool,
        differing: Option<&Differing>,
    ) -> simt::Result<Execution> {
        let mut memory = self.memory.clone();
        let launch = &self.launch;
        let options = Options { schedule, fuel: self.fuel, blocks: None };
        let (ended, judgement) = if is_watched {
            let kernel = self.loaded.kernel(launch.entry)?;
            let mut analysis = Analysis::new(kernel, launch.grid, launch.block);
            if let Schedule::LastBlock { block } = schedule {
                analysis = analysis.with_last(u32::try_from(block).unwrap_or(u32::MAX), differing);
            }
            let ended = self.loaded.launch_observed(launch, &mut memory, &options, &mut analysis);
            let outputs = if ended.is_ok() { &self.outputs[..] } else { &[] };
            (ended, Some(analysis.judge(outputs)))
        } else {
            (self.loaded.launch(launch, &mut memory, &options), None)
        };
        match ended {
            Ok(executed) => {
                let outcome = self.outcome(&memory)?;
                Ok(Execution { schedule, outcome, instructions: executed.thread_instructions, judgement })
            }
            Err(fault) if matches!(fault.kind, FaultKind::Launch | FaultKind::Fuel) => Err(fault),
            Err(fault) => {
                Ok(Execution { schedule, outcome: Outcome::Failed(fault), instructions: 0, judgement })
            }
        }
    }

    /// What an execution that ended with this memory came to.
    ///
    /// # Errors
    /// If the outputs do not lie in it.
    pub fn outcome(&self, memory: &Memory) -> simt::Result<Outcome> {
        let (mut parts, mut first) = (Vec::new(), None);
        for (name, address, len) in &self.outputs {
            let (bytes, unwritten) = memory.peek(*address, *len)?;
            parts.extend(digest_of_bytes(bytes).0.to_le_bytes());
            // A bit for each byte: a list of offsets would be eight times the output.
            let mut marks = Vec::new();
            for at in unwritten {
                if marks.is_empty() {
                    marks.resize(len.div_ceil(8), 0u8);
                    if self.is_whole && first.is_none() {
                        first = Some((name.clone(), at));
                    }
                }
                marks[at / 8] |= 1 << (at % 8);
            }
            if !marks.is_empty() {
                parts.extend(digest_of_bytes(&marks).0.to_le_bytes());
            }
        }
        Ok(Outcome::Ended { digest: digest_of_bytes(&parts), unwritten: first })
    }
}
