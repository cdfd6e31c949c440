//! A peer's process: started with a program, asked line by line, ended where it hangs; and what it said.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::peer::PeerName;
use crate::peer::setting::{CUBLAS_WORKSPACE, PeerSetting, Place};

/// Bytes of an answer, at most.
const LONGEST_ANSWER: u64 = 1 << 20;
/// Characters of what a peer says that are told.
const CHARACTERS: usize = 300;

/// What a peer answers. Fields that an answer has no use for are left out.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    /// What went wrong.
    pub error: Option<String>,
    /// What it will not do, in its own words.
    pub refused: Option<String>,
    /// The library's version.
    #[serde(default)]
    pub version: String,
    /// Nanoseconds.
    #[serde(default)]
    pub ns: u64,
}

/// A process that answers.
pub struct Process {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Vec<u8>>,
    /// What it says on stderr, for when it fails.
    complaints: PathBuf,
    patience: Duration,
}

impl Process {
    /// Starts `program` in `python`; it may take `patience` for each answer.
    ///
    /// # Errors
    /// If there is no such Python: what the user has to mend.
    pub fn start(
        name: PeerName,
        program: &str,
        python: &Path,
        (setting, place): (&PeerSetting, &Place),
        folder: &Path,
        patience: Duration,
    ) -> Result<Self> {
        let complaints = folder.join("stderr");
        let stderr = std::fs::File::create(&complaints)
            .map_err(Error::file(&complaints, "cannot keep what the peer says"))?;
        let mut command = Command::new(python);
        command.args(["-u", "-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        surround(&mut command, setting, place);
        let mut child = command.spawn().map_err(|error| {
            let problem = match error.kind() {
                ErrorKind::NotFound => "is not there".to_owned(),
                _ => format!("cannot be started: {error}"),
            };
            Error::input(format!(
                "--peer {}: {} {problem}; give a Python that has it with --python PATH",
                name.engine(),
                python.display()
            ))
        })?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(requests), Some(answers)) => {
                Ok(Self { child, requests, answers: listen(answers), complaints, patience })
            }
            _ => Err(Error::input(format!("--peer {}: no pipe to it", name.engine()))),
        }
    }

    /// Asks and waits; says what went wrong, as the end of a sentence about the peer.
    ///
    /// # Errors
    /// It ended, hangs, or talks nonsense.
    pub fn ask(&mut self, request: &serde_json::Value) -> std::result::Result<Answer, String> {
        let asked = writeln!(self.requests, "{request}").and_then(|()| self.requests.flush());
        match asked {
            // It ended, but may have said something before.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(format!("ended ({error})")),
            _ => {}
        }
        let line = match self.answers.recv_timeout(self.patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("gave no answer within {:?}", self.patience));
            }
            Err(RecvTimeoutError::Disconnected) => {
                // Its last words are there once it is gone.
                let _ = self.child.wait();
                return Err(format!("ended{}", self.complaint()));
            }
        };
        serde_json::from_slice(&line).map_err(|_| {
            let line = String::from_utf8_lossy(&line);
            let shown: String = line.trim().chars().take(60).flat_map(char::escape_debug).collect();
            format!("answered \"{shown}\", which is no answer{}", self.complaint())
        })
    }

    /// The last line that it said on stderr.
    fn complaint(&self) -> String {
        let said = std::fs::read(&self.complaints).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or_else(String::new, |line| format!(": {}", told(line)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to lose, and must not outlive this program.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The environment: threads, the GPU, and what must be set before a library is loaded.
fn surround(command: &mut Command, setting: &PeerSetting, place: &Place) {
    if let Some(threads) = setting.threads() {
        for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"] {
            command.env(variable, threads);
        }
    }
    // Between calls OpenBLAS's threads spin for 2^26 cycles, which would be taken from whoever is timed
    // next; 2^16 still cover the time from one of its calls to the next.
    command.env("OPENBLAS_THREAD_TIMEOUT", "16");
    // The same of GNU's OpenMP, which PyTorch brings.
    command.env("GOMP_SPINCOUNT", "10000");
    if let Place::Cuda { visible, .. } = place {
        command.env("CUDA_VISIBLE_DEVICES", visible);
        // It would overrule what is set.
        command.env_remove("NVIDIA_TF32_OVERRIDE").env_remove("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE");
        match setting.cublas_workspace() {
            Some(value) => command.env(CUBLAS_WORKSPACE, value),
            None => command.env_remove(CUBLAS_WORKSPACE),
        };
    }
}

/// Hands over line by line what it says, until it ends or nobody listens: reading cannot be given up, waiting can.
fn listen(stdout: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, lines) = sync_channel(1);
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            match stdout.by_ref().take(LONGEST_ANSWER).read_until(b'\n', &mut line) {
                Ok(1..) if sender.send(line).is_ok() => {}
                _ => break,
            }
        }
    });
    lines
}

/// What somebody else said, as one line of a sane length, fit for a table's cell.
pub fn told(text: &str) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut plain = plain.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = plain.by_ref().take(CHARACTERS).collect();
    if plain.next().is_some() {
        line.push('…');
    }
    line
}
