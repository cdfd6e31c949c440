//! `samebits check`: whether rows meet what is required.

use crate::cli::CheckFlags;
use crate::command::{End, colour, print, rows, share, width};
use crate::error::Result;
use crate::policy;
use crate::report::advise::model::Demand;
use crate::report::check::{Checked, Scope, counts, render};
use crate::requirement::Requirement;

/// What the probability of a difference must be below if nobody says.
const MAX_P: f64 = 0.01;

/// Checks.
///
/// # Errors
/// A path that holds no rows, a requirement that is none, a policy that cannot be read or is of another version.
pub fn check(flags: &CheckFlags) -> Result<End> {
    let policy = flags.policy.as_deref().map(policy::read).transpose()?;
    let max_p = flags.max_p.as_deref().map(share::probability).transpose()?;
    let demand = match &policy {
        Some(policy) => Demand {
            require: policy.require.clone(),
            max_tax: policy.max_tax,
            max_p: max_p.unwrap_or(policy.max_p),
        },
        None => Demand {
            require: Requirement::parse_list(flags.require.as_deref().unwrap_or_default())?,
            max_tax: None,
            max_p: max_p.unwrap_or(MAX_P),
        },
    };
    let rows = rows::read(&rows::files(&flags.paths)?)?;
    let (counted, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| counts(row, flags.allow_cpu));
    let scope = policy.as_ref().map_or(Scope::Claims, Scope::Policy);
    let checked = Checked::new(&counted, &others, demand, scope);
    print(&render(&checked, flags.all, width(), colour()))?;
    Ok(if checked.is_met() { End::Done } else { End::NotMet })
}
