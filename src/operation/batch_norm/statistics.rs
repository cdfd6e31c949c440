//! What training leaves behind of every channel, from its mean and its sum of squared distances: one
//! operation after another as in `store_statistics` of `kernels/batch_norm.cuh`.

use crate::operation::batch_norm::Factors;
use crate::operation::twin::canonical;
use crate::tensor::{Data, Tensor};

/// A channel's mean and Σ(x − mean)².
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// The mean.
    pub mean: f32,
    /// The sum of squared distances from it.
    pub squares: f32,
}

/// 1 ÷ √(variance + epsilon).
pub fn inverse_deviation(variance: f32, epsilon: f32) -> f32 {
    1.0 / (variance + epsilon).sqrt()
}

/// Stores what follows from the channels' moments in saved_mean, saved_invstd, running_mean and
/// running_var, whose last two hold the values before.
pub fn store(moments: &[Moments], count: u64, factors: &Factors, statistics: &mut [Tensor]) {
    let [saved_mean, saved_invstd, running_mean, running_var] = statistics else { return };
    let each = |tensor: &mut Tensor, value: &dyn Fn(&Moments, f32) -> f32| {
        if let Data::F32(values) = &mut tensor.data {
            for (to, moments) in values.iter_mut().zip(moments) {
                *to = canonical(value(moments, *to));
            }
        }
    };
    let updated = |running: f32, batch: f32| factors.keep * running + factors.momentum * batch;
    each(saved_mean, &|moments, _| moments.mean);
    each(saved_invstd, &|moments, _| inverse_deviation(moments.squares / count as f32, factors.epsilon));
    each(running_mean, &|moments, running| updated(running, moments.mean));
    each(running_var, &|moments, running| updated(running, moments.squares / count.saturating_sub(1) as f32));
}
