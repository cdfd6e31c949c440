//! Planted faults: each is what a wrong kernel would do, and each must be above its bound.

use super::accuracy::{coverages, shifted};
use super::*;

/// κ of the output called `output` once `plant` has changed the outputs of `split_tree`.
fn planted(workload: &Workload, inputs: &[Tensor], output: &str, plant: impl Fn(&mut [Tensor])) -> f64 {
    let split_tree = algorithm("split_tree");
    let mut outputs = run("split_tree", workload, &TARGET, inputs);
    let kappa = |outputs: &[Tensor]| coverages(split_tree, workload, &TARGET, inputs, outputs);
    assert!(kappa(&outputs).iter().all(|(_, kappa)| *kappa <= 1.0), "right before anything is planted");
    plant(&mut outputs);
    kappa(&outputs).into_iter().find(|(name, _)| *name == output).unwrap().1
}

fn f32s<'a>(outputs: &'a mut [Tensor], name: &str) -> &'a mut Vec<f32> {
    match &mut outputs.iter_mut().find(|output| output.name == name).unwrap().data {
        Data::F32(values) => values,
        Data::F16(_) => panic!("{name} is f16"),
    }
}

/// The first channel's elements, of one that fills its plane after plane in a tensor of `channels`.
fn first_channel(inputs: &[Tensor], channels: usize, plane: usize) -> Vec<f32> {
    let x = widened(&inputs[0]);
    x.chunks(plane).step_by(channels).flatten().copied().collect()
}

fn mean_of(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x)).sum::<f64>() / x.len() as f64
}

fn variance_of(x: &[f32]) -> f64 {
    let mean = mean_of(x);
    x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / x.len() as f64
}

#[test]
fn a_one_pass_variance_at_mean_100_and_deviation_a_hundredth_is_found() {
    for shape in ["n=4;c=2;h=16;w=16", "n=8;c=2;h=64;w=64"] {
        let workload = workload(shape, Dtype::F32, Distribution::Normal, 3);
        let mut inputs = inputs(&workload);
        shifted(&mut inputs, 100.0, 0.01);
        let [_, _, h, w] = extents(&workload.shape);
        let x = first_channel(&inputs, 2, (h * w) as usize);
        let count = x.len() as f32;
        let (sum, squares) = x.iter().fold((0f32, 0f32), |(sum, squares), x| (sum + x, squares + x * x));
        let mean = sum / count;
        let variance = (squares / count - mean * mean).max(0.0);
        let kappa = planted(&workload, &inputs, "saved_invstd", |outputs| {
            f32s(outputs, "saved_invstd")[0] = 1.0 / (variance + 1e-5).sqrt();
        });
        assert!(kappa > 1.0, "{shape} κ = {kappa}");
        let kappa = planted(&workload, &inputs, "running_var", |outputs| {
            f32s(outputs, "running_var")[0] =
                0.9 * widened(&inputs[4])[0] + 0.1 * variance * count / (count - 1.0);
        });
        assert!(kappa > 1.0, "{shape} κ = {kappa}");
    }
}

#[test]
fn a_dropped_last_element_is_found() {
    for (shape, input) in [
        ("n=3;c=2;h=7;w=7", Distribution::Normal),
        ("n=3;c=2;h=7;w=7", Distribution::Uniform),
        ("n=5;c=2;h=41;w=43", Distribution::Uniform),
        ("n=9;c=1;h=64;w=64", Distribution::Normal),
    ] {
        let workload = workload(shape, Dtype::F32, input, 3);
        let inputs = inputs(&workload);
        let [_, c, h, w] = extents(&workload.shape);
        let x = first_channel(&inputs, c as usize, (h * w) as usize);
        let kept = &x[..x.len() - 1];
        // A sum over one element less, divided by the full count.
        let mean = mean_of(kept) * kept.len() as f64 / x.len() as f64;
        let kappa = planted(&workload, &inputs, "saved_mean", |outputs| {
            f32s(outputs, "saved_mean")[0] = mean as f32;
        });
        assert!(kappa > 1.0, "{shape} κ = {kappa}");
        let squares: f64 = kept.iter().map(|kept| (f64::from(*kept) - mean_of(&x)).powi(2)).sum();
        let kappa = planted(&workload, &inputs, "saved_invstd", |outputs| {
            f32s(outputs, "saved_invstd")[0] = (1.0 / (squares / x.len() as f64 + 1e-5).sqrt()) as f32;
        });
        assert!(kappa > 1.0, "{shape} κ = {kappa}");
    }
}

