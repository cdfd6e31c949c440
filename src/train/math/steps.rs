//! The steps between products and sums. What is handed over by value is used up: on a CPU it is not copied.

use crate::error::Result;
use crate::operation::Operation;
use crate::tensor::Tensor;
use crate::train::elementwise::{
    ACCUMULATED, ADAM, ADD_TO_ROWS, CENTRED, DIVIDED, DROPOUT, DROPOUT_BACKWARD, Elementwise,
    LOGITS_GRADIENT, LOSSES, MOMENTUM, NORMALISE_BACKWARD, RELU, SCALED, SHIFTED_EXPONENTIALS, TRANSPOSED,
};
use crate::train::math::{Math, only, too_few};
use crate::train::philox::Generator;
use crate::workload::{Setting, Shape};

/// Which activations are dropped.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// The probability that one is.
    pub rate: f32,
    /// A word per activation, in their order.
    pub stream: Generator,
}

/// What one step of Adam multiplies and divides by.
#[derive(Debug, Clone, Copy)]
pub struct AdamFactors {
    /// The learning rate.
    pub rate: f32,
    /// What the first moment is divided by.
    pub first: f32,
    /// What the second moment is divided by.
    pub second: f32,
}

/// What batch-norm's gradient takes beside the one behind it: a value per column each.
#[derive(Debug, Clone, Copy)]
pub struct Behind<'a> {
    /// Scale.
    pub weight: &'a [f32],
    /// 1 ÷ √(the batch's variance + epsilon).
    pub invstd: &'a [f32],
    /// The gradient of the shift.
    pub to_bias: &'a [f32],
    /// The gradient of the scale.
    pub to_weight: &'a [f32],
}

