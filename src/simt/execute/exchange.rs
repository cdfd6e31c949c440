//! Exchanges between the lanes of a warp: they wait until all members came to one of the same sort, and
//! take part with the operands of the instruction at which they are.

use crate::simt::compute::atomic;
use crate::simt::execute::observe::Observer;
use crate::simt::execute::step::{BlockSide, Shared};
use crate::simt::execute::warp::{Fragment, LANES, Registers, Wait, Warp, lanes};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::program::{Exchange, ExchangeKind, Op, ShuffleMode, Slot, VoteMode};

/// An instruction of an exchange, and the lanes that are at it.
type Part<'a> = (&'a Exchange, u32);

impl<O: Observer> Shared<'_, O> {
    /// Lanes come to an exchange.
    pub fn exchange(
        &mut self,
        warp: &mut Warp,
        block: &BlockSide,
        op: &Exchange,
        pc: u32,
        mask: u32,
    ) -> Result<()> {
        let Some(members) = op.members else {
            self.carry_out(warp, block, pc, &[(op, mask)])?;
            warp.put(pc + 1, mask);
            return Ok(());
        };
        for (wanted, here) in self.by_members(warp, block, members, pc, mask)? {
            let awaited = wanted & warp.live;
            if here == awaited {
                self.carry_out(warp, block, pc, &[(op, here)])?;
                warp.put(pc + 1, here);
                continue;
            }
            warp.put_waiting(pc, here, Wait::Exchange(wanted));
            let exchange_at = |fragment: &Fragment| match &self.kernel.code[fragment.pc as usize].op {
                Op::Exchange(exchange) => Some(&**exchange),
                _ => None,
            };
            // PTX ISA, shfl.sync: with the same qualifiers and the same members.
            let comes_along = |fragment: &Fragment| {
                fragment.wait == Wait::Exchange(wanted)
                    && exchange_at(fragment).is_some_and(|other| other.kind.meets(&op.kind))
            };
            let there = warp.fragments.iter().filter(|f| comes_along(f)).fold(0, |mask, f| mask | f.mask);
            if there == awaited {
                let met: Vec<_> = warp.fragments.extract_if(.., |f| comes_along(f)).collect();
                let parts: Vec<_> = met.iter().filter_map(|f| Some((exchange_at(f)?, f.mask))).collect();
                self.carry_out(warp, block, pc, &parts)?;
                for fragment in met {
                    warp.put(fragment.pc + 1, fragment.mask);
                }
            }
        }
        Ok(())
    }

    /// The lanes of `mask` by the members that each names, among which it must be itself.
    pub fn by_members(
        &self,
        warp: &Warp,
        block: &BlockSide,
        members: Slot,
        pc: u32,
        mask: u32,
    ) -> Result<impl Iterator<Item = (u32, u32)> + use<O>> {
        let named: [u32; LANES] = warp.registers.all(members).map(|members| members as u32);
        if let Some(lane) = lanes(mask).find(|lane| named[*lane] >> lane & 1 == 0) {
            let what = format!("a member mask {:#010x} in which the executing lane is missing", named[lane]);
            let fault = Fault::new(FaultKind::Undefined, what);
            return Err(self.blame(fault, pc, block.index, warp.index, lane));
        }
        let mut left = mask;
        Ok(std::iter::from_fn(move || {
            let wanted = named[lanes(left).next()?];
            let here =
                lanes(left).filter(|lane| named[*lane] == wanted).fold(0, |mask, lane| mask | 1 << lane);
            left &= !here;
            Some((wanted, here))
        }))
    }

    /// Carries out an exchange between the lanes of all parts.
    fn carry_out(&mut self, warp: &mut Warp, block: &BlockSide, pc: u32, parts: &[Part]) -> Result<()> {
        if O::ACTIVE {
            let at = self.at(warp, block, pc);
            self.observer.exchange(&at, parts);
        }
        let mask = parts.iter().fold(0, |all, (_, mask)| all | mask);
        let answers = answers(&warp.registers, parts, mask).map_err(|(what, lane)| {
            let fault = Fault::new(FaultKind::Undefined, what);
            self.blame(fault, pc, block.index, warp.index, lane)
        })?;
        for (op, mask) in parts {
            if let Some(to) = op.to {
                warp.registers.set_all(to, &answers.values, *mask);
            }
            if let Some(predicate) = op.predicate {
                let word = &mut warp.registers.predicates[predicate as usize];
                *word = *word & !mask | answers.flags & mask;
            }
        }
        Ok(())
    }
}

/// What lanes get: a value each, and a predicate each.
struct Answers {
    values: [u64; LANES],
    flags: u32,
}

