//! Logic, shifts, bit fields and permutations. Definitions follow the pseudo-code of the PTX ISA, 8.5.

use super::words::Words;
use super::{Compute, Operation, extend, truncate};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Type;

/// What is computed.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    And,
    Or,
    Xor,
    Not,
    Cnot,
    Lop3,
    Shl,
    Shr,
    /// `shf`; `wrap` or clamp.
    Funnel {
        left: bool,
        wrap: bool,
    },
    Bfe,
    Bfi,
    Bfind {
        shift_amount: bool,
    },
    Brev,
    Clz,
    Popc,
    Fns,
    Prmt(Permutation),
    Szext {
        wrap: bool,
    },
    Bmsk {
        wrap: bool,
    },
}

/// Modes of `prmt`.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permutation {
    Generic,
    F4e,
    B4e,
    Rc8,
    Ecl,
    Ecr,
    Rc16,
}

/// An instruction on bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// What is computed.
    pub function: Function,
    /// Bits of the first operand.
    pub bits: u32,
    /// Whether it is signed.
    pub signed: bool,
}

const WRAP: [(&str, bool); 2] = [("clamp", false), ("wrap", true)];
const WORDS: [Type; 2] = [Type::B32, Type::B64];
const FIELDS: [Type; 4] = [Type::U32, Type::U64, Type::S32, Type::S64];

pub(super) fn decode(words: &mut Words<'_>) -> Result<Compute> {
    use Type::{B16, B32, B64, Pred, S16, S32, S64, U16, U32, U64};
    let ty = words.one_type()?;
    let same = |count: usize| vec![ty; count];
    let (function, operands, result, allowed): (_, Vec<Type>, _, &[Type]) = match words.opcode() {
        "and" => (Function::And, same(2), ty, &[Pred, B16, B32, B64]),
        "or" => (Function::Or, same(2), ty, &[Pred, B16, B32, B64]),
        "xor" => (Function::Xor, same(2), ty, &[Pred, B16, B32, B64]),
        "not" => (Function::Not, same(1), ty, &[Pred, B16, B32, B64]),
        "cnot" => (Function::Cnot, same(1), ty, &[B16, B32, B64]),
        "lop3" => (Function::Lop3, same(4), ty, &[B32]),
        "shl" => (Function::Shl, vec![ty, U32], ty, &[B16, B32, B64]),
        "shr" => (Function::Shr, vec![ty, U32], ty, &[B16, B32, B64, U16, U32, U64, S16, S32, S64]),
        "shf" => {
            let left = words.require(&[("l", true), ("r", false)])?;
            let wrap = words.require(&WRAP)?;
            (Function::Funnel { left, wrap }, vec![ty, ty, U32], ty, &[B32])
        }
        "bfe" => (Function::Bfe, vec![ty, U32, U32], ty, &FIELDS),
        "bfi" => (Function::Bfi, vec![ty, ty, U32, U32], ty, &WORDS),
        "bfind" => (Function::Bfind { shift_amount: words.take("shiftamt") }, same(1), U32, &FIELDS),
        "brev" => (Function::Brev, same(1), ty, &WORDS),
        "clz" => (Function::Clz, same(1), U32, &WORDS),
        "popc" => (Function::Popc, same(1), U32, &WORDS),
        "fns" => (Function::Fns, vec![B32, B32, S32], B32, &[B32]),
        "prmt" => {
            let mode = words.choose(&[
                ("f4e", Permutation::F4e),
                ("b4e", Permutation::B4e),
                ("rc8", Permutation::Rc8),
                ("ecl", Permutation::Ecl),
                ("ecr", Permutation::Ecr),
                ("rc16", Permutation::Rc16),
            ]);
            (Function::Prmt(mode.unwrap_or(Permutation::Generic)), same(3), ty, &[B32])
        }
        "szext" => (Function::Szext { wrap: words.require(&WRAP)? }, vec![ty, U32], ty, &[U32, S32]),
        "bmsk" => (Function::Bmsk { wrap: words.require(&WRAP)? }, same(2), ty, &[B32]),
        _ => return Err(words.refuse("no instruction on bits")),
    };
    words.finish_with(operands.len(), ty, allowed)?;
    let bits = Bits { function, bits: ty.bits(), signed: ty.is_signed() };
    Ok(Compute::simple(Operation::Bits(bits), result, &operands))
}

impl Bits {
    /// The result's bits.
    #[inline]
    pub fn evaluate(&self, a: u64, b: u64, c: u64, d: u64) -> u64 {
        let bits = self.bits;
        match self.function {
            Function::And => a & b,
            Function::Or => a | b,
            Function::Xor => a ^ b,
            Function::Not => truncate(!a, bits),
            // Counts of the width or more shift everything out.
            Function::Shl => truncate(a.checked_shl(b as u32).unwrap_or(0), bits),
            Function::Shr if self.signed => truncate((extend(a, bits) >> b.min(63)) as u64, bits),
            Function::Shr => a.checked_shr(b as u32).unwrap_or(0),
            _ => self.rare(a, b, c, d),
        }
    }

