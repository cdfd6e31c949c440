//! The program `samebits`: parses, dispatches, prints the error, sets the exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    samebits::command::dispatch(samebits::cli::Cli::parse())
}
