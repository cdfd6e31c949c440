//! Accesses to the same bytes that nothing orders, of which one writes. Two strong ones are no data race, yet which of
//! them comes first is open; atomic operations of one commuting class may come in any order.

use crate::simt::analysis::order::Who;
use crate::simt::analysis::shadow::{Cell, Kind, Record, under_way};
use crate::simt::analysis::taint::Taint;
use crate::simt::analysis::{Analysis, MOST_RACES};
use crate::simt::compute::AtomicOp;
use crate::simt::execute::locate;
use crate::simt::execute::observe::At;
use crate::simt::fault::Thread;
use crate::simt::program::{Order, Reach};
use crate::simt::ptx::ast::{Place, Space, Type};

/// What one side of a race does.
#[allow(missing_docs, reason = "what their names say")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    Atomic,
    Copy,
    Fetch,
}

/// One side of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The instruction.
    pub place: Place,
    /// Which thread, of those that do the same there.
    pub thread: Thread,
    /// What it does.
    pub access: Access,
}

/// Two accesses that nothing orders, in the order in which they happened to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Race {
    /// Global or shared memory.
    pub space: Space,
    /// Where.
    pub address: u64,
    /// The one.
    pub first: Side,
    /// The other.
    pub second: Side,
}

/// An access of one lane.
pub struct Touching<'a> {
    pub lane: usize,
    pub space: Option<Space>,
    pub address: u64,
    pub len: usize,
    pub kind: Kind,
    pub order: Option<Order>,
    /// Of an asynchronous copy: its group.
    pub group: Option<u32>,
    /// What is written; empty otherwise.
    pub bytes: &'a [u8],
    /// What that depends on.
    pub taint: Taint,
}

/// Whether an atomic operation is one on floating-point numbers.
pub fn is_float(ty: Type) -> bool {
    matches!(ty, Type::F16 | Type::F16x2 | Type::Bf16 | Type::Bf16x2 | Type::F32 | Type::F64)
}

fn is_commuting(op: AtomicOp, ty: Type) -> bool {
    match op {
        AtomicOp::Add { .. } | AtomicOp::Min | AtomicOp::Max => !is_float(ty),
        AtomicOp::And | AtomicOp::Or | AtomicOp::Xor => true,
        // With one and the same limit: then all do the same.
        AtomicOp::Inc | AtomicOp::Dec => true,
        AtomicOp::Exch | AtomicOp::Cas => false,
    }
}

fn access(kind: Kind) -> Access {
    match kind {
        Kind::Read => Access::Read,
        Kind::Write => Access::Write,
        Kind::Atomic { .. } => Access::Atomic,
        Kind::Copy => Access::Copy,
        Kind::Fetch => Access::Fetch,
    }
}

/// What an access meets.
struct Met {
    other: Record,
    lane: u32,
    /// Whether only their order is open: both are strong and for each other, or the order is by chance.
    is_open: bool,
    /// Whether there is an order, and it is by chance.
    is_luck: bool,
}

/// How an access stands to an earlier one.
#[derive(Debug, Clone, Copy)]
struct Against {
    /// Which lanes of that nothing orders.
    unordered: u32,
    /// Which are ordered only because this thread happened to come later at an atomic operation.
    by_chance: u32,
    /// Whether both are strong and for each other.
    is_strong: bool,
}

