//! What lies before what: made by barriers, fences with strong accesses behind and before them, and nothing else.
//! Lanes of a warp are threads of their own; that they run in step orders nothing without `bar.warp.sync`.
//!
//! Stricter than hardware where PTX is (PTX ISA, Memory Consistency Model): a release needs a fence, or `.release`,
//! before the strong write *in the thread that writes*, and an acquire one behind the strong read in the thread that
//! reads. Threads that exit are awaited at barriers no more, and exiting orders nothing of what they did.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::simt::analysis::clock::{Clock, Numbering};
use crate::simt::execute::{LANES, lanes};
use crate::simt::program::{Order, Reach};

/// A thread.
#[derive(Debug, Clone, Default)]
struct Thread {
    time: u32,
    knows: Rc<Clock>,
    /// What it knows whoever came first at an atomic operation, if that is less.
    sure: Option<Rc<Clock>>,
    /// What its last fence, of at least this scope, had before it.
    fenced: [Option<Rc<Clock>>; 2],
    /// What strong reads met, of the block and of anybody, for the next fence.
    seen: [Option<Rc<Clock>>; 2],
}

/// Threads at a barrier.
#[derive(Debug, Clone, Default)]
struct Gathering {
    /// What threads that arrived and went on knew, and were sure of.
    arrived: Option<(Clock, Clock)>,
}

/// A block at work.
#[derive(Debug, Clone)]
struct Block {
    threads: Vec<Thread>,
    /// Lanes of each warp that there were at its start, and those that did not exit.
    all: Vec<u32>,
    live: Vec<u32>,
    barriers: Vec<Gathering>,
}

/// What was released at a place: for the block, by its number, and for anybody.
#[derive(Debug, Clone, Default)]
struct Released {
    to_block: FxHashMap<u32, Rc<Clock>>,
    to_all: Option<Rc<Clock>>,
}

/// The order of a launch so far.
#[derive(Debug, Clone)]
pub struct Ordering {
    /// How things are numbered.
    pub numbering: Numbering,
    blocks: FxHashMap<u32, Block>,
    released: FxHashMap<(Option<u32>, u64), Released>,
}

/// A lane of a warp, and its block, numbered through the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    pub block: u32,
    pub warp: u32,
    pub lane: usize,
}

fn index(scope: Reach) -> usize {
    usize::from(scope > Reach::Block)
}

fn join(into: &mut Option<Rc<Clock>>, more: &Rc<Clock>) {
    match into {
        None => *into = Some(Rc::clone(more)),
        Some(known) if Rc::ptr_eq(known, more) => {}
        Some(known) => Rc::make_mut(known).join(more),
    }
}

impl Thread {
    fn sure(&self) -> &Rc<Clock> {
        self.sure.as_ref().unwrap_or(&self.knows)
    }

    /// Learns what a strong write released, which it happened to read.
    fn acquire(&mut self, released: &Clock) {
        let sure = Rc::clone(self.sure());
        Rc::make_mut(&mut self.knows).join(released);
        self.sure = (sure != self.knows).then_some(sure);
    }
}

impl Ordering {
    /// Nothing has happened.
    pub fn new(numbering: Numbering) -> Self {
        Self { numbering, blocks: FxHashMap::default(), released: FxHashMap::default() }
    }

    /// A block begins with these lanes.
    pub fn start(&mut self, block: u32, live: &[u32]) {
        let threads = vec![Thread { time: 1, ..Thread::default() }; live.len() * LANES];
        let barriers = vec![Gathering::default(); 16];
        self.blocks.insert(block, Block { threads, all: live.to_vec(), live: live.to_vec(), barriers });
    }

    /// Lanes exit. Whether the whole block did.
    pub fn exit(&mut self, block: u32, warp: u32, mask: u32) -> bool {
        let Some(state) = self.blocks.get_mut(&block) else { return false };
        state.live[warp as usize] &= !mask;
        let ended = state.live.iter().all(|live| *live == 0);
        if ended {
            self.blocks.remove(&block);
            self.released.retain(|(of_block, _), _| *of_block != Some(block));
        }
        ended
    }

