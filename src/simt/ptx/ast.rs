//! The syntax tree of a PTX module: what was written, with nothing interpreted but scopes. Names that a
//! nested `{ … }` declares are made unique, so that a body is flat.

use std::fmt;
use std::sync::Arc;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Module {
    /// `.version` major, minor.
    pub version: (u32, u32),
    /// `.target`, for instance `sm_75`.
    pub target: String,
    /// `.file` index and name.
    pub files: Vec<(u32, Arc<str>)>,
    /// Variables outside functions.
    pub variables: Vec<Variable>,
    /// Entries and functions, declarations without a body included.
    pub functions: Vec<Function>,
}

/// A place in the text, and in the source where a `.loc` came before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Line of the PTX, from 1.
    pub line: u32,
    /// File and line of the source.
    pub source: Option<(Arc<str>, u32)>,
}

/// A state space; generic addressing is the absence of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Device memory.
    Global,
    /// Device memory that a kernel does not write.
    Const,
    /// A block's memory.
    Shared,
    /// A thread's memory.
    Local,
    /// Parameters of kernels, and arguments of calls.
    Param,
}

/// A fundamental type, or a packed one.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    Pred,
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    Bf16,
    Bf16x2,
    Tf32,
    F32,
    F64,
    E4m3,
    E5m2,
    E4m3x2,
    E5m2x2,
    U16x2,
    S16x2,
}

impl Type {
    const NAMES: [(&'static str, Self); 27] = [
        ("pred", Self::Pred),
        ("b8", Self::B8),
        ("b16", Self::B16),
        ("b32", Self::B32),
        ("b64", Self::B64),
        ("b128", Self::B128),
        ("u8", Self::U8),
        ("u16", Self::U16),
        ("u32", Self::U32),
        ("u64", Self::U64),
        ("s8", Self::S8),
        ("s16", Self::S16),
        ("s32", Self::S32),
        ("s64", Self::S64),
        ("f16", Self::F16),
        ("f16x2", Self::F16x2),
        ("bf16", Self::Bf16),
        ("bf16x2", Self::Bf16x2),
        ("tf32", Self::Tf32),
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("e4m3", Self::E4m3),
        ("e5m2", Self::E5m2),
        ("e4m3x2", Self::E4m3x2),
        ("e5m2x2", Self::E5m2x2),
        ("u16x2", Self::U16x2),
        ("s16x2", Self::S16x2),
    ];

    /// The type of that name, written without its dot.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, ty)| *ty)
    }

    /// PTX's name, without the dot.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, ty)| *ty == self).map_or("", |(name, _)| name)
    }

    /// Bits of a value; 1 for a predicate.
    pub fn bits(self) -> u32 {
        match self {
            Self::Pred => 1,
            Self::B8 | Self::U8 | Self::S8 | Self::E4m3 | Self::E5m2 => 8,
            Self::B16 | Self::U16 | Self::S16 | Self::F16 | Self::Bf16 | Self::E4m3x2 | Self::E5m2x2 => 16,
            Self::B32
            | Self::U32
            | Self::S32
            | Self::F16x2
            | Self::Bf16x2
            | Self::Tf32
            | Self::F32
            | Self::U16x2
            | Self::S16x2 => 32,
            Self::B64 | Self::U64 | Self::S64 | Self::F64 => 64,
            Self::B128 => 128,
        }
    }

    /// Bytes of a value in memory; 1 for a predicate.
    pub fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// Whether it is a signed integer.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}", self.name())
    }
}

/// A variable in memory, or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Where it lies.
    pub space: Space,
    /// Alignment in bytes: as written, or that of its type (times the vector's length).
    pub align: u32,
    /// The element's type.
    pub ty: Type,
    /// The unique name.
    pub name: String,
    /// Elements, vectors and all dimensions multiplied; `None` for `[]`, whose size comes from elsewhere.
    pub elements: Option<u64>,
    /// The initial values in order, flattened; missing ones are zero.
    pub initial: Vec<Initial>,
    /// Whether it is only declared, with `.extern`.
    pub external: bool,
    /// Line of the declaration.
    pub line: u32,
}

/// One initial value.
#[derive(Debug, Clone, PartialEq)]
pub enum Initial {
    /// A number: a literal or a constant expression.
    Number(Literal),
    /// The address of a variable or function plus bytes; `generic(name)` or the plain name.
    Address {
        /// Whose.
        name: String,
        /// Plus.
        offset: i64,
        /// Whether `generic(…)` was written.
        generic: bool,
    },
}

