//! Which registers a step reads and writes.

use crate::simt::compute::Compute;
use crate::simt::program::{
    Address, BarrierAction, Base, Exchange, ExchangeKind, Guard, MatrixOp, Op, Slot, Source,
};
use crate::simt::ptx::ast::Space;

/// Registers of one step. Constants and special registers are among them: they are registers too.
#[derive(Debug, Default, Clone)]
pub struct Touch {
    /// Whose values matter.
    pub reads: Vec<Slot>,
    /// That get a value.
    pub writes: Vec<Slot>,
    /// Whether the values are only passed on, as they are: `mov`. Nothing depends on them yet.
    pub copies: bool,
    /// What a loop over lanes computes, of which operands.
    pub computes: Option<Box<(Compute, Vec<Source>)>>,
}

impl Touch {
    /// Those of a loop over lanes, which keeps no more than places.
    pub fn of_lanes(to: Slot, from: impl IntoIterator<Item = Slot>, copies: bool) -> Self {
        Self { reads: from.into_iter().collect(), writes: vec![to], copies, computes: None }
    }

    /// Those of any other operation.
    pub fn of(op: &Op) -> Self {
        let mut touch = Self::default();
        match op {
            Op::Lanes(_)
            | Op::Branch(_)
            | Op::Exit
            | Op::Trap
            | Op::Nothing
            | Op::AsyncCommit
            | Op::AsyncWait(_)
            | Op::Fence(_) => {}
            Op::Compute(op) => {
                touch.reads.extend(op.sources.iter().map(|Source { slot, .. }| slot));
                touch.writes.extend(op.result);
                touch.writes.extend(op.second.map(Slot::Predicate));
            }
            Op::BranchTable(table) => touch.reads.push(table.0),
            Op::Copy(to, from) | Op::Extract { to, from, .. } => {
                touch = Self::of_lanes(*to, [*from], true);
            }
            Op::Join(join) => {
                touch = Self::of_lanes(join.0, join.1.iter().copied(), true);
            }
            Op::Clock(to) => touch.writes.push(*to),
            Op::ActiveMask(to) => touch.writes.push(Slot::Narrow(*to)),
            Op::Load(access) => {
                touch.address(&access.address);
                touch.writes.extend(access.registers.iter().flatten());
            }
            Op::Store(access) => {
                touch.address(&access.address);
                // Compilers store such registers as the padding of structures that they pass to functions.
                if !matches!(access.address.space, Some(Space::Local | Space::Param)) {
                    touch.reads.extend(access.registers.iter().flatten());
                }
            }
            Op::Atomic(atomic) => {
                touch.address(&atomic.address);
                touch.reads.extend(atomic.operand.iter().chain(&atomic.swap));
                touch.writes.extend(atomic.old.iter().flatten());
            }
            Op::AsyncCopy(copy) => {
                touch.address(&copy.to);
                touch.address(&copy.from);
                touch.reads.extend(copy.source_bytes);
                touch.reads.extend(copy.ignore.map(|(predicate, _)| Slot::Predicate(predicate)));
            }
            Op::Barrier(barrier) => {
                touch.reads.push(barrier.number);
                touch.reads.extend(barrier.threads);
                if let BarrierAction::Reduce { predicate, to, .. } = barrier.action {
                    touch.reads.push(Slot::Predicate(predicate));
                    touch.writes.push(to);
                }
            }
            Op::WarpBarrier(members) => touch.reads.push(*members),
            Op::Exchange(exchange) => touch.exchange(exchange),
            Op::Matrix(matrix) => touch.matrix(matrix),
            Op::IsSpace { to, address, .. } => {
                touch.reads.push(*address);
                touch.writes.push(Slot::Predicate(*to));
            }
        }
        touch
    }

    fn address(&mut self, address: &Address) {
        if let Base::Register(slot) = address.base {
            self.reads.push(slot);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.reads.extend(exchange.members);
        match exchange.kind {
            ExchangeKind::Shuffle { value, b, c, .. } => self.reads.extend([value, b, c]),
            ExchangeKind::Vote { predicate, .. } => self.reads.push(Slot::Predicate(predicate)),
            ExchangeKind::Match { value, .. } | ExchangeKind::Reduce { value, .. } => self.reads.push(value),
            ExchangeKind::Elect => {}
        }
        self.writes.extend(exchange.to);
        self.writes.extend(exchange.predicate.map(Slot::Predicate));
    }

    fn matrix(&mut self, matrix: &MatrixOp) {
        match matrix {
            MatrixOp::Product { a, b, c, d, .. } => {
                self.reads.extend(a.iter().chain(b).chain(c));
                self.writes.extend(d.iter().flatten());
            }
            MatrixOp::LoadTile { address, stride, to, .. } => {
                self.address(address);
                self.reads.extend(stride);
                self.writes.extend(to.iter().flatten());
            }
            MatrixOp::StoreTile { address, stride, from, .. } => {
                self.address(address);
                self.reads.extend(stride.iter().chain(from));
            }
            MatrixOp::LoadRows { address, to, .. } => {
                self.address(address);
                self.writes.extend(to.iter().flatten());
            }
            MatrixOp::StoreRows { address, from, .. } => {
                self.address(address);
                self.reads.extend(from);
            }
            MatrixOp::Transpose { from, to, .. } => {
                self.reads.extend(from);
                self.writes.extend(to.iter().flatten());
            }
        }
    }
}

/// The predicate that a guard reads.
pub fn guard(guard: Guard) -> Option<Slot> {
    match guard {
        Guard::Always => None,
        Guard::If(predicate) | Guard::Unless(predicate) => Some(Slot::Predicate(predicate)),
    }
}
