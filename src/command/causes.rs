//! `samebits causes`: train, save, and go on from the file under one cause after the other.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::causes::measure::{Bench, Length, Other, Outcome};
use crate::causes::resume;
use crate::causes::table::Place;
use crate::cli::{CausesFlags, Format, ResumeFlags};
use crate::command::run::stop_flag;
use crate::command::{End, print, say, width};
use crate::device::Device;
use crate::device::select::{Selected, select};
use crate::device::sim::DEFAULT_MOST_INSTRUCTIONS;
use crate::error::{Error, Result};
use crate::report::causes::{self, Measured};
use crate::train::digits::Digits;
use crate::train::math::Algorithms;
use crate::train::trainer::Settings;

/// Steps that are watched on the simulated GPU where training happens elsewhere.
const STEPS_ON_SIM: u64 = 3;

/// Measures all causes with the seeds 1 to as many as `flags` say.
///
/// # Errors
/// A device or an algorithm that there is not, a folder for checkpoints that cannot be made, or a run that fails.
pub fn causes(flags: &CausesFlags) -> Result<End> {
    let algorithms = Algorithms::choose(&flags.algorithm)?;
    let (device, remark) = open(&flags.device)?;
    let (name, digits) = (device.name(), Digits::load());
    let length = if device.simulation().is_some() { Length::ON_SIM } else { Length::USUAL };
    let folder = tempfile::Builder::new().prefix("samebits-").tempdir().map_err(Error::file(
        std::env::temp_dir(),
        "cannot make a folder for checkpoints; set TMPDIR to a folder that can be written",
    ))?;
    let program = std::env::current_exe()
        .map_err(|error| Error::device(format!("cannot find this program to start it again: {error}")))?;
    let opened = other_devices(&name);
    let others: Vec<Other> = opened
        .iter()
        .map(|(place, opened, steps)| Other {
            place: *place,
            device: opened.as_ref().map(|device| &**device).map_err(Clone::clone),
            steps: *steps,
        })
        .collect();
    let stop = stop_flag()?;
    let check_stop = || if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) };
    let bench = Bench {
        device: &*device,
        others: &others,
        digits: &digits,
        settings: Settings { algorithms, ..Settings::new(flags.optimizer) },
        length,
        folder: folder.path(),
        in_new_process: &|path, steps| resume::in_new_process(&program, &name, path, steps, &check_stop),
    };
    let bar = bar(flags, bench.causes().count());
    let mut outcomes = Vec::new();
    let mut interrupted = false;
    for seed in 1..=u64::from(flags.seeds) {
        bar.set_message(format!("seed {seed}"));
        let done = || {
            bar.inc(1);
            check_stop()
        };
        match bench.measure(seed, &done) {
            Ok(of_seed) => outcomes.extend(of_seed),
            Err(Error::Interrupted) => {
                interrupted = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    bar.finish_and_clear();
    let seeds = outcomes.last().map_or(0, |outcome: &Outcome| outcome.seed);
    if interrupted && seeds == 0 {
        say("samebits: interrupted before a seed was finished; --seeds 1 is the shortest run\n");
        return Ok(End::Interrupted);
    }
    let measured = Measured {
        device: device.kind(),
        remark,
        optimizer: flags.optimizer.name().to_owned(),
        algorithms: algorithms.text(),
        length,
        outcomes,
    };
    let broken = show(&measured, flags.format)?;
    if interrupted {
        say(&format!(
            "samebits: interrupted; of {} seeds {seeds} were finished and are shown\n",
            flags.seeds
        ));
        return Ok(End::Interrupted);
    }
    Ok(if broken { End::NotMet } else { End::Done })
}

/// Prints what was measured; whether something that must hold does not.
fn show(measured: &Measured, format: Format) -> Result<bool> {
    print(&match format {
        Format::Table => causes::terminal(measured, width()),
        Format::Md => causes::markdown(measured),
        Format::Csv => causes::csv(measured)?,
        Format::Json => causes::json(measured)?,
    })?;
    let broken = causes::broken(measured);
    if matches!(format, Format::Csv | Format::Json) {
        broken.iter().for_each(|broken| say(&format!("samebits: BROKEN: {broken}\n")));
    }
    Ok(!broken.is_empty())
}

/// The one device of that name, and a remark on it.
fn open(name: &str) -> Result<(Box<dyn Device>, Option<String>)> {
    let Selected { mut devices, remark } = select(name, false, DEFAULT_MOST_INSTRUCTIONS)?;
    match devices.pop() {
        Some(device) if devices.is_empty() => Ok((device, remark)),
        _ => Err(Error::input(format!("--device {name} is several devices; give one, for instance cuda:0"))),
    }
}

type Opened = std::result::Result<Box<dyn Device>, String>;

/// Where a run may go on that was trained on `name`, and the most steps to watch there.
fn other_devices(name: &str) -> Vec<(Place, Opened, u64)> {
    [(Place::Cpu, "cpu", u64::MAX), (Place::Sim, "sim", STEPS_ON_SIM), (Place::Cuda, "cuda", u64::MAX)]
        .into_iter()
        .filter(|(_, other, _)| !name.starts_with(other))
        .map(|(place, other, steps)| {
            (place, open(other).map(|(device, _)| device).map_err(|error| error.to_string()), steps)
        })
        .collect()
}

/// `samebits resume`: the other side of a row that starts a process; people have no use for it.
///
/// # Errors
/// Those of [`resume::answer`].
pub fn resume(flags: &ResumeFlags) -> Result<End> {
    resume::answer(&*open(&flags.device)?.0, &flags.checkpoint, flags.steps, &flags.answer)?;
    Ok(End::Done)
}

fn bar(flags: &CausesFlags, causes: usize) -> ProgressBar {
    if flags.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let causes = u64::from(flags.seeds) * causes as u64;
    let bar = ProgressBar::with_draw_target(Some(causes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} causes, {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}
