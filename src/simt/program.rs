//! A kernel as it is executed: registers are places in a warp's register file, labels are positions,
//! and nothing is left to be looked up by name.

use crate::simt::compute::{AtomicOp, Compute};
use crate::simt::lanes::LaneFn;
use crate::simt::lower::touch::Touch;
use crate::simt::matrix::{MatrixMove, Mma, WmmaAccess};
use crate::simt::ptx::ast::{Place, Space, Type};

/// An entry, ready to be launched.
#[derive(Debug)]
pub struct Kernel {
    /// The entry's name.
    pub name: String,
    /// Its parameters in order.
    pub parameters: Vec<Parameter>,
    /// Bytes of all parameters.
    pub parameter_bytes: u32,
    /// The code; it ends with an exit.
    pub code: Vec<Instruction>,
    /// Where each instruction was written.
    pub places: Vec<Place>,
    /// The register file.
    pub registers: RegisterFile,
    /// Bytes of shared memory that the kernel declares.
    pub static_shared: u32,
    /// Where dynamic shared memory begins: behind the static, aligned.
    pub dynamic_shared: u32,
    /// Bytes of each thread's local memory.
    pub local_bytes: u32,
    /// Where arguments of calls lie in it: offsets and bytes. They start as zeros, since compilers copy the
    /// padding of structures too.
    pub argument_rooms: Vec<(u64, u64)>,
    /// `.reqntid`.
    pub required_block: Option<[u32; 3]>,
    /// `.maxntid`.
    pub largest_block: Option<[u32; 3]>,
    /// Registers that may be read before they were written.
    pub watch: Watch,
    /// What each instruction reads and writes.
    pub touches: Vec<Touch>,
}

/// Registers that are watched while running, since a path leads to a read of them without a write before.
#[derive(Debug, Default)]
pub struct Watch {
    /// The watched registers' names; their numbers here are their places in this list.
    pub names: Vec<String>,
    /// What to look at before each instruction; empty if nothing is watched.
    pub steps: Vec<Option<Box<WatchedStep>>>,
}

/// What an instruction does with watched registers.
#[derive(Debug)]
pub struct WatchedStep {
    /// The predicate that guards it.
    pub guard: Option<u32>,
    /// Registers whose values it needs.
    pub reads: Vec<u32>,
    /// Registers whose values it passes on.
    pub copies: Vec<u32>,
    /// Registers that have a value from then on, if what is passed on has.
    pub writes: Vec<u32>,
}

/// A parameter of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub offset: u32,
    /// Its size.
    pub bytes: u32,
    /// The type of one element, for messages.
    pub ty: Type,
    /// Elements.
    pub elements: u32,
}

/// What a warp's registers are at its start. Immediates and special registers are registers too.
#[derive(Debug, Clone, Default)]
pub struct RegisterFile {
    /// Registers of up to 32 bits.
    pub narrow: u32,
    /// Registers of 64 bits.
    pub wide: u32,
    /// Predicates.
    pub predicates: u32,
    /// Registers of up to 32 bits that hold a constant.
    pub narrow_constants: Vec<(u32, u32)>,
    /// Registers of 64 bits that hold a constant, or an address that is known at launch.
    pub wide_constants: Vec<(u32, WideConstant)>,
    /// Predicates that hold a constant.
    pub predicate_constants: Vec<(u32, bool)>,
    /// Narrow registers that hold a special register.
    pub specials: Vec<(u32, Special)>,
    /// Those whose value a GPU decides when it runs: where a warp runs is no part of a launch.
    pub unsettled: Vec<Slot>,
}

/// A constant of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WideConstant {
    /// A number.
    Number(u64),
    /// The address of the n-th variable of the module, plus bytes.
    Variable(u32, i64),
}

/// A special register that does not change while a thread lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Special {
    /// `%tid`, by axis.
    Thread(u8),
    /// `%ntid`.
    Threads(u8),
    /// `%ctaid`.
    Block(u8),
    /// `%nctaid`.
    Blocks(u8),
    /// `%laneid`.
    Lane,
    /// `%warpid`.
    Warp,
    /// `%nwarpid`.
    Warps,
    /// `%lanemask_eq`.
    MaskEqual,
    /// `%lanemask_le`.
    MaskLessEqual,
    /// `%lanemask_lt`.
    MaskLess,
    /// `%lanemask_ge`.
    MaskGreaterEqual,
    /// `%lanemask_gt`.
    MaskGreater,
    /// `%dynamic_smem_size`.
    DynamicShared,
    /// `%total_smem_size`.
    TotalShared,
    /// `%smid`: the simulated GPU has one multiprocessor, number 0.
    Multiprocessor,
    /// `%nsmid`.
    Multiprocessors,
}

impl Special {
    /// Whether a GPU decides it when it runs.
    pub fn is_unsettled(self) -> bool {
        matches!(self, Self::Warp | Self::Warps | Self::Multiprocessor | Self::Multiprocessors)
    }
}

/// A place in a warp's register file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// Up to 32 bits a lane.
    Narrow(u32),
    /// 64 bits a lane.
    Wide(u32),
    /// One bit a lane.
    Predicate(u32),
}

