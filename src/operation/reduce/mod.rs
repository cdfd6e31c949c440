//! Sums: of n elements, or of every row of an r×c array; f32 or f16 in, f32 out.

pub mod plan;
mod reference;
mod twin;

use crate::batch::{self, Axis};
use crate::device::Problem;
use crate::device::plan::REDUCE;
use crate::error::{Error, Result};
use crate::guarantee::Guarantee;
use crate::input::InputSpec;
use crate::operation::{Algorithm, Form, Operation, OutputSpec, PeerWay, Reference, Target, Work};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

/// The table of algorithms: the one place where they are registered.
pub static ALGORITHMS: [Algorithm; 5] = [
    Algorithm {
        name: "fixed_tree",
        setting: "",
        guarantee: Guarantee::GpuToGpu,
        batch_invariant: true,
        order: "n alone; a row's tree on its columns alone",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &REDUCE,
        plan: plan::fixed_tree,
        twin: twin::fixed_tree,
        depth: plan::fixed_tree_depth,
    },
    Algorithm {
        name: "two_pass",
        setting: "",
        guarantee: Guarantee::RunToRun,
        batch_invariant: false,
        order: "n and the grid, which follows the SM count",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &REDUCE,
        plan: plan::two_pass,
        twin: twin::two_pass,
        depth: plan::grid_depth,
    },
    Algorithm {
        name: "ticket",
        setting: "",
        guarantee: Guarantee::RunToRun,
        batch_invariant: false,
        order: "n and the grid, which follows the SM count",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &REDUCE,
        plan: plan::ticket,
        twin: twin::ticket,
        depth: plan::grid_depth,
    },
    Algorithm {
        name: "atomic_block",
        setting: "",
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        order: "arrival of the blocks",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &REDUCE,
        plan: plan::atomic_block,
        twin: twin::atomic_block,
        depth: plan::atomic_block_depth,
    },
    Algorithm {
        name: "atomic_element",
        setting: "",
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        order: "arrival of the elements",
        dtypes: &Dtype::ALL,
        contended: true,
        module: &REDUCE,
        plan: plan::atomic_element,
        twin: twin::atomic_element,
        depth: plan::atomic_element_depth,
    },
];

/// numpy's pairwise sum and PyTorch's `sum`, in f32.
static PEERS: [PeerWay; 2] = [
    PeerWay { engine: "numpy", name: "sum", threaded: false, accumulators: true, dtypes: &Dtype::ALL },
    PeerWay { engine: "torch", name: "sum", threaded: true, accumulators: true, dtypes: &Dtype::ALL },
];

/// The operation `reduce`.
#[derive(Debug)]
pub struct Reduce;

impl Operation for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn ways(&self) -> &'static str {
        "ways to sum"
    }

    fn algorithms(&self) -> &'static [Algorithm] {
        &ALGORITHMS
    }

    fn peers(&self) -> &'static [PeerWay] {
        &PEERS
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        let shape = Shape::parse(text)?;
        if shape.extents(["n"]).is_some() || shape.extents(["r", "c"]).is_some() {
            Ok(shape)
        } else {
            Err(Error::input(format!("shape \"{shape}\" does not fit reduce, which takes n=… or r=…;c=…")))
        }
    }

    fn of_weights(&self, rows: u64, columns: u64) -> Option<(String, usize)> {
        Some((format!("n={}", rows * columns), 0))
    }

    fn terms(&self, shape: &Shape) -> Option<u64> {
        Some(extents(shape).1)
    }

    fn describe(&self, shape: &Shape) -> String {
        match extents(shape) {
            (1, n) => format!("sum of {}", in_powers_of_two(n)),
            (rows, columns) => {
                format!("row sums of {}×{}", in_powers_of_two(rows), in_powers_of_two(columns))
            }
        }
    }

    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let (rows, columns) = extents(&workload.shape);
        let period = usize::try_from(columns.max(1)).unwrap_or(usize::MAX);
        vec![InputSpec::of_workload("x", (rows * columns) as usize, period, workload.dtype)]
    }

    fn outputs(&self, _: Form, workload: &Workload) -> Vec<OutputSpec> {
        let (rows, _) = extents(&workload.shape);
        vec![OutputSpec::new("sum", rows as usize, Dtype::F32, 0)]
    }

    fn batch_rows(&self, _: Form, workload: &Workload) -> std::result::Result<u64, String> {
        batch::at_least_one(extents(&workload.shape).0)
    }

    fn rebatch(&self, problem: &Problem, rows: &[u64]) -> Problem {
        let (count, columns) = extents(&problem.workload.shape);
        let shape = Shape::of([("r", rows.len() as u64), ("c", columns)]);
        batch::rebatched(problem, shape, &Axis::first(count, columns), rows)
    }

    fn check_shapes(&self) -> Vec<String> {
        let ordinary = ["n=1048576", "r=64;c=4096", "n=16777216", "r=1000;c=1000"];
        let sums = [
            0, 1, 2, 3, 5, 31, 127, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4097, 8191, 16_383, 16_385,
            65_537, 1_000_003, 8_388_609, 33_554_433,
        ];
        let rows =
            [(0, 5), (1, 1), (3, 0), (2, 7), (7, 1025), (33, 63), (5, 16_385), (129, 2049), (3, 1_000_003)];
        let sums = sums.iter().map(|n| format!("n={n}"));
        let rows = rows.iter().map(|(r, c)| format!("r={r};c={c}"));
        ordinary.iter().map(|&shape| shape.to_owned()).chain(sums).chain(rows).collect()
    }

    fn work(&self, workload: &Workload) -> Work {
        let (rows, columns) = extents(&workload.shape);
        Work::Bytes(rows * columns * workload.dtype.size() as u64 + rows * Dtype::F32.size() as u64)
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        let (rows, columns) = extents(&workload.shape);
        reference::sums(&inputs[0], rows as usize, columns as usize)
    }

    fn bound(
        &self,
        form: Form,
        workload: &Workload,
        target: &Target,
        _: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>> {
        let (depth, flushed) = match form {
            // The additions of the algorithms that claim nothing are atomic, and flush subnormals on a GPU.
            Form::Own(own) => ((own.depth)(workload, target), own.guarantee == Guarantee::NotGuaranteed),
            // One chain through all elements: the longest there is.
            Form::Foreign(..) => (extents(&workload.shape).1, true),
        };
        vec![reference::bound(depth, flushed, &reference.outputs[0])]
    }
}

/// Rows and columns; a sum of n elements is one row.
pub(crate) fn extents(shape: &Shape) -> (u64, u64) {
    match (shape.extents(["n"]), shape.extents(["r", "c"])) {
        (Some([n]), _) => (1, n),
        (_, Some([rows, columns])) => (rows, columns),
        _ => (0, 0),
    }
}

fn in_powers_of_two(n: u64) -> String {
    if n.is_power_of_two() && n >= 1 << 10 { format!("2^{}", n.ilog2()) } else { n.to_string() }
}

#[cfg(test)]
mod tests;
