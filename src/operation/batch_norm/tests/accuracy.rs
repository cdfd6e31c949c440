//! κ ≤ 1 for everything that is right, over random shapes, types, distributions and settings.

use proptest::prelude::*;

use super::*;

/// The largest error over its bound in each of `outputs`.
pub fn coverages(
    algorithm: &Algorithm,
    workload: &Workload,
    target: &Target,
    inputs: &[Tensor],
    outputs: &[Tensor],
) -> Vec<(&'static str, f64)> {
    let reference = BatchNorm.reference(workload, inputs);
    let bounds = BatchNorm.bound(Form::Own(algorithm), workload, target, inputs, &reference);
    let specs = BatchNorm.outputs(Form::Own(algorithm), workload);
    specs
        .iter()
        .zip(outputs.iter().zip(&bounds))
        .map(|(spec, (output, bounds))| {
            let wanted = &reference.outputs[spec.reference].values;
            assert_eq!((output.len(), bounds.len()), (wanted.len(), wanted.len()), "{}", spec.name);
            let each = (0..output.len()).map(|index| {
                let error = (output.value(index) - wanted[index]).abs();
                if error == 0.0 { 0.0 } else { error / bounds[index] }
            });
            (spec.name, each.fold(0.0, f64::max))
        })
        .collect()
}

/// Moves and shrinks what a distribution gave: mean `offset`, deviation times `scale`.
pub fn shifted(inputs: &mut [Tensor], offset: f32, scale: f32) {
    match &mut inputs[0].data {
        Data::F32(x) => x.iter_mut().for_each(|x| *x = *x * scale + offset),
        Data::F16(x) => x.iter_mut().for_each(|x| *x = f16::from_f32(x.to_f32() * scale + offset)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]

    #[test]
    fn the_bound_covers_every_algorithm(
        n in 1u64..9,
        c in 1u64..5,
        h in 1u64..40,
        w in 1u64..40,
        seed: u64,
        half: bool,
        input in prop::sample::select(Distribution::ALL.to_vec()),
        offset in prop::sample::select(vec![0.0f32, 0.0, 1.0, -100.0, 3000.0]),
        scale in prop::sample::select(vec![1.0f32, 1.0, 0.01, 1e-4, 1e-30]),
        setting in prop::sample::select(vec!["", "epsilon=0.001", "epsilon=1e-12;momentum=0.9", "momentum=0", "momentum=1"]),
        sm_count in prop::sample::select(vec![1u32, 4, 16, 132]),
    ) {
        let dtype = if half { Dtype::F16 } else { Dtype::F32 };
        let workload = Workload {
            setting: Setting::parse(setting).unwrap(),
            ..workload(&format!("n={n};c={c};h={h};w={w}"), dtype, input, seed)
        };
        let mut inputs = inputs(&workload);
        shifted(&mut inputs, offset, scale);
        let target = Target { sm_count };
        for algorithm in &ALGORITHMS {
            if BatchNorm.reason_to_skip(Form::Own(algorithm), &workload).is_some() {
                continue;
            }
            let outputs = run(algorithm.name, &workload, &target, &inputs);
            for (output, kappa) in coverages(algorithm, &workload, &target, &inputs, &outputs) {
                prop_assert!(kappa <= 1.0, "{} {output} κ = {kappa}", algorithm.name);
            }
        }
    }
}

#[test]
fn the_bound_covers_long_channels() {
    for (shape, dtype) in [("n=3;c=1;h=1021;w=1033", Dtype::F32), ("n=2;c=2;h=999;w=1001", Dtype::F16)] {
        for input in Distribution::ALL {
            let workload = workload(shape, dtype, input, 9);
            let inputs = inputs(&workload);
            for algorithm in &ALGORITHMS {
                let outputs = run(algorithm.name, &workload, &TARGET, &inputs);
                for (output, kappa) in coverages(algorithm, &workload, &TARGET, &inputs, &outputs) {
                    assert!(kappa <= 1.0, "{} {} {output} κ = {kappa}", algorithm.name, input.name());
                }
            }
        }
    }
}

#[test]
fn the_reference_knows_the_statistics_of_a_ramp() {
    // 1 … 9000: mean 4500.5, variance (n² − 1) ÷ 12, exactly.
    let workload = workload("n=9;c=1;h=20;w=50", Dtype::F32, Distribution::Uniform, 1);
    let mut inputs = inputs(&workload);
    inputs[0] = Tensor::f32("x", (1..=9000).map(|i| i as f32).collect());
    let reference = BatchNorm.reference(&workload, &inputs);
    let variance = (9000.0f64 * 9000.0 - 1.0) / 12.0;
    assert_eq!(reference.outputs[answer::SAVED_MEAN].values, [4500.5]);
    assert!((reference.outputs[answer::SQUARES].values[0] / 9000.0 / variance - 1.0).abs() < 1e-14);
    let running = 0.9 * inputs[4].value(0) + 0.1 * variance * 9000.0 / 8999.0;
    assert!((reference.outputs[answer::RUNNING_VAR].values[0] / running - 1.0).abs() < 1e-14);
}
