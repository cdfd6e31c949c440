//! `samebits causes`: train, save, and go on from the file under one cause after the other.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::causes::measure::{Bench, Length};
use crate::causes::resume;
use crate::causes::table::CAUSES;
use crate::cli::{CausesFlags, Format, ResumeFlags};
use crate::command::{End, print, say, width};
use crate::device::Device;
use crate::device::cpu::Cpu;
use crate::error::{Error, Result};
use crate::report::causes::{self, Measured};
use crate::train::digits::Digits;
use crate::train::math::Algorithms;
use crate::train::trainer::Settings;

/// Measures all causes with the seeds 1 to as many as `flags` say.
///
/// # Errors
/// An algorithm that there is not, a folder for checkpoints that cannot be made, or a run that fails.
pub fn causes(flags: &CausesFlags) -> Result<End> {
    let algorithms = Algorithms::choose(&flags.algorithm)?;
    let settings = Settings { algorithms, ..Settings::new(flags.optimizer) };
    let (cpu, digits, length) = (Cpu::new()?, Digits::load(), Length::USUAL);
    let folder = tempfile::Builder::new().prefix("samebits-").tempdir().map_err(Error::file(
        std::env::temp_dir(),
        "cannot make a folder for checkpoints; set TMPDIR to a folder that can be written",
    ))?;
    let program = std::env::current_exe()
        .map_err(|error| Error::device(format!("cannot find this program to start it again: {error}")))?;
    let bench = Bench {
        device: &cpu,
        digits: &digits,
        settings,
        length,
        folder: folder.path(),
        in_new_process: &|path, steps| resume::in_new_process(&program, path, steps),
    };
    let bar = bar(flags);
    let mut outcomes = Vec::new();
    for seed in 1..=u64::from(flags.seeds) {
        bar.set_message(format!("seed {seed}"));
        outcomes.extend(bench.measure(seed, &|| bar.inc(1))?);
    }
    bar.finish_and_clear();
    let measured = Measured {
        device: cpu.kind(),
        optimizer: flags.optimizer.name().to_owned(),
        algorithms: algorithms.text(),
        length,
        outcomes,
    };
    print(&match flags.format {
        Format::Table => causes::terminal(&measured, width()),
        Format::Md => causes::markdown(&measured),
        Format::Csv => causes::csv(&measured)?,
        Format::Json => causes::json(&measured)?,
    })?;
    let broken = causes::broken(&measured);
    if matches!(flags.format, Format::Csv | Format::Json) {
        broken.iter().for_each(|broken| say(&format!("samebits: BROKEN: {broken}\n")));
    }
    Ok(if broken.is_empty() { End::Done } else { End::NotMet })
}

/// `samebits resume`: the other side of a row that starts a process; people have no use for it.
///
/// # Errors
/// Those of [`resume::answer`].
pub fn resume(flags: &ResumeFlags) -> Result<End> {
    resume::answer(&Cpu::new()?, &flags.checkpoint, flags.steps, &flags.answer)?;
    Ok(End::Done)
}

fn bar(flags: &CausesFlags) -> ProgressBar {
    if flags.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let causes = u64::from(flags.seeds) * CAUSES.len() as u64;
    let bar = ProgressBar::with_draw_target(Some(causes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} causes, {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}
