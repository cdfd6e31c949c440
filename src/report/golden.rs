//! What is said of golden digests: the verdict first, then each row that has not the golden bits.

use std::fmt::Write;

use crate::golden::{FILE, Golden, Judgement, Problem};
use crate::report::words;

/// Rows that are named; of more there is only the number.
const NAMED: usize = 5;

/// The judgement in words; `golden` are the digests that were judged by.
pub fn render(judgement: &Judgement, golden: &[Golden]) -> String {
    let judged = judgement.agreeing + judgement.differing.len();
    let digests = words::plural(judged, "digest is", "digests are");
    let mut text = String::new();
    let mut line = |line: String| {
        // Writing into a String does not fail.
        let _ = writeln!(text, "{line}");
    };
    let by = devices(golden);
    match (judgement.differing.len(), judged) {
        (_, 0) => line("Nothing was executed whose bits are known.".to_owned()),
        (0, _) => line(format!(
            "The same bits as everywhere: {judged} of {judged} {digests} those of {FILE}, which {by}."
        )),
        (wrong, _) => {
            line(format!(
                "NOT THE SAME BITS AS EVERYWHERE: {wrong} of {judged} {digests} not those of {FILE}, which {by}."
            ));
        }
    }
    for differing in judgement.differing.iter().take(NAMED) {
        let problem = match &differing.problem {
            Problem::Inputs => "its inputs are others: this host computes otherwise".to_owned(),
            Problem::Outputs(theirs, ours) => format!("{ours} here against {theirs}"),
            Problem::Vary => "its bits change from one execution to the next".to_owned(),
            Problem::Failed(note) => format!("failed: {note}"),
            Problem::Unknown => format!("{FILE} does not know it"),
        };
        line(format!("  {}: {problem}", differing.name));
        line(format!(
            "    repeat it: samebits run --device {} --golden --filter '^{}$'",
            differing.device, differing.name
        ));
    }
    if let Some(more @ 1..) = judgement.differing.len().checked_sub(NAMED) {
        line(format!("  and {more} more"));
    }
    for skipped in &judgement.skipped {
        line(format!("  not executed: {skipped}"));
    }
    text
}

/// Who made the digests, and who confirmed them.
fn devices(golden: &[Golden]) -> String {
    let mut devices: Vec<String> = Vec::new();
    for device in golden.iter().flat_map(|entry| entry.devices.split(';')) {
        if !devices.iter().any(|known| known == device) {
            devices.push(device.to_owned());
        }
    }
    match devices.split_first() {
        Some((first, [])) => format!("{first} made"),
        Some((first, others)) => format!("{first} made and {} confirmed", words::listed(others)),
        None => "is empty".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::Disagreement;

    fn golden(devices: &str) -> Golden {
        Golden {
            operation: "reduce".to_owned(),
            algorithm: "fixed_tree".to_owned(),
            setting: String::new(),
            workload: "w".to_owned(),
            input_digest: String::new(),
            digest: "aa".to_owned(),
            accumulator_digest: String::new(),
            devices: devices.to_owned(),
        }
    }

    #[test]
    fn the_verdict_comes_first_and_each_disagreement_with_what_repeats_it() {
        let all = [golden("cpu;sim"), golden("cpu;sim;cuda:0")];
        let good = Judgement { agreeing: 2, ..Judgement::default() };
        assert_eq!(
            render(&good, &all),
            "The same bits as everywhere: 2 of 2 digests are those of results/golden.csv, which cpu made and sim \
             and cuda:0 confirmed.\n"
        );
        let differing = |problem| Disagreement {
            device: "cuda:0".to_owned(),
            name: "reduce/fixed_tree w".to_owned(),
            problem,
        };
        let outputs = Problem::Outputs("aa".to_owned(), "bb".to_owned());
        let bad = Judgement {
            agreeing: 1,
            differing: vec![
                differing(outputs),
                differing(Problem::Inputs),
                differing(Problem::Failed("x".into())),
            ],
            skipped: vec!["reduce/fixed_tree z: too large".to_owned()],
        };
        let text = render(&bad, &[golden("cpu")]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "NOT THE SAME BITS AS EVERYWHERE: 3 of 4 digests are not those of results/golden.csv, which cpu made."
        );
        assert_eq!(lines[1], "  reduce/fixed_tree w: bb here against aa");
        assert_eq!(
            lines[2],
            "    repeat it: samebits run --device cuda:0 --golden --filter '^reduce/fixed_tree w$'"
        );
        assert!(lines[3].contains("inputs") && lines[5].ends_with("failed: x"));
        assert_eq!(lines[7], "  not executed: reduce/fixed_tree z: too large");
        let many = Judgement { differing: vec![differing(Problem::Unknown); 7], ..Judgement::default() };
        assert_eq!(render(&many, &[]).lines().count(), 1 + 2 * 5 + 1);
        assert!(render(&many, &[]).ends_with("  and 2 more\n"));
        assert_eq!(render(&Judgement::default(), &[]), "Nothing was executed whose bits are known.\n");
    }
}
