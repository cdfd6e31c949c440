//! Captures of a real PyTorch, each with one known mistake; and captures made here for what is close to one.

mod fixtures;
mod headers;
mod near_misses;
mod synthetic;
