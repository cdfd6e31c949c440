//! Comparisons (`set`, `setp`) and selections (`selp`, `slct`).

use std::cmp::Ordering;

use super::float::Real;
use super::words::Words;
use super::{Compute, Operation, Results, Second, extend};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Type;

/// Which relations hold: less, equal, greater, unordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation(u8);

const LESS: u8 = 1;
const EQUAL: u8 = 2;
const GREATER: u8 = 4;
const UNORDERED: u8 = 8;

const EQUALITY: [(&str, Relation); 2] = [("eq", Relation(EQUAL)), ("ne", Relation(LESS | GREATER))];
const ORDER: [(&str, Relation); 4] = [
    ("lt", Relation(LESS)),
    ("le", Relation(LESS | EQUAL)),
    ("gt", Relation(GREATER)),
    ("ge", Relation(GREATER | EQUAL)),
];
const UNSIGNED: [(&str, Relation); 4] = [
    ("lo", Relation(LESS)),
    ("ls", Relation(LESS | EQUAL)),
    ("hi", Relation(GREATER)),
    ("hs", Relation(GREATER | EQUAL)),
];
const FLOAT: [(&str, Relation); 8] = [
    ("equ", Relation(EQUAL | UNORDERED)),
    ("neu", Relation(LESS | GREATER | UNORDERED)),
    ("ltu", Relation(LESS | UNORDERED)),
    ("leu", Relation(LESS | EQUAL | UNORDERED)),
    ("gtu", Relation(GREATER | UNORDERED)),
    ("geu", Relation(GREATER | EQUAL | UNORDERED)),
    ("num", Relation(LESS | EQUAL | GREATER)),
    ("nan", Relation(UNORDERED)),
];

/// How the comparison is combined with a predicate.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    None,
    And,
    Or,
    Xor,
}

/// How operands are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Domain {
    Unsigned,
    Signed(u32),
    Float(Real),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compare {
    /// What is asked.
    pub relation: Relation,
    /// The combination.
    pub combine: Combine,
    /// `.ftz`
    pub ftz: bool,
    /// Whether both halves are compared.
    pub packed: bool,
    domain: Domain,
    /// What true is as a value of `set`.
    truth: u64,
}

fn domain(ty: Type) -> Option<Domain> {
    match ty {
        Type::B16 | Type::B32 | Type::B64 | Type::U16 | Type::U32 | Type::U64 => Some(Domain::Unsigned),
        Type::S16 | Type::S32 | Type::S64 => Some(Domain::Signed(ty.bits())),
        _ => Real::of(ty).map(Domain::Float),
    }
}

pub(super) fn decode(words: &mut Words<'_>) -> Result<Compute> {
    let is_set = words.opcode() == "set";
    let (result, ty) = if is_set { words.two_types()? } else { (Type::Pred, words.one_type()?) };
    let Some(domain) = domain(ty) else { return Err(words.refuse_type(ty)) };
    let mut choices = EQUALITY.to_vec();
    match domain {
        Domain::Unsigned if matches!(ty, Type::B16 | Type::B32 | Type::B64) => {}
        Domain::Unsigned => choices.extend(ORDER.into_iter().chain(UNSIGNED)),
        Domain::Signed(_) => choices.extend(ORDER),
        Domain::Float(_) => choices.extend(ORDER.into_iter().chain(FLOAT)),
    }
    let relation = words.require(&choices)?;
    let combine = words
        .choose(&[("and", Combine::And), ("or", Combine::Or), ("xor", Combine::Xor)])
        .unwrap_or(Combine::None);
    let ftz = matches!(domain, Domain::Float(Real::F16 | Real::F32)) && words.take("ftz");
    let packed = matches!(ty, Type::F16x2 | Type::Bf16x2);
    let truth = match result {
        Type::Pred => 1,
        _ if packed && result != ty => return Err(words.refuse_type(result)),
        Type::U16 | Type::S16 if matches!(domain, Domain::Float(Real::F16 | Real::Bf16)) => 0xffff,
        Type::U32 | Type::S32 => 0xffff_ffff,
        Type::F32 if !matches!(domain, Domain::Float(Real::F16 | Real::Bf16)) => 0x3f80_0000,
        Type::F16 | Type::F16x2 if Real::of(ty) == Some(Real::F16) => 0x3c00,
        Type::Bf16 | Type::Bf16x2 if Real::of(ty) == Some(Real::Bf16) => 0x3f80,
        _ => return Err(words.refuse_type(result)),
    };
    if matches!(result, Type::F16x2 | Type::Bf16x2) && !packed {
        return Err(words.refuse_type(result));
    }
    let combined = combine != Combine::None;
    words.finish(if combined { 3 } else { 2 })?;
    let mut operands = vec![ty, ty];
    if combined {
        operands.push(Type::Pred);
    }
    let operation = Operation::Compare(Compare { relation, combine, ftz, packed, domain, truth });
    Ok(Compute {
        operation,
        result,
        second: (!is_set).then_some(Second::Predicate),
        operands,
        carry_in: false,
    })
}

