//! The rows of what was not executed. A run that goes on looks for the rows that a whole run has, so whatever is
//! skipped has all of its own: those of gaps and of settings of the code too.

use crate::error::Result;
use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::suite::ladder::Trial;
use crate::suite::observe::Outcome;
use crate::suite::way::Way;
use crate::suite::{Finished, Job, Listener, Suite, code, gap, gaps_of};

impl Suite<'_> {
    /// What `outcome`, which is of no execution, is under `perturbation`: what is skipped has one row, whatever
    /// its values.
    pub(super) fn unexecuted(&self, perturbation: Perturbation, outcome: &Outcome) -> Vec<Trial> {
        match (perturbation, outcome) {
            // A failure of the usual strength, which has no variant, says nothing of the others.
            (Perturbation::Load, Outcome::Failed(_)) => {
                let trial = |variant| Trial { perturbation, variant, outcome: outcome.clone() };
                self.options.strengths.iter().map(|strength| trial(strength.variant())).collect()
            }
            _ => vec![Trial::of(perturbation, outcome.clone())],
        }
    }

    /// Writes the rows of the ways of `job` that are too large, and of all others if `others` is what became of
    /// them.
    pub(super) fn write_unexecuted(
        &self,
        job: &Job,
        others: Option<&Outcome>,
        listener: &mut dyn Listener,
    ) -> Result<()> {
        let workload = job.workload;
        let too_large = job.too_large.iter().map(|(way, reason)| (way, Outcome::Skipped(reason.clone())));
        let others = job.ways.iter().filter_map(|way| Some((way, others?.clone())));
        let unexecuted: Vec<_> = too_large.chain(others).collect();
        for (way, outcome) in &unexecuted {
            let perturbations = self.options.perturbations.iter();
            for trial in perturbations.flat_map(|&perturbation| self.unexecuted(perturbation, outcome)) {
                let row = self.begin_row(workload, way, trial.perturbation, &trial.variant);
                self.write(workload, row, &trial.outcome, None, listener)?;
            }
        }
        for row in self.gaps_unexecuted(job, &unexecuted) {
            listener.finished(Finished { row, samples: None, ulp_histogram: Vec::new() })?;
        }
        Ok(())
    }

    /// The rows of gaps and settings of the code that need one of the ways that were not executed: skipped, with the
    /// reason.
    fn gaps_unexecuted(&self, job: &Job, unexecuted: &[(&Way, Outcome)]) -> Vec<Measurement> {
        let (device, workload) = (self.device.name(), job.workload);
        let skipped = |blank: Measurement, outcome: &Outcome| {
            let mut row = self.signed(blank);
            if let Outcome::Skipped(reason) | Outcome::Failed(reason) = outcome {
                row.remark(reason);
            }
            row
        };
        let of = |name: &str| unexecuted.iter().find(|(way, _)| way.is_own() && way.name == name);
        let mut rows = Vec::new();
        for (algorithm, gap) in gaps_of(workload, self.options) {
            if let Some((_, outcome)) = of(gap.algorithm).or_else(|| of(gap.against?)) {
                rows.push(skipped(gap::blank(&device, workload, algorithm, gap), outcome));
            }
        }
        for (way, outcome) in unexecuted {
            for setting in code::settings(self.device, &self.options.perturbations, workload, way) {
                rows.push(skipped(code::blank(&device, workload, way, &setting), outcome));
            }
        }
        rows
    }
}
