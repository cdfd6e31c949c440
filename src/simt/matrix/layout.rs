//! Which lane's register holds which element of a matrix.
//!
//! The fragments of `mma` are those of the PTX ISA 8.5, "Matrix Fragments for mma". With group = lane / 4
//! and member = lane mod 4, all of them but those of `.m8n8k4.f16` are one formula: a register of A holds,
//! of 8 rows (group) and 4·E columns, the E neighbours that begin at column member·E, where E elements share
//! a register; the registers go first down the rows, then along k. B is the same with column = group. C and
//! D hold two neighbours of a row (2·member), then the same 8 rows below.
//!
//! The fragments of `wmma` are unspecified by PTX. Here element `e` in order of k (A, B) or of rows (C, D)
//! is in register `e / (32·E)`, lane `e / E mod 32`, and repeated in the registers that are left, for
//! f16 factors have more registers than elements. This is no hardware's layout, so that a kernel which
//! relies on one is seen.

use super::element::Element;
use super::{LANES, RegisterList};

/// Rows and columns of a product, and the length of its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
}

impl Shape {
    /// `m16n8k16`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (m, rest) = text.strip_prefix('m')?.split_once('n')?;
        let (n, k) = rest.split_once('k')?;
        let size = |text: &str| text.parse().ok().filter(|size| (1..=256).contains(size));
        Some(Self { m: size(m)?, n: size(n)?, k: size(k)? })
    }

    /// The shape with these sizes.
    pub(super) fn is(self, m: usize, n: usize, k: usize) -> bool {
        self == Self { m, n, k }
    }
}

/// Role of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    A,
    B,
    /// C and D.
    Sum,
}

/// How elements are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// As `mma` does.
    Mma,
    /// As `mma.m8n8k4` of f16 does: four products at once, each of 8 lanes. The flags say whether A is
    /// column-major, and B.
    Quads { a_columns: bool, b_columns: bool },
    /// As `wmma` does here.
    Wmma,
}

/// Where one element is: bits `shift..` of a lane's register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Location {
    pub(super) register: u8,
    pub(super) lane: u8,
    pub(super) shift: u8,
}

/// A matrix spread over a warp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spreading {
    pub(super) element: Element,
    /// How many registers of a lane.
    pub(super) registers: RegisterList,
    /// Every copy of an element: its index, and its place. An element's index is `row·k + column` of A,
    /// `column·k + row` of B, `row·n + column` of C and D, after those of the products before.
    pub(super) slots: Vec<(usize, Location)>,
}

impl Spreading {
    /// How the matrix of that role is spread.
    pub(super) fn new(spread: Spread, shape: Shape, role: Role, element: Element) -> Self {
        let products = if matches!(spread, Spread::Quads { .. }) { 4 } else { 1 };
        let Shape { m, n, k } = shape;
        let elements = match role {
            Role::A => m * k,
            Role::B => n * k,
            Role::Sum => m * n,
        } * products;
        let shared = element.per_register();
        let count = match (spread, role, element) {
            // PTX ISA 8.5, fragments of wmma: "eight .f16x2 registers" for A and B of every shape.
            (Spread::Wmma, Role::A | Role::B, Element::F16) => 8,
            _ => elements / (shared * LANES),
        };
        let mut slots = Vec::with_capacity(count * LANES * shared);
        for register in 0..count {
            for lane in 0..LANES {
                for position in 0..shared {
                    let index = match spread {
                        Spread::Wmma => ((register * LANES + lane) * shared + position) % elements,
                        Spread::Mma => mma(shape, role, shared, register, lane, position),
                        Spread::Quads { a_columns, b_columns } => {
                            let i = register * shared + position;
                            quads(role, element, i, lane, if role == Role::A { a_columns } else { b_columns })
                        }
                    };
                    let shift = position as u32 * element.bits();
                    let location =
                        Location { register: register as u8, lane: lane as u8, shift: shift as u8 };
                    slots.push((index, location));
                }
            }
        }
        Self { element, registers: RegisterList { count, ty: element.register() }, slots }
    }

    /// The place of every element, in order of its index: the first copy.
    pub(super) fn locations(&self) -> Vec<Location> {
        let elements = self.slots.iter().map(|(index, _)| index + 1).max().unwrap_or(0);
        let mut locations = vec![Location::default(); elements];
        for (index, location) in self.slots.iter().rev() {
            locations[*index] = *location;
        }
        locations
    }
}

fn mma(shape: Shape, role: Role, shared: usize, register: usize, lane: usize, position: usize) -> usize {
    let (group, member) = (lane / 4, lane % 4);
    let along = member * shared + position;
    match role {
        Role::A => {
            let halves = shape.m / 8;
            let row = group + 8 * (register % halves);
            row * shape.k + 4 * shared * (register / halves) + along
        }
        Role::B => group * shape.k + 4 * shared * register + along,
        Role::Sum => {
            let i = register * shared + position;
            (group + 8 * (i / 2)) * shape.n + 2 * member + i % 2
        }
    }
}

/// PTX ISA 8.5, "Matrix Fragments for mma.m8n8k4 with .f16": lanes 4q to 4q + 3 and those 16 further hold
/// product q; `i` counts a lane's elements.
fn quads(role: Role, element: Element, i: usize, lane: usize, columns: bool) -> usize {
    let (product, upper, member) = (lane / 4 % 4, lane / 16 * 4, lane % 4);
    let row_of_lane = member + upper;
    match role {
        Role::A if columns => product * 32 + (i + upper) * 4 + member,
        Role::A => product * 32 + row_of_lane * 4 + i,
        Role::B if columns => product * 32 + row_of_lane * 4 + i,
        Role::B => product * 32 + (i + upper) * 4 + member,
        Role::Sum if element == Element::F16 => product * 64 + row_of_lane * 8 + i,
        Role::Sum => {
            let row = (lane & 1) + (i & 2) + upper;
            let column = (i & 4) + (lane & 2) + (i & 1);
            product * 64 + row * 8 + column
        }
    }
}
