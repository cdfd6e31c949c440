//! Instructions of a whole warp or block: barriers and exchanges.

use crate::simt::compute::AtomicOp;
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::lower::Lowering;
use crate::simt::lower::memory::atomic_op;
use crate::simt::lower::names::Scope;
use crate::simt::lower::value::Fit;
use crate::simt::program::{
    Barrier, BarrierAction, BarrierReduction, Exchange, ExchangeKind, Guard, Op, ShuffleMode, Slot, VoteMode,
};
use crate::simt::ptx::ast::{Instruction, Operand, Type};

impl<'a> Lowering<'a> {
    /// A barrier or an exchange.
    pub fn warp_wide(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let words: Vec<_> = i.modifiers.iter().map(String::as_str).collect();
        match (i.opcode.as_str(), &words[..], &i.operands[..]) {
            ("bar", ["warp", "sync"], [members]) => {
                let members = self.word(scope, members)?;
                self.push(guard, Op::WarpBarrier(members))
            }
            ("bar" | "barrier", _, _) => self.barrier(guard, i, &words, scope),
            ("activemask", ["b32"], [to]) => match self.target(scope, to, Type::B32, Fit::Same)? {
                Some(register) => {
                    let Slot::Narrow(to) = register.slot else { return Ok(()) };
                    self.push(guard, Op::ActiveMask(to))
                }
                None => Ok(()),
            },
            _ => self.exchange(guard, i, &words, scope),
        }
    }

    fn word(&mut self, scope: &mut Scope<'a>, operand: &'a Operand) -> Result<Slot> {
        Ok(self.source(scope, operand, Type::B32, Fit::Same)?.slot)
    }

    fn predicate(&mut self, scope: &mut Scope<'a>, operand: &'a Operand) -> Result<(u32, bool)> {
        let source = self.source(scope, operand, Type::Pred, Fit::Same)?;
        match source.slot {
            Slot::Predicate(index) => Ok((index, source.negated)),
            _ => Err(self.refuse("a predicate is expected")),
        }
    }

    fn barrier(
        &mut self,
        guard: Guard,
        i: &'a Instruction,
        words: &[&str],
        scope: &mut Scope<'a>,
    ) -> Result<()> {
        let full = i.full_name();
        let words = words.strip_prefix(&["cta"]).unwrap_or(words);
        let (action, words) = words.split_first().unwrap_or((&"", &[]));
        let says_aligned = words.contains(&"aligned");
        let aligned = i.opcode == "bar" || says_aligned;
        let words: Vec<_> = words.iter().copied().filter(|word| *word != "aligned").collect();
        let operands = &i.operands[..];
        let (number, threads, action) = match (*action, &words[..], operands) {
            ("sync", [], [number]) => (number, None, BarrierAction::Sync),
            ("sync", [], [number, threads]) => (number, Some(threads), BarrierAction::Sync),
            ("arrive", [], [number, threads]) => (number, Some(threads), BarrierAction::Arrive),
            ("red", [name, ty], [to, number, middle @ .., last]) if middle.len() <= 1 => {
                let (reduction, result) = match (*name, *ty) {
                    ("popc", "u32") => (BarrierReduction::Popc, Type::U32),
                    ("and", "pred") => (BarrierReduction::And, Type::Pred),
                    ("or", "pred") => (BarrierReduction::Or, Type::Pred),
                    _ => return Err(self.refuse(format!("{full}: this reduction is not executed"))),
                };
                let Some(to) = self.target(scope, to, result, Fit::Same)? else {
                    return Err(self.refuse(format!("{full}: a result to nowhere")));
                };
                let (predicate, negated) = self.predicate(scope, last)?;
                let action = BarrierAction::Reduce { predicate, negated, reduction, to: to.slot };
                (number, middle.first(), action)
            }
            _ => return Err(self.refuse(format!("{full}: this barrier is not executed"))),
        };
        let number = self.word(scope, number)?;
        let threads = threads.map(|threads| self.word(scope, threads)).transpose()?;
        self.push(guard, Op::Barrier(Box::new(Barrier { number, threads, action, aligned })))
    }

