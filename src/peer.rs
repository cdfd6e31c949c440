//! Peers: somebody else's code on the same inputs, through the same metrics. A peer is a Python program
//! that the binary carries; it is started once, asked by lines of JSON, and hands arrays over as files.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::json;

use crate::device::{Cache, KernelIdentity, Prepared, Problem};
use crate::digest::short_hash;
use crate::error::{Error, Result};
use crate::operation::{OutputSpec, PeerWay};
use crate::poison::Poison;
use crate::tensor::Tensor;

/// The peers that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PeerName {
    /// numpy, on the CPU.
    Numpy,
    /// PyTorch, on the CPU, under one setting after the other.
    Torch,
}

impl PeerName {
    /// The engine in rows.
    pub fn engine(self) -> &'static str {
        match self {
            Self::Numpy => "numpy",
            Self::Torch => "torch",
        }
    }

    /// The settings under which it is measured, each in a process of its own: on `threads` threads, which every
    /// other setting departs from in one thing.
    fn settings(self, threads: usize) -> Vec<PeerSetting> {
        let usual = PeerSetting { threads, deterministic: None };
        match self {
            Self::Numpy => vec![usual],
            Self::Torch => {
                let plain = PeerSetting { deterministic: Some(false), ..usual };
                let mut settings = vec![plain, PeerSetting { deterministic: Some(true), ..usual }];
                if threads > 1 {
                    settings.push(PeerSetting { threads: 1, ..plain });
                }
                settings
            }
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Numpy => include_str!("../scripts/peers/numpy_peer.py"),
            Self::Torch => include_str!("../scripts/peers/torch_peer.py"),
        }
    }
}

/// What is set for a peer before it computes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PeerSetting {
    threads: usize,
    /// PyTorch's `use_deterministic_algorithms`; `None` for peers that have no such thing.
    deterministic: Option<bool>,
}

/// A peer that was started.
pub struct Peer {
    name: PeerName,
    version: String,
    setting: PeerSetting,
    process: RefCell<Process>,
    next_id: Cell<u64>,
    /// Where arrays are exchanged; deleted with the peer.
    folder: tempfile::TempDir,
}

struct Process {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it says on stderr, for when it fails.
    complaints: PathBuf,
}

/// What a peer answers. Fields that an answer has no use for are left out.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    error: Option<String>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    ns: u64,
}

impl Peer {
    /// Starts a peer with `python`, on at most `threads` threads: a process for each of its settings.
    ///
    /// # Errors
    /// If there is no such Python, or it lacks what the peer needs.
    pub fn start(name: PeerName, python: &Path, threads: usize) -> Result<Vec<Self>> {
        let settings = name.settings(threads).into_iter();
        settings.map(|setting| Self::start_program(name, name.program(), python, setting)).collect()
    }

    fn start_program(name: PeerName, program: &str, python: &Path, setting: PeerSetting) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("samebits-peer-")
            .tempdir()
            .map_err(Error::file(std::env::temp_dir(), "cannot make a folder for the peer's arrays"))?;
        let process = Process::start(name, program, python, setting.threads, folder.path())?;
        let peer = Self {
            name,
            version: String::new(),
            setting,
            process: RefCell::new(process),
            next_id: Cell::new(0),
            folder,
        };
        // What is missing is the user's to mend, so not a row's error.
        let mut hello = json!({"do": "hello", "threads": setting.threads});
        if let Some(deterministic) = setting.deterministic {
            hello["deterministic"] = json!(deterministic);
        }
        let hello = peer.ask(&hello).map_err(|error| Error::input(error.to_string()))?;
        Ok(Self { version: hello.version, ..peer })
    }

    /// The engine in rows.
    pub fn engine(&self) -> &'static str {
        self.name.engine()
    }

    /// What is set for a way of this peer, as rows write it.
    pub fn setting(&self, way: &PeerWay) -> String {
        let threads = if way.threaded { self.setting.threads } else { 1 };
        match self.setting.deterministic {
            Some(deterministic) => format!("deterministic={};threads={threads}", u8::from(deterministic)),
            None => format!("threads={threads}"),
        }
    }

    /// Makes a way ready to be executed on a problem's inputs; its outputs are `specs`.
    ///
    /// # Errors
    /// If the inputs cannot be handed over, or the peer refuses.
    pub fn prepare(
        &self,
        way: &'static PeerWay,
        problem: &Problem,
        specs: Vec<OutputSpec>,
    ) -> Result<Box<dyn Prepared + '_>> {
        let id = self.next_id.replace(self.next_id.get() + 1);
        let mut inputs = serde_json::Map::new();
        for tensor in &problem.inputs {
            let path = self.array(id, tensor.name);
            std::fs::write(&path, tensor.bytes()).map_err(Error::file(&path, "cannot write an input"))?;
            inputs.insert(tensor.name.to_owned(), json!([path, tensor.dtype().name()]));
        }
        let workload = &problem.workload;
        self.ask(&json!({
            "do": "prepare",
            "id": id,
            "operation": workload.operation.name(),
            "way": way.name,
            "shape": workload.shape.to_string(),
            "setting": workload.setting.to_string(),
            "inputs": inputs,
        }))?;
        let outputs = specs.iter().map(OutputSpec::tensor).collect();
        let prepared = PreparedPeer { peer: self, id, specs, outputs };
        for tensor in &problem.inputs {
            prepared.peer.remove(id, tensor.name);
        }
        Ok(Box::new(prepared))
    }

    fn array(&self, id: u64, name: &str) -> PathBuf {
        self.folder.path().join(format!("{id}-{name}.bin"))
    }

    /// Deletes an array that was handed over. If that fails, the folder goes with the peer.
    fn remove(&self, id: u64, name: &str) {
        let _ = std::fs::remove_file(self.array(id, name));
    }

    fn ask(&self, request: &serde_json::Value) -> Result<Answer> {
        let mut process = self.process.borrow_mut();
        let answer = process.ask(request).map_err(|problem| {
            Error::device(format!("the peer {} {problem}{}", self.engine(), process.complaint()))
        })?;
        match answer.error {
            Some(error) => Err(Error::device(format!("{}: {error}", self.engine()))),
            None => Ok(answer),
        }
    }
}

