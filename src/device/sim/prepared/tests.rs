//! What kernels see on a simulation, what becomes of those that are wrong, and that executions side by side
//! are those one by one.

use std::sync::Arc;

use crate::device::gpu::fixture::problem;
use crate::device::plan::{Argument, Buffer, Launch, Legal, Module, Plan, Source, Step, Workspace};
use crate::device::sim::{DEFAULT_MOST_INSTRUCTIONS, Sim};
use crate::device::{Cache, Device, Series, Simulation, Strength};
use crate::digest::digest;
use crate::guarantee::Guarantee;
use crate::input::Distribution;
use crate::operation::{Algorithm, Operation, Work, reduce::Reduce};
use crate::poison::Poison;
use crate::suite::case::Case;
use crate::suite::observe;
use crate::tensor::{Data, Dtype, Tensor};
use crate::workload::Workload;

/// Kernels for one block.
static MODULE: Module = Module {
    name: "of_tests",
    source: Source { name: "of_tests.cu", text: "" },
    ptx: "
.version 7.0
.target sm_75
.address_size 64
// out[0] and out[1] become the words found in the workspace and in the counters, which are left at 7.
.visible .entry look(.param .u64 out, .param .u64 space, .param .u64 counters)
{
    .reg .b64 %rd<4>;
    .reg .b32 %r<4>;
    ld.param.u64 %rd1, [out];
    ld.param.u64 %rd2, [space];
    ld.param.u64 %rd3, [counters];
    ld.global.u32 %r1, [%rd2];
    ld.global.u32 %r2, [%rd3];
    st.global.u32 [%rd1], %r1;
    st.global.u32 [%rd1+4], %r2;
    mov.u32 %r3, 7;
    st.global.u32 [%rd2], %r3;
    st.global.u32 [%rd3], %r3;
    ret;
}
// out[thread] += 1
.visible .entry add_one(.param .u64 out)
{
    .reg .b64 %rd<4>;
    .reg .b32 %r<2>;
    .reg .f32 %f<3>;
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd2, %r1, 4;
    add.s64 %rd3, %rd1, %rd2;
    ld.global.f32 %f1, [%rd3];
    add.rn.f32 %f2, %f1, 0f3F800000;
    st.global.f32 [%rd3], %f2;
    ret;
}
// Writes a megabyte behind the output.
.visible .entry beyond(.param .u64 out)
{
    .reg .b64 %rd<2>;
    .reg .b32 %r<2>;
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, 7;
    st.global.u32 [%rd1+1048576], %r1;
    ret;
}
.visible .entry for_ever(.param .u64 out)
{
again:
    bra again;
}
",
};

const OUT: Argument = Argument::Buffer(Buffer::Output(0));

fn launch(entry: &str, threads: u32, arguments: Vec<Argument>) -> Step {
    let entry = entry.to_owned();
    Step::Launch(Launch {
        entry,
        grid: [1; 3],
        block: [threads, 1, 1],
        shared_bytes: 0,
        arguments,
        legal: Legal::MoreBlocks,
    })
}

const fn algorithm(name: &'static str, plan: fn(&Workload, &crate::operation::Target) -> Plan) -> Algorithm {
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

static LOOKS: Algorithm = algorithm("looks", |_, _| {
    let spaces = [0, 1].map(|index| Argument::Buffer(Buffer::Workspace(index)));
    Plan {
        workspaces: [false, true].map(|counters| Workspace { bytes: 8, counters }).into(),
        steps: vec![launch("look", 1, [&[OUT], &spaces[..]].concat())],
    }
});
/// Its first output is updated in place: the fixture's operation knows it by its name.
static UPDATES: Algorithm = algorithm("updates", |_, _| Plan {
    workspaces: Vec::new(),
    steps: vec![launch("add_one", 5, vec![OUT])],
});
static STRAYS: Algorithm =
    algorithm("strays", |_, _| Plan { workspaces: Vec::new(), steps: vec![launch("beyond", 1, vec![OUT])] });
static LOOPS: Algorithm =
    algorithm("loops", |_, _| Plan { workspaces: Vec::new(), steps: vec![launch("for_ever", 1, vec![OUT])] });
static MISSES: Algorithm =
    algorithm("misses", |_, _| Plan { workspaces: Vec::new(), steps: vec![launch("nothing", 1, vec![OUT])] });

fn bits(tensor: &Tensor) -> Vec<u32> {
    match &tensor.data {
        Data::F32(values) => values.iter().map(|value| value.to_bits()).collect(),
        Data::F16(values) => values.iter().map(|value| u32::from(value.to_bits())).collect(),
    }
}

#[test]
fn workspaces_are_poisoned_and_counters_zeroed_before_every_execution() {
    let sim = Sim::new(DEFAULT_MOST_INSTRUCTIONS);
    let staged = sim.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&LOOKS).unwrap();
    prepared.expect(Series { executions: 3, seed: 0, varies: false });
    // Those that are expected, and one that is not.
    for number in [0, 1, 2, 9] {
        let poison = Poison::of_execution(number);
        prepared.execute(poison).unwrap();
        let out = bits(&prepared.outputs().unwrap()[0]);
        let left = poison.word();
        assert_eq!(out, [left, 0, left, left, left]);
    }
    assert_eq!(sim.take_instructions(), 4 * 11);
    assert_eq!(sim.take_instructions(), 0);
}

