//! Products C = A·B of row-major matrices, either operand stored transposed if need be; f32, or f16 with
//! f32 sums.

pub mod plan;
pub mod reference;
pub mod shape;
mod twin;

use crate::batch::{self, Axis};
use crate::device::Problem;
use crate::device::plan::{CONTRACTIBLE_FMAD0, CONTRACTIBLE_FMAD1, MATMUL};
use crate::error::Result;
use crate::guarantee::Guarantee;
use crate::input::{Distribution, InputSpec, Values};
use crate::operation::bound::{self, Sums};
use crate::operation::matmul::shape::Extents;
use crate::operation::{Algorithm, Form, Operation, OutputSpec, PeerWay, Reference, Target, Work};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

/// The table of algorithms: the one place where they are registered.
pub static ALGORITHMS: [Algorithm; 5] = [
    Algorithm {
        name: "tiled",
        setting: "",
        guarantee: Guarantee::GpuToGpu,
        batch_invariant: true,
        order: "K alone: one ascending chain of fused steps",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &MATMUL,
        plan: plan::tiled,
        twin: twin::chain,
        depth: plan::chain_depth,
    },
    Algorithm {
        name: "split_k_ordered",
        setting: "",
        guarantee: Guarantee::GpuToGpu,
        batch_invariant: true,
        order: "K alone, the number of its parts too",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &MATMUL,
        plan: plan::split_k_ordered,
        twin: twin::split_k_ordered,
        depth: plan::ordered_depth,
    },
    Algorithm {
        name: "split_k_atomic",
        setting: "",
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        order: "arrival of K's parts",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &MATMUL,
        plan: plan::split_k_atomic,
        twin: twin::split_k_atomic,
        depth: plan::atomic_depth,
    },
    // Plain a·b + c: the compiler decides how often that rounds, in each copy of a loop anew. So nothing
    // holds beyond this compiler's work.
    Algorithm {
        name: "contractible",
        setting: "fmad=0",
        guarantee: Guarantee::RunToRun,
        batch_invariant: false,
        order: "K, and the compiler, here told not to fuse",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &CONTRACTIBLE_FMAD0,
        plan: plan::uncontracted,
        twin: twin::uncontracted,
        depth: plan::chain_depth,
    },
    Algorithm {
        name: "contractible",
        setting: "fmad=1",
        guarantee: Guarantee::RunToRun,
        batch_invariant: false,
        order: "K, and the compiler, here allowed to fuse",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &CONTRACTIBLE_FMAD1,
        plan: plan::contracted,
        twin: twin::chain,
        depth: plan::chain_depth,
    },
];

/// numpy's `a @ b` and PyTorch's `matmul`: sgemm of the libraries that they were built with.
static PEERS: [PeerWay; 2] = [
    PeerWay {
        engine: "numpy",
        name: "matmul",
        threaded: true,
        accumulators: false,
        // Of f16, numpy rounds every step to f16, and has no f32 sum.
        dtypes: &[Dtype::F32],
    },
    PeerWay { engine: "torch", name: "matmul", threaded: true, accumulators: false, dtypes: &Dtype::ALL },
];

/// Tokens that a user's own weights are multiplied with: few enough for any device.
const TOKENS: u64 = 16;

/// The operation `matmul`.
#[derive(Debug)]
pub struct Matmul;

