//! The steps in f64, with the standard library's exp and ln, and how far an f32 may be from that: per element, the sum of the
//! magnitudes that were rounded on the way to it, each counted with what it is multiplied by afterwards.

use crate::operation::ReferenceOutput;
use crate::train::elementwise::Call;
use crate::train::optimizer::{ADAM_EPSILON, FIRST, SECOND};
use crate::train::philox::{block, unit};

/// The largest error of rounding to nearest, relative to what is rounded.
const ROUNDING: f64 = 1.0 / 16_777_216.0;
/// Beyond it, for errors of errors.
const SECOND_ORDER: f64 = 1.0 + 1e-5;
/// What underflow may add.
const SMALLEST: f64 = 1e-40;
/// The error of exp and log in roundings: two units in the last place.
const POLYNOMIAL: f64 = 4.0;
/// Where exp's result would be subnormal, and is 0.
const VANISHES: f64 = -86.9;

/// The largest error per element of an output.
pub fn bounds(output: &ReferenceOutput) -> Vec<f64> {
    output.magnitudes.iter().map(|rounded| rounded * ROUNDING * SECOND_ORDER + SMALLEST).collect()
}

impl Call<'_> {
    fn value(&self, input: usize, element: usize) -> f64 {
        f64::from(self.inputs[input][element])
    }

    fn float(&self, place: usize) -> f64 {
        f64::from(self.floats[place])
    }

    fn digit(&self, input: usize, row: usize) -> usize {
        self.inputs[input][row] as usize
    }

    fn elements(&self) -> usize {
        self.rows * self.columns
    }
}

/// An output whose elements are `(value, rounded magnitudes)`.
fn output(len: usize, element: impl Fn(usize) -> (f64, f64)) -> ReferenceOutput {
    let (values, magnitudes) = (0..len).map(element).unzip();
    ReferenceOutput { values, magnitudes, own_error: Vec::new() }
}

/// One rounding.
fn once(value: f64) -> (f64, f64) {
    (value, value.abs())
}

/// None.
fn exact(value: f64) -> (f64, f64) {
    (value, 0.0)
}

/// `relu` in f64.
pub fn relu(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.elements(), |e| exact(call.value(0, e).max(0.0)))]
}

/// `dropout` in f64; the random words are what they are.
pub fn dropout(call: &Call) -> Vec<ReferenceOutput> {
    let [seed, position, purpose] = [0, 1, 2].map(|place| call.integers[place]);
    let dropped = |e: usize| {
        let words = block(seed, purpose as u32, position.wrapping_add(e as u64 / 4));
        unit(words[e % 4]) < call.floats[0]
    };
    vec![output(call.elements(), |e| {
        let value = if dropped(e) { 0.0 } else { call.value(0, e).max(0.0) / (1.0 - call.float(0)) };
        (value, 3.0 * value.abs())
    })]
}

/// `dropout_backward` in f64.
pub fn dropout_backward(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.elements(), |e| {
        let value = if call.value(0, e) > 0.0 { call.value(1, e) / (1.0 - call.float(0)) } else { 0.0 };
        (value, 3.0 * value.abs())
    })]
}

/// `add_to_rows` in f64.
pub fn add_to_rows(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.elements(), |e| once(call.value(0, e) + call.value(1, e % call.columns)))]
}

/// `shifted_exponentials` in f64.
pub fn shifted_exponentials(call: &Call) -> Vec<ReferenceOutput> {
    let row = |row: usize| row * call.columns..(row + 1) * call.columns;
    let largest: Vec<f64> =
        (0..call.rows).map(|r| row(r).map(|e| call.value(0, e)).fold(f64::NEG_INFINITY, f64::max)).collect();
    let exponential = |e: usize| {
        let shifted = call.value(0, e) - largest[e / call.columns];
        let value = shifted.exp();
        let rounded = if shifted < VANISHES { 1.0 / ROUNDING } else { shifted.abs() + POLYNOMIAL };
        (value, rounded * value)
    };
    vec![output(call.elements(), exponential), output(call.rows, |row| exact(largest[row]))]
}

/// `losses` in f64.
pub fn losses(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.rows, |row| {
        let logarithm = call.value(1, row).ln();
        let apart = call.value(0, row * call.columns + call.digit(3, row)) - call.value(2, row);
        let value = logarithm - apart;
        (value, POLYNOMIAL * logarithm.abs() + apart.abs() + value.abs())
    })]
}

