//! The run: workloads × algorithms × perturbations become rows.
//!
//! Canaries (algorithms that claim nothing) are executed first, on the smallest workload, then on
//! larger ones, until one has varied under repetition, load and schedules. So each `same` can be written
//! at once with the remark `no power` where none of the device ever did, and a kill at any moment leaves
//! rows that need no second thought. On the higher rungs of the ladder the algorithms of a workload, and of
//! those before it, are the canaries.

pub(crate) mod case;
mod certify;
mod check;
mod code;
mod gap;
pub mod ladder;
pub(crate) mod observe;
mod participant;
pub mod processes;
mod row;
#[cfg(test)]
mod tests;
mod unexecuted;
pub mod verify;
mod way;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use crate::device::{Device, Prepared, Staged, Strength};
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::measurement::Measurement;
use crate::operation::{Algorithm, Gap, Work};
use crate::perturbation::Perturbation;
use crate::timing::{self, Budget, Samples};
use crate::verdict::Verdict;
use crate::workload::{Profile, Workload};

use crate::peer::Peer;
use case::Case;
use ladder::Trial;
use observe::Outcome;
use participant::Participant;
use processes::NewProcesses;
use row::Timed;
use way::Way;

/// A row of one of our own algorithms with nothing observed, for tests and benches of what reads rows.
#[cfg(any(test, feature = "self-bench"))]
pub fn blank_row(
    device: &str,
    workload: &Workload,
    algorithm: &'static Algorithm,
    perturbation: Perturbation,
) -> Measurement {
    row::blank(device, workload, &Way::own(algorithm), perturbation, "")
}

/// What a run measures.
pub struct Options {
    /// Sets limits on what takes very long.
    pub profile: Profile,
    /// What is changed between executions.
    pub perturbations: Vec<Perturbation>,
    /// Executions per row, the first included; at least 2.
    pub executions: u64,
    /// How long timing may take; `None` leaves the timing columns empty.
    pub timing: Option<Budget>,
    /// Only rows whose `operation/algorithm workload` matches.
    pub filter: Option<Regex>,
    /// Only ways that claim at least this.
    pub least: Guarantee,
    /// A remark on every row, for instance `shared`.
    pub remark: Option<String>,
    /// Others whose ways are measured too.
    pub peers: Vec<Peer>,
    /// What starts new processes; without it, perturbations that need one are skipped.
    pub processes: Option<Box<dyn NewProcesses>>,
    /// How many of them a row counts.
    pub process_count: u64,
    /// How much work competes under `load`: a row for each.
    pub strengths: Vec<Strength>,
    /// What the probability of a difference is to be shown to be below, by more executions than `executions` where
    /// some differed.
    pub max_p: Option<f64>,
    /// When a row is not executed any more, however few its executions were.
    pub row_time: Duration,
}

impl Options {
    fn wants(&self, workload: &Workload, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.is_match(&label(workload, name)))
    }

    /// The ways of a workload that are to be measured.
    fn ways(&self, workload: &Workload) -> Vec<Way<'_>> {
        let mut ways = Way::all(workload, &self.peers);
        ways.retain(|way| way.guarantee >= self.least && self.wants(workload, way.name));
        ways
    }
}

/// Refuses a filter that leaves nothing of `workloads` to be measured.
///
/// # Errors
/// Names the filter.
pub fn check_filter(workloads: &[Workload], options: &Options) -> Result<()> {
    if workloads.iter().any(|workload| !options.ways(workload).is_empty()) {
        return Ok(());
    }
    let filter = options.filter.as_ref().map_or("", |filter| filter.as_str());
    let theirs = workloads.iter().flat_map(|workload| {
        let its = workload.operation.peers().iter();
        its.filter(|way| options.wants(workload, way.name)).map(|way| way.engine)
    });
    let mut engines: Vec<_> = theirs.collect();
    engines.sort_unstable();
    engines.dedup();
    if !engines.is_empty() {
        return Err(Error::input(format!(
            "what is asked for is measured only of others: give --peer {} with it",
            engines.join(" or --peer ")
        )));
    }
    Err(Error::input(format!(
        "the filter {filter:?} matches nothing; it is a regular expression over \
         \"operation/algorithm workload\", and `samebits list` shows them"
    )))
}

