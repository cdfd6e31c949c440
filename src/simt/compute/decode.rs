//! From names to operations. Every word of a name must be asked for, or the instruction is refused.

use crate::simt::compute::{Comparison, Compute, Operation, Second};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::ptx::ast::Type;

/// The instructions of this room.
const OPCODES: &[&str] = &[
    "add", "sub", "mul", "mad", "fma", "div", "rem", "min", "max", "neg", "abs", "sqrt", "and", "or", "xor",
    "not", "shl", "shr", "setp", "selp", "cvt",
];

const COMPARISONS: &[(&str, Comparison)] = &[
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("lt", Comparison::Lt),
    ("le", Comparison::Le),
    ("gt", Comparison::Gt),
    ("ge", Comparison::Ge),
    ("lo", Comparison::Lt),
    ("ls", Comparison::Le),
    ("hi", Comparison::Gt),
    ("hs", Comparison::Ge),
    ("equ", Comparison::Equ),
    ("neu", Comparison::Neu),
    ("ltu", Comparison::Ltu),
    ("leu", Comparison::Leu),
    ("gtu", Comparison::Gtu),
    ("geu", Comparison::Geu),
    ("num", Comparison::Num),
    ("nan", Comparison::Nan),
];

/// Whether an instruction of that name computes: whether it is executed, [`Compute::decode`] tells.
pub fn is_compute(opcode: &str) -> bool {
    OPCODES.contains(&opcode)
}

fn is_float(ty: Type) -> bool {
    matches!(ty, Type::F32 | Type::F64)
}

fn is_integer(ty: Type) -> bool {
    matches!(ty, Type::U16 | Type::U32 | Type::U64 | Type::S16 | Type::S32 | Type::S64)
}

fn is_word(ty: Type) -> bool {
    matches!(ty, Type::Pred | Type::B16 | Type::B32 | Type::B64)
}

/// The untyped or typed words that `selp` and equality take.
fn is_plain(ty: Type) -> bool {
    is_word(ty) && ty != Type::Pred || is_integer(ty) || is_float(ty)
}

/// The type of twice the width.
fn doubled(ty: Type) -> Option<Type> {
    match ty {
        Type::U16 => Some(Type::U32),
        Type::S16 => Some(Type::S32),
        Type::U32 => Some(Type::U64),
        Type::S32 => Some(Type::S64),
        _ => None,
    }
}

impl Compute {
    /// The operation of an instruction with so many source operands.
    ///
    /// # Errors
    /// Names what is not executed: then nothing of the instruction is.
    pub fn decode(opcode: &str, modifiers: &[String], sources: usize) -> Result<Self> {
        let words: Vec<_> = modifiers.iter().map(String::as_str).collect();
        let found = decode(opcode, &words).filter(|compute| compute.operands.len() == sources);
        found.ok_or_else(|| {
            let name = modifiers.iter().fold(opcode.to_owned(), |name, word| name + "." + word);
            let what = format!("{name} with {sources} operands: this form is not executed");
            Fault::new(FaultKind::Unsupported, what)
        })
    }
}

/// An operation on operands of one type that gives the same type.
fn uniform(operation: Operation, ty: Type, operands: usize) -> Compute {
    Compute { operation, result: ty, second: None, operands: vec![ty; operands], carry_in: false }
}

