//! Following values that are not the same under every schedule: from what makes them so, through registers, memory and
//! control, to addresses, branches and outputs.

use smallvec::SmallVec;

use crate::simt::analysis::race::is_float;
use crate::simt::analysis::taint::{OWN, Operand, Taint};
use crate::simt::analysis::{Analysis, Entered, Warp};
use crate::simt::compute::{AtomicOp, Compute, Operation};
use crate::simt::execute::lanes;
use crate::simt::execute::observe::At;
use crate::simt::program::{Address, Base, Op, Slot, Source};

impl Analysis<'_> {
    /// Why the instruction at `pc` makes something vary.
    pub fn why_it_varies(&self, pc: u32) -> String {
        match &self.kernel.code[pc as usize].op {
            Op::Atomic(atomic) => match (atomic.op, is_float(atomic.ty)) {
                (AtomicOp::Add { .. }, true) => {
                    "floating-point numbers of different threads are added in any order".to_owned()
                }
                (AtomicOp::Exch | AtomicOp::Cas, _) => "which thread comes first is open".to_owned(),
                _ => "what it leaves or returns depends on who came before".to_owned(),
            },
            Op::Clock(_) => "a clock tells how fast threads run".to_owned(),
            Op::ActiveMask(_) => "which lanes run together is open".to_owned(),
            Op::Exchange(_) => "which lane is elected is open".to_owned(),
            _ => {
                "what it reads is decided by the GPU when it runs (%smid, %warpid and their like)".to_owned()
            }
        }
    }

    /// The instruction that made something vary, and why it did.
    pub fn cause(&self, varies: u32) -> (u32, String) {
        let pc = (varies & !OWN) - 1;
        if varies & OWN == 0 {
            return (pc, self.why_it_varies(pc));
        }
        (pc, "the last to come here has something of its own, which others would not have".to_owned())
    }

    /// What a lane's register depends on. What is its block's own matters only where it is the last.
    pub fn register(&self, at: &At, slot: Slot, lane: usize) -> Taint {
        let block = self.blocks.get(&self.block_number(at.block));
        let warp = block.and_then(|block| block.warps.get(at.warp as usize));
        warp.map_or(Taint::NONE, |warp| warp.register(slot, lane))
    }

    /// What it depends on whether a lane is where it is.
    pub(super) fn control(&mut self, at: &At, lane: usize) -> Taint {
        let Some(warp) = self.warp(at) else { return Taint::NONE };
        let holding: SmallVec<[Taint; 4]> =
            warp.entered.iter().filter(|entered| entered.lanes >> lane & 1 == 1).map(|e| e.taint).collect();
        holding.into_iter().fold(Taint::NONE, |all, taint| self.labels.union(all, taint))
    }

    /// A value's taint, of a lane at this place: in a region that only the last enters, it is the last's value.
    pub fn with_control(&mut self, at: &At, taint: Taint, lane: usize) -> Taint {
        let control = self.control(at, lane);
        self.labels.union(control, taint)
    }

    /// Something must not depend on anything.
    pub fn decides(&mut self, at: &At, taint: Taint, what: &str) {
        if taint.varies != 0 {
            let (from, why) = self.cause(taint.varies);
            let line = at.kernel.places[at.pc as usize].line;
            self.doubt(from, format!("{why}; it {what} at PTX line {line}"));
        }
        if taint.approximate != 0 {
            let line = at.kernel.places[at.pc as usize].line;
            let from = taint.approximate - 1;
            self.doubt(from, format!("its bits are hardware's own; it {what} at PTX line {line}"));
        }
    }

    /// As [`Self::decides`], where of a number that was drawn at a ticket only whether it is the last may count.
    pub(super) fn settles(&mut self, at: &At, taint: Taint, what: &str) {
        let drawn = taint.label != 0 && taint.varies == 0 && !self.labels.is_last_only(taint.label);
        let varies = if drawn { self.labels.pc(taint.label) + 1 } else { taint.varies };
        self.decides(at, Taint { varies, ..taint }, what);
    }

    pub(super) fn set(&mut self, at: &At, slot: Slot, lane: usize, taint: Taint) {
        if let Some(warp) = self.warp(at) {
            warp.registers.set(slot, lane, taint);
        }
    }

    pub(super) fn is_clean(&mut self, at: &At) -> bool {
        self.warp(at).is_none_or(|warp| !warp.registers.any && warp.entered.is_empty())
    }

    /// Whether an address depends on anything: a doubt, unless it only depends on who came last, where only that one
    /// is.
    pub(super) fn address(&mut self, at: &At, address: &Address, lane: usize) {
        let Base::Register(slot) = address.base else { return };
        let taint = self.register(at, slot, lane);
        self.decides(at, taint, "is part of an address");
        if taint.label != 0 && self.with_control(at, taint, lane).label != self.control(at, lane).label {
            let pc = self.labels.pc(taint.label);
            let line = at.kernel.places[at.pc as usize].line;
            let why = self.why_it_varies(pc);
            self.doubt(pc, format!("{why}; it is part of an address at PTX line {line}"));
        }
    }

    /// Lanes leave regions that end here.
    pub(super) fn leave(&mut self, at: &At, mask: u32) {
        let Some(warp) = self.warp(at) else { return };
        if warp.entered.is_empty() {
            return;
        }
        for entered in &mut warp.entered {
            if entered.join == at.pc {
                entered.lanes &= !mask;
            }
        }
        warp.entered.retain(|entered| entered.lanes != 0);
    }

    /// A branch, or an exit, whose condition may depend on something.
    pub(super) fn branch(&mut self, at: &At, condition: Slot, mask: u32) {
        if self.warp(at).is_none_or(|warp| warp.registers.is_clean(condition)) {
            return;
        }
        let Some(region) = self.regions.get(&at.pc).cloned() else { return };
        let number = self.block_number(at.block);
        for lane in lanes(mask) {
            let taint = self.register(at, condition, lane);
            if taint.approximate != 0 {
                self.decides(at, Taint { varies: 0, ..taint }, "decides what is executed");
            }
            if taint.varies != 0
                && let Some(effect) = region.effect
            {
                let (from, why) = self.cause(taint.varies);
                let line = at.kernel.places[at.pc as usize].line;
                let effect = at.kernel.places[effect as usize].line;
                self.doubt(
                    from,
                    format!("{why}; it decides at PTX line {line} whether line {effect} is executed"),
                );
            }
            let label = if taint.label != 0 { self.labels.ask(taint.label) } else { 0 };
            let taint = Taint { varies: taint.varies, approximate: 0, label };
            if taint == Taint::NONE {
                continue;
            }
            let block = self.blocks.get_mut(&number);
            let Some(warp) = block.and_then(|block| block.warps.get_mut(at.warp as usize)) else { continue };
            for slot in &region.writes {
                let known = warp.register(*slot, lane);
                // A number that was drawn stays one, unless it is overwritten on the way.
                if label != 0 && self.labels.is_drawn_with(known.label, label) {
                    continue;
                }
                warp.registers.set(*slot, lane, self.labels.union(known, taint));
            }
            self.enter(at, &region, lane, taint);
        }
    }

    pub(super) fn enter(&mut self, at: &At, region: &super::flow::Region, lane: usize, taint: Taint) {
        let number = self.block_number(at.block);
        if taint.label != 0 {
            self.win(at, lane, taint.label);
        }
        let everywhere = self.blocks.get(&number).map_or(Taint::NONE, |block| block.everywhere);
        let everywhere = if region.stores_shared { self.labels.union(everywhere, taint) } else { everywhere };
        let Some(block) = self.blocks.get_mut(&number) else { return };
        block.everywhere = everywhere;
        let warp = &mut block.warps[at.warp as usize];
        let beside = |known: &&mut Entered| known.branch == at.pc && known.taint == taint;
        match warp.entered.iter_mut().find(beside) {
            Some(known) => known.lanes |= 1 << lane,
            None => {
                let entered = Entered { branch: at.pc, join: region.join, lanes: 1 << lane, taint };
                warp.entered.push(entered);
            }
        }
    }

    /// A step that only computes.
    pub(super) fn compute(&mut self, at: &At, guard: Option<Slot>, mask: u32, active: u32) {
        let instruction = &at.kernel.code[at.pc as usize];
        let touch = &at.kernel.touches[at.pc as usize];
        let computes: Option<(&Compute, &[Source])> = match &instruction.op {
            Op::Compute(op) => Some((&op.compute, if op.extend.is_some() { &[] } else { &op.sources })),
            _ => touch.computes.as_ref().map(|computes| (&computes.0, &computes.1[..])),
        };
        let own = match &instruction.op {
            Op::Clock(_) | Op::ActiveMask(_) => Taint::varies(at.pc),
            _ if computes
                .is_some_and(|(compute, _)| matches!(compute.operation, Operation::Approximate(_))) =>
            {
                Taint::approximate(at.pc)
            }
            _ => Taint::NONE,
        };
        let Some(warp) = self.warp(at) else { return };
        let is_clean = |slot: &Slot| warp.registers.is_clean(*slot);
        if own == Taint::NONE
            && warp.entered.is_empty()
            && touch.reads.iter().chain(&touch.writes).chain(&guard).all(is_clean)
        {
            return;
        }
        for lane in lanes(mask) {
            let guarding = guard.map_or(Taint::NONE, |slot| self.register(at, slot, lane));
            let guarding = match guarding.label {
                0 => guarding,
                label => Taint { label: self.labels.ask(label), ..guarding },
            };
            let mut taint = self.with_control(at, guarding, lane);
            if active >> lane & 1 == 1 {
                let of_value = self.computed(at, touch, computes, lane);
                taint = self.labels.union(taint, of_value);
                taint = self.labels.union(taint, own);
            } else if guarding == Taint::NONE {
                continue;
            }
            for slot in &touch.writes {
                let before =
                    if active >> lane & 1 == 1 { Taint::NONE } else { self.register(at, *slot, lane) };
                let all = self.labels.union(before, taint);
                self.set(at, *slot, lane, all);
            }
        }
    }

    /// What a computed value depends on.
    fn computed(
        &mut self,
        at: &At,
        touch: &crate::simt::lower::touch::Touch,
        computes: Option<(&Compute, &[Source])>,
        lane: usize,
    ) -> Taint {
        let mut all = Taint::NONE;
        let mut drawn = Vec::new();
        let control = self.control(at, lane);
        for (position, slot) in touch.reads.iter().enumerate() {
            let mut taint = self.register(at, *slot, lane);
            if taint.label != 0 && control.label != 0 && taint.label != control.label {
                // Where only the last is, the number drawn is the last one.
                taint = self.labels.union(taint, control);
            }
            if taint.label != 0 && !self.labels.is_last_only(taint.label) {
                drawn.push((position, taint.label));
                all = self.labels.union(all, Taint { label: 0, ..taint });
            } else {
                all = self.labels.union(all, taint);
            }
        }
        let Some((position, label)) = drawn.first().copied() else { return all };
        if touch.copies && matches!(at.kernel.code[at.pc as usize].op, Op::Lanes(_) | Op::Copy(..)) {
            return self.labels.union(all, Taint::label(label));
        }
        let one = drawn.len() == 1 && all.label == 0 && touch.writes.len() == 1;
        let source =
            computes.and_then(|(compute, sources)| Some((compute, *sources.get(position)?, sources)));
        let (true, Some((compute, source, sources))) = (one, source) else {
            let pc = self.labels.pc(label);
            return self.labels.union(all, Taint::varies(pc));
        };
        let mut operands = [0; 4];
        for (value, source) in operands.iter_mut().zip(sources) {
            let read = at.registers.get(source.slot, lane) ^ u64::from(source.negated);
            *value = read & (u64::MAX >> (64 - source.bits));
        }
        let operand = Operand { position, bits: source.bits, negated: source.negated };
        let mut label = self.labels.compute(label, at.pc, compute, operands, operand);
        if matches!(touch.writes[..], [Slot::Predicate(_)]) {
            label = self.labels.ask(label);
        }
        self.labels.union(all, Taint::label(label))
    }

    /// What stored values depend on.
    pub(super) fn stored(&mut self, at: &At, slots: impl Iterator<Item = Slot>, lane: usize) -> Taint {
        let mut all = self.control(at, lane);
        for slot in slots {
            let taint = self.register(at, slot, lane);
            all = self.labels.union(all, taint);
        }
        all
    }
}

impl Warp {
    /// What a lane's value depends on.
    fn register(&self, slot: Slot, lane: usize) -> Taint {
        let taint = self.registers.get(slot, lane);
        if taint.is_own() { self.settled(taint, lane) } else { taint }
    }

    /// A taint as it counts for a lane: what is its block's own, only in a region that the last alone enters.
    pub(super) fn settled(&self, taint: Taint, lane: usize) -> Taint {
        let is_last =
            self.entered.iter().any(|entered| entered.taint.label != 0 && entered.lanes >> lane & 1 == 1);
        if is_last { taint } else { Taint { varies: 0, ..taint } }
    }
}
