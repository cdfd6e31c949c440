//! The accurate convolution and its gradients in f64, as products of unfolded images; with Σ|terms| by the same
//! products of magnitudes.

use rayon::prelude::*;

use crate::operation::ReferenceOutput;
use crate::operation::conv2d::shape::Extents;
use crate::operation::matmul::reference::multiply_f64;
use crate::operation::matmul::shape::Extents as Product;
use crate::tensor::Tensor;

/// A tensor's elements in f64.
fn widened(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.len()).into_par_iter().with_min_len(1 << 14).map(|index| tensor.value(index)).collect()
}

/// What `of` makes of the tensors, and of their magnitudes. The latter are enlarged by what adding up `terms` of
/// them in f64 may have lost.
fn with_magnitudes<const N: usize>(
    tensors: [&Tensor; N],
    terms: [u64; N],
    of: impl Fn(&[Vec<f64>; N]) -> [Vec<f64>; N],
) -> Vec<ReferenceOutput> {
    let exact = tensors.map(widened);
    let values = of(&exact);
    let magnitudes = of(&exact.map(|values| values.into_iter().map(f64::abs).collect()));
    let outputs = values.into_iter().zip(magnitudes).zip(terms);
    let output = |((values, mut magnitudes), terms): ((_, Vec<f64>), u64)| {
        let factor = 1.0 + terms as f64 * f64::EPSILON;
        magnitudes.iter_mut().for_each(|magnitude| *magnitude *= factor);
        ReferenceOutput { values, magnitudes, own_error: Vec::new() }
    };
    outputs.map(output).collect()
}

/// Products that one output of the forward pass adds up, the bias among them.
pub fn forward_terms(extents: &Extents) -> u64 {
    extents.taps() + 1
}

/// The same of the gradients of input, weight and bias.
pub fn backward_terms(extents: &Extents) -> [u64; 3] {
    let over_images = extents.n * extents.places();
    [extents.k * extents.r * extents.s, over_images, over_images]
}

/// y, from x, weight and bias.
pub fn forward(extents: &Extents, inputs: &[Tensor]) -> ReferenceOutput {
    let [x, weight, bias] = [0, 1, 2].map(|index| &inputs[index]);
    let terms = forward_terms(extents);
    let of = |[x, weight, bias]: &[Vec<f64>; 3]| [convolve(extents, x, weight, bias), Vec::new(), Vec::new()];
    with_magnitudes([x, weight, bias], [terms; 3], of).swap_remove(0)
}

/// The gradients of input, weight and bias, from that of y, x and weight.
pub fn backward(extents: &Extents, inputs: &[Tensor]) -> Vec<ReferenceOutput> {
    let [grad_y, x, weight] = [0, 1, 2].map(|index| &inputs[index]);
    let of = |[grad_y, x, weight]: &[Vec<f64>; 3]| gradients(extents, grad_y, x, weight);
    with_magnitudes([grad_y, x, weight], backward_terms(extents), of)
}

fn convolve(extents: &Extents, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity((extents.n * extents.k * extents.places()) as usize);
    for image in images(x, extents.n) {
        y.extend(multiply_f64(&extents.product(), weight, &unfold(extents, image)));
    }
    let places = (extents.places() as usize).max(1);
    for (row, y) in y.chunks_mut(places).enumerate() {
        y.iter_mut().for_each(|y| *y += bias[row % bias.len()]);
    }
    y
}

fn gradients(extents: &Extents, grad_y: &[f64], x: &[f64], weight: &[f64]) -> [Vec<f64>; 3] {
    let forward = extents.product();
    let of_weight = Product { m: forward.m, n: forward.k, k: forward.n, ta: false, tb: true };
    let of_input = Product { m: forward.k, n: forward.n, k: forward.m, ta: true, tb: false };
    let (mut grad_x, mut grad_weight) = (Vec::with_capacity(x.len()), vec![0.0; weight.len()]);
    let mut grad_bias = vec![0.0; extents.k as usize];
    for (image, grad_y) in images(x, extents.n).zip(images(grad_y, extents.n)) {
        let part = multiply_f64(&of_weight, grad_y, &unfold(extents, image));
        grad_weight.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        grad_x.extend(fold(extents, &multiply_f64(&of_input, weight, grad_y)));
        for (sum, places) in grad_bias.iter_mut().zip(grad_y.chunks((forward.n as usize).max(1))) {
            *sum += places.iter().sum::<f64>();
        }
    }
    [grad_x, grad_weight, grad_bias]
}

/// The images of a tensor, one after the other.
fn images(tensor: &[f64], count: u64) -> impl Iterator<Item = &[f64]> {
    tensor.chunks((tensor.len() / (count as usize).max(1)).max(1))
}

/// Calls `meet` with each element of an unfolded image, row-major with a row per tap, and its place in the image
/// where it has one.
fn unfolded(extents: &Extents, mut meet: impl FnMut(usize, usize)) {
    let Extents { c, h, w, r, s, stride, pad, .. } = *extents;
    let (height, width) = extents.output();
    let mut at = 0;
    for tap in 0..c * r * s {
        let (channel, down, right) = (tap / (r * s), tap / s % r, tap % s);
        for place in 0..height * width {
            let (y, x) = (place / width * stride + down, place % width * stride + right);
            if (pad..h + pad).contains(&y) && (pad..w + pad).contains(&x) {
                meet(at, ((channel * h + y - pad) * w + x - pad) as usize);
            }
            at += 1;
        }
    }
}

fn unfold(extents: &Extents, image: &[f64]) -> Vec<f64> {
    let mut columns = vec![0.0; (extents.taps() * extents.places()) as usize];
    unfolded(extents, |at, place| columns[at] = image[place]);
    columns
}

/// The reverse: elements that come from one place are added up there.
fn fold(extents: &Extents, columns: &[f64]) -> Vec<f64> {
    let mut image = vec![0.0; (extents.c * extents.h * extents.w) as usize];
    unfolded(extents, |at, place| image[place] += columns[at]);
    image
}
