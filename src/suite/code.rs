//! Settings of the code: an algorithm compiled under other options, optimised otherwise, or executed with other
//! instructions, against the same algorithm as it ships. Claims do not cover options that change arithmetic, so each
//! setting is a gap: which changes bits, and how far. `contractible` with contraction, compiled without, is the
//! control: its bits must change.

use crate::condition::{CodeSetting, Condition};
use crate::device::{Device, Staged};
use crate::divergence::divergence;
use crate::error::Result;
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::suite::Participant;
use crate::suite::gap;
use crate::suite::observe;
use crate::suite::row;
use crate::suite::way::Way;
use crate::workload::Workload;

/// The settings to try of a way beside `perturbations`: all but those that it has already. Of what changes its bits
/// by itself none, unless its schedule can be replayed: one execution would show the schedule, not the setting.
pub fn settings(
    device: &dyn Device,
    perturbations: &[Perturbation],
    workload: &Workload,
    way: &Way,
) -> Vec<CodeSetting> {
    let keeps = way.claims(Perturbation::Repeat, "") || device.simulation().is_some();
    let Some(algorithm) = way.own_algorithm().filter(|_| keeps) else { return Vec::new() };
    let beside = |perturbation: &Perturbation| device.code_settings(*perturbation, workload, algorithm);
    let mut settings: Vec<_> = perturbations.iter().flat_map(beside).collect();
    settings.retain(|setting| setting.to_string() != algorithm.setting);
    settings
}

/// A setting's row with its key and nothing observed.
pub fn blank(device: &str, workload: &Workload, way: &Way, setting: &CodeSetting) -> Measurement {
    // What the way was made with tells it from others of its name.
    let own = if way.setting.is_empty() { String::new() } else { format!("[{}]", way.setting) };
    let told = format!("against={}{own};{setting};gap={}", way.name, setting.kind());
    Measurement {
        setting: workload.setting.and(&told),
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        ..row::blank(device, workload, way, Perturbation::Repeat, "")
    }
}

/// Executes under `setting`, and fills `row` with how the output that differs most stands to the
/// usual one. What the compiler or the device refuses becomes its reason.
pub fn measure(
    staged: &dyn Staged,
    setting: CodeSetting,
    participant: &mut Participant,
    row: &mut Measurement,
) {
    let usual = match gap::first_outputs(participant) {
        Ok(usual) => usual,
        Err(reason) => return row.remark(&reason),
    };
    let Some(algorithm) = participant.way.own_algorithm() else {
        return row.remark("settings of the code are tried of our own algorithms");
    };
    let executed: Result<_> = staged
        .prepare_under(algorithm, Condition::Code(setting))
        .and_then(|mut prepared| Ok(observe::execute(&mut *prepared, 0)?.to_vec()));
    match executed {
        Ok(outputs) => {
            let found = usual.iter().zip(&outputs).map(|(usual, ours)| divergence(usual, ours));
            // The first of equals: outputs stand in the order of their importance.
            let worst = found.collect::<Vec<_>>().into_iter().rev().max_by_key(|found| found.severity());
            if let Some(worst) = worst {
                gap::fill_from(row, &worst);
            }
        }
        Err(error) => row.remark(&error.to_string()),
    }
}
