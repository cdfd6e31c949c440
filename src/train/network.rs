//! The network: linear → batch-norm → ReLU → dropout → linear → softmax cross-entropy; forward and backward.

use crate::error::{Error, Result};
use crate::train::digits::{CLASSES, PIXELS};
use crate::train::math::{Behind, Channels, Dropout, Math, Normalised};

/// Channels between the two linear layers.
pub const HIDDEN: usize = 128;

/// Names of the parameters in a checkpoint.
pub const NAMES: [&str; 5] = ["hidden.weight", "norm.weight", "norm.bias", "output.weight", "output.bias"];
/// Their shapes; a linear layer has a row per output.
pub const SHAPES: [&[usize]; 5] = [&[HIDDEN, PIXELS], &[HIDDEN], &[HIDDEN], &[CLASSES, HIDDEN], &[CLASSES]];

/// The parameters, or anything else that has a value for each of them: gradients, moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters(pub [Vec<f32>; 5]);

impl Parameters {
    /// Zeros.
    pub fn zeros() -> Self {
        Self(SHAPES.map(|shape| vec![0.0; shape.iter().product()]))
    }
}

/// Batch-norm's running statistics, a value per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Running means.
    pub mean: Vec<f32>,
    /// Running unbiased variances.
    pub var: Vec<f32>,
}

impl Statistics {
    /// Mean 0 and variance 1, as before training.
    pub fn initial() -> Self {
        Self { mean: vec![0.0; HIDDEN], var: vec![1.0; HIDDEN] }
    }
}

/// A batch as the network takes it.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Normalised pixels, image after image.
    pub pixels: &'a [f32],
    /// The images' digits.
    pub digits: &'a [u8],
}

/// What training makes of a batch.
#[derive(Debug)]
pub struct Trained {
    /// Mean cross-entropy.
    pub loss: f32,
    /// The loss's gradient.
    pub gradients: Parameters,
    /// The running statistics, updated.
    pub statistics: Statistics,
}

/// What evaluation makes of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Mean cross-entropy.
    pub loss: f32,
    /// A row of ten per image, before the softmax.
    pub logits: Vec<f32>,
}

impl Evaluated {
    /// The digit that each image is taken for: the largest logit, the first of equal ones.
    pub fn predictions(&self) -> Vec<u8> {
        let largest = |row: &[f32]| {
            (1..row.len()).fold(0, |best, next| if row[next] > row[best] { next } else { best })
        };
        self.logits.chunks(CLASSES).map(|row| largest(row) as u8).collect()
    }
}

/// The network at work.
#[derive(Clone, Copy)]
pub struct Network<'a> {
    /// What computes.
    pub math: Math<'a>,
    /// Batch-norm's epsilon.
    pub epsilon: f32,
    /// The batch's share in updated running statistics.
    pub momentum: f32,
}

