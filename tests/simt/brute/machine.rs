//! Threads of the tiny language, each on its own, in some interleaving: a state, and the states that may follow.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use super::language::{
    Arithmetic, BEFORE, By, Change, Compare, DATA, Kernel, Op, Operand, Place, REGISTERS, SHARED, Scope,
    Space, Statement, Strength, Width, flat,
};
use super::order::{Access, Clock, Meeting, Standing, Word, meet, meeting};

/// Where a thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Status {
    Runs,
    AtBarrier,
    AtWarpBarrier,
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Thread {
    at: usize,
    status: Status,
    registers: [Option<u32>; REGISTERS],
    standing: Standing,
}

/// Everything that what may still happen depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    threads: Vec<Thread>,
    memory: Vec<u8>,
    /// Which bytes of it something was written to.
    written: u128,
    /// What strong writes left, by the word.
    words: BTreeMap<u8, Word>,
    /// What happened and may still race, by thread and time.
    history: Vec<Access>,
    /// Whether there was a race with the last that a thread did at some place: what it did there before it wrote again
    /// need not be remembered by who looks for races in one interleaving.
    pub raced: bool,
}

impl Hash for State {
    /// Of what differs most; whether two are the same is asked of all.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.memory.hash(state);
        for thread in &self.threads {
            (thread.at, thread.registers, thread.standing.clock.times).hash(state);
            thread.standing.hash_rest(state);
        }
        for access in &self.history {
            state.write_u64(
                u64::from(access.value) << 16 | u64::from(access.step) << 8 | u64::from(access.thread),
            );
        }
        state.write_usize(self.words.len() * 2 + usize::from(self.raced));
    }
}

/// How an interleaving ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The bytes of both buffers; `None` where nothing was ever written.
    Ended(Vec<Option<u8>>),
    /// Something that nobody wrote is read, by this step.
    Uninitialised(usize),
    /// Threads wait for each other.
    Deadlock,
}

/// Two steps that meet without an order, and how.
pub type Met = (usize, usize, Meeting);

/// A kernel, ready.
pub struct Machine {
    ops: Vec<Op>,
    blocks: usize,
    lanes: usize,
    outputs: usize,
}

impl Machine {
    pub fn new(kernel: &Kernel) -> Self {
        let (blocks, lanes) = (usize::from(kernel.blocks), usize::from(kernel.lanes));
        Self { ops: flat(&kernel.body), blocks, lanes, outputs: (DATA + usize::from(kernel.fresh)) * 4 }
    }

    /// The state in which nothing happened.
    pub fn start(&self) -> State {
        let thread = Thread {
            at: 0,
            status: Status::Runs,
            registers: [None; REGISTERS],
            standing: Standing::default(),
        };
        let mut memory: Vec<u8> = BEFORE.iter().flat_map(|word| word.to_le_bytes()).collect();
        let written = (1 << memory.len()) - 1;
        memory.resize(self.outputs + self.blocks * SHARED * 4, 0);
        let mut state = State {
            threads: vec![thread; self.blocks * self.lanes],
            memory,
            written,
            words: BTreeMap::new(),
            history: Vec::new(),
            raced: false,
        };
        self.settle(&mut state);
        state
    }

    /// Every thread goes on to where others can notice it: what lies before commutes with all that they do.
    fn settle(&self, state: &mut State) {
        loop {
            for number in 0..state.threads.len() {
                while state.threads[number].status == Status::Runs && self.goes_on(state, number) {}
            }
            let mut woken = false;
            for block in 0..self.blocks {
                let all = block * self.lanes..(block + 1) * self.lanes;
                woken |= wake(&mut state.threads[all.clone()], Status::AtBarrier);
                woken |= wake(&mut state.threads[all], Status::AtWarpBarrier);
            }
            if !woken {
                break;
            }
        }
        let State { threads, history, .. } = state;
        // Nobody can race any more with what all others come after.
        history.retain(|access| {
            threads.iter().enumerate().any(|(number, thread)| {
                number != usize::from(access.thread)
                    && thread.status != Status::Ended
                    && thread.standing.clock.times[usize::from(access.thread)] < access.time
            })
        });
    }