/// The lanes that execute an instruction, of those that reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// All.
    Always,
    /// Those where the predicate is true.
    If(u32),
    /// Those where it is false.
    Unless(u32),
}

/// One step of a warp.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// Who executes it.
    pub guard: Guard,
    /// What is done.
    pub op: Op,
}

/// What a step does. Boxes keep the common ones small.
#[derive(Debug, Clone)]
pub enum Op {
    /// All lanes at once, by a loop that was compiled for this operation.
    Lanes(LaneOp),
    /// Lane by lane.
    Compute(Box<ComputeOp>),
    /// Jumps.
    Branch(u32),
    /// Jumps to the entry of that number.
    BranchTable(Box<(Slot, Vec<u32>)>),
    /// Ends the thread.
    Exit,
    /// Ends the launch with an error.
    Trap,
    /// Nothing that a simulation can see: hints.
    Nothing,
    /// Copies between slots of any kind, truncating or extending with zeros.
    Copy(Slot, Slot),
    /// Takes bits `shift` and up of the source: the parts of a register.
    Extract {
        /// Where to.
        to: Slot,
        /// Where from.
        from: Slot,
        /// The lowest bit.
        shift: u32,
        /// How many bits.
        bits: u32,
    },
    /// Puts parts together, the first lowest.
    Join(Box<(Slot, Vec<Slot>, u32)>),
    /// Reads a clock.
    Clock(Slot),
    /// The mask of the lanes that execute together.
    ActiveMask(u32),
    /// Reads memory.
    Load(Box<Access>),
    /// Writes memory.
    Store(Box<Access>),
    /// Reads and writes memory at once.
    Atomic(Box<Atomic>),
    /// Copies global memory to shared memory, some time before it is waited for.
    AsyncCopy(Box<AsyncCopy>),
    /// Ends a group of copies.
    AsyncCommit,
    /// Waits until at most so many groups are under way; `None` for all copies, grouped or not.
    AsyncWait(Option<u32>),
    /// Orders memory for threads of a scope. Interleavings are sequentially consistent, so it only lets others run.
    Fence(Reach),
    /// Waits for the block, or for part of it.
    Barrier(Box<Barrier>),
    /// Waits for lanes of the warp.
    WarpBarrier(Slot),
    /// Exchanges values between lanes.
    Exchange(Box<Exchange>),
    /// A matrix instruction.
    Matrix(Box<MatrixOp>),
    /// Whether an address lies in a state space.
    IsSpace {
        /// A predicate.
        to: u32,
        /// The address.
        address: Slot,
        /// The space.
        space: Space,
    },
}

/// Registers of a [`Op::Lanes`], in the files that its function takes them from.
#[derive(Debug, Clone, Copy)]
pub struct LaneOp {
    /// The loop.
    pub run: LaneFn,
    /// Result and operands.
    pub slots: [u32; 4],
}

/// An operation that is evaluated lane by lane.
#[derive(Debug, Clone)]
pub struct ComputeOp {
    /// What.
    pub compute: Compute,
    /// The result's place, if it is kept.
    pub result: Option<Slot>,
    /// The widths in bits between which a signed result is extended, in a larger register.
    pub extend: Option<(u32, u32)>,
    /// The place of the second result: a predicate.
    pub second: Option<u32>,
    /// Operands.
    pub sources: Vec<Source>,
}

/// An operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its place.
    pub slot: Slot,
    /// The bits that count.
    pub bits: u32,
    /// Whether a predicate is negated.
    pub negated: bool,
}

/// Where an access goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The state space; `None` for a generic address.
    pub space: Option<Space>,
    /// What the offset is added to.
    pub base: Base,
    /// Bytes.
    pub offset: i64,
}

/// What an address begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Nothing: the offset is all.
    Zero,
    /// A register.
    Register(Slot),
}

/// A load or store.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where.
    pub address: Address,
    /// The type of an element.
    pub ty: Type,
    /// A register for each element; `None` where it is not wanted.
    pub registers: Vec<Option<Slot>>,
    /// The width in bits that a signed value is extended to, of a load into larger registers.
    pub extend_to: Option<u32>,
    /// Whether other threads' accesses may come before it: not so for read-only and private memory.
    pub visible: bool,
    /// How it is ordered.
    pub order: Order,
}

/// An atomic operation.
#[derive(Debug, Clone)]
pub struct Atomic {
    /// Where.
    pub address: Address,
    /// What.
    pub op: AtomicOp,
    /// On what; of an access to several elements, the element.
    pub ty: Type,
    /// Where the old values go, if they are wanted, for each element.
    pub old: Vec<Option<Slot>>,
    /// The operand for each element.
    pub operand: Vec<Slot>,
    /// The new value of `cas`.
    pub swap: Option<Slot>,
    /// How it is ordered.
    pub order: Order,
}

