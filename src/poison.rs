//! What outputs and workspaces are filled with before every execution, so that an element that a
//! kernel never wrote, or a value that it carried over from the execution before, is found.

use crate::operation::OutputSpec;
use crate::tensor::{Data, Tensor};

/// A fill pattern that changes with every execution.
///
/// It is a NaN in f16 and in f32, and never the canonical NaN that a kernel can write (f32
/// `7fffffff`, f16 `7fff`), so that a poisoned element cannot be mistaken for a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poison(u16);

impl Poison {
    /// The pattern of the `execution`-th execution; it repeats after 128.
    pub fn of_execution(execution: u64) -> Self {
        Self(0xff80 | (execution % 128) as u16)
    }

    /// The first execution that has this pattern, below 128.
    pub fn number(self) -> u64 {
        u64::from(self.0 & 0x7f)
    }

    /// The pattern as a 32-bit word, for filling buffers.
    pub fn word(self) -> u32 {
        u32::from(self.0) << 16 | u32::from(self.0)
    }

    /// Fills all of `tensor`.
    pub fn fill(self, tensor: &mut Tensor) {
        match &mut tensor.data {
            Data::F32(values) => values.fill(f32::from_bits(self.word())),
            Data::F16(values) => values.fill(half::f16::from_bits(self.0)),
        }
    }

    /// Makes `outputs` ready for an execution: poisoned, but for those that an algorithm updates in
    /// place, which hold what `inputs` say.
    pub fn prepare(self, outputs: &mut [Tensor], specs: &[OutputSpec], inputs: &[Tensor]) {
        for (output, spec) in outputs.iter_mut().zip(specs) {
            match spec.restored_from.and_then(|input| inputs.get(input)) {
                Some(input) => output.bytes_mut().copy_from_slice(input.bytes()),
                None => self.fill(output),
            }
        }
    }

    /// The index of the first element of `tensor` that still holds the pattern, and how many do.
    pub fn survivors(self, tensor: &Tensor) -> Option<(usize, usize)> {
        let holds: Box<dyn Iterator<Item = bool> + '_> = match &tensor.data {
            Data::F32(values) => Box::new(values.iter().map(|v| v.to_bits() == self.word())),
            Data::F16(values) => Box::new(values.iter().map(|v| v.to_bits() == self.0)),
        };
        let mut survivors = holds.enumerate().filter_map(|(index, held)| held.then_some(index));
        let first = survivors.next()?;
        Some((first, 1 + survivors.count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Dtype;

    #[test]
    fn every_pattern_is_a_nan_that_no_kernel_writes() {
        for execution in 0..300 {
            let poison = Poison::of_execution(execution);
            assert!(f32::from_bits(poison.word()).is_nan());
            assert!(half::f16::from_bits(poison.0).is_nan());
            assert!(poison.word() != 0x7fff_ffff && poison.0 != 0x7fff);
            assert_ne!(poison, Poison::of_execution(execution + 1));
            assert_eq!(Poison::of_execution(poison.number()), poison);
        }
    }

    #[test]
    fn survivors_are_counted() {
        for dtype in Dtype::ALL {
            let poison = Poison::of_execution(7);
            let mut tensor = Tensor::zeros("y", dtype, 5);
            assert_eq!(poison.survivors(&tensor), None);
            poison.fill(&mut tensor);
            assert_eq!(poison.survivors(&tensor), Some((0, 5)));
            assert_eq!(Poison::of_execution(8).survivors(&tensor), None);
        }
    }
}
