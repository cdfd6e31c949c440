//! The suite as a bench: takes the flags of `samebits run`, keeps a results folder, and prints the
//! table last. `cargo bench -- --test` only shows that everything runs.

use std::process::ExitCode;

use clap::Parser;
use samebits::cli::{Cli, RunFlags};
use samebits::command::{dispatch, finish, run};

/// Flags of `samebits run`.
#[derive(Parser)]
#[command(name = "samebits")]
struct Flags {
    #[command(flatten)]
    run: RunFlags,
}

fn main() -> ExitCode {
    // A worker of a run that this bench started: a new process of this program, whichever that is.
    if std::env::args().nth(1).is_some_and(|verb| verb == samebits::worker::VERB) {
        return dispatch(Cli::parse());
    }
    // Cargo adds --bench to what the user gave; without it, `cargo test --benches` is asking.
    let given: Vec<String> = std::env::args().collect();
    let test = given.iter().any(|flag| flag == "--test") || !given.iter().any(|flag| flag == "--bench");
    let mut flags: Vec<String> =
        given.into_iter().filter(|flag| flag != "--bench" && flag != "--test").collect();
    if !test {
        return finish(run::run(&Flags::parse_from(flags).run));
    }
    let folder = std::env::temp_dir().join(format!("samebits-bench-test-{}", std::process::id()));
    let small = ["--no-timing", "--executions", "2", "--filter", "256Ki-f32-wide|edge"];
    flags.extend(small.map(str::to_owned));
    // New processes too: they are this bench again, by another verb.
    flags.extend(["--perturb", "repeat,load,reload:process"].map(str::to_owned));
    flags.extend(["--out".to_owned(), folder.display().to_string()]);
    let end = finish(run::run(&Flags::parse_from(flags).run));
    // The folder was only to show that one can be written.
    let _ = std::fs::remove_dir_all(folder);
    end
}
