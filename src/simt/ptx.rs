//! PTX as text: its syntax tree and the parser that makes one.

pub mod ast;
