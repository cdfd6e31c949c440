//! What was not executed, and why.

use std::collections::{BTreeMap, BTreeSet};

use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::group::Group;
use crate::report::model::Section;
use crate::report::words;
use crate::verdict::Verdict;

/// Why a row was skipped, without what is needed, which differs from row to row.
fn reason(row: &Measurement) -> &str {
    let reason = row.note.split(" (about ").next().unwrap_or_default();
    if reason.is_empty() { "no reason is noted" } else { reason }
}

/// The reasons of rows that were skipped, and how many have each, the commonest first.
fn reasons<'a>(rows: impl Iterator<Item = &'a Measurement>) -> Vec<(&'a str, usize)> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.filter(|row| row.verdict == Verdict::Skipped) {
        *reasons.entry(reason(row)).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    reasons
}

/// The commonest reason for which `rows` were skipped, if any was.
pub fn commonest<'a>(rows: impl Iterator<Item = &'a Measurement>) -> Option<String> {
    reasons(rows).first().map(|(reason, _)| (*reason).to_owned())
}

/// Why rows were skipped, the commonest reason first. Rows under a perturbation that an operation was not
/// executed under at all are left to [`not_tried`].
pub fn skipped(groups: &[Group]) -> Vec<(String, usize)> {
    let tried = |group: &Group| -> BTreeSet<Perturbation> {
        let is_executed = |row: &&&Measurement| row.verdict != Verdict::Skipped;
        group.rows.iter().filter(is_executed).map(|row| row.perturbation).collect()
    };
    let rows = groups.iter().flat_map(|group| {
        let tried = tried(group);
        group.rows.iter().copied().filter(move |row| tried.is_empty() || tried.contains(&row.perturbation))
    });
    reasons(rows).into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect()
}

/// The perturbations that the blocks of `sections` have no column of since all was skipped under them, a
/// sentence for all blocks that share it.
pub fn not_tried(sections: &[Section], several_devices: bool) -> Vec<String> {
    let mut told: Vec<(String, BTreeSet<String>)> = Vec::new();
    let mut blocks = 0;
    for section in sections {
        for block in &section.blocks {
            blocks += 1;
            let what = in_words(&block.not_tried);
            if what.is_empty() {
                continue;
            }
            let place = if several_devices { format!(" on {}", section.device) } else { String::new() };
            let problem =
                if section.blocks.len() > 1 { format!(" {}", block.problem) } else { String::new() };
            let place = format!("{}{problem}{place}", block.operation);
            match told.iter_mut().find(|(known, _)| *known == what) {
                Some((_, places)) => drop(places.insert(place)),
                None => told.push((what, BTreeSet::from([place]))),
            }
        }
    }
    let sentence = |(what, places): (String, BTreeSet<String>)| {
        let place = if places.len() == blocks {
            "here".to_owned()
        } else {
            format!("for {}", words::listed(&places.into_iter().collect::<Vec<_>>()))
        };
        format!("Not tried {place}: {what}.")
    };
    told.into_iter().map(sentence).collect()
}

/// "a and b (why), c (why)"; of "a has no meaning here" the reason is "no meaning here".
fn in_words(not_tried: &[(Perturbation, String)]) -> String {
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for (perturbation, reason) in not_tried {
        let name = perturbation.name().to_owned();
        // A row's note stands alone; here the name stands before it.
        let reason = match reason.strip_prefix(name.as_str()) {
            Some(rest) => rest.trim_start().trim_start_matches("has "),
            None => reason,
        };
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(name),
            None => by_reason.push((reason, vec![name])),
        }
    }
    let part = |(reason, names): (&str, Vec<String>)| format!("{} ({reason})", words::listed(&names));
    by_reason.into_iter().map(part).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perturbation_is_named_once() {
        let told = [
            (Perturbation::ReloadModule, "reload:module has no meaning on sim".to_owned()),
            (Perturbation::ReloadContext, "reload:context has no meaning on sim".to_owned()),
            (Perturbation::Batch, "one row".to_owned()),
        ];
        assert_eq!(in_words(&told), "reload:module and reload:context (no meaning on sim), batch (one row)");
    }
}
