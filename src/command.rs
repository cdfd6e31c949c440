//! The verbs: one verb, one file. Results go to stdout, everything else to stderr.

mod env;
mod list;
pub mod run;
mod splice;
mod verify;

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
    /// Exit code 130, as shells give it: the user pressed Ctrl-C; what was finished is kept.
    Interrupted,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Done => Self::SUCCESS,
            End::NotMet => Self::from(1),
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
        Verb::Verify(flags) => verify::verify(&flags),
        Verb::Splice(flags) => splice::splice(&flags),
    })
}

/// Prints an error and turns the end into an exit code.
pub fn finish(end: Result<End>) -> ExitCode {
    match end {
        Ok(end) => end.into(),
        Err(Error::Interrupted) => End::Interrupted.into(),
        // Whoever read our output has seen enough.
        Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            End::Done.into()
        }
        Err(error) => {
            eprintln!("samebits: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints a result; a closed pipe is no panic.
pub(crate) fn print(text: &str) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::file("stdout", "cannot write"))
}

/// Rows of cells with aligned columns.
pub(crate) fn aligned(rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).add_rows(rows);
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
