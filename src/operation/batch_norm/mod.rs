//! Batch normalisation, forward, NCHW: every channel is shifted and scaled by its statistics, those of
//! the batch (training) or the running ones (evaluation). f32 or f16 in and out; statistics and
//! parameters are f32.

mod bound;
mod lanes;
pub mod plan;
mod reference;
mod statistics;
mod twin;

use crate::batch::{self, Axis};
use crate::device::Problem;
use crate::device::plan::BATCH_NORM;
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::{InputSpec, Values};
use crate::operation::{Algorithm, Form, Gap, Operation, OutputSpec, PeerWay, Reference, Target, Work};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Setting, Shape, Workload};

/// The table of algorithms: the one place where they are registered.
pub static ALGORITHMS: [Algorithm; 4] = [
    Algorithm {
        name: "split_tree",
        setting: "",
        guarantee: Guarantee::GpuToGpu,
        batch_invariant: false,
        order: "N·H·W alone",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &BATCH_NORM,
        plan: plan::split_tree,
        twin: twin::split_tree,
        depth: plan::split_tree_depth,
    },
    Algorithm {
        name: "channel_tree",
        setting: "",
        guarantee: Guarantee::RunToRun,
        batch_invariant: false,
        order: "N·H·W and the block size, which follows the SM count",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &BATCH_NORM,
        plan: plan::channel_tree,
        twin: twin::channel_tree,
        depth: plan::channel_tree_depth,
    },
    Algorithm {
        name: "atomic",
        setting: "",
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        order: "arrival of the blocks",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &BATCH_NORM,
        plan: plan::atomic,
        twin: twin::atomic,
        depth: plan::atomic_depth,
    },
    Algorithm {
        name: "inference",
        setting: "",
        guarantee: Guarantee::GpuToGpu,
        batch_invariant: true,
        order: "none: elementwise",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &BATCH_NORM,
        plan: plan::inference,
        twin: twin::inference,
        depth: plan::inference_depth,
    },
];

/// The formula as numpy's users write it, a line of array operations per step; and PyTorch's own.
static PEERS: [PeerWay; 4] = [
    PeerWay {
        engine: "numpy",
        name: "formula_train",
        threaded: false,
        accumulators: true,
        dtypes: &Dtype::ALL,
    },
    PeerWay {
        engine: "numpy",
        name: "formula_eval",
        threaded: false,
        accumulators: true,
        dtypes: &Dtype::ALL,
    },
    PeerWay {
        engine: "torch",
        name: "batch_norm_train",
        threaded: true,
        accumulators: false,
        dtypes: &Dtype::ALL,
    },
    PeerWay {
        engine: "torch",
        name: "batch_norm_eval",
        threaded: true,
        accumulators: false,
        dtypes: &Dtype::ALL,
    },
];

static GAPS: [Gap; 3] = [
    Gap { kind: "semantic", algorithm: "split_tree", against: Some("inference"), output: "y" },
    Gap { kind: "algorithm", algorithm: "split_tree", against: Some("channel_tree"), output: "y" },
    Gap { kind: "rounding", algorithm: "split_tree", against: None, output: "y" },
];

/// Entries of [`Reference::outputs`].
mod answer {
    pub const TRAINED: usize = 0;
    pub const SAVED_MEAN: usize = 1;
    pub const SAVED_INVSTD: usize = 2;
    pub const RUNNING_MEAN: usize = 3;
    pub const RUNNING_VAR: usize = 4;
    pub const EVALUATED: usize = 5;
    /// Per channel Σ(x − mean)², with Σ|x| as magnitudes: for bounds alone.
    pub const SQUARES: usize = 6;
    /// Per channel Σx², for bounds alone.
    pub const RAW_SQUARES: usize = 7;
    /// Per channel, what the means of chunks contribute to Σ(x − mean)²: for bounds alone.
    pub const BETWEEN_CHUNKS: usize = 8;
}

/// What an algorithm does, as far as outputs and bounds depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Two passes; blocks' sums meet in order of arrival.
    Atomic,
    /// Two passes in one tree per channel.
    ChannelTree,
    /// Two passes per chunk, and chunks combined in order.
    SplitTree,
    /// Two passes, in whatever order; mean and bias may be one addend.
    AnyOrder,
    /// From running statistics.
    Inference,
    /// From running statistics; mean and bias may be one addend.
    AnyInference,
}

impl Scheme {
    fn of(form: Form) -> Self {
        let evaluates = BatchNorm.function(form.name()) == EVALUATION;
        match (form, form.name()) {
            (Form::Foreign(..), _) if evaluates => Self::AnyInference,
            (Form::Foreign(..), _) => Self::AnyOrder,
            (Form::Own(_), "atomic") => Self::Atomic,
            (Form::Own(_), "channel_tree") => Self::ChannelTree,
            (Form::Own(_), "split_tree") => Self::SplitTree,
            (Form::Own(_), _) => Self::Inference,
        }
    }

