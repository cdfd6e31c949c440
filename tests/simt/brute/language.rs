//! A tiny language of kernels: what a few threads do to a few words, rich enough for everything that a certificate has
//! to tell apart, and small enough that all interleavings can be tried.

/// Registers of a thread, of 32 bits each.
pub const REGISTERS: usize = 4;
/// Words of the buffer that holds something before the launch; it is an output as well.
pub const DATA: usize = 10;
/// Words of shared memory, which holds nothing when a block begins.
pub const SHARED: usize = 4;
/// Threads of a launch, at most.
pub const THREADS: usize = 4;

/// What the buffer holds before the launch: numbers, counters, floating-point numbers of very different size.
pub const BEFORE: [u32; DATA] = [3, 1, 7, 2, 0, 0, 0, 0x3f80_0000, 9, 9];

/// Where something lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// The buffer.
    Data,
    /// A buffer that nothing was written to before the launch; an output.
    Fresh,
    /// The block's own.
    Shared,
}

/// By what an address moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By nothing.
    Fixed,
    /// By a word for each thread of the block before this one.
    Lane,
    /// By a word for each block before this one.
    Block,
    /// By so many words as the last bit of a register says.
    Register(u8),
}

/// A place: so many bytes behind the beginning, and then [`By`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub space: Space,
    pub offset: u8,
    pub by: By,
}

/// Whom an access or a fence is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Block,
    Device,
}

/// How much an access does to order others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    Weak,
    Volatile,
    Relaxed(Scope),
    /// A load that acquires, a store that releases.
    Ordered(Scope),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Byte,
    Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add,
    AddFloat,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    /// Swaps if the old value is the operand; the new one is the operand plus one.
    CompareAndSwap,
    Increment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Multiply,
    Xor,
    AddFloat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    Constant(u32),
    Register(u8),
    /// The thread's number in its block.
    Lane,
    /// The block's number.
    Block,
}

/// A step of all threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    Load { to: u8, from: Place, width: Width, strength: Strength },
    Store { to: Place, from: Operand, width: Width, strength: Strength },
    Atomic { change: Change, at: Place, operand: Operand, old: Option<u8>, scope: Scope, orders: bool },
    Barrier,
    WarpBarrier,
    Fence(Scope),
    Set { to: u8, from: Operand },
    Compute { arithmetic: Arithmetic, to: u8, a: Operand, b: Operand },
    If { compare: Compare, a: Operand, b: Operand, then: Vec<Statement>, other: Vec<Statement> },
    Return,
}

/// A kernel and its launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    pub blocks: u8,
    pub lanes: u8,
    /// Words of the buffer that holds nothing.
    pub fresh: u8,
    pub body: Vec<Statement>,
}

impl Kernel {
    /// All kernels with one statement less, or with one branch of an `If` in its place.
    pub fn smaller(&self) -> Vec<Self> {
        without_one(&self.body).into_iter().map(|body| Self { body, ..self.clone() }).collect()
    }
}

fn without_one(body: &[Statement]) -> Vec<Vec<Statement>> {
    let mut all = Vec::new();
    for (at, statement) in body.iter().enumerate() {
        let with = |middle: &[Statement]| [&body[..at], middle, &body[at + 1..]].concat();
        all.push(with(&[]));
        let Statement::If { compare, a, b, then, other } = statement else { continue };
        all.push(with(then));
        all.push(with(other));
        let (compare, a, b) = (*compare, *a, *b);
        for then in without_one(then) {
            all.push(with(&[Statement::If { compare, a, b, then, other: other.clone() }]));
        }
        for other in without_one(other) {
            all.push(with(&[Statement::If { compare, a, b, then: then.clone(), other }]));
        }
    }
    all
}

/// A kernel as a list with jumps, the same for interpreter and printer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Do(Statement),
    /// Goes on at the position unless the comparison holds.
    Unless(Compare, Operand, Operand, usize),
    Jump(usize),
}

/// The list. Every statement keeps its order.
pub fn flat(body: &[Statement]) -> Vec<Op> {
    let mut ops = Vec::new();
    flatten(body, &mut ops);
    ops
}

fn flatten(body: &[Statement], ops: &mut Vec<Op>) {
    for statement in body {
        let Statement::If { compare, a, b, then, other } = statement else {
            ops.push(Op::Do(statement.clone()));
            continue;
        };
        let branch = ops.len();
        ops.push(Op::Jump(0));
        flatten(then, ops);
        let leave = ops.len();
        ops.push(Op::Jump(0));
        ops[branch] = Op::Unless(*compare, *a, *b, ops.len());
        flatten(other, ops);
        ops[leave] = Op::Jump(ops.len());
    }
}
