//! From PTX text to its syntax tree. One pass and one token ahead (two behind `!`): PTX's grammar (PTX ISA,
//! chapters 4 to 11) needs no more, and a fault then always stands at the token that does not fit.

mod declaration;
mod directive;
mod expression;
mod function;
mod initializer;
mod instruction;
mod operand;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::scope::Scopes;
use super::ast::{Module, Statement};
use super::lexer::{Lexer, Token};
use crate::simt::fault::{Fault, FaultKind, Result};

/// The syntax tree of a PTX module.
///
/// # Errors
///
/// [`FaultKind::Syntax`] with the line, what was expected and what was found; [`FaultKind::Unsupported`] for
/// PTX that is not executed, by its name.
pub fn parse(text: &str) -> Result<Module> {
    Parser::new(text)?.module()
}

/// The same of bytes that may be no text, a compiled binary say. Zero bytes at the end are dropped: NVRTC
/// counts the one that ends its text.
///
/// # Errors
///
/// Those of [`parse`], and [`FaultKind::Syntax`] for what is no text, with a remedy.
pub fn parse_bytes(bytes: &[u8]) -> Result<Module> {
    /// Beginnings of files that are taken for PTX, with their names.
    const BINARIES: [(&[u8], &str); 4] = [
        (b"\x7fELF", "an ELF file (a cubin or a program)"),
        (b"\x50\xed\x55\xba", "a fatbin"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"!<arch>\n", "an archive"),
    ];
    let refuse = |what: String| {
        let remedy = "`cuobjdump -ptx FILE` prints the PTX that a program, cubin or fatbin carries";
        Err(Fault::new(FaultKind::Syntax, format!("this is no PTX text: {what}; {remedy}")))
    };
    if let Some((_, name)) = BINARIES.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return refuse((*name).to_owned());
    }
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = &bytes[..length];
    if let Some(position) = bytes.iter().position(|byte| *byte == 0) {
        return refuse(format!("byte {position} is zero"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => refuse(format!("byte {} is no UTF-8", error.valid_up_to())),
    }
}

/// Deeper than compilers nest blocks, expressions or braces; bounds the recursion.
const DEEPEST: u32 = 64;

/// A file index and line of a `.loc`.
type Location = Option<(u32, u32)>;

/// What a name of the module stands for.
enum Known {
    /// A variable, by its index.
    Variable(usize),
    /// A function or entry.
    Function { entry: bool, has_body: bool },
}

/// The state of parsing: `token` is the next one and not yet taken.
struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    /// The line of `token`.
    line: u32,
    depth: u32,
    module: Module,
    names: HashMap<&'a str, Known>,
    /// Indices of `.file`, with their positions in the module.
    files: HashMap<u32, usize>,
    scopes: Scopes<'a>,
    location: Location,
    /// For each function and each of its statements, the `.loc` in force: `.file` may come after all.
    locations: Vec<Vec<Location>>,
    /// Zeros that initialisers imply in their middle, so far.
    padding: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let (token, line) = lexer.next()?;
        Ok(Self {
            lexer,
            token,
            line,
            depth: 0,
            module: Module::default(),
            names: HashMap::new(),
            files: HashMap::new(),
            scopes: Scopes::default(),
            location: None,
            locations: Vec::new(),
            padding: 0,
        })
    }

    fn module(mut self) -> Result<Module> {
        self.version()?;
        self.target()?;
        while self.token != Token::End {
            self.module_item()?;
        }
        self.resolve_locations();
        Ok(self.module)
    }

    /// Gives instructions their source lines, now that all files are known. Line 0 stands for none, and a
    /// file without a name is no fault: ptxas only warns of it.
    fn resolve_locations(&mut self) {
        let bodies = self.module.functions.iter_mut().map(|function| &mut function.body);
        for (body, locations) in bodies.zip(&self.locations) {
            let statements = body.iter_mut().flat_map(|body| &mut body.statements);
            for (statement, location) in statements.zip(locations) {
                if let (Statement::Instruction(instruction), Some((file, line))) = (statement, location) {
                    let file = self.files.get(file).and_then(|position| self.module.files.get(*position));
                    let file = file.filter(|_| *line > 0);
                    instruction.place.source = file.map(|(_, name)| (name.clone(), *line));
                }
            }
        }
    }

    /// Takes the next token.
    fn advance(&mut self) -> Result<Token<'a>> {
        let taken = self.token;
        (self.token, self.line) = self.lexer.next()?;
        Ok(taken)
    }

    fn at(&self, mark: &str) -> bool {
        self.token == Token::Mark(mark)
    }

    /// Takes this mark if it is next.
    fn eat(&mut self, mark: &str) -> Result<bool> {
        let found = self.at(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, mark: &str) -> Result<()> {
        if self.eat(mark)? { Ok(()) } else { Err(self.expected(&format!("`{mark}`"))) }
    }

    fn word(&mut self, what: &str) -> Result<&'a str> {
        let Token::Word(word) = self.token else { return Err(self.expected(what)) };
        self.advance()?;
        Ok(word)
    }

    /// A name that can be declared: neither `_` nor `WARP_SZ`.
    fn name(&mut self, what: &str) -> Result<&'a str> {
        if let Token::Word("_" | "WARP_SZ") = self.token {
            return Err(self.expected(what));
        }
        self.word(what)
    }

    /// An integer literal that fits 32 bits.
    fn natural(&mut self, what: &str) -> Result<u32> {
        let (token, line) = (self.token, self.line);
        let value = self.literal_integer(what)?;
        u32::try_from(value).map_err(|_| {
            Fault::at_line(
                FaultKind::Syntax,
                line,
                format!("expected {what}, found {token}, which is too large"),
            )
        })
    }

    fn expected(&self, what: &str) -> Fault {
        self.syntax(format!("expected {what}, found {}", self.token))
    }

    fn syntax(&self, what: impl Into<String>) -> Fault {
        Fault::at_line(FaultKind::Syntax, self.line, what)
    }

    fn unsupported(&self, what: impl Into<String>) -> Fault {
        Fault::at_line(FaultKind::Unsupported, self.line, what)
    }

    /// Runs one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEEPEST {
            return Err(self.unsupported(format!("more than {DEEPEST} levels inside each other")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }
}
