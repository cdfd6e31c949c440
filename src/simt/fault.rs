//! What the simulated GPU refuses, and what it finds wrong: one line that names the place.

use std::fmt;

use crate::simt::ptx::ast::Place;

/// The result of everything in the simulated GPU.
pub type Result<T> = std::result::Result<T, Fault>;

/// Why PTX is not executed, or was not executed to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What sort of thing it is.
    pub kind: FaultKind,
    /// Where in the PTX, and in its source if known.
    pub place: Option<Place>,
    /// Which thread, where one is to blame.
    pub thread: Option<Thread>,
    /// What is wrong, in words that stand alone.
    pub what: String,
}

/// A thread of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// `%ctaid`.
    pub block: [u32; 3],
    /// `%tid`.
    pub thread: [u32; 3],
}

/// Sorts of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The text is no PTX.
    Syntax,
    /// PTX that the simulated GPU does not execute.
    Unsupported,
    /// A launch that does not fit the kernel: entry, arguments, grid, block, memory.
    Launch,
    /// An access outside of all memory, or of what its state space holds.
    OutOfBounds,
    /// An address that is no multiple of the access's width.
    Misaligned,
    /// A read of memory or of a register that nothing was written to.
    Uninitialised,
    /// A write to memory that must not be written.
    ReadOnly,
    /// More instructions than allowed.
    Fuel,
    /// Threads that wait for each other for ever.
    Deadlock,
    /// What PTX leaves undefined.
    Undefined,
    /// The kernel's own `trap`.
    Trap,
}

impl Fault {
    /// A fault without a place.
    pub fn new(kind: FaultKind, what: impl Into<String>) -> Self {
        Self { kind, place: None, thread: None, what: what.into() }
    }

    /// A fault at a line of the PTX.
    pub fn at_line(kind: FaultKind, line: u32, what: impl Into<String>) -> Self {
        Self::new(kind, what).at(&Place { line, source: None })
    }

    /// The same with its place, unless it has one.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// The same with the thread to blame, unless it has one.
    #[must_use]
    pub fn of(mut self, thread: Thread) -> Self {
        self.thread.get_or_insert(thread);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "PTX line {}", place.line)?;
            if let Some((file, line)) = &place.source {
                write!(f, " ({file}:{line})")?;
            }
            write!(f, ": ")?;
        }
        write!(f, "{}", self.what)?;
        if let Some(Thread { block, thread }) = self.thread {
            let [bx, by, bz] = block;
            let [x, y, z] = thread;
            write!(f, " (block {bx},{by},{bz}, thread {x},{y},{z})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