/// A finished row with its raw data.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The row.
    pub row: Measurement,
    /// Its timing samples.
    pub samples: Option<Samples>,
    /// Elements per ULP distance of the worst comparison; see [`crate::divergence::Divergence`].
    pub ulp_histogram: Vec<u64>,
}

/// Who hears of a run while it goes on.
pub trait Listener {
    /// Something starts that takes a while; `done` of `total` steps are behind us.
    fn progress(&mut self, done: usize, total: usize, what: &str);

    /// A row is finished.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn finished(&mut self, finished: Finished) -> Result<()>;

    /// Asked often: `Err` ends the run.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the user asked to stop.
    fn check_stop(&self) -> Result<()>;
}

/// Which run the rows belong to.
#[derive(Debug, Clone)]
pub struct RunIdentity {
    /// The folder's name.
    pub run_id: String,
    /// Hash of `environment.json`.
    pub environment: String,
}

/// One workload's part of a run.
struct Job<'a> {
    workload: &'a Workload,
    ways: Vec<Way<'a>>,
    /// Ways that take too many instructions on a simulated device, and why that is so.
    too_large: Vec<(Way<'a>, String)>,
}

/// What canaries showed: by job and way.
type Canaries = HashMap<(usize, [String; 3]), Vec<Trial>>;

/// A run on one device.
pub struct Suite<'a> {
    device: &'a dyn Device,
    options: &'a Options,
    identity: RunIdentity,
    jobs: Vec<Job<'a>>,
    /// Operations and perturbations under which a canary of this device was seen to vary.
    powerful: HashSet<(&'static str, Perturbation)>,
}

impl<'a> Suite<'a> {
    /// Plans a run of `workloads`; what is among the `earlier` rows already is not measured again.
    ///
    /// # Errors
    /// If the filter matches nothing.
    pub fn new(
        device: &'a dyn Device,
        workloads: &'a [Workload],
        options: &'a Options,
        identity: RunIdentity,
        earlier: &[Measurement],
    ) -> Result<Self> {
        let name = device.name();
        let done: HashMap<&str, Verdict> =
            earlier.iter().map(|row| (row.row_id.as_str(), row.verdict)).collect();
        let is_done = |workload: &Workload, way: &Way| {
            let found = |perturbation, variant: &str| {
                done.get(row::blank(&name, workload, way, perturbation, variant).id().as_str())
            };
            // What is skipped has one row, whatever its values.
            let tried = options.perturbations.iter().all(|&perturbation| {
                let variants = || match perturbation {
                    Perturbation::Load => {
                        options.strengths.iter().map(|strength| strength.variant()).collect()
                    }
                    _ => ladder::variants(device, way, workload, perturbation),
                };
                let whole = match perturbation {
                    // The usual strength has no variant either.
                    Perturbation::Load => found(perturbation, "") == Some(&Verdict::Skipped),
                    _ => found(perturbation, "").is_some(),
                };
                whole || variants().iter().all(|variant| found(perturbation, variant).is_some())
            });
            let is_compared =
                |setting| done.contains_key(code::blank(&name, workload, way, setting).id().as_str());
            tried && code::settings(device, &options.perturbations, workload, way).iter().all(is_compared)
        };
        check_filter(workloads, options)?;
        let mut jobs = Vec::new();
        for workload in workloads {
            let mut ways = options.ways(workload);
            // What a missing gap compares is executed again.
            let missing: HashSet<&str> = gaps_of(workload, options)
                .filter(|(algorithm, gap)| {
                    !done.contains_key(gap::blank(&name, workload, algorithm, gap).id().as_str())
                })
                .flat_map(|(_, gap)| [Some(gap.algorithm), gap.against])
                .flatten()
                .collect();
            ways.retain(|way| missing.contains(way.name) || !is_done(workload, way));
            if !ways.is_empty() {
                jobs.push(Job { workload, ways, too_large: Vec::new() });
            }
        }
        let powerful = earlier
            .iter()
            .filter(|row| row.device == name && row.is_moving_canary())
            .filter_map(|row| Some((crate::operation::find(&row.operation).ok()?.name(), row.perturbation)))
            .collect();
        Ok(Self { device, options, identity, jobs, powerful })
    }

