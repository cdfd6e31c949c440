//! What a training step is computed with: the suite's own products, sums and batch-norm, prepared and executed on a device by
//! the algorithms that were chosen; and, in `steps`, the kernels between them.

mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::condition::Condition;
use crate::device::plan::ELEMENTWISE;
use crate::device::{Device, Problem};
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::operation::{self, Algorithm, Operation, batch_norm, matmul, reduce};
use crate::poison::Poison;
use crate::tensor::{Data, Dtype, Tensor};
use crate::workload::{Setting, Shape, Workload};

pub use steps::{AdamFactors, Behind, Dropout};

/// Which algorithm computes each operation.
#[derive(Debug, Clone, Copy)]
pub struct Algorithms {
    /// Of `reduce`.
    pub reduce: &'static Algorithm,
    /// Of `matmul`.
    pub matmul: &'static Algorithm,
    /// Of `batch_norm`, in training.
    pub batch_norm: &'static Algorithm,
}

impl Default for Algorithms {
    /// Those that claim the same bits on every device.
    fn default() -> Self {
        // The first row of each table, as a test says.
        Self {
            reduce: &reduce::ALGORITHMS[0],
            matmul: &matmul::ALGORITHMS[0],
            batch_norm: &batch_norm::ALGORITHMS[0],
        }
    }
}

impl Algorithms {
    /// The defaults, but for what `choices` name as `operation=algorithm` or, of several of that name, as
    /// `operation=algorithm;setting`.
    ///
    /// # Errors
    /// An operation or algorithm that there is not, with those that there are.
    pub fn choose(choices: &[String]) -> Result<Self> {
        Self::default().with(choices)
    }

    /// These, but for what `choices` name.
    ///
    /// # Errors
    /// As [`Algorithms::choose`].
    pub fn with(self, choices: &[String]) -> Result<Self> {
        let mut chosen = self;
        for choice in choices {
            let Some((operation, name)) = choice.split_once('=') else {
                return Err(Error::input(format!(
                    "algorithm \"{choice}\" is not of the form operation=name, for instance matmul=split_k_ordered"
                )));
            };
            let operation = operation::find(operation)?;
            let algorithm = trained_with(operation, name)?;
            match operation.name() {
                "reduce" => chosen.reduce = algorithm,
                "matmul" => chosen.matmul = algorithm,
                _ => chosen.batch_norm = algorithm,
            }
        }
        Ok(chosen)
    }

    /// What all of them claim.
    pub fn guarantee(&self) -> Guarantee {
        self.reduce.guarantee.min(self.matmul.guarantee).min(self.batch_norm.guarantee)
    }

    /// Short hashes of the compiled kernels, by the kernels' file; those between products and sums among them.
    pub fn kernels(&self) -> BTreeMap<String, String> {
        let chosen = [self.reduce, self.matmul, self.batch_norm].map(|way| way.module);
        let modules = chosen.into_iter().chain([&ELEMENTWISE]);
        modules.map(|module| (module.name.to_owned(), module.hash())).collect()
    }

    /// `operation=algorithm` of each, as [`Algorithms::choose`] takes it.
    pub fn text(&self) -> String {
        let Self { reduce, matmul, batch_norm } = self;
        let named = [("reduce", reduce), ("matmul", matmul), ("batch_norm", batch_norm)].map(
            |(operation, algorithm)| match algorithm.setting {
                "" => format!("{operation}={}", algorithm.name),
                setting => format!("{operation}={};{setting}", algorithm.name),
            },
        );
        named.join(",")
    }
}

