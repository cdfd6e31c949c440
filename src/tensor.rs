//! Named arrays on the host: what goes into an algorithm and what comes out.

use std::fmt;
use std::str::FromStr;

use half::f16;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// An element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// IEEE 754 binary16.
    F16,
    /// IEEE 754 binary32.
    F32,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F16, Self::F32];

    /// The name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// Half the distance from 1 to the next number: the largest relative error of one rounding.
    pub fn unit_roundoff(self) -> f64 {
        match self {
            Self::F16 => 2f64.powi(-11),
            Self::F32 => 2f64.powi(-24),
        }
    }

    /// The smallest positive normal number.
    pub fn min_normal(self) -> f64 {
        match self {
            Self::F16 => f16::MIN_POSITIVE.to_f64(),
            Self::F32 => f64::from(f32::MIN_POSITIVE),
        }
    }

    /// The largest finite number.
    pub fn max_finite(self) -> f64 {
        match self {
            Self::F16 => f16::MAX.to_f64(),
            Self::F32 => f64::from(f32::MAX),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| Error::input(format!("unknown dtype \"{name}\"; known: f16, f32")))
    }
}

/// The elements of a tensor, by type.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// binary16 elements.
    F16(Vec<f16>),
    /// binary32 elements.
    F32(Vec<f32>),
}

/// A named array.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name in the operation, for instance `x` or `sum`.
    pub name: &'static str,
    /// Its elements, row-major.
    pub data: Data,
}

impl Tensor {
    /// A tensor of `len` zeros.
    pub fn zeros(name: &'static str, dtype: Dtype, len: usize) -> Self {
        let data = match dtype {
            Dtype::F16 => Data::F16(vec![f16::ZERO; len]),
            Dtype::F32 => Data::F32(vec![0.0; len]),
        };
        Self { name, data }
    }

    /// A tensor of f32 elements.
    pub fn f32(name: &'static str, values: Vec<f32>) -> Self {
        Self { name, data: Data::F32(values) }
    }

    /// The element type.
    pub fn dtype(&self) -> Dtype {
        match self.data {
            Data::F16(_) => Dtype::F16,
            Data::F32(_) => Dtype::F32,
        }
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F16(values) => values.len(),
            Data::F32(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as bytes, in this machine's order (little-endian on all supported ones).
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::F16(values) => bytemuck::cast_slice(values),
            Data::F32(values) => bytemuck::cast_slice(values),
        }
    }

    /// The elements as bytes that can be overwritten: every pattern is a valid float.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.data {
            Data::F16(values) => bytemuck::cast_slice_mut(values),
            Data::F32(values) => bytemuck::cast_slice_mut(values),
        }
    }

    /// Element `index`, widened exactly.
    ///
    /// # Panics
    /// If `index` is out of bounds.
    pub fn value(&self, index: usize) -> f64 {
        match &self.data {
            Data::F16(values) => values[index].to_f64(),
            Data::F32(values) => f64::from(values[index]),
        }
    }

    /// The index of the first element that is infinite or NaN.
    pub fn first_non_finite(&self) -> Option<usize> {
        match &self.data {
            Data::F16(values) => values.iter().position(|v| !v.is_finite()),
            Data::F32(values) => values.iter().position(|v| !v.is_finite()),
        }
    }
}