/// A number as written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Literal {
    /// An integer, or a constant expression of integers; two's complement in 64 bits as PTX computes it.
    Integer(i64),
    /// `0f…`: the bits of an f32.
    Float(u32),
    /// `0d…`, or a number with a point or exponent: an f64.
    Double(f64),
}

/// An entry or a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Whether it can be launched.
    pub entry: bool,
    /// Its name.
    pub name: String,
    /// What it returns, of a function: variables of space [`Space::Param`], or registers.
    pub returns: Vec<Parameter>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// `.reqntid`.
    pub required_block: Option<[u32; 3]>,
    /// `.maxntid`.
    pub largest_block: Option<[u32; 3]>,
    /// `.reqnctapercluster`.
    pub cluster: Option<[u32; 3]>,
    /// The code; `None` of a declaration.
    pub body: Option<Body>,
    /// Line of its name.
    pub line: u32,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// In parameter memory, as all of an entry's are.
    Memory(Variable),
    /// In a register, as a function's may be.
    Register(Register),
}

/// Registers of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    /// Their type.
    pub ty: Type,
    /// Their vector length: 1, 2 or 4.
    pub vector: u32,
    /// The unique name; with `count`, the prefix of the names.
    pub name: String,
    /// `<n>`: the names are `name0` to `name(n-1)`.
    pub count: Option<u32>,
    /// Line of the declaration.
    pub line: u32,
}

/// A function's code, flat.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body {
    /// All registers.
    pub registers: Vec<Register>,
    /// All variables: shared, local, and parameter memory of calls.
    pub variables: Vec<Variable>,
    /// The statements in order.
    pub statements: Vec<Statement>,
}

/// A label or an instruction.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// The unique name of a label, and its line.
    Label(String, u32),
    /// An instruction.
    Instruction(Instruction),
    /// `label: .branchtargets a, b;` and `label: .calltargets f, g;`.
    Targets {
        /// The label.
        name: String,
        /// What it lists.
        targets: Vec<String>,
        /// Its line.
        line: u32,
    },
    /// `label: .callprototype (…) _ (…);`, which tells the shape of a function that is called through a
    /// pointer. The function itself tells the same.
    Prototype {
        /// The label.
        name: String,
        /// Its line.
        line: u32,
    },
}

/// An instruction as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// `@p` or `@!p`.
    pub guard: Option<Guard>,
    /// The word before the first dot: `ld`.
    pub opcode: String,
    /// The words after it: `global`, `v4`, `f32`. `::` stays inside a word: `mbarrier`,
    /// `shared::cta`, `L1::no_allocate`.
    pub modifiers: Vec<String>,
    /// The operands in order.
    pub operands: Vec<Operand>,
    /// Where.
    pub place: Place,
}

impl Instruction {
    /// The opcode with its modifiers, as written.
    pub fn full_name(&self) -> String {
        self.modifiers.iter().fold(self.opcode.clone(), |name, modifier| name + "." + modifier)
    }
}

/// A predicate in front of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The register.
    pub register: String,
    /// Whether the instruction is executed where it is false.
    pub negated: bool,
}

/// An operand as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A register, variable, label, function or special register, with the component where one is
    /// written: `%tid.x` is name `%tid` and component `x`.
    Name {
        /// The unique name.
        name: String,
        /// `x`, `y`, `z`, `w` (or `r`, `g`, `b`, `a`).
        component: Option<char>,
    },
    /// A number.
    Literal(Literal),
    /// `!p`.
    Not(Box<Operand>),
    /// `p|q`.
    Pair(Box<Operand>, Box<Operand>),
    /// `{a, b, c, d}`.
    Vector(Vec<Operand>),
    /// `[base+offset]`; a base that is a number has been added to the offset.
    Address {
        /// A register or variable.
        base: Option<String>,
        /// Bytes.
        offset: i64,
    },
    /// `[tensor, {x, y}]` and whatever else a bracket may hold.
    Bracket(Vec<Operand>),
    /// `variable+offset` outside brackets, or `variable[index]` (offset in elements then).
    Offset {
        /// The variable.
        name: String,
        /// Bytes, or elements where an index is written.
        offset: i64,
        /// Whether an index is written.
        indexed: bool,
    },
    /// `(a, b)` of a call.
    List(Vec<Operand>),
    /// `_`.
    Nothing,
}
