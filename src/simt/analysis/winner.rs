//! What the last at a ticket has of its own. Whoever comes last, the same must follow: so each block is tried as the
//! last, and what its threads hold when they learn that they are is compared. What differs between blocks must not
//! reach an output, an address or a branch from there on, even if no bit changes on this input.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::simt::analysis::Analysis;
use crate::simt::analysis::taint::{OWN, Taint};
use crate::simt::execute::Registers;
use crate::simt::execute::observe::At;
use crate::simt::program::{Kernel, Slot};

/// Where a thread learns that it is the last: the counter's address, the thread in its block, the branch, and the how
/// many-th time.
type Place = (u64, u32, u32, u32);

/// What the threads of one block held, and its shared memory, by the counter's address: cells with their values, where
/// these are known.
#[derive(Debug, Clone, Default)]
pub struct Held {
    registers: HashMap<Place, Vec<u64>>,
    shared: HashMap<u64, BTreeMap<u64, Option<u32>>>,
    /// Counters that the block drew from.
    counters: Vec<u64>,
}

/// What differs between blocks that can be the last.
#[derive(Debug, Clone, Default)]
pub struct Differing {
    registers: HashMap<Place, Vec<bool>>,
    shared: HashMap<u64, HashSet<u64>>,
}

impl Differing {
    /// Of all blocks, each tried as the last.
    pub fn of(all: &[&Held]) -> Self {
        let mut participants: HashMap<u64, usize> = HashMap::new();
        all.iter()
            .flat_map(|held| &held.counters)
            .for_each(|counter| *participants.entry(*counter).or_default() += 1);
        let mut seen: HashMap<Place, (Vec<u64>, Vec<bool>, usize)> = HashMap::new();
        let mut shared: HashMap<u64, HashSet<u64>> = HashMap::new();
        let mut first: HashMap<u64, &BTreeMap<u64, Option<u32>>> = HashMap::new();
        for held in all {
            for (place, values) in &held.registers {
                let known =
                    seen.entry(*place).or_insert_with(|| (values.clone(), vec![false; values.len()], 0));
                known.2 += 1;
                let pairs = known.0.iter().zip(values);
                known.1.iter_mut().zip(pairs).for_each(|(differs, (a, b))| *differs |= a != b);
            }
            for (counter, cells) in &held.shared {
                let known = *first.entry(*counter).or_insert(cells);
                let differing = shared.entry(*counter).or_default();
                let at = known.keys().chain(cells.keys());
                differing.extend(at.filter(|at| {
                    let values = (known.get(at).copied().flatten(), cells.get(at).copied().flatten());
                    values.0.is_none() || values.0 != values.1
                }));
            }
        }
        let settle = |(place, (_, differs, count)): (Place, (Vec<u64>, Vec<bool>, usize))| {
            // A thread that some blocks' like never comes there shares nothing with it.
            let all_come = participants.get(&place.0) == Some(&count);
            (place, if all_come { differs } else { vec![true; differs.len()] })
        };
        Self { registers: seen.into_iter().map(settle).collect(), shared }
    }
}

impl Analysis<'_> {
    /// A lane of the block that is tried as the last learns of it, at a branch.
    pub fn win(&mut self, at: &At, lane: usize, label: u32) {
        let block = self.block_number(at.block);
        if self.last != Some(block) {
            return;
        }
        let (address, pc) = self.labels.counter(label);
        let thread = at.warp * 32 + lane as u32;
        let visits = self.visits.entry((address, thread, at.pc)).or_default();
        let place = (address, thread, at.pc, *visits);
        *visits += 1;
        self.held.registers.insert(place, values(at.registers, lane));
        let is_first = !self.held.shared.contains_key(&address);
        let own = Taint { varies: (pc + 1) | OWN, ..Taint::NONE };
        let Some(state) = self.blocks.get_mut(&block) else { return };
        if is_first {
            let mut cells = BTreeMap::new();
            let differing = self.differing.and_then(|differing| differing.shared.get(&address));
            state.shared.each(|at, cell| {
                cells.insert(at, cell.is_known.then_some(cell.value));
                if cell.taint.is_own() {
                    cell.taint.varies = 0;
                }
                if differing.is_some_and(|differing| differing.contains(&at)) && cell.taint.varies == 0 {
                    cell.taint.varies = own.varies;
                }
            });
            self.held.shared.insert(address, cells);
        }
        let Some(differing) = self.differing else { return };
        let warp = &mut state.warps[at.warp as usize];
        warp.local.each(|at, cell| {
            if at >> 40 == lane as u64 && cell.taint.varies == 0 {
                cell.taint.varies = own.varies;
            }
        });
        let differs = differing.registers.get(&place);
        for (index, slot) in slots(self.kernel).enumerate() {
            let mut taint = warp.registers.get(slot, lane);
            if taint.is_own() {
                taint.varies = 0;
            }
            if differs.is_none_or(|differs| differs[index]) && taint.varies == 0 {
                taint.varies = own.varies;
            }
            warp.registers.set(slot, lane, taint);
        }
    }

    /// What was held, for [`Differing::of`].
    pub fn take_held(&mut self) -> Held {
        let mut held = std::mem::take(&mut self.held);
        held.counters = self.last.map_or_else(Vec::new, |block| self.labels.counters_of(block));
        held
    }
}

fn slots(kernel: &Kernel) -> impl Iterator<Item = Slot> {
    let file = &kernel.registers;
    let narrow = (0..file.narrow).map(Slot::Narrow);
    narrow.chain((0..file.wide).map(Slot::Wide)).chain((0..file.predicates).map(Slot::Predicate))
}

/// A lane's registers, in the order of [`slots`].
fn values(registers: &Registers, lane: usize) -> Vec<u64> {
    let narrow = registers.narrow.iter().map(|lanes| u64::from(lanes[lane]));
    let wide = registers.wide.iter().map(|lanes| lanes[lane]);
    narrow.chain(wide).chain(registers.predicates.iter().map(|mask| u64::from(mask >> lane & 1))).collect()
}
