//! What analyses of executions found, put together: reasons and races, each once, in the order of the PTX.

use std::collections::BTreeMap;

use crate::explore::schedules::Execution;
use crate::explore::verdict::{Finding, instruction};
use crate::simt::analysis::{Access, Judgement, Race, Side};
use crate::simt::ptx::ast::Space;

fn judgements(executions: &[Execution]) -> impl Iterator<Item = &Judgement> {
    executions.iter().filter_map(|execution| execution.judgement.as_ref())
}

/// Why there is no certificate.
pub fn why(executions: &[Execution], text: &str) -> Vec<Finding> {
    let mut by_line: BTreeMap<u32, Finding> = BTreeMap::new();
    for doubt in judgements(executions).flat_map(|judgement| &judgement.doubts) {
        let finding = || Finding::at(&doubt.place, text, doubt.what.clone());
        by_line.entry(doubt.place.line).or_insert_with(finding);
    }
    by_line.into_values().collect()
}

/// Whether analyses found nothing at all.
pub fn are_clean(executions: &[Execution]) -> bool {
    judgements(executions).all(|judgement| judgement.doubts.is_empty() && judgement.races.is_empty())
}

/// Races.
pub fn races(executions: &[Execution], text: &str) -> Vec<Finding> {
    let mut by_lines: BTreeMap<(u32, u32), Finding> = BTreeMap::new();
    for race in judgements(executions).flat_map(|judgement| &judgement.races) {
        let lines = (race.first.place.line, race.second.place.line);
        let key = (lines.0.min(lines.1), lines.0.max(lines.1));
        by_lines.entry(key).or_insert_with(|| finding(race, text));
    }
    by_lines.into_values().collect()
}

/// Blocks that draw tickets.
pub fn participants(executions: &[Execution]) -> Vec<u32> {
    let mut blocks: Vec<u32> =
        judgements(executions).flat_map(|judgement| judgement.participants.clone()).collect();
    blocks.sort_unstable();
    blocks.dedup();
    blocks
}

fn finding(race: &Race, text: &str) -> Finding {
    let side = |side: &Side| {
        let [bx, by, bz] = side.thread.block;
        let [x, y, z] = side.thread.thread;
        let does = match side.access {
            Access::Read => "reads",
            Access::Write => "writes",
            Access::Atomic => "changes atomically",
            Access::Copy => "copies to",
            Access::Fetch => "copies from",
        };
        (format!("thread {x},{y},{z} of block {bx},{by},{bz}"), does)
    };
    let ((first, first_does), (second, second_does)) = (side(&race.first), side(&race.second));
    let space = if race.space == Space::Shared { "shared" } else { "global" };
    let place = &race.first.place;
    let source = place.source.as_ref().map(|(file, line)| format!(" ({file}:{line})")).unwrap_or_default();
    let what = format!(
        "{second} {second_does} {space} memory at {:#x}, which {first} {first_does} by {} at line {}{source}; nothing orders \
         them",
        race.address,
        instruction(text, place.line),
        place.line
    );
    Finding::at(&race.second.place, text, what)
}
