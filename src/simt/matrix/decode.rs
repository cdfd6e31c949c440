//! From the words of `mma` and `wmma.mma` to what they compute; what PTX does not have or this does not
//! execute is refused by name.

use super::element::Element;
use super::layout::{Shape, Spread};
use super::unsupported;
use crate::simt::fault::Result;

/// A product as its words give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) shape: Shape,
    pub(super) spread: Spread,
    pub(super) d: Element,
    pub(super) a: Element,
    pub(super) b: Element,
    pub(super) c: Element,
    pub(super) integers: Integers,
}

/// How integer products are formed and kept in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integers {
    /// The sum modulo 2^32.
    Wrap,
    /// `.satfinite`.
    Clamp,
    /// Set bits of `a ^ b`, modulo 2^32.
    XorCount,
    /// Set bits of `a & b`, modulo 2^32.
    AndCount,
}

/// Words that change no fragment, in any order; what is left are shape, types and layouts.
struct Words<'a> {
    shape: Option<Shape>,
    types: Vec<Element>,
    layouts: Vec<bool>,
    saturate: bool,
    count: Option<Integers>,
    unknown: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn read(modifiers: &'a [String]) -> Self {
        let mut words = Self {
            shape: None,
            types: Vec::new(),
            layouts: Vec::new(),
            saturate: false,
            count: None,
            unknown: None,
        };
        let (mut operator, mut popc) = (None, false);
        for modifier in modifiers {
            let modifier = modifier.as_str();
            match modifier {
                // Other roundings than to nearest are refused below, as unknown words.
                "sync" | "aligned" | "rn" => {}
                "row" => words.layouts.push(false),
                "col" => words.layouts.push(true),
                "satfinite" => words.saturate = true,
                "xor" => operator = Some(Integers::XorCount),
                "and" => operator = Some(Integers::AndCount),
                "popc" => popc = true,
                _ => match (Shape::parse(modifier), Element::parse(modifier)) {
                    (Some(shape), _) if words.shape.is_none() => words.shape = Some(shape),
                    (_, Some(element)) => words.types.push(element),
                    _ => words.unknown = words.unknown.or(Some(modifier)),
                },
            }
        }
        match (operator, popc) {
            (None, false) => {}
            (Some(operator), true) => words.count = Some(operator),
            _ => words.unknown = words.unknown.or(Some("popc")),
        }
        words
    }
}

/// Decodes `mma.sync…` and `wmma.mma.sync…`.
pub(super) fn decode(opcode: &str, modifiers: &[String]) -> Result<Decoded> {
    let refuse = |why: &str| unsupported(opcode, modifiers, why);
    let first = modifiers.first().map_or("", String::as_str);
    let rest = match (opcode, first) {
        ("mma", _) => modifiers,
        ("wmma", "mma") => modifiers.get(1..).unwrap_or_default(),
        _ => return Err(refuse("of matrix products only mma.sync and wmma.mma.sync are executed")),
    };
    if !rest.iter().any(|modifier| modifier == "sync") {
        return Err(refuse("the word .sync is missing"));
    }
    let words = Words::read(rest);
    if let Some(unknown) = words.unknown {
        return Err(refuse(&format!("the word .{unknown} is not executed here")));
    }
    let shape = words.shape.ok_or_else(|| refuse("no shape"))?;
    let [a_columns, b_columns] = words.layouts[..] else {
        return Err(refuse("it has not two layouts"));
    };
    let is_wmma = opcode == "wmma";
    let (d, a, b, c) = match words.types[..] {
        [d, a, b, c] => (d, a, b, c),
        // wmma.mma of f16 factors names d and c only.
        [d, c] if is_wmma => (d, Element::F16, Element::F16, c),
        _ => return Err(refuse("it has not the types of d, a, b and c")),
    };
    let spread = match (is_wmma, a) {
        (true, _) => Spread::Wmma,
        (false, Element::F16) if shape.is(8, 8, 4) => Spread::Quads { a_columns, b_columns },
        _ => Spread::Mma,
    };
    // Elsewhere the fragments are the same for all layouts (wmma), or PTX has one layout (mma, and wmma of
    // less than a byte).
    if (spread == Spread::Mma || a.bits() < 8) && (a_columns, b_columns) != (false, true) {
        return Err(refuse("the layouts must be .row.col"));
    }
    if !(if is_wmma { wmma_has(shape, d, a, b, c) } else { mma_has(shape, d, a, b, c) }) {
        return Err(refuse("PTX has no such shape with such types"));
    }
    let integers = match (words.saturate, words.count) {
        (false, None) if a != Element::B1 => Integers::Wrap,
        (true, None) if d == Element::S32 && a != Element::B1 => Integers::Clamp,
        (false, Some(count)) if a == Element::B1 => count,
        _ => return Err(refuse(".satfinite, .xor.popc or .and.popc does not fit the types")),
    };
    Ok(Decoded { shape, spread, d, a, b, c, integers })
}

/// The products of the PTX ISA 8.5, "mma"; those of wider factors first.
fn mma_has(shape: Shape, d: Element, a: Element, b: Element, c: Element) -> bool {
    use Element::{B1, Bf16, E4m3, E5m2, F16, F32, F64, S4, S8, S32, Tf32, U4, U8};
    let is = |m, n, k| shape.is(m, n, k);
    match (d, a, b, c) {
        (F64, F64, F64, F64) => is(8, 8, 4) || is(16, 8, 4) || is(16, 8, 8) || is(16, 8, 16),
        (F32, Tf32, Tf32, F32) => is(16, 8, 4) || is(16, 8, 8),
        (F32, Bf16, Bf16, F32) => is(16, 8, 8) || is(16, 8, 16),
        // m8n8k4 with c in f32 has d in f32; elsewhere both are of one type.
        (F16 | F32, F16, F16, F16 | F32) => {
            is(8, 8, 4) && (c == F16 || d == F32) || c == d && (is(16, 8, 8) || is(16, 8, 16))
        }
        (F16 | F32, E4m3 | E5m2, E4m3 | E5m2, F16 | F32) => c == d && (is(16, 8, 16) || is(16, 8, 32)),
        (S32, S8 | U8, S8 | U8, S32) => is(8, 8, 16) || is(16, 8, 16) || is(16, 8, 32),
        (S32, S4 | U4, S4 | U4, S32) => is(8, 8, 32) || is(16, 8, 32) || is(16, 8, 64),
        (S32, B1, B1, S32) => is(8, 8, 128) || is(16, 8, 128) || is(16, 8, 256),
        _ => false,
    }
}

/// The products of the PTX ISA 8.5, "wmma.mma".
fn wmma_has(shape: Shape, d: Element, a: Element, b: Element, c: Element) -> bool {
    use Element::{B1, Bf16, F16, F32, F64, S4, S8, S32, Tf32, U4, U8};
    let wide = shape.is(16, 16, 16) || shape.is(8, 32, 16) || shape.is(32, 8, 16);
    match (d, a, b, c) {
        (F64, F64, F64, F64) => shape.is(8, 8, 4),
        (F32, Tf32, Tf32, F32) => shape.is(16, 16, 8),
        (F32, Bf16, Bf16, F32) => wide,
        (F16 | F32, F16, F16, F16 | F32) => wide,
        (S32, S8, S8, S32) | (S32, U8, U8, S32) => wide,
        (S32, S4, S4, S32) | (S32, U4, U4, S32) => shape.is(8, 8, 32),
        (S32, B1, B1, S32) => shape.is(8, 8, 128),
        _ => false,
    }
}
