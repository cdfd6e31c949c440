//! The steps on the CPU, operation for operation as the kernels do them. One thread computes them: they are over before
//! another has woken up.

use crate::operation::twin::canonical;
use crate::train::elementwise::Call;
use crate::train::elementwise::functions::{exp, log};
use crate::train::optimizer::{ADAM_EPSILON, FIRST, SECOND};
use crate::train::philox::{block, unit};

fn positive(x: f32) -> f32 {
    if x > 0.0 { x } else { 0.0 }
}

/// What a kept activation is multiplied by.
fn kept(rate: f32) -> f32 {
    1.0 / (1.0 - rate)
}

/// Writes `value` of each element of `a`.
fn each(to: &mut [f32], a: &[f32], value: impl Fn(f32) -> f32) {
    to.iter_mut().zip(a).for_each(|(to, a)| *to = canonical(value(*a)));
}

/// Writes `value` of each pair of elements of `a` and `b`.
fn pairs(to: &mut [f32], a: &[f32], b: &[f32], value: impl Fn(f32, f32) -> f32) {
    to.iter_mut().zip(a).zip(b).for_each(|((to, a), b)| *to = canonical(value(*a, *b)));
}

/// Twin of `relu`.
pub fn relu(call: &Call, to: &mut [&mut [f32]]) {
    each(to[0], call.inputs[0], positive);
}

/// Twin of `dropout`.
pub fn dropout(call: &Call, to: &mut [&mut [f32]]) {
    let (rate, [seed, position, purpose]) = (call.floats[0], [0, 1, 2].map(|place| call.integers[place]));
    let factor = kept(rate);
    let fours = to[0].chunks_mut(4).zip(call.inputs[0].chunks(4)).zip(0u64..);
    for ((to, y), number) in fours {
        let words = block(seed, purpose as u32, position.wrapping_add(number));
        for ((to, y), word) in to.iter_mut().zip(y).zip(words) {
            *to = canonical(positive(*y) * if unit(word) < rate { 0.0 } else { factor });
        }
    }
}

/// Twin of `dropout_backward`.
pub fn dropout_backward(call: &Call, to: &mut [&mut [f32]]) {
    let factor = kept(call.floats[0]);
    let value = |active: f32, to_active: f32| if active > 0.0 { to_active * factor } else { 0.0 };
    pairs(to[0], call.inputs[0], call.inputs[1], value);
}

/// Twin of `add_to_rows`.
pub fn add_to_rows(call: &Call, to: &mut [&mut [f32]]) {
    let columns = call.columns.max(1);
    let rows = to[0].chunks_mut(columns).zip(call.inputs[0].chunks(columns));
    rows.for_each(|(to, row)| pairs(to, row, call.inputs[1], |x, added| x + added));
}

/// Twin of `shifted_exponentials`.
pub fn shifted_exponentials(call: &Call, to: &mut [&mut [f32]]) {
    let [exponentials, largest] = to else { return };
    let columns = call.columns.max(1);
    let rows = exponentials.chunks_mut(columns).zip(call.inputs[0].chunks(columns));
    for ((exponentials, logits), largest) in rows.zip(largest.iter_mut()) {
        let most =
            logits.iter().fold(f32::NEG_INFINITY, |most, logit| if *logit > most { *logit } else { most });
        each(exponentials, logits, |logit| exp(logit - most));
        *largest = most;
    }
}

/// Twin of `losses`.
pub fn losses(call: &Call, to: &mut [&mut [f32]]) {
    let [logits, sums, largest, digits] = [0, 1, 2, 3].map(|place| call.inputs[place]);
    for (row, loss) in to[0].iter_mut().enumerate() {
        let right = logits[row * call.columns + digits[row] as usize];
        *loss = canonical(log(sums[row]) - (right - largest[row]));
    }
}

/// Twin of `logits_gradient`.
pub fn logits_gradient(call: &Call, to: &mut [&mut [f32]]) {
    let [exponentials, sums, digits] = [0, 1, 2].map(|place| call.inputs[place]);
    let columns = call.columns.max(1);
    let count = call.rows as f32;
    let rows = to[0].chunks_mut(columns).zip(exponentials.chunks(columns)).zip(sums.iter().zip(digits));
    for ((to, exponentials), (sum, digit)) in rows {
        for ((to, exponential), column) in to.iter_mut().zip(exponentials).zip(0..) {
            let wanted = if column == *digit as usize { 1.0 } else { 0.0 };
            *to = canonical((exponential / sum - wanted) / count);
        }
    }
}

