//! What no other rule explains. Values are *truly different* if a tensor of numbers has at least [`FEWEST`]
//! elements and none of the other rules fired: training went on, or another computation made them. Of fewer
//! elements, of NaN and infinities, and of what cannot be compared, nobody can tell.

use crate::checkpoint::element::Kind;
use crate::checkpoint::element::kind;
use crate::diff::cause::pair::Pair;
use crate::diff::cause::reinitialised::correlation;
use crate::diff::cause::{Cause, Scope, count};

/// Elements below which a difference may be anything.
const FEWEST: u64 = 16;

/// What was found of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Other values, with their correlation where there is one.
    Values(Option<f64>),
    /// Nothing, and why.
    Unknown(&'static str),
}

/// Looks at one tensor that both sides have and that can be compared.
pub fn look(pair: &Pair) -> Found {
    let distance = pair.distance;
    if kind(pair.before.element) == Kind::Opaque {
        return Found::Unknown("its type is not computed with");
    }
    if distance.nan_before + distance.nan_after + distance.infinite_before + distance.infinite_after > 0 {
        return Found::Unknown("NaN or infinities are in it");
    }
    if distance.elements < FEWEST {
        return Found::Unknown("it has few elements");
    }
    let found = pair.is_numeric().then(|| pair.sample()).and_then(|(x, y)| correlation(x, y));
    Found::Values(found.map(|(_, _, correlation)| correlation))
}

/// The causes of the tensors that were found.
pub fn tell(found: &[(&str, &Found)], scope: &Scope) -> Vec<Cause> {
    let values: Vec<(&str, Option<f64>)> = found
        .iter()
        .filter_map(
            |(name, found)| if let Found::Values(value) = found { Some((*name, *value)) } else { None },
        )
        .collect();
    let unknown: Vec<(&str, &str)> = found
        .iter()
        .filter_map(|(name, found)| if let Found::Unknown(why) = found { Some((*name, *why)) } else { None })
        .collect();
    let mut causes = Vec::new();
    if !values.is_empty() {
        let known: Vec<(&str, f64)> =
            values.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
        let least = known.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let mut evidence = vec![format!(
            "{} differ by more than rounding, and by no one scale, order or precision",
            scope.of(values.len())
        )];
        if let Some((name, least)) = least {
            evidence.push(format!("correlation with BEFORE: {least:.4} at the least, of {name}"));
        }
        causes.push(Cause {
            kind: "different_values",
            what: format!("truly different values: {}", scope.of(values.len())),
            evidence,
            tensors: values.len(),
        });
    }
    if !unknown.is_empty() {
        let shown = unknown.iter().take(3).map(|(name, why)| format!("cannot tell of {name}: {why}"));
        let mut evidence: Vec<String> = shown.collect();
        if unknown.len() > 3 {
            evidence.push(format!("nor of {} more", count(unknown.len() - 3, "tensor")));
        }
        causes.push(Cause {
            kind: "cannot_tell",
            what: if unknown.len() == scope.different {
                "cannot tell".to_owned()
            } else {
                format!("cannot tell of {}", scope.of(unknown.len()))
            },
            evidence,
            tensors: unknown.len(),
        });
    }
    causes
}
