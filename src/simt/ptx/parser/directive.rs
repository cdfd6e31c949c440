//! Directives of a module: its head, debugging information, and which declaration comes next.

use std::sync::Arc;

use super::Parser;
use crate::simt::fault::Result;
use crate::simt::ptx::ast::Space;
use crate::simt::ptx::lexer::{Token, shortened};

/// How a name is visible to other modules; only `.extern` changes what a module means alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Linkage {
    /// Declared here, defined elsewhere.
    External,
    /// Defined here.
    Defined,
}

impl<'a> Parser<'a> {
    /// `.version 8.0`
    pub(super) fn version(&mut self) -> Result<()> {
        if self.token != Token::Dot("version") {
            return Err(self.expected("`.version`, with which PTX begins"));
        }
        self.advance()?;
        let version = match self.token {
            Token::Number(text) => text.split_once('.').and_then(|(major, minor)| {
                let part = |digits: &str| digits.parse::<u32>().ok();
                Some((part(major)?, part(minor)?))
            }),
            _ => None,
        };
        self.module.version = version.ok_or_else(|| self.expected("a version such as `8.0`"))?;
        self.advance()?;
        Ok(())
    }

    /// `.target sm_80, debug` and `.address_size 64`. Without the latter ptxas takes 64 bits, against the
    /// 32 of PTX ISA 8.5 (11.1.3); addresses of 32 bits are gone from GPUs either way.
    pub(super) fn target(&mut self) -> Result<()> {
        if self.token != Token::Dot("target") {
            return Err(self.expected("`.target`"));
        }
        self.advance()?;
        loop {
            let unknown = self.unsupported(format!("`.target` with {}", self.token));
            match self.word("a target such as `sm_80`")? {
                name if name.starts_with("sm_") && self.module.target.is_empty() => {
                    self.module.target = name.to_owned();
                }
                "debug" | "texmode_unified" | "texmode_independent" => {}
                _ => return Err(unknown),
            }
            if !self.eat(",")? {
                break;
            }
        }
        if self.module.target.is_empty() {
            return Err(self.expected("`,` and a target such as `sm_80`"));
        }
        if self.token == Token::Dot("address_size") {
            self.advance()?;
            let small = self.unsupported("`.address_size 32`: only 64-bit addresses are executed");
            match self.natural("`64`")? {
                64 => {}
                32 => return Err(small),
                _ => return Err(self.syntax("`.address_size` is neither 32 nor 64")),
            }
        }
        Ok(())
    }

    /// One thing at the top of a module.
    pub(super) fn module_item(&mut self) -> Result<()> {
        let mut linkage = None;
        loop {
            let Token::Dot(name) = self.token else { return Err(self.expected("a directive")) };
            let given = match name {
                "extern" => Linkage::External,
                "visible" | "weak" | "common" => Linkage::Defined,
                _ => break,
            };
            if linkage.replace(given).is_some() {
                return Err(self.expected("one linkage, or what it applies to"));
            }
            self.advance()?;
        }
        let Token::Dot(name) = self.token else { return Err(self.expected("a directive")) };
        let external = linkage == Some(Linkage::External);
        if let Some(space) = variable_space(name) {
            self.advance()?;
            return self.module_variables(space, external);
        }
        match name {
            "entry" | "func" => {
                self.advance()?;
                return self.function(name == "entry");
            }
            _ if linkage.is_some() => return Err(self.expected("a variable or function")),
            _ => {}
        }
        match name {
            "file" => self.file(),
            "loc" => self.loc(),
            "section" => self.section(),
            "pragma" => self.pragma(),
            "version" | "target" | "address_size" => {
                Err(self.syntax(format!("a second or misplaced `.{name}`")))
            }
            "local" | "param" | "reg" => {
                Err(self
                    .unsupported(format!("`.{name}` outside of functions, which has no place with the ABI")))
            }
            _ => Err(self.unsupported(format!("the directive `.{}`", shortened(name)))),
        }
    }

    /// `.file 1 "name"`, maybe with a time stamp and a size.
    fn file(&mut self) -> Result<()> {
        self.advance()?;
        let index = self.natural("the index of a file")?;
        let Token::Text(name) = self.token else { return Err(self.expected("the name of a file")) };
        self.advance()?;
        while self.eat(",")? {
            self.literal_integer("a number")?;
        }
        // Messages repeat it.
        let name = name.replace(char::is_control, "?");
        let known = self.files.get(&index).and_then(|position| self.module.files.get(*position));
        if known.is_some_and(|(_, known)| **known != *name) {
            return Err(self.syntax(format!("a second name of file {index}")));
        }
        if known.is_none() {
            self.files.insert(index, self.module.files.len());
            self.module.files.push((index, Arc::from(name)));
        }
        Ok(())
    }

    /// `.loc 1 92 37, function_name $L__info_string2, inlined_at 1 311 5`: the innermost place counts.
    pub(super) fn loc(&mut self) -> Result<()> {
        self.advance()?;
        let file = self.natural("the index of a file")?;
        let line = self.natural("a line")?;
        self.natural("a column")?;
        while self.eat(",")? {
            match self.word("`function_name` or `inlined_at`")? {
                "function_name" => {
                    if !matches!(self.token, Token::Word(_) | Token::Dot(_)) {
                        return Err(self.expected("the label of a function's name"));
                    }
                    self.advance()?;
                    if self.eat("+")? {
                        self.literal_integer("an offset")?;
                    }
                }
                "inlined_at" => {
                    for what in ["the index of a file", "a line", "a column"] {
                        self.natural(what)?;
                    }
                }
                _ => return Err(self.expected("a `.loc` of `function_name` and `inlined_at` alone")),
            }
        }
        self.location = Some((file, line));
        Ok(())
    }

    /// `.section .debug_str { … }`: bytes for debuggers, which change nothing.
    fn section(&mut self) -> Result<()> {
        self.advance()?;
        let Token::Dot(name) = self.token else { return Err(self.expected("the name of a section")) };
        if !name.contains("debug") {
            return Err(self.unsupported(format!("the section `.{}`", shortened(name))));
        }
        self.advance()?;
        let open = self.line;
        self.expect("{")?;
        while !self.at("}") {
            if self.token == Token::End {
                return Err(self.expected(&format!("`}}` of the section of line {open}")));
            }
            self.advance()?;
        }
        self.expect("}")
    }

    /// `.pragma "nounroll";`: advice to an assembler.
    pub(super) fn pragma(&mut self) -> Result<()> {
        self.advance()?;
        loop {
            let Token::Text(_) = self.token else { return Err(self.expected("a string")) };
            self.advance()?;
            if !self.eat(",")? {
                return self.expect(";");
            }
        }
    }
}

/// The space of a variable of a module.
fn variable_space(name: &str) -> Option<Space> {
    match name {
        "global" => Some(Space::Global),
        "const" => Some(Space::Const),
        "shared" => Some(Space::Shared),
        _ => None,
    }
}
