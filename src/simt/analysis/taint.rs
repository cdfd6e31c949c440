//! What values depend on beside the input: on the schedule, on hardware's approximations, or on who came last at a
//! ticket. A ticket's value is no chance as long as all that is asked of it is whether it is the last: then a thread's
//! behaviour is one of two, and [`Labels`] keeps the question so that it can be judged once all have arrived.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::simt::compute::Compute;
use crate::simt::execute::LANES;
use crate::simt::program::{Kernel, Slot};

/// What a value depends on. Numbers of instructions count from 1; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taint {
    /// The instruction that made it depend on the schedule.
    pub varies: u32,
    /// The instruction that approximates.
    pub approximate: u32,
    /// An arrival at a ticket, in the list of [`Labels`].
    pub label: u32,
}

/// In [`Taint::varies`]: it does not vary with the schedule, but differs between the blocks that may come last.
pub const OWN: u32 = 1 << 31;

impl Taint {
    /// On nothing.
    pub const NONE: Self = Self { varies: 0, approximate: 0, label: 0 };

    /// On the schedule, by the instruction at `pc`.
    pub fn varies(pc: u32) -> Self {
        Self { varies: pc + 1, ..Self::NONE }
    }

    /// Whether it only differs between the blocks that may come last.
    pub fn is_own(self) -> bool {
        self.varies & OWN != 0
    }

    /// On an approximation, of the instruction at `pc`.
    pub fn approximate(pc: u32) -> Self {
        Self { approximate: pc + 1, ..Self::NONE }
    }

    /// On an arrival.
    pub fn label(label: u32) -> Self {
        Self { label, ..Self::NONE }
    }
}

/// What the registers of a warp depend on; `None` where nothing.
#[derive(Debug, Clone, Default)]
pub struct Registers {
    slots: Vec<Option<Box<[Taint; LANES]>>>,
    narrow: usize,
    wide: usize,
    /// Whether any register depends on anything.
    pub any: bool,
}

impl Registers {
    /// Those of a kernel, at a warp's start.
    pub fn new(kernel: &Kernel) -> Self {
        let (narrow, wide) = (kernel.registers.narrow as usize, kernel.registers.wide as usize);
        let slots = vec![None; narrow + wide + kernel.registers.predicates as usize];
        Self { slots, narrow, wide, any: false }
    }

    fn index(&self, slot: Slot) -> usize {
        match slot {
            Slot::Narrow(index) => index as usize,
            Slot::Wide(index) => self.narrow + index as usize,
            Slot::Predicate(index) => self.narrow + self.wide + index as usize,
        }
    }

    /// Whether no lane's value depends on anything.
    pub fn is_clean(&self, slot: Slot) -> bool {
        self.slots[self.index(slot)].is_none()
    }

    /// What a lane's value depends on.
    pub fn get(&self, slot: Slot, lane: usize) -> Taint {
        self.slots[self.index(slot)].as_ref().map_or(Taint::NONE, |lanes| lanes[lane])
    }

    /// Says what a lane's value depends on.
    pub fn set(&mut self, slot: Slot, lane: usize, taint: Taint) {
        let index = self.index(slot);
        match &mut self.slots[index] {
            Some(lanes) => {
                lanes[lane] = taint;
                if taint == Taint::NONE && **lanes == [Taint::NONE; LANES] {
                    self.slots[index] = None;
                }
            }
            None if taint == Taint::NONE => {}
            None => {
                let mut lanes = Box::new([Taint::NONE; LANES]);
                lanes[lane] = taint;
                self.slots[index] = Some(lanes);
                self.any = true;
            }
        }
    }
}

/// An operand of a computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Its place.
    pub position: usize,
    /// The bits that count.
    pub bits: u32,
    /// Whether it is negated first.
    pub negated: bool,
}

/// What is known of a value that depends on an arrival.
#[derive(Debug, Clone)]
enum Label {
    /// It is what the atomic operation returned.
    Arrival { counter: usize, arrival: usize },
    /// It was computed of that, and of nothing else that depends on anything.
    Computed { of: u32, compute: Arc<Compute>, operands: [u64; 4], operand: Operand },
    /// It only depends on whether the arrival is the last.
    Last { counter: usize, arrival: usize },
}

/// A place at which threads draw tickets.
#[derive(Debug, Clone)]
pub struct Counter {
    /// Where it lies.
    pub address: u64,
    /// The first instruction that drew one.
    pub pc: u32,
    /// What lay there at each arrival, in their order.
    pub values: Vec<u64>,
    /// Block and thread of each.
    pub who: Vec<(u32, u32)>,
    /// Whether all drew with the same operation on the same operand, and with nothing else.
    pub is_uniform: bool,
    drawn_by: (u16, u64),
}

