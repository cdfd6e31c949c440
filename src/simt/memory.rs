//! Device memory: allocations with gaps between them, so that an access past one meets nothing.

use std::sync::Arc;

use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::segment::Segment;

/// The first address; what lies below belongs to the windows of other state spaces, and to null.
const FIRST: u64 = 0x10_0000_0000;
/// Alignment of every allocation, as `cudaMalloc` gives it.
const ALIGNMENT: u64 = 256;
/// Bytes between two allocations, at least.
const GAP: u64 = 4096;

/// Global and constant memory of a simulated GPU.
#[derive(Debug, Clone)]
pub struct Memory {
    /// By ascending address.
    allocations: Vec<Allocation>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Allocation {
    address: u64,
    segment: Segment,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// No allocation.
    pub fn new() -> Self {
        Self { allocations: Vec::new(), next: FIRST }
    }

    /// The address of `bytes` new bytes that nothing was written to, a multiple of 256.
    pub fn allocate(&mut self, bytes: u64) -> u64 {
        self.place(Segment::unwritten(bytes as usize))
    }

    /// The address of `bytes` new bytes that read as zero. They cost nothing until they are touched.
    pub fn reserve_zeroed(&mut self, bytes: u64) -> u64 {
        self.place(Segment::zeroed(bytes as usize))
    }

    /// The address at which kernels can read `bytes`; clones of this memory share them.
    pub fn map(&mut self, bytes: Arc<[u8]>) -> u64 {
        self.place(Segment::shared(bytes))
    }

    fn place(&mut self, segment: Segment) -> u64 {
        let address = self.next;
        self.next += (segment.len() as u64 + GAP).next_multiple_of(ALIGNMENT);
        self.allocations.push(Allocation { address, segment });
        address
    }

    /// Makes the allocation at `address` read-only.
    pub(crate) fn seal(&mut self, address: u64) {
        let found = self.allocations.iter_mut().find(|allocation| allocation.address == address);
        if let Some(allocation) = found {
            allocation.segment.seal();
        }
    }

    /// Takes the allocation at `address` away; nothing happens if there is none.
    pub fn free(&mut self, address: u64) {
        self.allocations.retain(|allocation| allocation.address != address);
    }

    /// Copies `bytes` to `address`.
    ///
    /// # Errors
    /// If they do not lie in one allocation that may be written.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        let index = self.find(address, bytes.len()).map_err(|kind| refused(kind, address, bytes.len()))?;
        let allocation = &mut self.allocations[index];
        let place = allocation.segment.write(address - allocation.address, bytes.len());
        place.map_err(|kind| refused(kind, address, bytes.len()))?.copy_from_slice(bytes);
        Ok(())
    }

