//! Rows added into rows that an index names, several of them into the same one: the gradient of an embedding, the
//! sums of a graph's neighbours. Peers alone compute it: there is no algorithm of our own.

mod reference;

use crate::error::{Error, Result};
use crate::input::{InputSpec, Values};
use crate::operation::{Form, Operation, OutputSpec, PeerWay, Reference, Target, Work};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

/// The most rows that an index can name: whole numbers of f32.
const MOST_ROWS: u64 = 1 << 24;

static PEERS: [PeerWay; 1] = [PeerWay {
    engine: "torch",
    name: "index_add",
    threaded: true,
    accumulators: false,
    dtypes: &Dtype::ALL,
}];

/// The operation `index_add`: n rows of c elements are added into r rows of zeros.
#[derive(Debug)]
pub struct IndexAdd;

impl Operation for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
    }

    fn ways(&self) -> &'static str {
        "ways to add rows by an index"
    }

    fn peers(&self) -> &'static [PeerWay] {
        &PEERS
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        let shape = Shape::parse(text)?;
        match shape.extents(["r", "c", "n"]) {
            Some([r, ..]) if r > MOST_ROWS => Err(Error::input(format!(
                "shape \"{shape}\": r={r} is too large, an index of index_add names at most 2^24 rows"
            ))),
            Some([0, _, n]) if n > 0 => {
                Err(Error::input(format!("shape \"{shape}\": there is no row to add to")))
            }
            Some(_) => Ok(shape),
            None => Err(Error::input(format!(
                "shape \"{shape}\" does not fit index_add, which takes r=…;c=…;n=…"
            ))),
        }
    }

    fn describe(&self, shape: &Shape) -> String {
        let [r, c, n] = extents(shape);
        format!("{n} rows of {c} added into {r}")
    }

    /// The index is of f32, since whole numbers of f32 are exact and there is no other type of input.
    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let [r, c, n] = extents(&workload.shape);
        let index = InputSpec {
            name: "index",
            len: n as usize,
            period: (n as usize).max(1),
            dtype: Dtype::F32,
            values: Values::Below(r),
        };
        vec![InputSpec::of_workload("x", (n * c) as usize, (c as usize).max(1), workload.dtype), index]
    }

    fn outputs(&self, _: Form, workload: &Workload) -> Vec<OutputSpec> {
        let [r, c, _] = extents(&workload.shape);
        vec![OutputSpec::new("sums", (r * c) as usize, workload.dtype, 0)]
    }

    /// Rows of x and the index once; the zeros that are read, and the sums.
    fn work(&self, workload: &Workload) -> Work {
        let [r, c, n] = extents(&workload.shape);
        let index = n * 8;
        Work::Bytes((n * c + 2 * r * c) * workload.dtype.size() as u64 + index)
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        reference::sums(extents(&workload.shape), inputs, workload.dtype)
    }

    fn bound(
        &self,
        _: Form,
        workload: &Workload,
        _: &Target,
        inputs: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>> {
        vec![reference::bound(extents(&workload.shape), &inputs[1], workload.dtype, &reference.outputs[0])]
    }
}

/// Rows that are added to, elements of a row, rows that are added.
fn extents(shape: &Shape) -> [u64; 3] {
    shape.extents(["r", "c", "n"]).unwrap_or_default()
}

#[cfg(test)]
mod tests;
