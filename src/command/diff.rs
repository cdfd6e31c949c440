//! `samebits diff`: what changed between two checkpoints, and the likely cause.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::checkpoint::Checkpoint;
use crate::cli::DiffFlags;
use crate::command::{End, colour, print, width};
use crate::diff::{self, threshold};
use crate::error::{Error, Result};
use crate::report::diff::{Options, render};

/// Bytes from which on progress is worth showing: about a second.
const LARGE: u64 = 4 << 30;

/// Compares the two checkpoints that `flags` name.
///
/// # Errors
/// What [`Checkpoint::open`] and [`diff::diff`] refuse, and limits that contradict each other.
pub fn diff(flags: &DiffFlags) -> Result<End> {
    let (before, after) = (Checkpoint::open(&flags.before)?, Checkpoint::open(&flags.after)?);
    let bar = bar(before.bytes() + after.bytes(), flags.quiet);
    let found = diff::diff(&before, &after, &|bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    let is_exceeded = threshold::exceeded(&flags.fail_on, &found)?;
    if flags.json {
        let json = serde_json::to_string_pretty(&found).map_err(|error| Error::input(error.to_string()))?;
        print(&(json + "\n"))?;
    } else {
        print(&render(&found, &Options { all: flags.all, width: width(), colour: colour() }))?;
    }
    Ok(if is_exceeded { End::NotMet } else { End::Done })
}

fn bar(bytes: u64, is_quiet: bool) -> ProgressBar {
    if is_quiet || bytes < LARGE || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {elapsed}") {
        bar.set_style(style);
    }
    bar
}
