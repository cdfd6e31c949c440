//! Convolution of NCHW images, as neural networks mean it (no filter is flipped), and its gradients; f32, or f16 in
//! and out. Peers alone compute it: there is no algorithm of our own.

mod backward;
mod reference;
pub mod shape;

use crate::batch::{self, Axis};
use crate::device::Problem;
use crate::error::Result;
use crate::input::{Distribution, InputSpec, Values};
use crate::operation::bound::{self, Sums};
use crate::operation::{
    Form, Operation, OutputSpec, PeerWay, Precision, Reference, ReferenceOutput, Target, Work,
};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

pub use backward::Conv2dBackward;
use shape::Extents;

static PEERS: [PeerWay; 1] =
    [PeerWay { engine: "torch", name: "conv2d", threaded: true, accumulators: false, dtypes: &Dtype::ALL }];

/// The operation `conv2d`, forward.
#[derive(Debug)]
pub struct Conv2d;

impl Operation for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn ways(&self) -> &'static str {
        "ways to convolve"
    }

    fn peers(&self) -> &'static [PeerWay] {
        &PEERS
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        shape::parse(self.name(), text)
    }

    fn describe(&self, shape: &Shape) -> String {
        shape::describe(shape)
    }

    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let extents = extents(workload);
        vec![images("x", workload), filters(workload), vector("bias", extents.k, workload)]
    }

    fn outputs(&self, _: Form, workload: &Workload) -> Vec<OutputSpec> {
        let extents = extents(workload);
        let len = extents.n * extents.k * extents.places();
        vec![OutputSpec::new("y", len as usize, workload.dtype, 0)]
    }

    fn batch_rows(&self, _: Form, workload: &Workload) -> std::result::Result<u64, String> {
        batch::at_least_one(extents(workload).n)
    }

    fn rebatch(&self, problem: &Problem, rows: &[u64]) -> Problem {
        let Extents { n, c, h, w, .. } = extents(&problem.workload);
        let shape = problem.workload.shape.with("n", rows.len() as u64);
        batch::rebatched(problem, shape, &Axis::first(n, c * h * w), rows)
    }

    fn work(&self, workload: &Workload) -> Work {
        Work::Flops(extents(workload).flops())
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        answer(vec![reference::forward(&extents(workload), inputs)], workload.dtype)
    }

    fn bound(
        &self,
        form: Form,
        workload: &Workload,
        _: &Target,
        _: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>> {
        let terms = reference::forward_terms(&extents(workload));
        vec![bound_of(&reference.outputs[0], terms, form.precision(), workload.dtype)]
    }
}

/// The extents of a workload's shape, which [`shape::parse`] let through.
fn extents(workload: &Workload) -> Extents {
    let nothing = Extents { n: 0, c: 0, h: 1, w: 1, k: 0, r: 1, s: 1, stride: 1, pad: 0 };
    Extents::of(&workload.shape).unwrap_or(nothing)
}

/// As of `matmul`, f16 of very different sizes is scaled so that sums of products stay within its range.
fn values(workload: &Workload) -> Values {
    let wide = matches!(workload.input, Distribution::Wide | Distribution::Cancelling);
    Values::Workload { scale: if wide && workload.dtype == Dtype::F16 { 1.0 / 128.0 } else { 1.0 } }
}

/// Images as the convolution takes them; `cancelling` does within each plane.
fn images(name: &'static str, workload: &Workload) -> InputSpec {
    let Extents { n, c, h, w, .. } = extents(workload);
    let period = ((h * w) as usize).max(1);
    InputSpec {
        values: values(workload),
        ..InputSpec::of_workload(name, (n * c * h * w) as usize, period, workload.dtype)
    }
}

fn filters(workload: &Workload) -> InputSpec {
    let extents = extents(workload);
    let (len, period) = ((extents.k * extents.taps()) as usize, (extents.taps() as usize).max(1));
    InputSpec { values: values(workload), ..InputSpec::of_workload("weight", len, period, workload.dtype) }
}

fn vector(name: &'static str, len: u64, workload: &Workload) -> InputSpec {
    let values = Values::Between(-0.5, 0.5);
    InputSpec { values, ..InputSpec::of_workload(name, len as usize, (len as usize).max(1), workload.dtype) }
}

fn answer(outputs: Vec<ReferenceOutput>, dtype: Dtype) -> Reference {
    let range = outputs.iter().find_map(|output| bound::range("Σ|x||weight|", dtype, output));
    Reference { outputs, range }
}

/// Products in any order, two roundings per step; stored as f16 they are rounded once more.
fn bound_of(output: &ReferenceOutput, terms: u64, precision: Precision, dtype: Dtype) -> Vec<f64> {
    let sums = Sums { depth: terms, terms, flushes: true, precision }.bound(output);
    match dtype {
        Dtype::F32 => sums,
        Dtype::F16 => bound::of_halves(&sums, output),
    }
}

#[cfg(test)]
mod tests;
