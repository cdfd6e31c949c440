//! `ldmatrix`, `stmatrix` and `movmatrix`: matrices of 8 × 8 elements of 16 bits, a row of 16 bytes at a time.

use super::{Fragment, LANES, unsupported};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Space;

/// Which of the three it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// `ldmatrix`: from shared memory to registers.
    Load,
    /// `stmatrix`: from registers to shared memory.
    Store,
    /// `movmatrix`: between registers.
    Transpose,
}

/// A move of 8 × 8 matrices.
///
/// Lane `i` holds, of matrix `j` in its register `j`, row `i / 4`, elements `2·(i mod 4)` and the next;
/// with `.trans` the matrix's transpose is spread so (PTX ISA 8.5, "ldmatrix").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixMove {
    kind: Move,
    matrices: usize,
    transposed: bool,
    space: Option<Space>,
}

impl MatrixMove {
    /// The move that these words name; `opcode` is `ldmatrix`, `stmatrix` or `movmatrix`.
    ///
    /// # Errors
    ///
    /// A fault that names the instruction if it is none of those, of 8 × 8 matrices of `.b16`.
    pub fn decode(opcode: &str, modifiers: &[String]) -> Result<Self> {
        let refuse = |why: &str| unsupported(opcode, modifiers, why);
        let kind = match opcode {
            "ldmatrix" => Move::Load,
            "stmatrix" => Move::Store,
            "movmatrix" => Move::Transpose,
            _ => return Err(refuse("it moves no matrix")),
        };
        let words: Vec<&str> = modifiers.iter().map(String::as_str).collect();
        let ["sync", "aligned", rest @ .., "b16"] = &words[..] else {
            return Err(refuse("only .sync.aligned forms of .b16 are executed"));
        };
        let mut found = (false, None, false, None);
        for word in rest {
            let (shape, count, transposed, space) = &mut found;
            let fresh = match *word {
                "m8n8" => !std::mem::replace(shape, true),
                "x1" => count.replace(1).is_none(),
                "x2" => count.replace(2).is_none(),
                "x4" => count.replace(4).is_none(),
                "trans" => !std::mem::replace(transposed, true),
                "shared" | "shared::cta" => space.replace(Space::Shared).is_none(),
                _ => return Err(refuse(&format!("the word .{word} is not executed here"))),
            };
            if !fresh {
                return Err(refuse(&format!("the word .{word} does not fit")));
            }
        }
        let (matrices, transposed, space) = match (kind, found) {
            (Move::Transpose, (true, None, true, None)) => (1, true, None),
            (Move::Load | Move::Store, (true, Some(count), transposed, space)) => (count, transposed, space),
            _ => return Err(refuse("its words are not complete")),
        };
        Ok(Self { kind, matrices, transposed, space })
    }

    /// Which of the three instructions.
    pub fn kind(&self) -> Move {
        self.kind
    }

    /// Registers of a lane, one a matrix: 1, 2 or 4, of type `.b32`.
    pub fn matrices(&self) -> usize {
        self.matrices
    }

    /// The state space; `None` for generic addresses, which must point to shared memory.
    pub fn space(&self) -> Option<Space> {
        self.space
    }

    /// How many lanes, from lane 0, give an address: lane `i` that of row `i mod 8` of matrix `i / 8`, 16
    /// bytes aligned to 16. The addresses of other lanes are ignored.
    pub fn rows(&self) -> usize {
        8 * self.matrices
    }

    /// `ldmatrix`: the registers from the rows, in order of the lanes that gave their addresses.
    pub fn distribute(&self, rows: &[[u8; 16]]) -> Vec<Fragment> {
        let mut fragments = vec![[0; LANES]; self.matrices];
        for (matrix, fragment) in rows.chunks(8).zip(&mut fragments) {
            for (lane, word) in fragment.iter_mut().enumerate() {
                for half in 0..2 {
                    let (row, column) = self.element(lane, half);
                    let element = matrix.get(row).map_or(0, |row| read(row, column));
                    *word |= u64::from(element) << (16 * half);
                }
            }
        }
        fragments
    }

    /// `stmatrix`: the rows from the registers, in order of the lanes that give their addresses.
    pub fn collect(&self, fragments: &[Fragment]) -> Vec<[u8; 16]> {
        let mut rows = vec![[0; 16]; self.rows()];
        for (matrix, fragment) in rows.chunks_mut(8).zip(fragments) {
            for (lane, word) in fragment.iter().enumerate() {
                for half in 0..2 {
                    let (row, column) = self.element(lane, half);
                    if let Some(row) = matrix.get_mut(row) {
                        write(row, column, (word >> (16 * half)) as u16);
                    }
                }
            }
        }
        rows
    }

    /// `movmatrix`: the transposed matrix.
    pub fn transpose(&self, fragment: &Fragment) -> Fragment {
        let plain = Self { transposed: false, matrices: 1, ..*self };
        let transposed = Self { transposed: true, ..plain };
        let rows = plain.collect(std::slice::from_ref(fragment));
        transposed.distribute(&rows).first().copied().unwrap_or([0; LANES])
    }

    /// Row and column in memory of the `half`-th element of a lane.
    fn element(&self, lane: usize, half: usize) -> (usize, usize) {
        let (row, column) = (lane / 4, lane % 4 * 2 + half);
        if self.transposed { (column, row) } else { (row, column) }
    }
}

fn read(row: &[u8; 16], column: usize) -> u16 {
    let (pairs, _) = row.as_chunks::<2>();
    pairs.get(column).map_or(0, |pair| u16::from_le_bytes(*pair))
}

fn write(row: &mut [u8; 16], column: usize, element: u16) {
    let (pairs, _) = row.as_chunks_mut::<2>();
    if let Some(pair) = pairs.get_mut(column) {
        *pair = element.to_le_bytes();
    }
}
