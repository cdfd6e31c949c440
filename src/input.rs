//! Inputs that are the same on every host: counters are hashed into integers, and integers become
//! floats by + − × ÷ and bit patterns alone, never by a libm function.

use half::f16;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::tensor::{Data, Dtype, Tensor};

/// How input values are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Even over [0, 1): sums grow, nothing cancels.
    Uniform,
    /// Close to normal with mean 0 and deviation 1: the sum of twelve uniforms, minus 6.
    Normal,
    /// Both signs, significand in [1, 2), exponents even over ±20 (f32) or ±7 (f16): the order of
    /// additions shows at once.
    Wide,
    /// `wide` values, each met again with the other sign half a period later, smaller by one part
    /// in 1024: the sum is about a thousandth of its terms' usual sum.
    Cancelling,
    /// One input is a tensor of a user's model (`--weights`); the others are `normal`.
    Weights,
}

impl Distribution {
    /// All that are generated.
    pub const ALL: [Self; 4] = [Self::Uniform, Self::Normal, Self::Wide, Self::Cancelling];

    /// The name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::Wide => "wide",
            Self::Cancelling => "cancelling",
            Self::Weights => "weights",
        }
    }
}

/// What an operation wants as one of its inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputSpec {
    /// The tensor's name; the stream of random numbers depends on its place in the list.
    pub name: &'static str,
    /// Elements.
    pub len: usize,
    /// Elements after which `cancelling` starts again: a row, so that each row cancels in itself.
    pub period: usize,
    /// Element type.
    pub dtype: Dtype,
    /// Where its values come from.
    pub values: Values,
}

/// Where an input's values come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// The workload's distribution, times a power of two.
    Workload {
        /// The power of two. No value may leave the type's normal range by it.
        scale: f32,
    },
    /// Even over [low, high), whatever the workload's distribution.
    Between(f32, f32),
    /// Whole numbers, even over those below this, which is at most 2^24: places in another tensor.
    Below(u64),
}

impl InputSpec {
    /// An input of the workload's own type and distribution.
    pub fn of_workload(name: &'static str, len: usize, period: usize, dtype: Dtype) -> Self {
        Self { name, len, period, dtype, values: Values::Workload { scale: 1.0 } }
    }
}

/// Makes the tensors of `specs`: the same bits for the same arguments, on every host.
pub fn generate(specs: &[InputSpec], distribution: Distribution, seed: u64) -> Vec<Tensor> {
    let tensor = |(stream, spec): (usize, &InputSpec)| {
        let key = mix(seed ^ mix(stream as u64));
        let value = |index: usize| match spec.values {
            Values::Workload { scale } => scale * element(distribution, spec.dtype, key, index, spec.period),
            Values::Below(limit) => (random(key, index as u64) % limit.max(1)) as f32,
            Values::Between(low, high) => low + (high - low) * uniform(spec.dtype, random(key, index as u64)),
        };
        let data = match spec.dtype {
            Dtype::F32 => Data::F32(fill(spec.len, value)),
            Dtype::F16 => Data::F16(fill(spec.len, |index| f16::from_f32(value(index)))),
        };
        Tensor { name: spec.name, data }
    };
    specs.iter().enumerate().map(tensor).collect()
}

fn fill<T: Send>(len: usize, value: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    (0..len).into_par_iter().with_min_len(1 << 14).map(value).collect()
}

fn element(distribution: Distribution, dtype: Dtype, key: u64, index: usize, period: usize) -> f32 {
    match distribution {
        Distribution::Uniform => uniform(dtype, random(key, index as u64)),
        Distribution::Normal | Distribution::Weights => normal(key, index as u64),
        Distribution::Wide => wide(dtype, random(key, index as u64)),
        Distribution::Cancelling => {
            let (row, column, half) = (index / period, index % period, period / 2);
            let original = row * period + column % half.max(1);
            let value = wide(dtype, random(key, original as u64));
            // An odd period's last element has no partner and keeps its value.
            if column >= half && column < 2 * half { value * -(1.0 - 1.0 / 1024.0) } else { value }
        }
    }
}

