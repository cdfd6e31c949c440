//! Compile settings: rows of gaps that compare a way with itself, compiled under other options.

use std::collections::{BTreeMap, BTreeSet};

use crate::measurement::Measurement;
use crate::report::group::Group;
use crate::report::words::{self, plural};
use crate::verdict::Verdict;

/// The kind of such gaps.
const KIND: &str = "compile";

/// The compiler's options that rows tell apart.
const OPTIONS: [&str; 5] = ["fast-math", "fmad", "ftz", "prec-div", "prec-sqrt"];

/// Whether a row compares a way with itself, compiled otherwise.
pub fn is_compiled(row: &Measurement) -> bool {
    row.gap().is_some_and(|gap| gap.kind == KIND)
}

/// Whether it says no more than that nothing changed: told in a sentence, since there are many.
pub fn is_unchanged(row: &Measurement) -> bool {
    is_compiled(row) && row.verdict == Verdict::Same
}

/// The options under which a row's kernels were compiled, `key=value;key=value`.
pub fn options(row: &Measurement) -> String {
    let is_option = |pair: &&str| OPTIONS.contains(&pair.split('=').next().unwrap_or_default());
    row.setting.split(';').filter(is_option).collect::<Vec<_>>().join(";")
}

/// Which options changed bits of which ways, and how many outputs kept theirs.
pub fn findings(groups: &[Group]) -> Option<String> {
    let mut changed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut compared, mut kept) = (0, BTreeSet::new());
    for group in groups {
        for row in group.gaps.iter().filter(|row| is_compiled(row) && row.is_observed()) {
            compared += 1;
            match row.verdict {
                Verdict::Differs => {
                    let name = format!("{}/{}", group.operation, row.algorithm);
                    changed.entry(options(row)).or_default().insert(name);
                }
                _ => {
                    kept.insert(options(row));
                }
            }
        }
    }
    if compared == 0 {
        return None;
    }
    let all_keep: Vec<_> = kept.into_iter().filter(|options| !changed.contains_key(options)).collect();
    let changes = changed.iter().map(|(options, names)| {
        let names: Vec<_> = names.iter().cloned().collect();
        format!("{options} changes the bits of {}", words::listed(&names))
    });
    let keeps = (!all_keep.is_empty()).then(|| {
        let keep = plural(all_keep.len(), "keeps", "keep");
        format!("{} {keep} all bits", words::listed(&all_keep))
    });
    let told: Vec<_> = changes.chain(keeps).collect();
    let outputs = plural(compared, "comparison", "comparisons");
    Some(format!("Compiled with other options: {} ({compared} {outputs}).", told.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guarantee::Guarantee;
    use crate::perturbation::Perturbation;
    use crate::report::group::groups;
    use crate::report::tests::rows::row;

    #[test]
    fn options_that_change_bits_are_told_with_the_ways_that_they_change() {
        let compiled = |algorithm: &str, setting: &str, verdict| {
            let mut row = row(algorithm, Guarantee::NotGuaranteed, Perturbation::Repeat);
            row.setting = format!("against={algorithm};{setting};gap=compile");
            row.verdict = verdict;
            row
        };
        let rows = [
            compiled("fixed_tree", "ftz=1", Verdict::Same),
            compiled("fixed_tree", "prec-div=0", Verdict::Same),
            compiled("ticket", "ftz=1", Verdict::Differs),
            compiled("ticket", "prec-div=0", Verdict::Same),
            compiled("two_pass", "fmad=0;ftz=1", Verdict::Skipped),
        ];
        assert_eq!(
            findings(&groups(&rows)).unwrap(),
            "Compiled with other options: ftz=1 changes the bits of reduce/ticket; prec-div=0 keeps all bits \
             (4 comparisons)."
        );
        assert!(is_unchanged(&rows[0]) && !is_unchanged(&rows[2]));
        assert_eq!(options(&rows[4]), "fmad=0;ftz=1");
        assert_eq!(findings(&groups(&[])), None);
    }
}
