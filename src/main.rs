//! The program `samebits`: parses, dispatches, prints the error, sets the exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match samebits::cli::Cli::try_parse() {
        Ok(cli) => samebits::command::dispatch(cli),
        Err(error) => samebits::command::not_parsed(&error),
    }
}
