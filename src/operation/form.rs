//! What a way's outputs, bound and refusals depend on: an algorithm of ours, of which everything is known, or a
//! peer's way, of which it is known what it computes, not how.

use crate::operation::Algorithm;
use crate::tensor::Dtype;

/// A way, as far as an operation has to know it.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// An algorithm of ours.
    Own(&'a Algorithm),
    /// Somebody else's: its additions come in whatever order.
    Foreign(&'static PeerWay, Precision),
}

impl Form<'_> {
    /// The way's name within the operation.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Own(algorithm) => algorithm.name,
            Self::Foreign(way, _) => way.name,
        }
    }

    /// How exactly it adds and multiplies.
    pub fn precision(&self) -> Precision {
        match self {
            Self::Own(_) => Precision::F32,
            Self::Foreign(_, precision) => *precision,
        }
    }

    /// Whether the f32 results of what it stores as f16 are outputs too.
    pub fn stores_accumulators(&self) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Foreign(way, _) => way.accumulators,
        }
    }
}

/// A way of somebody else's to compute an operation: nothing is known of its order of operations.
#[derive(Debug)]
pub struct PeerWay {
    /// Whose code: the engine in rows.
    pub engine: &'static str,
    /// Its name within the operation.
    pub name: &'static str,
    /// Whether it uses all the threads that it is given; otherwise one.
    pub threaded: bool,
    /// Whether it also hands over the f32 result of what it stores as f16.
    pub accumulators: bool,
    /// The input types that it takes.
    pub dtypes: &'static [Dtype],
}

/// How exactly sums of products are computed, beside their order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// The largest relative change of a factor before it is multiplied; 0 where it is taken as it is.
    pub factor: f64,
    /// The largest error of a product or an addition, relative to the magnitudes that went into it.
    pub rounding: f64,
    /// How many times the errors of the largest output's terms may show in every other output, where operands are
    /// transformed first; 0 where an output has the errors of its own terms alone.
    pub spread: f64,
}

impl Precision {
    /// f32 throughout, each operation rounded to nearest.
    pub const F32: Self = Self { factor: 0.0, rounding: 1.0 / 16_777_216.0, spread: 0.0 };

    /// The share of Σ|a||b| by which a sum whose longest chain has `depth` roundings may be off.
    pub fn of_sum(self, depth: u64) -> f64 {
        let factors = (1.0 + self.factor) * (1.0 + self.factor);
        factors * depth as f64 * self.rounding + (factors - 1.0)
    }
}