#[test]
fn what_is_updated_in_place_starts_as_its_input() {
    let sim = Sim::new(DEFAULT_MOST_INSTRUCTIONS);
    let staged = sim.stage(problem(5)).unwrap();
    let mut prepared = staged.prepare(&UPDATES).unwrap();
    for number in 0..3 {
        prepared.execute(Poison::of_execution(number)).unwrap();
        assert_eq!(
            prepared.outputs().unwrap()[0],
            Tensor::f32("wide", vec![101.0, 102.0, 103.0, 104.0, 105.0])
        );
    }
}

#[test]
fn elements_that_are_not_written_and_kernels_that_are_wrong_are_told_in_one_line() {
    let sim = Sim::new(1000);
    let staged = sim.stage(problem(5)).unwrap();
    let fails = |algorithm, said: &[&str]| {
        let mut prepared = staged.prepare(algorithm).unwrap();
        prepared.expect(Series { executions: 4, seed: 0, varies: true });
        for _ in 0..2 {
            let message = observe::execute(&mut *prepared, 0).unwrap_err().to_string();
            assert!(said.iter().all(|said| message.contains(said)), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    };
    fails(&LOOKS, &["never written", "the first is wide[0]"]);
    fails(&STRAYS, &["pairs/strays: beyond: PTX line ", "(block 0,0,0, thread 0,0,0)"]);
    fails(&LOOPS, &["pairs/loops: for_ever: ", "64000"]);
    fails(&MISSES, &["pairs/misses: nothing: ", "no such entry"]);
    let mut prepared = staged.prepare(&UPDATES).unwrap();
    assert!(prepared.time(1, Cache::Hot).unwrap_err().to_string().contains("no time"));
    assert!(staged.probe(Work::Bytes(1)).is_err() && sim.load(Strength::USUAL).is_err());
}

#[test]
fn executions_side_by_side_are_those_one_by_one() {
    let shape = Reduce.shape("n=3000").unwrap();
    let workload = Workload::new("wide", &Reduce, shape, Dtype::F32, Distribution::Wide);
    let problem = Case::new(&workload).problem;
    let atomic = Reduce.algorithms().iter().find(|algorithm| algorithm.name == "atomic_element").unwrap();
    let series = Series { executions: 20, seed: 40, varies: true };
    let run = |is_told: bool| -> Vec<_> {
        let sim = Sim::new(DEFAULT_MOST_INSTRUCTIONS);
        let staged = sim.stage(Arc::clone(&problem)).unwrap();
        let mut prepared = staged.prepare(atomic).unwrap();
        if is_told {
            prepared.expect(series);
        }
        let execute = |number| {
            sim.set_schedule(series.execution(number).seed);
            let bits = digest(observe::execute(&mut *prepared, number).unwrap());
            (bits, sim.take_instructions())
        };
        // One that comes out of turn disturbs nothing.
        (0..series.executions).chain([3]).map(execute).collect()
    };
    let (ahead, alone) = (run(true), run(false));
    assert_eq!(ahead, alone);
    assert_eq!(ahead[20], ahead[3]);
    let distinct: std::collections::HashSet<_> = ahead.iter().map(|(bits, _)| bits).collect();
    assert!(distinct.len() > 10, "{}", distinct.len());
}