impl Analysis<'_> {
    /// The class of an atomic operation: operations of one class commute, if [`Analysis::commutes`] says so.
    pub fn class(&mut self, op: AtomicOp, ty: Type, operand: u64) -> u16 {
        let limit = if matches!(op, AtomicOp::Inc | AtomicOp::Dec) { operand } else { 0 };
        // Minima of signed and of unsigned numbers differ, sums do not.
        let ty = if matches!(op, AtomicOp::Add { .. }) && matches!(ty, Type::S32) { Type::U32 } else { ty };
        let key = (op, ty, limit);
        let known = self.classes.iter().position(|known| *known == key);
        known.unwrap_or_else(|| {
            self.classes.push(key);
            self.classes.len() - 1
        }) as u16
    }

    /// Whether operations of a class may come in any order.
    pub fn commutes(&self, class: u16) -> bool {
        self.classes.get(usize::from(class)).is_some_and(|(op, ty, _)| is_commuting(*op, *ty))
    }

    /// How an access is remembered.
    pub fn record(&mut self, at: &At, touching: &Touching, space: Space) -> Record {
        let who = self.who(at, touching.lane);
        let for_block = touching.order.is_some_and(|order| order.scope == Reach::Block);
        Record {
            warp: who.warp,
            lanes: 1 << who.lane,
            time: touching.group.map_or_else(|| self.order.time(who), under_way),
            pc: at.pc,
            kind: touching.kind,
            is_strong: touching.order.is_some_and(|order| order.is_strong),
            for_block: for_block && space == Space::Global,
        }
    }

    /// An access, held against all before it. What is read depends on the taint that is returned.
    pub fn touch(&mut self, at: &At, touching: &Touching) -> Taint {
        let (space, address) = locate(touching.space, touching.address);
        match space {
            Space::Const | Space::Param => Taint::NONE,
            Space::Local => self.touch_local(at, touching, address),
            Space::Global | Space::Shared => self.touch_shared(at, touching, space, address),
        }
    }

    fn touch_local(&mut self, at: &At, touching: &Touching, address: u64) -> Taint {
        let lane = touching.lane as u64;
        let (mut read, writes) = (Vec::new(), !touching.kind.only_reads());
        let Some(warp) = self.warp(at) else { return Taint::NONE };
        warp.local.visit(lane << 40 | address, touching.len, |cell, _, _| {
            if writes {
                cell.taint = touching.taint;
            } else if cell.taint != Taint::NONE {
                read.push(cell.taint);
            }
        });
        read.into_iter().fold(Taint::NONE, |all, taint| self.labels.union(all, taint))
    }

    fn touch_shared(&mut self, at: &At, touching: &Touching, space: Space, address: u64) -> Taint {
        let who = self.who(at, touching.lane);
        let record = self.record(at, touching, space);
        let clock = self.order.knows(who);
        let sure = self.order.sure(who);
        // Of the last at a ticket it is no chance that it came later.
        let last = self.control(at, touching.lane).label;
        let numbering = self.order.numbering;
        let is_atomic = matches!(touching.kind, Kind::Atomic { .. });
        let commutes = match touching.kind {
            Kind::Atomic { class, .. } => self.commutes(class),
            _ => false,
        };
        let mut meets = Vec::new();
        let (mut read, mut everywhere) = (Taint::NONE, Taint::NONE);
        let mut taints: Vec<Taint> = Vec::new();
        let relies = std::cell::Cell::new(false);
        let is_luck = |by_chance: u32| {
            relies.set(relies.get() || (by_chance != 0 && last != 0));
            by_chance != 0 && last == 0
        };
        let visit = |cell: &mut Cell, offset: usize, size: usize| {
            let value = touching
                .bytes
                .get(offset..offset + size)
                .map_or(0, |bytes| bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)));
            let is_same = touching.kind == Kind::Write && cell.is_known && cell.value == value;
            let against = |other: &Record| {
                let mut lanes = other.lanes;
                if other.warp == who.warp && !other.is_under_way() {
                    lanes &= !(1 << who.lane);
                }
                let known = if other.is_under_way() {
                    0
                } else {
                    clock.known(numbering, other.warp, lanes, other.time)
                };
                let same_block = numbering.block_of(other.warp) == who.block;
                let for_each_other = same_block || !other.for_block && !record.for_block;
                let sure = match &sure {
                    Some(sure) if !other.is_under_way() => {
                        sure.known(numbering, other.warp, lanes, other.time)
                    }
                    _ => known,
                };
                Against {
                    unordered: lanes & !known,
                    by_chance: known & !sure,
                    is_strong: other.is_strong && record.is_strong && for_each_other,
                }
            };
            let mut meet = |other: &Record, against: Against, is_strong| {
                let Against { unordered, by_chance, .. } = against;
                if unordered != 0 {
                    let lane = unordered.trailing_zeros();
                    meets.push(Met { other: *other, lane, is_open: is_strong, is_luck: false });
                } else if is_luck(by_chance) {
                    let lane = by_chance.trailing_zeros();
                    meets.push(Met { other: *other, lane, is_open: true, is_luck: true });
                }
            };
            let writes = matches!(touching.kind, Kind::Write | Kind::Copy);
            if is_same {
                for other in &cell.before {
                    let against = against(other);
                    meet(other, against, against.is_strong);
                }
            } else if writes {
                cell.before.clear();
            }
            cell.records.retain(|other| {
                let against = against(other);
                let unordered = against.unordered;
                let of_reads = other.kind.only_reads() && touching.kind.only_reads();
                let writes_same = is_same && other.kind == Kind::Write;
                if !of_reads && !writes_same {
                    meet(other, against, against.is_strong);
                }
                let stays = match touching.kind {
                    Kind::Read | Kind::Fetch => !of_reads || unordered != 0,
                    Kind::Atomic { .. } => true,
                    // Of writers of the same, all are remembered.
                    Kind::Write | Kind::Copy => unordered != 0 && writes_same,
                };
                if writes && !stays && !writes_same {
                    cell.before.push(*other);
                }
                stays
            });
            let mut disorder = false;
            let is_free = |last: &Record| {
                last.kind == touching.kind
                    && (commutes || cell.taint.varies != 0)
                    && !last.for_block
                    && !record.for_block
            };
            if !(is_atomic && cell.atomics.last().is_some_and(is_free)) {
                // Who read what others' atomic operations left, by its own, comes after them, if it also knows of
                // what they released before.
                let is_own = |record: &Record| record.warp == who.warp && record.lanes >> who.lane & 1 == 1;
                let mut before = cell.atomics.iter().rposition(is_own).unwrap_or(0);
                cell.atomics.retain(|other| {
                    let mut against = against(other);
                    if before > 0 && !is_atomic {
                        before -= 1;
                        let known = clock.known(numbering, other.warp, against.unordered, other.time - 1);
                        against.unordered &= !known;
                        against.by_chance |= known;
                    }
                    let Against { unordered, by_chance, is_strong } = against;
                    let alike = is_atomic && other.kind.bytes() == touching.kind.bytes();
                    if !(alike && is_strong) {
                        meet(other, against, is_strong && !is_atomic);
                    } else if other.kind != touching.kind || !commutes {
                        disorder |= is_luck(by_chance) || unordered != 0;
                    }
                    let stays = touching.kind.only_reads() || unordered != 0;
                    if !stays && (writes || is_atomic && other.kind != touching.kind) {
                        cell.before.retain(|known| !known.is_of(other));
                        cell.before.push(*other);
                    }
                    stays
                });
            }
            if is_atomic {
                // What commutes with the last may not commute with what came before that.
                for other in cell.before.iter().filter(|other| other.kind != touching.kind) {
                    let against = against(other);
                    let is_other = matches!(other.kind, Kind::Atomic { .. });
                    if !is_other || !against.is_strong {
                        meet(other, against, against.is_strong && !is_other);
                    } else {
                        disorder |= is_luck(against.by_chance) || against.unordered != 0;
                    }
                }
            }
            cell.push(record);
            if cell.taint != Taint::NONE {
                taints.push(cell.taint);
            }
            match touching.kind {
                Kind::Read | Kind::Fetch => {}
                Kind::Write | Kind::Copy => {
                    (cell.value, cell.taint) = (value, touching.taint);
                    cell.is_known = !touching.bytes.is_empty();
                }
                Kind::Atomic { .. } => {
                    cell.is_known = false;
                    if disorder && cell.taint.varies == 0 {
                        cell.taint.varies = at.pc + 1;
                    }
                    if touching.taint != Taint::NONE {
                        taints.push(touching.taint);
                    }
                }
            }
        };
        match (space, self.blocks.get_mut(&who.block)) {
            (Space::Shared, Some(block)) => {
                everywhere = block.everywhere;
                block.shared.visit(address, touching.len, visit);
            }
            _ => self.global.visit(address, touching.len, visit),
        }
        taints.into_iter().for_each(|taint| read = self.labels.union(read, taint));
        // A number that was drawn stays one, unless it is overwritten on the way that only the last goes.
        if self.labels.is_drawn_with(read.label, everywhere.label) {
            everywhere.label = 0;
        }
        read = self.labels.union(read, everywhere);
        if let (Kind::Atomic { .. }, true) = (touching.kind, read != Taint::NONE) {
            let spread = |cell: &mut Cell, _: usize, _: usize| {
                let varies = if cell.taint.varies != 0 { cell.taint.varies } else { read.varies };
                cell.taint = Taint { varies, ..read };
            };
            match (space, self.blocks.get_mut(&who.block)) {
                (Space::Shared, Some(block)) => block.shared.visit(address, touching.len, spread),
                _ => self.global.visit(address, touching.len, spread),
            }
        }
        if relies.get() {
            self.labels.rely(last);
        }
        meets.into_iter().for_each(|met| self.met(at, who, touching.kind, space, address, &met));
        if let Some(order) = touching.order.filter(|order| order.is_strong) {
            let place = ((space == Space::Shared).then_some(who.block), address);
            let reads = matches!(touching.kind, Kind::Read | Kind::Atomic { .. });
            self.order.synchronise(who, place, order, reads, touching.kind != Kind::Read);
        }
        read
    }

    fn met(&mut self, at: &At, who: Who, kind: Kind, space: Space, address: u64, met: &Met) {
        if !self.pairs.insert((met.other.pc, at.pc, met.is_open)) {
            return;
        }
        if met.is_open {
            let other = &self.kernel.places[met.other.pc as usize];
            let line = other.line;
            let what = if met.is_luck {
                format!(
                    "it comes after PTX line {line} only since a thread came later somewhere else, by chance or not"
                )
            } else if met.other.pc == at.pc {
                "nothing orders this access of one thread and of another: either may come first".to_owned()
            } else {
                format!("nothing orders this access and that of PTX line {line}: either may come first")
            };
            self.doubt(at.pc, what);
            return;
        }
        if self.races.len() < MOST_RACES {
            let first = self.side(met.other.pc, met.other.warp, met.lane, access(met.other.kind));
            let second = self.side(at.pc, who.warp, who.lane as u32, access(kind));
            self.races.push(Race { space, address, first, second });
        }
    }
}
