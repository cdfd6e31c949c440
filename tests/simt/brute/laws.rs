//! What must hold between what `samebits explore` says of a kernel and everything that can happen.

use std::collections::BTreeSet;
use std::sync::Arc;

use samebits::digest::digest_of_bytes;
use samebits::explore::element::Element;
use samebits::explore::plan::{Argument, Role};
use samebits::explore::schedules::{Execution, Outcome as Came, Subject};
use samebits::explore::verdict::Verdict;
use samebits::explore::{Settings, explore};
use samebits::simt::{FaultKind, Module, Schedule};

use super::explorer::{Pair, Truth};
use super::language::{BEFORE, DATA, Kernel};
use super::machine::Outcome;
use super::print::ptx;

/// Seeded schedules of a kernel.
const SCHEDULES: u64 = 8;
/// Those of them that are analysed; as in `explore`.
const WATCHED: usize = 4;

/// How a simulated execution ended, as far as it can be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The digest of both buffers.
    Digest(String),
    /// What nobody wrote is read, by this step.
    Uninitialised(Option<usize>),
    Deadlock,
    /// None of what the language's kernels may do.
    Other(String),
}

/// What is said of a kernel.
#[derive(Debug, Clone)]
pub struct Said {
    /// The verdict; a fault that all schedules meet, in words.
    pub verdict: Result<Verdict, String>,
    /// How executions ended.
    pub ends: BTreeSet<End>,
    /// Races that were reported, by steps; `None` for a line that is no step's.
    pub races: BTreeSet<(Option<usize>, Option<usize>)>,
}

/// What `samebits` says of a kernel.
pub fn said(kernel: &Kernel) -> Result<Said, String> {
    let (text, lines) = ptx(kernel);
    let module = Arc::new(Module::new(&text).map_err(|fault| format!("the PTX is refused: {fault}"))?);
    let content: Vec<u8> = BEFORE.iter().flat_map(|word| word.to_le_bytes()).collect();
    let buffer = |name: &str, words: usize, content, role| Argument::Buffer {
        name: name.to_owned(),
        element: Element::U32,
        bytes: words * 4,
        content,
        role,
    };
    let arguments = [
        buffer("data", DATA, Some(content.into()), Role::Both),
        buffer("fresh", usize::from(kernel.fresh), None, Role::Out),
    ];
    let subject = Subject {
        module: &module,
        entry: "k",
        grid: [u32::from(kernel.blocks), 1, 1],
        block: [u32::from(kernel.lanes), 1, 1],
        shared: 0,
        arguments: &arguments,
        fuel: 1 << 16,
    };
    let settings = Settings::of(SCHEDULES);
    let explored = explore(&subject, &text, &settings);
    let mut schedules: Vec<Schedule> = (0..SCHEDULES).map(Schedule::of_seed).collect();
    schedules.extend((0..u64::from(kernel.blocks)).map(|block| Schedule::LastBlock { block }));
    let executions = subject.ready(|ready| match ready.all(&schedules, WATCHED) {
        (executions, None) => Ok(executions),
        (_, Some(fault)) => Err(fault.to_string()),
    })?;
    // What an instruction needs comes before it, and belongs to its step.
    let step = |line: u32| lines.iter().position(|known| line <= *known);
    let judgements = executions.iter().filter_map(|execution| execution.judgement.as_ref());
    let races = judgements.flat_map(|judgement| &judgement.races).map(|race| {
        let (a, b) = (step(race.first.place.line), step(race.second.place.line));
        (a.min(b), a.max(b))
    });
    Ok(Said {
        verdict: explored.map(|explored| explored.verdict),
        races: races.collect(),
        ends: executions.iter().map(|execution| end(execution, &step)).collect(),
    })
}

