//! What is no matter of values: tensors that one side lacks (a partial save, or other names), and such whose
//! shape or type changed while every value stayed.

use crate::diff::cause::{Cause, Scope};

/// What became of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Only BEFORE has it.
    Missing,
    /// Only AFTER has it.
    Extra,
    /// Another type or shape, the same values.
    SameValues,
}

/// The causes of the tensors that were found.
pub fn tell(found: &[(&str, Found)], scope: &Scope) -> Vec<Cause> {
    let kinds = [
        (Found::Missing, "missing_tensors", "tensors missing in AFTER"),
        (Found::Extra, "extra_tensors", "tensors missing in BEFORE"),
        (Found::SameValues, "same_values", "other types or shapes, with the same values"),
    ];
    let mut causes = Vec::new();
    for (wanted, kind, what) in kinds {
        let names: Vec<&str> =
            found.iter().filter(|(_, found)| *found == wanted).map(|(name, _)| *name).collect();
        if names.is_empty() {
            continue;
        }
        let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 3 { format!(" and {} more", names.len() - 3) } else { String::new() };
        causes.push(Cause {
            kind,
            what: format!("{what}: {}", scope.of(names.len())),
            evidence: vec![format!("{what}: {shown}{more}")],
            tensors: names.len(),
        });
    }
    causes
}
