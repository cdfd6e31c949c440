//! Gaps: one output of an algorithm's first execution against that of another way, or against the
//! reference. They explain differences that are no matter of repetition, so they claim nothing.

use crate::divergence::{Divergence, divergence};
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::operation::{Algorithm, Gap, Target};
use crate::perturbation::Perturbation;
use crate::suite::case::Case;
use crate::suite::ladder::Trial;
use crate::suite::observe;
use crate::suite::way::Way;
use crate::suite::{Participant, row};
use crate::tensor::Tensor;
use crate::verdict::Verdict;
use crate::workload::Workload;

/// A gap's row with its key and nothing observed.
pub fn blank(device: &str, workload: &Workload, algorithm: &'static Algorithm, gap: &Gap) -> Measurement {
    Measurement {
        setting: workload.setting.and(&gap.setting()),
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        ..row::blank(device, workload, &Way::own(algorithm), Perturbation::Repeat, "")
    }
}

/// Compares what `gap` names and fills `row`. `None`: a way that it needs is not measured in this run.
pub fn measure(
    gap: &Gap,
    case: &Case,
    target: &Target,
    participants: &mut [Participant],
    mut row: Measurement,
) -> Option<Measurement> {
    let mut of = |name: &str| {
        let participant = participants
            .iter_mut()
            .find(|participant| participant.way.is_own() && participant.way.name == name)?;
        Some((participant.way.form(&case.problem.workload), first_output(participant, gap.output)))
    };
    let (form, ours) = of(gap.algorithm)?;
    let yardstick = match gap.against {
        Some(name) => of(name)?.1,
        None => case
            .checker(form, target)
            .rounded(gap.output)
            .ok_or_else(|| format!("there is no reference of {}", gap.output)),
    };
    match ours.and_then(|ours| Ok((ours, yardstick?))) {
        Ok((ours, yardstick)) => fill(&mut row, &yardstick, &ours),
        Err(reason) => row.remark(&reason),
    }
    Some(row)
}

/// The output called `name` of an undisturbed execution; or why there is none.
fn first_output(participant: &mut Participant, name: &str) -> std::result::Result<Tensor, String> {
    let algorithm = participant.way.name;
    let outputs = first_outputs(participant)?;
    let output = outputs.into_iter().find(|output| output.name == name);
    output.ok_or_else(|| format!("{algorithm} has no output {name}"))
}

/// The outputs of an undisturbed execution; or why there are none.
pub fn first_outputs(participant: &mut Participant) -> std::result::Result<Vec<Tensor>, String> {
    let algorithm = participant.way.name;
    let Some(prepared) = participant.prepared.as_mut().filter(|_| holds(&participant.trials)) else {
        return Err(format!("{algorithm} was skipped or failed"));
    };
    let executed = observe::execute(&mut **prepared, 0).map(<[Tensor]>::to_vec);
    executed.map_err(|error| format!("{algorithm}: {error}"))
}

/// Whether it was executed, and was never wrong. What has no meaning on the device says nothing.
fn holds(trials: &[Trial]) -> bool {
    let any = |verdict| trials.iter().any(|trial| trial.outcome.verdict() == verdict);
    !any(Verdict::Failed) && (any(Verdict::Same) || any(Verdict::Differs))
}

fn fill(row: &mut Measurement, yardstick: &Tensor, ours: &Tensor) {
    fill_from(row, &divergence(yardstick, ours));
}

/// Fills a gap's row from what two outputs showed.
pub fn fill_from(row: &mut Measurement, found: &Divergence) {
    let differs = found.differing > 0;
    row.verdict = if differs { Verdict::Differs } else { Verdict::Same };
    row.comparisons = Some(1);
    row.differing = Some(u64::from(differs));
    row.distinct = Some(1 + u64::from(differs));
    row::fill_divergence(row, found);
}
