//! An operation and hand-made algorithms for the tests of plans on the mock GPU.

use std::sync::Arc;

use crate::device::Problem;
use crate::device::gpu::GpuDevice;
use crate::device::gpu::mock::Mock;
use crate::device::plan::{Argument, Buffer, Launch, Legal, Module, Plan, Source, Step, Workspace};
use crate::error::Result;
use crate::guarantee::Guarantee;
use crate::input::{Distribution, InputSpec};
use crate::operation::{Algorithm, Form, Operation, OutputSpec, Reference, Target, Work};
use crate::tensor::{Dtype, Tensor};
use crate::workload::{Shape, Workload};

/// Two inputs of n elements; an f32 output of n elements, an f16 output of 3.
struct Pairs;

impl Operation for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn ways(&self) -> &'static str {
        "ways to test"
    }

    fn algorithms(&self) -> &'static [Algorithm] {
        &[]
    }

    fn shape(&self, text: &str) -> Result<Shape> {
        Shape::parse(text)
    }

    fn describe(&self, _: &Shape) -> String {
        String::new()
    }

    fn inputs(&self, _: &Workload) -> Vec<InputSpec> {
        Vec::new()
    }

    fn outputs(&self, form: Form, workload: &Workload) -> Vec<OutputSpec> {
        let [n] = workload.shape.extents(["n"]).unwrap();
        let mut outputs = vec![
            OutputSpec::new("wide", n as usize, Dtype::F32, 0),
            OutputSpec::new("narrow", 3, Dtype::F16, 1),
        ];
        if form.name() == UPDATES.name {
            outputs[0].restored_from = Some(1);
            outputs[1].accumulator = true;
        }
        outputs
    }

    fn check_shapes(&self) -> Vec<String> {
        Vec::new()
    }

    fn work(&self, _: &Workload) -> Work {
        Work::Bytes(1)
    }

    fn reference(&self, _: &Workload, _: &[Tensor]) -> Reference {
        Reference { outputs: Vec::new(), range: None }
    }

    fn bound(&self, _: Form, _: &Workload, _: &Target, _: &[Tensor], _: &Reference) -> Vec<Vec<f64>> {
        Vec::new()
    }
}

pub static MODULE: Module = Module {
    name: "test",
    source: Source { name: "test.cu", text: "" },
    ptx: ".entry write_ones( .entry idle(",
};

const fn algorithm(name: &'static str, plan: fn(&Workload, &Target) -> Plan) -> Algorithm {
    Algorithm {
        name,
        setting: "",
        guarantee: Guarantee::NotGuaranteed,
        batch_invariant: false,
        order: "",
        dtypes: &Dtype::ALL,
        contended: false,
        module: &MODULE,
        plan,
        twin: |_, _, _, _| {},
        depth: |_, _| 0,
    }
}

const OUT: Argument = Argument::Buffer(Buffer::Output(0));

fn launch(entry: &str, arguments: Vec<Argument>) -> Step {
    let entry = entry.to_owned();
    let legal = Legal::Any { most_threads: 512 };
    Step::Launch(Launch { entry, grid: [2, 3, 4], block: [32, 2, 1], shared_bytes: 64, arguments, legal })
}

pub static WRITES: Algorithm = algorithm("writes", |_, target| Plan {
    workspaces: vec![
        Workspace { bytes: 12, counters: false },
        Workspace { bytes: 8, counters: true },
        Workspace { bytes: 0, counters: false },
    ],
    steps: vec![
        Step::Zero(Buffer::Output(0)),
        launch(
            "write_ones",
            vec![
                OUT,
                Argument::U32(7),
                Argument::Buffer(Buffer::Input(1)),
                Argument::Buffer(Buffer::Output(1)),
                Argument::Buffer(Buffer::Workspace(0)),
                Argument::Buffer(Buffer::Workspace(1)),
                Argument::U64(u64::from(target.sm_count) << 40),
                Argument::Buffer(Buffer::Workspace(2)),
            ],
        ),
    ],
});
/// Its first output is updated in place, its second an accumulator.
pub static UPDATES: Algorithm = algorithm("updates", |_, _| Plan {
    workspaces: Vec::new(),
    steps: vec![launch("idle", vec![OUT, Argument::Buffer(Buffer::Output(1)), Argument::F32(0.5)])],
});
pub static IDLES: Algorithm = algorithm("idles", |_, _| Plan {
    workspaces: Vec::new(),
    steps: vec![launch("idle", vec![OUT]), launch("idle", vec![OUT])],
});
pub static NOTHING: Algorithm = algorithm("nothing", |_, _| Plan::default());
pub static UNKNOWN: Algorithm =
    algorithm("unknown", |_, _| Plan { workspaces: Vec::new(), steps: vec![launch("missing", vec![OUT])] });
pub static BEYOND: Algorithm = algorithm("beyond", |_, _| Plan {
    workspaces: Vec::new(),
    steps: vec![launch("idle", vec![Argument::Buffer(Buffer::Workspace(0))])],
});
pub static DESTROYS: Algorithm =
    algorithm("destroys", |_, _| Plan { workspaces: Vec::new(), steps: vec![Step::Zero(Buffer::Input(0))] });
pub static GREEDY: Algorithm = algorithm("greedy", |_, _| Plan {
    workspaces: vec![Workspace { bytes: 1 << 30, counters: false }],
    steps: Vec::new(),
});

pub fn problem(n: usize) -> Arc<Problem> {
    let input =
        |name, first: usize| Tensor::f32(name, (first..first + n).map(|value| value as f32).collect());
    Arc::new(Problem {
        workload: Workload::new(
            "test",
            &Pairs,
            Pairs.shape(&format!("n={n}")).unwrap(),
            Dtype::F32,
            Distribution::Uniform,
        ),
        inputs: vec![input("a", 0), input("b", 100)],
    })
}

/// A device over a mock, and the mock to look into.
pub fn device() -> (GpuDevice<Mock>, Mock) {
    let mock = Mock::new();
    (GpuDevice::new(mock.clone()), mock)
}