fn trained_with(operation: &'static dyn Operation, name: &str) -> Result<&'static Algorithm> {
    // Evaluation is no way to train.
    let ways = || operation.algorithms().iter().filter(|way| operation.function(way.name) != "evaluation");
    let (wanted, setting) = name.split_once(';').unwrap_or((name, ""));
    ways().find(|way| way.name == wanted && (setting.is_empty() || way.setting == setting)).ok_or_else(|| {
        let called = |way: &Algorithm| match way.setting {
            "" => way.name.to_owned(),
            setting => format!("{};{setting}", way.name),
        };
        let known: Vec<_> = ways().map(called).collect();
        Error::input(format!(
            "{} has no algorithm \"{name}\" to train with; known: {}",
            operation.name(),
            known.join(", ")
        ))
    })
}

/// Batch-norm's results in training.
#[derive(Debug)]
pub struct Normalised {
    /// n×c.
    pub y: Vec<f32>,
    /// The batch's mean per channel.
    pub mean: Vec<f32>,
    /// 1 ÷ √(the batch's variance + epsilon) per channel.
    pub invstd: Vec<f32>,
    /// The running mean, updated.
    pub running_mean: Vec<f32>,
    /// The running variance, updated.
    pub running_var: Vec<f32>,
}

/// What batch-norm takes beside x: a value per channel each.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a> {
    /// Scale.
    pub weight: &'a [f32],
    /// Shift.
    pub bias: &'a [f32],
    /// Mean in evaluation.
    pub running_mean: &'a [f32],
    /// Variance in evaluation.
    pub running_var: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
    /// The batch's share in updated running statistics.
    pub momentum: f32,
}

/// A device, and what is computed on it how.
#[derive(Clone, Copy)]
pub struct Math<'d> {
    /// Where.
    pub device: &'d dyn Device,
    /// How.
    pub algorithms: Algorithms,
    /// What is changed of how kernels are made ready.
    pub condition: Condition,
}

impl<'d> Math<'d> {
    /// The usual algorithms, made ready as usual.
    pub fn new(device: &'d dyn Device) -> Self {
        Self { device, algorithms: Algorithms::default(), condition: Condition::Usual }
    }
}

