//! What the flags of `run` ask for.

use std::time::Duration;

use regex::RegexBuilder;

use crate::cli::RunFlags;
use crate::command::share::probability;
use crate::device::{Device, Strength};
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::peer::{Peer, PeerName, Place};
use crate::perturbation::Perturbation;
use crate::statistics::comparisons_for;
use crate::suite::Options;
use crate::suite::processes::NewProcesses;
use crate::timing::Budget;
use crate::worker::Workers;
use crate::workload::{self, Profile, Workload};

/// Processes that a row counts unless told otherwise.
const PROCESSES: u64 = 8;

pub(super) fn options(flags: &RunFlags, devices: &[Box<dyn Device>]) -> Result<Options> {
    let perturbations = match &flags.perturb {
        Some(list) => Perturbation::parse_list(list)?,
        None if flags.golden => vec![Perturbation::Repeat],
        // Devices that are measured together are of one kind.
        None => {
            let mut all = devices.first().map(|device| device.perturbations().to_vec()).unwrap_or_default();
            if flags.profile == Profile::Quick {
                all.retain(|perturbation| perturbation.is_quick());
            }
            all
        }
    };
    let by_profile = match flags.profile {
        Profile::Quick => 32,
        Profile::Full => 300,
    };
    let executions = match (&flags.max_p, flags.executions) {
        (Some(p), _) => comparisons_for(probability(p)?) + 1,
        (None, Some(executions)) => executions,
        (None, None) if flags.golden => 2,
        (None, None) => by_profile,
    };
    if executions < 2 {
        return Err(Error::input(
            "--executions must be at least 2: the first is what others are compared with",
        ));
    }
    let filter = flags.filter.as_ref().map(|filter| {
        RegexBuilder::new(filter).size_limit(1 << 20).build().map_err(|error| {
            let problem = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
            Error::input(format!("--filter \"{filter}\" is not a regular expression: {problem}"))
        })
    });
    let cap = match flags.profile {
        Profile::Quick => Duration::from_millis(100),
        Profile::Full => Duration::from_secs(2),
    };
    Ok(Options {
        profile: flags.profile,
        perturbations,
        executions,
        timing: (!flags.no_timing && !flags.golden).then_some(Budget { cap, precision: 0.01 }),
        filter: filter.transpose()?,
        least: if flags.golden { Guarantee::GpuToGpu } else { Guarantee::NotGuaranteed },
        remark: flags.shared.then(|| "shared".to_owned()),
        peers: Vec::new(),
        processes: Workers::of_this_program().ok().map(|workers| Box::new(workers) as Box<dyn NewProcesses>),
        strengths: match flags.profile {
            Profile::Quick => vec![Strength::USUAL],
            Profile::Full => [Strength::USUAL].into_iter().chain(Strength::OTHERS).collect(),
        },
        max_p: flags.max_p.as_deref().map(probability).transpose()?,
        row_time: row_time(flags),
        process_count: match (&flags.max_p, flags.executions) {
            (None, None) => PROCESSES,
            _ => executions - 1,
        },
    })
}

/// How long a row may take: as long as it needs where the user said how much is to be done, and otherwise what
/// leaves time for all rows. Each row tells how many executions it had.
fn row_time(flags: &RunFlags) -> Duration {
    match (&flags.max_p, flags.executions, flags.profile) {
        (None, Some(_), _) => Duration::MAX,
        (Some(_), ..) => Duration::from_secs(60),
        (None, None, Profile::Quick) => Duration::from_secs(20),
        (None, None, Profile::Full) => Duration::from_millis(600),
    }
}

/// Starts the peer that `--peer` names where the device is: on its GPU, or with as many threads as the twins have.
pub(super) fn peers(flags: &RunFlags, devices: &[Box<dyn Device>]) -> Result<Vec<Peer>> {
    let Some(name) = flags.peer else { return Ok(Vec::new()) };
    let refused = |why: &str| Err(Error::input(format!("--peer {} {why}", name.engine())));
    let [device] = devices else {
        return refused("computes on one device: give --device cpu or --device cuda:N with it");
    };
    if device.simulation().is_some() {
        return refused("cannot compute on a simulated GPU: give --device cpu or --device cuda:N with it");
    }
    let facts = device.facts();
    let place = match (device.visible_as(), facts.threads) {
        (Some(_), _) if name == PeerName::Numpy => {
            return refused("computes on the CPU: give --device cpu with it");
        }
        (Some(visible), _) => Place::Cuda { visible, l2_bytes: facts.l2_bytes.unwrap_or(0) },
        (None, Some(threads)) => Place::Cpu { threads: threads as usize },
        (None, None) => return refused("knows no such device: give --device cpu or --device cuda:N with it"),
    };
    Peer::start(name, &flags.python, &place)
}

pub(super) fn workloads(flags: &RunFlags) -> Result<Vec<Workload>> {
    let mut workloads = match (&flags.workloads, &flags.weights) {
        (Some(path), _) => workload::read(path)?,
        (None, Some(argument)) => workload::weights::read(argument)?,
        (None, None) if flags.golden => workload::golden()?,
        (None, None) => workload::built_in()?,
    };
    workloads.retain(|workload| workload.profiles.contains(&flags.profile));
    if workloads.is_empty() {
        let file = flags.workloads.as_ref().map_or("built in".into(), |path| path.to_string_lossy());
        return Err(Error::input(format!(
            "no workload ({file}) is in profile {}; give another --profile, or put it into their `profiles`",
            flags.profile.name()
        )));
    }
    if let Some(seed) = flags.seed {
        workloads.iter_mut().for_each(|workload| workload.seed = seed);
    }
    Ok(workloads)
}
