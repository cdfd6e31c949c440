//! The smallest departure from schedules in turn that changes the result: fewer and fewer choices of a seed that gives
//! another one than all in turn, and in turn behind them.

use crate::explore::schedules::{Execution, Ready};
use crate::explore::verdict::Seen;
use crate::simt::Schedule;

/// Executions that this may take.
const MOST_EXECUTIONS: u32 = 64;

/// Of `executions` that differ, all in turn, and the shortest beginning of a seed's schedule that was found to give
/// something else; `None` if none of the seeds does. The last of that beginning's choices is needed: without it the
/// result is that of all in turn. An execution that takes too many instructions ends the search.
pub fn minimise(ready: &Ready, executions: &[Execution]) -> Option<[Seen; 2]> {
    let first = executions.first()?;
    if executions.iter().all(|execution| execution.outcome.is_as(&first.outcome)) {
        return None;
    }
    let in_turn = match executions.iter().find(|execution| execution.schedule == Schedule::RoundRobin) {
        Some(known) => known.clone(),
        None => ready.one(Schedule::RoundRobin).ok()?,
    };
    let of_seed = |execution: &Execution| match execution.schedule {
        Schedule::Random { seed } | Schedule::Priorities { seed }
            if !execution.outcome.is_as(&in_turn.outcome) =>
        {
            Some(seed)
        }
        _ => None,
    };
    let seed = executions.iter().find_map(of_seed)?;
    // None of the choices is in turn; `differing` is set as soon as some number of them is known to differ.
    let (mut alike, mut differing) = (0, None);
    let mut tried = 1u64;
    for _ in 0..MOST_EXECUTIONS {
        let Ok(execution) = ready.one(Schedule::Begun { seed, choices: tried }) else { break };
        if execution.outcome.is_as(&in_turn.outcome) {
            alike = tried;
        } else {
            differing = Some((tried, execution));
        }
        tried = match &differing {
            Some((differs, _)) if differs - alike <= 1 => break,
            Some((differs, _)) => alike + (differs - alike) / 2,
            None => tried.saturating_mul(2),
        };
    }
    differing.map(|(_, execution)| [in_turn.seen(), execution.seen()])
}
