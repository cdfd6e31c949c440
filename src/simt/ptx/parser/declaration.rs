//! Declarations of variables, parameters and registers.

use super::{Known, Parser};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::{Parameter, Register, Space, Type, Variable};
use crate::simt::ptx::lexer::{Token, shortened};

/// What stands before the names of a declaration.
#[derive(Debug, Clone, Copy)]
struct Head {
    space: Space,
    align: Option<u32>,
    /// 1 without a vector.
    vector: u32,
    ty: Type,
}

/// Dimensions of an array: more than compilers write (they flatten), and a bound for what `{` may nest.
const MOST_DIMENSIONS: usize = 8;

/// Bits of the largest vector (PTX ISA 8.5, 5.4.2).
const LARGEST_VECTOR: u32 = 128;

impl<'a> Parser<'a> {
    /// Variables of the module, from behind the state space to `;`.
    pub(super) fn module_variables(&mut self, space: Space, external: bool) -> Result<()> {
        let head = self.head(space)?;
        loop {
            let (line, written, name) = (self.line, self.token, self.name("the name of a variable")?);
            let duplicate = self.syntax(format!("a second declaration of {written}"));
            let variable = self.variable(head, name.to_owned(), external, line)?;
            let index = self.module.variables.len();
            match self.names.get(name) {
                None => {
                    self.names.insert(name, Known::Variable(index));
                    self.module.variables.push(variable);
                }
                Some(Known::Variable(known)) => match self.module.variables.get_mut(*known) {
                    Some(known) if variable.external && known.ty == variable.ty => {}
                    Some(known) if known.external && known.ty == variable.ty => *known = variable,
                    _ => return Err(duplicate),
                },
                Some(Known::Function { .. }) => return Err(duplicate),
            }
            if !self.eat(",")? {
                return self.expect(";");
            }
        }
    }

    /// Variables of a function's body, from behind the state space to `;`.
    pub(super) fn body_variables(&mut self, space: Space, external: bool) -> Result<Vec<Variable>> {
        let head = self.head(space)?;
        let mut variables = Vec::new();
        loop {
            let line = self.line;
            let name = self.declared("the name of a variable")?;
            variables.push(self.variable(head, name, external, line)?);
            if !self.eat(",")? {
                self.expect(";")?;
                return Ok(variables);
            }
        }
    }

    /// Registers, from behind `.reg` to `;`.
    pub(super) fn registers(&mut self) -> Result<Vec<Register>> {
        let (vector, ty) = self.register_type()?;
        let mut registers = Vec::new();
        loop {
            let (line, written, name) = (self.line, self.token, self.name("the name of a register")?);
            let duplicate = self.syntax(format!("a second declaration of {written}"));
            let (name, count) = if self.eat("<")? {
                let count = self.natural("how many registers")?;
                self.expect(">")?;
                (self.scopes.declare_range(name, count), Some(count))
            } else {
                (self.scopes.declare(name, self.names.contains_key(name)), None)
            };
            let name = name.ok_or(duplicate)?;
            registers.push(Register { ty, vector, name, count, line });
            if !self.eat(",")? {
                self.expect(";")?;
                return Ok(registers);
            }
        }
    }

    /// `(.param .u64 a, .reg .b32 b)`. In a prototype the names declare nothing and may be `_`.
    pub(super) fn parameters(&mut self, prototype: bool) -> Result<Vec<Parameter>> {
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.at(")") {
            if !parameters.is_empty() {
                self.expect(",")?;
            }
            parameters.push(match self.token {
                Token::Dot("param") => {
                    self.advance()?;
                    let head = self.head(Space::Param)?;
                    let (line, name) = (self.line, self.parameter_name(prototype)?);
                    Parameter::Memory(self.variable(head, name, false, line)?)
                }
                Token::Dot("reg") => {
                    self.advance()?;
                    let (vector, ty) = self.register_type()?;
                    let (line, name) = (self.line, self.parameter_name(prototype)?);
                    Parameter::Register(Register { ty, vector, name, count: None, line })
                }
                _ => return Err(self.expected("`.param` or `.reg`")),
            });
        }
        self.expect(")")?;
        Ok(parameters)
    }

    fn parameter_name(&mut self, prototype: bool) -> Result<String> {
        match prototype {
            true => Ok(self.word("the name of a parameter, or `_`")?.to_owned()),
            false => self.declared("the name of a parameter"),
        }
    }

    /// Takes a name and declares it in the innermost block; gives the unique name.
    fn declared(&mut self, what: &str) -> Result<String> {
        let duplicate = self.syntax(format!("a second declaration of {}", self.token));
        let name = self.name(what)?;
        self.scopes.declare(name, self.names.contains_key(name)).ok_or(duplicate)
    }

    fn register_type(&mut self) -> Result<(u32, Type)> {
        let vector = self.vector()?;
        let ty = self.fundamental_type()?;
        Ok((self.checked_vector(vector, ty)?, ty))
    }

