//! Tensors as `.npy` files of version 1.0, which numpy, and programs without it, read: a header in words and the
//! elements behind it. Ten lines in place of a crate, whose array types nothing else here needs.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::tensor::{Dtype, Tensor};

/// Elements begin at a multiple of this.
const ALIGNMENT: usize = 64;
/// The magic number with the version, and two bytes for the header's length.
const FIXED: usize = 8 + 2;

/// Writes `tensor` as an array of one dimension.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, tensor: &Tensor) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&header(tensor))?;
    file.write_all(tensor.bytes())
}

fn header(tensor: &Tensor) -> Vec<u8> {
    let descr = match tensor.dtype() {
        Dtype::F16 => "<f2",
        Dtype::F32 => "<f4",
    };
    let words = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({},), }}", tensor.len());
    // Blanks and a line feed fill it up.
    let length = (FIXED + words.len() + 1).next_multiple_of(ALIGNMENT) - FIXED;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend_from_slice(&(length as u16).to_le_bytes());
    header.extend_from_slice(format!("{words:<width$}\n", width = length - 1).as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_that_of_numpy() {
        // As numpy.save writes an array of three f32.
        let expected = [
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }".to_vec(),
            vec![b' '; 60],
            b"\n".to_vec(),
        ];
        let header = header(&Tensor::f32("x", vec![1.0, 2.0, 3.0]));
        assert_eq!((header.len() % 64, header), (0, expected.concat()));
    }
}