fn end(execution: &Execution, step: &dyn Fn(u32) -> Option<usize>) -> End {
    match &execution.outcome {
        Came::Ended { digest, .. } => End::Digest(digest.to_string()),
        Came::Failed(fault) => match fault.kind {
            FaultKind::Uninitialised => {
                End::Uninitialised(fault.place.as_ref().and_then(|place| step(place.line)))
            }
            FaultKind::Deadlock => End::Deadlock,
            _ => End::Other(fault.to_string()),
        },
    }
}

/// An outcome, as an execution that comes to it ends.
fn as_end(kernel: &Kernel, outcome: &Outcome) -> End {
    let bytes = match outcome {
        Outcome::Deadlock => return End::Deadlock,
        Outcome::Uninitialised(step) => return End::Uninitialised(Some(*step)),
        Outcome::Ended(bytes) => bytes,
    };
    let mut parts = Vec::new();
    let (data, fresh) = bytes.split_at(DATA * 4);
    for buffer in [data, fresh] {
        let content: Vec<u8> = buffer.iter().map(|byte| byte.unwrap_or(0)).collect();
        parts.extend(digest_of_bytes(&content).0.to_le_bytes());
        let mut marks = vec![0u8; buffer.len().div_ceil(8)];
        let unwritten = buffer.iter().enumerate().filter(|(_, byte)| byte.is_none());
        unwritten.for_each(|(at, _)| marks[at / 8] |= 1 << (at % 8));
        if marks.iter().any(|mark| *mark != 0) {
            parts.extend(digest_of_bytes(&marks).0.to_le_bytes());
        }
    }
    debug_assert_eq!(fresh.len(), usize::from(kernel.fresh) * 4);
    End::Digest(digest_of_bytes(&parts).to_string())
}

/// Whether every byte of an outcome was written.
fn is_whole(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Ended(bytes) if bytes.iter().all(Option::is_some))
}

/// Holds what is said against everything that can happen.
///
/// # Errors
/// The law that is broken, and by what.
pub fn judge(kernel: &Kernel, truth: &Truth, said: &Said) -> Result<(), String> {
    let possible: BTreeSet<End> = truth.outcomes.iter().map(|outcome| as_end(kernel, outcome)).collect();
    if let Some(impossible) = said.ends.iter().find(|end| !possible.contains(end)) {
        return Err(format!(
            "no interleaving ends as an execution did: {impossible:?} is none of {possible:?}"
        ));
    }
    match said.verdict {
        Ok(Verdict::Independent) => {
            if truth.outcomes.len() != 1 || !truth.outcomes.iter().all(is_whole) {
                return Err(format!("a certificate, and yet: {:?}", truth.outcomes));
            }
            if !truth.races.is_empty() {
                return Err(format!("a certificate, though steps race: {:?}", truth.races));
            }
        }
        Ok(Verdict::Depends) => {
            if possible.len() < 2 || said.ends.len() < 2 {
                return Err(format!("said to depend, and there is but one end: {possible:?}"));
            }
        }
        Ok(Verdict::MayDepend) => {}
        Err(ref fault) => {
            if said.ends.iter().any(|end| matches!(end, End::Digest(_))) {
                return Err(format!("said to fail under every schedule, and one ends: {fault}"));
            }
        }
    }
    let known = |(a, b): &(Option<usize>, Option<usize>)| {
        let pair: Option<Pair> = a.zip(*b);
        // Between two writers of the same, what a third thread did in a race may hide that it was the same.
        let is_hidden = !truth.races.is_empty();
        pair.is_some_and(|pair| {
            truth.races.contains(&pair)
                || truth.observed.contains(&pair)
                || (is_hidden && truth.same.contains(&pair))
        })
    };
    if let Some(false_alarm) = said.races.iter().find(|race| !known(race)) {
        return Err(format!(
            "a race is reported that is none: steps {false_alarm:?}; races: {:?}",
            truth.races
        ));
    }
    if truth.always_races && said.races.is_empty() {
        return Err(format!("every interleaving has a race, and none is reported: {:?}", truth.races));
    }
    Ok(())
}