    /// Does a step that nobody else notices, if the next is one.
    fn goes_on(&self, state: &mut State, number: usize) -> bool {
        let value = |state: &State, operand| self.value(state, number, operand);
        let at = state.threads[number].at;
        let mut next = at + 1;
        match self.ops.get(at) {
            None | Some(Op::Do(Statement::Return)) => {
                let thread = &mut state.threads[number];
                (thread.status, thread.registers, next) = (Status::Ended, [None; REGISTERS], self.ops.len());
            }
            Some(Op::Jump(to)) => next = *to,
            Some(Op::Unless(compare, a, b, to)) => {
                let (Some(a), Some(b)) = (value(state, *a), value(state, *b)) else { return false };
                let holds = match compare {
                    Compare::Equal => a == b,
                    Compare::NotEqual => a != b,
                    Compare::Less => a < b,
                };
                if !holds {
                    next = *to;
                }
            }
            Some(Op::Do(Statement::Set { to, from })) => {
                // What holds nothing may be copied, but for nothing else be read.
                state.threads[number].registers[usize::from(*to)] = value(state, *from);
            }
            Some(Op::Do(Statement::Compute { arithmetic, to, a, b })) => {
                let (Some(a), Some(b)) = (value(state, *a), value(state, *b)) else { return false };
                let result = match arithmetic {
                    Arithmetic::Add => a.wrapping_add(b),
                    Arithmetic::Multiply => a.wrapping_mul(b),
                    Arithmetic::Xor => a ^ b,
                    Arithmetic::AddFloat => add_float(a, b),
                };
                state.threads[number].registers[usize::from(*to)] = Some(result);
            }
            Some(Op::Do(Statement::Fence(scope))) => state.threads[number].standing.fence(*scope),
            Some(Op::Do(Statement::Barrier)) => state.threads[number].status = Status::AtBarrier,
            Some(Op::Do(Statement::WarpBarrier)) => state.threads[number].status = Status::AtWarpBarrier,
            Some(Op::Do(Statement::Load { .. } | Statement::Store { .. } | Statement::Atomic { .. })) => {
                return false;
            }
            Some(Op::Do(Statement::If { .. })) => unreachable!("`flat` leaves none"),
        }
        state.threads[number].at = next;
        true
    }

    /// How it ended, if nobody can go on.
    pub fn outcome(&self, state: &State) -> Option<Outcome> {
        if state.threads.iter().any(|thread| thread.status == Status::Runs) {
            return None;
        }
        let ended = state.threads.iter().all(|thread| thread.status == Status::Ended);
        Some(if ended {
            let byte = |at: usize| (state.written >> at & 1 == 1).then(|| state.memory[at]);
            Outcome::Ended((0..self.outputs).map(byte).collect())
        } else {
            Outcome::Deadlock
        })
    }

    /// Threads that can do something.
    pub fn ready(&self, state: &State) -> Vec<usize> {
        (0..state.threads.len()).filter(|number| state.threads[*number].status == Status::Runs).collect()
    }

    /// A thread does its next access, and notes what that meets. The state after it, and the end, if that is one: it
    /// read what nobody wrote.
    pub fn step(&self, before: &State, number: usize, met: &mut Vec<Met>) -> (State, Option<Outcome>) {
        let mut state = before.clone();
        let at = state.threads[number].at;
        if self.access(&mut state, number, at, met).is_none() {
            return (state, Some(Outcome::Uninitialised(at)));
        }
        state.threads[number].at = at + 1;
        self.settle(&mut state);
        (state, None)
    }

    fn access(&self, state: &mut State, number: usize, at: usize, met: &mut Vec<Met>) -> Option<()> {
        let Some(Op::Do(statement)) = self.ops.get(at) else { return None };
        let fresh = Access {
            thread: number as u8,
            time: 0,
            block: (number / self.lanes) as u8,
            step: at as u8,
            start: 0,
            len: 4,
            reads: false,
            writes: false,
            strong: None,
            value: 0,
        };
        match statement {
            Statement::Load { to, from, width, strength } => {
                let (strong, orders) = sort(*strength);
                let len = bytes(*width);
                let start = self.place(state, number, *from)?;
                self.note(state, number, met, Access { start, len, reads: true, strong, ..fresh });
                let value = read(state, start, len)?;
                if let Some(scope) = strong {
                    let word = state.words.get(&(start / 4)).cloned().unwrap_or_default();
                    state.threads[number].standing.read(&word, fresh.block, scope, orders);
                }
                state.threads[number].registers[usize::from(*to)] = Some(value);
            }
            Statement::Store { to, from, width, strength } => {
                let (strong, orders) = sort(*strength);
                let len = bytes(*width);
                let start = self.place(state, number, *to)?;
                let value = self.value(state, number, *from)?;
                let access = Access { start, len, writes: true, strong, value, ..fresh };
                let access = self.note(state, number, met, access);
                write(state, start, len, value);
                let mut word = state.words.remove(&(start / 4)).unwrap_or_default();
                if strong.is_some() {
                    state.threads[number].standing.write(&mut word, start / 4, &access, orders, false);
                    state.words.insert(start / 4, word);
                }
            }
            Statement::Atomic { change, at: place, operand, old, scope, orders } => {
                let start = self.place(state, number, *place)?;
                let operand = self.value(state, number, *operand)?;
                let access = Access { start, reads: true, writes: true, strong: Some(*scope), ..fresh };
                let access = self.note(state, number, met, access);
                let found = read(state, start, 4)?;
                let value = changed(*change, found, operand, place.space != Space::Shared);
                write(state, start, 4, value);
                let mut word = state.words.remove(&(start / 4)).unwrap_or_default();
                let standing = &mut state.threads[number].standing;
                standing.read(&word, fresh.block, *scope, *orders);
                standing.write(&mut word, start / 4, &access, *orders, true);
                state.words.insert(start / 4, word);
                if let Some(old) = old {
                    state.threads[number].registers[usize::from(*old)] = Some(found);
                }
            }
            // A register that nothing was written to.
            _ => return None,
        }
        Some(())
    }

