//! What lies before what: made by barriers, fences with strong accesses behind and before them, and nothing else.
//! Lanes of a warp are threads of their own; that they run in step orders nothing without `bar.warp.sync`.
//!
//! Stricter than hardware where PTX is (PTX ISA, Memory Consistency Model): a release needs a fence, or `.release`,
//! before the strong write *in the thread that writes*, and an acquire one behind the strong read in the thread that
//! reads. Threads that exit are awaited at barriers no more; what they did counts as done before these.

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
    /// What its last fence, of at least this scope, had before it.
    fenced: [Option<Rc<Clock>>; 2],
    /// What strong reads met, of the block and of anybody, for the next fence.
    seen: [Option<Rc<Clock>>; 2],
}

/// Threads at a barrier.
#[derive(Debug, Clone, Default)]
struct Gathering {
    /// What threads that arrived and went on knew.
    arrived: Option<Clock>,
}

/// A block at work.
#[derive(Debug)]
struct Block {
    threads: Vec<Thread>,
    live: Vec<u32>,
    barriers: Vec<Gathering>,
}

/// What was released at a place: for the block, by its number, and for anybody.
#[derive(Debug, Default)]
struct Released {
    to_block: FxHashMap<u32, Rc<Clock>>,
    to_all: Option<Rc<Clock>>,
}

/// The order of a launch so far.
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

impl Ordering {
    /// Nothing has happened.
    pub fn new(numbering: Numbering) -> Self {
        Self { numbering, blocks: FxHashMap::default(), released: FxHashMap::default() }
    }

    /// A block begins with these lanes.
    pub fn start(&mut self, block: u32, live: &[u32]) {
        let threads = vec![Thread { time: 1, ..Thread::default() }; live.len() * LANES];
        let barriers = vec![Gathering::default(); 16];
        self.blocks.insert(block, Block { threads, live: live.to_vec(), barriers });
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
        for seen in thread.seen[within.clone()].iter_mut().filter_map(Option::take) {
            Rc::make_mut(&mut thread.knows).join(&seen);
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
                        Rc::make_mut(&mut thread.knows).join(&clock);
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
            let published = self.publish(Who { block, warp: numbered, lane });
            if let Some(state) = self.blocks.get_mut(&block) {
                let arrived = &mut state.barriers[number as usize].arrived;
                arrived.get_or_insert_default().join(&published);
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
        if arrived.is_none() && waited == state.live {
            let time = state.threads.iter().map(|thread| thread.time).max().unwrap_or(0);
            let mut knows = united(state.threads.iter());
            knows.learn_block(numbering, block, time);
            let knows = Rc::new(knows);
            for thread in &mut state.threads {
                (thread.time, thread.knows) = (time + 1, Rc::clone(&knows));
            }
            return;
        }
        let mut all = arrived.unwrap_or_default();
        for (warp, mask) in waited.iter().enumerate().filter(|(_, mask)| **mask != 0) {
            all.join(&meet(state, numbering.warp(block, warp as u32), warp, *mask));
        }
        let all = Rc::new(all);
        for (warp, mask) in waited.iter().enumerate() {
            lanes(*mask).for_each(|lane| state.threads[warp * LANES + lane].knows = Rc::clone(&all));
        }
    }

    /// Lanes of a warp have met.
    pub fn warp_sync(&mut self, block: u32, warp: u32, mask: u32) {
        let numbered = self.numbering.warp(block, warp);
        let Some(state) = self.blocks.get_mut(&block) else { return };
        let all = Rc::new(meet(state, numbered, warp as usize, mask));
        lanes(mask).for_each(|lane| state.threads[warp as usize * LANES + lane].knows = Rc::clone(&all));
    }
}

/// What lanes of a warp did and know, from which on all have one new time.
fn meet(state: &mut Block, numbered: u32, warp: usize, mask: u32) -> Clock {
    let threads = &mut state.threads[warp * LANES..(warp + 1) * LANES];
    let mut all = united(lanes(mask).map(|lane| &threads[lane]));
    let whole = mask == state.live[warp];
    // Of a whole warp, lanes that exited are among those known.
    let counted = if whole { u32::MAX } else { mask };
    let time = lanes(counted).map(|lane| threads[lane].time).max().unwrap_or(0);
    if whole {
        all.learn_warp(numbered, time);
    } else {
        lanes(mask).for_each(|lane| all.learn_thread(Numbering::thread(numbered, lane), threads[lane].time));
    }
    for lane in lanes(mask) {
        let thread = &mut threads[lane];
        thread.time = if whole { time + 1 } else { thread.time + 1 };
    }
    all
}

/// What any of them knows.
fn united<'t>(threads: impl Iterator<Item = &'t Thread>) -> Clock {
    let mut met: Vec<&Rc<Clock>> = Vec::new();
    for thread in threads {
        // Most know the very same.
        if !met.iter().rev().take(4).any(|known| Rc::ptr_eq(known, &thread.knows)) {
            met.push(&thread.knows);
        }
    }
    let mut all = met.first().map(|first| Clock::clone(first)).unwrap_or_default();
    met.iter().skip(1).for_each(|clock| all.join(clock));
    all
}