    /// How many workloads and distinct algorithms are still to be measured.
    pub fn size(&self) -> (usize, usize) {
        let names = |job: &Job| job.ways.iter().map(|way| way.name).collect::<Vec<_>>();
        let algorithms: HashSet<_> = self
            .jobs
            .iter()
            .flat_map(|job| names(job).into_iter().map(|name| (job.workload.operation.name(), name)))
            .collect();
        (self.jobs.len(), algorithms.len())
    }

    /// Measures everything and hands each finished row to `listener`.
    ///
    /// # Errors
    /// [`Error::Interrupted`], or what `listener` reports. What a device reports becomes a row.
    pub fn run(mut self, listener: &mut dyn Listener) -> Result<()> {
        let mut jobs = std::mem::take(&mut self.jobs);
        let count = jobs.len();
        for job in &mut jobs {
            listener.check_stop()?;
            listener.progress(0, count, &format!("how large {} is", job.workload.name));
            self.set_aside_too_large(job);
        }
        let mut canaries = Canaries::new();
        let mut smallest_first: Vec<_> = jobs.iter().enumerate().collect();
        smallest_first.sort_by_key(|(_, job)| job.workload.shape.elements());
        for (index, job) in smallest_first {
            if !self.has_power(job) {
                listener.progress(0, jobs.len(), &format!("canaries on {}", job.workload.name));
                self.run_canaries(index, job, &mut canaries, listener)?;
            }
        }
        for (index, job) in jobs.iter().enumerate() {
            listener.progress(index, jobs.len(), &job.workload.name);
            self.run_job(index, job, &mut canaries, listener)?;
        }
        listener.progress(jobs.len(), jobs.len(), "done");
        Ok(())
    }

    /// Takes out of `job` what takes too many instructions on a simulated device.
    fn set_aside_too_large(&self, job: &mut Job) {
        let workload = job.workload;
        // What does not fit into memory is not even looked at.
        if self.device.simulation().is_none()
            || case::reason_to_skip(self.device, workload, self.options.profile).is_some()
        {
            return;
        }
        for way in std::mem::take(&mut job.ways) {
            match case::reason_too_large(self.device, workload, &way) {
                Some(reason) => job.too_large.push((way, reason)),
                None => job.ways.push(way),
            }
        }
    }

    /// Whether canaries of the job's operation were seen to vary under every perturbation under which
    /// anything can.
    fn has_power(&self, job: &Job) -> bool {
        let operation = job.workload.operation.name();
        let quick = self.options.perturbations.iter().filter(|p| p.is_quick());
        let mut perturbations = quick.filter(|p| self.can_vary(**p));
        perturbations.all(|&perturbation| self.powerful.contains(&(operation, perturbation)))
    }

    /// Whether anything can vary on this device: one seed gives a simulation's bits again.
    fn can_vary(&self, perturbation: Perturbation) -> bool {
        let replays = self.device.simulation().is_some() && perturbation == Perturbation::Repeat;
        !replays && self.device.perturbations().contains(&perturbation)
    }

    fn run_canaries(
        &mut self,
        index: usize,
        job: &Job,
        canaries: &mut Canaries,
        listener: &mut dyn Listener,
    ) -> Result<()> {
        let quick: Vec<_> = self.options.perturbations.iter().copied().filter(|p| p.is_quick()).collect();
        let may_vary = |way: &&Way| quick.iter().any(|p| way.is_canary(*p, ""));
        let selected: Vec<_> = job.ways.iter().filter(may_vary).collect();
        if selected.is_empty()
            || case::reason_to_skip(self.device, job.workload, self.options.profile).is_some()
        {
            return Ok(());
        }
        let case = Case::new(job.workload);
        // A refusal is met again, and reported, when the job itself runs.
        let Ok(staged) = self.device.stage(Arc::clone(&case.problem)) else { return Ok(()) };
        for way in selected {
            let Participant { trials, .. } =
                self.participate(&case, &*staged, way, &quick, Vec::new(), listener)?;
            self.learn_power(job.workload, way, &trials);
            canaries.insert((index, way.key()), trials);
        }
        Ok(())
    }

    /// Notes under which perturbations a way that may vary was seen to.
    fn learn_power(&mut self, workload: &Workload, way: &Way, trials: &[Trial]) {
        let moved = trials.iter().filter(|trial| trial.outcome.verdict() == Verdict::Differs);
        let canary = moved.filter(|trial| way.is_canary(trial.perturbation, &trial.variant));
        self.powerful.extend(canary.map(|trial| (workload.operation.name(), trial.perturbation)));
    }