    /// Holds an access against all before it, and gives it its time.
    fn note(&self, state: &mut State, number: usize, met: &mut Vec<Met>, mut access: Access) -> Access {
        let clock = &mut state.threads[number].standing.clock;
        clock.times[number] += 1;
        access.time = clock.times[number];
        for earlier in &state.history {
            let how = meeting(clock, earlier, &access);
            if how != Meeting::Harmless {
                let steps = (usize::from(earlier.step), usize::from(access.step));
                met.push((steps.0.min(steps.1), steps.0.max(steps.1), how));
                let is_last = !state.history.iter().any(|later| later.replaces(earlier));
                state.raced |= how == Meeting::Race && is_last;
            }
        }
        state.history.push(access);
        state.history.sort_unstable();
        access
    }

    fn value(&self, state: &State, number: usize, operand: Operand) -> Option<u32> {
        match operand {
            Operand::Constant(value) => Some(value),
            Operand::Register(register) => state.threads[number].registers[usize::from(register)],
            Operand::Lane => Some((number % self.lanes) as u32),
            Operand::Block => Some((number / self.lanes) as u32),
        }
    }

    fn place(&self, state: &State, number: usize, place: Place) -> Option<u8> {
        let base = match place.space {
            Space::Data => 0,
            Space::Fresh => DATA * 4,
            Space::Shared => self.outputs + number / self.lanes * SHARED * 4,
        };
        let moved = match place.by {
            By::Fixed => 0,
            By::Lane => number % self.lanes,
            By::Block => number / self.lanes,
            By::Register(register) => (state.threads[number].registers[usize::from(register)]? & 1) as usize,
        };
        Some((base + usize::from(place.offset) + moved * 4) as u8)
    }
}

/// Lets threads of a block go on from a barrier if all that did not end are there.
fn wake(threads: &mut [Thread], barrier: Status) -> bool {
    let waits = |thread: &Thread| thread.status == barrier;
    if !threads.iter().any(waits)
        || !threads.iter().all(|thread| waits(thread) || thread.status == Status::Ended)
    {
        return false;
    }
    // Who exited takes no part.
    let met: Clock = meet(threads.iter().filter(|thread| waits(thread)).map(|thread| &thread.standing.clock));
    for thread in threads.iter_mut().filter(|thread| waits(thread)) {
        (thread.status, thread.standing.clock) = (Status::Runs, met.clone());
    }
    true
}

/// For whom a strong access is, and whether it acquires or releases.
fn sort(strength: Strength) -> (Option<Scope>, bool) {
    match strength {
        Strength::Weak => (None, false),
        Strength::Volatile => (Some(Scope::Device), false),
        Strength::Relaxed(scope) => (Some(scope), false),
        Strength::Ordered(scope) => (Some(scope), true),
    }
}

fn bytes(width: Width) -> u8 {
    match width {
        Width::Byte => 1,
        Width::Word => 4,
    }
}

fn read(state: &State, start: u8, len: u8) -> Option<u32> {
    let all = &state.memory[usize::from(start)..usize::from(start + len)];
    let mask = ((1 << len) - 1) << start;
    (state.written & mask == mask)
        .then(|| all.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

fn write(state: &mut State, start: u8, len: u8, value: u32) {
    let all = &mut state.memory[usize::from(start)..usize::from(start + len)];
    all.iter_mut().zip(value.to_le_bytes()).for_each(|(byte, new)| *byte = new);
    state.written |= ((1 << len) - 1) << start;
}

fn changed(change: Change, found: u32, operand: u32, is_global: bool) -> u32 {
    match change {
        Change::Add => found.wrapping_add(operand),
        Change::AddFloat if is_global => flushed(add_float(flushed(found), flushed(operand))),
        Change::AddFloat => add_float(found, operand),
        Change::Min => found.min(operand),
        Change::Max => found.max(operand),
        Change::And => found & operand,
        Change::Or => found | operand,
        Change::Xor => found ^ operand,
        Change::Exchange => operand,
        Change::CompareAndSwap if found == operand => operand.wrapping_add(1),
        Change::CompareAndSwap => found,
        Change::Increment if found >= operand => 0,
        Change::Increment => found + 1,
    }
}

/// The sum of two f32, with the one NaN of PTX.
fn add_float(a: u32, b: u32) -> u32 {
    let sum = f32::from_bits(a) + f32::from_bits(b);
    if sum.is_nan() { 0x7fff_ffff } else { sum.to_bits() }
}

/// Without what `atom.global.add.f32` does not know: numbers below the least normal one.
fn flushed(bits: u32) -> u32 {
    if f32::from_bits(bits).is_subnormal() { bits & 0x8000_0000 } else { bits }
}
