//! Settings of the code: rows of gaps that compare a way with itself, compiled under other options or executed with
//! other instructions.

use std::collections::{BTreeMap, BTreeSet};

use crate::measurement::Measurement;
use crate::report::group::Group;
use crate::report::words::{self, plural};
use crate::verdict::Verdict;

/// The kinds of such gaps, each with how the sentence of its findings begins.
const KINDS: [(&str, &str); 2] =
    [("compile", "Compiled with other options"), ("dispatch", "Executed with other instructions")];

/// The settings that rows tell apart.
const KEYS: [&str; 7] = ["fast-math", "fmad", "ftz", "isa", "jit-level", "prec-div", "prec-sqrt"];

/// Whether a row compares a way with itself under another setting of its code.
pub fn is_of_code(row: &Measurement) -> bool {
    row.gap().is_some_and(|gap| KINDS.iter().any(|(kind, _)| *kind == gap.kind))
}

/// Whether it says no more than that nothing changed: told in a sentence, since there are many.
pub fn is_unchanged(row: &Measurement) -> bool {
    is_of_code(row) && row.verdict == Verdict::Same
}

/// What a row's code was made or chosen with, `key=value;key=value`.
pub fn settings(row: &Measurement) -> String {
    let is_setting = |pair: &&str| KEYS.contains(&pair.split('=').next().unwrap_or_default());
    row.setting.split(';').filter(is_setting).collect::<Vec<_>>().join(";")
}

/// A sentence for each kind that was tried.
pub fn findings(groups: &[Group]) -> impl Iterator<Item = String> {
    KINDS.into_iter().filter_map(|(kind, begin)| Some(format!("{begin}: {}.", finding(groups, kind)?)))
}

/// Which settings changed bits of which ways, and how many outputs kept theirs.
fn finding(groups: &[Group], kind: &str) -> Option<String> {
    let mut changed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut compared, mut kept) = (0, BTreeSet::new());
    for group in groups {
        for row in
            group.gaps.iter().filter(|row| row.gap().is_some_and(|gap| gap.kind == kind) && row.is_observed())
        {
            compared += 1;
            match row.verdict {
                Verdict::Differs => {
                    let name = format!("{}/{}", group.operation, row.algorithm);
                    changed.entry(settings(row)).or_default().insert(name);
                }
                _ => {
                    kept.insert(settings(row));
                }
            }
        }
    }
    if compared == 0 {
        return None;
    }
    let all_keep: Vec<_> = kept.into_iter().filter(|settings| !changed.contains_key(settings)).collect();
    let changes = changed.iter().map(|(settings, names)| {
        let names: Vec<_> = names.iter().cloned().collect();
        format!("{settings} changes the bits of {}", words::listed(&names))
    });
    let keeps = (!all_keep.is_empty()).then(|| {
        let keep = plural(all_keep.len(), "keeps", "keep");
        format!("{} {keep} all bits", words::listed(&all_keep))
    });
    let told: Vec<_> = changes.chain(keeps).collect();
    let outputs = plural(compared, "comparison", "comparisons");
    Some(format!("{} ({compared} {outputs})", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guarantee::Guarantee;
    use crate::perturbation::Perturbation;
    use crate::report::group::groups;
    use crate::report::tests::rows::row;

    #[test]
    fn settings_that_change_bits_are_told_with_the_ways_that_they_change() {
        let of_code = |algorithm: &str, setting: &str, kind: &str, verdict| {
            let mut row = row(algorithm, Guarantee::NotGuaranteed, Perturbation::Repeat);
            row.setting = format!("against={algorithm};{setting};gap={kind}");
            row.verdict = verdict;
            row
        };
        let compiled = |algorithm, setting, verdict| of_code(algorithm, setting, "compile", verdict);
        let rows = [
            compiled("fixed_tree", "ftz=1", Verdict::Same),
            compiled("fixed_tree", "prec-div=0", Verdict::Same),
            compiled("ticket", "ftz=1", Verdict::Differs),
            compiled("ticket", "prec-div=0", Verdict::Same),
            compiled("two_pass", "fmad=0;ftz=1", Verdict::Skipped),
            of_code("ticket", "isa=baseline", "dispatch", Verdict::Same),
        ];
        assert_eq!(
            findings(&groups(&rows)).collect::<Vec<_>>(),
            [
                "Compiled with other options: ftz=1 changes the bits of reduce/ticket; prec-div=0 keeps all bits \
                 (4 comparisons).",
                "Executed with other instructions: isa=baseline keeps all bits (1 comparison)."
            ]
        );
        assert!(is_unchanged(&rows[0]) && !is_unchanged(&rows[2]));
        assert_eq!(settings(&rows[4]), "fmad=0;ftz=1");
        assert_eq!(findings(&groups(&[])).count(), 0);
    }
}
