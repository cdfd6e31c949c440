//! PyTorch's own answers: the committed fixture that `scripts/peers/torch_fixtures.py` made.
//!
//! Both sides are within a bound of the accurate answer, hence within the sum of both of each other.
//! PyTorch's order of additions is its own, so its bound is that of any order: one chain.

use super::accuracy::coverages;
use super::*;
use crate::operation::batch_norm::plan::{Depth, Geometry};

const FIXTURE: &str = include_str!("../../../../tests/fixtures/batch_norm/torch.json");

fn tensor(name: &'static str, dtype: Dtype, bits: &serde_json::Value) -> Tensor {
    let digits = bits.as_str().unwrap().as_bytes().chunks(2 * dtype.size());
    let words = digits.map(|word| u32::from_str_radix(std::str::from_utf8(word).unwrap(), 16).unwrap());
    let data = match dtype {
        Dtype::F32 => Data::F32(words.map(f32::from_bits).collect()),
        Dtype::F16 => Data::F16(words.map(|word| f16::from_bits(word as u16)).collect()),
    };
    Tensor { name, data }
}

/// Workload, inputs, and PyTorch's outputs of training and evaluation.
fn cases() -> Vec<(Workload, Vec<Tensor>, serde_json::Value)> {
    let fixture: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
    assert!(fixture["made_by"].as_str().unwrap().starts_with("torch "));
    let cases = fixture["cases"].as_array().unwrap().iter().map(|case| {
        let dtype: Dtype = case["dtype"].as_str().unwrap().parse().unwrap();
        let shape = BatchNorm.shape(case["shape"].as_str().unwrap()).unwrap();
        let setting = Setting::parse(case["setting"].as_str().unwrap()).unwrap();
        BatchNorm.check_setting(&setting).unwrap();
        let workload =
            Workload { setting, ..Workload::new("torch", &BatchNorm, shape, dtype, Distribution::Normal) };
        let specs = BatchNorm.inputs(&workload);
        let inputs = specs.iter().map(|spec| tensor(spec.name, spec.dtype, &case["inputs"][spec.name]));
        (workload.clone(), inputs.collect(), case.clone())
    });
    cases.collect()
}

#[test]
fn twins_agree_with_pytorch_within_the_bounds_of_both() {
    let mut compared = 0;
    for (workload, inputs, case) in cases() {
        let count = Geometry::of(&workload).count();
        let reference = BatchNorm.reference(&workload, &inputs);
        for algorithm in &ALGORITHMS {
            let scheme = Scheme::of(Form::Own(algorithm));
            let mode = if scheme == Scheme::Inference { "evaluation" } else { "training" };
            let ours = run(algorithm.name, &workload, &TARGET, &inputs);
            let specs = BatchNorm.outputs(Form::Own(algorithm), &workload);
            let own = BatchNorm.bound(Form::Own(algorithm), &workload, &TARGET, &inputs, &reference);
            let any_order = Depth { block: count, between: 0 };
            let theirs = if scheme == Scheme::Inference { scheme } else { Scheme::ChannelTree };
            let others = bound::bounds(theirs, any_order, &workload, &inputs, &reference, &specs);
            for (index, spec) in specs.iter().enumerate().filter(|(_, spec)| !spec.accumulator) {
                let theirs = tensor(spec.name, spec.dtype, &case[mode][spec.name]);
                assert_eq!(theirs.len(), ours[index].len());
                for element in 0..theirs.len() {
                    let apart = (ours[index].value(element) - theirs.value(element)).abs();
                    let allowed = own[index][element] + others[index][element];
                    assert!(
                        apart <= allowed,
                        "{} {workload:?} {}[{element}]: {} against {}, allowed {allowed:e}",
                        algorithm.name,
                        spec.name,
                        ours[index].value(element),
                        theirs.value(element)
                    );
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 2000, "{compared}");
}

#[test]
fn pytorchs_answers_lie_within_the_bound_of_any_order() {
    for (workload, inputs, case) in cases() {
        let split_tree = algorithm("split_tree");
        let reference = BatchNorm.reference(&workload, &inputs);
        let specs = BatchNorm.outputs(Form::Own(split_tree), &workload);
        let depth = Depth { block: Geometry::of(&workload).count(), between: 0 };
        let bounds = bound::bounds(Scheme::ChannelTree, depth, &workload, &inputs, &reference, &specs);
        for (spec, bounds) in specs.iter().zip(&bounds).filter(|(spec, _)| !spec.accumulator) {
            let theirs = tensor(spec.name, spec.dtype, &case["training"][spec.name]);
            for (index, bound) in bounds.iter().enumerate() {
                let error = (theirs.value(index) - reference.outputs[spec.reference].values[index]).abs();
                assert!(error <= *bound, "{workload:?} {}[{index}]: {error:e} over {bound:e}", spec.name);
            }
        }
    }
}

#[test]
fn a_case_with_another_channels_bias_disagrees() {
    let (workload, mut inputs, case) = cases().remove(0);
    match &mut inputs[2].data {
        Data::F32(bias) => bias.rotate_left(1),
        Data::F16(_) => panic!("parameters are f32"),
    }
    let theirs = tensor("y", Dtype::F32, &case["training"]["y"]);
    let split_tree = algorithm("split_tree");
    let mut outputs = run("split_tree", &workload, &TARGET, &inputs);
    outputs[0] = theirs;
    let kappa = coverages(split_tree, &workload, &TARGET, &inputs, &outputs)[0].1;
    assert!(kappa > 1.0, "κ = {kappa}");
}
