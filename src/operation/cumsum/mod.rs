//! Running sums along each row of an r×c array. Peers alone compute it: there is no algorithm of our own.

mod reference;

use crate::batch::{self, Axis};
use crate::device::Problem;
use crate::error::{Error, Result};
use crate::input::InputSpec;
use crate::operation::{Form, Operation, OutputSpec, PeerWay, Reference, Target, Work, bound};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

static PEERS: [PeerWay; 1] =
    [PeerWay { engine: "torch", name: "cumsum", threaded: true, accumulators: false, dtypes: &Dtype::ALL }];

/// The operation `cumsum`.
#[derive(Debug)]
pub struct CumSum;

impl Operation for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn ways(&self) -> &'static str {
        "ways to add up as one goes"
    }

    fn peers(&self) -> &'static [PeerWay] {
        &PEERS
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        let shape = Shape::parse(text)?;
        match shape.extents(["r", "c"]) {
            Some(_) => Ok(shape),
            None => Err(Error::input(format!("shape \"{shape}\" does not fit cumsum, which takes r=…;c=…"))),
        }
    }

    fn terms(&self, shape: &Shape) -> Option<u64> {
        Some(extents(shape)[1])
    }

    fn describe(&self, shape: &Shape) -> String {
        let [rows, columns] = extents(shape);
        format!("running sums of {rows}×{columns}")
    }

    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let [rows, columns] = extents(&workload.shape);
        let (len, period) = ((rows * columns) as usize, (columns as usize).max(1));
        vec![InputSpec::of_workload("x", len, period, workload.dtype)]
    }

    fn outputs(&self, _: Form, workload: &Workload) -> Vec<OutputSpec> {
        let [rows, columns] = extents(&workload.shape);
        vec![OutputSpec::new("sums", (rows * columns) as usize, workload.dtype, 0)]
    }

    fn batch_rows(&self, _: Form, workload: &Workload) -> std::result::Result<u64, String> {
        batch::at_least_one(extents(&workload.shape)[0])
    }

    fn rebatch(&self, problem: &Problem, rows: &[u64]) -> Problem {
        let [count, columns] = extents(&problem.workload.shape);
        let shape = problem.workload.shape.with("r", rows.len() as u64);
        batch::rebatched(problem, shape, &Axis::first(count, columns), rows)
    }

    fn work(&self, workload: &Workload) -> Work {
        let [rows, columns] = extents(&workload.shape);
        Work::Bytes(2 * rows * columns * workload.dtype.size() as u64)
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        reference::running_sums(extents(&workload.shape), &inputs[0], workload.dtype)
    }

    /// Element i of a row is a sum of i + 1.
    fn bound(
        &self,
        _: Form,
        workload: &Workload,
        _: &Target,
        _: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>> {
        let [rows, columns] = extents(&workload.shape);
        let counts: Vec<u64> = (0..rows).flat_map(|_| 1..=columns).collect();
        vec![bound::of_chains(&counts, workload.dtype, &reference.outputs[0])]
    }
}

/// Rows and columns.
fn extents(shape: &Shape) -> [u64; 2] {
    shape.extents(["r", "c"]).unwrap_or_default()
}

#[cfg(test)]
mod tests;
