//! Extents by name, as files and rows write them.

use std::fmt;

use crate::error::{Error, Result};

/// Extents by name, for instance `r=64;c=4096`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<(String, u64)>);

impl Shape {
    /// Parses `key=extent;key=extent`. Extents may be 0 here; workload files refuse that.
    ///
    /// # Errors
    /// Says which part is not of that form.
    pub fn parse(text: &str) -> Result<Self> {
        let extent = |part: &str| {
            let (key, value) = part.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().parse().ok()?))
        };
        text.split(';')
            .map(|part| {
                extent(part).ok_or_else(|| {
                    Error::input(format!(
                        "\"{part}\" in shape \"{text}\" is not of the form key=extent with an extent below 2^64"
                    ))
                })
            })
            .collect::<Result<Vec<_>>>()
            .map(Self)
    }

    /// The shape with these extents, in this order.
    pub fn of<const N: usize>(extents: [(&str, u64); N]) -> Self {
        Self(extents.iter().map(|(key, extent)| ((*key).to_owned(), *extent)).collect())
    }

    /// This shape with another extent for `key`, if it has that key.
    pub fn with(&self, key: &str, extent: u64) -> Self {
        let changed = |(name, old): &(String, u64)| (name.clone(), if name == key { extent } else { *old });
        Self(self.0.iter().map(changed).collect())
    }

    /// The extents in their order, if the keys are exactly `keys`.
    pub fn extents<const N: usize>(&self, keys: [&str; N]) -> Option<[u64; N]> {
        let same = self.0.len() == N && self.0.iter().zip(keys).all(|((key, _), wanted)| key == wanted);
        same.then(|| std::array::from_fn(|i| self.0[i].1))
    }

    /// The product of all extents, if it is below 2^63.
    pub fn elements(&self) -> Option<u64> {
        self.0
            .iter()
            .try_fold(1u64, |product, (_, extent)| product.checked_mul(*extent))
            .filter(|product| *product < 1 << 63)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(key, extent)| format!("{key}={extent}")).collect();
        f.write_str(&parts.join(";"))
    }
}
