//! Entries and functions: their heads, and their bodies made flat.

use super::instruction::rename_labels;
use super::{DEEPEST, Known, Parser};
use crate::simt::fault::Result;
use crate::simt::ptx::ast::{Body, Function, Space};
use crate::simt::ptx::lexer::{Token, shortened};

impl<'a> Parser<'a> {
    /// From behind `.entry` or `.func`.
    pub(super) fn function(&mut self, entry: bool) -> Result<()> {
        self.scopes.restart();
        self.location = None;
        let returns = if !entry && self.at("(") { self.parameters(false)? } else { Vec::new() };
        let (line, written, name) = (self.line, self.token, self.name("the name of a function")?);
        let duplicate = self.syntax(format!("a second definition of {written}"));
        let parameters = if self.at("(") { self.parameters(false)? } else { Vec::new() };
        let mut function = Function {
            entry,
            name: name.to_owned(),
            returns,
            parameters,
            required_block: None,
            largest_block: None,
            cluster: None,
            body: None,
            line,
        };
        self.function_directives(&mut function)?;
        let has_body = !self.eat(";")?;
        match self.names.get_mut(name) {
            None => {
                self.names.insert(name, Known::Function { entry, has_body });
            }
            Some(Known::Function { entry: known, has_body: body })
                if *known == entry && !(*body && has_body) =>
            {
                *body |= has_body;
            }
            Some(_) => return Err(duplicate),
        }
        let mut locations = Vec::new();
        if has_body {
            function.body = Some(self.body(&mut locations)?);
        }
        self.module.functions.push(function);
        self.locations.push(locations);
        Ok(())
    }

    /// What stands between the parameters and the body. Advice to the compiler changes nothing; limits of
    /// registers and of blocks per multiprocessor neither.
    fn function_directives(&mut self, function: &mut Function) -> Result<()> {
        while let Token::Dot(name) = self.token {
            match name {
                "reqntid" => function.required_block = Some(self.extent()?),
                "maxntid" => function.largest_block = Some(self.extent()?),
                "reqnctapercluster" => function.cluster = Some(self.extent()?),
                "minnctapersm" | "maxnctapersm" | "maxnreg" | "maxclusterrank" => {
                    self.advance()?;
                    self.natural("a number")?;
                }
                "noreturn" | "explicitcluster" => {
                    self.advance()?;
                }
                "pragma" => self.pragma()?,
                "loc" => self.loc()?,
                "entry" | "func" | "visible" | "extern" | "weak" | "common" | "global" | "const"
                | "shared" => {
                    return Err(self.expected("`{` or `;`"));
                }
                _ => {
                    let what = format!("the directive `.{}` of a function", shortened(name));
                    return Err(self.unsupported(what));
                }
            }
        }
        Ok(())
    }

    /// `.maxntid 256, 1, 1`: up to three numbers, of which missing ones are 1.
    fn extent(&mut self) -> Result<[u32; 3]> {
        self.advance()?;
        let mut extent = [1; 3];
        for (index, length) in extent.iter_mut().enumerate() {
            if index > 0 && !self.eat(",")? {
                break;
            }
            let zero = self.expected("a number of threads or blocks");
            *length = self.natural("a number of threads or blocks")?;
            if *length == 0 {
                return Err(zero);
            }
        }
        Ok(extent)
    }

    fn body(&mut self, locations: &mut Vec<super::Location>) -> Result<Body> {
        let open = self.line;
        self.expect("{")?;
        let mut body = Body::default();
        loop {
            match self.token {
                Token::Mark("}") => {
                    self.advance()?;
                    self.leave(&mut body);
                    if self.scopes.depth() == 0 {
                        return Ok(body);
                    }
                }
                Token::Mark("{") => {
                    if self.scopes.depth() > DEEPEST as usize {
                        return Err(self.unsupported(format!("more than {DEEPEST} blocks inside each other")));
                    }
                    self.advance()?;
                    self.scopes.enter(body.statements.len());
                }
                Token::Mark(";") => {
                    self.advance()?;
                }
                Token::Dot(name) => self.body_directive(name, &mut body)?,
                Token::Mark("@") => {
                    let statement = self.guarded()?;
                    body.statements.push(statement);
                }
                Token::Word(_) => {
                    let statement = self.labelled_or_instruction()?;
                    body.statements.push(statement);
                }
                Token::End => return Err(self.expected(&format!("`}}` of the body of line {open}"))),
                Token::Number(_) | Token::Text(_) | Token::Mark(_) => {
                    return Err(self.expected("a statement or `}`"));
                }
            }
            locations.resize(body.statements.len(), self.location);
        }
    }

    fn leave(&mut self, body: &mut Body) {
        let Some(closed) = self.scopes.leave() else { return };
        if !closed.renames_labels() {
            return;
        }
        let unique = |name: &str| closed.label(name);
        for statement in body.statements.iter_mut().skip(closed.first) {
            rename_labels(statement, &unique);
        }
    }

    fn body_directive(&mut self, name: &str, body: &mut Body) -> Result<()> {
        let external = name == "extern";
        let mut name = name;
        if external {
            self.advance()?;
            let Token::Dot(next) = self.token else { return Err(self.expected("a state space")) };
            name = next;
        }
        let space = match name {
            "shared" => Some(Space::Shared),
            "local" => Some(Space::Local),
            "param" => Some(Space::Param),
            "global" => Some(Space::Global),
            "const" => Some(Space::Const),
            _ => None,
        };
        if let Some(space) = space {
            self.advance()?;
            let variables = self.body_variables(space, external)?;
            body.variables.extend(variables);
            return Ok(());
        }
        if external {
            return Err(self.expected("a state space"));
        }
        match name {
            "reg" => {
                self.advance()?;
                let registers = self.registers()?;
                body.registers.extend(registers);
                Ok(())
            }
            "loc" => self.loc(),
            "pragma" => self.pragma(),
            "branchtargets" | "calltargets" | "callprototype" => {
                Err(self.syntax(format!("`.{name}` without a label in front")))
            }
            _ => Err(self.unsupported(format!("the directive `.{}` in a function", shortened(name)))),
        }
    }
}
