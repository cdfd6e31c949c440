//! Operations and their algorithms: what is computed, in which ways, and what each way claims.
//!
//! An operation is a folder with the same rooms in each: the table of algorithms (`mod.rs`), launch
//! plans (`plan.rs`), the algorithms on the CPU (`twin.rs`), the accurate answer (`reference.rs`).

pub mod batch_norm;
mod bound;
pub mod conv2d;
pub mod cumsum;
mod form;
pub mod index_add;
pub mod instructions;
pub mod matmul;
#[cfg(test)]
pub(crate) mod plan_tests;
pub mod reduce;
pub mod twin;

use crate::batch::Axis;
use crate::device::Problem;
use crate::device::plan::{Module, Plan};
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::InputSpec;
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Setting, Shape, Workload};

pub use form::{Form, PeerWay, Precision};

/// Every operation of the suite.
pub static OPERATIONS: &[&dyn Operation] = &[
    &reduce::Reduce,
    &matmul::Matmul,
    &batch_norm::BatchNorm,
    &conv2d::Conv2d,
    &conv2d::Conv2dBackward,
    &index_add::IndexAdd,
    &cumsum::CumSum,
];

/// What is computed.
pub trait Operation: Sync {
    /// Its name in files and on the screen.
    fn name(&self) -> &'static str;

    /// What its algorithms are ways to do, for sentences: "ways to sum".
    fn ways(&self) -> &'static str;

    /// Its table of algorithms; empty where peers alone compute it.
    fn algorithms(&self) -> &'static [Algorithm] {
        &[]
    }

    /// Parses a shape in this operation's terms.
    ///
    /// # Errors
    /// Names the keys that it takes, or the extent that does not fit.
    fn shape(&self, text: &str) -> Result<Shape>;

    /// The shape in words, for instance "sum of 2^24".
    fn describe(&self, shape: &Shape) -> String;

    /// How many terms each of the longest sums in `shape` has, where extents alone tell.
    fn terms(&self, _: &Shape) -> Option<u64> {
        None
    }

    /// The inputs of a workload.
    fn inputs(&self, workload: &Workload) -> Vec<InputSpec>;

    /// The shape in which a matrix of `rows`×`columns` weights is one of its inputs, and that input's
    /// place.
    fn of_weights(&self, _rows: u64, _columns: u64) -> Option<(String, usize)> {
        None
    }

    /// Refuses what a workload sets and this operation does not know.
    ///
    /// # Errors
    /// Names the key, or the value that is out of range.
    fn check_setting(&self, setting: &Setting) -> Result<()> {
        setting.only(&[]).map_err(|error| Error::input(format!("{} {error}", self.name())))
    }

    /// The outputs of a way, in the order of their digest.
    fn outputs(&self, form: Form, workload: &Workload) -> Vec<OutputSpec>;

    /// Why a way has no answer for `workload`, if so.
    fn reason_to_skip(&self, _: Form, _: &Workload) -> Option<String> {
        None
    }

    /// Which of several functions the way called `name` computes, where there are several: only ways of
    /// the same one stand in for each other, so only these are weighed against each other.
    fn function(&self, _name: &str) -> &'static str {
        ""
    }

    /// Whether twins are over before another thread has woken up: they are executed by the thread that asks.
    fn is_small(&self) -> bool {
        false
    }

    /// Ways of others that can be measured beside its algorithms.
    fn peers(&self) -> &'static [PeerWay] {
        &[]
    }

    /// Comparisons of one way with another, or with the reference, that explain differences which
    /// are no matter of repetition.
    fn gaps(&self) -> &'static [Gap] {
        &[]
    }

    /// How many rows of a batch `workload` has: parts of the first input from which the same parts of every
    /// output follow, with what all rows share. Their bits need not depend on one another; whether they do is
    /// what [`Algorithm::batch_invariant`] says.
    ///
    /// # Errors
    /// Why there is no such batch: the reason of a skipped row.
    fn batch_rows(&self, _: Form, _: &Workload) -> std::result::Result<u64, String> {
        Err(format!("{} has no rows that a batch could be made of", self.name()))
    }

    /// The same problem with a batch of these rows of it, in this order; a row may come several times. Each
    /// output has as many rows then. A problem without rows is given back as it is.
    ///
    /// # Panics
    /// If a row is not below [`Operation::batch_rows`].
    fn rebatch(&self, problem: &Problem, _rows: &[u64]) -> Problem {
        Problem { workload: problem.workload.clone(), inputs: problem.inputs.clone() }
    }

    /// What each output of a batch of `rows` must be, bit by bit, if a row's bits are its own: these rows of
    /// `outputs`, those of the whole `problem`. Rows are the first axis of every output, unless an operation
    /// says otherwise.
    ///
    /// # Panics
    /// If a row is not below [`Operation::batch_rows`].
    fn gather(&self, form: Form, problem: &Problem, outputs: &[Tensor], rows: &[u64]) -> Vec<Tensor> {
        let Ok(count) = self.batch_rows(form, &problem.workload) else { return outputs.to_vec() };
        let gathered = |output: &Tensor| Axis::first(count, output.len() as u64 / count).gather(output, rows);
        outputs.iter().map(gathered).collect()
    }

    /// Shapes on which every algorithm is verified, the most valuable first: ordinary ones, then odd
    /// ones around every tile's edge.
    fn check_shapes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What has to be done, for the throughput.
    fn work(&self, workload: &Workload) -> Work;

    /// The accurate answer for these inputs.
    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference;

    /// The largest error that a way may make, per entry of [`Operation::outputs`] and element.
    fn bound(
        &self,
        form: Form,
        workload: &Workload,
        target: &Target,
        inputs: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>>;
}

