//! A run of bytes that knows which of them were written: the stuff of which all memory is made.

use std::sync::Arc;

use crate::simt::fault::FaultKind;

/// Bytes, from offset 0.
#[derive(Debug, Clone)]
pub struct Segment {
    bytes: Bytes,
    /// `None` once every byte was written, so that checks cost nothing from then on.
    unwritten: Option<Unwritten>,
}

#[derive(Debug, Clone)]
enum Bytes {
    Own(Vec<u8>),
    /// Shared between clones, and read-only.
    Shared(Arc<[u8]>),
}

/// A bit per byte that nothing was written to.
#[derive(Debug, Clone)]
struct Unwritten {
    bits: Vec<u64>,
    left: u64,
}

impl Segment {
    /// `len` bytes that nothing was written to.
    pub fn unwritten(len: usize) -> Self {
        let mut segment = Self { bytes: Bytes::Own(vec![0; len]), unwritten: None };
        segment.forget();
        segment
    }

    /// `len` zero bytes, as if they were written. The system maps them when they are touched.
    pub fn zeroed(len: usize) -> Self {
        Self { bytes: Bytes::Own(vec![0; len]), unwritten: None }
    }

    /// Bytes that may only be read.
    pub fn shared(bytes: Arc<[u8]>) -> Self {
        Self { bytes: Bytes::Shared(bytes), unwritten: None }
    }

    /// Makes the bytes read-only from now on.
    pub fn seal(&mut self) {
        if let Bytes::Own(bytes) = &mut self.bytes {
            self.bytes = Bytes::Shared(Arc::from(std::mem::take(bytes)));
        }
    }

    /// Makes every byte one that nothing was written to.
    pub fn forget(&mut self) {
        let len = self.len();
        if len == 0 {
            self.unwritten = None;
            return;
        }
        let words = len.div_ceil(64);
        match &mut self.unwritten {
            Some(unwritten) => unwritten.bits.fill(u64::MAX),
            None => self.unwritten = Some(Unwritten { bits: vec![u64::MAX; words], left: 0 }),
        }
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.left = len as u64;
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// All bytes, written or not.
    #[inline(always)]
    fn all(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }

    /// `len` bytes from `offset`, written or not, and the offsets from there of those that were not. They must be
    /// in bounds.
    pub fn peek(&self, offset: usize, len: usize) -> (&[u8], impl Iterator<Item = usize>) {
        let unwritten = self.unwritten.iter();
        let at = move |unwritten: &'_ Unwritten, at: usize| unwritten.any(offset + at, 1);
        let offsets =
            unwritten.flat_map(move |unwritten| (0..len).filter(move |place| at(unwritten, *place)));
        (&self.all()[offset..offset + len], offsets)
    }

    /// `len` bytes from `offset`.
    ///
    /// # Errors
    /// If they are out of bounds, or one of them was never written.
    #[inline(always)]
    pub fn read(&self, offset: u64, len: usize) -> Result<&[u8], FaultKind> {
        let bytes = slice(self.all(), offset, len).ok_or(FaultKind::OutOfBounds)?;
        match &self.unwritten {
            Some(unwritten) if unwritten.any(offset as usize, len) => Err(FaultKind::Uninitialised),
            _ => Ok(bytes),
        }
    }

    /// `len` bytes from `offset`, to be overwritten whole.
    ///
    /// # Errors
    /// If they are out of bounds or read-only.
    #[inline(always)]
    pub fn write(&mut self, offset: u64, len: usize) -> Result<&mut [u8], FaultKind> {
        let bytes = match &mut self.bytes {
            Bytes::Own(bytes) => bytes,
            Bytes::Shared(bytes) => {
                let inside = slice(bytes, offset, len).is_some();
                return Err(if inside { FaultKind::ReadOnly } else { FaultKind::OutOfBounds });
            }
        };
        let start = usize::try_from(offset).map_err(|_| FaultKind::OutOfBounds)?;
        let end = start.checked_add(len).ok_or(FaultKind::OutOfBounds)?;
        let place = bytes.get_mut(start..end).ok_or(FaultKind::OutOfBounds)?;
        if let Some(unwritten) = &mut self.unwritten {
            unwritten.mark(start, len);
            if unwritten.left == 0 {
                self.unwritten = None;
            }
        }
        Ok(place)
    }
}

#[inline(always)]
fn slice(bytes: &[u8], offset: u64, len: usize) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(len)?)
}

impl Unwritten {
    /// Words of bits that hold `len` bytes from `start`, each with its mask.
    #[inline]
    fn masks(start: usize, len: usize) -> impl Iterator<Item = (usize, u64)> {
        let end = start + len;
        (start / 64..end.div_ceil(64)).map(move |word| {
            let from = start.max(word * 64) - word * 64;
            let to = end.min(word * 64 + 64) - word * 64;
            (word, (u64::MAX >> (64 - (to - from))) << from)
        })
    }

    #[inline]
    fn any(&self, start: usize, len: usize) -> bool {
        len > 0 && Self::masks(start, len).any(|(word, mask)| self.bits[word] & mask != 0)
    }

    #[inline]
    fn mark(&mut self, start: usize, len: usize) {
        if len == 0 {
            return;
        }
        for (word, mask) in Self::masks(start, len) {
            self.left -= u64::from((self.bits[word] & mask).count_ones());
            self.bits[word] &= !mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_as_written_one_by_one() {
        let mut segment = Segment::unwritten(200);
        segment.write(60, 8).unwrap().fill(7);
        assert_eq!(segment.read(60, 8), Ok(&[7; 8][..]));
        assert_eq!(segment.read(59, 2), Err(FaultKind::Uninitialised));
        assert_eq!(segment.read(67, 2), Err(FaultKind::Uninitialised));
        segment.write(0, 200).unwrap().fill(1);
        assert!(segment.unwritten.is_none());
        segment.forget();
        assert_eq!(segment.read(0, 1), Err(FaultKind::Uninitialised));
        assert_eq!(segment.read(200, 0), Ok(&[][..]));
    }

    #[test]
    fn what_is_outside_or_shared_is_not_written() {
        let mut own = Segment::zeroed(4);
        assert_eq!(own.read(1, 4), Err(FaultKind::OutOfBounds));
        assert_eq!(own.write(u64::MAX, 2).err(), Some(FaultKind::OutOfBounds));
        let mut shared = Segment::shared(Arc::from([1u8, 2, 3]));
        assert_eq!(shared.write(0, 1).err(), Some(FaultKind::ReadOnly));
        assert_eq!(shared.write(3, 1).err(), Some(FaultKind::OutOfBounds));
        assert_eq!(shared.read(1, 2), Ok(&[2, 3][..]));
    }
}
