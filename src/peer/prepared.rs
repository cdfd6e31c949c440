//! A peer's way on its inputs: executed there, its outputs fetched, its times as the peer takes them.

use std::time::Duration;

use serde_json::json;

use crate::device::{Cache, KernelIdentity, Prepared};
use crate::digest::short_hash;
use crate::error::{Error, Result};
use crate::operation::OutputSpec;
use crate::peer::Peer;
use crate::peer::process::Answer;
use crate::poison::Poison;
use crate::tensor::Tensor;

/// A peer's way with its inputs.
pub(super) struct PreparedPeer<'a> {
    peer: &'a Peer,
    id: u64,
    /// Which of the peer's processes has the inputs.
    start: u64,
    specs: Vec<OutputSpec>,
    outputs: Vec<Tensor>,
}

impl<'a> PreparedPeer<'a> {
    pub(super) fn new(peer: &'a Peer, id: u64, start: u64, specs: Vec<OutputSpec>) -> Self {
        let outputs = specs.iter().map(OutputSpec::tensor).collect();
        Self { peer, id, start, specs, outputs }
    }

    fn ask(&self, request: &serde_json::Value) -> Result<Answer> {
        if self.peer.starts() != self.start {
            return Err(Error::device(format!("the peer {} ended before", self.peer.engine())));
        }
        self.peer.ask(request)
    }
}

impl Prepared for PreparedPeer<'_> {
    /// Its outputs are new arrays every time; ours are poisoned, and take exactly as many bytes as it
    /// hands over.
    fn execute(&mut self, poison: Poison) -> Result<()> {
        let engine = self.peer.engine();
        let path = |spec: &OutputSpec| self.peer.array(self.id, spec.name, "bin");
        let files: serde_json::Map<_, _> =
            self.specs.iter().map(|spec| (spec.name.to_owned(), json!(path(spec)))).collect();
        self.ask(&json!({"do": "execute", "id": self.id, "outputs": files}))?;
        let paths: Vec<_> = self.specs.iter().map(path).collect();
        for (output, path) in self.outputs.iter_mut().zip(paths) {
            poison.fill(output);
            let bytes = std::fs::read(&path).map_err(Error::file(&path, "the peer left no output"))?;
            // So that it is not taken for the next execution's.
            let _ = std::fs::remove_file(&path);
            if bytes.len() != output.bytes().len() {
                let (name, expected) = (output.name, output.bytes().len());
                let given = bytes.len();
                return Err(Error::device(format!(
                    "{engine}: {name} has {given} bytes in place of {expected}"
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
    fn time(&mut self, iterations: u64, cache: Cache) -> Result<Duration> {
        let cache = match cache {
            Cache::Cold => "cold",
            Cache::Hot => "hot",
        };
        let question = json!({"do": "time", "id": self.id, "iterations": iterations, "cache": cache});
        Ok(Duration::from_nanos(self.ask(&question)?.ns))
    }

    fn kernel(&self) -> KernelIdentity {
        KernelIdentity { kernel: short_hash(self.peer.version().as_bytes()), cubin: String::new() }
    }
}

impl Drop for PreparedPeer<'_> {
    fn drop(&mut self) {
        // Frees its arrays; a peer that ended has none.
        let _ = self.ask(&json!({"do": "forget", "id": self.id}));
        for spec in &self.specs {
            let _ = std::fs::remove_file(self.peer.array(self.id, spec.name, "bin"));
        }
    }
}
