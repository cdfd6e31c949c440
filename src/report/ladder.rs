//! What the perturbations are called where room is short, and what each of them changes.

use crate::guarantee::Guarantee;
use crate::perturbation::Perturbation;
use crate::report::words;

/// What stands behind a claim that a row has the same bits in every batch: no guarantee implies it.
pub const BATCH_CLAIM: &str = "+batch";

/// Whether a perturbation stands in the second band of a block that is too wide for one: all that goes
/// beyond repeating what was launched.
pub fn is_further(perturbation: Perturbation) -> bool {
    perturbation >= Perturbation::Launch
}

/// A perturbation's heading: a table has a column for each, so these are short.
pub fn heading(perturbation: Perturbation) -> &'static str {
    match perturbation {
        Perturbation::ReloadModule => "module",
        Perturbation::ReloadAllocation => "alloc",
        Perturbation::ReloadContext => "context",
        Perturbation::ReloadRecompile => "compile",
        Perturbation::ReloadProcess => "process",
        Perturbation::ReloadCheckpoint => "checkpt",
        unabridged => unabridged.name(),
    }
}

/// The legend's entry for a column: its heading, the name that flags know, what changes.
pub fn explain(perturbation: Perturbation) -> String {
    let (heading, name) = (heading(perturbation), perturbation.name());
    let name = if heading == name { String::new() } else { format!(" ({name})") };
    format!("{heading}{name}: {}", change(perturbation))
}

fn change(perturbation: Perturbation) -> &'static str {
    match perturbation {
        Perturbation::Repeat => "nothing changes between executions",
        Perturbation::Load => "other work competes for the device",
        Perturbation::Schedule => "warps, blocks and lanes run in another drawn order",
        Perturbation::Launch => "launched with other grids, blocks or threads",
        Perturbation::Batch => "other rows stand beside a row, more or fewer",
        Perturbation::ReloadModule => "kernels are unloaded and loaded",
        Perturbation::ReloadAllocation => "buffers lie at other addresses",
        Perturbation::ReloadContext => "the device's context is made anew",
        Perturbation::ReloadRecompile => "kernels are compiled again",
        Perturbation::ReloadProcess => "a new process makes its inputs itself",
        Perturbation::ReloadCheckpoint => "a new process reads its inputs from a file",
    }
}

/// A claim in words, with those of `shown` that it does not cover, if any.
pub fn explain_claim(claim: Guarantee, shown: &[Perturbation]) -> String {
    let what = match claim {
        Guarantee::NotGuaranteed => return "– nothing".to_owned(),
        Guarantee::RunToRun => "the same bits in every run on one device",
        Guarantee::GpuToGpu => "the same bits on every device",
    };
    let outside = shown.iter().filter(|perturbation| !claim.covers(**perturbation, ""));
    let name = |perturbation: &Perturbation| match perturbation {
        Perturbation::ReloadRecompile => format!("{} by another compiler", heading(*perturbation)),
        _ => heading(*perturbation).to_owned(),
    };
    let outside: Vec<String> = outside.map(name).collect();
    let outside =
        if outside.is_empty() { String::new() } else { format!(" (not {})", words::either(&outside)) };
    format!("{} {what}{outside}", claim.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_short_and_tell_columns_apart() {
        let headings = Perturbation::ALL.map(heading);
        assert!(headings.iter().all(|heading| heading.len() <= 8), "{headings:?}");
        let different: std::collections::BTreeSet<_> = headings.iter().collect();
        assert_eq!(different.len(), headings.len());
    }

    #[test]
    fn a_claim_names_what_it_leaves_out_of_what_is_shown() {
        let [run, device] = [Guarantee::RunToRun, Guarantee::GpuToGpu];
        assert_eq!(
            explain_claim(run, &Perturbation::ALL),
            "run_to_run the same bits in every run on one device (not launch, batch or compile by another compiler)"
        );
        assert_eq!(
            explain_claim(device, &Perturbation::OF_HARDWARE),
            "gpu_to_gpu the same bits on every device"
        );
        assert_eq!(
            explain_claim(device, &[Perturbation::Batch]),
            "gpu_to_gpu the same bits on every device (not batch)"
        );
        assert_eq!(
            explain(Perturbation::ReloadAllocation),
            "alloc (reload:allocation): buffers lie at other addresses"
        );
    }
}
