//! A worker's process: started, waited for, ended where it hangs; and what it said.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// In the worker's folder: all that it prints. A file takes any amount while nobody reads.
const SAID: &str = "said";
/// Bytes from the end of it that are looked at.
const LOOKED_AT: u64 = 4096;
/// Lines of it that are told: a panic's place, its message, and Rust's remark.
const LINES: usize = 3;
/// Characters that are told at most.
const CHARACTERS: usize = 300;

/// Between two looks at a worker that was just started.
const SHORTEST_WAIT: Duration = Duration::from_micros(250);
/// Between two looks at one that runs for long.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// A process that does not outlive this.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a worker to its end.
///
/// # Errors
/// Says that it crashed, hung or could not be started, and what it said; or what `stop` says, which is asked while
/// it runs.
pub fn run(
    mut command: Command,
    folder: &Path,
    timeout: Duration,
    stop: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let said = folder.join(SAID);
    let cannot = |error| Error::device(format!("cannot start a worker: {error}"));
    let stdout = File::create(&said).map_err(cannot)?;
    let stderr = stdout.try_clone().map_err(cannot)?;
    // The last lines must hold a panic's message, not a backtrace.
    command.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let mut child = Guard(command.spawn().map_err(|error| {
        let program = Path::new(command.get_program()).display();
        Error::device(format!("cannot start a worker, {program}: {error}"))
    })?);
    let status = wait(&mut child.0, timeout, stop)?;
    drop(child);
    let ended = match status {
        Some(status) if status.success() => return Ok(()),
        Some(status) => format!("the worker ended ({status})"),
        None => format!("the worker was ended after {timeout:?} without an answer"),
    };
    Err(Error::device(ended + &last_words(&said)))
}

/// How it ended; `None` if it still runs after `timeout`.
fn wait(child: &mut Child, timeout: Duration, stop: &dyn Fn() -> Result<()>) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        stop()?;
        let status = child
            .try_wait()
            .map_err(|error| Error::device(format!("cannot wait for the worker: {error}")))?;
        let elapsed = start.elapsed();
        if status.is_some() || elapsed >= timeout {
            return Ok(status);
        }
        // A sixteenth of what it took so far is the most that is lost by not looking.
        std::thread::sleep((elapsed / 16).clamp(SHORTEST_WAIT, LONGEST_WAIT).min(timeout - elapsed));
    }
}

/// What it said last, behind a colon; nothing if it said nothing.
fn last_words(said: &Path) -> String {
    let words = tail(said).map(|bytes| one_line(&String::from_utf8_lossy(&bytes))).unwrap_or_default();
    if words.is_empty() { words } else { format!(": {words}") }
}

fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOOKED_AT)))?;
    let mut bytes = Vec::new();
    file.take(LOOKED_AT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last lines of `text` as one of a sane length, fit for a table's cell.
pub fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join(" | ");
    let plain: Vec<char> = last.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match plain.len().checked_sub(CHARACTERS) {
        Some(cut @ 1..) => format!("…{}", plain[cut..].iter().collect::<String>()),
        _ => plain.iter().collect(),
    }
}
