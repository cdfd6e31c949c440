//! `samebits explore`: does what a kernel gives depend on the schedule? Its PTX is executed on the simulated GPU under
//! many seeded schedules, on arguments that [`plan`] describes, and the bits of all outputs are compared.

pub mod budget;
pub mod certificate;
pub mod element;
pub mod fill;
pub mod findings;
pub mod lasts;
pub mod minimise;
pub mod plan;
pub mod schedules;
pub mod signature;
pub mod stored;
pub mod verdict;

use crate::explore::schedules::{Ready, Subject};
use crate::explore::verdict::{Explored, Finding, Verdict, compare};
use crate::simt::{Fault, Schedule};

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Schedules; at least one.
    pub schedules: u64,
    /// The first seed; the others follow.
    pub seed: u64,
    /// In place of these: so many choices of the first seed's schedule, and then in turn.
    pub choices: Option<u64>,
    /// In place of these: one block after the other, and this one as the last.
    pub last_block: Option<u64>,
    /// Thread instructions that trying blocks as the last may take.
    pub most_for_lasts: u64,
}

impl Settings {
    /// All schedules of seeds from 0.
    pub fn of(schedules: u64) -> Self {
        Self { schedules, seed: 0, choices: None, last_block: None, most_for_lasts: u64::MAX }
    }
}

/// Schedules that are analysed; the others are only executed. One would do for the proof.
const WATCHED: usize = 4;
/// Threads of a launch, at most: each is remembered.
const MOST_THREADS: u64 = 1 << 24;
/// How many times the instructions that one execution may take trying blocks as the last may take in all.
pub const LASTS_PER_EXECUTION: u64 = 64;

/// Explores a launch of the PTX whose text is `text`. File and time are left for the caller to fill in.
///
/// # Errors
/// In words: the launch does not fit, or the kernel fails under every schedule.
pub fn explore(subject: &Subject, text: &str, settings: &Settings) -> Result<Explored, String> {
    subject.ready(|ready| explore_ready(ready, text, settings))
}

/// The same of a launch whose memory is laid out.
///
/// # Errors
/// As of [`explore`].
pub fn explore_ready(ready: &Ready, text: &str, settings: &Settings) -> Result<Explored, String> {
    let in_words = |fault: Fault| fault.to_string();
    let volume =
        |extents: [u32; 3]| extents.iter().fold(1, |all: u64, extent| all.saturating_mul(u64::from(*extent)));
    let blocks = volume(ready.launch.grid);
    let threads = blocks.saturating_mul(volume(ready.launch.block));
    if threads > ready.fuel {
        return Err(format!(
            "{threads} threads; each executes an instruction or more, and {} in all are allowed: take a smaller grid, or \
             a larger --max-instructions",
            ready.fuel
        ));
    }
    let threads = blocks.saturating_mul(volume(ready.launch.block).next_multiple_of(32));
    if threads > MOST_THREADS {
        return Err(format!(
            "{threads} threads, in whole warps; at most {MOST_THREADS} are explored: take a smaller grid"
        ));
    }
    let schedules: Vec<_> = match (settings.last_block, settings.choices) {
        (Some(block), _) => vec![Schedule::LastBlock { block }],
        (None, Some(choices)) => vec![Schedule::Begun { seed: settings.seed, choices }],
        (None, None) => (0..settings.schedules)
            .map(|number| Schedule::of_seed(settings.seed.wrapping_add(number)))
            .collect(),
    };
    let (first, others) = schedules.split_at(1);
    // What fits no schedule is said at once.
    let (mut executions, failed) = ready.all(first, 1);
    if let Some(fault) = failed {
        return Err(in_words(fault));
    }
    let (others, endless) = ready.all(others, WATCHED - 1);
    executions.extend(others);
    let tried = executions.len();
    let mut lasts = 0;
    let mut why = findings::why(&executions, text);
    why.extend(endless.map(|fault| {
        let replay = verdict::replay(schedules[tried]);
        Finding::general(format!("it comes to no end under some schedule (replay it: {replay}): {fault}"))
    }));
    if why.is_empty() {
        let blocks = findings::participants(&executions);
        let tried = lasts::each(ready, &blocks, &executions[0], settings.most_for_lasts).map_err(in_words)?;
        lasts = tried.blocks;
        executions.extend(tried.executions);
        why = findings::why(&executions, text);
        why.extend(tried.why);
    }
    let races = findings::races(&executions, text);
    let compared = compare(&executions)?;
    let minimised = minimise::minimise(ready, &executions);
    why.extend(compared.why);
    if lasts > 0 && why.is_empty() && compared.differ.is_some() {
        why.push(Finding::general("what is left depends on which block comes last at a ticket"));
    }
    if !races.is_empty() && why.is_empty() {
        why.push(Finding::general("there is a data race: what threads read or leave there is open"));
    }
    let verdict = match &compared.differ {
        Some(_) => Verdict::Depends,
        None if why.is_empty() => Verdict::Independent,
        None => Verdict::MayDepend,
    };
    Ok(Explored {
        ptx: String::new(),
        entry: ready.launch.entry.to_owned(),
        verdict,
        schedules: tried,
        seed: settings.seed,
        last_block: settings.last_block,
        choices: settings.choices,
        distinct: compared.distinct,
        differ: minimised.or(compared.differ),
        first: executions[0].outcome.text(),
        why,
        races,
        lasts,
        instructions: executions.iter().map(|execution| execution.instructions).sum(),
        seconds: 0.0,
    })
}