/// A thread draws a ticket.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// Where.
    pub address: u64,
    /// By which instruction.
    pub pc: u32,
    /// By which class of operations.
    pub class: u16,
    /// With which operand.
    pub operand: u64,
    /// What lay there before.
    pub old: u64,
    /// The block's number.
    pub block: u32,
    /// The thread's number.
    pub thread: u32,
}

/// All arrivals of a launch, and what was asked of them.
#[derive(Debug, Clone)]
pub struct Labels {
    labels: Vec<Label>,
    lasts: FxHashMap<(usize, usize), u32>,
    computed: FxHashMap<(u32, u32, [u64; 4]), u32>,
    /// Counters in the order in which they were met.
    pub counters: Vec<Counter>,
    places: FxHashMap<u64, usize>,
    /// Values of which it must hold that they are the same for all arrivals but the last.
    asked: FxHashSet<u32>,
    /// Arrivals whose number is used where only the last should be.
    must_be_last: FxHashSet<(usize, usize)>,
    /// Counters of which anything was asked.
    pub used: FxHashSet<usize>,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            // The first is none.
            labels: vec![Label::Last { counter: usize::MAX, arrival: 0 }],
            lasts: FxHashMap::default(),
            computed: FxHashMap::default(),
            counters: Vec::new(),
            places: FxHashMap::default(),
            asked: FxHashSet::default(),
            must_be_last: FxHashSet::default(),
            used: FxHashSet::default(),
        }
    }
}

impl Labels {
    /// A thread draws a ticket; the label of what it gets.
    pub fn arrive(&mut self, draw: &Draw) -> u32 {
        let Draw { address, pc, class, operand, old, block, thread } = *draw;
        let next = self.counters.len();
        let counter = *self.places.entry(address).or_insert(next);
        if counter == next {
            let fresh = Counter {
                address,
                pc,
                values: Vec::new(),
                who: Vec::new(),
                is_uniform: true,
                drawn_by: (class, operand),
            };
            self.counters.push(fresh);
        }
        let state = &mut self.counters[counter];
        state.is_uniform &= state.drawn_by == (class, operand);
        state.values.push(old);
        state.who.push((block, thread));
        let arrival = state.values.len() - 1;
        self.add(Label::Arrival { counter, arrival })
    }

    /// Something else than drawing is done to what lies there.
    pub fn spoil(&mut self, address: u64) {
        if let Some(counter) = self.places.get(&address) {
            self.counters[*counter].is_uniform = false;
        }
    }

    fn add(&mut self, label: Label) -> u32 {
        self.labels.push(label);
        self.labels.len() as u32 - 1
    }

    fn arrival(&self, label: u32) -> (usize, usize) {
        match &self.labels[label as usize] {
            Label::Arrival { counter, arrival } | Label::Last { counter, arrival } => (*counter, *arrival),
            Label::Computed { of, .. } => self.arrival(*of),
        }
    }

    /// Whether a value only depends on whether the arrival is the last.
    pub fn is_last_only(&self, label: u32) -> bool {
        matches!(self.labels[label as usize], Label::Last { .. })
    }

    /// Whether a label is of more than whether its arrival is the last, and of the same arrival as another.
    pub fn is_drawn_with(&self, label: u32, other: u32) -> bool {
        label != 0 && !self.is_last_only(label) && self.arrival(label) == self.arrival(other)
    }

    /// The label of what only depends on whether the arrival of `label` is the last.
    pub fn last_of(&mut self, label: u32) -> u32 {
        let (counter, arrival) = self.arrival(label);
        if let Some(known) = self.lasts.get(&(counter, arrival)) {
            return *known;
        }
        let last = self.add(Label::Last { counter, arrival });
        self.lasts.insert((counter, arrival), last);
        last
    }

    /// The same of a truth value that was computed of an arrival: that it is no more than that is to be judged later.
    pub fn ask(&mut self, label: u32) -> u32 {
        self.used.insert(self.arrival(label).0);
        if !self.is_last_only(label) {
            self.asked.insert(label);
        }
        self.last_of(label)
    }

    /// The label of what an instruction at `pc` computes of a value with a label.
    pub fn compute(
        &mut self,
        of: u32,
        pc: u32,
        compute: &Compute,
        operands: [u64; 4],
        operand: Operand,
    ) -> u32 {
        let mut others = operands;
        others[operand.position] = 0;
        if let Some(known) = self.computed.get(&(of, pc, others)) {
            return *known;
        }
        let compute = Arc::new(compute.clone());
        let label = self.add(Label::Computed { of, compute, operands: others, operand });
        self.computed.insert((of, pc, others), label);
        label
    }