impl Process {
    fn start(name: PeerName, program: &str, python: &Path, threads: usize, folder: &Path) -> Result<Self> {
        let complaints = folder.join("stderr");
        let stderr = std::fs::File::create(&complaints)
            .map_err(Error::file(&complaints, "cannot keep what the peer says"))?;
        let mut command = Command::new(python);
        command.args(["-u", "-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        // Between calls OpenBLAS's threads spin for 2^26 cycles, which would be taken from whoever is timed
        // next; 2^16 still cover the time from one of its calls to the next.
        command.env("OPENBLAS_THREAD_TIMEOUT", "16");
        // The same of GNU's OpenMP, which PyTorch brings.
        command.env("GOMP_SPINCOUNT", "10000");
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
                Ok(Self { child, requests, answers: BufReader::new(answers), complaints })
            }
            _ => Err(Error::input(format!("--peer {}: no pipe to it", name.engine()))),
        }
    }

    /// Asks and waits; says what went wrong, as the end of a sentence about the peer.
    fn ask(&mut self, request: &serde_json::Value) -> std::result::Result<Answer, String> {
        let mut line = String::new();
        let asked = writeln!(self.requests, "{request}").and_then(|()| self.requests.flush());
        match asked {
            // It ended, but may have said something before.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(format!("ended ({error})")),
            _ => self.answers.read_line(&mut line).map_err(|error| format!("ended ({error})"))?,
        };
        if line.is_empty() {
            return Err("ended".to_owned());
        }
        serde_json::from_str(&line).map_err(|_| {
            let shown: String = line.trim().chars().take(60).flat_map(char::escape_debug).collect();
            format!("answered \"{shown}\", which is no answer")
        })
    }

    /// The last line that it said on stderr.
    fn complaint(&self) -> String {
        let said = std::fs::read(&self.complaints).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or_else(String::new, |line| format!(": {}", line.trim()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to lose, and must not outlive this program.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer's way with its inputs.
struct PreparedPeer<'a> {
    peer: &'a Peer,
    id: u64,
    specs: Vec<OutputSpec>,
    outputs: Vec<Tensor>,
}

impl Prepared for PreparedPeer<'_> {
    /// Its outputs are new arrays every time; ours are poisoned, and take exactly as many bytes as it
    /// hands over.
    fn execute(&mut self, poison: Poison) -> Result<()> {
        let files: serde_json::Map<_, _> = self
            .specs
            .iter()
            .map(|spec| (spec.name.to_owned(), json!(self.peer.array(self.id, spec.name))))
            .collect();
        self.peer.ask(&json!({"do": "execute", "id": self.id, "outputs": files}))?;
        for (output, spec) in self.outputs.iter_mut().zip(&self.specs) {
            poison.fill(output);
            let path = self.peer.array(self.id, spec.name);
            let bytes = std::fs::read(&path).map_err(Error::file(&path, "the peer left no output"))?;
            if bytes.len() != output.bytes().len() {
                return Err(Error::device(format!(
                    "{}: {} has {} bytes in place of {}",
                    self.peer.engine(),
                    spec.name,
                    bytes.len(),
                    output.bytes().len()
                )));
            }
            output.bytes_mut().copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&self.outputs)
    }

    /// As the peer itself measures it, so that asking and answering is not part of it.
    fn time(&mut self, iterations: u64, _: Cache) -> Result<Duration> {
        let answer = self.peer.ask(&json!({"do": "time", "id": self.id, "iterations": iterations}))?;
        Ok(Duration::from_nanos(answer.ns))
    }

    fn kernel(&self) -> KernelIdentity {
        let source = format!("{} {}", self.peer.engine(), self.peer.version);
        KernelIdentity { kernel: short_hash(source.as_bytes()), cubin: String::new() }
    }
}

impl Drop for PreparedPeer<'_> {
    fn drop(&mut self) {
        // Frees its arrays; a peer that ended has none.
        let _ = self.peer.ask(&json!({"do": "forget", "id": self.id}));
        for spec in &self.specs {
            self.peer.remove(self.id, spec.name);
        }
    }
}
