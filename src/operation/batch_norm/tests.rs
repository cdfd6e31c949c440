//! Twins against a second, plain reading of their definition, under other thread counts and beside
//! other images; what is refused and skipped; plans against the signatures in the PTX.

mod accuracy;
mod faults;
mod plain;
mod torch;

use half::f16;

use super::*;
use crate::device::cpu::Cpu;
use crate::device::plan::Step;
use crate::device::{Device, Problem};
use crate::digest::digest;
use crate::input::{Distribution, generate};
use crate::operation::plan_tests::check_plan;
use crate::poison::Poison;
use crate::tensor::Data;
use crate::workload;

const TARGET: Target = Target { sm_count: 16 };

fn workload(shape: &str, dtype: Dtype, input: Distribution, seed: u64) -> Workload {
    Workload { seed, ..Workload::new("test", &BatchNorm, BatchNorm.shape(shape).unwrap(), dtype, input) }
}

fn inputs(workload: &Workload) -> Vec<Tensor> {
    generate(&BatchNorm.inputs(workload), workload.input, workload.seed)
}

fn algorithm(name: &str) -> &'static Algorithm {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name).unwrap()
}

/// All outputs of a twin, as after an execution.
fn run(name: &str, workload: &Workload, target: &Target, inputs: &[Tensor]) -> Vec<Tensor> {
    let specs = BatchNorm.outputs(Form::Own(algorithm(name)), workload);
    let mut outputs: Vec<Tensor> = specs.iter().map(OutputSpec::tensor).collect();
    Poison::of_execution(3).prepare(&mut outputs, &specs, inputs);
    (algorithm(name).twin)(workload, target, inputs, &mut outputs);
    for output in &outputs {
        assert_eq!(Poison::of_execution(3).survivors(output), None, "{name} {}", output.name);
    }
    outputs
}

fn widened(tensor: &Tensor) -> Vec<f32> {
    (0..tensor.len()).map(|index| tensor.value(index) as f32).collect()
}

/// Whether every channel has the two values that training needs.
fn trains(workload: &Workload) -> bool {
    BatchNorm.reason_to_skip(Form::Own(algorithm("split_tree")), workload).is_none()
}

#[test]
fn twins_do_not_depend_on_the_number_of_threads() {
    for shape in ["n=3;c=5;h=31;w=33", "n=1;c=2;h=181;w=193", "n=9;c=130;h=7;w=7", "n=8193;c=2;h=1;w=1"] {
        for dtype in Dtype::ALL {
            let workload = workload(shape, dtype, Distribution::Wide, 5);
            let inputs = inputs(&workload);
            for name in ["split_tree", "channel_tree", "inference"] {
                let digests: Vec<_> = [1, 2, 7]
                    .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap())
                    .iter()
                    .map(|pool| digest(&pool.install(|| run(name, &workload, &TARGET, &inputs))))
                    .collect();
                assert!(digests.iter().all(|d| *d == digests[0]), "{name} {shape} {dtype}");
            }
        }
    }
}

#[test]
fn split_tree_does_not_depend_on_the_device_and_channel_tree_does() {
    let workload = workload("n=5;c=20;h=37;w=41", Dtype::F32, Distribution::Wide, 5);
    let inputs = inputs(&workload);
    let on = |name: &str, sm_count| digest(&run(name, &workload, &Target { sm_count }, &inputs));
    assert_eq!(on("split_tree", 4), on("split_tree", 132));
    assert_ne!(on("channel_tree", 4), on("channel_tree", 132));
}

#[test]
fn inference_rows_do_not_depend_on_the_other_images() {
    for dtype in Dtype::ALL {
        let of = |n: usize| workload(&format!("n={n};c=7;h=5;w=9"), dtype, Distribution::Wide, 5);
        let all = inputs(&of(129));
        let whole = widened(&run("inference", &of(129), &TARGET, &all)[0]);
        let image = 7 * 5 * 9;
        for n in [1, 2, 16, 128] {
            let mut some = all.clone();
            match &mut some[0].data {
                Data::F32(x) => x.truncate(n * image),
                Data::F16(x) => x.truncate(n * image),
            }
            let part = widened(&run("inference", &of(n), &TARGET, &some)[0]);
            assert_eq!(part, whole[..n * image], "{dtype} {n}");
        }
    }
}

#[test]
fn running_statistics_are_restored_before_every_execution() {
    let workload = workload("n=3;c=4;h=5;w=5", Dtype::F16, Distribution::Normal, 1);
    let inputs = inputs(&workload);
    let cpu = Cpu::with_threads(2).unwrap();
    let staged = cpu.stage(std::sync::Arc::new(Problem { workload: workload.clone(), inputs })).unwrap();
    for name in ["split_tree", "channel_tree", "atomic"] {
        let mut prepared = staged.prepare(algorithm(name)).unwrap();
        let mut executed = |execution| {
            prepared.execute(Poison::of_execution(execution)).unwrap();
            digest(prepared.outputs().unwrap())
        };
        assert_eq!(executed(0), executed(1), "{name}");
    }
}