    /// Copies what lies at `address` into `bytes`.
    ///
    /// # Errors
    /// If it does not lie in one allocation, or was never written.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        let index = self.find(address, bytes.len()).map_err(|kind| refused(kind, address, bytes.len()))?;
        let read = self.load(index, address, bytes.len());
        bytes.copy_from_slice(read.map_err(|kind| refused(kind, address, bytes.len()))?);
        Ok(())
    }

    /// What lies in `bytes` bytes at `address`, with zeros where nothing was written to them, and where that is.
    ///
    /// # Errors
    /// If they do not lie in one allocation.
    pub fn peek(&self, address: u64, bytes: usize) -> Result<(&[u8], impl Iterator<Item = usize>)> {
        let index = self.find(address, bytes).map_err(|kind| refused(kind, address, bytes))?;
        let allocation = &self.allocations[index];
        Ok(allocation.segment.peek((address - allocation.address) as usize, bytes))
    }

    /// Fills `bytes` bytes from `address` with copies of a word; a last part of one, if they are no multiple
    /// of four.
    ///
    /// # Errors
    /// As of [`Memory::write`].
    pub fn fill(&mut self, address: u64, bytes: u64, word: u32) -> Result<()> {
        let len = bytes as usize;
        let index = self.find(address, len).map_err(|kind| refused(kind, address, len))?;
        let allocation = &mut self.allocations[index];
        let place = allocation.segment.write(address - allocation.address, len);
        for chunk in place.map_err(|kind| refused(kind, address, len))?.chunks_mut(4) {
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }

    /// The index of the allocation that holds all of `len` bytes at `address`.
    #[inline]
    pub(crate) fn find(&self, address: u64, len: usize) -> std::result::Result<usize, FaultKind> {
        let after = self.allocations.partition_point(|allocation| allocation.address <= address);
        let index = after.checked_sub(1).ok_or(FaultKind::OutOfBounds)?;
        if self.holds(index, address, len) { Ok(index) } else { Err(FaultKind::OutOfBounds) }
    }

    /// Whether the allocation of that index, if there is one, holds `len` bytes at `address`.
    #[inline(always)]
    pub(crate) fn holds(&self, index: usize, address: u64, len: usize) -> bool {
        self.allocations.get(index).is_some_and(|allocation| {
            let end = address.wrapping_sub(allocation.address).checked_add(len as u64);
            end.is_some_and(|end| end <= allocation.segment.len() as u64)
        })
    }

    /// `len` bytes at `address`, which the allocation of that index holds.
    #[inline(always)]
    pub(crate) fn load(
        &self,
        index: usize,
        address: u64,
        len: usize,
    ) -> std::result::Result<&[u8], FaultKind> {
        let allocation = &self.allocations[index];
        allocation.segment.read(address.wrapping_sub(allocation.address), len)
    }

    /// `len` bytes at `address`, which the allocation of that index holds, to be overwritten by a kernel.
    #[inline(always)]
    pub(crate) fn store(
        &mut self,
        index: usize,
        address: u64,
        len: usize,
    ) -> std::result::Result<&mut [u8], FaultKind> {
        let allocation = &mut self.allocations[index];
        allocation.segment.write(address.wrapping_sub(allocation.address), len)
    }

    /// What lies nearest to an address outside of everything: for reports.
    pub(crate) fn nearest(&self, address: u64) -> String {
        let after = self.allocations.partition_point(|allocation| allocation.address <= address);
        match after.checked_sub(1).map(|index| &self.allocations[index]) {
            Some(before) => {
                let len = before.segment.len() as u64;
                let offset = address - before.address;
                format!("byte {offset} of an allocation of {len} bytes at {:#x}", before.address)
            }
            None => "below every allocation".to_owned(),
        }
    }
}

fn refused(kind: FaultKind, address: u64, len: usize) -> Fault {
    let why = match kind {
        FaultKind::Uninitialised => "hold bytes that nothing was written to",
        FaultKind::ReadOnly => "are read-only",
        _ => "do not lie in one allocation",
    };
    Fault::new(kind, format!("{len} bytes at {address:#x} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_apart_and_freed_ones_are_gone() {
        let mut memory = Memory::new();
        let (a, b) = (memory.allocate(10), memory.allocate(0));
        let c = memory.map(Arc::from([1u8, 2, 3, 4]));
        assert!(a % 256 == 0 && b >= a + 10 + GAP && c > b);
        memory.write(a + 2, &[5, 6]).unwrap();
        let mut two = [0; 2];
        memory.read(a + 2, &mut two).unwrap();
        assert_eq!(two, [5, 6]);
        assert_eq!(memory.read(a, &mut two).unwrap_err().kind, FaultKind::Uninitialised);
        assert_eq!(memory.write(a + 9, &two).unwrap_err().kind, FaultKind::OutOfBounds);
        assert_eq!(memory.write(c, &two).unwrap_err().kind, FaultKind::ReadOnly);
        memory.fill(a, 10, 0x0403_0201).unwrap();
        let mut ten = [0; 10];
        memory.read(a, &mut ten).unwrap();
        assert_eq!(ten, [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]);
        memory.free(a);
        assert_eq!(memory.read(a, &mut two).unwrap_err().kind, FaultKind::OutOfBounds);
        assert_eq!(memory.read(0, &mut two).unwrap_err().kind, FaultKind::OutOfBounds);
        memory.read(c, &mut two).unwrap();
    }
}
