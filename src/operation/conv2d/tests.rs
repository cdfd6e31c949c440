//! Convolutions against their definition, and what their bound must see.

use super::*;
use crate::input::generate;

fn workload(operation: &'static dyn Operation, shape: &str, dtype: Dtype, input: Distribution) -> Workload {
    Workload { seed: 3, ..Workload::new("test", operation, operation.shape(shape).unwrap(), dtype, input) }
}

fn inputs(workload: &Workload) -> Vec<Tensor> {
    generate(&workload.operation.inputs(workload), workload.input, workload.seed)
}

const SHAPES: [&str; 6] = [
    "n=1;c=1;h=1;w=1;k=1;r=1;s=1",
    "n=2;c=3;h=5;w=7;k=4;r=3;s=3;pad=1",
    "n=3;c=5;h=17;w=19;k=7;r=3;s=2;stride=2;pad=1",
    "n=1;c=2;h=6;w=4;k=3;r=4;s=4",
    "n=2;c=4;h=9;w=9;k=2;r=1;s=1;stride=3",
    "n=1;c=2;h=3;w=3;k=2;r=5;s=5;pad=2",
];

/// Every pair of an element of the image and a tap that meet: their places in x, weight and y.
fn pairs(extents: &Extents) -> Vec<[usize; 3]> {
    let Extents { n, c, h, w, k, r, s, stride, pad } = *extents;
    let (height, width) = extents.output();
    let mut pairs = Vec::new();
    for image in 0..n {
        for filter in 0..k {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                for (channel, down, right) in
                    (0..c).flat_map(|a| (0..r).flat_map(move |b| (0..s).map(move |d| (a, b, d))))
                {
                    let (row, column) =
                        ((y * stride + down).wrapping_sub(pad), (x * stride + right).wrapping_sub(pad));
                    if row < h && column < w {
                        let places = [
                            ((image * c + channel) * h + row) * w + column,
                            ((filter * c + channel) * r + down) * s + right,
                            ((image * k + filter) * height + y) * width + x,
                        ];
                        pairs.push(places.map(|place| place as usize));
                    }
                }
            }
        }
    }
    pairs
}

/// Sums of products by their definition: of operands `a` and `b` into a tensor of `len`, by places in `pairs`.
fn by_definition(
    pairs: &[[usize; 3]],
    [a, b, to]: [usize; 3],
    operands: [&Tensor; 2],
    len: usize,
) -> Vec<f64> {
    let mut sums = vec![0.0; len];
    for places in pairs {
        sums[places[to]] += operands[0].value(places[a]) * operands[1].value(places[b]);
    }
    sums
}

fn close(what: &str, found: &ReferenceOutput, expected: &[f64]) {
    assert_eq!(found.values.len(), expected.len(), "{what}");
    for (place, (found, (magnitude, expected))) in
        found.values.iter().zip(found.magnitudes.iter().zip(expected)).enumerate()
    {
        assert!((found - expected).abs() <= 1e-12 * magnitude, "{what}[{place}]: {found} and not {expected}");
    }
}

#[test]
fn the_reference_is_the_definition() {
    for shape in SHAPES {
        let workload = workload(&Conv2d, shape, Dtype::F32, Distribution::Normal);
        let (extents, inputs) = (extents(&workload), inputs(&workload));
        let pairs = pairs(&extents);
        let found = Conv2d.reference(&workload, &inputs).outputs.remove(0);
        let mut y = by_definition(&pairs, [0, 1, 2], [&inputs[0], &inputs[1]], found.values.len());
        for (place, y) in y.iter_mut().enumerate() {
            *y += inputs[2].value(place / extents.places() as usize % extents.k as usize);
        }
        close(shape, &found, &y);
    }
}

#[test]
fn the_gradients_are_their_definition() {
    for shape in SHAPES {
        let workload = workload(&Conv2dBackward, shape, Dtype::F32, Distribution::Wide);
        let (extents, inputs) = (extents(&workload), inputs(&workload));
        let pairs = pairs(&extents);
        let [grad_y, x, weight] = [0, 1, 2].map(|index| &inputs[index]);
        let found = Conv2dBackward.reference(&workload, &inputs).outputs;
        close(shape, &found[0], &by_definition(&pairs, [2, 1, 0], [grad_y, weight], x.len()));
        close(shape, &found[1], &by_definition(&pairs, [2, 0, 1], [grad_y, x], weight.len()));
        let mut bias = vec![0.0; extents.k as usize];
        for place in 0..grad_y.len() {
            bias[place / extents.places() as usize % extents.k as usize] += grad_y.value(place);
        }
        close(shape, &found[2], &bias);
    }
}

#[test]
fn the_bound_lets_any_order_pass_and_no_lost_product() {
    let workload = workload(&Conv2d, SHAPES[2], Dtype::F32, Distribution::Normal);
    let (extents, inputs) = (extents(&workload), inputs(&workload));
    let form = Form::Foreign(&PEERS[0], Precision::F32);
    let reference = Conv2d.reference(&workload, &inputs);
    let bound = Conv2d.bound(form, &workload, &Target { sm_count: 1 }, &inputs, &reference).remove(0);
    let mut pairs = pairs(&extents);
    // In f32, backwards; and the same without each output's first product.
    for (drops, fits) in [(false, true), (true, false)] {
        let mut y = vec![0f32; bound.len()];
        pairs.reverse();
        let mut met = vec![false; bound.len()];
        for [x, weight, to] in pairs.iter().copied() {
            if drops && !std::mem::replace(&mut met[to], true) {
                continue;
            }
            y[to] += inputs[0].value(x) as f32 * inputs[1].value(weight) as f32;
        }
        let off = |place: usize| {
            let bias = inputs[2].value(place / extents.places() as usize % extents.k as usize) as f32;
            (f64::from(y[place] + bias) - reference.outputs[0].values[place]).abs() / bound[place]
        };
        let coverage = (0..y.len()).map(off).fold(0.0, f64::max);
        assert_eq!(coverage <= 1.0, fits, "κ = {coverage}");
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_by_name() {
    for (shape, said) in [
        ("n=1;c=2", "conv2d takes n=…"),
        ("n=1;c=1;h=2;w=2;k=1;r=3;s=3", "does not fit into 2×2 with 0 zeros"),
        ("n=1;c=1;h=2;w=2;k=1;r=1;s=1;stride=0", "at least 1"),
        ("n=1;c=1;h=2;w=4294967296;k=1;r=1;s=1", "below 2^31"),
    ] {
        let error = Conv2d.shape(shape).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains(shape) && error.lines().count() == 1, "{error}");
    }
    assert_eq!(extents(&workload(&Conv2d, SHAPES[2], Dtype::F32, Distribution::Normal)).output(), (9, 10));
    let said = Conv2d.describe(&Conv2d.shape(SHAPES[2]).unwrap());
    assert_eq!(said, "3×2 convolution of 3×5×17×19, 7 filters, stride 2");
}
