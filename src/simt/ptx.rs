//! PTX as text: its syntax tree and the parser that makes one.

pub mod ast;
mod lexer;
pub mod parser;

pub use parser::{parse, parse_bytes};
