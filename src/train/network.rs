//! The network: linear → batch-norm → ReLU → dropout → linear → softmax cross-entropy; forward and backward.

use crate::error::{Error, Result};
use crate::train::digits::{CLASSES, PIXELS};
use crate::train::elementwise::{
    add_to_rows, log, products, relu, relu_backward, shifted_exponentials, transposed,
};
use crate::train::math::{Channels, Math, Normalised};

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

    /// Loss, gradients and updated statistics of a batch. `dropout` has a factor per image and channel.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn train(
        &self,
        parameters: &Parameters,
        statistics: &Statistics,
        batch: Batch,
        dropout: &[f32],
    ) -> Result<Trained> {
        let math = &self.math;
        let [hidden_weight, norm_weight, _, output_weight, output_bias] = &parameters.0;
        let count = batch.digits.len();
        let hidden = math.by_transposed(batch.pixels, hidden_weight, [count, HIDDEN, PIXELS])?;
        let normalised = math.normalise(&hidden, self.channels(parameters, statistics))?;
        let active = products(&relu(&normalised.y), dropout);
        let mut logits = math.by_transposed(&active, output_weight, [count, CLASSES, HIDDEN])?;
        add_to_rows(&mut logits, output_bias);
        let (loss, to_logits) = self.cross_entropy(&logits, batch.digits)?;

        let output_weight_gradient = math.transposed_by(&to_logits, &active, [CLASSES, HIDDEN, count])?;
        let output_bias_gradient = math.row_sums(transposed(&to_logits, CLASSES), count)?;
        let to_active = math.by(&to_logits, output_weight, [count, HIDDEN, CLASSES])?;
        let to_y = relu_backward(&normalised.y, &products(&to_active, dropout));
        let (to_hidden, norm_weight_gradient, norm_bias_gradient) =
            self.normalise_backward(&hidden, &normalised, norm_weight, &to_y)?;
        let hidden_weight_gradient = math.transposed_by(&to_hidden, batch.pixels, [HIDDEN, PIXELS, count])?;
        let gradients = Parameters([
            hidden_weight_gradient,
            norm_weight_gradient,
            norm_bias_gradient,
            output_weight_gradient,
            output_bias_gradient,
        ]);
        let statistics = Statistics { mean: normalised.running_mean, var: normalised.running_var };
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
        self.evaluated(parameters, relu(&y), images.digits)
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
        dropout: &[f32],
    ) -> Result<Evaluated> {
        let hidden = self.hidden(parameters, images)?;
        let normalised = self.math.normalise(&hidden, self.channels(parameters, statistics))?;
        self.evaluated(parameters, products(&relu(&normalised.y), dropout), images.digits)
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

    fn evaluated(&self, parameters: &Parameters, active: Vec<f32>, digits: &[u8]) -> Result<Evaluated> {
        let [.., output_weight, output_bias] = &parameters.0;
        let mut logits = self.math.by_transposed(&active, output_weight, [digits.len(), CLASSES, HIDDEN])?;
        add_to_rows(&mut logits, output_bias);
        let (loss, _) = self.cross_entropy(&logits, digits)?;
        Ok(Evaluated { loss, logits })
    }

    /// The mean of −log softmax at the right digit, and its gradient.
    fn cross_entropy(&self, logits: &[f32], digits: &[u8]) -> Result<(f32, Vec<f32>)> {
        let (exponentials, largest) = shifted_exponentials(logits, CLASSES);
        let sums = self.math.row_sums(exponentials.clone(), CLASSES)?;
        let right = |image: usize| logits[image * CLASSES + usize::from(digits[image])];
        let losses = (0..digits.len()).map(|image| log(sums[image]) - (right(image) - largest[image]));
        let count = digits.len() as f32;
        let loss = self.math.row_sums(losses.collect(), digits.len())?[0] / count;
        if !loss.is_finite() {
            return Err(Error::Diverged(loss));
        }
        let gradient = exponentials.iter().enumerate().map(|(place, exponential)| {
            let (image, class) = (place / CLASSES, place % CLASSES);
            let wanted = if class == usize::from(digits[image]) { 1.0 } else { 0.0 };
            (exponential / sums[image] - wanted) / count
        });
        Ok((loss, gradient.collect()))
    }

    /// The gradients before batch-norm, of its weight and of its bias, from that behind it.
    fn normalise_backward(
        &self,
        x: &[f32],
        normalised: &Normalised,
        weight: &[f32],
        to_y: &[f32],
    ) -> Result<(Vec<f32>, Vec<f32>, Vec<f32>)> {
        let Normalised { mean, invstd, .. } = normalised;
        let count = x.len() / HIDDEN;
        let centred: Vec<f32> = x
            .iter()
            .enumerate()
            .map(|(place, x)| (x - mean[place % HIDDEN]) * invstd[place % HIDDEN])
            .collect();
        let to_bias = self.math.row_sums(transposed(to_y, HIDDEN), count)?;
        let to_weight = self.math.row_sums(transposed(&products(to_y, &centred), HIDDEN), count)?;
        let n = count as f32;
        let to_x = to_y.iter().zip(&centred).enumerate().map(|(place, (to_y, centred))| {
            let channel = place % HIDDEN;
            let rest = (n * to_y - to_bias[channel]) - centred * to_weight[channel];
            (weight[channel] * invstd[channel] / n) * rest
        });
        Ok((to_x.collect(), to_weight, to_bias))
    }
}