/// Twin of `divided`.
pub fn divided(call: &Call, to: &mut [&mut [f32]]) {
    each(to[0], call.inputs[0], |x| x / call.floats[0]);
}

/// Twin of `transposed`.
pub fn transposed(call: &Call, to: &mut [&mut [f32]]) {
    let columns = to[0].chunks_mut(call.rows.max(1));
    for (column, to) in columns.enumerate() {
        let elements = call.inputs[0].iter().skip(column).step_by(call.columns);
        to.iter_mut().zip(elements).for_each(|(to, element)| *to = *element);
    }
}

/// Twin of `centred`.
pub fn centred(call: &Call, to: &mut [&mut [f32]]) {
    let [x, mean, invstd, to_y] = [0, 1, 2, 3].map(|place| call.inputs[place]);
    let [centred, product] = to else { return };
    let columns = call.columns.max(1);
    for (row, x) in centred.chunks_mut(columns).zip(x.chunks(columns)) {
        for ((to, x), (mean, invstd)) in row.iter_mut().zip(x).zip(mean.iter().zip(invstd)) {
            *to = canonical((x - mean) * invstd);
        }
    }
    pairs(product, to_y, centred, |to_y, centred| to_y * centred);
}

/// Twin of `normalise_backward`.
pub fn normalise_backward(call: &Call, to: &mut [&mut [f32]]) {
    let [to_y, centred, weight, invstd, to_bias, to_weight] =
        [0, 1, 2, 3, 4, 5].map(|place| call.inputs[place]);
    let (columns, n) = (call.columns.max(1), call.rows as f32);
    let scale: Vec<f32> = weight.iter().zip(invstd).map(|(weight, invstd)| weight * invstd / n).collect();
    let rows = to[0].chunks_mut(columns).zip(to_y.chunks(columns).zip(centred.chunks(columns)));
    for (row, (to_y, centred)) in rows {
        let channels = scale.iter().zip(to_bias).zip(to_weight);
        for (((to, to_y), centred), ((scale, to_bias), to_weight)) in
            row.iter_mut().zip(to_y).zip(centred).zip(channels)
        {
            *to = canonical(scale * ((n * to_y - to_bias) - centred * to_weight));
        }
    }
}

/// Twin of `momentum`.
pub fn momentum(call: &Call, to: &mut [&mut [f32]]) {
    let [parameter, velocity, gradient] = [0, 1, 2].map(|place| call.inputs[place]);
    let [new_parameter, new_velocity] = to else { return };
    pairs(new_velocity, velocity, gradient, |velocity, gradient| FIRST * velocity + gradient);
    pairs(new_parameter, parameter, new_velocity, |parameter, velocity| {
        parameter - call.floats[0] * velocity
    });
}

/// Twin of `adam`.
pub fn adam(call: &Call, to: &mut [&mut [f32]]) {
    let [parameter, first, second, gradient] = [0, 1, 2, 3].map(|place| call.inputs[place]);
    let [rate, first_correction, second_correction] = [0, 1, 2].map(|place| call.floats[place]);
    let [new_parameter, new_first, new_second] = to else { return };
    pairs(new_first, first, gradient, |first, gradient| FIRST * first + (1.0 - FIRST) * gradient);
    pairs(new_second, second, gradient, |second, gradient| {
        SECOND * second + (1.0 - SECOND) * (gradient * gradient)
    });
    let moments = new_first.iter().zip(new_second.iter());
    for ((to, parameter), (first, second)) in new_parameter.iter_mut().zip(parameter).zip(moments) {
        let deviation = (second / second_correction).sqrt() + ADAM_EPSILON;
        *to = canonical(parameter - rate * ((first / first_correction) / deviation));
    }
}

/// Twin of `accumulated`.
pub fn accumulated(call: &Call, to: &mut [&mut [f32]]) {
    pairs(to[0], call.inputs[0], call.inputs[1], |sum, gradient| sum + gradient);
}

/// Twin of `scaled`.
pub fn scaled(call: &Call, to: &mut [&mut [f32]]) {
    each(to[0], call.inputs[0], |x| x * call.floats[0]);
}
