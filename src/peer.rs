//! Peers: somebody else's code on the same inputs, through the same metrics. A peer is a Python program
//! that the binary carries; it is started once per setting, asked by lines of JSON, and hands arrays over as files.

pub(crate) mod npy;
mod prepared;
mod process;
mod setting;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;

use crate::device::{Prepared, Problem};
use crate::error::{Error, Result};
use crate::operation::{OutputSpec, PeerWay, Precision};
use crate::workload::Workload;
use prepared::PreparedPeer;
use process::{Answer, Process, told};
use setting::PeerSetting;
pub use setting::Place;

/// How long a peer may take for an answer. Loading PyTorch from a cold disk takes long, a hang forever.
const PATIENCE: Duration = Duration::from_secs(600);

/// The peers that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PeerName {
    /// numpy, on the CPU.
    Numpy,
    /// PyTorch, on the CPU or a GPU, under one setting after the other.
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

    fn program(self) -> &'static str {
        match self {
            Self::Numpy => concat!(
                include_str!("../scripts/peers/protocol.py"),
                include_str!("../scripts/peers/numpy_peer.py")
            ),
            Self::Torch => concat!(
                include_str!("../scripts/peers/protocol.py"),
                include_str!("../scripts/peers/torch_peer.py")
            ),
        }
    }
}

/// A peer under one setting. Its process starts when it is needed first, and again after it crashed.
pub struct Peer {
    name: PeerName,
    program: Cow<'static, str>,
    python: PathBuf,
    place: Place,
    setting: PeerSetting,
    patience: Duration,
    process: RefCell<Option<Process>>,
    version: RefCell<String>,
    starts: Cell<u64>,
    next_id: Cell<u64>,
    /// Where arrays are exchanged; deleted with the peer.
    folder: tempfile::TempDir,
}

impl Peer {
    /// A peer in `python` at `place`: one for each of its settings, the first of which is started.
    ///
    /// # Errors
    /// If there is no such Python, or it lacks what the peer needs.
    pub fn start(name: PeerName, python: &Path, place: &Place) -> Result<Vec<Self>> {
        let settings = PeerSetting::all(name, place).into_iter();
        let program = || Cow::Borrowed(name.program());
        let peers = settings
            .map(|setting| Self::new(name, program(), python, place.clone(), setting))
            .collect::<Result<Vec<_>>>()?;
        if let Some(usual) = peers.first() {
            // What is missing is the user's to mend, so not a row's error.
            usual.be_ready().map_err(|error| Error::input(error.to_string()))?;
        }
        Ok(peers)
    }

    fn new(
        name: PeerName,
        program: Cow<'static, str>,
        python: &Path,
        place: Place,
        setting: PeerSetting,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("samebits-peer-")
            .tempdir()
            .map_err(Error::file(std::env::temp_dir(), "cannot make a folder for the peer's arrays"))?;
        Ok(Self {
            name,
            program,
            python: python.to_owned(),
            place,
            setting,
            patience: PATIENCE,
            process: RefCell::new(None),
            version: RefCell::default(),
            starts: Cell::new(0),
            next_id: Cell::new(0),
            folder,
        })
    }

    /// The same peer under the same setting in another process, which is not started yet.
    ///
    /// # Errors
    /// If there is no room for its arrays.
    pub fn restarted(&self) -> Result<Self> {
        let (place, setting) = (self.place.clone(), self.setting.clone());
        let again = Self::new(self.name, self.program.clone(), &self.python, place, setting)?;
        Ok(Self { patience: self.patience, ..again })
    }

    /// The engine in rows.
    pub fn engine(&self) -> &'static str {
        self.name.engine()
    }

    /// The engine with its version, for instance `torch 2.15.0`; without it before the first start.
    pub fn version(&self) -> String {
        format!("{} {}", self.engine(), told(&self.version.borrow())).trim_end().to_owned()
    }

    /// Whether a way is its own, and its setting can matter for it.
    pub fn measures(&self, way: &PeerWay, workload: &Workload) -> bool {
        way.engine == self.engine() && self.setting.matters(workload)
    }

    /// What is set for a way of this peer, as rows write it.
    pub fn setting(&self, way: &PeerWay) -> String {
        if way.threaded { self.setting.to_string() } else { self.setting.on_one_thread().to_string() }
    }

    /// How exactly it computes a workload.
    pub fn precision(&self, workload: &Workload) -> Precision {
        self.setting.precision(&self.place, workload)
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
        self.be_ready()?;
        let id = self.next_id.replace(self.next_id.get() + 1);
        let paths: Vec<_> = problem.inputs.iter().map(|tensor| self.array(id, tensor.name, "npy")).collect();
        let mut inputs = serde_json::Map::new();
        for (tensor, path) in problem.inputs.iter().zip(&paths) {
            npy::write(path, tensor).map_err(Error::file(path, "cannot write an input"))?;
            inputs.insert(tensor.name.to_owned(), json!(path));
        }
        let workload = &problem.workload;
        let prepared = self.ask(&json!({
            "do": "prepare",
            "id": id,
            "operation": workload.operation.name(),
            "way": way.name,
            "shape": workload.shape.to_string(),
            "setting": workload.setting.to_string(),
            "inputs": inputs,
        }));
        for path in paths {
            // If that fails, the folder goes with the peer.
            let _ = std::fs::remove_file(path);
        }
        prepared?;
        Ok(Box::new(PreparedPeer::new(self, id, self.starts.get(), specs)))
    }

    /// How often it was started.
    fn starts(&self) -> u64 {
        self.starts.get()
    }

    fn array(&self, id: u64, name: &str, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{id}-{name}.{kind}"))
    }

    /// Starts it, unless it runs.
    fn be_ready(&self) -> Result<()> {
        if self.process.borrow().is_some() {
            return Ok(());
        }
        let surroundings = (&self.setting, &self.place);
        let folder = self.folder.path();
        let process =
            Process::start(self.name, &self.program, &self.python, surroundings, folder, self.patience)?;
        *self.process.borrow_mut() = Some(process);
        self.starts.set(self.starts.get() + 1);
        let (device, l2_bytes) = match &self.place {
            Place::Cpu { .. } => ("cpu", 0),
            Place::Cuda { l2_bytes, .. } => ("cuda", *l2_bytes),
        };
        let setting = self.setting.values();
        let hello = json!({"do": "hello", "device": device, "setting": setting, "l2_bytes": l2_bytes});
        match self.ask(&hello) {
            Ok(answer) => {
                *self.version.borrow_mut() = answer.version;
                Ok(())
            }
            Err(error) => {
                *self.process.borrow_mut() = None;
                Err(error)
            }
        }
    }

    /// Asks its process. One that fails to answer is ended.
    fn ask(&self, request: &serde_json::Value) -> Result<Answer> {
        let engine = self.engine();
        let mut process = self.process.borrow_mut();
        let asked =
            process.as_mut().map_or_else(|| Err("ended before".to_owned()), |process| process.ask(request));
        let answer = asked.map_err(|problem| {
            *process = None;
            Error::device(format!("the peer {engine} {problem}"))
        })?;
        match (answer.error, answer.refused) {
            (Some(error), _) => Err(Error::device(format!("{engine}: {}", told(&error)))),
            (None, Some(words)) => Err(Error::Refused(format!("refused by {engine}: {}", told(&words)))),
            (None, None) => Ok(Answer { error: None, refused: None, ..answer }),
        }
    }
}