/// What the lanes of `mask` get. What PTX leaves undefined is said with the lane that meets it.
fn answers(
    registers: &Registers,
    parts: &[Part],
    mask: u32,
) -> std::result::Result<Answers, (String, usize)> {
    let mut values = [0u64; LANES];
    let mut flags = 0u32;
    let Some((first, _)) = parts.first() else { return Ok(Answers { values, flags }) };
    match first.kind {
        ExchangeKind::Shuffle { mode, .. } => {
            let of = |operand: usize| {
                gather(registers, parts, |kind| match kind {
                    ExchangeKind::Shuffle { value, b, c, .. } => Some([value, b, c][operand]),
                    _ => None,
                })
            };
            let (sources, b, c) = (of(0), of(1), of(2));
            for lane in lanes(mask) {
                let (source, inside) = shuffle_source(mode, lane as u32, b[lane] as u32, c[lane] as u32);
                if mask >> source & 1 == 0 {
                    let what = format!("a shuffle from lane {source}, which does not take part");
                    return Err((what, lane));
                }
                values[lane] = sources[source as usize];
                flags |= u32::from(inside) << lane;
            }
        }
        ExchangeKind::Vote { mode, .. } => {
            let votes = parts.iter().fold(0, |votes, (op, mask)| match op.kind {
                ExchangeKind::Vote { predicate, negated, .. } => {
                    let flip = if negated { u32::MAX } else { 0 };
                    votes | (registers.predicates[predicate as usize] ^ flip) & mask
                }
                _ => votes,
            });
            let answer = match mode {
                VoteMode::All => u64::from(votes == mask),
                VoteMode::Any => u64::from(votes != 0),
                VoteMode::Uniform => u64::from(votes == mask || votes == 0),
                VoteMode::Ballot => u64::from(votes),
            };
            values = [answer; LANES];
        }
        ExchangeKind::Match { all, .. } => {
            let compared = gather(registers, parts, |kind| match kind {
                ExchangeKind::Match { value, .. } => Some(value),
                _ => None,
            });
            let equals = |lane: usize| {
                lanes(mask).filter(|other| compared[*other] == compared[lane]).fold(0u32, |m, l| m | 1 << l)
            };
            for lane in lanes(mask) {
                let equal = equals(lane);
                values[lane] = u64::from(if !all || equal == mask { equal } else { 0 });
                flags |= u32::from(equal == mask) << lane;
            }
        }
        ExchangeKind::Reduce { op, ty, .. } => {
            let all = gather(registers, parts, |kind| match kind {
                ExchangeKind::Reduce { value, .. } => Some(value),
                _ => None,
            });
            let mut of_members = lanes(mask).map(|lane| all[lane]);
            let first = of_members.next().unwrap_or(0);
            values = [of_members.fold(first, |sum, value| atomic(op, ty, sum, value, 0)); LANES];
        }
        ExchangeKind::Elect => {
            let elected = mask.trailing_zeros();
            values = [u64::from(elected); LANES];
            flags = 1 << elected;
        }
    }
    Ok(Answers { values, flags })
}

/// An operand of every lane, from the instruction at which the lane is.
fn gather(
    registers: &Registers,
    parts: &[Part],
    operand: impl Fn(ExchangeKind) -> Option<Slot>,
) -> [u64; LANES] {
    let mut gathered = [0; LANES];
    for (op, mask) in parts {
        let Some(slot) = operand(op.kind) else { continue };
        let values = registers.all(slot);
        for lane in lanes(*mask) {
            gathered[lane] = values[lane];
        }
    }
    gathered
}

/// The lane that `lane` reads from, and whether it lies within the segment (PTX ISA, shfl.sync); where not,
/// a lane reads its own value.
pub fn shuffle_source(mode: ShuffleMode, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (b, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let highest = lane & segment | clamp & !segment;
    let lowest = lane & segment;
    // In signed numbers, since `up` may point below lane 0.
    let (source, inside) = match mode {
        // The clamp of `up` is the lowest lane.
        ShuffleMode::Up => {
            let source = i64::from(lane) - i64::from(b);
            (source, source >= i64::from(highest))
        }
        ShuffleMode::Down => {
            let source = i64::from(lane) + i64::from(b);
            (source, source <= i64::from(highest))
        }
        ShuffleMode::Butterfly => {
            let source = i64::from(lane ^ b);
            (source, source <= i64::from(highest))
        }
        ShuffleMode::Index => {
            let source = i64::from(lowest | b & !segment);
            (source, source <= i64::from(highest))
        }
    };
    if inside { (source as u32, true) } else { (lane, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_clamp_at_their_segments_as_cuda_does() {
        // __shfl_up_sync(…, 1, 8): c = (32 - 8) << 8.
        let up = |lane| shuffle_source(ShuffleMode::Up, lane, 1, 24 << 8);
        assert_eq!([up(7), up(8), up(9)], [(6, true), (8, false), (8, true)]);
        // __shfl_down_sync(…, 1, 8): c = ((32 - 8) << 8) | 31.
        let down = |lane| shuffle_source(ShuffleMode::Down, lane, 1, 24 << 8 | 31);
        assert_eq!([down(6), down(7), down(31)], [(7, true), (7, false), (31, false)]);
        let index = |lane, b| shuffle_source(ShuffleMode::Index, lane, b, 24 << 8 | 31);
        assert_eq!([index(9, 2), index(9, 10)], [(10, true), (10, true)]);
        assert_eq!(shuffle_source(ShuffleMode::Butterfly, 5, 16, 31), (21, true));
        assert_eq!(shuffle_source(ShuffleMode::Down, 31, 1, 31), (31, false));
    }
}