/// 64 random bits for a counter: the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over a keyed
/// Weyl sequence.
pub(crate) fn random(key: u64, counter: u64) -> u64 {
    mix(key.wrapping_add(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// As many bits as the type's significand holds, so that each value is exact and below 1.
fn uniform(dtype: Dtype, bits: u64) -> f32 {
    match dtype {
        Dtype::F32 => (bits >> 40) as f32 * (1.0 / 16_777_216.0),
        Dtype::F16 => (bits >> 53) as f32 * (1.0 / 2048.0),
    }
}

/// Twelve 32-bit uniforms, centred: an exact integer sum below 2^36, rounded once to f32.
fn normal(key: u64, counter: u64) -> f32 {
    let sum: i64 = (0..6)
        .map(|word| random(key, counter * 6 + word))
        .map(|bits| (bits & 0xffff_ffff) as i64 + (bits >> 32) as i64)
        .sum();
    // The mean of twelve values even over 0..2^32 is 12 · (2^32 − 1) / 2.
    (sum - 6 * 0xffff_ffff) as f32 * (1.0 / 4_294_967_296.0)
}

fn wide(dtype: Dtype, bits: u64) -> f32 {
    let reach = match dtype {
        Dtype::F32 => 20,
        Dtype::F16 => 7,
    };
    let exponent = ((bits >> 24) & 0xffff) as i32 % (2 * reach + 1) - reach;
    // 11 significant bits are exact in f16 too; 24 in f32.
    let significand = match dtype {
        Dtype::F32 => (bits & 0x7f_ffff) as u32,
        Dtype::F16 => ((bits & 0x3ff) << 13) as u32,
    };
    let sign = (bits >> 63) as u32;
    f32::from_bits(sign << 31 | ((127 + exponent) as u32) << 23 | significand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::digest;

    fn values(distribution: Distribution, dtype: Dtype, len: usize, period: usize) -> Vec<f64> {
        let specs = [InputSpec::of_workload("x", len, period, dtype)];
        let tensor = generate(&specs, distribution, 1).remove(0);
        (0..len).map(|index| tensor.value(index)).collect()
    }

    #[test]
    fn inputs_are_the_same_on_every_host() {
        // Recorded once; a change here changes every row's input digest.
        let specs = |dtype| [InputSpec::of_workload("x", 1000, 1000, dtype)];
        let digests: Vec<String> = Dtype::ALL
            .into_iter()
            .flat_map(|dtype| Distribution::ALL.map(|d| digest(&generate(&specs(dtype), d, 42)).to_string()))
            .collect();
        insta::assert_snapshot!(digests.join("\n"));
    }

    #[test]
    fn moments_are_what_the_names_say() {
        let n = 1 << 16;
        for dtype in Dtype::ALL {
            let uniform = values(Distribution::Uniform, dtype, n, n);
            assert!(uniform.iter().all(|v| (0.0..1.0).contains(v)));
            let mean = uniform.iter().sum::<f64>() / n as f64;
            assert!((mean - 0.5).abs() < 0.01, "{mean}");
            let normal = values(Distribution::Normal, dtype, n, n);
            let mean = normal.iter().sum::<f64>() / n as f64;
            let variance = normal.iter().map(|v| v * v).sum::<f64>() / n as f64;
            assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        }
    }

    #[test]
    fn wide_spans_its_exponents_and_stays_finite() {
        for (dtype, reach) in [(Dtype::F32, 20), (Dtype::F16, 7)] {
            let wide = values(Distribution::Wide, dtype, 1 << 14, 1 << 14);
            let largest = wide.iter().fold(0f64, |m, v| m.max(v.abs()));
            let smallest = wide.iter().fold(f64::MAX, |m, v| m.min(v.abs()));
            assert!(largest < 2f64.powi(reach + 1) && largest >= 2f64.powi(reach));
            assert!((2f64.powi(-reach)..2f64.powi(1 - reach)).contains(&smallest));
        }
    }

    #[test]
    fn cancelling_cancels_in_every_row() {
        for period in [1, 2, 7, 1000] {
            let rows = 3;
            let x = values(Distribution::Cancelling, Dtype::F32, rows * period, period);
            for row in x.chunks(period) {
                let paired = &row[..period / 2 * 2];
                let total: f64 = paired.iter().sum();
                let magnitude: f64 = paired.iter().map(|v| v.abs()).sum();
                assert!(total.abs() <= magnitude / 1000.0, "{total} {magnitude}");
            }
        }
    }
}