    fn thread(&mut self, who: Who) -> Option<&mut Thread> {
        let number = (who.warp - self.numbering.warp(who.block, 0)) as usize * LANES + who.lane;
        self.blocks.get_mut(&who.block)?.threads.get_mut(number)
    }

    /// A thread's time.
    pub fn time(&mut self, who: Who) -> u32 {
        self.thread(who).map_or(0, |thread| thread.time)
    }

    /// What a thread knows.
    pub fn knows(&mut self, who: Who) -> Rc<Clock> {
        self.thread(who).map(|thread| Rc::clone(&thread.knows)).unwrap_or_default()
    }

    /// What a thread knows whoever came first at an atomic operation, if that is less than what it knows.
    pub fn sure(&mut self, who: Who) -> Option<Rc<Clock>> {
        self.thread(who).and_then(|thread| thread.sure.clone())
    }

    /// What a thread did and knows so far; from now on it does something else.
    fn publish(&mut self, who: Who) -> Rc<Clock> {
        let number = Numbering::thread(who.warp, who.lane);
        let Some(thread) = self.thread(who) else { return Rc::default() };
        let mut clock = Clock::clone(&thread.knows);
        clock.learn_thread(number, thread.time);
        thread.time += 1;
        Rc::new(clock)
    }

    /// A fence of a thread.
    pub fn fence(&mut self, who: Who, scope: Reach) {
        let Some(thread) = self.thread(who) else { return };
        let within = 0..=index(scope);
        for at in within.clone() {
            if let Some(seen) = thread.seen[at].take() {
                thread.acquire(&seen);
            }
        }
        let published = self.publish(who);
        if let Some(thread) = self.thread(who) {
            within.for_each(|at| thread.fenced[at] = Some(Rc::clone(&published)));
        }
    }

    /// A strong access to `address`, of shared memory of that block or of global memory. `reads` and `writes` say
    /// which it does; an atomic operation does both, and goes on with what was released before it.
    pub fn synchronise(
        &mut self,
        who: Who,
        place: (Option<u32>, u64),
        order: Order,
        reads: bool,
        writes: bool,
    ) {
        if reads {
            let (mut of_block, mut of_all) = (None, None);
            if let Some(released) = self.released.get(&place) {
                of_block = released.to_block.get(&who.block).cloned();
                of_all = released.to_all.clone().filter(|_| order.scope > Reach::Block);
            }
            if let Some(thread) = self.thread(who) {
                for (at, clock) in [of_block, of_all].into_iter().enumerate() {
                    let Some(clock) = clock else { continue };
                    join(&mut thread.seen[at], &clock);
                    if order.acquires {
                        thread.acquire(&clock);
                    }
                }
            }
        }
        if !writes {
            return;
        }
        if order.releases {
            let published = self.publish(who);
            if let Some(thread) = self.thread(who) {
                (0..=index(order.scope)).for_each(|at| thread.fenced[at] = Some(Rc::clone(&published)));
            }
        }
        let fenced = self.thread(who).map(|thread| thread.fenced.clone()).unwrap_or_default();
        let released = self.released.entry(place).or_default();
        if !reads {
            *released = Released::default();
        }
        if let Some(clock) = &fenced[0] {
            let mut known = released.to_block.remove(&who.block);
            join(&mut known, clock);
            released.to_block.extend(known.map(|known| (who.block, known)));
        }
        if let Some(clock) = &fenced[1]
            && order.scope > Reach::Block
        {
            join(&mut released.to_all, clock);
        }
    }

    /// Lanes arrive at a barrier and go on without waiting.
    pub fn arrive(&mut self, block: u32, warp: u32, mask: u32, number: u32) {
        let numbered = self.numbering.warp(block, warp);
        for lane in lanes(mask) {
            let who = Who { block, warp: numbered, lane };
            let time = self.time(who);
            let published = self.publish(who);
            let sure = self.sure(who);
            if let Some(state) = self.blocks.get_mut(&block) {
                let arrived = state.barriers[number as usize].arrived.get_or_insert_default();
                arrived.0.join(&published);
                arrived.1.join(sure.as_ref().unwrap_or(&published));
                arrived.1.learn_thread(Numbering::thread(numbered, lane), time);
            }
        }
    }

