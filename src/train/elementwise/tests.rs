//! Twins against f64, kernels against twins, plans against the PTX.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use crate::condition::Condition;
use crate::device::cpu::Cpu;
use crate::device::gpu::GpuDevice;
use crate::device::plan::ELEMENTWISE;
use crate::device::sim::SimGpu;
use crate::device::{Device, Problem};
use crate::explore::Settings;
use crate::explore::certificate::Certificate;
use crate::explore::verdict::Verdict;
use crate::input::{Distribution, generate};
use crate::operation::plan_tests::check_plan;
use crate::operation::{Form, Operation, OutputSpec, ReferenceOutput, Target};
use crate::perturbation::Perturbation;
use crate::poison::Poison;
use crate::simt::{self, Schedule};
use crate::suite::observe;
use crate::tensor::{Data, Dtype, Tensor};
use crate::train::elementwise::{ALL, Elementwise, InputValues};
use crate::train::philox::{Generator, Purpose, unit};
use crate::workload::{Setting, Workload};

const TARGET: Target = Target { sm_count: 16 };

fn workload(step: &'static Elementwise, shape: &str, input: Distribution) -> Workload {
    let shape = step.shape(shape).unwrap();
    Workload { seed: 7, ..Workload::new("step", step, shape, Dtype::F32, input) }
}

fn problem(step: &'static Elementwise, shape: &str, input: Distribution) -> Problem {
    let workload = workload(step, shape, input);
    let inputs = generate(&step.inputs(&workload), input, workload.seed);
    Problem { workload, inputs }
}

/// Every step on every shape that it is checked on.
fn cases() -> Vec<(&'static Elementwise, String)> {
    ALL.iter().flat_map(|step| step.check_shapes().into_iter().map(|shape| (*step, shape))).collect()
}

/// The outputs on a device; every element must have been written.
fn outputs(device: &dyn Device, problem: &Arc<Problem>, condition: Condition) -> Vec<Tensor> {
    let staged = device.stage(Arc::clone(problem)).unwrap();
    let way = &problem.workload.operation.algorithms()[0];
    let mut prepared = staged.prepare_under(way, condition).unwrap();
    observe::execute(&mut *prepared, 3).unwrap().to_vec()
}

fn twin(problem: &Problem) -> Vec<Tensor> {
    let operation = problem.workload.operation;
    let way = &operation.algorithms()[0];
    let specs = operation.outputs(Form::Own(way), &problem.workload);
    let mut outputs: Vec<Tensor> = specs.iter().map(OutputSpec::tensor).collect();
    Poison::of_execution(1).prepare(&mut outputs, &specs, &problem.inputs);
    (way.twin)(&problem.workload, &TARGET, &problem.inputs, &mut outputs);
    outputs
}

/// How many times its bound the worst element of `outputs` is away from the reference of `problem`.
fn worst(problem: &Problem, outputs: &[Tensor]) -> f64 {
    let Problem { workload, inputs } = problem;
    let step = workload.operation;
    let reference = step.reference(workload, inputs);
    let bounds = step.bound(Form::Own(&step.algorithms()[0]), workload, &TARGET, inputs, &reference);
    assert_eq!(reference.outputs.len(), outputs.len());
    let of_output = |((output, exact), bounds): ((&Tensor, &ReferenceOutput), &Vec<f64>)| {
        assert_eq!((output.len(), output.len()), (exact.values.len(), bounds.len()));
        let apart = |e: usize| (output.value(e) - exact.values[e]).abs() / bounds[e];
        (0..output.len()).map(apart).fold(0.0, f64::max)
    };
    outputs.iter().zip(&reference.outputs).zip(&bounds).map(of_output).fold(0.0, f64::max)
}

