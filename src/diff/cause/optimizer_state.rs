//! The optimizer's state is missing, reset or moved.
//!
//! It fires on tensors whose name, split at `.` and `/`, has a part that names an optimizer's state
//! (`exp_avg`, `exp_avg_sq`, `max_exp_avg_sq`, `momentum_buffer`, `square_avg`, `acc_delta`, `optimizer`,
//! `optim`, …; captures begin such names with `optimizer/`): missing on one side, all zeros in AFTER and not
//! in BEFORE (reset), or moved, if no other rule explains how.

use crate::checkpoint::View;
use crate::diff::cause::pair::{Pair, all};
use crate::diff::cause::{Cause, Scope};

const PARTS: [&str; 15] = [
    "exp_avg",
    "exp_avg_sq",
    "max_exp_avg_sq",
    "exp_inf",
    "momentum_buffer",
    "square_avg",
    "grad_avg",
    "acc_delta",
    "optimizer",
    "optim",
    "optimizer_state",
    "optimizer_states",
    "opt_state",
    ".OPTIMIZER_SLOT",
    "OPTIMIZER_SLOT",
];

/// What became of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Only BEFORE has it.
    Missing,
    /// Only AFTER has it.
    Extra,
    /// Zero throughout in AFTER, and not in BEFORE.
    Reset,
    /// Other values.
    Moved,
}

/// Whether a name is one of an optimizer's state.
pub fn is_state(name: &str) -> bool {
    name.split(['.', '/']).any(|part| PARTS.contains(&part))
}

/// Looks for a reset.
pub fn look(pair: &Pair) -> Option<Found> {
    let is_zero = |view: View| match crate::diff::cause::pair::is_numeric(view) {
        true => all(view, |value| value == 0.0),
        false => view.bytes.iter().all(|byte| *byte == 0),
    };
    (is_state(pair.before.name) && is_zero(pair.after) && !is_zero(pair.before)).then_some(Found::Reset)
}

/// The cause of the tensors that were found.
pub fn tell(found: &[(&str, Found)], scope: &Scope) -> Cause {
    let kinds = [
        (Found::Missing, "missing in AFTER"),
        (Found::Extra, "missing in BEFORE"),
        (Found::Reset, "reset to zero in AFTER"),
        (Found::Moved, "moved"),
    ];
    let counts = kinds.map(|(kind, what)| (found.iter().filter(|(_, found)| *found == kind).count(), what));
    let present: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).collect();
    let how: Vec<&str> = present.iter().map(|(_, what)| *what).collect();
    let only = if found.len() == scope.different { "only " } else { "" };
    let evidence = present
        .iter()
        .map(|(count, what)| format!("{count} tensors of an optimizer's state are {what}"))
        .map(|line| line.replace("are moved", "moved"))
        .collect();
    Cause {
        kind: "optimizer_state",
        what: format!("{only}optimizer state {}", how.join(" and ")),
        evidence,
        tensors: found.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_states_are_known_by_their_parts() {
        for name in ["optimizer/fc.weight/exp_avg", "0.exp_avg_sq", "state.3.momentum_buffer", "optim.step"] {
            assert!(is_state(name), "{name}");
        }
        for name in ["fc.weight", "optimizers_guide.weight", "my_exp_avg_layer.bias", "moment.weight"] {
            assert!(!is_state(name), "{name}");
        }
    }
}