impl Math<'_> {
    /// a·bᵀ: `a` is m×k, `b` n×k.
    ///
    /// # Errors
    /// If the device fails.
    pub fn by_transposed(&self, a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Result<Vec<f32>> {
        self.product(a, b, Shape::of([("m", m as u64), ("n", n as u64), ("k", k as u64), ("tb", 1)]))
    }

    /// aᵀ·b: `a` is k×m, `b` k×n.
    ///
    /// # Errors
    /// If the device fails.
    pub fn transposed_by(&self, a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Result<Vec<f32>> {
        self.product(a, b, Shape::of([("m", m as u64), ("n", n as u64), ("k", k as u64), ("ta", 1)]))
    }

    /// a·b: `a` is m×k, `b` k×n.
    ///
    /// # Errors
    /// If the device fails.
    pub fn by(&self, a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Result<Vec<f32>> {
        self.product(a, b, Shape::of([("m", m as u64), ("n", n as u64), ("k", k as u64)]))
    }

    fn product(&self, a: &[f32], b: &[f32], shape: Shape) -> Result<Vec<f32>> {
        let inputs = vec![Tensor::f32("a", a.to_vec()), Tensor::f32("b", b.to_vec())];
        only(self.execute(&matmul::Matmul, self.algorithms.matmul, shape, Setting::default(), inputs)?)
    }

    /// The sum of each row.
    ///
    /// # Errors
    /// If the device fails.
    pub fn row_sums(&self, rows: Vec<f32>, columns: usize) -> Result<Vec<f32>> {
        let shape = Shape::of([("r", (rows.len() / columns.max(1)) as u64), ("c", columns as u64)]);
        let inputs = vec![Tensor::f32("x", rows)];
        only(self.execute(&reduce::Reduce, self.algorithms.reduce, shape, Setting::default(), inputs)?)
    }

    /// Batch-norm with the batch's statistics, of n×c values.
    ///
    /// # Errors
    /// If the device fails.
    pub fn normalise(&self, x: &[f32], channels: Channels) -> Result<Normalised> {
        let [y, mean, invstd, running_mean, running_var] =
            self.batch_norm(self.algorithms.batch_norm, x, channels)?.try_into().map_err(|_| too_few())?;
        Ok(Normalised { y, mean, invstd, running_mean, running_var })
    }

    /// Batch-norm with the running statistics, of n×c values.
    ///
    /// # Errors
    /// If the device fails.
    pub fn evaluate(&self, x: &[f32], channels: Channels) -> Result<Vec<f32>> {
        let evaluates = |way: &&Algorithm| batch_norm::BatchNorm.function(way.name) == "evaluation";
        let way = batch_norm::ALGORITHMS.iter().find(evaluates).ok_or_else(too_few)?;
        only(self.batch_norm(way, x, channels)?)
    }

    fn batch_norm(&self, way: &'static Algorithm, x: &[f32], channels: Channels) -> Result<Vec<Vec<f32>>> {
        let Channels { weight, bias, running_mean, running_var, epsilon, momentum } = channels;
        let count = weight.len() as u64;
        let shape = Shape::of([("n", x.len() as u64 / count.max(1)), ("c", count), ("h", 1), ("w", 1)]);
        let setting = Setting::parse(&format!("epsilon={epsilon};momentum={momentum}"))?;
        let vector = |name, values: &[f32]| Tensor::f32(name, values.to_vec());
        let inputs = vec![
            vector("x", x),
            vector("weight", weight),
            vector("bias", bias),
            vector("running_mean", running_mean),
            vector("running_var", running_var),
        ];
        self.execute(&batch_norm::BatchNorm, way, shape, setting, inputs)
    }

    fn execute(
        &self,
        operation: &'static dyn Operation,
        algorithm: &'static Algorithm,
        shape: Shape,
        setting: Setting,
        inputs: Vec<Tensor>,
    ) -> Result<Vec<Vec<f32>>> {
        // The distribution says how inputs are generated, and these are given.
        let workload = Workload {
            setting,
            ..Workload::new("training", operation, shape, Dtype::F32, Distribution::Normal)
        };
        let staged = self.device.stage(Arc::new(Problem { workload, inputs }))?;
        let mut prepared = staged.prepare_under(algorithm, self.condition)?;
        prepared.execute(Poison::of_execution(0))?;
        let values = |tensor: Tensor| match tensor.data {
            Data::F32(values) => values,
            Data::F16(values) => values.iter().map(|value| value.to_f32()).collect(),
        };
        Ok(prepared.into_outputs()?.into_iter().map(values).collect())
    }
}

fn only(outputs: Vec<Vec<f32>>) -> Result<Vec<f32>> {
    outputs.into_iter().next().ok_or_else(too_few)
}

fn too_few() -> Error {
    Error::device("the device handed out too few outputs; this is a bug of samebits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_claim_the_same_bits_everywhere() {
        assert_eq!(Algorithms::default().guarantee(), Guarantee::GpuToGpu);
        assert_eq!(Algorithms::default().text(), "reduce=fixed_tree,matmul=tiled,batch_norm=split_tree");
    }

    #[test]
    fn choices_are_taken_or_refused_by_name() {
        let chosen =
            Algorithms::choose(&["matmul=split_k_atomic".to_owned(), "reduce=ticket".to_owned()]).unwrap();
        assert_eq!(chosen.text(), "reduce=ticket,matmul=split_k_atomic,batch_norm=split_tree");
        for (choice, said) in [
            ("matmul", "operation=name"),
            ("sort=quick", "unknown operation"),
            ("matmul=fast", "split_k_atomic, contractible;fmad=0, contractible;fmad=1"),
            ("matmul=contractible;fmad=2", "no algorithm \"contractible;fmad=2\""),
            ("batch_norm=inference", "to train with; known: split_tree, channel_tree, atomic"),
        ] {
            let error = Algorithms::choose(&[choice.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
