//! What lies before what, and which accesses race, by vector clocks as they stand in every textbook: every thread
//! counts its accesses, and knows up to which count it comes after each other thread.
//!
//! Order is made by barriers, and by release and acquire patterns (PTX ISA, Memory Consistency Model): a fence before a
//! strong write, a strong read of it or of what changed it atomically, a fence behind that, all for scopes that hold
//! both threads. Every operation of a pattern must have such a scope by itself, which PTX does not ask for where a
//! fence and its write differ. A barrier is not held up by threads that exited, and orders nothing of what they did.

use std::hash::Hasher;

use super::language::{Scope, THREADS};

/// How many accesses of each thread are known.
pub type Times = [u8; THREADS];

/// What a thread comes after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Clock {
    pub times: Times,
    /// Strong writes that were read, without anything that their threads did before: by thread and time.
    pub observed: Vec<(u8, u8)>,
}

impl Clock {
    /// Comes after all that another comes after.
    pub fn join(&mut self, other: &Self) {
        self.times.iter_mut().zip(other.times).for_each(|(time, more)| *time = (*time).max(more));
        self.observe(&other.observed);
    }

    /// Comes after these writes.
    pub fn observe(&mut self, writes: &[(u8, u8)]) {
        self.observed.extend_from_slice(writes);
        let times = self.times;
        self.observed.retain(|(thread, time)| times[usize::from(*thread)] < *time);
        self.observed.sort_unstable();
        self.observed.dedup();
    }

    /// Whether it comes after an access by barriers, fences and what they meet alone.
    fn follows_by_patterns(&self, access: &Access) -> bool {
        self.times[usize::from(access.thread)] >= access.time
    }

    /// Whether it comes after an access, also because it read what that wrote.
    fn follows(&self, access: &Access) -> bool {
        self.follows_by_patterns(access) || self.observed.contains(&(access.thread, access.time))
    }
}

/// An access that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    pub thread: u8,
    /// How many accesses its thread had done with it.
    pub time: u8,
    pub block: u8,
    /// Which step of the kernel.
    pub step: u8,
    /// Where in all memory.
    pub start: u8,
    pub len: u8,
    pub reads: bool,
    pub writes: bool,
    /// For whom, if it is strong.
    pub strong: Option<Scope>,
    /// What it wrote.
    pub value: u32,
}

impl Access {
    fn byte(&self, at: u8) -> Option<u8> {
        let bytes = self.value.to_le_bytes();
        (at >= self.start && at < self.start + self.len).then(|| bytes[usize::from(at - self.start)])
    }

    /// Whether both write only, and the same wherever they meet.
    fn writes_as(&self, other: &Self) -> bool {
        let mut met = self.start.max(other.start)..(self.start + self.len).min(other.start + other.len);
        !self.reads && !other.reads && met.all(|at| self.byte(at) == other.byte(at))
    }

    /// Whether it is a later write of the same thread to some of the same bytes.
    pub fn replaces(&self, earlier: &Self) -> bool {
        self.thread == earlier.thread && self.time > earlier.time && !self.reads && self.meets(earlier)
    }

    fn meets(&self, other: &Self) -> bool {
        self.start < other.start + other.len && other.start < self.start + self.len
    }

    /// Whether the order of the two is a matter for both alone, and no race.
    fn is_strong_with(&self, other: &Self) -> bool {
        let (Some(scope), Some(of_other)) = (self.strong, other.strong) else { return false };
        let reach = self.block == other.block || (scope == Scope::Device && of_other == Scope::Device);
        reach && (self.start, self.len) == (other.start, other.len)
    }

    fn conflicts(&self, other: &Self) -> bool {
        self.thread != other.thread
            && self.meets(other)
            && (self.writes || other.writes)
            && !self.is_strong_with(other)
    }
}

/// How two accesses are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// They are, or need not be.
    Harmless,
    /// They are not, and both write the same: nobody can tell which came last.
    SameValue,
    /// Only because one read what the other wrote, without a pattern around it.
    Observed,
    /// They are not: a data race.
    Race,
}