#[test]
fn the_f32_store_beside_f16_may_be_left_out() {
    let workload = workload("n=3;c=4;h=5;w=5", Dtype::F16, Distribution::Normal, 1);
    let inputs = inputs(&workload);
    for algorithm in &ALGORITHMS {
        let with = run(algorithm.name, &workload, &TARGET, &inputs);
        let mut without = with.clone();
        without[0] = Tensor::zeros("y", Dtype::F16, with[0].len());
        without[1] = Tensor::zeros("y32", Dtype::F32, 0);
        (algorithm.twin)(&workload, &TARGET, &inputs, &mut without);
        assert_eq!(with[0], without[0], "{}", algorithm.name);
        assert!(without[1].is_empty());
        let rounded: Vec<f32> = widened(&with[1]).iter().map(|y| f16::from_f32(*y).to_f32()).collect();
        assert_eq!(widened(&with[0]), rounded, "{}", algorithm.name);
    }
}

#[test]
fn shapes_and_settings_are_refused_by_name() {
    for (shape, said) in [
        ("n=2;c=3;h=4", "which takes n=…;c=…;h=…;w=…"),
        ("c=3;n=2;h=4;w=4", "which takes n=…;c=…;h=…;w=…"),
        ("n=2147483648;c=1;h=1;w=1", "n=2147483648 is too large, batch_norm takes less than 2^31"),
        ("n=2097152;c=2048;h=64;w=64", "less than 2^43 elements"),
    ] {
        let error = BatchNorm.shape(shape).unwrap_err().to_string();
        assert!(error.contains(said) && error.lines().count() == 1, "{error}");
    }
    for (setting, said) in [
        ("epsilon=0", "epsilon=0 is not above 0"),
        ("epsilon=-1e-5", "is not above 0"),
        ("epsilon=nan", "not a finite number"),
        ("epsilon=inf", "not a finite number"),
        ("epsilon=1e-60", "not above 0 and finite in f32"),
        ("epsilon=1e60", "not above 0 and finite in f32"),
        ("momentum=1.5", "momentum=1.5 is not within 0 and 1"),
        ("momentum=-0.1", "is not within 0 and 1"),
        ("eps=1", "batch_norm does not know the setting eps; it knows epsilon, momentum"),
    ] {
        let error =
            Setting::parse(setting).and_then(|s| BatchNorm.check_setting(&s)).unwrap_err().to_string();
        assert!(error.contains(said) && error.lines().count() == 1, "{setting}: {error}");
    }
    for setting in ["", "momentum=0", "momentum=1;epsilon=1e-3"] {
        BatchNorm.check_setting(&Setting::parse(setting).unwrap()).unwrap();
    }
}

#[test]
fn one_value_per_channel_is_skipped_in_training_with_pytorchs_reason() {
    let one = workload("n=1;c=3;h=1;w=1", Dtype::F32, Distribution::Normal, 1);
    for algorithm in &ALGORITHMS {
        let reason = BatchNorm.reason_to_skip(Form::Own(algorithm), &one);
        assert_eq!(reason.is_some(), algorithm.name != "inference", "{}", algorithm.name);
        if let Some(reason) = reason {
            assert!(reason.contains("more than 1 value per channel"), "{reason}");
        }
    }
}

#[test]
fn the_built_in_workloads_cover_types_and_odd_planes() {
    let ours: Vec<_> = workload::built_in()
        .unwrap()
        .into_iter()
        .filter(|workload| workload.operation.name() == "batch_norm")
        .collect();
    for dtype in Dtype::ALL {
        for input in Distribution::ALL {
            assert!(ours.iter().any(|w| w.dtype == dtype && w.input == input), "{dtype} {}", input.name());
        }
        let small = |w: &&Workload| w.dtype == dtype && w.shape.elements().is_some_and(|n| n <= 20_000);
        assert!(ours.iter().any(|w| small(&w) && w.profiles.contains(&workload::Profile::Quick)));
    }
}

#[test]
fn plans_fit_the_signatures_in_the_ptx() {
    let large = ["n=2147483647;c=1;h=4095;w=1", "n=1;c=2147483647;h=1;w=4095", "n=65536;c=64;h=1024;w=1024"];
    for shape in BatchNorm.check_shapes().iter().map(String::as_str).chain(large) {
        for dtype in Dtype::ALL {
            for target in [Target { sm_count: 1 }, Target { sm_count: 132 }] {
                let workload = workload(shape, dtype, Distribution::Wide, 1);
                for algorithm in &ALGORITHMS {
                    let what = format!("{} {shape} {dtype} {target:?}", algorithm.name);
                    let plan = (algorithm.plan)(&workload, &target);
                    let outputs = BatchNorm.outputs(Form::Own(algorithm), &workload).len();
                    check_plan(&plan, algorithm.module.ptx, 5, outputs, &what);
                    let launches = plan.steps.iter().any(|step| matches!(step, Step::Launch(_)));
                    assert!(launches || workload.shape.elements() == Some(0), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_channel_beyond_f32_is_out_of_range() {
    let workload = workload("n=3;c=1;h=1;w=1", Dtype::F32, Distribution::Wide, 1);
    let mut inputs = inputs(&workload);
    assert_eq!(BatchNorm.reference(&workload, &inputs).range, None);
    inputs[0] = Tensor::f32("x", vec![1e30, -1e30, 1.0]);
    assert!(BatchNorm.reference(&workload, &inputs).range.unwrap().contains("beyond f32"));
}
