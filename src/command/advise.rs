//! `samebits advise`: what to deploy, from rows.

use std::path::Path;

use crate::cli::AdviseFlags;
use crate::command::{End, colour, print, rows, share, width};
use crate::error::{Error, Result};
use crate::policy::{self, On, Policy, SCHEMA, Use};
use crate::report::advise::model::{Advice, Candidate, Choice, Decision, Demand};
use crate::report::advise::terminal::{Options, render};
use crate::requirement::Requirement;

/// Advises.
///
/// # Errors
/// A path that holds no rows, a requirement or share that is none, a policy that cannot be written.
pub fn advise(flags: &AdviseFlags) -> Result<End> {
    let demand = Demand {
        require: Requirement::parse_list(&flags.require)?,
        max_tax: flags.max_tax.as_deref().map(share::tax).transpose()?,
        max_p: share::probability(&flags.max_p)?,
    };
    let files = rows::files(&flags.paths)?;
    if let Some(path) = &flags.write {
        refuse_what_is_no_policy(path)?;
    }
    let rows = rows::read(&files)?;
    let advice = Advice::new(&rows, demand);
    print(&render(&advice, Options { all: flags.all, width: width(), colour: colour() }))?;
    if let Some(path) = &flags.write {
        let text = policy::text(&policy(&advice))?;
        std::fs::write(path, text).map_err(Error::file(path, "cannot write the policy"))?;
    }
    Ok(if advice.is_decided() && !advice.choices.is_empty() { End::Done } else { End::NotMet })
}

/// Refuses to write over a file that holds something else.
fn refuse_what_is_no_policy(path: &Path) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() > 0) && !policy::is_one(path) {
        return Err(Error::input(format!(
            "--write {}: it is there and is no policy; give another file",
            path.display()
        )));
    }
    Ok(())
}

fn policy(advice: &Advice) -> Policy {
    let mut policy = Policy {
        schema: SCHEMA,
        samebits: env!("CARGO_PKG_VERSION").to_owned(),
        require: advice.demand.require.clone(),
        max_p: advice.demand.max_p,
        max_tax: advice.demand.max_tax,
        uses: Vec::new(),
        undecided: Vec::new(),
    };
    for choice in &advice.choices {
        match choice.decision() {
            Decision::Use(best) => policy.uses.push(used(choice, best)),
            Decision::Undecided | Decision::None => policy.undecided.push(on(choice)),
        }
    }
    policy
}

fn used(choice: &Choice, best: &Candidate) -> Use {
    let support = best.support();
    Use {
        algorithm: best.way.algorithm.to_owned(),
        algorithm_setting: best.way.setting.to_owned(),
        comparisons: support.comparisons,
        p_upper_95: support.p,
        cost: best.mean_cost(),
        rows: best.rows.iter().map(|row| format!("{}/{}", row.run_id, row.row_id)).collect(),
        on: on(choice),
    }
}

fn on(choice: &Choice) -> On {
    On {
        operation: choice.operation.to_owned(),
        function: choice.function.to_owned(),
        workload: choice.on.workload.to_owned(),
        shape: choice.on.shape.to_owned(),
        dtype: choice.on.dtype,
        input: choice.on.input,
        setting: choice.on.setting.to_owned(),
    }
}