fn decode(opcode: &str, words: &[&str]) -> Option<Compute> {
    let (last, before) = words.split_last()?;
    let ty = Type::parse(last)?;
    let float = is_float(ty);
    match (opcode, before) {
        ("add", []) if is_integer(ty) => Some(uniform(Operation::Add(ty), ty, 2)),
        ("sub", []) if is_integer(ty) => Some(uniform(Operation::Sub(ty), ty, 2)),
        ("add", [] | ["rn"]) if float => Some(uniform(Operation::Add(ty), ty, 2)),
        ("sub", [] | ["rn"]) if float => Some(uniform(Operation::Sub(ty), ty, 2)),
        ("mul", [] | ["rn"]) if float => Some(uniform(Operation::MulLow(ty), ty, 2)),
        ("fma", ["rn"]) if float => Some(uniform(Operation::Fma(ty), ty, 3)),
        ("div", ["rn"]) if float => Some(uniform(Operation::Div(ty), ty, 2)),
        ("sqrt", ["rn"]) if float => Some(uniform(Operation::Sqrt(ty), ty, 1)),
        ("mul", ["lo"]) if is_integer(ty) => Some(uniform(Operation::MulLow(ty), ty, 2)),
        ("mul", ["hi"]) if is_integer(ty) => Some(uniform(Operation::MulHigh(ty), ty, 2)),
        ("mul", ["wide"]) => {
            Some(Compute { result: doubled(ty)?, ..uniform(Operation::MulWide(ty), ty, 2) })
        }
        ("mad", ["lo"]) if is_integer(ty) => Some(uniform(Operation::MadLow(ty), ty, 3)),
        ("mad", ["wide"]) => {
            let result = doubled(ty)?;
            let operands = vec![ty, ty, result];
            Some(Compute { result, operands, ..uniform(Operation::MadWide(ty), ty, 3) })
        }
        ("div", []) if is_integer(ty) => Some(uniform(Operation::Div(ty), ty, 2)),
        ("rem", []) if is_integer(ty) => Some(uniform(Operation::Rem(ty), ty, 2)),
        ("min", []) if is_integer(ty) || float => Some(uniform(Operation::Min(ty), ty, 2)),
        ("max", []) if is_integer(ty) || float => Some(uniform(Operation::Max(ty), ty, 2)),
        ("neg", []) if ty.is_signed() || ty == Type::F32 => Some(uniform(Operation::Neg(ty), ty, 1)),
        ("abs", []) if ty.is_signed() || ty == Type::F32 => Some(uniform(Operation::Abs(ty), ty, 1)),
        ("and", []) if is_word(ty) => Some(uniform(Operation::And, ty, 2)),
        ("or", []) if is_word(ty) => Some(uniform(Operation::Or, ty, 2)),
        ("xor", []) if is_word(ty) => Some(uniform(Operation::Xor, ty, 2)),
        ("not", []) if is_word(ty) => Some(uniform(Operation::Not(ty), ty, 1)),
        ("shl", []) if is_word(ty) && ty != Type::Pred => {
            Some(Compute { operands: vec![ty, Type::U32], ..uniform(Operation::ShiftLeft(ty), ty, 2) })
        }
        ("shr", []) if is_plain(ty) && !float => {
            Some(Compute { operands: vec![ty, Type::U32], ..uniform(Operation::ShiftRight(ty), ty, 2) })
        }
        ("selp", []) if is_plain(ty) => {
            Some(Compute { operands: vec![ty, ty, Type::Pred], ..uniform(Operation::Select, ty, 3) })
        }
        ("setp", [name]) => compare(name, ty),
        ("cvt", _) => convert(before, ty),
        _ => None,
    }
}

fn compare(name: &str, ty: Type) -> Option<Compute> {
    let (name, comparison) = *COMPARISONS.iter().find(|(known, _)| *known == name)?;
    let fits = match (name, ty) {
        ("eq" | "ne", ty) => is_plain(ty),
        ("lt" | "le" | "gt" | "ge", ty) => is_integer(ty) || is_float(ty),
        ("lo" | "ls" | "hi" | "hs", ty) => is_integer(ty) && !ty.is_signed(),
        (_, ty) => is_float(ty),
    };
    fits.then(|| Compute {
        result: Type::Pred,
        second: Some(Second::Predicate),
        ..uniform(Operation::Compare(comparison, ty), ty, 2)
    })
}

/// `cvt{.rn}.to.from`.
fn convert(words: &[&str], from: Type) -> Option<Compute> {
    let (to, rounding) = words.split_last()?;
    let to = Type::parse(to)?;
    let whole = |ty: Type| is_integer(ty) || matches!(ty, Type::U8 | Type::S8);
    let operation = match (rounding, to, from) {
        ([], to, from) if whole(to) && whole(from) => Operation::Resize(from, to),
        (["rn"], Type::F32 | Type::F64, from) if whole(from) => Operation::FromInteger(from, to),
        ([], Type::F32, Type::F16) | (["rn"], Type::F16, Type::F32) => Operation::Refloat(from, to),
        ([], Type::F64, Type::F32) | (["rn"], Type::F32, Type::F64) => Operation::Refloat(from, to),
        _ => return None,
    };
    Some(Compute { result: to, ..uniform(operation, from, 1) })
}
