//! How gradients move parameters: momentum SGD or Adam, and the schedule of the learning rate.

use crate::error::Result;
use crate::train::math::{AdamFactors, Math};
use crate::train::network::Parameters;

/// A way to follow gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Velocity = 0.9 · velocity + gradient; parameters move against it.
    Momentum,
    /// Kingma and Ba 2015, with 0.9, 0.999 and 1e-8.
    Adam,
}

impl Optimizer {
    /// The name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Momentum => "momentum",
            Self::Adam => "adam",
        }
    }

    /// The highest learning rate of the schedule.
    pub fn learning_rate(self) -> f32 {
        match self {
            Self::Momentum => 0.1,
            Self::Adam => 0.005,
        }
    }

    /// One step of `parameters` against `gradients`. One that fails may leave them half updated.
    ///
    /// # Errors
    /// If the device fails.
    pub fn update(
        self,
        math: &Math,
        parameters: &mut Parameters,
        moments: &mut Moments,
        gradients: &Parameters,
        rate: f32,
    ) -> Result<()> {
        moments.steps += 1;
        let correction = |beta: f32| 1.0 - (0..moments.steps).fold(1.0f32, |power, _| power * beta);
        let factors = AdamFactors { rate, first: correction(FIRST), second: correction(SECOND) };
        let vectors =
            parameters.0.iter_mut().zip(&mut moments.first.0).zip(&mut moments.second.0).zip(&gradients.0);
        for (((parameter, first), second), gradient) in vectors {
            match self {
                Self::Momentum => (*parameter, *first) = math.momentum([parameter, first, gradient], rate)?,
                Self::Adam => {
                    (*parameter, *first, *second) =
                        math.adam([parameter, first, second, gradient], factors)?;
                }
            }
        }
        Ok(())
    }
}

/// What the first moment keeps in a step.
pub const FIRST: f32 = 0.9;
/// What the second moment keeps in a step.
pub const SECOND: f32 = 0.999;
/// Adam's epsilon.
pub const ADAM_EPSILON: f32 = 1e-8;

/// An optimizer's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Velocity, or the mean of gradients.
    pub first: Parameters,
    /// The mean of squared gradients; zeros with momentum SGD.
    pub second: Parameters,
    /// Steps taken.
    pub steps: u64,
}

impl Moments {
    /// Before the first step.
    pub fn initial() -> Self {
        Self { first: Parameters::zeros(), second: Parameters::zeros(), steps: 0 }
    }
}

/// Steps in which the learning rate rises.
const WARM_UP: u64 = 20;
/// The step at which it has fallen to its lowest.
const END: u64 = 400;
/// That, as a share of the highest.
const LOWEST: f32 = 0.05;

/// The share of the highest learning rate at the `position`-th step: a linear rise, then a linear fall.
pub fn schedule(position: u64) -> f32 {
    if position < WARM_UP {
        return (position + 1) as f32 / WARM_UP as f32;
    }
    let left = END.saturating_sub(position) as f32 / (END - WARM_UP) as f32;
    LOWEST + (1.0 - LOWEST) * left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;

    #[test]
    fn the_schedule_rises_and_falls() {
        assert_eq!([0, 19, 20, 400, 9999].map(schedule), [0.05, 1.0, 1.0, 0.05, 0.05]);
        assert!((20..400).all(|step| schedule(step) > schedule(step + 1)));
    }

    /// The first two steps by hand: gradients 1 and then −1.
    #[test]
    fn steps_follow_their_definitions() {
        let cpu = Cpu::with_threads(2).unwrap();
        let gradients = |value: f32| {
            let mut gradients = Parameters::zeros();
            gradients.0[4][0] = value;
            gradients
        };
        let moved = |optimizer: Optimizer| {
            let (mut parameters, mut moments) = (Parameters::zeros(), Moments::initial());
            let math = Math::new(&cpu);
            [1.0, -1.0].map(|gradient| {
                optimizer.update(&math, &mut parameters, &mut moments, &gradients(gradient), 0.5).unwrap();
                parameters.0[4][0]
            })
        };
        // Velocities 1 and 0.9 − 1.
        assert_eq!(moved(Optimizer::Momentum), [-0.5, -0.5 - 0.5 * (0.9 - 1.0)]);
        // The first step is the rate against the sign; the second first moment is (0.09 − 0.1) ÷ (1 − 0.81).
        let [first, second] = moved(Optimizer::Adam);
        assert!(
            (first + 0.5).abs() < 1e-6 && (second + 0.5 - 0.5 * 0.01 / 0.19).abs() < 1e-5,
            "{first} {second}"
        );
    }
}
