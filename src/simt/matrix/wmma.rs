//! `wmma.load` and `wmma.store`: which bytes of memory go to which register of which lane.

use super::element::Element;
use super::layout::{Role, Shape, Spread, Spreading};
use super::{RegisterList, unsupported};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::ptx::ast::Space;

/// A load or store of a matrix by a warp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WmmaAccess {
    store: bool,
    space: Option<Space>,
    element: Element,
    registers: RegisterList,
    /// Line (along the stride), position in it, and where it goes: whole bytes, and of less than a byte
    /// whole registers.
    pieces: Vec<(u64, u64, Target)>,
    /// Elements of a line.
    line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    register: usize,
    lane: usize,
    shift: u32,
    bits: u32,
}

/// Bytes of memory, and the bits of a lane's register that they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Which register of the list.
    pub register: usize,
    /// Which lane's.
    pub lane: usize,
    /// Bytes from the base address.
    pub offset: u64,
    /// The piece's lowest bit in the register.
    pub shift: u32,
    /// Its bits: 8, 16, 32 or 64.
    pub bits: u32,
}

impl WmmaAccess {
    /// The access that these words name: `load`, `a`, `sync`, ….
    ///
    /// # Errors
    ///
    /// A fault that names the instruction if PTX has no such access.
    pub fn decode(modifiers: &[String]) -> Result<Self> {
        let refuse = |why: &str| unsupported("wmma", modifiers, why);
        let words: Vec<&str> = modifiers.iter().map(String::as_str).collect();
        let (store, role, rest) = match &words[..] {
            ["load", "a", rest @ ..] => (false, Role::A, rest),
            ["load", "b", rest @ ..] => (false, Role::B, rest),
            ["load", "c", rest @ ..] => (false, Role::Sum, rest),
            ["store", "d", rest @ ..] => (true, Role::Sum, rest),
            _ => return Err(refuse("it is none of wmma.load.a, .load.b, .load.c and .store.d")),
        };
        let rest = rest.strip_prefix(&["sync"]).ok_or_else(|| refuse("the word .sync is missing"))?;
        let rest = rest.strip_prefix(&["aligned"]).unwrap_or(rest);
        let [layout @ ("row" | "col"), shape, space @ .., element] = rest else {
            return Err(refuse("it has not a layout, a shape and a type"));
        };
        let columns = *layout == "col";
        let space = match space {
            [] => None,
            ["global"] => Some(Space::Global),
            ["shared" | "shared::cta"] => Some(Space::Shared),
            _ => return Err(refuse("a word is not executed here")),
        };
        let shape = Shape::parse(shape).ok_or_else(|| refuse("no shape"))?;
        let element = Element::parse(element).ok_or_else(|| refuse("no type of elements"))?;
        if !has(shape, role, element) {
            return Err(refuse("PTX has no such shape with such a type"));
        }
        // PTX ISA 8.5, "wmma.load": sub-byte factors have one layout.
        if element.bits() < 8 && columns != (role == Role::B) {
            return Err(refuse("of elements of less than a byte, A is .row and B is .col"));
        }
        Ok(Self::new(store, space, shape, role, element, columns))
    }

    fn new(
        store: bool,
        space: Option<Space>,
        shape: Shape,
        role: Role,
        element: Element,
        columns: bool,
    ) -> Self {
        let Shape { m, n, k } = shape;
        // Rows and columns of the matrix as an index counts them: B's are (column, row).
        let (lines, minor, along) = match role {
            Role::A => (m, k, !columns),
            Role::B => (n, k, columns),
            Role::Sum => (m, n, !columns),
        };
        let spreading = Spreading::new(Spread::Wmma, shape, role, element);
        let whole = |shift: u8| element.bits() >= 8 || shift == 0;
        let bits = if element.bits() < 8 { 32 } else { element.bits() };
        let pieces = spreading.slots.iter().filter(|(_, location)| whole(location.shift));
        let pieces = pieces.map(|(index, location)| {
            let (major, minor) = (index / minor, index % minor);
            let (line, position) = if along { (major, minor) } else { (minor, major) };
            let target = Target {
                register: usize::from(location.register),
                lane: usize::from(location.lane),
                shift: u32::from(location.shift),
                bits,
            };
            (line as u64, position as u64, target)
        });
        let line = if along { minor } else { lines } as u64;
        let registers = spreading.registers;
        Self { store, space, element, registers, pieces: pieces.collect(), line }
    }

    /// Whether it is `wmma.store`.
    pub fn is_store(&self) -> bool {
        self.store
    }

    /// The state space; `None` for generic addresses.
    pub fn space(&self) -> Option<Space> {
        self.space
    }

    /// How many registers of which type a lane gives.
    pub fn registers(&self) -> RegisterList {
        self.registers
    }

    /// The stride where none is written, in elements: that of a matrix whose lines lie side by side.
    pub fn default_stride(&self) -> u64 {
        self.line
    }

    /// What goes where, given the stride between lines in elements. A load fills every bit of every register,
    /// and may read an element more than once; a store writes every element once.
    ///
    /// # Errors
    ///
    /// [`FaultKind::Undefined`] for a stride shorter than a line, one whose offsets exceed 64 bits, or one of
    /// elements of less than a byte that begins a line inside a byte.
    pub fn pieces(&self, stride: u64) -> Result<Vec<Piece>> {
        let undefined = || {
            let line = self.line;
            Fault::new(
                FaultKind::Undefined,
                format!("stride {stride} does not suit lines of {line} elements"),
            )
        };
        let bits = u64::from(self.element.bits());
        if stride < self.line || stride.checked_mul(bits).is_none_or(|bits| bits % 8 != 0) {
            return Err(undefined());
        }
        let piece = |&(line, position, target): &(u64, u64, Target)| {
            let element = line.checked_mul(stride)?.checked_add(position)?;
            let Target { register, lane, shift, bits: piece } = target;
            Some(Piece { register, lane, offset: element.checked_mul(bits)? / 8, shift, bits: piece })
        };
        self.pieces.iter().map(|place| piece(place).ok_or_else(undefined)).collect()
    }
}

/// The matrices of the PTX ISA 8.5, "wmma.load" and "wmma.store".
fn has(shape: Shape, role: Role, element: Element) -> bool {
    use Element::{B1, Bf16, F16, F32, F64, S4, S8, S32, Tf32, U4, U8};
    let wide = shape.is(16, 16, 16) || shape.is(8, 32, 16) || shape.is(32, 8, 16);
    let tf32 = shape.is(16, 16, 8);
    let (small, bits) = (shape.is(8, 8, 32), shape.is(8, 8, 128));
    match (role, element) {
        (_, F64) => shape.is(8, 8, 4),
        (_, F16) => wide,
        (Role::A | Role::B, Bf16 | S8 | U8) => wide,
        (Role::A | Role::B, Tf32) => tf32,
        (Role::A | Role::B, S4 | U4) => small,
        (Role::A | Role::B, B1) => bits,
        (Role::Sum, F32) => wide || tf32,
        (Role::Sum, S32) => wide || small || bits,
        _ => false,
    }
}
