//! What executions say of a kernel: a verdict in three levels, and why.

use serde::Serialize;

use crate::explore::schedules::{Execution, Outcome};
use crate::simt::ptx::ast::Place;
use crate::simt::{FaultKind, Schedule};

/// Whether what a kernel gives depends on the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does not: there is a proof for this PTX, launch and input.
    Independent,
    /// Two schedules were seen that give different bits.
    Depends,
    /// No difference was seen, and there is no proof that there is none.
    MayDepend,
}

/// Why, with the place where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The instruction's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// Its line of the PTX.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ptx_line: Option<u32>,
    /// Its file and line of the source, as the PTX's `.loc` tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<(String, u32)>,
    /// What about it.
    pub what: String,
}

impl Finding {
    /// One without a place.
    pub fn general(what: impl Into<String>) -> Self {
        Self { instruction: None, ptx_line: None, source: None, what: what.into() }
    }

    /// One at a place of the PTX whose text is `text`.
    pub fn at(place: &Place, text: &str, what: impl Into<String>) -> Self {
        Self {
            instruction: Some(instruction(text, place.line)),
            ptx_line: Some(place.line),
            source: place.source.as_ref().map(|(file, line)| (file.to_string(), *line)),
            what: what.into(),
        }
    }

    /// The place first, of a file that is called `ptx`.
    pub fn in_words(&self, ptx: &str) -> String {
        let Some(line) = self.ptx_line else { return self.what.clone() };
        let source = self.source.as_ref().map(|(file, line)| format!(" ({file}:{line})")).unwrap_or_default();
        let instruction = self.instruction.as_deref().unwrap_or("the instruction");
        format!("{instruction} at {ptx}:{line}{source}: {}", self.what)
    }
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Explored {
    /// The file.
    pub ptx: String,
    /// The entry.
    pub entry: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Seeded schedules that were executed.
    pub schedules: usize,
    /// The first of their seeds; the others follow.
    pub seed: u64,
    /// In place of seeds: the block that was executed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_block: Option<u64>,
    /// In place of seeds: how many choices of the first one's schedule were made, before all was in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<u64>,
    /// Different results among them.
    pub distinct: usize,
    /// Two schedules with different results, the second with as few choices as were found to suffice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differ: Option<[Seen; 2]>,
    /// The digest of all outputs under the first seed, or the fault.
    pub first: String,
    /// Why the verdict is not better; empty if it is the best.
    pub why: Vec<Finding>,
    /// Accesses that nothing orders.
    pub races: Vec<Finding>,
    /// Blocks that were tried as the last at a ticket.
    pub lasts: usize,
    /// Thread instructions of all executions.
    pub instructions: u64,
    /// How long it took.
    pub seconds: f64,
}

/// What was seen under a schedule.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// The flags that replay it.
    pub replay: String,
    /// The digest of all outputs, or the fault.
    pub result: String,
}

/// What executions have in common and what not.
pub struct Compared {
    /// Different results.
    pub distinct: usize,
    /// Two that differ.
    pub differ: Option<[Seen; 2]>,
    /// What was seen of every execution, not of some only.
    pub why: Vec<Finding>,
}

/// The name of the instruction on a line, behind its guard.
pub fn instruction(text: &str, line: u32) -> String {
    let line = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with(['@', '{']));
    words.next().unwrap_or_default().trim_end_matches(';').to_owned()
}

impl Outcome {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            Self::Ended { digest, .. } => digest.to_string(),
            Self::Failed(fault) => fault.to_string(),
        }
    }
}

impl Execution {
    /// What was seen, with the flags that replay it.
    pub fn seen(&self) -> Seen {
        Seen { replay: replay(self.schedule), result: self.outcome.text() }
    }
}

/// The flags that replay a schedule.
pub fn replay(schedule: Schedule) -> String {
    match schedule {
        Schedule::Random { seed } | Schedule::Priorities { seed } => format!("--seed {seed} --schedules 1"),
        Schedule::LastBlock { block } => format!("--last-block {block}"),
        Schedule::RoundRobin => "--seed 0 --schedules 1".to_owned(),
        Schedule::Begun { seed, choices } => format!("--seed {seed} --choices {choices}"),
    }
}

/// Compares what executions gave.
///
/// # Errors
/// The fault, where every execution meets the same one and it is not that something uninitialised is read: then there
/// is nothing whose bits could depend on anything.
pub fn compare(executions: &[Execution]) -> std::result::Result<Compared, String> {
    let mut distinct: Vec<&Execution> = Vec::new();
    for execution in executions {
        if !distinct.iter().any(|known| known.outcome.is_as(&execution.outcome)) {
            distinct.push(execution);
        }
    }
    let mut why = Vec::new();
    if let [only] = distinct[..] {
        match &only.outcome {
            Outcome::Failed(fault) if fault.kind == FaultKind::Uninitialised => {
                why.push(Finding::general(fault.to_string()));
            }
            Outcome::Failed(fault) => return Err(fault.to_string()),
            Outcome::Ended { unwritten: Some((name, at)), .. } => why.push(Finding::general(format!(
                "byte {at} of {name} is never written; if that is meant, give the buffer values and the role both"
            ))),
            Outcome::Ended { .. } => {}
        }
    }
    let differ = match distinct[..] {
        [first, second, ..] => Some([first.seen(), second.seen()]),
        _ => None,
    };
    Ok(Compared { distinct: distinct.len(), differ, why })
}
