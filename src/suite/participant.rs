//! Ways that take part in a job: made ready once, then executed under one perturbation after the other.

use crate::device::{Prepared, Staged, Strength};
use crate::error::Result;
use crate::perturbation::Perturbation;
use crate::suite::case::Case;
use crate::suite::ladder::{Climber, Trial};
use crate::suite::observe::{Observer, Outcome, Yardstick};
use crate::suite::processes::{self, Rung};
use crate::suite::row::Timed;
use crate::suite::way::Way;
use crate::suite::{Listener, Suite};
use crate::verdict::Verdict;

/// A way of a job, from being prepared to its rows.
pub(super) struct Participant<'a> {
    pub(super) way: Way<'a>,
    /// `None` where the way was skipped or refused.
    pub(super) prepared: Option<Box<dyn Prepared + 'a>>,
    /// The undisturbed execution, where a perturbation needs one of its own; or why there is none.
    pub(super) yardstick: Option<std::result::Result<Yardstick, Box<Outcome>>>,
    pub(super) trials: Vec<Trial>,
    pub(super) timed: Option<Timed>,
}

impl<'a> Suite<'a> {
    /// Prepares a way and executes it under every one of `perturbations` that is not `known` already.
    pub(super) fn participate<'s>(
        &self,
        case: &Case,
        staged: &'s dyn Staged,
        way: &Way<'a>,
        perturbations: &[Perturbation],
        known: Vec<Trial>,
        listener: &mut dyn Listener,
    ) -> Result<Participant<'s>>
    where
        'a: 's,
    {
        let without = |outcome: Outcome| {
            let trials = perturbations.iter().flat_map(|&p| self.unexecuted(p, &outcome)).collect();
            Ok(Participant { way: way.clone(), prepared: None, yardstick: None, trials, timed: None })
        };
        if let Some(reason) = case.reason_to_skip(self.device, way, self.options.profile) {
            return without(Outcome::Skipped(reason));
        }
        let mut prepared = match way.prepare(&case.problem, staged) {
            Ok(prepared) => prepared,
            Err(error) => return without(Outcome::of(&error)),
        };
        let stop = || listener.check_stop();
        let observer = self.observer(case, way, &stop);
        let (mut trials, mut yardstick) = (known, None);
        let done: Vec<_> = trials.iter().map(|trial| trial.perturbation).collect();
        for &perturbation in perturbations.iter().filter(|perturbation| !done.contains(perturbation)) {
            if let Some(reason) = self.reason_to_skip(way, perturbation) {
                trials.push(Trial::of(perturbation, Outcome::Skipped(reason)));
                continue;
            }
            if perturbation == Perturbation::Load {
                for &strength in &self.options.strengths {
                    let outcome = observer.observe(&mut *prepared, perturbation, strength)?;
                    trials.push(Trial { perturbation, variant: strength.variant(), outcome });
                }
                continue;
            }
            if matches!(perturbation, Perturbation::Repeat | Perturbation::Schedule) {
                let outcome = observer.observe(&mut *prepared, perturbation, Strength::USUAL)?;
                trials.push(Trial::of(perturbation, outcome));
                continue;
            }
            let first = || observer.yardstick(&mut *prepared).map_err(|error| Box::new(Outcome::of(&error)));
            match yardstick.get_or_insert_with(first) {
                // All ways of our own share a process.
                _ if perturbation.starts_processes() && way.is_own() => {}
                Ok(yardstick) => {
                    let climber = Climber { case, staged, observer: &observer, yardstick };
                    if perturbation.starts_processes() {
                        trials.push(climber.climb_anew(perturbation, self.options.process_count)?);
                    } else {
                        trials.extend(climber.climb(perturbation)?);
                    }
                }
                Err(outcome) => trials.push(Trial::of(perturbation, (**outcome).clone())),
            }
        }
        Ok(Participant { way: way.clone(), prepared: Some(prepared), yardstick, trials, timed: None })
    }

    fn observer<'o>(
        &'o self,
        case: &'o Case,
        way: &'o Way<'o>,
        stop: &'o dyn Fn() -> Result<()>,
    ) -> Observer<'o> {
        Observer {
            way,
            device: self.device,
            checker: case.checker(way.form(&case.problem.workload), &self.device.target()),
            specs: way.outputs(&case.problem.workload),
            executions: self.options.executions,
            max_p: self.options.max_p,
            row_time: self.options.row_time,
            stop,
        }
    }

    /// Why a way is not executed under `perturbation`, if so.
    fn reason_to_skip(&self, way: &Way, perturbation: Perturbation) -> Option<String> {
        if !self.device.perturbations().contains(&perturbation) {
            return Some(format!("{perturbation} has no meaning on {}", self.device.name()));
        }
        if !way.is_own() {
            let tried = [
                Perturbation::Repeat,
                Perturbation::Load,
                Perturbation::Schedule,
                Perturbation::Batch,
                Perturbation::ReloadProcess,
            ];
            let is_tried = tried.contains(&perturbation);
            return (!is_tried).then(|| format!("{perturbation} is not tried of {}", way.engine));
        }
        if let Some(reason) = self.device.reason_to_skip(perturbation) {
            return Some(reason);
        }
        let lacks = perturbation.starts_processes() && self.options.processes.is_none();
        lacks.then(|| "this program cannot start itself here".to_owned())
    }

    /// Executes the ways that were executed here in new processes too, where that is asked for: all of them in
    /// each.
    pub(super) fn start_processes(
        &self,
        case: &Case,
        participants: &mut [Participant],
        listener: &dyn Listener,
    ) -> Result<()> {
        let Some(starter) = &self.options.processes else { return Ok(()) };
        let stop = || listener.check_stop();
        for &perturbation in self.options.perturbations.iter().filter(|p| p.starts_processes()) {
            let mut taking_part: Vec<_> =
                participants.iter_mut().filter(|participant| participant.yardstick.is_some()).collect();
            taking_part.retain_mut(|participant| match &participant.yardstick {
                _ if !participant.way.is_own() => false,
                _ if self.reason_to_skip(&participant.way, perturbation).is_some() => false,
                Some(Err(outcome)) => {
                    participant.trials.push(Trial::of(perturbation, (**outcome).clone()));
                    false
                }
                yardstick => yardstick.is_some(),
            });
            let trials = {
                let observers: Vec<_> = taking_part
                    .iter()
                    .map(|participant| self.observer(case, &participant.way, &stop))
                    .collect();
                let ready = taking_part.iter().zip(&observers).filter_map(|(participant, observer)| {
                    let yardstick = participant.yardstick.as_ref()?.as_ref().ok()?;
                    let algorithm = participant.way.own_algorithm()?;
                    Some(processes::Climber { algorithm, observer, yardstick })
                });
                let climbers: Vec<_> = ready.collect();
                let count = self.options.process_count;
                let (device, problem) = (self.device, &*case.problem);
                Rung { perturbation, processes: &**starter, device, problem, stop: &stop }
                    .climb(&climbers, count)?
            };
            for (participant, trial) in taking_part.into_iter().zip(trials) {
                participant.trials.push(trial);
            }
        }
        Ok(())
    }
}

impl Participant<'_> {
    /// Timing belongs to `repeat` rows; what failed is not worth timing.
    pub(super) fn is_timed(&self) -> bool {
        self.prepared.is_some()
            && self.trials.iter().any(|trial| {
                trial.perturbation == Perturbation::Repeat
                    && matches!(trial.outcome.verdict(), Verdict::Same | Verdict::Differs)
            })
    }
}