    fn exchange(
        &mut self,
        guard: Guard,
        i: &'a Instruction,
        words: &[&str],
        scope: &mut Scope<'a>,
    ) -> Result<()> {
        let place = self.place.clone();
        let unknown = || {
            let what = format!("{}: this exchange is not executed", i.full_name());
            Fault::new(FaultKind::Unsupported, what).at(&place)
        };
        let (kind, result, members) = match (i.opcode.as_str(), words, &i.operands[..]) {
            ("shfl", ["sync", mode, "b32"], [_, value, b, c, members]) => {
                let mode = match *mode {
                    "up" => ShuffleMode::Up,
                    "down" => ShuffleMode::Down,
                    "bfly" => ShuffleMode::Butterfly,
                    "idx" => ShuffleMode::Index,
                    _ => return Err(unknown()),
                };
                let value = self.word(scope, value)?;
                let (b, c) = (self.word(scope, b)?, self.word(scope, c)?);
                (ExchangeKind::Shuffle { mode, value, b, c }, Type::B32, members)
            }
            ("vote", ["sync", mode, ty], [_, vote, members]) => {
                let (mode, result) = match (*mode, *ty) {
                    ("all", "pred") => (VoteMode::All, Type::Pred),
                    ("any", "pred") => (VoteMode::Any, Type::Pred),
                    ("uni", "pred") => (VoteMode::Uniform, Type::Pred),
                    ("ballot", "b32") => (VoteMode::Ballot, Type::B32),
                    _ => return Err(unknown()),
                };
                let (predicate, negated) = self.predicate(scope, vote)?;
                (ExchangeKind::Vote { mode, predicate, negated }, result, members)
            }
            ("match", [mode @ ("any" | "all"), "sync", ty @ ("b32" | "b64")], [_, value, members]) => {
                let ty = if *ty == "b32" { Type::B32 } else { Type::B64 };
                let value = self.source(scope, value, ty, Fit::Same)?.slot;
                (ExchangeKind::Match { all: *mode == "all", value }, Type::B32, members)
            }
            ("redux", ["sync", name, ty], [_, value, members]) => {
                let ty = Type::parse(ty).filter(|ty| matches!(ty, Type::U32 | Type::S32 | Type::B32));
                let op = atomic_op(name);
                let (Some(op), Some(ty)) = (op, ty) else { return Err(unknown()) };
                let takes = match op {
                    AtomicOp::Add { .. } | AtomicOp::Min | AtomicOp::Max => ty != Type::B32,
                    AtomicOp::And | AtomicOp::Or | AtomicOp::Xor => ty == Type::B32,
                    _ => false,
                };
                if !takes {
                    return Err(unknown());
                }
                let value = self.word(scope, value)?;
                (ExchangeKind::Reduce { op, ty, value }, Type::B32, members)
            }
            ("elect", ["sync"], [_, members]) => (ExchangeKind::Elect, Type::B32, members),
            _ => return Err(unknown()),
        };
        let pairs = matches!(kind, ExchangeKind::Shuffle { .. } | ExchangeKind::Elect)
            || matches!(kind, ExchangeKind::Match { all: true, .. });
        let (to, predicate) = match &i.operands[0] {
            Operand::Pair(to, predicate) if pairs => (&**to, Some(&**predicate)),
            to => (to, None),
        };
        let to = self.target(scope, to, result, Fit::Same)?.map(|register| register.slot);
        let mut flag = None;
        if let Some(operand) = predicate
            && let Some(register) = self.target(scope, operand, Type::Pred, Fit::Same)?
            && let Slot::Predicate(index) = register.slot
        {
            flag = Some(index);
        }
        let members = Some(self.word(scope, members)?);
        self.push(guard, Op::Exchange(Box::new(Exchange { kind, members, to, predicate: flag })))
    }
}
