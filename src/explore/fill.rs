//! What buffers hold before a launch: the inputs that measurements use, and plain patterns of integers.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};
use crate::explore::element::Element;
use crate::input::{Distribution, InputSpec, generate, random};
use crate::tensor::Dtype;

/// What a buffer's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// All zero.
    Zero,
    /// 0, 1, 2, …
    Index,
    /// Whole numbers, even over those below this.
    Below(u64),
    /// Floating-point numbers, as of `samebits run`.
    Distribution(Distribution),
}

impl Values {
    /// What people write: `zero`, `index`, `below=10`, or a distribution's name.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(distribution) = Distribution::ALL.into_iter().find(|known| known.name() == text) {
            return Ok(Self::Distribution(distribution));
        }
        match (text, text.strip_prefix("below=").map(str::parse)) {
            ("zero", _) => Ok(Self::Zero),
            ("index", _) => Ok(Self::Index),
            (_, Some(Ok(limit))) if limit > 0 => Ok(Self::Below(limit)),
            _ => Err(Error::input(format!(
                "values \"{text}\" are not known; known: zero, index, below=N, uniform, normal, wide, cancelling"
            ))),
        }
    }

    /// What shows most where nothing is said: `wide` numbers, or an index.
    pub fn usual(element: Element) -> Self {
        if element.is_float() { Self::Distribution(Distribution::Wide) } else { Self::Index }
    }

    /// The bytes of `length` elements; the same for the same `stream` on every host.
    ///
    /// # Errors
    /// If the type does not hold them.
    pub fn bytes(self, element: Element, length: usize, stream: u64) -> Result<Vec<u8>> {
        let whole = |value: u64| {
            element.of_integer(i128::from(value)).ok_or_else(|| {
                Error::input(format!(
                    "values \"{self}\": {value} is no {element}; choose below=N with a smaller N"
                ))
            })
        };
        let all = |element_at: &dyn Fn(u64) -> Result<Vec<u8>>| -> Result<Vec<u8>> {
            let mut bytes = Vec::with_capacity(length * element.size());
            for index in 0..length as u64 {
                bytes.extend(element_at(index)?);
            }
            Ok(bytes)
        };
        match self {
            Self::Zero => Ok(vec![0; length * element.size()]),
            Self::Index => all(&whole),
            Self::Below(limit) => all(&|index| whole(random(stream, index) % limit)),
            Self::Distribution(distribution) => {
                if !element.is_float() {
                    return Err(Error::input(format!(
                        "values \"{self}\" are no {element}; for integers there are zero, index and below=N"
                    )));
                }
                let dtype = if element == Element::F16 { Dtype::F16 } else { Dtype::F32 };
                let spec = InputSpec::of_workload("argument", length, length.max(1), dtype);
                let tensor = generate(&[spec], distribution, stream).remove(0);
                if element.size() == dtype.size() {
                    return Ok(tensor.bytes().to_vec());
                }
                Ok((0..length).filter_map(|index| element.of_float(tensor.value(index))).flatten().collect())
            }
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("zero"),
            Self::Index => f.write_str("index"),
            Self::Below(limit) => write!(f, "below={limit}"),
            Self::Distribution(distribution) => f.write_str(distribution.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_hold_what_their_names_say() {
        let bytes = |text: &str, element, length| Values::parse(text).unwrap().bytes(element, length, 3);
        assert_eq!(bytes("zero", Element::F64, 2).unwrap(), [0; 16]);
        assert_eq!(bytes("index", Element::U16, 3).unwrap(), [0, 0, 1, 0, 2, 0]);
        let below = bytes("below=3", Element::U8, 100).unwrap();
        assert!(below.iter().all(|value| *value < 3) && below.contains(&2) && below.contains(&0));
        for element in [Element::F16, Element::Bf16, Element::F32, Element::F64] {
            assert_eq!(bytes("wide", element, 5).unwrap().len(), 5 * element.size());
        }
        assert!(bytes("wide", Element::U32, 5).unwrap_err().to_string().contains("below=N"));
        assert!(bytes("index", Element::U8, 257).unwrap_err().to_string().contains("256 is no u8"));
        assert!(Values::parse("below=0").is_err() && Values::parse("random").is_err());
    }
}
