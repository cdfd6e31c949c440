//! The training loop: batches in the order that the state holds, one step after the other, and evaluation.

use crate::device::Device;
use crate::error::Result;
use crate::train::digits::{Digits, Image, Normalisation, augmented};
use crate::train::elementwise::dropout_factors;
use crate::train::math::{Algorithms, Math};
use crate::train::network::{Batch, Evaluated, HIDDEN, Network};
use crate::train::optimizer::{Optimizer, schedule};
use crate::train::philox::{Generator, Purpose};
use crate::train::state::State;

/// Images of a batch.
pub const BATCH: usize = 128;

/// What a program sets, and no checkpoint restores.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How gradients are followed.
    pub optimizer: Optimizer,
    /// The highest learning rate.
    pub learning_rate: f32,
    /// The probability that an activation is dropped.
    pub dropout: f32,
    /// Batch-norm's epsilon.
    pub epsilon: f32,
    /// The batch's share in updated running statistics.
    pub momentum: f32,
    /// How each operation is computed.
    pub algorithms: Algorithms,
    /// Whether images are read column by column, in training and in evaluation.
    pub reads_columns: bool,
    /// Whether evaluation leaves batch-norm and dropout in training mode.
    pub evaluates_in_training_mode: bool,
}

impl Settings {
    /// The usual ones.
    pub fn new(optimizer: Optimizer) -> Self {
        Self {
            optimizer,
            learning_rate: optimizer.learning_rate(),
            dropout: 0.2,
            epsilon: 1e-5,
            momentum: 0.1,
            algorithms: Algorithms::default(),
            reads_columns: false,
            evaluates_in_training_mode: false,
        }
    }
}

/// A run.
#[derive(Clone)]
pub struct Trainer<'a> {
    /// Where products, sums and batch-norm are computed.
    pub device: &'a dyn Device,
    /// What is learnt.
    pub digits: &'a Digits,
    /// What is set.
    pub settings: Settings,
    /// How far it is.
    pub state: State,
}

impl<'a> Trainer<'a> {
    /// A run before its first step.
    pub fn new(device: &'a dyn Device, digits: &'a Digits, settings: Settings, seed: u64) -> Self {
        let state = State::initial(seed, Normalisation::of(&digits.training));
        Self { device, digits, settings, state }
    }

    fn network(&self) -> Network<'_> {
        let Settings { epsilon, momentum, algorithms, .. } = self.settings;
        Network { math: Math { device: self.device, algorithms }, epsilon, momentum }
    }

    /// One step; its loss. A step that fails leaves the state as it was.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn step(&mut self) -> Result<f32> {
        let mut next = self.state.clone();
        let images: Vec<&Image> = next_places(&mut next, self.digits.training.len())
            .iter()
            .map(|place| &self.digits.training[*place as usize])
            .collect();
        let images = augmented(&images, &mut next.augmentation);
        let pixels = self.pixels(next.normalisation, &images);
        let digits: Vec<u8> = images.iter().map(|image| image.digit).collect();
        let dropout = dropout_factors(&next.dropout.words(images.len() * HIDDEN), self.settings.dropout);
        let batch = Batch { pixels: &pixels, digits: &digits };
        let trained = self.network().train(&next.parameters, &next.statistics, batch, &dropout)?;
        let rate = self.settings.learning_rate * schedule(next.schedule);
        self.settings.optimizer.update(&mut next.parameters, &mut next.moments, &trained.gradients, rate);
        next.statistics = trained.statistics;
        next.step += 1;
        next.schedule += 1;
        self.state = next;
        Ok(trained.loss)
    }

    /// So many steps.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn steps(&mut self, count: u64) -> Result<()> {
        (0..count).try_for_each(|_| self.step().map(drop))
    }

    /// Loss and outputs on the held-out images. Changes nothing of the state.
    ///
    /// # Errors
    /// If the device fails, or the loss is no finite number.
    pub fn evaluate(&self) -> Result<Evaluated> {
        let images = &self.digits.held_out;
        let pixels = self.pixels(self.state.normalisation, images);
        let digits: Vec<u8> = images.iter().map(|image| image.digit).collect();
        let batch = Batch { pixels: &pixels, digits: &digits };
        let State { parameters, statistics, step, .. } = &self.state;
        if !self.settings.evaluates_in_training_mode {
            return self.network().evaluate(parameters, statistics, batch);
        }
        // A stream apart, so that an evaluation takes no numbers from training.
        let seed = self.state.dropout.seed ^ (step + 1) << 32;
        let words = Generator::new(seed, Purpose::Dropout).words(images.len() * HIDDEN);
        let dropout = dropout_factors(&words, self.settings.dropout);
        self.network().evaluate_in_training_mode(parameters, statistics, batch, &dropout)
    }

    /// A forward pass over the held-out images in training mode: running statistics move, nothing else.
    ///
    /// # Errors
    /// If the device fails.
    pub fn track(&mut self) -> Result<()> {
        let images = &self.digits.held_out;
        let pixels = self.pixels(self.state.normalisation, images);
        let digits: Vec<u8> = images.iter().map(|image| image.digit).collect();
        let batch = Batch { pixels: &pixels, digits: &digits };
        let State { parameters, statistics, .. } = &self.state;
        self.state.statistics = self.network().track(parameters, statistics, batch)?;
        Ok(())
    }

    fn pixels(&self, normalisation: Normalisation, images: &[Image]) -> Vec<f32> {
        let read =
            |image: &Image| if self.settings.reads_columns { image.transposed() } else { image.clone() };
        let images: Vec<Image> = images.iter().map(read).collect();
        normalisation.apply(&images)
    }

    /// The share of held-out images whose digit is found.
    pub fn accuracy(&self, evaluated: &Evaluated) -> f64 {
        let predictions = evaluated.predictions();
        let right =
            self.digits.held_out.iter().zip(predictions).filter(|(image, digit)| image.digit == *digit);
        right.count() as f64 / self.digits.held_out.len() as f64
    }
}

/// The places of the next batch's images; a new epoch begins where the order has no whole batch left.
fn next_places(state: &mut State, images: usize) -> Vec<u32> {
    if state.order.len().saturating_sub(state.cursor as usize) < BATCH {
        state.order = state.shuffling.permutation(images as u32);
        state.cursor = 0;
    }
    let start = state.cursor as usize;
    state.cursor += BATCH as u64;
    state.order[start..start + BATCH].to_vec()
}