#[test]
fn a_missing_unbiased_factor_is_found() {
    for shape in ["n=2;c=1;h=1;w=1", "n=4;c=3;h=2;w=2", "n=32;c=3;h=7;w=7", "n=8;c=2;h=56;w=56"] {
        let workload = workload(shape, Dtype::F32, Distribution::Normal, 3);
        let inputs = inputs(&workload);
        let [_, c, h, w] = extents(&workload.shape);
        let biased = variance_of(&first_channel(&inputs, c as usize, (h * w) as usize));
        let kappa = planted(&workload, &inputs, "running_var", |outputs| {
            f32s(outputs, "running_var")[0] = (0.9 * inputs[4].value(0) + 0.1 * biased) as f32;
        });
        assert!(kappa > 1.0, "{shape} κ = {kappa}");
    }
}

#[test]
fn statistics_of_the_next_channel_are_found() {
    for dtype in Dtype::ALL {
        let workload = workload("n=4;c=5;h=9;w=9", dtype, Distribution::Normal, 3);
        let inputs = inputs(&workload);
        for name in ["saved_mean", "saved_invstd", "running_mean", "running_var"] {
            let kappa = planted(&workload, &inputs, name, |outputs| f32s(outputs, name).rotate_left(1));
            assert!(kappa > 1.0, "{name} κ = {kappa}");
        }
        // y of a plane whose first element took its neighbour's parameters.
        let kappa = planted(&workload, &inputs, "y", |outputs| match &mut outputs[0].data {
            Data::F32(y) => y[81] -= inputs[2].value(1) as f32 - inputs[2].value(0) as f32,
            Data::F16(y) => y[81] = f16::from_f64(y[81].to_f64() - inputs[2].value(1) + inputs[2].value(0)),
        });
        assert!(kappa > 1.0, "{dtype} κ = {kappa}");
    }
}

#[test]
fn a_swapped_momentum_is_found() {
    let workload = workload("n=4;c=3;h=5;w=5", Dtype::F32, Distribution::Normal, 3);
    let inputs = inputs(&workload);
    let reference = BatchNorm.reference(&workload, &inputs);
    let mean = reference.outputs[answer::SAVED_MEAN].values[0];
    let unbiased = reference.outputs[answer::SQUARES].values[0] / 99.0;
    for (name, batch, input) in [("running_mean", mean, 3), ("running_var", unbiased, 4)] {
        let kappa = planted(&workload, &inputs, name, |outputs| {
            f32s(outputs, name)[0] = (0.1 * inputs[input].value(0) + 0.9 * batch) as f32;
        });
        assert!(kappa > 1.0, "{name} κ = {kappa}");
    }
}

#[test]
fn an_epsilon_outside_the_root_is_found() {
    let workload = Workload {
        setting: Setting::parse("epsilon=0.001").unwrap(),
        ..workload("n=4;c=3;h=9;w=9", Dtype::F32, Distribution::Normal, 3)
    };
    let inputs = inputs(&workload);
    let variance = variance_of(&first_channel(&inputs, 3, 81));
    let wrong = (1.0 / (variance.sqrt() + 1e-3)) as f32;
    let kappa =
        planted(&workload, &inputs, "saved_invstd", |outputs| f32s(outputs, "saved_invstd")[0] = wrong);
    assert!(kappa > 1.0, "κ = {kappa}");
    // The default is found too, where the deviation is not 1.
    let mut shrunk = inputs.clone();
    shifted(&mut shrunk, 0.0, 0.25);
    let default = Workload { setting: Setting::default(), ..workload };
    let variance = variance_of(&first_channel(&shrunk, 3, 81));
    let wrong = (1.0 / (variance.sqrt() + 1e-5)) as f32;
    let kappa =
        planted(&default, &shrunk, "saved_invstd", |outputs| f32s(outputs, "saved_invstd")[0] = wrong);
    assert!(kappa > 1.0, "κ = {kappa}");
}

#[test]
fn a_wrong_y_is_found() {
    for dtype in Dtype::ALL {
        let workload = workload("n=2;c=3;h=7;w=7", dtype, Distribution::Normal, 3);
        let inputs = inputs(&workload);
        // Bias left out, of the element whose bias is largest.
        let bias = widened(&inputs[2]);
        let c = (0..3).max_by(|a, b| bias[*a].abs().total_cmp(&bias[*b].abs())).unwrap();
        let kappa = planted(&workload, &inputs, "y", |outputs| match &mut outputs[0].data {
            Data::F32(y) => y[c * 49] -= bias[c],
            Data::F16(y) => y[c * 49] = f16::from_f32(y[c * 49].to_f32() - bias[c]),
        });
        assert!(kappa > 1.0, "{dtype} κ = {kappa}");
        // One unit in the last place of f16 is more than its one rounding.
        if dtype == Dtype::F16 {
            let kappa = planted(&workload, &inputs, "y", |outputs| match &mut outputs[0].data {
                Data::F16(y) => {
                    y.iter_mut().for_each(|y| *y = f16::from_bits(y.to_bits() + 1));
                }
                Data::F32(_) => unreachable!(),
            });
            assert!(kappa > 1.0, "κ = {kappa}");
        }
    }
}
