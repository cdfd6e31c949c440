//! Compile settings: an algorithm's kernels compiled again under options that change arithmetic, against the same
//! algorithm as it ships. No claim covers such options, so each is a gap: which changes bits, and how far.
//! `contractible` with contraction, compiled without, is the control: its bits must change.

use crate::condition::Condition;
use crate::device::nvrtc::CompileSetting;
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

/// The settings to try of a way: all but those that it has already.
pub fn settings(way: &Way) -> Vec<CompileSetting> {
    let mut settings = CompileSetting::all();
    settings.retain(|setting| way.is_own() && setting.to_string() != way.algorithm.setting);
    settings
}

/// Whether compile settings are tried: beside compiling again, where there is something to compile with.
pub fn are_tried(device: &dyn Device, perturbations: &[Perturbation]) -> bool {
    let again = Perturbation::ReloadRecompile;
    perturbations.contains(&again)
        && device.perturbations().contains(&again)
        && device.reason_to_skip(again).is_none()
}

/// A setting's row with its key and nothing observed.
pub fn blank(device: &str, workload: &Workload, way: &Way, setting: &CompileSetting) -> Measurement {
    // What the way was made with tells it from others of its name.
    let own = if way.setting.is_empty() { String::new() } else { format!("[{}]", way.setting) };
    let told = format!("against={}{own};{setting};gap=compile", way.name);
    Measurement {
        setting: workload.setting.and(&told),
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        ..row::blank(device, workload, way, Perturbation::Repeat, "")
    }
}

/// Compiles and executes under `setting`, and fills `row` with how the output that differs most stands to the
/// usual one. What the compiler or the device refuses becomes its reason.
pub fn measure(
    staged: &dyn Staged,
    setting: CompileSetting,
    participant: &mut Participant,
    row: &mut Measurement,
) {
    let usual = match gap::first_outputs(participant) {
        Ok(usual) => usual,
        Err(reason) => return row.remark(&reason),
    };
    let compiled: Result<_> = staged
        .prepare_under(participant.way.algorithm, Condition::Compiled(setting))
        .and_then(|mut prepared| Ok(observe::execute(&mut *prepared, 0)?.to_vec()));
    match compiled {
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
