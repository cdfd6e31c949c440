//! The tokens of PTX text, without copies. By hand: what makes PTX's tokens its own (words that begin
//! with `%`, `$` or `_`, modifiers with `::` inside and digits in front, `0f…` numbers) is the whole of it.

use std::fmt;

use crate::simt::fault::{Fault, FaultKind, Result};

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// An identifier: `ld`, `%r1`, `$L__BB0_1`, `_`.
    Word(&'a str),
    /// What follows a dot, without the dot: `global`, `m16n8k16`, `L1::no_allocate`.
    Dot(&'a str),
    /// A number, not yet checked; without a sign.
    Number(&'a str),
    /// A string, without its quotes.
    Text(&'a str),
    /// Punctuation and operators.
    Mark(&'a str),
    /// The end of the text.
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Number(text) | Self::Mark(text) => write!(f, "`{}`", shortened(text)),
            Self::Dot(text) => write!(f, "`.{}`", shortened(text)),
            Self::Text(text) => write!(f, "\"{}\"", shortened(text)),
            Self::End => write!(f, "the end of the text"),
        }
    }
}

/// The text, cut where a message would become unreadable.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads tokens from the front of a text.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    position: usize,
    /// The line of `position`, from 1.
    line: u32,
}

impl<'a> Lexer<'a> {
    /// At the first line.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0, line: 1 }
    }

    /// The next token and the line on which it begins.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, u32)> {
        self.skip_blank()?;
        let line = self.line;
        let start = self.position;
        let Some(first) = self.byte(0) else { return Ok((Token::End, line)) };
        let token = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => {
                self.skip_while(start + 1, in_word);
                Token::Word(&self.text[start..self.position])
            }
            b'%' if self.byte(1).is_some_and(in_word) => {
                self.skip_while(start + 1, in_word);
                Token::Word(&self.text[start..self.position])
            }
            b'0'..=b'9' => self.number(),
            b'.' if self.byte(1).is_some_and(|next| next.is_ascii_digit()) && !self.follows_word() => {
                self.number()
            }
            b'.' if self.byte(1).is_some_and(in_word) => self.modifier(),
            b'"' => self.string()?,
            _ => self.mark(first)?,
        };
        Ok((token, line))
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.position + ahead).copied()
    }

    fn skip_while(&mut self, from: usize, keep: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[from..];
        self.position = from + rest.iter().position(|byte| !keep(*byte)).unwrap_or(rest.len());
    }

    fn skip_blank(&mut self) -> Result<()> {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'\n'), _) => {
                    self.line = self.line.saturating_add(1);
                    self.position += 1;
                }
                (Some(b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c'), _) => self.position += 1,
                (Some(b'/'), Some(b'/')) => self.skip_while(self.position, |byte| byte != b'\n'),
                (Some(b'/'), Some(b'*')) => {
                    let comment = &self.text[self.position..];
                    let Some(length) = comment[2..].find("*/").map(|end| end + 4) else {
                        return Err(self.fault("a comment `/*` without its `*/`"));
                    };
                    self.count_lines(&comment[..length]);
                    self.position += length;
                }
                _ => return Ok(()),
            }
        }
    }

    fn count_lines(&mut self, skipped: &str) {
        let lines = skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
    }

    /// Whether a word ends here: its `.2d` is a modifier, while a `.5` that stands alone is a number.
    fn follows_word(&self) -> bool {
        self.position.checked_sub(1).is_some_and(|before| in_word(self.text.as_bytes()[before]))
    }

    /// With whatever letters and digits stick to it, so that a wrong number is shown whole.
    fn number(&mut self) -> Token<'a> {
        let start = self.position;
        let bytes = self.text.as_bytes();
        let prefixed = bytes[start] == b'0' && self.byte(1).is_some_and(|next| b"xXbBfFdD".contains(&next));
        self.skip_while(start, |byte| byte.is_ascii_digit());
        if !prefixed {
            if self.byte(0) == Some(b'.') {
                self.skip_while(self.position + 1, |byte| byte.is_ascii_digit());
            }
            let signed = matches!(self.byte(1), Some(b'+' | b'-'))
                && self.byte(2).is_some_and(|next| next.is_ascii_digit());
            if matches!(self.byte(0), Some(b'e' | b'E')) && signed {
                self.position += 2;
            }
        }
        self.skip_while(self.position, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
        Token::Number(&self.text[start..self.position])
    }

    /// `::` stays inside: `.shared::cta`, `.L2::cache_hint`, `.mbarrier::complete_tx::bytes`.
    fn modifier(&mut self) -> Token<'a> {
        let start = self.position + 1;
        self.skip_while(start, in_word);
        while self.byte(0) == Some(b':') && self.byte(1) == Some(b':') && self.byte(2).is_some_and(in_word) {
            self.skip_while(self.position + 2, in_word);
        }
        Token::Dot(&self.text[start..self.position])
    }

    fn string(&mut self) -> Result<Token<'a>> {
        let start = self.position + 1;
        let mut escaped = false;
        for (offset, byte) in self.text.as_bytes()[start..].iter().enumerate() {
            match byte {
                b'\n' => break,
                b'"' if !escaped => {
                    self.position = start + offset + 1;
                    return Ok(Token::Text(&self.text[start..start + offset]));
                }
                _ => escaped = *byte == b'\\' && !escaped,
            }
        }
        Err(self.fault("a string without its closing quote"))
    }

    fn mark(&mut self, first: u8) -> Result<Token<'a>> {
        const DOUBLE: [&str; 8] = ["<<", ">>", "<=", ">=", "==", "!=", "&&", "||"];
        const SINGLE: &[u8] = b"{}()[]<>,;:=@!|&^~+-*/%?";
        let rest = &self.text[self.position..];
        let length = if DOUBLE.iter().any(|double| rest.starts_with(double)) {
            2
        } else if SINGLE.contains(&first) {
            1
        } else {
            let character = rest.chars().next().unwrap_or_default();
            return Err(match character {
                '#' => Fault::at_line(
                    FaultKind::Unsupported,
                    self.line,
                    "a line of the preprocessor (`#`), which is not executed",
                ),
                _ => self.fault(&format!("a character that PTX does not know: {character:?}")),
            });
        };
        self.position += length;
        Ok(Token::Mark(&rest[..length]))
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::at_line(FaultKind::Syntax, self.line, what)
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}