/// How an access of a thread that comes after `clock` meets an earlier one.
pub fn meeting(clock: &Clock, earlier: &Access, access: &Access) -> Meeting {
    if !earlier.conflicts(access) || clock.follows_by_patterns(earlier) {
        Meeting::Harmless
    } else if earlier.writes_as(access) {
        Meeting::SameValue
    } else if clock.follows(earlier) {
        Meeting::Observed
    } else {
        Meeting::Race
    }
}

/// What a release pattern left at a word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Message {
    clock: Clock,
    scope: Scope,
    block: u8,
}

/// What strong writes left at a word, for strong reads of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Word {
    messages: Vec<Message>,
    /// The strong writes that a read of it observes: the last, and those that it changed atomically.
    chain: Vec<(u8, u8)>,
    /// Whose the last write was, and for whom.
    last: Option<(u8, Scope)>,
}

/// A thread's share in the order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    pub clock: Clock,
    /// What its last fence for the block, and for the device, had before it.
    fenced: [Option<Clock>; 2],
    /// What its releasing writes had before them, by the word: they hold for later writes to that word alone.
    released: Vec<(u8, Scope, Clock)>,
    /// What its strong reads met, that a fence for the block, or only one for the device, makes known.
    met: [Clock; 2],
}

fn within(block: u8, scope: Scope, other: u8, of_other: Scope) -> bool {
    block == other || (scope == Scope::Device && of_other == Scope::Device)
}

impl Standing {
    /// Hashes what is there beside the clock, in short.
    pub fn hash_rest<H: Hasher>(&self, state: &mut H) {
        self.fenced.iter().flatten().chain(&self.met).for_each(|clock| state.write(&clock.times));
        state.write_usize(self.clock.observed.len());
    }

    /// A fence.
    pub fn fence(&mut self, scope: Scope) {
        for at in 0..=scope as usize {
            let met = std::mem::take(&mut self.met[at]);
            self.clock.join(&met);
        }
        for at in 0..=scope as usize {
            self.fenced[at] = Some(self.clock.clone());
        }
    }

    /// Strong read of a word. Acquires at once if it `orders`.
    pub fn read(&mut self, word: &Word, block: u8, scope: Scope, orders: bool) {
        if !word.last.is_some_and(|(of, last)| within(block, scope, of, last)) {
            return;
        }
        self.clock.observe(&word.chain);
        for message in &word.messages {
            if !within(block, scope, message.block, message.scope) {
                continue;
            }
            let needs = usize::from(message.block != block);
            if orders {
                self.clock.join(&message.clock);
            } else {
                self.met[needs].join(&message.clock);
            }
        }
    }

    /// Strong write to the word of that number, as the thread's access of that time; it `changes` what it found, or
    /// replaces it.
    pub fn write(&mut self, word: &mut Word, number: u8, access: &Access, orders: bool, changes: bool) {
        let (Some(scope), block) = (access.strong, access.block) else { return };
        if orders {
            self.released.retain(|(of, for_whom, _)| (*of, *for_whom) != (number, scope));
            // It comes before what follows the acquire itself, too.
            self.released.push((number, scope, self.clock.clone()));
            self.released.sort_by_key(|(of, for_whom, _)| (*of, *for_whom));
        }
        let goes_on = changes && word.last.is_some_and(|(of, last)| within(block, scope, of, last));
        if !goes_on {
            *word = Word::default();
        }
        word.chain.push((access.thread, access.time));
        word.chain.sort_unstable();
        word.last = Some((block, scope));
        let fenced = [Scope::Block, Scope::Device].into_iter().zip(&self.fenced);
        let fenced = fenced.filter_map(|(for_whom, clock)| Some((for_whom, clock.as_ref()?)));
        let released = self.released.iter().filter(|(of, ..)| *of == number);
        let all = fenced.chain(released.map(|(_, for_whom, clock)| (*for_whom, clock)));
        let all = all.filter(|(for_whom, _)| *for_whom <= scope);
        word.messages.extend(all.map(|(scope, clock)| Message { clock: clock.clone(), scope, block }));
        word.messages.sort_by_cached_key(|message| (message.clock.times, message.scope, message.block));
        word.messages.dedup();
    }
}

/// All that meet at a barrier come after all that any did.
pub fn meet<'s>(all: impl Iterator<Item = &'s Clock>) -> Clock {
    let mut met = Clock::default();
    all.for_each(|clock| met.join(clock));
    met
}
