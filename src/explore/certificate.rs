//! The certificate of an algorithm of our own on a problem. Each launch of its plan is explored on the memory that those
//! before it left: if none depends on the schedule, all find there what they find under any other.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::device::Problem;
use crate::device::plan::{Argument, Buffer, Plan, Step};
use crate::device::sim::read;
use crate::explore::schedules::Ready;
use crate::explore::verdict::{Explored, Verdict};
use crate::explore::{Settings, explore_ready};
use crate::operation::{Algorithm, Form, Target};
use crate::simt::{self, Launch, Memory};

/// How the remark on a row begins that tells what was found.
pub const REMARK: &str = "certificate: ";
/// The remark of what is certified.
pub const INDEPENDENT: &str = "certificate: independent of the schedule";

/// What was found of an algorithm.
#[derive(Debug)]
pub struct Certificate {
    /// Of each launch of its plan, in order.
    pub launches: Vec<Explored>,
}

/// Where a plan's buffers lie, and their bytes.
struct Buffers {
    inputs: Vec<(u64, usize)>,
    outputs: Vec<(u64, usize)>,
    workspaces: Vec<(u64, usize)>,
}

impl Buffers {
    fn get(&self, buffer: Buffer) -> Result<(u64, usize), String> {
        let found = match buffer {
            Buffer::Input(index) => self.inputs.get(index),
            Buffer::Output(index) => self.outputs.get(index),
            Buffer::Workspace(index) => self.workspaces.get(index),
        };
        found.copied().ok_or_else(|| format!("the plan has no {buffer:?}"))
    }
}

impl Certificate {
    /// Explores `algorithm`; an execution of a launch is given up after `fuel` thread instructions.
    ///
    /// # Errors
    /// In words: a launch fails under every schedule, or takes too many instructions.
    pub fn of(
        algorithm: &Algorithm,
        problem: &Problem,
        target: &Target,
        settings: &Settings,
        fuel: u64,
    ) -> Result<Self, String> {
        let in_words = |fault: simt::Fault| fault.to_string();
        let workload = &problem.workload;
        let plan = (algorithm.plan)(workload, target);
        let mut memory = Memory::new();
        let module = read(algorithm.module).map_err(|error| error.to_string())?;
        let loaded = module.load(&mut memory).map_err(in_words)?;
        let (buffers, written) = lay_out(algorithm, problem, &plan, &mut memory).map_err(in_words)?;
        let mut launches = Vec::new();
        for step in &plan.steps {
            let launch = match step {
                Step::Zero(buffer) => {
                    let (address, len) = buffers.get(*buffer)?;
                    memory.fill(address, len as u64, 0).map_err(in_words)?;
                    continue;
                }
                Step::Launch(launch) => launch,
            };
            let argument = |argument: &Argument| {
                Ok(match *argument {
                    Argument::Buffer(buffer) => simt::Argument::U64(buffers.get(buffer)?.0),
                    Argument::U64(value) => simt::Argument::U64(value),
                    Argument::U32(value) => simt::Argument::U32(value),
                    Argument::F32(value) => simt::Argument::F32(value),
                })
            };
            let arguments = launch.arguments.iter().map(argument).collect::<Result<Vec<_>, String>>()?;
            let ready = Ready {
                memory,
                loaded: loaded.clone(),
                launch: Launch {
                    entry: &launch.entry,
                    grid: launch.grid,
                    block: launch.block,
                    shared_bytes: launch.shared_bytes,
                    arguments: &arguments,
                },
                outputs: written.clone(),
                // Of what a launch leaves out, another may take care, or nobody reads it.
                is_whole: false,
                fuel,
            };
            let ptx = format!("{}.ptx", algorithm.module.name);
            launches.push(Explored { ptx, ..explore_ready(&ready, algorithm.module.ptx, settings)? });
            memory = ready.left().map_err(in_words)?;
        }
        Ok(Self { launches })
    }

    /// In words, beside executions under other schedules of which some differed, or none.
    pub fn beside(&self, any_differed: bool) -> String {
        let Some(worst) = self.worst() else { return format!("{REMARK}nothing is launched") };
        let verdict = match (worst.verdict, any_differed) {
            (Verdict::Independent, false) => return INDEPENDENT.to_owned(),
            (Verdict::Independent, true) => {
                return format!("{INDEPENDENT}, which what was seen contradicts: an error of this program");
            }
            (Verdict::Depends, _) | (_, true) => "depends",
            (Verdict::MayDepend, false) => "may depend",
        };
        let reason = worst.why.first().map(|reason| format!(": {}", reason.in_words(&worst.ptx)));
        format!("{REMARK}none, {verdict} on the schedule{}", reason.unwrap_or_default())
    }

    /// The launch that is worst, the first of equals; of a plan without launches none.
    pub fn worst(&self) -> Option<&Explored> {
        let badness = |explored: &&Explored| match explored.verdict {
            Verdict::Independent => 0,
            Verdict::MayDepend => 1,
            Verdict::Depends => 2,
        };
        self.launches.iter().rev().max_by_key(badness)
    }
}

/// Names, addresses and bytes.
type Named = Vec<(String, u64, usize)>;

/// Lays a plan's buffers out as they are before an execution, and names those that are written.
fn lay_out(
    algorithm: &Algorithm,
    problem: &Problem,
    plan: &Plan,
    memory: &mut Memory,
) -> simt::Result<(Buffers, Named)> {
    let workload = &problem.workload;
    let inputs = problem.inputs.iter();
    let inputs = inputs.map(|input| (memory.map(Arc::from(input.bytes())), input.bytes().len())).collect();
    let (mut outputs, mut workspaces, mut written) = (Vec::new(), Vec::new(), Vec::new());
    for spec in workload.operation.outputs(Form::Own(algorithm), workload) {
        let len = spec.len * spec.dtype.size();
        let address = memory.allocate(len as u64);
        if let Some(input) = spec.restored_from.and_then(|index| problem.inputs.get(index)) {
            memory.write(address, input.bytes())?;
        }
        outputs.push((address, len));
        written.push((spec.name.to_owned(), address, len));
    }
    for (number, space) in plan.workspaces.iter().enumerate() {
        let address = memory.allocate(space.bytes);
        if space.counters {
            memory.fill(address, space.bytes, 0)?;
        }
        workspaces.push((address, space.bytes as usize));
        written.push((format!("workspace {number}"), address, space.bytes as usize));
    }
    Ok((Buffers { inputs, outputs, workspaces }, written))
}
