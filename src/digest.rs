//! The digest of outputs: XXH3-128 over all tensors in declared order, each prefixed by its name,
//! type and length, so that outputs cannot trade places unnoticed.

use std::fmt;

use twox_hash::XxHash3_128;

use crate::prefetch::prefetch;
use crate::tensor::{Dtype, Tensor};

/// XXH3-128 over named tensors; printed as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Digests `tensors` in their order.
pub fn digest<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Digest {
    let mut hasher = Hasher::new();
    for tensor in tensors {
        hasher.begin(tensor.name, tensor.dtype(), tensor.len());
        for piece in tensor.bytes().chunks(PIECE) {
            prefetch(piece, PIECE);
            hasher.update(piece);
        }
    }
    hasher.finish()
}

/// Digests bytes as they are.
pub fn digest_of_bytes(bytes: &[u8]) -> Digest {
    Digest(XxHash3_128::oneshot(bytes))
}

/// A short digest of a text or of a program's bytes: 12 hexadecimal digits.
pub fn short_hash(bytes: &[u8]) -> String {
    digest_of_bytes(bytes).to_string().split_off(20)
}

/// Bytes that are hashed while the next ones are on their way from memory.
const PIECE: usize = 2048;

/// A digest of tensors whose bytes come piece by piece.
pub struct Hasher(XxHash3_128);

impl Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self(XxHash3_128::new())
    }

    /// Begins a tensor of `len` elements.
    pub fn begin(&mut self, name: &str, dtype: Dtype, len: usize) {
        self.0.write(&(name.len() as u64).to_le_bytes());
        self.0.write(name.as_bytes());
        self.0.write(dtype.name().as_bytes());
        self.0.write(&(len as u64).to_le_bytes());
    }

    /// Goes on with its bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The digest of everything so far.
    pub fn finish(&self) -> Digest {
        Digest(self.0.finish_128())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_types_lengths_and_order_count() {
        let a = Tensor::f32("a", vec![1.0, 2.0]);
        let b = Tensor::f32("b", vec![1.0, 2.0]);
        let short = Tensor::f32("a", vec![1.0]);
        let half = Tensor::zeros("a", Dtype::F16, 2);
        let digests = [
            digest([&a]),
            digest([&b]),
            digest([&short]),
            digest([&half]),
            digest([&a, &b]),
            digest([&b, &a]),
        ];
        for (i, one) in digests.iter().enumerate() {
            assert!(digests[i + 1..].iter().all(|other| other != one));
        }
        assert_ne!(digest([&Tensor::f32("a", vec![0.0])]), digest([&Tensor::f32("a", vec![-0.0])]));
    }

    #[test]
    fn it_is_xxh3_128() {
        // The reference implementation's value for the empty input.
        assert_eq!(format!("{:032x}", XxHash3_128::oneshot(b"")), "99aa06d3014798d86001c324468d497f");
    }
}
