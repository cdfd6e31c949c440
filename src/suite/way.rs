//! A way to compute an operation as rows tell it: an algorithm of our own, or a peer's.

use crate::device::{Prepared, Staged};
use crate::error::Result;
use crate::guarantee::Guarantee;
use crate::measurement::OWN_ENGINE;
use crate::operation::{Algorithm, PeerWay};
use crate::peer::Peer;
use crate::perturbation::Perturbation;
use crate::suite::case::Case;
use crate::tensor::Dtype;
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
    /// Whose outputs it has, and whose bound covers it: itself, if it is our own.
    pub algorithm: &'static Algorithm,
    peer: Option<(&'a Peer, &'static PeerWay)>,
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
            algorithm,
            peer: None,
        }
    }

    fn of_peer(peer: &'a Peer, way: &'static PeerWay) -> Self {
        Self {
            engine: way.engine,
            name: way.name,
            setting: peer.setting(way),
            guarantee: Guarantee::NotGuaranteed,
            batch_invariant: false,
            algorithm: way.like,
            peer: Some((peer, way)),
        }
    }

    /// Every way of a workload's operation, our own first.
    pub fn all(workload: &Workload, peers: &'a [Peer]) -> Vec<Self> {
        let own = workload.operation.algorithms().iter().map(Self::own);
        let of_peers = peers.iter().flat_map(|peer| {
            let its = workload.operation.peers().iter().filter(|way| way.engine == peer.engine());
            its.map(move |way| Self::of_peer(peer, way))
        });
        own.chain(of_peers).collect()
    }

    /// Whether it is an algorithm of our own.
    pub fn is_own(&self) -> bool {
        self.peer.is_none()
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
        self.peer.map_or(self.algorithm.dtypes, |(_, way)| way.dtypes)
    }

    /// What tells it from other ways of the operation.
    pub fn key(&self) -> [String; 3] {
        [self.engine.to_owned(), self.name.to_owned(), self.setting.clone()]
    }

    /// Makes it ready to be executed on a case that lies `staged` on the device.
    ///
    /// # Errors
    /// If the device or the peer refuses.
    pub fn prepare<'s>(&self, case: &Case, staged: &'s dyn Staged) -> Result<Box<dyn Prepared + 's>>
    where
        'a: 's,
    {
        match self.peer {
            None => staged.prepare(self.algorithm),
            Some((peer, way)) => {
                let workload = &case.problem.workload;
                peer.prepare(way, &case.problem, workload.operation.outputs(way.like, workload))
            }
        }
    }
}
