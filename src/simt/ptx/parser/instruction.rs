//! Statements of a body: labels, instructions, and what a label may stand in front of.

use super::Parser;
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::ptx::ast::{Guard, Instruction, Operand, Place, Statement};
use crate::simt::ptx::lexer::{Token, shortened};

impl<'a> Parser<'a> {
    /// `label:`, or an instruction without a guard.
    pub(super) fn labelled_or_instruction(&mut self) -> Result<Statement> {
        let line = self.line;
        let word = self.word("an instruction")?;
        if !self.eat(":")? {
            return self.instruction(None, word, line);
        }
        // Operands in front of the label may have been resolved to the variable.
        if self.scopes.depth() > 1 && self.scopes.sees(word) {
            let what =
                format!("the label `{}` in a block that sees a variable of that name", shortened(word));
            return Err(Fault::at_line(FaultKind::Unsupported, line, what));
        }
        let Some(name) = self.scopes.declare_label(word, line) else {
            let what = format!("the label `{}` is declared already", shortened(word));
            return Err(Fault::at_line(FaultKind::Syntax, line, what));
        };
        match self.token {
            Token::Dot("branchtargets" | "calltargets") => {
                self.advance()?;
                let mut targets = Vec::new();
                loop {
                    let target = self.word("a label or function")?;
                    targets.push(self.scopes.resolve(target));
                    if !self.eat(",")? {
                        break;
                    }
                }
                self.expect(";")?;
                Ok(Statement::Targets { name, targets, line })
            }
            Token::Dot("callprototype") => {
                self.advance()?;
                self.prototype()?;
                Ok(Statement::Prototype { name, line })
            }
            _ => Ok(Statement::Label(name, line)),
        }
    }

    /// `(.param .b32 _) _ (.param .b64 _);`
    fn prototype(&mut self) -> Result<()> {
        if self.at("(") {
            self.parameters(true)?;
        }
        if self.token != Token::Word("_") {
            return Err(self.expected("`_` in place of a function's name"));
        }
        self.advance()?;
        if self.at("(") {
            self.parameters(true)?;
        }
        if self.token == Token::Dot("noreturn") {
            self.advance()?;
        }
        self.expect(";")
    }

    /// `@p` or `@!p`, and its instruction.
    pub(super) fn guarded(&mut self) -> Result<Statement> {
        self.expect("@")?;
        let negated = self.eat("!")?;
        let register = self.word("a predicate")?;
        let guard = Guard { register: self.scopes.resolve(register), negated };
        let line = self.line;
        let opcode = self.word("an instruction")?;
        self.instruction(Some(guard), opcode, line)
    }

    fn instruction(&mut self, guard: Option<Guard>, opcode: &str, line: u32) -> Result<Statement> {
        let place = Place { line, source: None };
        if !opcode.starts_with(|first: char| first.is_ascii_lowercase()) {
            let what = format!("expected an instruction, found `{}`", shortened(opcode));
            return Err(Fault::new(FaultKind::Syntax, what).at(&place));
        }
        let mut modifiers = Vec::new();
        while let Token::Dot(modifier) = self.token {
            modifiers.push(modifier.to_owned());
            self.advance()?;
        }
        let mut operands = Vec::new();
        if !self.at(";") {
            loop {
                operands.push(self.operand(opcode == "call")?);
                if let Token::Dot(modifier) = self.token {
                    return Err(self.unsupported(format!("`.{}` behind an operand", shortened(modifier))));
                }
                if !self.eat(",")? {
                    break;
                }
            }
        }
        if !self.at(";") {
            return Err(self.expected("`,` or `;`"));
        }
        self.advance()?;
        let opcode = opcode.to_owned();
        Ok(Statement::Instruction(Instruction { guard, opcode, modifiers, operands, place }))
    }
}

/// Renames the labels in a statement for which `unique` knows a name: a label may be used before it is
/// declared, so this is done when its block ends.
pub(super) fn rename_labels(statement: &mut Statement, unique: &impl Fn(&str) -> Option<String>) {
    match statement {
        Statement::Instruction(instruction) => {
            for operand in &mut instruction.operands {
                rename_operand(operand, unique);
            }
        }
        Statement::Targets { targets, .. } => {
            for target in targets {
                if let Some(name) = unique(target) {
                    *target = name;
                }
            }
        }
        Statement::Label(..) | Statement::Prototype { .. } => {}
    }
}

fn rename_operand(operand: &mut Operand, unique: &impl Fn(&str) -> Option<String>) {
    match operand {
        Operand::Name { name, component: None } => {
            if let Some(renamed) = unique(name) {
                *name = renamed;
            }
        }
        Operand::Vector(operands) | Operand::List(operands) | Operand::Bracket(operands) => {
            for operand in operands {
                rename_operand(operand, unique);
            }
        }
        Operand::Name { .. }
        | Operand::Literal(_)
        | Operand::Not(_)
        | Operand::Pair(..)
        | Operand::Address { .. }
        | Operand::Offset { .. }
        | Operand::Nothing => {}
    }
}
