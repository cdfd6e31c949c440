//! Exchanges between the lanes of a warp: they wait until all members came to the same instruction.

use crate::simt::compute::atomic;
use crate::simt::execute::step::{BlockSide, Shared};
use crate::simt::execute::warp::{LANES, Registers, Wait, Warp, lanes};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::program::{Exchange, ExchangeKind, ShuffleMode, VoteMode};

impl Shared<'_> {
    /// Lanes come to an exchange.
    pub fn exchange(
        &mut self,
        warp: &mut Warp,
        block: &BlockSide,
        op: &Exchange,
        pc: u32,
        mask: u32,
    ) -> Result<()> {
        let mut left = mask | warp.take(|fragment| fragment.wait == Wait::Members && fragment.pc == pc);
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let blame = |what: String, lane: usize| {
                let fault = Fault::new(FaultKind::Undefined, what);
                self.blame(fault, pc, block.index, warp.index, lane)
            };
            let Some(members) = op.members else {
                carry_out(&mut warp.registers, op, left).map_err(|(what, lane)| blame(what, lane))?;
                warp.put(pc + 1, left);
                break;
            };
            let wanted = warp.registers.get(members, first) as u32;
            let here = lanes(left)
                .filter(|lane| warp.registers.get(members, *lane) as u32 == wanted)
                .fold(0, |mask, lane| mask | 1 << lane);
            left &= !here;
            if here & !wanted != 0 {
                let lane = (here & !wanted).trailing_zeros() as usize;
                let what = format!("a member mask {wanted:#010x} in which the executing lane is missing");
                return Err(blame(what, lane));
            }
            if here == wanted & warp.live {
                carry_out(&mut warp.registers, op, here).map_err(|(what, lane)| blame(what, lane))?;
                warp.put(pc + 1, here);
            } else {
                warp.put_waiting(pc, here, Wait::Members);
            }
        }
        Ok(())
    }
}

/// Carries out an exchange between the lanes of `mask`. What PTX leaves undefined is said with the lane that
/// meets it.
fn carry_out(
    registers: &mut Registers,
    op: &Exchange,
    mask: u32,
) -> std::result::Result<(), (String, usize)> {
    let mut values = [0u64; LANES];
    let mut flags = 0u32;
    match op.kind {
        ExchangeKind::Shuffle { mode, value, b, c } => {
            let (sources, b, c) = (registers.all(value), registers.all(b), registers.all(c));
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
        ExchangeKind::Vote { mode, predicate, negated } => {
            let flip = if negated { u32::MAX } else { 0 };
            let votes = (registers.predicates[predicate as usize] ^ flip) & mask;
            let answer = match mode {
                VoteMode::All => u64::from(votes == mask),
                VoteMode::Any => u64::from(votes != 0),
                VoteMode::Uniform => u64::from(votes == mask || votes == 0),
                VoteMode::Ballot => u64::from(votes),
            };
            values = [answer; LANES];
        }
        ExchangeKind::Match { all, value } => {
            let compared = registers.all(value);
            let equals = |lane: usize| {
                lanes(mask).filter(|other| compared[*other] == compared[lane]).fold(0u32, |m, l| m | 1 << l)
            };
            for lane in lanes(mask) {
                let equal = equals(lane);
                values[lane] = u64::from(if !all || equal == mask { equal } else { 0 });
                flags |= u32::from(equal == mask) << lane;
            }
        }
        ExchangeKind::Reduce { op, ty, value } => {
            let all = registers.all(value);
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
    if let Some(to) = op.to {
        registers.set_all(to, &values, mask);
    }
    if let Some(predicate) = op.predicate {
        let word = &mut registers.predicates[predicate as usize];
        *word = *word & !mask | flags & mask;
    }
    Ok(())
}

/// The lane that `lane` reads from, and whether it lies within the segment (PTX ISA, shfl.sync); where not,
/// a lane reads its own value.
fn shuffle_source(mode: ShuffleMode, lane: u32, b: u32, c: u32) -> (u32, bool) {
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