    /// Whether statistics are the running ones, and not those of the batch.
    fn evaluates(self) -> bool {
        matches!(self, Self::Inference | Self::AnyInference)
    }
}

/// What a workload may set, as kernels take it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// Added to the variance before the root.
    pub epsilon: f32,
    /// The share of the batch's statistics in the updated running ones.
    pub momentum: f32,
    /// 1 − momentum, rounded once.
    pub keep: f32,
}

impl Factors {
    fn of(workload: &Workload) -> Self {
        let (epsilon, momentum) = set(&workload.setting);
        Self { epsilon: epsilon as f32, momentum: momentum as f32, keep: (1.0 - momentum) as f32 }
    }
}

/// Epsilon and momentum; PyTorch's defaults where nothing is set.
fn set(setting: &Setting) -> (f64, f64) {
    let number = |key| setting.number(key).ok().flatten();
    (number("epsilon").unwrap_or(1e-5), number("momentum").unwrap_or(0.1))
}

/// The operation `batch_norm`.
#[derive(Debug)]
pub struct BatchNorm;

impl Operation for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn ways(&self) -> &'static str {
        "ways to normalise"
    }

    fn algorithms(&self) -> &'static [Algorithm] {
        &ALGORITHMS
    }

    fn function(&self, name: &str) -> &'static str {
        match name {
            "inference" | "formula_eval" | "batch_norm_eval" => EVALUATION,
            _ => "training",
        }
    }

    fn peers(&self) -> &'static [PeerWay] {
        &PEERS
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        let shape = Shape::parse(text)?;
        let Some(extents) = shape.extents(KEYS) else {
            return Err(Error::input(format!(
                "shape \"{shape}\" does not fit batch_norm, which takes n=…;c=…;h=…;w=…"
            )));
        };
        if let Some((key, extent)) = KEYS.iter().zip(extents).find(|(_, extent)| *extent >= 1 << 31) {
            return Err(Error::input(format!(
                "shape \"{shape}\": {key}={extent} is too large, batch_norm takes less than 2^31"
            )));
        }
        // So that chunks are counted in 32 bits.
        if shape.elements().is_none_or(|elements| elements >= 1 << 43) {
            return Err(Error::input(format!(
                "shape \"{shape}\" is too large, batch_norm takes less than 2^43 elements"
            )));
        }
        Ok(shape)
    }

    fn terms(&self, shape: &Shape) -> Option<u64> {
        let [n, _, h, w] = extents(shape);
        n.checked_mul(h)?.checked_mul(w)
    }

    fn describe(&self, shape: &Shape) -> String {
        let [n, c, h, w] = extents(shape);
        format!("batch norm of {n}×{c}×{h}×{w}")
    }

    fn check_setting(&self, setting: &Setting) -> Result<()> {
        setting
            .only(&["epsilon", "momentum"])
            .map_err(|error| Error::input(format!("batch_norm {error}")))?;
        if let Some(epsilon) = setting.number("epsilon")?
            && !(epsilon as f32 > 0.0 && (epsilon as f32).is_finite())
        {
            return Err(Error::input(format!("epsilon={epsilon} is not above 0 and finite in f32")));
        }
        if let Some(momentum) = setting.number("momentum")?
            && !(0.0..=1.0).contains(&momentum)
        {
            return Err(Error::input(format!("momentum={momentum} is not within 0 and 1")));
        }
        Ok(())
    }

    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let [n, c, h, w] = extents(&workload.shape);
        let vector = |name, low, high| InputSpec {
            name,
            len: c as usize,
            period: (c as usize).max(1),
            dtype: Dtype::F32,
            values: Values::Between(low, high),
        };
        vec![
            // A period is a plane, so that each plane, hence each channel, cancels in itself.
            InputSpec::of_workload("x", (n * c * h * w) as usize, ((h * w) as usize).max(1), workload.dtype),
            vector("weight", 0.5, 1.5),
            vector("bias", -0.5, 0.5),
            vector("running_mean", -0.5, 0.5),
            vector("running_var", 0.5, 1.5),
        ]
    }

    fn outputs(&self, form: Form, workload: &Workload) -> Vec<OutputSpec> {
        let [n, c, h, w] = extents(&workload.shape);
        let (len, channels) = ((n * c * h * w) as usize, c as usize);
        let trains = !Scheme::of(form).evaluates();
        let y = if trains { answer::TRAINED } else { answer::EVALUATED };
        let mut outputs = vec![OutputSpec::new("y", len, workload.dtype, y)];
        if workload.dtype != Dtype::F32 && form.stores_accumulators() {
            outputs.push(OutputSpec { accumulator: true, ..OutputSpec::new("y32", len, Dtype::F32, y) });
        }
        if trains {
            let statistic = |name, reference| OutputSpec::new(name, channels, Dtype::F32, reference);
            let running = |name, reference, input| OutputSpec {
                restored_from: Some(input),
                ..statistic(name, reference)
            };
            outputs.extend([
                statistic("saved_mean", answer::SAVED_MEAN),
                statistic("saved_invstd", answer::SAVED_INVSTD),
                running("running_mean", answer::RUNNING_MEAN, 3),
                running("running_var", answer::RUNNING_VAR, 4),
            ]);
        }
        outputs
    }

    fn reason_to_skip(&self, form: Form, workload: &Workload) -> Option<String> {
        let [n, c, h, w] = extents(&workload.shape);
        match n * h * w {
            _ if Scheme::of(form).evaluates() => None,
            0 => Some("no value per channel: there is no mean of nothing".to_owned()),
            // As torch.nn.functional.batch_norm does, with a ValueError that says the same.
            1 => Some(format!(
                "PyTorch refuses it too: training needs more than 1 value per channel, {n}×{c}×{h}×{w} has 1"
            )),
            _ => None,
        }
    }

    /// Images, in evaluation.
    fn batch_rows(&self, form: Form, workload: &Workload) -> std::result::Result<u64, String> {
        if !Scheme::of(form).evaluates() {
            return Err(
                "training normalises over the whole batch: another batch is another computation".to_owned()
            );
        }
        batch::at_least_one(extents(&workload.shape)[0])
    }

    fn rebatch(&self, problem: &Problem, rows: &[u64]) -> Problem {
        let [n, c, h, w] = extents(&problem.workload.shape);
        let shape = problem.workload.shape.with("n", rows.len() as u64);
        batch::rebatched(problem, shape, &Axis::first(n, c * h * w), rows)
    }

    fn gaps(&self) -> &'static [Gap] {
        &GAPS
    }

    fn check_shapes(&self) -> Vec<String> {
        let shapes: [[u64; 4]; 32] = [
            // Ordinary ones: planes of whole vectors, of odd lengths, of one element.
            [2, 64, 28, 28],
            [8, 32, 7, 7],
            [512, 64, 1, 1],
            [4, 3, 64, 64],
            [1, 2, 160, 160],
            // Odd ones: nothing, one value, two; around vectors, tiles and chunks.
            [0, 3, 2, 2],
            [2, 0, 3, 3],
            [3, 2, 0, 4],
            [1, 5, 1, 1],
            [2, 1, 1, 1],
            [1, 1, 1, 2],
            [3, 5, 1, 3],
            [2, 3, 2, 2],
            [5, 7, 3, 5],
            [3, 2, 1, 8],
            [1, 3, 31, 33],
            [1, 2, 32, 32],
            [1, 2, 25, 41],
            [2, 3, 1, 1024],
            [1, 1, 1, 2049],
            [1, 2, 64, 64],
            [1, 2, 17, 241],
            [3, 2, 1, 1365],
            [2, 1, 1, 4096],
            [4097, 1, 1, 1],
            [8193, 2, 1, 1],
            [683, 3, 2, 3],
            [171, 17, 7, 7],
            [33, 40, 11, 3],
            [2, 1, 181, 193],
            [70, 1, 64, 64],
            [1, 1, 1, 1_050_001],
        ];
        shapes.iter().map(|[n, c, h, w]| format!("n={n};c={c};h={h};w={w}")).collect()
    }

    fn work(&self, workload: &Workload) -> Work {
        let [n, c, h, w] = extents(&workload.shape);
        // x and y once, and four vectors of parameters, which every way reads.
        Work::Bytes(2 * n * c * h * w * workload.dtype.size() as u64 + 4 * c * Dtype::F32.size() as u64)
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        reference::reference(workload, inputs)
    }

    fn bound(
        &self,
        form: Form,
        workload: &Workload,
        target: &Target,
        inputs: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>> {
        let scheme = Scheme::of(form);
        let depth = plan::depth(scheme, workload, target);
        let specs = self.outputs(form, workload);
        bound::bounds(scheme, depth, workload, inputs, reference, &specs)
    }
}

const KEYS: [&str; 4] = ["n", "c", "h", "w"];
/// The function of what takes the running statistics.
const EVALUATION: &str = "evaluation";

/// N, C, H and W.
fn extents(shape: &Shape) -> [u64; 4] {
    shape.extents(KEYS).unwrap_or_default()
}

/// How many outputs stand before saved_mean: y, and beside a narrow one its f32 store.
fn first_statistic(dtype: Dtype) -> usize {
    if dtype == Dtype::F32 { 1 } else { 2 }
}

#[cfg(test)]
mod tests;