    /// A barrier lets go of who waited: warps in their block, and lanes.
    pub fn release(&mut self, block: u32, number: u32, woken: &[(u32, u32, u32)]) {
        let numbering = self.numbering;
        let Some(state) = self.blocks.get_mut(&block) else { return };
        let arrived = state.barriers[number as usize].arrived.take();
        let mut waited = vec![0; state.live.len()];
        woken.iter().for_each(|(warp, mask, _)| waited[*warp as usize] |= mask);
        if arrived.is_none() && waited == state.all {
            let time = state.threads.iter().map(|thread| thread.time).max().unwrap_or(0);
            let (mut knows, mut sure) = united(state.threads.iter());
            for clock in [Some(&mut knows), sure.as_mut()].into_iter().flatten() {
                clock.learn_block(numbering, block, time);
            }
            let (knows, sure) = (Rc::new(knows), sure.map(Rc::new));
            for thread in &mut state.threads {
                (thread.time, thread.knows, thread.sure) = (time + 1, Rc::clone(&knows), sure.clone());
            }
            return;
        }
        let (mut all, mut sure) = arrived.unwrap_or_default();
        for (warp, mask) in waited.iter().enumerate().filter(|(_, mask)| **mask != 0) {
            let met = meet(state, numbering.warp(block, warp as u32), warp, *mask);
            sure.join(met.1.as_ref().unwrap_or(&met.0));
            all.join(&met.0);
        }
        let sure = (sure != all).then(|| Rc::new(sure));
        let all = Rc::new(all);
        for (warp, mask) in waited.iter().enumerate() {
            for lane in lanes(*mask) {
                let thread = &mut state.threads[warp * LANES + lane];
                (thread.knows, thread.sure) = (Rc::clone(&all), sure.clone());
            }
        }
    }

    /// Lanes of a warp have met.
    pub fn warp_sync(&mut self, block: u32, warp: u32, mask: u32) {
        let numbered = self.numbering.warp(block, warp);
        let Some(state) = self.blocks.get_mut(&block) else { return };
        let (all, sure) = meet(state, numbered, warp as usize, mask);
        let (all, sure) = (Rc::new(all), sure.map(Rc::new));
        for lane in lanes(mask) {
            let thread = &mut state.threads[warp as usize * LANES + lane];
            (thread.knows, thread.sure) = (Rc::clone(&all), sure.clone());
        }
    }
}

/// What lanes of a warp did and know, from which on all have one new time; and what they are sure of, if that is less.
fn meet(state: &mut Block, numbered: u32, warp: usize, mask: u32) -> (Clock, Option<Clock>) {
    let threads = &mut state.threads[warp * LANES..(warp + 1) * LANES];
    let (mut all, mut sure) = united(lanes(mask).map(|lane| &threads[lane]));
    let whole = mask == state.all[warp];
    let time = lanes(mask).map(|lane| threads[lane].time).max().unwrap_or(0);
    for clock in [Some(&mut all), sure.as_mut()].into_iter().flatten() {
        if whole {
            clock.learn_warp(numbered, time);
        } else {
            lanes(mask)
                .for_each(|lane| clock.learn_thread(Numbering::thread(numbered, lane), threads[lane].time));
        }
    }
    for lane in lanes(mask) {
        let thread = &mut threads[lane];
        thread.time = if whole { time + 1 } else { thread.time + 1 };
    }
    (all, sure)
}

/// What any of them knows, and is sure of, if that is less.
fn united<'t>(threads: impl Iterator<Item = &'t Thread> + Clone) -> (Clock, Option<Clock>) {
    let is_less = threads.clone().any(|thread| thread.sure.is_some());
    let sure = is_less.then(|| joined(threads.clone().map(Thread::sure)));
    (joined(threads.map(|thread| &thread.knows)), sure)
}

fn joined<'t>(clocks: impl Iterator<Item = &'t Rc<Clock>>) -> Clock {
    let mut met: Vec<&Rc<Clock>> = Vec::new();
    for clock in clocks {
        // Most know the very same.
        if !met.iter().rev().take(4).any(|known| Rc::ptr_eq(known, clock)) {
            met.push(clock);
        }
    }
    let mut all = met.first().map(|first| Clock::clone(first)).unwrap_or_default();
    met.iter().skip(1).for_each(|clock| all.join(clock));
    all
}