    /// What depends on both.
    pub fn union(&mut self, a: Taint, b: Taint) -> Taint {
        let mut both = Taint {
            // What varies with the schedule counts before what is a block's own.
            varies: if a.varies != 0 && (b.varies == 0 || !a.is_own()) { a.varies } else { b.varies },
            approximate: if a.approximate != 0 { a.approximate } else { b.approximate },
            label: if a.label != 0 { a.label } else { b.label },
        };
        if a.label != 0 && b.label != 0 && a.label != b.label {
            if self.arrival(a.label) == self.arrival(b.label) {
                // Of the last, everything that was drawn is known; that it is the last is judged later.
                if !(self.is_last_only(a.label) && self.is_last_only(b.label)) {
                    self.must_be_last.insert(self.arrival(a.label));
                }
                both.label = self.last_of(a.label);
            } else {
                let counter = self.arrival(a.label).0;
                both = Taint { varies: self.counters[counter].pc + 1, label: 0, ..both };
            }
        }
        both
    }

    /// What is done is right only if the arrival of a label is the last.
    pub fn rely(&mut self, label: u32) {
        self.used.insert(self.arrival(label).0);
        self.must_be_last.insert(self.arrival(label));
    }

    /// The instruction that drew what a label is of.
    pub fn pc(&self, label: u32) -> u32 {
        self.counters.get(self.arrival(label).0).map_or(0, |counter| counter.pc)
    }

    /// The address of the counter that a label is of, and the instruction that drew.
    pub fn counter(&self, label: u32) -> (u64, u32) {
        self.counters.get(self.arrival(label).0).map_or((0, 0), |counter| (counter.address, counter.pc))
    }

    /// Counters that are used and that a block draws from, by their addresses.
    pub fn counters_of(&self, block: u32) -> Vec<u64> {
        let used = self.used.iter().filter_map(|number| self.counters.get(*number));
        used.filter(|counter| counter.who.iter().any(|(of, _)| *of == block))
            .map(|counter| counter.address)
            .collect()
    }

    fn value(&self, label: u32, drawn: u64) -> u64 {
        match &self.labels[label as usize] {
            Label::Arrival { .. } | Label::Last { .. } => drawn,
            Label::Computed { of, compute, operands, operand } => {
                let inner = self.value(*of, drawn) ^ u64::from(operand.negated);
                let mut operands = *operands;
                operands[operand.position] = inner & (u64::MAX >> (64 - operand.bits));
                compute.evaluate(operands).value
            }
        }
    }

    /// Counters that are used for more than to find the last arrival, with the reason, once all is over.
    pub fn judge(&self) -> Vec<(u32, String)> {
        let mut wrong = Vec::new();
        for counter in self.used.iter().filter_map(|number| self.counters.get(*number)) {
            let mut threads: FxHashMap<u32, u32> = FxHashMap::default();
            let one_each =
                counter.who.iter().all(|(block, who)| *threads.entry(*block).or_insert(*who) == *who);
            if !counter.is_uniform || !one_each {
                let why = if one_each {
                    "what it counts with is not all the same operation on the same operand"
                } else {
                    "several threads of one block draw from one counter, so its last is not a block's"
                };
                wrong.push((counter.pc, format!("no ticket that is recognised: {why}")));
            }
        }
        for (counter, arrival) in &self.must_be_last {
            let Some(counter) = self.counters.get(*counter) else { continue };
            if arrival + 1 != counter.values.len() {
                let what = "the number drawn is used by a thread that is not the last".to_owned();
                wrong.push((counter.pc, what));
            }
        }
        for label in &self.asked {
            let counter = &self.counters[self.arrival(*label).0];
            let (_, early) = counter.values.split_last().unwrap_or((&0, &[]));
            let mut answers = early.iter().map(|drawn| self.value(*label, *drawn));
            let first = answers.next();
            if answers.any(|answer| Some(answer) != first) {
                let arrivals = counter.values.len();
                let what = format!(
                    "more is asked of the number drawn than whether it is the last: {arrivals} arrivals, and the threshold \
                     parts those before the last"
                );
                wrong.push((counter.pc, what));
            }
        }
        wrong.sort();
        wrong.dedup();
        wrong
    }

    /// Blocks that draw from a counter that is used.
    pub fn participants(&self) -> Vec<u32> {
        let used = self.used.iter().filter_map(|number| self.counters.get(*number));
        let mut blocks: Vec<u32> =
            used.flat_map(|counter| counter.who.iter().map(|(block, _)| *block)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }
}
