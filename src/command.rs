//! The verbs: one verb, one file. Results go to stdout, everything else to stderr.

mod advise;
mod beside;
mod causes;
mod check;
mod compare;
mod diff;
mod env;
pub mod explore;
mod golden;
mod list;
mod replace;
mod rows;
pub mod run;
mod share;
mod splice;
mod verify;
mod worker;

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use crate::cli::{Cli, Verb};
use crate::error::{Error, Result};

/// How a verb ended that did what it was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Exit code 0.
    Done,
    /// Exit code 1: a requirement not met, a claim broken or a row failed.
    NotMet,
    /// Exit code 3: neither shown nor refuted.
    Open,
    /// Exit code 130, as shells give it: the user pressed Ctrl-C; what was finished is kept.
    Interrupted,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Done => Self::SUCCESS,
            End::NotMet => Self::from(1),
            End::Open => Self::from(3),
            End::Interrupted => Self::from(130),
        }
    }
}

/// Does what the command line says.
pub fn dispatch(cli: Cli) -> ExitCode {
    finish(match cli.verb {
        Verb::List => list::list(),
        Verb::Env => env::env(),
        Verb::Run(flags) => run::run(&flags),
        Verb::Compare(flags) => compare::compare(&flags),
        Verb::Advise(flags) => advise::advise(&flags),
        Verb::Check(flags) => check::check(&flags),
        Verb::Diff(flags) => diff::diff(&flags),
        Verb::Causes(flags) => causes::causes(&flags),
        Verb::Explore(flags) => explore::explore(&flags),
        Verb::Resume(flags) => causes::resume(&flags),
        Verb::Verify(flags) => verify::verify(&flags),
        Verb::Splice(flags) => splice::splice(&flags),
        Verb::Golden(flags) => golden::golden(&flags),
        Verb::Worker(flags) => worker::worker(&flags),
    })
}

/// Prints what clap makes of a command line in place of flags: help and version as they are, and what is
/// wrong in one line, as every other error.
pub fn not_parsed(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{ArgumentConflict, DisplayHelpOnMissingArgumentOrSubcommand};
    if error.use_stderr() && error.kind() != DisplayHelpOnMissingArgumentOrSubcommand {
        let remedy = match error.kind() {
            ArgumentConflict => "give only one of them",
            _ => "see --help",
        };
        return finish(Err(Error::input(format!("{}; {remedy}", on_one_line(&error.render().to_string())))));
    }
    // Whoever closed the pipe has seen enough.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// What `error: …` says, without the usage and the hints behind it.
fn on_one_line(rendered: &str) -> String {
    let is_said = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more information");
    let lines: Vec<&str> =
        rendered.lines().take_while(is_said).map(str::trim).filter(|l| !l.is_empty()).collect();
    let line = lines.join(" ").replace(" tip: ", "; ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// Prints an error and turns the end into an exit code.
pub fn finish(end: Result<End>) -> ExitCode {
    match end {
        Ok(end) => end.into(),
        Err(Error::Interrupted) => End::Interrupted.into(),
        Err(error) => {
            say(&format!("samebits: {error}\n"));
            ExitCode::from(2)
        }
    }
}

/// Prints a result. Whoever closed the pipe has seen enough: that changes neither what is measured nor
/// the exit code.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(Error::file("stdout", "cannot write")),
    }
}

/// Columns of a terminal that does not tell its width, as in a pipe.
const DEFAULT_WIDTH: usize = 120;

/// Columns of the terminal.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0))
}

/// Whether colour is wanted on stdout.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Says something on stderr, whether anyone listens or not (`eprint!` would panic).
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Rows of cells with aligned columns.
pub(crate) fn aligned(rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).add_rows(rows);
    // Every cell is padded by a space on both sides; the first column's would only indent.
    let unpadded = |line: String| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    table.lines().map(unpadded).collect()
}
