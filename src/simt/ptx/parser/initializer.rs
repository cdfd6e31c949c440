//! Initial values of variables.

use super::Parser;
use crate::simt::fault::Result;
use crate::simt::ptx::ast::{Initial, Literal, Type};
use crate::simt::ptx::lexer::{Token, shortened};

/// Zeros that all initialisers of a module may imply between their values: the tree holds one value each,
/// so without a bound `x[2][1000000000] = {{}, {1}}` would take all memory.
const MOST_PADDING: usize = 1 << 20;

impl<'a> Parser<'a> {
    /// What follows `=`, for a variable of this shape (the vector's length last). Gives the values in order
    /// and the number of rows of the first dimension.
    pub(super) fn initial(&mut self, ty: Type, shape: &[Option<u64>]) -> Result<(Vec<Initial>, u64)> {
        let mut values = Vec::new();
        let rows = self.initial_rows(ty, shape, &mut values)?;
        Ok((values, rows))
    }

    fn initial_rows(&mut self, ty: Type, shape: &[Option<u64>], values: &mut Vec<Initial>) -> Result<u64> {
        let Some((most, inner_shape)) = shape.split_first() else {
            let value = self.initial_value()?;
            values.push(value);
            return Ok(1);
        };
        let inner = inner_shape.iter().try_fold(1_u64, |product, length| product.checked_mul((*length)?));
        let start = values.len();
        let mut rows = 0_u64;
        self.expect("{")?;
        while !self.at("}") {
            if rows > 0 {
                self.expect(",")?;
            }
            if most.is_some_and(|most| rows >= most) {
                return Err(self.syntax("more initial values than the variable has room for"));
            }
            if !inner_shape.is_empty() {
                let begin =
                    inner.and_then(|inner| inner.checked_mul(rows)).and_then(|n| usize::try_from(n).ok());
                self.pad(ty, begin.and_then(|begin| begin.checked_add(start)), values)?;
            }
            self.nested(|parser| parser.initial_rows(ty, inner_shape, values))?;
            rows += 1;
        }
        self.expect("}")?;
        Ok(rows)
    }

    /// Zeros up to where the next row begins.
    fn pad(&mut self, ty: Type, length: Option<usize>, values: &mut Vec<Initial>) -> Result<()> {
        let missing = length.and_then(|length| length.checked_sub(values.len()));
        let padding = missing.and_then(|missing| missing.checked_add(self.padding));
        let (Some(missing), Some(padding)) = (missing, padding.filter(|padding| *padding <= MOST_PADDING))
        else {
            let what = format!("initial values with more than {MOST_PADDING} implied zeros between them");
            return Err(self.unsupported(what));
        };
        self.padding = padding;
        let zero = match ty {
            Type::F16 | Type::F32 | Type::F64 => Literal::Double(0.0),
            _ => Literal::Integer(0),
        };
        values.extend(std::iter::repeat_n(Initial::Number(zero), missing));
        Ok(())
    }

    /// A constant expression, `name`, `name+8` or `generic(name)+8`.
    fn initial_value(&mut self) -> Result<Initial> {
        let name = match self.token {
            Token::Word("WARP_SZ") => None,
            Token::Word(name) => Some(name),
            _ => None,
        };
        let Some(mut name) = name else {
            let value = self.constant()?;
            if self.at("(") {
                return Err(self.unsupported("the mask operator `0xFF(…)` on an address"));
            }
            return Ok(Initial::Number(value));
        };
        self.advance()?;
        let generic = name == "generic" && self.eat("(")?;
        if generic {
            name = self.word("a variable")?;
            self.expect(")")?;
        } else if self.at("(") {
            return Err(self.unsupported(format!("the operator `{}(…)` on an address", shortened(name))));
        }
        let offset = if self.eat("+")? { self.constant_integer()? } else { 0 };
        Ok(Initial::Address { name: name.to_owned(), offset, generic })
    }
}
