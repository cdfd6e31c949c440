//! Trying every block that draws a ticket as the last. Executing all others anew for each would take as many launches as
//! there are blocks; by halves it takes as many as halving them takes: what the one half has done is kept, and the other
//! half goes on from there twice, without its first part and without its second.

use rayon::prelude::*;

use crate::explore::findings;
use crate::explore::schedules::{Execution, Ready};
use crate::explore::verdict::Finding;
use crate::simt::analysis::{Analysis, Differing, Held};
use crate::simt::{Fault, Memory, Options, Schedule};

/// Blocks that are tried, at most.
const MOST: usize = 4096;
/// Parts of them that are halved side by side: what is found does not depend on how many threads there are.
const PARTS: usize = 8;

/// What trying blocks as the last came to.
#[derive(Debug, Default)]
pub struct Tried {
    /// How many were tried.
    pub blocks: usize,
    /// An execution for each, analysed with what differs between them.
    pub executions: Vec<Execution>,
    /// Why they were not tried.
    pub why: Option<Finding>,
}

/// Tries each of `blocks` as the last of a launch that executed as `first` when nothing was tried, with no more than
/// about `most` thread instructions.
///
/// # Errors
/// If the launch does not fit, or an execution takes too many instructions.
pub fn each(ready: &Ready, blocks: &[u32], first: &Execution, most: u64) -> Result<Tried, Fault> {
    let refused = |takes: u64| {
        let limit = limit(blocks.len(), takes, most)?;
        let blocks = blocks.len();
        let what = format!("{blocks} blocks draw tickets, and each had to be tried as the last one; {limit}");
        Some(Tried { why: Some(Finding::general(what)), ..Tried::default() })
    };
    if blocks.is_empty() {
        return Ok(Tried::default());
    }
    let part = blocks.len().div_ceil(PARTS);
    let parts = blocks.len().div_ceil(part) as u64;
    let launches = 2 * (parts + 1 + u64::from(part.ilog2()));
    if let Some(refused) = refused(first.instructions.saturating_mul(launches)) {
        return Ok(refused);
    }
    // What fails, differs or is in doubt is executed again, one launch for each block, as it can be replayed.
    if let Ok(executions) = twice(|differing| by_halves(ready, blocks, part, differing))
        && executions.iter().all(|execution| execution.outcome.is_as(&first.outcome))
        && findings::are_clean(&executions)
    {
        return Ok(Tried { blocks: blocks.len(), executions, why: None });
    }
    if let Some(refused) = refused(first.instructions.saturating_mul(2 * blocks.len() as u64)) {
        return Ok(refused);
    }
    let executions = twice(|differing| {
        let last = |block: &u32| Schedule::LastBlock { block: u64::from(*block) };
        blocks.par_iter().map(|block| ready.execute(last(block), true, differing)).collect()
    })?;
    Ok(Tried { blocks: blocks.len(), executions, why: None })
}

/// Executes all twice: first to learn what the last ones hold by then, and then to follow what differs between them.
fn twice(
    executed: impl Fn(Option<&Differing>) -> Result<Vec<Execution>, Fault>,
) -> Result<Vec<Execution>, Fault> {
    let first = executed(None)?;
    let held = first.iter().filter_map(|execution| execution.judgement.as_ref());
    let held: Vec<&Held> = held.map(|judgement| &judgement.held).collect();
    executed(Some(&Differing::of(&held)))
}

/// Why blocks are not tried that take so many instructions.
fn limit(blocks: usize, takes: u64, most: u64) -> Option<String> {
    if blocks > MOST {
        return Some(format!("{MOST} are tried at the most: take a smaller grid"));
    }
    (takes > most).then(|| {
        format!(
            "that takes about {takes} thread instructions, and {most} are allowed: raise --max-instructions"
        )
    })
}

/// A launch of which some blocks were executed, one after the other.
#[derive(Clone)]
struct Begun<'k> {
    memory: Memory,
    analysis: Analysis<'k>,
    /// Thread instructions that are in no execution yet.
    instructions: u64,
}

/// An execution for each block, in their order; the blocks come in parts of `part`.
fn by_halves(
    ready: &Ready,
    blocks: &[u32],
    part: usize,
    differing: Option<&Differing>,
) -> Result<Vec<Execution>, Fault> {
    let all = ready.launch.grid.iter().product::<u32>();
    let of_part = |lasts: &[u32]| {
        let others: Vec<u32> = (0..all).filter(|block| lasts.binary_search(block).is_err()).collect();
        let mut begun = Begun::new(ready)?;
        begun.go_on(ready, &others)?;
        let mut executions = Vec::with_capacity(lasts.len());
        begun.halve(ready, lasts, differing, &mut executions)?;
        Ok(executions)
    };
    let parts: Result<Vec<Vec<Execution>>, Fault> = blocks.par_chunks(part).map(of_part).collect();
    Ok(parts?.concat())
}

impl<'k> Begun<'k> {
    fn new(ready: &'k Ready) -> Result<Self, Fault> {
        let kernel = ready.loaded.kernel(ready.launch.entry)?;
        let analysis = Analysis::new(kernel, ready.launch.grid, ready.launch.block);
        Ok(Self { memory: ready.memory.clone(), analysis, instructions: 0 })
    }

    /// Executes these blocks, too.
    fn go_on(&mut self, ready: &Ready, blocks: &[u32]) -> Result<(), Fault> {
        let Some(last) = blocks.last() else { return Ok(()) };
        let options = Options {
            schedule: Schedule::LastBlock { block: u64::from(*last) },
            fuel: ready.fuel,
            blocks: Some(blocks.iter().copied().map(u64::from).collect()),
        };
        let executed =
            ready.loaded.launch_observed(&ready.launch, &mut self.memory, &options, &mut self.analysis)?;
        self.instructions += executed.thread_instructions;
        Ok(())
    }

    /// Of a launch of which only `lasts` are left, ends one for each of them as the last.
    fn halve(
        mut self,
        ready: &Ready,
        lasts: &[u32],
        differing: Option<&'k Differing>,
        executions: &mut Vec<Execution>,
    ) -> Result<(), Fault> {
        if let [block] = lasts {
            self.analysis = self.analysis.with_last(*block, differing);
            self.go_on(ready, lasts)?;
            executions.push(Execution {
                schedule: Schedule::LastBlock { block: u64::from(*block) },
                outcome: ready.outcome(&self.memory)?,
                instructions: self.instructions,
                judgement: Some(self.analysis.judge(&ready.outputs)),
            });
            return Ok(());
        }
        let (left, right) = lasts.split_at(lasts.len() / 2);
        let mut other = Self { instructions: 0, ..self.clone() };
        self.go_on(ready, right)?;
        self.halve(ready, left, differing, executions)?;
        other.go_on(ready, left)?;
        other.halve(ready, right, differing, executions)
    }
}
