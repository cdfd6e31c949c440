//! Element types of a kernel's buffers and scalars: those that PTX computes with.

use std::fmt;

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::checkpoint::element::{Float, Kind, kind};

/// An element type.
#[allow(missing_docs, reason = "the types' own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    F16,
    Bf16,
    F32,
    F64,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
}

impl Element {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 12] = [
        ("f16", Self::F16),
        ("bf16", Self::Bf16),
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("u8", Self::U8),
        ("i8", Self::I8),
        ("u16", Self::U16),
        ("i16", Self::I16),
        ("u32", Self::U32),
        ("i32", Self::I32),
        ("u64", Self::U64),
        ("i64", Self::I64),
    ];

    /// The type of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, element)| *element)
    }

    /// All names, for messages.
    pub fn names() -> String {
        Self::ALL.map(|(name, _)| name).join(", ")
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::F16 | Self::Bf16 | Self::U16 | Self::I16 => 2,
            Self::F32 | Self::U32 | Self::I32 => 4,
            Self::F64 | Self::U64 | Self::I64 => 8,
        }
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// The bytes of a number, rounded to nearest; `None` if an integer type does not hold it.
    pub fn of_float(self, value: f64) -> Option<Vec<u8>> {
        Some(match self {
            Self::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
            Self::Bf16 => bf16::from_f64(value).to_le_bytes().to_vec(),
            Self::F32 => (value as f32).to_le_bytes().to_vec(),
            Self::F64 => value.to_le_bytes().to_vec(),
            _ => return None,
        })
    }

    /// The bytes of an integer; `None` if the type does not hold it exactly.
    pub fn of_integer(self, value: i128) -> Option<Vec<u8>> {
        fn fit<T: TryFrom<i128>>(value: i128) -> Option<T> {
            T::try_from(value).ok()
        }
        Some(match self {
            Self::U8 => fit::<u8>(value)?.to_le_bytes().to_vec(),
            Self::I8 => fit::<i8>(value)?.to_le_bytes().to_vec(),
            Self::U16 => fit::<u16>(value)?.to_le_bytes().to_vec(),
            Self::I16 => fit::<i16>(value)?.to_le_bytes().to_vec(),
            Self::U32 => fit::<u32>(value)?.to_le_bytes().to_vec(),
            Self::I32 => fit::<i32>(value)?.to_le_bytes().to_vec(),
            Self::U64 => fit::<u64>(value)?.to_le_bytes().to_vec(),
            Self::I64 => fit::<i64>(value)?.to_le_bytes().to_vec(),
            _ => return self.of_float(value as f64),
        })
    }

    /// Whether a checkpoint's type of element has the same bits.
    pub fn is_stored_as(self, stored: crate::checkpoint::Element) -> bool {
        match kind(stored) {
            Kind::Float(Float::F16) => self == Self::F16,
            Kind::Float(Float::Bf16) => self == Self::Bf16,
            Kind::Float(Float::F32) => self == Self::F32,
            Kind::Float(Float::F64) => self == Self::F64,
            Kind::Integer { bits, signed } => {
                let is_signed = matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64);
                !self.is_float() && self.size() * 8 == bits as usize && is_signed == signed
            }
            _ => false,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, element)| element == self).map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_bytes_or_are_refused() {
        assert_eq!(Element::U8.of_integer(255), Some(vec![255]));
        assert_eq!(Element::U8.of_integer(256), None);
        assert_eq!(Element::I8.of_integer(-1), Some(vec![255]));
        assert_eq!(Element::F32.of_integer(1), Some(1f32.to_le_bytes().to_vec()));
        assert_eq!(Element::U32.of_float(1.5), None);
        assert_eq!(Element::Bf16.of_float(1.0), Some(vec![0x80, 0x3f]));
        for (name, element) in Element::ALL {
            assert_eq!(Element::parse(name), Some(element));
            assert_eq!(element.of_integer(1).map(|bytes| bytes.len()), Some(element.size()), "{name}");
        }
    }
}