#[test]
fn every_twin_is_as_near_to_f64_as_its_roundings_let_it_be() {
    for (step, shape) in cases() {
        for input in Distribution::ALL {
            let problem = problem(step, &shape, input);
            let worst = worst(&problem, &twin(&problem));
            assert!(worst <= 1.0, "{} {shape} {input:?}: {worst} of the bound", step.name);
        }
    }
}

/// An input whose element has changed by one part in 1024, or a number that is set, is out of bounds everywhere.
#[test]
fn the_bound_finds_a_small_error_of_any_input() {
    let scaled = |x: f32| x * (1.0 + 1.0 / 1024.0);
    for step in ALL {
        let usual = problem(step, "r=8;c=10", Distribution::Normal);
        for (place, input) in step.inputs.iter().enumerate() {
            let mut changed = Problem { workload: usual.workload.clone(), inputs: usual.inputs.clone() };
            let Data::F32(values) = &mut changed.inputs[place].data else { panic!("f32 alone") };
            for value in values.iter_mut() {
                *value = match input.values {
                    InputValues::Column => (*value + 1.0) % 10.0,
                    // Only whether it is above 0 counts.
                    _ if (step.name, input.name) == ("dropout_backward", "active") => -*value,
                    _ => scaled(*value),
                };
            }
            let worst = worst(&usual, &twin(&changed));
            assert!(worst > 10.0, "{}: {} changed, and {worst} of the bound", step.name, input.name);
        }
        let floats = step.floats.iter().map(|(name, usual)| format!("{name}={}", scaled(*usual)));
        let integers = step.integers.iter().map(|(name, usual)| format!("{name}={}", usual + 1));
        for set in floats.chain(integers) {
            let workload = Workload { setting: Setting::parse(&set).unwrap(), ..usual.workload.clone() };
            step.check_setting(&workload.setting).unwrap();
            let changed = Problem { workload, inputs: usual.inputs.clone() };
            let worst = worst(&usual, &twin(&changed));
            assert!(worst > 10.0, "{}: {set}, and {worst} of the bound", step.name);
        }
    }
}

/// Plants zeros of both signs and subnormal numbers in what may be anything.
fn with_small_numbers(mut problem: Problem, step: &Elementwise) -> Arc<Problem> {
    let planted = [0.0, -0.0, f32::from_bits(1), -1e-40, 1.1e-38, -f32::MIN_POSITIVE, 3e-39];
    for (tensor, input) in problem.inputs.iter_mut().zip(step.inputs) {
        if let (Data::F32(values), InputValues::Any) = (&mut tensor.data, input.values) {
            // An odd distance, so that each of them comes to each column.
            values
                .iter_mut()
                .step_by(3)
                .zip(planted.iter().cycle())
                .for_each(|(value, small)| *value = *small);
        }
    }
    Arc::new(problem)
}

fn same_bits(a: &[Tensor], b: &[Tensor]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.bytes() == b.bytes())
}