    fn rare(&self, a: u64, b: u64, c: u64, d: u64) -> u64 {
        let bits = self.bits;
        match self.function {
            Function::And | Function::Or | Function::Xor | Function::Not | Function::Shl | Function::Shr => 0,
            Function::Cnot => (a == 0).into(),
            Function::Lop3 => {
                let term = |i: u64| {
                    let choose = |value: u64, bit: u64| if i >> bit & 1 == 1 { value } else { !value };
                    if d >> i & 1 == 1 { choose(a, 2) & choose(b, 1) & choose(c, 0) } else { 0 }
                };
                truncate((0..8).map(term).fold(0, |all, term| all | term), 32)
            }
            Function::Funnel { left, wrap } => {
                let count = if wrap { c & 31 } else { c.min(32) };
                let both = b << 32 | a;
                if left { (both << count) >> 32 } else { truncate(both >> count, 32) }
            }
            Function::Bfe => self.extract(a, b & 0xff, c & 0xff),
            Function::Bfi => {
                let (position, length) = (c & 0xff, d & 0xff);
                let mask = ones(length).checked_shl(position as u32).unwrap_or(0);
                let field = a.checked_shl(position as u32).unwrap_or(0);
                truncate((b & !mask) | (field & mask), bits)
            }
            Function::Bfind { shift_amount } => {
                let value = if extend(a, bits) < 0 && self.signed { truncate(!a, bits) } else { a };
                match value.checked_ilog2() {
                    None => 0xffff_ffff,
                    Some(highest) if shift_amount => u64::from(bits - 1 - highest),
                    Some(highest) => highest.into(),
                }
            }
            Function::Brev => a.reverse_bits() >> (64 - bits),
            Function::Clz => u64::from(a.leading_zeros() - (64 - bits)),
            Function::Popc => a.count_ones().into(),
            Function::Fns => find_nth_set(a, b, extend(c, 32)),
            Function::Prmt(mode) => permute(mode, a, b, c),
            Function::Szext { wrap } => {
                let (length, large) = (b & 31, !wrap && b >= 32);
                if large {
                    return a;
                }
                let low = a & ones(length);
                let negative = self.signed && length != 0 && low >> (length - 1) == 1;
                truncate(if negative { low | !ones(length) } else { low }, 32)
            }
            Function::Bmsk { wrap } => {
                let (position, length) = if wrap { (a & 31, b & 31) } else { (a.min(32), b.min(32)) };
                truncate(ones(length) << position, 32)
            }
        }
    }

    /// `bfe`: the sign is the field's highest bit, or the value's where the field runs past it.
    fn extract(&self, a: u64, position: u64, length: u64) -> u64 {
        let bits = u64::from(self.bits);
        let field = a.checked_shr(position as u32).unwrap_or(0) & ones(length);
        let last = (position + length).saturating_sub(1).min(bits - 1);
        let negative = self.signed && length != 0 && a >> last & 1 == 1;
        // From here on upwards the bits are copies of the sign.
        let from = length.min(bits.saturating_sub(position));
        truncate(if negative { field | !ones(from) } else { field }, self.bits)
    }
}

/// That many ones.
fn ones(count: u64) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

fn find_nth_set(mask: u64, base: u64, offset: i64) -> u64 {
    const NONE: u64 = 0xffff_ffff;
    if offset == 0 {
        return if base < 32 && mask >> base & 1 == 1 { base } else { NONE };
    }
    let base = base as u32 as i32;
    let set = |position: &i32| mask >> position & 1 == 1;
    let skip = (offset.unsigned_abs() - 1).min(32) as usize;
    if !(0..32).contains(&base) {
        return NONE;
    }
    let found =
        if offset > 0 { (base..32).filter(set).nth(skip) } else { (0..=base).rev().filter(set).nth(skip) };
    found.map_or(NONE, |position| position as u64)
}

fn permute(mode: Permutation, a: u64, b: u64, c: u64) -> u64 {
    let bytes = (b << 32 | a).to_le_bytes();
    let from = (c & 3) as usize;
    let pick = |i: usize| -> u8 {
        match mode {
            Permutation::Generic => {
                let selector = (c >> (4 * i)) as usize;
                let byte = bytes[selector & 7];
                // The fourth bit of a selector copies the sign over the byte.
                if selector & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 }
            }
            Permutation::F4e => bytes[from + i],
            Permutation::B4e => bytes[(8 + from - i) & 7],
            Permutation::Rc8 => bytes[from],
            Permutation::Ecl => bytes[from.max(i)],
            Permutation::Ecr => bytes[from.min(i)],
            Permutation::Rc16 => bytes[(from & 1) * 2 + (i & 1)],
        }
    };
    u32::from_le_bytes([pick(0), pick(1), pick(2), pick(3)]).into()
}
