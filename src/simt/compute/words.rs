//! An instruction's name taken apart: every word of it must be asked for, or it is refused.

use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::ptx::ast::Type;

/// The words that are not yet understood.
pub(super) struct Words<'a> {
    opcode: &'a str,
    modifiers: &'a [String],
    rest: Vec<&'a str>,
    /// The types in order.
    pub(super) types: Vec<Type>,
    /// How many source operands are written.
    pub(super) sources: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(opcode: &'a str, modifiers: &'a [String], sources: usize) -> Self {
        let (mut rest, mut types) = (Vec::new(), Vec::new());
        for word in modifiers {
            match Type::parse(word) {
                Some(ty) => types.push(ty),
                None => rest.push(word.as_str()),
            }
        }
        Self { opcode, modifiers, rest, types, sources }
    }

    pub(super) fn opcode(&self) -> &'a str {
        self.opcode
    }

    /// Whether the word is there; each occurrence is found once.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.rest.iter().position(|known| *known == word);
        found.map(|index| self.rest.remove(index)).is_some()
    }

    /// The first of the choices that is there.
    pub(super) fn choose<T: Copy>(&mut self, choices: &[(&str, T)]) -> Option<T> {
        choices.iter().find(|(word, _)| self.take(word)).map(|(_, choice)| *choice)
    }

    /// The same where one must be there.
    pub(super) fn require<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T> {
        self.choose(choices).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!(".{word}")).collect();
            self.refuse(&format!("needs one of {}", words.join(" ")))
        })
    }

    /// The only type.
    pub(super) fn one_type(&self) -> Result<Type> {
        match self.types[..] {
            [ty] => Ok(ty),
            _ => Err(self.refuse(&format!("has {} types that are known, not one", self.types.len()))),
        }
    }

    /// The only two types.
    pub(super) fn two_types(&self) -> Result<(Type, Type)> {
        match self.types[..] {
            [first, second] => Ok((first, second)),
            _ => Err(self.refuse(&format!("has {} types that are known, not two", self.types.len()))),
        }
    }

    /// That nothing is left, and that the number of source operands is right.
    pub(super) fn finish(&self, sources: usize) -> Result<()> {
        if let Some(word) = self.rest.first() {
            return Err(self.refuse(&format!(".{word} is not known here")));
        }
        if self.sources != sources {
            return Err(self.refuse(&format!("has {} source operands, not {sources}", self.sources)));
        }
        Ok(())
    }

    /// The same, and that `.{ty}` is among the types that there are.
    pub(super) fn finish_with(&self, sources: usize, ty: Type, allowed: &[Type]) -> Result<()> {
        self.finish(sources)?;
        if allowed.contains(&ty) { Ok(()) } else { Err(self.refuse_type(ty)) }
    }

    pub(super) fn refuse_type(&self, ty: Type) -> Fault {
        self.refuse(&format!("there is none of type {ty}"))
    }

    /// The whole name and what is wrong with it.
    pub(super) fn refuse(&self, why: &str) -> Fault {
        let name = self.modifiers.iter().fold(self.opcode.to_owned(), |name, word| name + "." + word);
        Fault::new(FaultKind::Unsupported, format!("{name}: {why}"))
    }
}
