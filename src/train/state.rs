//! Everything that training goes on from: what is not restored of this is a cause.

use twox_hash::XxHash3_128;

use crate::checkpoint::Element;
use crate::train::digits::Normalisation;
use crate::train::network::{HIDDEN, NAMES, Parameters, SHAPES, Statistics};
use crate::train::optimizer::Moments;
use crate::train::philox::{Generator, Purpose, unit};

/// A run at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// What is learnt.
    pub parameters: Parameters,
    /// Batch-norm's running statistics.
    pub statistics: Statistics,
    /// The optimizer's state.
    pub moments: Moments,
    /// The sum of the gradients of batches that no step was made of yet.
    pub accumulated: Parameters,
    /// How many batches that are.
    pub batches: u64,
    /// Whether the network is in training mode, which it is evaluated in then.
    pub is_training: bool,
    /// What pixels are normalised with.
    pub normalisation: Normalisation,
    /// Steps taken.
    pub step: u64,
    /// Where the schedule is.
    pub schedule: u64,
    /// Shuffles the images.
    pub shuffling: Generator,
    /// Drops activations.
    pub dropout: Generator,
    /// Shifts images.
    pub augmentation: Generator,
    /// The order of the training images in this epoch.
    pub order: Vec<u32>,
    /// How many of them were taken.
    pub cursor: u64,
}

/// A part of a state as a checkpoint holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: Element,
    /// Its extents.
    pub shape: Vec<usize>,
    /// Its elements, little-endian.
    pub bytes: Vec<u8>,
}

/// Whole numbers of a state, by name.
const COUNTERS: [&str; 10] = [
    "step",
    "schedule",
    "optimizer.steps",
    "gradients.batches",
    "training_mode",
    "order.cursor",
    "seed",
    "shuffling.position",
    "dropout.position",
    "augmentation.position",
];

impl State {
    /// Before the first step: weights uniform within ±1 ÷ √inputs, as PyTorch's linear layers start.
    pub fn initial(seed: u64, normalisation: Normalisation) -> Self {
        let mut generator = Generator::new(seed, Purpose::Initialisation);
        let mut parameters = Parameters::zeros();
        for (parameter, shape) in parameters.0.iter_mut().zip(SHAPES) {
            if let [_, inputs] = shape {
                let reach = 1.0 / (*inputs as f32).sqrt();
                let words = generator.words(parameter.len());
                parameter
                    .iter_mut()
                    .zip(words)
                    .for_each(|(value, word)| *value = (2.0 * unit(word) - 1.0) * reach);
            }
        }
        // Batch-norm's scale.
        parameters.0[1].fill(1.0);
        Self {
            parameters,
            statistics: Statistics::initial(),
            moments: Moments::initial(),
            accumulated: Parameters::zeros(),
            batches: 0,
            is_training: false,
            normalisation,
            step: 0,
            schedule: 0,
            shuffling: Generator::new(seed, Purpose::Shuffling),
            dropout: Generator::new(seed, Purpose::Dropout),
            augmentation: Generator::new(seed, Purpose::Augmentation),
            order: Vec::new(),
            cursor: 0,
        }
    }

    /// All of it, part by part.
    pub fn parts(&self) -> Vec<Part> {
        let part = |name: &str, element, shape: &[usize], bytes| Part {
            name: name.to_owned(),
            element,
            shape: shape.to_vec(),
            bytes,
        };
        let floats = |name: &str, shape: &[usize], values: &[f32]| {
            part(name, Element::F32, shape, bytes(values, f32::to_le_bytes))
        };
        let mut parts = Vec::new();
        for (prefix, values) in [
            ("parameters", &self.parameters),
            ("optimizer.first", &self.moments.first),
            ("optimizer.second", &self.moments.second),
            ("gradients", &self.accumulated),
        ] {
            let named = NAMES.iter().zip(SHAPES).zip(&values.0);
            parts.extend(
                named.map(|((name, shape), values)| floats(&format!("{prefix}.{name}"), shape, values)),
            );
        }
        parts.push(floats("norm.running_mean", &[HIDDEN], &self.statistics.mean));
        parts.push(floats("norm.running_var", &[HIDDEN], &self.statistics.var));
        parts.push(floats("normalisation", &[2], &[self.normalisation.mean, self.normalisation.deviation]));
        parts.push(part("order", Element::U32, &[self.order.len()], bytes(&self.order, u32::to_le_bytes)));
        let counters = [
            self.step,
            self.schedule,
            self.moments.steps,
            self.batches,
            u64::from(self.is_training),
            self.cursor,
            self.shuffling.seed,
            self.shuffling.position,
            self.dropout.position,
            self.augmentation.position,
        ];
        let counted = COUNTERS.iter().zip(counters);
        parts
            .extend(counted.map(|(name, count)| part(name, Element::U64, &[], count.to_le_bytes().to_vec())));
        parts
    }

    /// The state whose parts `take` finds.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn of_parts<E>(
        mut take: impl FnMut(&str, Element, Option<&[usize]>) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let mut floats = |name: &str, shape: &[usize]| {
            take(name, Element::F32, Some(shape)).map(|bytes| numbers(&bytes, f32::from_le_bytes))
        };
        let mut parameters = |prefix: &str| {
            let mut values = Parameters::zeros();
            for ((name, shape), value) in NAMES.iter().zip(SHAPES).zip(&mut values.0) {
                *value = floats(&format!("{prefix}.{name}"), shape)?;
            }
            Ok(values)
        };
        let [parameters, first, second, accumulated] = [
            parameters("parameters")?,
            parameters("optimizer.first")?,
            parameters("optimizer.second")?,
            parameters("gradients")?,
        ];
        let statistics = Statistics {
            mean: floats("norm.running_mean", &[HIDDEN])?,
            var: floats("norm.running_var", &[HIDDEN])?,
        };
        let constants = floats("normalisation", &[2])?;
        let normalisation = Normalisation { mean: constants[0], deviation: constants[1] };
        let order = numbers(&take("order", Element::U32, None)?, u32::from_le_bytes);
        let mut counters = [0; COUNTERS.len()];
        for (name, counter) in COUNTERS.iter().zip(&mut counters) {
            *counter = numbers(&take(name, Element::U64, Some(&[]))?, u64::from_le_bytes)[0];
        }
        let [step, schedule, steps, batches, mode, cursor, seed, shuffled, dropped, shifted] = counters;
        let at = |purpose, position| Generator::at(seed, purpose, position);
        Ok(Self {
            parameters,
            statistics,
            moments: Moments { first, second, steps },
            accumulated,
            batches,
            is_training: mode != 0,
            normalisation,
            step,
            schedule,
            shuffling: at(Purpose::Shuffling, shuffled),
            dropout: at(Purpose::Dropout, dropped),
            augmentation: at(Purpose::Augmentation, shifted),
            order,
            cursor,
        })
    }

    /// A digest of parameters and running statistics: what the network computes with.
    pub fn digest(&self) -> u128 {
        let mut hasher = XxHash3_128::new();
        let vectors = self.parameters.0.iter().chain([&self.statistics.mean, &self.statistics.var]);
        vectors.for_each(|values| hasher.write(bytemuck::cast_slice(values)));
        hasher.finish_128()
    }
}

fn bytes<T: Copy, const N: usize>(values: &[T], to_bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| to_bytes(*value)).collect()
}

fn numbers<T, const N: usize>(bytes: &[u8], of_bytes: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| of_bytes(*bytes)).collect()
}