    fn run_job(
        &mut self,
        index: usize,
        job: &Job,
        canaries: &mut Canaries,
        listener: &mut dyn Listener,
    ) -> Result<()> {
        let ready = self.ready(job);
        self.write_unexecuted(job, ready.as_ref().err().map(Box::as_ref), listener)?;
        let Ok((case, staged)) = ready else { return Ok(()) };
        let mut participants = Vec::new();
        for way in &job.ways {
            let known = canaries.remove(&(index, way.key())).unwrap_or_default();
            let all = &self.options.perturbations;
            participants.push(self.participate(&case, &*staged, way, all, known, listener)?);
        }
        self.start_processes(&case, &mut participants, listener)?;
        self.time(job.workload.operation.work(job.workload), &*staged, &mut participants, listener)?;
        let mut gaps = self.gaps(job, &case, &mut participants);
        gaps.extend(self.code_settings(job, &case, &*staged, &mut participants, listener)?);
        for participant in &participants {
            self.learn_power(job.workload, &participant.way, &participant.trials);
        }
        for participant in participants {
            let identity =
                participant.prepared.as_ref().map(|prepared| prepared.kernel()).unwrap_or_default();
            let mut trials = participant.trials;
            trials.sort_by_key(|trial| trial.perturbation);
            for Trial { perturbation, variant, outcome } in trials {
                let mut row = self.begin_row(job.workload, &participant.way, perturbation, &variant);
                if let (Some(version), Outcome::Observed(_)) = (participant.way.peer_version(), &outcome) {
                    row.remark(&version);
                }
                row.input_digest = case.input_digest.to_string();
                row.kernel.clone_from(&identity.kernel);
                row.cubin.clone_from(&identity.cubin);
                if let (Perturbation::Schedule, Outcome::Observed(observation)) = (perturbation, &outcome) {
                    listener.check_stop()?;
                    self.certify(&case, &participant.way, observation, &mut row);
                }
                let timed =
                    (perturbation == Perturbation::Repeat).then_some(participant.timed.as_ref()).flatten();
                self.write(job.workload, row, &outcome, timed, listener)?;
            }
        }
        for row in gaps {
            listener.finished(Finished { row, samples: None, ulp_histogram: Vec::new() })?;
        }
        Ok(())
    }

    /// The workload of `job` on the device; or why none of its ways is executed.
    fn ready(&self, job: &Job) -> std::result::Result<(Case, Box<dyn Staged + 'a>), Box<Outcome>> {
        if job.ways.is_empty() {
            return Err(Box::new(Outcome::Skipped("no way of it is executed".to_owned())));
        }
        if let Some(reason) = case::reason_to_skip(self.device, job.workload, self.options.profile) {
            return Err(Box::new(Outcome::Skipped(reason)));
        }
        let case = Case::new(job.workload);
        match self.device.stage(Arc::clone(&case.problem)) {
            Ok(staged) => Ok((case, staged)),
            Err(error) => Err(Box::new(Outcome::Failed(error.to_string()))),
        }
    }

    /// The rows of the operation's gaps, of those ways that take part.
    fn gaps(&self, job: &Job, case: &Case, participants: &mut [Participant]) -> Vec<Measurement> {
        let (device, target) = (self.device.name(), self.device.target());
        if let Some(simulation) = self.device.simulation() {
            simulation.set_schedule(observe::YARDSTICK_SEED);
        }
        let mut rows = Vec::new();
        for (algorithm, gap) in gaps_of(job.workload, self.options) {
            let mut row = gap::blank(&device, job.workload, algorithm, gap);
            row.input_digest = case.input_digest.to_string();
            let row = self.signed(row);
            rows.extend(gap::measure(gap, case, &target, participants, row));
        }
        rows
    }