impl Compare {
    /// The value and, of `setp`, the second predicate.
    #[inline]
    pub fn evaluate(&self, a: u64, b: u64, c: u64) -> Results {
        let combine = |holds: bool| match self.combine {
            Combine::None => holds,
            Combine::And => holds & (c != 0),
            Combine::Or => holds | (c != 0),
            Combine::Xor => holds ^ (c != 0),
        };
        let value = |holds: bool| if combine(holds) { self.truth } else { 0 };
        if self.packed {
            let low = self.holds(a & 0xffff, b & 0xffff);
            let high = self.holds(a >> 16, b >> 16);
            // PTX ISA, setp.f16x2: p is of the lower halves, q of the upper ones.
            return match self.truth {
                1 => Results { value: value(low), second: combine(high).into() },
                _ => Results { value: value(low) | value(high) << 16, second: 0 },
            };
        }
        let holds = self.holds(a, b);
        let second = if self.truth == 1 { combine(!holds).into() } else { 0 };
        Results { value: value(holds), second }
    }

    #[inline]
    fn holds(&self, a: u64, b: u64) -> bool {
        let order = match self.domain {
            Domain::Unsigned => Some(a.cmp(&b)),
            Domain::Signed(bits) => Some(extend(a, bits).cmp(&extend(b, bits))),
            Domain::Float(real) => compare(real, self.ftz, a, b),
        };
        let found = match order {
            Some(Ordering::Less) => LESS,
            Some(Ordering::Equal) => EQUAL,
            Some(Ordering::Greater) => GREATER,
            None => UNORDERED,
        };
        self.relation.0 & found != 0
    }
}

#[inline]
fn compare(real: Real, ftz: bool, a: u64, b: u64) -> Option<Ordering> {
    let format = real.format();
    let (a, b) = if ftz { (format.flush(a), format.flush(b)) } else { (a, b) };
    if format.is_nan(a) || format.is_nan(b) {
        return None;
    }
    let sign = format.sign();
    let key = |bits: u64| {
        let magnitude = (bits & !sign) as i64;
        if bits & sign != 0 { -magnitude } else { magnitude }
    };
    Some(key(a).cmp(&key(b)))
}

/// A selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    /// `selp`
    Predicate,
    /// `slct` by a signed integer.
    Integer,
    /// `slct` by an f32.
    Float {
        /// `.ftz`
        ftz: bool,
    },
}

pub(super) fn decode_select(words: &mut Words<'_>) -> Result<Compute> {
    let (ty, by, select) = if words.opcode() == "selp" {
        (words.one_type()?, Type::Pred, Select::Predicate)
    } else {
        match words.two_types()? {
            (ty, Type::S32) => (ty, Type::S32, Select::Integer),
            (ty, Type::F32) => (ty, Type::F32, Select::Float { ftz: words.take("ftz") }),
            (_, other) => return Err(words.refuse_type(other)),
        }
    };
    let allowed = [
        Type::B16,
        Type::B32,
        Type::B64,
        Type::U16,
        Type::U32,
        Type::U64,
        Type::S16,
        Type::S32,
        Type::S64,
        Type::F32,
        Type::F64,
    ];
    words.finish_with(3, ty, &allowed)?;
    Ok(Compute::simple(Operation::Select(select), ty, &[ty, ty, by]))
}

impl Select {
    /// `a` or `b`.
    #[inline]
    pub fn evaluate(&self, a: u64, b: u64, c: u64) -> u64 {
        let first = match self {
            Self::Predicate => c != 0,
            Self::Integer => extend(c, 32) >= 0,
            Self::Float { ftz } => {
                compare(Real::F32, *ftz, c, 0).is_some_and(|order| order != Ordering::Less)
            }
        };
        if first { a } else { b }
    }
}