impl Math<'_> {
    /// What is above 0.
    ///
    /// # Errors
    /// If the device fails.
    pub fn relu(&self, y: Vec<f32>) -> Result<Vec<f32>> {
        let extents = [1, y.len()];
        only(self.step(&RELU, extents, "", vec![y])?)
    }

    /// What is above 0 and not dropped, times 1 ÷ (1 − rate).
    ///
    /// # Errors
    /// If the device fails.
    pub fn dropout(&self, y: Vec<f32>, dropout: Dropout) -> Result<Vec<f32>> {
        let Dropout { rate, stream } = dropout;
        let (seed, position, purpose) = (stream.seed, stream.position, stream.purpose() as u32);
        let extents = [1, y.len()];
        let set = format!("rate={rate};seed={seed};position={position};purpose={purpose}");
        only(self.step(&DROPOUT, extents, &set, vec![y])?)
    }

    /// The gradient before [`Math::dropout`], from what came out there and the gradient behind it.
    ///
    /// # Errors
    /// If the device fails.
    pub fn dropout_backward(&self, active: Vec<f32>, to_active: Vec<f32>, rate: f32) -> Result<Vec<f32>> {
        let extents = [1, active.len()];
        only(self.step(&DROPOUT_BACKWARD, extents, &format!("rate={rate}"), vec![active, to_active])?)
    }

    /// A vector added to every row.
    ///
    /// # Errors
    /// If the device fails.
    pub fn add_to_rows(&self, rows: Vec<f32>, vector: &[f32]) -> Result<Vec<f32>> {
        let extents = extents(&rows, vector.len());
        only(self.step(&ADD_TO_ROWS, extents, "", vec![rows, vector.to_vec()])?)
    }

    /// e^(x − the largest x of the row), row by row of `columns`; and the largest.
    ///
    /// # Errors
    /// If the device fails.
    pub fn shifted_exponentials(&self, logits: &[f32], columns: usize) -> Result<(Vec<f32>, Vec<f32>)> {
        let extents = extents(logits, columns);
        let [exponentials, largest] =
            all(self.step(&SHIFTED_EXPONENTIALS, extents, "", vec![logits.to_vec()])?)?;
        Ok((exponentials, largest))
    }

    /// Per row −log of the softmax at its digit, which must be below the number of columns. `sums` are those of the shifted
    /// exponentials, `largest` what they are shifted by.
    ///
    /// # Errors
    /// If the device fails.
    pub fn losses(
        &self,
        logits: &[f32],
        sums: &[f32],
        largest: Vec<f32>,
        digits: &[f32],
    ) -> Result<Vec<f32>> {
        let extents = extents(logits, logits.len() / digits.len().max(1));
        only(self.step(
            &LOSSES,
            extents,
            "",
            vec![logits.to_vec(), sums.to_vec(), largest, digits.to_vec()],
        )?)
    }

    /// The gradient of the losses' mean.
    ///
    /// # Errors
    /// If the device fails.
    pub fn logits_gradient(
        &self,
        exponentials: Vec<f32>,
        sums: Vec<f32>,
        digits: Vec<f32>,
    ) -> Result<Vec<f32>> {
        let extents = extents(&exponentials, exponentials.len() / digits.len().max(1));
        only(self.step(&LOGITS_GRADIENT, extents, "", vec![exponentials, sums, digits])?)
    }

    /// Each x ÷ `divisor`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn divided(&self, x: Vec<f32>, divisor: f32) -> Result<Vec<f32>> {
        let extents = [1, x.len()];
        only(self.step(&DIVIDED, extents, &format!("divisor={divisor}"), vec![x])?)
    }

    /// Columns as rows.
    ///
    /// # Errors
    /// If the device fails.
    pub fn transposed(&self, matrix: Vec<f32>, columns: usize) -> Result<Vec<f32>> {
        let extents = extents(&matrix, columns);
        only(self.step(&TRANSPOSED, extents, "", vec![matrix])?)
    }

    /// (x − the column's mean) · its invstd; and the product of that and `to_y`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn centred(
        &self,
        x: Vec<f32>,
        mean: &[f32],
        invstd: &[f32],
        to_y: &[f32],
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let extents = extents(&x, mean.len());
        let inputs = vec![x, mean.to_vec(), invstd.to_vec(), to_y.to_vec()];
        let [centred, product] = all(self.step(&CENTRED, extents, "", inputs)?)?;
        Ok((centred, product))
    }

    /// The gradient before batch-norm. `centred` is what [`Math::centred`] gives.
    ///
    /// # Errors
    /// If the device fails.
    pub fn normalise_backward(&self, to_y: Vec<f32>, centred: Vec<f32>, behind: Behind) -> Result<Vec<f32>> {
        let Behind { weight, invstd, to_bias, to_weight } = behind;
        let extents = extents(&to_y, weight.len());
        let columns = [weight, invstd, to_bias, to_weight].map(<[f32]>::to_vec);
        let inputs = [to_y, centred].into_iter().chain(columns).collect();
        only(self.step(&NORMALISE_BACKWARD, extents, "", inputs)?)
    }

    /// Parameter and velocity after a step of momentum SGD, from these and the gradient.
    ///
    /// # Errors
    /// If the device fails.
    pub fn momentum(&self, tensors: [&[f32]; 3], rate: f32) -> Result<(Vec<f32>, Vec<f32>)> {
        let inputs = tensors.map(<[f32]>::to_vec).into();
        let extents = [1, tensors[0].len()];
        let [parameter, velocity] = all(self.step(&MOMENTUM, extents, &format!("rate={rate}"), inputs)?)?;
        Ok((parameter, velocity))
    }

    /// Parameter, first and second moment after a step of Adam, from these and the gradient.
    ///
    /// # Errors
    /// If the device fails.
    pub fn adam(&self, tensors: [&[f32]; 4], factors: AdamFactors) -> Result<(Vec<f32>, Vec<f32>, Vec<f32>)> {
        let AdamFactors { rate, first, second } = factors;
        let set = format!("rate={rate};first_correction={first};second_correction={second}");
        let inputs = tensors.map(<[f32]>::to_vec).into();
        let [parameter, first, second] = all(self.step(&ADAM, [1, tensors[0].len()], &set, inputs)?)?;
        Ok((parameter, first, second))
    }

    /// A gradient added to the `sum` of others.
    ///
    /// # Errors
    /// If the device fails.
    pub fn accumulated(&self, sum: Vec<f32>, gradient: Vec<f32>) -> Result<Vec<f32>> {
        let extents = [1, sum.len()];
        only(self.step(&ACCUMULATED, extents, "", vec![sum, gradient])?)
    }

    /// Each x · `factor`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn scaled(&self, x: Vec<f32>, factor: f32) -> Result<Vec<f32>> {
        let extents = [1, x.len()];
        only(self.step(&SCALED, extents, &format!("factor={factor}"), vec![x])?)
    }

    fn step(
        &self,
        step: &'static Elementwise,
        [rows, columns]: [usize; 2],
        set: &str,
        inputs: Vec<Vec<f32>>,
    ) -> Result<Vec<Vec<f32>>> {
        let setting = Setting::parse(set)?;
        step.check_setting(&setting)?;
        let shape = Shape::of([("r", rows as u64), ("c", columns as u64)]);
        let tensors = step.input_names().zip(inputs).map(|(name, values)| Tensor::f32(name, values));
        self.execute(step, step.algorithm(), shape, setting, tensors.collect())
    }
}

/// Rows and columns of a matrix.
fn extents(matrix: &[f32], columns: usize) -> [usize; 2] {
    [matrix.len() / columns.max(1), columns]
}

fn all<const N: usize>(outputs: Vec<Vec<f32>>) -> Result<[Vec<f32>; N]> {
    outputs.try_into().map_err(|_| too_few())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;

    #[test]
    fn gradients_are_accumulated_and_scaled() {
        let cpu = Cpu::with_threads(1).unwrap();
        let math = Math::new(&cpu);
        let sum = math.accumulated(vec![1.0, -2.0, 0.5], vec![0.25, 2.0, -1.0]).unwrap();
        assert_eq!(sum, [1.25, 0.0, -0.5]);
        assert_eq!(math.scaled(sum, 0.5).unwrap(), [0.625, 0.0, -0.25]);
    }

    #[test]
    fn a_factor_that_is_no_number_is_refused() {
        let cpu = Cpu::with_threads(1).unwrap();
        let math = Math::new(&cpu);
        let error = math.scaled(vec![1.0], f32::NAN).unwrap_err().to_string();
        assert!(error.contains("factor=NaN is not a finite number"), "{error}");
    }

    #[test]
    fn what_is_set_reaches_a_step_bit_by_bit() {
        let cpu = Cpu::with_threads(1).unwrap();
        let math = Math::new(&cpu);
        for factor in [0.1, 1.0 / 3.0, -1e-40, 3.402_823_4e38, f32::from_bits(1)] {
            assert_eq!(math.scaled(vec![1.0], factor).unwrap()[0].to_bits(), factor.to_bits());
        }
    }
}