    /// The rows of settings of the code, of all ways that take part.
    fn code_settings(
        &self,
        job: &Job,
        case: &Case,
        staged: &dyn Staged,
        participants: &mut [Participant],
        listener: &dyn Listener,
    ) -> Result<Vec<Measurement>> {
        let mut rows = Vec::new();
        for participant in participants {
            let perturbations = &self.options.perturbations;
            for setting in code::settings(self.device, perturbations, job.workload, &participant.way) {
                listener.check_stop()?;
                let blank = code::blank(&self.device.name(), job.workload, &participant.way, &setting);
                let mut row = self.signed(blank);
                row.input_digest = case.input_digest.to_string();
                code::measure(staged, setting, participant, &mut row);
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Times all that ran without failing together, beside the probe of the device's limit.
    fn time(
        &self,
        work: Work,
        staged: &dyn Staged,
        participants: &mut [Participant],
        listener: &dyn Listener,
    ) -> Result<()> {
        let timing = self.options.timing.filter(|_| self.device.simulation().is_none());
        let Some(budget) = timing else { return Ok(()) };
        let mut timed: Vec<&mut Participant> = participants.iter_mut().filter(|p| p.is_timed()).collect();
        if timed.is_empty() {
            return Ok(());
        }
        let measured = staged.probe(work).and_then(|mut probe| {
            let mut prepared: Vec<&mut dyn Prepared> = vec![&mut *probe.prepared];
            for participant in &mut timed {
                if let Some(ready) = &mut participant.prepared {
                    prepared.push(&mut **ready);
                }
            }
            let samples = timing::rounds(self.device, &mut prepared, budget, &|| listener.check_stop())?;
            Ok((samples, probe.work))
        });
        match measured {
            Ok((samples, probe_work)) => {
                let mut samples = samples.into_iter();
                let probe = samples.next().unwrap_or_default();
                for (participant, samples) in timed.into_iter().zip(samples) {
                    participant.timed = Some(Timed::new(samples, &probe, probe_work));
                }
                Ok(())
            }
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(error) => {
                for participant in timed {
                    participant.timed = Some(Timed::failed(&error));
                }
                Ok(())
            }
        }
    }

    fn begin_row(
        &self,
        workload: &Workload,
        way: &Way,
        perturbation: Perturbation,
        variant: &str,
    ) -> Measurement {
        self.signed(row::blank(&self.device.name(), workload, way, perturbation, variant))
    }

    /// Puts what every row of this run says into `row`.
    fn signed(&self, mut row: Measurement) -> Measurement {
        row.row_id = row.id();
        row.run_id.clone_from(&self.identity.run_id);
        row.environment.clone_from(&self.identity.environment);
        row.device_kind = self.device.kind();
        row.timestamp = now();
        if let Some(remark) = &self.options.remark {
            row.remark(remark);
        }
        row
    }

    fn write(
        &self,
        workload: &Workload,
        mut row: Measurement,
        outcome: &Outcome,
        timed: Option<&Timed>,
        listener: &mut dyn Listener,
    ) -> Result<()> {
        row::fill(&mut row, outcome);
        let powerful = self.powerful.contains(&(workload.operation.name(), row.perturbation));
        if row.verdict == Verdict::Same && !powerful {
            row.remark("no power");
        }
        if let Some(timed) = timed {
            timed.fill(&mut row, workload.operation.work(workload));
        }
        row.timestamp = now();
        let ulp_histogram = match outcome {
            Outcome::Observed(observation) => observation.ulp_histogram(),
            _ => Vec::new(),
        };
        let samples = timed.map(|timed| timed.samples.clone());
        listener.finished(Finished { row, samples, ulp_histogram })
    }
}

/// The gaps of a workload whose ways are all wanted, with the algorithm that each is a row of. They are
/// measured beside `repeat`.
fn gaps_of<'a>(
    workload: &'a Workload,
    options: &'a Options,
) -> impl Iterator<Item = (&'static Algorithm, &'static Gap)> + 'a {
    let wanted = |name: &str| {
        let named = |algorithm: &&'static Algorithm| algorithm.name == name && options.wants(workload, name);
        workload.operation.algorithms().iter().find(named)
    };
    let measured = options.perturbations.contains(&Perturbation::Repeat);
    workload.operation.gaps().iter().filter(move |_| measured).filter_map(move |gap| {
        let against_is_wanted = gap.against.is_none_or(|name| wanted(name).is_some());
        Some((wanted(gap.algorithm).filter(|_| against_is_wanted)?, gap))
    })
}

/// The time for a row: UTC, RFC 3339.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What a filter is matched against.
pub fn label(workload: &Workload, way: &str) -> String {
    format!("{}/{way} {}", workload.operation.name(), workload.name)
}
