//! A way to compute an operation as rows tell it: an algorithm of our own, or a peer's.

use crate::device::{Prepared, Problem, Staged};
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::measurement::OWN_ENGINE;
use crate::operation::{Algorithm, Form, OutputSpec, PeerWay};
use crate::peer::Peer;
use crate::perturbation::Perturbation;
use crate::suite::observe::execute;
use crate::tensor::{Dtype, Tensor};
use crate::workload::Workload;

/// A way, on its way to rows.
#[derive(Clone)]
pub struct Way<'a> {
    /// Whose code runs.
    pub engine: &'static str,
    /// Its name within the operation.
    pub name: &'static str,
    /// What was set for it, beside the workload's own setting.
    pub setting: String,
    /// What it claims.
    pub guarantee: Guarantee,
    /// Whether it claims that too.
    pub batch_invariant: bool,
    kind: Kind<'a>,
}

/// Whose it is.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Own(&'static Algorithm),
    Foreign(&'a Peer, &'static PeerWay),
}

impl<'a> Way<'a> {
    /// An algorithm of our own.
    pub fn own(algorithm: &'static Algorithm) -> Self {
        Self {
            engine: OWN_ENGINE,
            name: algorithm.name,
            setting: algorithm.setting.to_owned(),
            guarantee: algorithm.guarantee,
            batch_invariant: algorithm.batch_invariant,
            kind: Kind::Own(algorithm),
        }
    }

    fn of_peer(peer: &'a Peer, way: &'static PeerWay) -> Self {
        Self {
            engine: way.engine,
            name: way.name,
            setting: peer.setting(way),
            guarantee: Guarantee::NotGuaranteed,
            batch_invariant: false,
            kind: Kind::Foreign(peer, way),
        }
    }

    /// Every way of a workload's operation, our own first.
    pub fn all(workload: &Workload, peers: &'a [Peer]) -> Vec<Self> {
        let own = workload.operation.algorithms().iter().map(Self::own);
        let of_peers = peers.iter().flat_map(|peer| {
            let its = workload.operation.peers().iter().filter(|way| peer.measures(way, workload));
            its.map(move |way| Self::of_peer(peer, way))
        });
        own.chain(of_peers).collect()
    }

    /// The algorithm that it is, if it is our own.
    pub fn own_algorithm(&self) -> Option<&'static Algorithm> {
        match self.kind {
            Kind::Own(algorithm) => Some(algorithm),
            Kind::Foreign(..) => None,
        }
    }

    /// Whether it is an algorithm of our own.
    pub fn is_own(&self) -> bool {
        self.own_algorithm().is_some()
    }

    /// The version of the peer whose way it is, for instance `torch 2.15.0`.
    pub fn peer_version(&self) -> Option<String> {
        match self.kind {
            Kind::Own(_) => None,
            Kind::Foreign(peer, _) => Some(peer.version()),
        }
    }

    /// What outputs and bound depend on, on a workload of that type.
    pub fn form(&self, workload: &Workload) -> Form<'static> {
        match self.kind {
            Kind::Own(algorithm) => Form::Own(algorithm),
            Kind::Foreign(peer, way) => Form::Foreign(way, peer.precision(workload)),
        }
    }

    /// Its outputs, in the order of their digest.
    pub fn outputs(&self, workload: &Workload) -> Vec<OutputSpec> {
        workload.operation.outputs(self.form(workload), workload)
    }

    /// Whether it claims that its bits are the same under `perturbation`, of which `variant` is the value tried.
    pub fn claims(&self, perturbation: Perturbation, variant: &str) -> bool {
        let invariant = perturbation == Perturbation::Batch && self.batch_invariant;
        invariant || self.guarantee.covers(perturbation, variant)
    }

    /// Whether it may vary under that value of `perturbation`, so that it shows whether the test could notice. What peers do is
    /// unknown.
    pub fn is_canary(&self, perturbation: Perturbation, variant: &str) -> bool {
        self.is_own() && !self.claims(perturbation, variant)
    }

    /// The input types that it takes.
    pub fn dtypes(&self) -> &'static [Dtype] {
        match self.kind {
            Kind::Own(algorithm) => algorithm.dtypes,
            Kind::Foreign(_, way) => way.dtypes,
        }
    }

    /// What tells it from other ways of the operation.
    pub fn key(&self) -> [String; 3] {
        [self.engine.to_owned(), self.name.to_owned(), self.setting.clone()]
    }

    /// Makes it ready to be executed on a problem that lies `staged` on the device.
    ///
    /// # Errors
    /// If the device or the peer refuses.
    pub fn prepare<'s>(&self, problem: &Problem, staged: &'s dyn Staged) -> Result<Box<dyn Prepared + 's>>
    where
        'a: 's,
    {
        match self.kind {
            Kind::Own(algorithm) => staged.prepare(algorithm),
            Kind::Foreign(peer, way) => peer.prepare(way, problem, self.outputs(&problem.workload)),
        }
    }

    /// Executes a peer's way in a process that is started for it: the outputs.
    ///
    /// # Errors
    /// If the peer does not start again, refuses or fails; for a way of our own, which a worker executes.
    pub fn execute_anew(&self, problem: &Problem, number: u64) -> Result<Vec<Tensor>> {
        match self.kind {
            Kind::Own(_) => Err(Error::device(format!("{} is executed by workers", self.name))),
            Kind::Foreign(peer, way) => {
                let peer = peer.restarted()?;
                let mut prepared = peer.prepare(way, problem, self.outputs(&problem.workload))?;
                Ok(execute(&mut *prepared, number)?.to_vec())
            }
        }
    }
}