impl Operation for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn ways(&self) -> &'static str {
        "ways to multiply matrices"
    }

    fn algorithms(&self) -> &'static [Algorithm] {
        &ALGORITHMS
    }

    fn peers(&self) -> &'static [PeerWay] {
        &PEERS
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        shape::parse(text)
    }

    /// As a linear layer stores them: a row per output. A vector is no such layer.
    fn of_weights(&self, rows: u64, columns: u64) -> Option<(String, usize)> {
        (rows > 1).then(|| (format!("m={TOKENS};n={rows};k={columns};tb=1"), 1))
    }

    fn terms(&self, shape: &Shape) -> Option<u64> {
        Some(Extents::of(shape).k)
    }

    fn describe(&self, shape: &Shape) -> String {
        let Extents { m, n, k, ta, tb } = Extents::of(shape);
        let transposed = match (ta, tb) {
            (false, false) => "",
            (true, false) => ", a transposed",
            (false, true) => ", b transposed",
            (true, true) => ", both transposed",
        };
        format!("{m}×{k} by {k}×{n}{transposed}")
    }

    /// `wide` f16 is scaled to exponents from −14 to 0, so that sums of up to 16,000 products stay within
    /// f16. `cancelling` makes each row of A (as a factor) cancel along K, and B even over [1, 1 + 2^−9):
    /// were B's signs to change too, products would not cancel.
    fn inputs(&self, workload: &Workload) -> Vec<InputSpec> {
        let Extents { m, n, k, ta, .. } = Extents::of(&workload.shape);
        let cancelling = workload.input == Distribution::Cancelling;
        let wide = cancelling || workload.input == Distribution::Wide;
        let scale = if wide && workload.dtype == Dtype::F16 { 1.0 / 128.0 } else { 1.0 };
        let values = Values::Workload { scale };
        // Stored transposed, the steps of K are m apart, and an odd one is left over at the end.
        let period = if ta { k / 2 * 2 * m } else { k };
        let spec = |name, len: u64, period: u64, values| InputSpec {
            name,
            len: len as usize,
            period: period.max(1) as usize,
            dtype: workload.dtype,
            values,
        };
        let b = if cancelling { Values::Between(1.0, 1.0 + 1.0 / 512.0) } else { values };
        vec![spec("a", m * k, period, values), spec("b", k * n, k, b)]
    }

    fn outputs(&self, form: Form, workload: &Workload) -> Vec<OutputSpec> {
        let Extents { m, n, .. } = Extents::of(&workload.shape);
        let c = OutputSpec::new("c", (m * n) as usize, workload.dtype, 0);
        match workload.dtype {
            Dtype::F32 => vec![c],
            Dtype::F16 if !form.stores_accumulators() => vec![c],
            Dtype::F16 => vec![c, OutputSpec { name: "c32", dtype: Dtype::F32, accumulator: true, ..c }],
        }
    }

    /// Rows of A as a factor, hence of C.
    fn batch_rows(&self, _: Form, workload: &Workload) -> std::result::Result<u64, String> {
        batch::at_least_one(Extents::of(&workload.shape).m)
    }

    fn rebatch(&self, problem: &Problem, rows: &[u64]) -> Problem {
        let Extents { m, k, ta, .. } = Extents::of(&problem.workload.shape);
        // Stored transposed, A has its rows as columns.
        let axis = if ta { Axis { before: k as usize, ..Axis::first(m, 1) } } else { Axis::first(m, k) };
        batch::rebatched(problem, problem.workload.shape.with("m", rows.len() as u64), &axis, rows)
    }

    fn check_shapes(&self) -> Vec<String> {
        let ordinary = ["m=256;n=512;k=256", "m=128;n=128;k=2048;tb=1", "m=512;n=256;k=128;ta=1"];
        let odd = [
            "m=127;n=129;k=65",
            "m=1;n=1;k=1",
            "m=129;n=257;k=9;ta=1",
            "m=130;n=261;k=7;tb=1",
            "m=131;n=263;k=8;ta=1;tb=1",
            "m=5;n=7;k=0",
            "m=0;n=7;k=5",
            "m=7;n=0;k=5",
            "m=1;n=300;k=1025",
            "m=300;n=1;k=1031;tb=1",
            "m=2;n=3;k=521;ta=1",
            "m=64;n=60;k=1536;ta=1;tb=1",
            "m=33;n=31;k=4099",
            "m=513;n=514;k=33",
            "m=12;n=12;k=16387;tb=1",
            "m=1040;n=36;k=20",
        ];
        ordinary.iter().chain(&odd).map(|&shape| shape.to_owned()).collect()
    }

    fn work(&self, workload: &Workload) -> Work {
        Work::Flops(Extents::of(&workload.shape).flops())
    }

    fn reference(&self, workload: &Workload, inputs: &[Tensor]) -> Reference {
        reference::product(&Extents::of(&workload.shape), inputs, workload.dtype)
    }

    fn bound(
        &self,
        form: Form,
        workload: &Workload,
        target: &Target,
        _: &[Tensor],
        reference: &Reference,
    ) -> Vec<Vec<f64>> {
        let k = Extents::of(&workload.shape).k;
        let (depth, flushes) = match form {
            // The additions of the algorithms that claim nothing are atomic, and flush subnormals on a GPU.
            Form::Own(own) => ((own.depth)(workload, target), own.guarantee == Guarantee::NotGuaranteed),
            // Two roundings per step: that holds in any order, fused or not.
            Form::Foreign(..) => (k, true),
        };
        let c = &reference.outputs[0];
        let sums = Sums { depth, terms: k, flushes, precision: form.precision() }.bound(c);
        match workload.dtype {
            Dtype::F32 => vec![sums],
            Dtype::F16 if !form.stores_accumulators() => vec![bound::of_halves(&sums, c)],
            Dtype::F16 => vec![bound::of_halves(&sums, c), sums],
        }
    }
}

#[cfg(test)]
mod tests;
