//! `samebits explore` as text: the verdict first, then why, then races.

use crate::explore::verdict::{Explored, Finding, Verdict};
use crate::report::wrap;

/// Findings that are shown; the JSON has them all.
const MOST_SHOWN: usize = 8;

/// For people; no line is wider than `width` where its words allow it.
pub fn terminal(explored: &Explored, width: usize) -> String {
    let mut lines = wrap::words(&verdict(explored), width, "  ");
    lines.extend(findings(explored, &explored.why, width));
    if !explored.races.is_empty() {
        lines.push(format!("{}:", of(explored.races.len(), "DATA RACE")));
        lines.extend(findings(explored, &explored.races, width));
    }
    lines.extend(wrap::words(&last(explored), width, "  "));
    lines.join("\n") + "\n"
}

fn verdict(explored: &Explored) -> String {
    let schedules = of(explored.schedules, "schedule");
    match (explored.verdict, &explored.differ) {
        (Verdict::Independent, _) => {
            let lasts = match explored.lasts {
                0 => String::new(),
                n => format!("; each of {n} blocks tried as the last at its ticket"),
            };
            format!(
                "INDEPENDENT of the schedule: proved for this PTX, launch and input; {schedules}, one result{lasts}"
            )
        }
        (_, Some([first, second])) => format!(
            "DEPENDS on the schedule: {} distinct results in {schedules} (replay two: {}, and {})",
            explored.distinct, first.replay, second.replay
        ),
        _ => format!(
            "MAY DEPEND on the schedule: one result in {schedules}, but no proof that there is no other"
        ),
    }
}

fn findings(explored: &Explored, all: &[Finding], width: usize) -> Vec<String> {
    let line =
        |finding: &Finding| wrap::words(&finding.in_words(&explored.ptx), width.saturating_sub(2), "  ");
    let mut lines: Vec<String> =
        all.iter().take(MOST_SHOWN).flat_map(line).map(|line| format!("  {line}")).collect();
    if all.len() > MOST_SHOWN {
        lines.push(format!("  and {} more, in --json", all.len() - MOST_SHOWN));
    }
    lines
}

fn last(explored: &Explored) -> String {
    let seeds = match (explored.last_block, explored.choices, explored.schedules) {
        (Some(block), ..) => format!("block {block} as the last gives {}", explored.first),
        (None, Some(choices), _) => {
            format!(
                "{} of seed {}, then in turn, gives {}",
                of(choices as usize, "choice"),
                explored.seed,
                explored.first
            )
        }
        (None, None, 1) => format!("seed {} gives {}", explored.seed, explored.first),
        (None, None, n) => {
            format!("seeds {} to {}", explored.seed, explored.seed.saturating_add(n as u64 - 1))
        }
    };
    let races = if explored.races.is_empty() { "No data race. " } else { "" };
    format!(
        "{races}{:.1} million instructions, {:.1} s; {seeds}.",
        explored.instructions as f64 / 1e6,
        explored.seconds
    )
}

fn of(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// For programs.
///
/// # Errors
/// Never: it is written into memory.
pub fn json(explored: &Explored) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(explored)? + "\n")
}
