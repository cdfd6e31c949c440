//! The definitions of `plan.rs` and of the kernels' README, element by element: no tiles, no vectors,
//! no threads.

use super::*;
use crate::operation::batch_norm::plan::{CHUNK, Geometry};

/// Every channel's sequence, image by image.
fn sequences(x: &[f32], geometry: &Geometry) -> Vec<Vec<f32>> {
    let (channels, plane) = (geometry.channels as usize, geometry.plane as usize);
    let mut sequences = vec![Vec::new(); channels];
    for (index, value) in x.iter().enumerate() {
        sequences[index / plane % channels].push(*value);
    }
    sequences
}

fn tree(values: &[f32], width: usize) -> f32 {
    let mut lanes = vec![0f32; width];
    for (index, value) in values.iter().enumerate() {
        lanes[index % width] += value;
    }
    while lanes.len() > 1 {
        lanes = lanes.chunks(2).map(|pair| pair[0] + pair[1]).collect();
    }
    lanes[0]
}

fn two_pass(values: &[f32], width: usize) -> (f32, f32, f32) {
    let sum = tree(values, width);
    let mean = sum / values.len() as f32;
    let squares: Vec<f32> = values.iter().map(|x| (x - mean) * (x - mean)).collect();
    (sum, mean, tree(&squares, width))
}

fn split(values: &[f32], width: usize) -> (f32, f32) {
    let chunks: Vec<_> =
        values.chunks(CHUNK as usize).map(|chunk| (chunk.len() as f32, two_pass(chunk, width))).collect();
    let sums: Vec<f32> = chunks.iter().map(|(_, (sum, _, _))| *sum).collect();
    let mean = tree(&sums, 256) / values.len() as f32;
    let moved: Vec<f32> = chunks
        .iter()
        .map(|(length, (_, own, squares))| squares + length * ((own - mean) * (own - mean)))
        .collect();
    (mean, tree(&moved, 256))
}

/// y32, saved_mean, saved_invstd, running_mean, running_var.
fn plainly(name: &str, workload: &Workload, inputs: &[Tensor]) -> Vec<Vec<f32>> {
    let geometry = Geometry::of(workload);
    let [x, weight, bias, running_mean, running_var] = [0, 1, 2, 3, 4].map(|i| widened(&inputs[i]));
    let vector = if workload.dtype == Dtype::F32 { 4 } else { 8 };
    let count = geometry.count() as f32;
    let moments: Vec<(f32, f32)> = sequences(&x, &geometry)
        .iter()
        .map(|sequence| match name {
            "split_tree" => split(sequence, 256 * vector),
            _ => {
                let threads = match (geometry.channels).div_ceil(16) {
                    0..=1 => 1024,
                    2 => 512,
                    _ => 256,
                };
                let (_, mean, squares) = two_pass(sequence, threads * vector);
                (mean, squares)
            }
        })
        .collect();
    let saved_mean: Vec<f32> = moments.iter().map(|(mean, _)| *mean).collect();
    let invstd: Vec<f32> = moments.iter().map(|(_, s)| 1.0 / (s / count + 1e-5).sqrt()).collect();
    let updated = |running: f32, batch: f32| 0.9 * running + 0.1 * batch;
    let plane = geometry.plane as usize;
    let y = x
        .iter()
        .enumerate()
        .map(|(index, x)| {
            let c = index / plane % geometry.channels as usize;
            (x - saved_mean[c]) * (weight[c] * invstd[c]) + bias[c]
        })
        .collect();
    let means = running_mean.iter().zip(&saved_mean).map(|(r, m)| updated(*r, *m)).collect();
    let variances =
        running_var.iter().zip(&moments).map(|(r, (_, s))| updated(*r, s / (count - 1.0))).collect();
    vec![y, saved_mean, invstd, means, variances]
}