/// How an access is ordered, and for whom. Interleavings are sequentially consistent: executions need none of it, only
/// who judges whether threads may do what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Whether it is anything but `.weak`.
    pub is_strong: bool,
    /// Whether it is an acquire.
    pub acquires: bool,
    /// Whether it is a release.
    pub releases: bool,
    /// For whom.
    pub scope: Reach,
}

/// The threads that something is ordered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Those of the block: `.cta`, and `.cluster`, since a cluster has one block here.
    Block,
    /// Those of the GPU.
    Gpu,
    /// All.
    System,
}

/// `cp.async`.
#[derive(Debug, Clone)]
pub struct AsyncCopy {
    /// In shared memory.
    pub to: Address,
    /// In global memory.
    pub from: Address,
    /// Bytes that are written.
    pub bytes: u32,
    /// Bytes that are read, the rest is zero; `None` for all.
    pub source_bytes: Option<Slot>,
    /// Where true, nothing is read and all is zero.
    pub ignore: Option<(u32, bool)>,
}

/// `bar` and `barrier`.
#[derive(Debug, Clone)]
pub struct Barrier {
    /// Which of the sixteen.
    pub number: Slot,
    /// Threads; `None` for all of the block.
    pub threads: Option<Slot>,
    /// What is done.
    pub action: BarrierAction,
    /// Whether all threads of a warp must execute it together.
    pub aligned: bool,
}

/// What a thread does at a barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarrierAction {
    /// Arrives and waits.
    Sync,
    /// Arrives and goes on.
    Arrive,
    /// Arrives, waits, and learns in how many threads (or in any, or all) a predicate is true.
    Reduce {
        /// Of what.
        predicate: u32,
        /// Whether it is negated first.
        negated: bool,
        /// Which.
        reduction: BarrierReduction,
        /// A predicate for `and` and `or`, a register for `popc`.
        to: Slot,
    },
}

/// What `bar.red` computes.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarrierReduction {
    And,
    Or,
    Popc,
}

/// An exchange between the lanes of a warp.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What.
    pub kind: ExchangeKind,
    /// The lanes that take part; `None` for those that execute together.
    pub members: Option<Slot>,
    /// The result.
    pub to: Option<Slot>,
    /// The predicate beside it.
    pub predicate: Option<u32>,
}

/// Sorts of exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// `shfl`.
    Shuffle {
        /// Which way.
        mode: ShuffleMode,
        /// What is exchanged.
        value: Slot,
        /// Lane or distance.
        b: Slot,
        /// Clamp and segment.
        c: Slot,
    },
    /// `vote`.
    Vote {
        /// Which.
        mode: VoteMode,
        /// On what.
        predicate: u32,
        /// Whether it is negated.
        negated: bool,
    },
    /// `match`.
    Match {
        /// Whether all must be equal, else who equals me.
        all: bool,
        /// What is compared.
        value: Slot,
    },
    /// `redux`.
    Reduce {
        /// With what.
        op: AtomicOp,
        /// Of which type.
        ty: Type,
        /// What.
        value: Slot,
    },
    /// `elect`.
    Elect,
}

impl ExchangeKind {
    /// Whether lanes at the one and lanes at the other take part in one exchange: their qualifiers are the same.
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Shuffle { mode, .. }, Self::Shuffle { mode: of_other, .. }) => mode == of_other,
            (Self::Vote { mode, .. }, Self::Vote { mode: of_other, .. }) => mode == of_other,
            (Self::Match { all, value }, Self::Match { all: of_other, value: other }) => {
                all == of_other && matches!(value, Slot::Wide(_)) == matches!(other, Slot::Wide(_))
            }
            (Self::Reduce { op, ty, .. }, Self::Reduce { op: of_other, ty: other, .. }) => {
                op == of_other && ty == other
            }
            (Self::Elect, Self::Elect) => true,
            _ => false,
        }
    }
}

/// A matrix instruction with its operands; `None` is a result that goes nowhere.
#[allow(missing_docs, reason = "the operands' usual names")]
#[derive(Debug, Clone)]
pub enum MatrixOp {
    /// `mma`, `wmma.mma`.
    Product { mma: Box<Mma>, a: Vec<Slot>, b: Vec<Slot>, c: Vec<Slot>, d: Vec<Option<Slot>> },
    /// `wmma.load`.
    LoadTile { access: WmmaAccess, address: Address, stride: Option<Slot>, to: Vec<Option<Slot>> },
    /// `wmma.store`.
    StoreTile { access: WmmaAccess, address: Address, stride: Option<Slot>, from: Vec<Slot> },
    /// `ldmatrix`.
    LoadRows { moved: MatrixMove, address: Address, to: Vec<Option<Slot>> },
    /// `stmatrix`.
    StoreRows { moved: MatrixMove, address: Address, from: Vec<Slot> },
    /// `movmatrix`.
    Transpose { moved: MatrixMove, from: Vec<Slot>, to: Vec<Option<Slot>> },
}

/// Which way `shfl` goes.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShuffleMode {
    Up,
    Down,
    Butterfly,
    Index,
}

/// What `vote` answers.
#[allow(missing_docs, reason = "PTX's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoteMode {
    All,
    Any,
    Uniform,
    Ballot,
}