#[test]
fn every_kernel_gives_the_bits_of_its_twin_under_any_schedule() {
    let wrong: Vec<String> = cases()
        .into_par_iter()
        .filter_map(|(step, shape)| {
            let cpu = Cpu::with_threads(1).unwrap();
            for input in [Distribution::Normal, Distribution::Wide] {
                let problem = with_small_numbers(problem(step, &shape, input), step);
                let expected = outputs(&cpu, &problem, Condition::Usual);
                assert!(expected.iter().all(|output| output.first_non_finite().is_none()), "{}", step.name);
                for seed in 0..4 {
                    let gpu = SimGpu::new();
                    gpu.set_schedule(Schedule::Random { seed });
                    let found = outputs(&GpuDevice::new(gpu), &problem, Condition::Usual);
                    if !same_bits(&found, &expected) {
                        return Some(format!("{} {shape} {input:?} under seed {seed}", step.name));
                    }
                }
            }
            None
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_kernel_is_certified() {
    let module = simt::Module::new(ELEMENTWISE.ptx).unwrap();
    let entries: BTreeSet<String> = cases()
        .into_par_iter()
        .flat_map_iter(|(step, shape)| {
            let problem = problem(step, &shape, Distribution::Wide);
            let (way, settings) = (&step.algorithms()[0], Settings::of(2));
            let found = Certificate::of(way, &problem, &TARGET, &settings, 1 << 26).unwrap();
            for launch in &found.launches {
                let fine = launch.verdict == Verdict::Independent && launch.races.is_empty();
                assert!(fine, "{} {shape}: {launch:#?}", step.name);
            }
            found.launches.into_iter().map(|launch| launch.entry)
        })
        .collect();
    assert_eq!(entries, module.entries().map(str::to_owned).collect());
}

#[test]
fn no_kernel_notices_its_grid_or_its_block() {
    for step in ALL {
        let problem = with_small_numbers(problem(step, "r=37;c=10", Distribution::Normal), step);
        let device = GpuDevice::new(SimGpu::new());
        let expected = outputs(&device, &problem, Condition::Usual);
        let conditions = device.conditions(Perturbation::Launch, &problem.workload);
        assert!(conditions.iter().any(|condition| matches!(condition, Condition::Shape { .. })));
        for condition in conditions {
            let found = outputs(&device, &problem, condition);
            assert!(same_bits(&found, &expected), "{} under {condition:?}", step.name);
        }
    }
}

#[test]
fn infinities_and_nan_have_one_pattern_on_both_sides() {
    for step in ALL {
        let mut problem = problem(step, "r=7;c=9", Distribution::Normal);
        for (tensor, input) in problem.inputs.iter_mut().zip(step.inputs) {
            let Data::F32(values) = &mut tensor.data else { panic!("f32 alone") };
            let planted = [f32::INFINITY, f32::NAN, f32::NEG_INFINITY, -f32::NAN];
            if !matches!(input.values, InputValues::Column) {
                values.iter_mut().step_by(5).zip(planted).for_each(|(value, special)| *value = special);
            }
        }
        let (problem, cpu) = (Arc::new(problem), Cpu::with_threads(1).unwrap());
        let expected = outputs(&cpu, &problem, Condition::Usual);
        let found = outputs(&GpuDevice::new(SimGpu::new()), &problem, Condition::Usual);
        assert!(same_bits(&found, &expected), "{}", step.name);
    }
}

#[test]
fn plans_fit_the_ptx() {
    for (step, shape) in cases() {
        let workload = workload(step, &shape, Distribution::Normal);
        let plan = (step.algorithms()[0].plan)(&workload, &TARGET);
        check_plan(&plan, ELEMENTWISE.ptx, step.inputs.len(), step.outputs.len(), step.name);
        assert_eq!(plan.steps.is_empty(), workload.shape.elements() == Some(0), "{} {shape}", step.name);
    }
}

#[test]
fn dropout_follows_the_stream_that_it_is_given() {
    let count = 1 << 16;
    let mut stream = Generator::at(5 << 40 | 3, Purpose::Dropout, u64::from(u32::MAX) - 2);
    let set = format!("rate=0.25;seed={};position={};purpose=3", stream.seed, stream.position);
    let usual = workload(&super::DROPOUT, &format!("r=1;c={count}"), Distribution::Normal);
    let workload = Workload { setting: Setting::parse(&set).unwrap(), ..usual };
    let problem = Problem { workload, inputs: vec![Tensor::f32("y", vec![1.5; count])] };
    let Data::F32(active) = twin(&problem).remove(0).data else { panic!("f32 alone") };
    let expected: Vec<f32> =
        stream.words(count).into_iter().map(|word| if unit(word) < 0.25 { 0.0 } else { 2.0 }).collect();
    assert_eq!(active, expected);
    let dropped = active.iter().filter(|active| **active == 0.0).count() as f64 / count as f64;
    assert!((dropped - 0.25).abs() < 0.01, "{dropped}");
}