/// One way to compute an operation: a row of the operation's table.
pub struct Algorithm {
    /// Its name within the operation.
    pub name: &'static str,
    /// What it was made with, `key=value`, where that tells it from another of the same name; else
    /// empty.
    pub setting: &'static str,
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
    /// `accumulator_digest` in place of `digest`, and is left out when timing.
    pub accumulator: bool,
    /// Its accurate answer's place in [`Reference::outputs`].
    pub reference: usize,
    /// The input whose values it holds when an execution starts, if the algorithm updates it in place.
    pub restored_from: Option<usize>,
}

impl OutputSpec {
    /// An output whose accurate answer is the `reference`-th, poisoned before every execution.
    pub fn new(name: &'static str, len: usize, dtype: Dtype, reference: usize) -> Self {
        Self { name, len, dtype, accumulator: false, reference, restored_from: None }
    }

    /// A tensor for it, of zeros.
    pub fn tensor(&self) -> Tensor {
        Tensor::zeros(self.name, self.dtype, self.len)
    }
}

/// A comparison of one output of two ways on the same inputs. It becomes a row of its own, told apart
/// by `setting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// What makes the two differ, for instance `algorithm`.
    pub kind: &'static str,
    /// The algorithm whose output is compared.
    pub algorithm: &'static str,
    /// The algorithm that it is compared with; `None` for the reference, rounded to the output's type.
    pub against: Option<&'static str>,
    /// The output's name.
    pub output: &'static str,
}

impl Gap {
    /// What tells its rows apart: a setting.
    pub fn setting(&self) -> String {
        format!("against={};gap={}", self.against.unwrap_or("reference"), self.kind)
    }
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
    /// Entries that [`OutputSpec::reference`] refers to.
    pub outputs: Vec<ReferenceOutput>,
    /// Why no order of operations is sure to stay finite, if so.
    pub range: Option<String>,
}

/// The accurate answer for one output; or figures that only the bound needs, which no output refers
/// to.
#[derive(Debug, Clone, Default)]
pub struct ReferenceOutput {
    /// The values.
    pub values: Vec<f64>,
    /// Per element, the sum of the terms' magnitudes, Σ|x|; empty where the bound needs none.
    pub magnitudes: Vec<f64>,
    /// Per element, how far `values` themselves may be off; empty where the bound computes that.
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