impl Network<'_> {
    fn channels<'c>(&self, parameters: &'c Parameters, statistics: &'c Statistics) -> Channels<'c> {
        let [_, weight, bias, _, _] = &parameters.0;
        let (running_mean, running_var) = (&statistics.mean, &statistics.var);
        Channels { weight, bias, running_mean, running_var, epsilon: self.epsilon, momentum: self.momentum }
    }

    /// Loss, gradients and updated statistics of a batch.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn train(
        &self,
        parameters: &Parameters,
        statistics: &Statistics,
        batch: Batch,
        dropout: Dropout,
    ) -> Result<Trained> {
        let math = &self.math;
        let [hidden_weight, norm_weight, _, output_weight, output_bias] = &parameters.0;
        let count = batch.digits.len();
        let hidden = math.by_transposed(batch.pixels, hidden_weight, [count, HIDDEN, PIXELS])?;
        let Normalised { y, mean, invstd, running_mean, running_var } =
            math.normalise(&hidden, self.channels(parameters, statistics))?;
        let active = math.dropout(y, dropout)?;
        let logits = math.by_transposed(&active, output_weight, [count, CLASSES, HIDDEN])?;
        let logits = math.add_to_rows(logits, output_bias)?;
        let Entropy { loss, exponentials, sums, digits } = self.cross_entropy(&logits, batch.digits)?;

        let to_logits = math.logits_gradient(exponentials, sums, digits)?;
        let output_weight_gradient = math.transposed_by(&to_logits, &active, [CLASSES, HIDDEN, count])?;
        let to_active = math.by(&to_logits, output_weight, [count, HIDDEN, CLASSES])?;
        let output_bias_gradient = self.column_sums(to_logits, CLASSES)?;
        let to_y = math.dropout_backward(active, to_active, dropout.rate)?;
        let (centred, product) = math.centred(hidden, &mean, &invstd, &to_y)?;
        let norm_bias_gradient = self.column_sums(to_y.clone(), HIDDEN)?;
        let norm_weight_gradient = self.column_sums(product, HIDDEN)?;
        let behind = Behind {
            weight: norm_weight,
            invstd: &invstd,
            to_bias: &norm_bias_gradient,
            to_weight: &norm_weight_gradient,
        };
        let to_hidden = math.normalise_backward(to_y, centred, behind)?;
        let hidden_weight_gradient = math.transposed_by(&to_hidden, batch.pixels, [HIDDEN, PIXELS, count])?;
        let gradients = Parameters([
            hidden_weight_gradient,
            norm_weight_gradient,
            norm_bias_gradient,
            output_weight_gradient,
            output_bias_gradient,
        ]);
        let statistics = Statistics { mean: running_mean, var: running_var };
        Ok(Trained { loss, gradients, statistics })
    }

    /// Loss and logits, with the running statistics and nothing dropped.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn evaluate(
        &self,
        parameters: &Parameters,
        statistics: &Statistics,
        images: Batch,
    ) -> Result<Evaluated> {
        let hidden = self.hidden(parameters, images)?;
        let y = self.math.evaluate(&hidden, self.channels(parameters, statistics))?;
        self.evaluated(parameters, &self.math.relu(y)?, images.digits)
    }

    /// Loss and logits as a network gives them that was left in training mode: with the statistics of these images, and
    /// activations dropped.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn evaluate_in_training_mode(
        &self,
        parameters: &Parameters,
        statistics: &Statistics,
        images: Batch,
        dropout: Dropout,
    ) -> Result<Evaluated> {
        let hidden = self.hidden(parameters, images)?;
        let normalised = self.math.normalise(&hidden, self.channels(parameters, statistics))?;
        self.evaluated(parameters, &self.math.dropout(normalised.y, dropout)?, images.digits)
    }

    /// The running statistics after a forward pass in training mode, which is all that it changes.
    ///
    /// # Errors
    /// If the device fails.
    pub fn track(
        &self,
        parameters: &Parameters,
        statistics: &Statistics,
        images: Batch,
    ) -> Result<Statistics> {
        let hidden = self.hidden(parameters, images)?;
        let normalised = self.math.normalise(&hidden, self.channels(parameters, statistics))?;
        Ok(Statistics { mean: normalised.running_mean, var: normalised.running_var })
    }

    fn hidden(&self, parameters: &Parameters, images: Batch) -> Result<Vec<f32>> {
        self.math.by_transposed(images.pixels, &parameters.0[0], [images.digits.len(), HIDDEN, PIXELS])
    }

    fn evaluated(&self, parameters: &Parameters, active: &[f32], digits: &[u8]) -> Result<Evaluated> {
        let [.., output_weight, output_bias] = &parameters.0;
        let logits = self.math.by_transposed(active, output_weight, [digits.len(), CLASSES, HIDDEN])?;
        let logits = self.math.add_to_rows(logits, output_bias)?;
        let loss = self.cross_entropy(&logits, digits)?.loss;
        Ok(Evaluated { loss, logits })
    }

    /// The mean of −log softmax at the right digit, and what its gradient follows from.
    fn cross_entropy(&self, logits: &[f32], digits: &[u8]) -> Result<Entropy> {
        let count = digits.len();
        let digits: Vec<f32> = digits.iter().map(|digit| f32::from(*digit)).collect();
        let (exponentials, largest) = self.math.shifted_exponentials(logits, CLASSES)?;
        let sums = self.math.row_sums(exponentials.clone(), CLASSES)?;
        let losses = self.math.losses(logits, &sums, largest, &digits)?;
        let loss = self.math.divided(self.math.row_sums(losses, count)?, count as f32)?[0];
        if !loss.is_finite() {
            return Err(Error::Diverged(loss));
        }
        Ok(Entropy { loss, exponentials, sums, digits })
    }

    /// The sum of each column.
    fn column_sums(&self, matrix: Vec<f32>, columns: usize) -> Result<Vec<f32>> {
        let rows = matrix.len() / columns;
        self.math.row_sums(self.math.transposed(matrix, columns)?, rows)
    }
}

/// Cross-entropy on its way.
struct Entropy {
    /// The mean.
    loss: f32,
    /// Those of logits less the largest of their row.
    exponentials: Vec<f32>,
    /// Of each row.
    sums: Vec<f32>,
    /// As the kernels take them.
    digits: Vec<f32>,
}
