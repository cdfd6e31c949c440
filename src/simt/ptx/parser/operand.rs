//! Operands of instructions (PTX ISA 8.5, chapter 6), in all their shapes.

use super::Parser;
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::ptx::ast::{Literal, Operand};
use crate::simt::ptx::lexer::{Token, shortened};

impl<'a> Parser<'a> {
    /// An operand; with `listed`, `(a, b)` is a list of a call and no constant expression.
    pub(super) fn operand(&mut self, listed: bool) -> Result<Operand> {
        let operand = match self.token {
            Token::Mark("(") if listed => return Ok(Operand::List(self.several("(", ")", Self::element)?)),
            Token::Mark("[") => return self.bracket(),
            Token::Mark("{") => return Ok(Operand::Vector(self.vector_elements()?)),
            Token::Mark("!") => self.negated()?,
            _ => self.element()?,
        };
        let nameable = matches!(operand, Operand::Name { .. } | Operand::Nothing);
        if nameable && self.eat("|")? {
            let second = self.element()?;
            if !matches!(second, Operand::Name { .. } | Operand::Nothing) {
                return Err(self.syntax("expected a name or `_` behind `|`"));
            }
            return Ok(Operand::Pair(Box::new(operand), Box::new(second)));
        }
        Ok(operand)
    }

    /// `!p`, or a constant expression that begins with `!`.
    fn negated(&mut self) -> Result<Operand> {
        let (line, mut ahead) = (self.line, self.lexer.clone());
        if let (Token::Word(name), _) = ahead.next()?
            && name != "WARP_SZ"
        {
            self.advance()?;
            return match self.element()? {
                name @ Operand::Name { .. } => Ok(Operand::Not(Box::new(name))),
                _ => Err(Fault::at_line(FaultKind::Syntax, line, "`!` goes with a predicate or a number")),
            };
        }
        Ok(Operand::Literal(self.constant()?))
    }

    /// A name with what may follow it, `_`, or a number.
    fn element(&mut self) -> Result<Operand> {
        let name = match self.token {
            Token::Word("_") => {
                self.advance()?;
                return Ok(Operand::Nothing);
            }
            Token::Word(name) if name != "WARP_SZ" => name,
            Token::Word(_) | Token::Number(_) | Token::Mark("+" | "-" | "~" | "!" | "(") => {
                return Ok(Operand::Literal(self.constant()?));
            }
            _ => return Err(self.expected("an operand")),
        };
        self.advance()?;
        let unique = self.scopes.resolve(name);
        match self.token {
            Token::Dot(component) => {
                let component = match component.as_bytes() {
                    [letter @ (b'x' | b'y' | b'z' | b'w' | b'r' | b'g' | b'b' | b'a')] => char::from(*letter),
                    _ => {
                        let what = format!("the operand `{}.{}`", shortened(name), shortened(component));
                        return Err(self.unsupported(what));
                    }
                };
                self.advance()?;
                Ok(Operand::Name { name: unique, component: Some(component) })
            }
            Token::Mark("+") => {
                self.advance()?;
                Ok(Operand::Offset { name: unique, offset: self.constant_integer()?, indexed: false })
            }
            Token::Mark("[") => {
                self.advance()?;
                let offset = self.constant_integer()?;
                self.expect("]")?;
                Ok(Operand::Offset { name: unique, offset, indexed: true })
            }
            _ => Ok(Operand::Name { name: unique, component: None }),
        }
    }

    /// Elements between two marks, with commas between them; maybe none.
    fn several(
        &mut self,
        open: &str,
        close: &str,
        element: fn(&mut Self) -> Result<Operand>,
    ) -> Result<Vec<Operand>> {
        self.expect(open)?;
        let mut elements = Vec::new();
        while !self.at(close) {
            if !elements.is_empty() && !self.eat(",")? {
                return Err(self.expected(&format!("`,` or `{close}`")));
            }
            elements.push(element(self)?);
        }
        self.expect(close)?;
        Ok(elements)
    }

    fn vector_elements(&mut self) -> Result<Vec<Operand>> {
        let empty = self.line;
        let elements = self.several("{", "}", Self::element)?;
        if elements.is_empty() {
            let what = "expected an operand, found `{}`";
            return Err(Fault::at_line(FaultKind::Syntax, empty, what));
        }
        Ok(elements)
    }

    /// `[base+offset]`, `[16]`, or `[tensor, {x, y}]`.
    fn bracket(&mut self) -> Result<Operand> {
        let mut parts = self.several("[", "]", |parser| match parser.token {
            Token::Mark("{") => Ok(Operand::Vector(parser.vector_elements()?)),
            _ => parser.element(),
        })?;
        let single = if parts.len() == 1 { parts.pop() } else { None };
        Ok(match single {
            None if parts.is_empty() => return Err(self.syntax("expected an address, found `[]`")),
            None => Operand::Bracket(parts),
            Some(Operand::Name { name, component: None }) => Operand::Address { base: Some(name), offset: 0 },
            Some(Operand::Offset { name, offset, indexed: false }) => {
                Operand::Address { base: Some(name), offset }
            }
            Some(Operand::Literal(Literal::Integer(offset))) => Operand::Address { base: None, offset },
            Some(Operand::Vector(elements)) => Operand::Bracket(vec![Operand::Vector(elements)]),
            Some(_) => return Err(self.syntax("an address is a register, variable or number, plus a number")),
        })
    }
}