#[test]
fn deterministic_twins_follow_their_definition_bit_by_bit() {
    for (place, shape) in BatchNorm.check_shapes().iter().enumerate() {
        let input = Distribution::ALL[place % 4];
        for dtype in Dtype::ALL {
            let workload = workload(shape, dtype, input, place as u64);
            if !trains(&workload) || workload.shape.elements() == Some(0) {
                continue;
            }
            let inputs = inputs(&workload);
            for name in ["split_tree", "channel_tree"] {
                let outputs = run(name, &workload, &TARGET, &inputs);
                let wide = outputs.iter().filter(|output| output.dtype() == Dtype::F32);
                for (output, plain) in wide.zip(plainly(name, &workload, &inputs)) {
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert!(bits(&widened(output)) == bits(&plain), "{name} {shape} {dtype} {}", output.name);
                }
            }
        }
    }
}

#[test]
fn inference_is_one_operation_after_another() {
    for shape in BatchNorm.check_shapes() {
        for dtype in Dtype::ALL {
            let workload = workload(&shape, dtype, Distribution::Wide, 3);
            let inputs = inputs(&workload);
            let [x, weight, bias, mean, variance] = [0, 1, 2, 3, 4].map(|i| widened(&inputs[i]));
            let [_, channels, height, width] = extents(&workload.shape);
            let expected: Vec<u32> = x
                .iter()
                .enumerate()
                .map(|(index, x)| {
                    let c = index / (height * width) as usize % channels as usize;
                    let invstd = 1.0 / (variance[c] + 1e-5).sqrt();
                    ((x - mean[c]) * (weight[c] * invstd) + bias[c]).to_bits()
                })
                .collect();
            let outputs = run("inference", &workload, &TARGET, &inputs);
            let wide = widened(&outputs[outputs.len() - 1]);
            let found: Vec<u32> = wide.iter().map(|y| y.to_bits()).collect();
            assert!(found == expected, "{shape} {dtype}");
        }
    }
}

#[test]
fn nan_and_infinities_are_canonical_in_every_output() {
    for dtype in Dtype::ALL {
        let workload = workload("n=3;c=2;h=3;w=5", dtype, Distribution::Normal, 3);
        let mut inputs = inputs(&workload);
        match &mut inputs[0].data {
            Data::F32(x) => x[0] = f32::from_bits(0xffc1_2345),
            Data::F16(x) => x[0] = f16::from_bits(0xfe12),
        }
        for algorithm in &ALGORITHMS {
            for output in run(algorithm.name, &workload, &TARGET, &inputs) {
                match &output.data {
                    Data::F32(values) => {
                        assert!(values.iter().all(|v| !v.is_nan() || v.to_bits() == 0x7fff_ffff));
                    }
                    Data::F16(values) => {
                        assert!(values.iter().all(|v| !v.is_nan() || v.to_bits() == 0x7fff));
                    }
                }
                assert!(output.first_non_finite().is_some(), "{} {}", algorithm.name, output.name);
            }
        }
    }
}

#[test]
fn f16_is_widened_and_rounded_as_the_standard_says() {
    use crate::operation::batch_norm::lanes::Element;
    let same = |ours: f16, standard: f16| {
        ours.to_bits() == standard.to_bits() || (ours.is_nan() && standard.is_nan())
    };
    for bits in 0..=u16::MAX {
        let half = f16::from_bits(bits);
        let wide = half.to_f32();
        assert!(
            half.is_nan() == wide.is_nan() && (half.is_nan() || half.widen().to_bits() == wide.to_bits())
        );
        // The number, the middle between it and the next, and what lies on both sides of these.
        for middle in [0, 1 << 12] {
            for beside in [-1i32, 0, 1] {
                let value = f32::from_bits((wide.to_bits() + middle).wrapping_add_signed(beside));
                assert!(same(f16::narrow(value), f16::from_f32(value)), "{value:e}");
            }
        }
    }
    for pattern in (0..=u32::MAX).step_by(65_521) {
        let value = f32::from_bits(pattern);
        assert!(same(f16::narrow(value), f16::from_f32(value)), "{pattern:08x}");
    }
    assert_eq!(f16::narrow(f32::NAN).to_bits(), 0x7fff);
}