/// `logits_gradient` in f64.
pub fn logits_gradient(call: &Call) -> Vec<ReferenceOutput> {
    let count = call.rows as f64;
    vec![output(call.elements(), |e| {
        let (row, column) = (e / call.columns, e % call.columns);
        let share = call.value(0, e) / call.value(1, row);
        let apart = share - if column == call.digit(2, row) { 1.0 } else { 0.0 };
        (apart / count, (share.abs() + 2.0 * apart.abs()) / count)
    })]
}

/// `divided` in f64.
pub fn divided(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.elements(), |e| once(call.value(0, e) / call.float(0)))]
}

/// `transposed`.
pub fn transposed(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.elements(), |e| exact(call.value(0, e % call.rows * call.columns + e / call.rows)))]
}

/// `centred` in f64.
pub fn centred(call: &Call) -> Vec<ReferenceOutput> {
    let centred = |e: usize| {
        let column = e % call.columns;
        (call.value(0, e) - call.value(1, column)) * call.value(2, column)
    };
    vec![
        output(call.elements(), |e| (centred(e), 2.0 * centred(e).abs())),
        output(call.elements(), |e| {
            let value = call.value(3, e) * centred(e);
            (value, 3.0 * value.abs())
        }),
    ]
}

/// `normalise_backward` in f64.
pub fn normalise_backward(call: &Call) -> Vec<ReferenceOutput> {
    let count = call.rows as f64;
    vec![output(call.elements(), |e| {
        let column = e % call.columns;
        let (all, bias) = (count * call.value(0, e), call.value(4, column));
        let product = call.value(1, e) * call.value(5, column);
        let scale = call.value(2, column) * call.value(3, column) / count;
        let value = scale * (all - bias - product);
        let terms = all.abs() + (all - bias).abs() + product.abs();
        (value, scale.abs() * terms + 4.0 * value.abs())
    })]
}

/// `momentum` in f64.
pub fn momentum(call: &Call) -> Vec<ReferenceOutput> {
    let velocity = |e: usize| {
        let kept = f64::from(FIRST) * call.value(1, e);
        let velocity = kept + call.value(2, e);
        (velocity, kept.abs() + velocity.abs())
    };
    let parameter = |e: usize| {
        let (velocity, rounded) = velocity(e);
        let step = call.float(0) * velocity;
        let value = call.value(0, e) - step;
        (value, call.float(0).abs() * rounded + step.abs() + value.abs())
    };
    vec![output(call.elements(), parameter), output(call.elements(), velocity)]
}

/// `adam` in f64.
pub fn adam(call: &Call) -> Vec<ReferenceOutput> {
    let [rate, first_correction, second_correction] = [0, 1, 2].map(|place| call.float(place));
    let first = |e: usize| {
        let (kept, added) = (f64::from(FIRST) * call.value(1, e), f64::from(1.0 - FIRST) * call.value(3, e));
        (kept + added, kept.abs() + added.abs() + (kept + added).abs())
    };
    let second = |e: usize| {
        let kept = f64::from(SECOND) * call.value(2, e);
        let added = f64::from(1.0 - SECOND) * call.value(3, e).powi(2);
        (kept + added, kept.abs() + 2.0 * added.abs() + (kept + added).abs())
    };
    let parameter = |e: usize| {
        let ((first, first_rounded), (second, _)) = (first(e), second(e));
        let deviation = (second / second_correction).sqrt() + f64::from(ADAM_EPSILON);
        let step = rate * (first / first_correction / deviation);
        let value = call.value(0, e) - step;
        // The deviation's relative error: half of three roundings and a division's, a root's and a sum's.
        let of_first = (rate / first_correction / deviation).abs() * first_rounded;
        (value, of_first + (4.0 + 3.0) * step.abs() + value.abs())
    };
    let outputs: [&dyn Fn(usize) -> (f64, f64); 3] = [&parameter, &first, &second];
    outputs.map(|element| output(call.elements(), element)).into()
}

/// `accumulated` in f64.
pub fn accumulated(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.elements(), |e| once(call.value(0, e) + call.value(1, e)))]
}

/// `scaled` in f64.
pub fn scaled(call: &Call) -> Vec<ReferenceOutput> {
    vec![output(call.elements(), |e| once(call.value(0, e) * call.float(0)))]
}
