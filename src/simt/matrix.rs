//! Tensor-core instructions as pure functions on fragments: `mma.sync`, `wmma`, `ldmatrix`, `stmatrix` and
//! `movmatrix`. Who holds which element is in `layout`, how sums are rounded in `model`. Nothing here
//! knows of registers' names or of memory.

mod decode;
mod element;
mod layout;
mod mma;
mod model;
mod moves;
mod wmma;

#[cfg(test)]
mod tests;

use crate::simt::fault::{Fault, FaultKind};
use crate::simt::ptx::ast::Type;

pub use mma::Mma;
pub use moves::{MatrixMove, Move};
pub use wmma::{Piece, WmmaAccess};

/// Lanes of a warp.
const LANES: usize = 32;

/// One register of all 32 lanes of a warp, zero-extended; lane `i` holds `fragment[i]`.
pub type Fragment = [u64; LANES];

/// Registers that each lane gives for one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterList {
    /// How many.
    pub count: usize,
    /// What the PTX ISA names their type: `.f16x2`, `.b32`, `.s32`, `.f32` or `.f64`.
    pub ty: Type,
}

/// The operands of a matrix product D = A·B + C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The destination.
    pub d: RegisterList,
    /// The left factor.
    pub a: RegisterList,
    /// The right factor.
    pub b: RegisterList,
    /// The summand.
    pub c: RegisterList,
}

/// A refusal that names the instruction.
fn unsupported(opcode: &str, modifiers: &[String], why: &str) -> Fault {
    let name = modifiers.iter().fold(opcode.to_owned(), |name, modifier| name + "." + modifier);
    Fault::new(FaultKind::Unsupported, format!("{name} is not supported: {why}"))
}