    /// From behind the state space up to the type and what qualifies it.
    fn head(&mut self, space: Space) -> Result<Head> {
        let mut align = None;
        loop {
            match self.token {
                Token::Dot("align") => align = Some(self.alignment()?),
                Token::Dot("attribute") => self.attribute()?,
                _ => break,
            }
        }
        let vector = self.vector()?;
        let ty = self.fundamental_type()?;
        if ty == Type::Pred {
            return Err(self.syntax("a predicate in memory: `.pred` is for registers alone"));
        }
        let vector = self.checked_vector(vector, ty)?;
        if space == Space::Param && self.token == Token::Dot("ptr") {
            self.pointed()?;
        }
        Ok(Head { space, align, vector, ty })
    }

    /// `.ptr .global .align 16`: what a parameter points to, a hint alone.
    fn pointed(&mut self) -> Result<()> {
        self.advance()?;
        if let Token::Dot("global" | "shared" | "const" | "local") = self.token {
            self.advance()?;
        }
        if self.token == Token::Dot("align") {
            self.alignment()?;
        }
        Ok(())
    }

    fn alignment(&mut self) -> Result<u32> {
        self.advance()?;
        let wrong = self.expected("an alignment, which is a power of two");
        let align = self.natural("an alignment")?;
        if align.is_power_of_two() { Ok(align) } else { Err(wrong) }
    }

    /// `.attribute(.managed)` is about who else sees the memory, and changes nothing here.
    fn attribute(&mut self) -> Result<()> {
        self.advance()?;
        self.expect("(")?;
        loop {
            match self.token {
                Token::Dot("managed") => self.advance()?,
                other => return Err(self.unsupported(format!("the attribute {other}"))),
            };
            if !self.eat(",")? {
                return self.expect(")");
            }
        }
    }

    fn vector(&mut self) -> Result<u32> {
        let Token::Dot(name) = self.token else { return Ok(1) };
        let length = match name {
            "v2" => 2,
            "v4" => 4,
            _ => return Ok(1),
        };
        self.advance()?;
        Ok(length)
    }

    fn checked_vector(&self, vector: u32, ty: Type) -> Result<u32> {
        if vector > 1 && (ty == Type::Pred || vector * ty.bits() > LARGEST_VECTOR) {
            return Err(
                self.syntax(format!("no vector of {vector} times `{ty}` exists: 128 bits are the most"))
            );
        }
        Ok(vector)
    }

    fn fundamental_type(&mut self) -> Result<Type> {
        let Token::Dot(name) = self.token else { return Err(self.expected("a type")) };
        let Some(ty) = Type::parse(name) else {
            return Err(
                self.unsupported(format!("the type or qualifier `.{}` in a declaration", shortened(name)))
            );
        };
        self.advance()?;
        Ok(ty)
    }

    /// The dimensions and initial values that follow a name.
    fn variable(&mut self, head: Head, name: String, external: bool, line: u32) -> Result<Variable> {
        let Head { space, align, vector, ty } = head;
        if self.at("<") {
            return Err(self.unsupported("`<n>` names of variables; registers may have them"));
        }
        let mut shape = self.dimensions()?;
        let open = shape.first() == Some(&None);
        if vector > 1 {
            shape.push(Some(u64::from(vector)));
        }
        let mut initial = Vec::new();
        if self.at("=") {
            if !matches!(space, Space::Global | Space::Const) || external {
                return Err(self.syntax("initial values, which only `.global` and `.const` definitions have"));
            }
            self.advance()?;
            let (values, rows) = self.initial(ty, &shape)?;
            initial = values;
            if let Some(first @ None) = shape.first_mut() {
                *first = Some(rows);
            }
        } else if open && !external && space != Space::Param {
            return Err(
                self.syntax("an array without a size, which neither `.extern` nor initial values give")
            );
        }
        let large = || self.syntax("an array of 2^63 bytes or more");
        let elements = if shape.contains(&None) {
            None
        } else {
            let lengths = shape.iter().flatten();
            let elements = lengths.copied().try_fold(1_u64, u64::checked_mul).ok_or_else(large)?;
            let bytes = elements.checked_mul(u64::from(ty.bytes())).ok_or_else(large)?;
            i64::try_from(bytes).map_err(|_| large())?;
            Some(elements)
        };
        let align = align.unwrap_or(ty.bytes() * vector);
        Ok(Variable { space, align, ty, name, elements, initial, external, line })
    }

    /// `[3][4]`; the first may be `[]`.
    fn dimensions(&mut self) -> Result<Vec<Option<u64>>> {
        let mut lengths = Vec::new();
        while self.eat("[")? {
            if lengths.len() == MOST_DIMENSIONS {
                return Err(self.unsupported(format!("an array of more than {MOST_DIMENSIONS} dimensions")));
            }
            let open = lengths.is_empty() && self.at("]");
            lengths.push(if open { None } else { Some(self.literal_integer("the length of an array")?) });
            self.expect("]")?;
        }
        Ok(lengths)
    }
}
