//! Operations and their algorithms: what is computed, in which ways, and what each way claims.
//!
//! An operation is a folder with the same rooms in each: the table of algorithms (`mod.rs`), launch
//! plans (`plan.rs`), the algorithms on the CPU (`twin.rs`), the accurate answer (`reference.rs`).

pub mod reduce;

use crate::device::plan::{Module, Plan};
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::InputSpec;
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

/// Every operation of the suite.
pub static OPERATIONS: &[&dyn Operation] = &[&reduce::Reduce];

/// What is computed.
pub trait Operation: Sync {
    /// Its name in files and on the screen.
    fn name(&self) -> &'static str;

    /// What its algorithms are ways to do, for sentences: "ways to sum".
    fn ways(&self) -> &'static str;

    /// Its table of algorithms.
    fn algorithms(&self) -> &'static [Algorithm];

    /// Refuses a shape whose keys are not this operation's.
    ///
    /// # Errors
    /// Names the keys that it takes.
    fn check_shape(&self, shape: &Shape) -> Result<()>;

    /// The shape in words, for instance "sum of 2^24".
    fn describe(&self, shape: &Shape) -> String;

    /// The inputs of a workload.
    fn inputs(&self, workload: &Workload) -> Vec<InputSpec>;

    /// The outputs of a workload, in the order of their digest.
    fn outputs(&self, workload: &Workload) -> Vec<OutputSpec>;

    /// Shapes on which every algorithm is verified, the most valuable first: ordinary ones, then odd
    /// ones around every tile's edge.
    fn check_shapes(&self) -> Vec<String>;

    /// What has to be done, for the throughput.
    fn work(&self, workload: &Workload) -> Work;

    /// The accurate answer for these inputs.
    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference;

    /// The largest error that `algorithm` may make, per output and element.
    fn bound(
        &self,
        algorithm: &Algorithm,
        workload: &Workload,
        target: &Target,
        reference: &Reference,
    ) -> Vec<Vec<f64>>;
}

/// One way to compute an operation: a row of the operation's table.
pub struct Algorithm {
    /// Its name within the operation.
    pub name: &'static str,
    /// What it claims about its bits.
    pub guarantee: Guarantee,
    /// Whether a row's bits are the same in every batch.
    pub batch_invariant: bool,
    /// What its order of additions is a function of.
    pub order: &'static str,
    /// The input types that it takes.
    pub dtypes: &'static [Dtype],
    /// Whether every element goes through one contended atomic, so that large shapes take very long.
    pub contended: bool,
    /// The compiled kernels that hold its entries.
    pub module: &'static Module,
    /// Its launch plan on a GPU.
    pub plan: fn(&Workload, &Target) -> Plan,
    /// The same algorithm on the CPU: fills poisoned outputs.
    pub twin: fn(&Workload, &Target, &[Tensor], &mut [Tensor]),
    /// The longest chain of additions on the way from an input to an output.
    pub depth: fn(&Workload, &Target) -> u64,
}

impl std::fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What a plan depends on besides the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Streaming multiprocessors; on the CPU a nominal number.
    pub sm_count: u32,
}

/// One output of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputSpec {
    /// The tensor's name.
    pub name: &'static str,
    /// Elements.
    pub len: usize,
    /// Element type.
    pub dtype: Dtype,
    /// Whether it is the f32 store of a result that is also stored narrower: it goes into
    /// `accumulator_digest` in place of `digest`.
    pub accumulator: bool,
}

/// What an operation has to do at the least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// Bytes that must be moved.
    Bytes(u64),
    /// Floating-point operations that must be done.
    Flops(u64),
}

impl Work {
    /// Work per nanosecond, which is GB/s or GFLOP/s, and that unit.
    pub fn throughput(self, ns: f64) -> (f64, &'static str) {
        match self {
            Self::Bytes(bytes) => (bytes as f64 / ns, "GB/s"),
            Self::Flops(flops) => (flops as f64 / ns, "GFLOP/s"),
        }
    }
}

/// The accurate answer.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Per output.
    pub outputs: Vec<ReferenceOutput>,
    /// Why no order of operations is sure to stay finite, if so.
    pub range: Option<String>,
}

/// The accurate answer for one output.
#[derive(Debug, Clone)]
pub struct ReferenceOutput {
    /// The values.
    pub values: Vec<f64>,
    /// Per element, the sum of the terms' magnitudes, Σ|x|.
    pub magnitudes: Vec<f64>,
    /// Per element, how far `values` themselves may be off.
    pub own_error: Vec<f64>,
}

/// The operation called `name`.
///
/// # Errors
/// Lists the operations there are.
pub fn find(name: &str) -> Result<&'static dyn Operation> {
    OPERATIONS.iter().copied().find(|operation| operation.name() == name).ok_or_else(|| {
        let known: Vec<_> = OPERATIONS.iter().map(|operation| operation.name()).collect();
        Error::input(format!("unknown operation \"{name}\"; known: {}", known.join(", ")))
    })
}
