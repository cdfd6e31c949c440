//! What the interpreter tells, step by step, and what each step means for order, races and taints.

use crate::simt::analysis::meeting::Meeting;
use crate::simt::analysis::race::Touching;
use crate::simt::analysis::shadow::{Kind, Shadow};
use crate::simt::analysis::taint::{Draw, Registers, Taint};
use crate::simt::analysis::{Analysis, Block, Warp};
use crate::simt::compute::AtomicOp;
use crate::simt::execute::locate;
use crate::simt::execute::observe::{At, AtomicStep, Observer, Piece};
use crate::simt::execute::{Copy, LANES, MOST_BYTES, lanes, shuffle_source};
use crate::simt::program::{Access, Exchange, ExchangeKind, Guard, Kernel, MatrixOp, Op, Reach, Slot};
use crate::simt::ptx::ast::Space;

impl Observer for Analysis<'_> {
    const ACTIVE: bool = true;

    fn start(&mut self, block: [u32; 3], live: &[u32]) {
        let number = self.block_number(block);
        let kernel = self.kernel;
        let warp = |live: &u32| {
            let mut registers = Registers::new(kernel);
            for slot in &kernel.registers.unsettled {
                // Who reads it is to blame; what it is is said there.
                let reader = kernel.touches.iter().position(|touch| touch.reads.contains(slot)).unwrap_or(0);
                lanes(*live).for_each(|lane| registers.set(*slot, lane, Taint::varies(reader as u32)));
            }
            Warp { registers, entered: Vec::new(), local: Shadow::default(), copies: Vec::new() }
        };
        let state = Block {
            shared: Shadow::default(),
            everywhere: Taint::NONE,
            warps: live.iter().map(warp).collect(),
            meetings: vec![Meeting::default(); 16],
        };
        self.blocks.insert(number, state);
        self.order.start(number, live);
    }

    fn exit(&mut self, at: &At, mask: u32) {
        let block = self.block_number(at.block);
        if self.order.exit(block, at.warp, mask) {
            self.blocks.remove(&block);
        }
    }

    fn step(&mut self, at: &At, mask: u32, active: u32) {
        self.leave(at, mask);
        let instruction = &at.kernel.code[at.pc as usize];
        let guard = match instruction.guard {
            Guard::Always => None,
            Guard::If(index) | Guard::Unless(index) => Some(Slot::Predicate(index)),
        };
        match &instruction.op {
            Op::Branch(_) | Op::Exit => {
                if let Some(guard) = guard {
                    self.branch(at, guard, mask);
                }
            }
            Op::BranchTable(table) => {
                self.branch(at, table.0, active);
                if let Some(guard) = guard {
                    self.branch(at, guard, mask);
                }
            }
            Op::Lanes(_)
            | Op::Compute(_)
            | Op::Copy(..)
            | Op::Extract { .. }
            | Op::Join(_)
            | Op::IsSpace { .. }
            | Op::Clock(_)
            | Op::ActiveMask(_) => self.compute(at, guard, mask, active),
            _ => {
                // Whether others notice the instruction must not vary.
                let Some(guard) = guard else { return };
                if self.warp(at).is_none_or(|warp| warp.registers.is_clean(guard)) {
                    return;
                }
                for lane in lanes(mask) {
                    let taint = self.register(at, guard, lane);
                    self.decides(at, taint, "decides whether the instruction is executed");
                    if taint.label != 0 {
                        // As a branch around this one instruction.
                        let label = self.labels.ask(taint.label);
                        let region = super::flow::Region {
                            join: at.pc + 1,
                            writes: at.kernel.touches[at.pc as usize].writes.clone(),
                            stores_shared: matches!(&instruction.op, Op::Store(access) if access.address.space != Some(Space::Global))
                                || matches!(&instruction.op, Op::Atomic(_) | Op::AsyncCopy(_)),
                            ..super::flow::Region::default()
                        };
                        for slot in &region.writes {
                            let both = self.labels.union(self.register(at, *slot, lane), Taint::label(label));
                            self.set(at, *slot, lane, both);
                        }
                        self.enter(at, &region, lane, Taint::label(label));
                    }
                }
            }
        }
    }

    fn load(&mut self, at: &At, active: u32, access: &Access, addresses: &[u64; LANES]) {
        let len = access.ty.bytes() as usize * access.registers.len();
        let clean = self.is_clean(at);
        for lane in lanes(active) {
            if !clean {
                self.address(at, &access.address, lane);
            }
            let (space, address) = locate(access.address.space, addresses[lane]);
            let touching = Touching {
                lane,
                space: Some(space),
                address,
                len,
                kind: Kind::Read,
                order: access.order.is_strong.then_some(access.order),
                group: None,
                bytes: &[],
                taint: Taint::NONE,
            };
            let read = if clean && space == Space::Local { Taint::NONE } else { self.touch(at, &touching) };
            let read = if read.is_own() {
                self.warp(at).map_or(Taint::NONE, |warp| warp.settled(read, lane))
            } else {
                read
            };
            let taint = if clean && read == Taint::NONE { read } else { self.with_control(at, read, lane) };
            if !clean || taint != Taint::NONE {
                access.registers.iter().flatten().for_each(|slot| self.set(at, *slot, lane, taint));
            }
        }
    }

    fn store(
        &mut self,
        at: &At,
        active: u32,
        access: &Access,
        addresses: &[u64; LANES],
        bytes: &[[u8; MOST_BYTES]; LANES],
    ) {
        let len = access.ty.bytes() as usize * access.registers.len();
        let clean = self.is_clean(at);
        for lane in lanes(active) {
            let mut taint = Taint::NONE;
            if !clean {
                self.address(at, &access.address, lane);
                taint = self.stored(at, access.registers.iter().flatten().copied(), lane);
            }
            let touching = Touching {
                lane,
                space: access.address.space,
                address: addresses[lane],
                len,
                kind: Kind::Write,
                order: access.order.is_strong.then_some(access.order),
                group: None,
                bytes: &bytes[lane][..len],
                taint,
            };
            self.touch(at, &touching);
        }
    }

    fn atomic(&mut self, at: &At, step: &AtomicStep) {
        let (op, lane) = (step.op, step.lane);
        self.address(at, &op.address, lane);
        let operands: Vec<Slot> = op.operand.iter().chain(&op.swap).copied().collect();
        let operand = op.operand.first().map_or(0, |slot| at.registers.get(*slot, lane));
        let class = self.class(op.op, op.ty, operand);
        let len = op.ty.bytes() as usize * op.operand.len();
        let of_operands = self.stored(at, operands.into_iter(), lane);
        let touching = Touching {
            lane,
            space: op.address.space,
            address: step.address,
            len,
            kind: Kind::Atomic { class, bytes: len as u8 },
            order: Some(op.order),
            group: None,
            bytes: &[],
            taint: of_operands,
        };
        let found = self.touch(at, &touching);
        let (space, address) = locate(op.address.space, step.address);
        let wanted = op.old.iter().any(Option::is_some);
        let who = self.who(at, lane);
        let draws = space == Space::Global
            && op.old.len() == 1
            && self.commutes(class)
            && matches!(op.op, AtomicOp::Add { .. } | AtomicOp::Inc)
            && op.order.scope > Reach::Block
            && found == Taint::NONE;
        if !wanted {
            self.labels.spoil(address);
            return;
        }
        let taint = if draws {
            let thread = crate::simt::analysis::clock::Numbering::thread(who.warp, lane);
            let draw = Draw { address, pc: at.pc, class, operand, old: step.old, block: who.block, thread };
            Taint::label(self.labels.arrive(&draw))
        } else {
            self.labels.spoil(address);
            self.labels.union(found, Taint::varies(at.pc))
        };
        let taint = self.with_control(at, taint, lane);
        op.old.iter().flatten().for_each(|slot| self.set(at, *slot, lane, taint));
    }

    fn fence(&mut self, at: &At, active: u32, scope: Reach) {
        for lane in lanes(active) {
            let who = self.who(at, lane);
            self.order.fence(who, scope);
        }
    }

    fn arrive(&mut self, at: &At, mask: u32, number: u32, waits: bool) {
        self.arrive_at(at, mask, number, waits);
    }

    fn release(&mut self, kernel: &Kernel, block: [u32; 3], number: u32, woken: &[(u32, u32, u32)]) {
        let block = self.block_number(block);
        self.release_from(kernel, block, number, woken);
    }

    fn warp_sync(&mut self, at: &At, mask: u32) {
        let block = self.block_number(at.block);
        self.order.warp_sync(block, at.warp, mask);
    }

    fn exchange(&mut self, at: &At, parts: &[(&Exchange, u32)]) {
        let elects = parts.iter().any(|(op, _)| matches!(op.kind, ExchangeKind::Elect));
        if !elects && self.is_clean(at) {
            return;
        }
        let mut given = [Taint::NONE; LANES];
        let mut asked = [Taint::NONE; LANES];
        let mut all = if elects { Taint::varies(at.pc) } else { Taint::NONE };
        for (op, mask) in parts {
            for lane in lanes(*mask) {
                if let Some(members) = op.members {
                    let taint = self.register(at, members, lane);
                    self.settles(at, taint, "decides which lanes take part");
                }
                let slot = match op.kind {
                    ExchangeKind::Shuffle { value, .. }
                    | ExchangeKind::Match { value, .. }
                    | ExchangeKind::Reduce { value, .. } => Some(value),
                    ExchangeKind::Vote { predicate, .. } => Some(Slot::Predicate(predicate)),
                    ExchangeKind::Elect => None,
                };
                if let ExchangeKind::Shuffle { b, c, .. } = op.kind {
                    let which = self.labels.union(self.register(at, b, lane), self.register(at, c, lane));
                    self.decides(at, which, "decides from which lane is read");
                    asked[lane] = which;
                }
                given[lane] = slot.map_or(Taint::NONE, |slot| self.register(at, slot, lane));
                all = self.labels.union(all, given[lane]);
                let control = self.control(at, lane);
                all = self.labels.union(all, control);
            }
        }
        // Votes and their like ask all members at once, whatever their answers are.
        if all.label != 0 && !self.labels.is_last_only(all.label) {
            let is_shuffle = parts.iter().all(|(op, _)| matches!(op.kind, ExchangeKind::Shuffle { .. }));
            if !is_shuffle {
                all = Taint { varies: self.labels.pc(all.label) + 1, label: 0, ..all };
            }
        }
        for (op, mask) in parts {
            for lane in lanes(*mask) {
                let taint = match op.kind {
                    ExchangeKind::Shuffle { mode, b, c, .. } => {
                        let value = |slot| at.registers.get(slot, lane) as u32;
                        let (from, _) = shuffle_source(mode, lane as u32, value(b), value(c));
                        self.labels.union(given[from as usize], asked[lane])
                    }
                    _ => all,
                };
                let taint = self.with_control(at, taint, lane);
                op.to.iter().for_each(|slot| self.set(at, *slot, lane, taint));
                let flag = if matches!(op.kind, ExchangeKind::Shuffle { .. }) { asked[lane] } else { taint };
                op.predicate.iter().for_each(|index| self.set(at, Slot::Predicate(*index), lane, flag));
            }
        }
    }

    fn matrix(&mut self, at: &At, op: &MatrixOp, pieces: &[Piece]) {
        let touch = &at.kernel.touches[at.pc as usize];
        let mut all = Taint::NONE;
        if !self.is_clean(at) {
            for lane in 0..LANES {
                let of_lane = self.stored(at, touch.reads.iter().copied(), lane);
                all = self.labels.union(all, of_lane);
            }
            let address = match op {
                MatrixOp::LoadTile { address, .. }
                | MatrixOp::StoreTile { address, .. }
                | MatrixOp::LoadRows { address, .. }
                | MatrixOp::StoreRows { address, .. } => Some(address),
                MatrixOp::Product { .. } | MatrixOp::Transpose { .. } => None,
            };
            (0..LANES).for_each(|lane| address.iter().for_each(|address| self.address(at, address, lane)));
        }
        let (space, kind) = match op {
            MatrixOp::LoadTile { address, .. } | MatrixOp::LoadRows { address, .. } => {
                (address.space, Kind::Read)
            }
            MatrixOp::StoreTile { address, .. } | MatrixOp::StoreRows { address, .. } => {
                (address.space, Kind::Write)
            }
            MatrixOp::Product { mma, .. } => {
                if !mma.is_exact() {
                    all = self.labels.union(all, Taint::approximate(at.pc));
                }
                (None, Kind::Read)
            }
            MatrixOp::Transpose { .. } => (None, Kind::Read),
        };
        for piece in pieces {
            let touching = Touching {
                lane: piece.lane,
                space,
                address: piece.address,
                len: piece.len,
                kind,
                order: None,
                group: None,
                bytes: if kind == Kind::Write { &piece.bytes[..piece.len] } else { &[] },
                taint: all,
            };
            let read = self.touch(at, &touching);
            if kind == Kind::Read {
                all = self.labels.union(all, read);
            }
        }
        if all != Taint::NONE || !self.is_clean(at) {
            for slot in &touch.writes {
                (0..LANES).for_each(|lane| self.set(at, *slot, lane, all));
            }
        }
    }

    fn begin_copy(&mut self, at: &At, copy: &Copy) {
        let lane = usize::from(copy.lane);
        let Op::AsyncCopy(op) = &at.kernel.code[at.pc as usize].op else { return };
        self.address(at, &op.to, lane);
        self.address(at, &op.from, lane);
        let mut taint = self.stored(at, op.source_bytes.into_iter(), lane);
        if copy.source_bytes > 0 {
            let read = self.touch(at, &side_of(copy, Kind::Fetch));
            taint = self.labels.union(taint, read);
        }
        self.touch(at, &Touching { taint, ..side_of(copy, Kind::Copy) });
        if let Some(warp) = self.warp(at) {
            warp.copies.push(*copy);
        }
    }

    fn wait_for_copies(&mut self, at: &At, active: u32, left: Option<u32>, groups: &[u32; LANES]) {
        let Some(warp) = self.warp(at) else { return };
        let due = |copy: &mut Copy| {
            let lane = usize::from(copy.lane);
            active >> lane & 1 == 1 && left.is_none_or(|left| copy.group.saturating_add(left) < groups[lane])
        };
        let due: Vec<_> = warp.copies.extract_if(.., due).collect();
        for copy in due {
            let who = self.who(at, usize::from(copy.lane));
            let time = self.order.time(who);
            let begun = At { pc: copy.pc, ..*at };
            let (from, to) = (side_of(&copy, Kind::Fetch), side_of(&copy, Kind::Copy));
            let fetch = self.record(&begun, &from, Space::Global);
            self.global.visit(from.address, from.len, |cell, _, _| cell.done(&fetch, time));
            let write = self.record(&begun, &to, Space::Shared);
            if let Some(block) = self.blocks.get_mut(&who.block) {
                block.shared.visit(to.address, to.len, |cell, _, _| cell.done(&write, time));
            }
        }
    }
}

/// One side of an asynchronous copy, which reads global and writes shared memory.
fn side_of(copy: &Copy, kind: Kind) -> Touching<'static> {
    let (space, address, bytes) = match kind {
        Kind::Fetch => (Space::Global, copy.from, copy.source_bytes),
        _ => (Space::Shared, copy.to, copy.bytes),
    };
    Touching {
        lane: usize::from(copy.lane),
        space: Some(space),
        address,
        len: bytes as usize,
        kind,
        order: None,
        group: Some(copy.group),
        bytes: &[],
        taint: Taint::NONE,
    }
}
