//! What a branch decides: the instructions between it and its immediate post-dominator, where all ways meet again,
//! taken and not. Computed once for a kernel, on single instructions: kernels are small.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::simt::program::{Guard, Kernel, Op, Slot};
use crate::simt::ptx::ast::Space;

/// The position behind all code, to which exits lead.
pub const END: u32 = u32::MAX;

/// What lies between a branch and where its ways meet.
#[derive(Debug, Clone, Default)]
pub struct Region {
    /// Where they meet; [`END`] if only at the thread's end.
    pub join: u32,
    /// Registers that some way writes.
    pub writes: Vec<Slot>,
    /// The first instruction of some way that others can notice: an access to memory, a barrier, an exchange, an end.
    pub effect: Option<u32>,
    /// Whether some way writes the block's shared memory, and the thread's own.
    pub stores_shared: bool,
    /// The thread's own.
    pub stores_local: bool,
}

/// The regions of a kernel's branches.
pub fn regions(kernel: &Kernel) -> FxHashMap<u32, Region> {
    let meets = post_dominators(kernel);
    let is_branch = |op: &Op| matches!(op, Op::Branch(_) | Op::BranchTable(_));
    let decides = |at: &u32| {
        let instruction = &kernel.code[*at as usize];
        let always = instruction.guard == Guard::Always;
        is_branch(&instruction.op) && (!always || matches!(instruction.op, Op::BranchTable(_)))
            || matches!(instruction.op, Op::Exit) && !always
    };
    (0..kernel.code.len() as u32)
        .filter(decides)
        .map(|at| (at, region(kernel, at, meets[at as usize])))
        .collect()
}

fn region(kernel: &Kernel, branch: u32, join: u32) -> Region {
    let mut region = Region { join, ..Region::default() };
    let mut seen = BTreeSet::new();
    let mut todo: Vec<u32> = successors(kernel, branch).collect();
    while let Some(at) = todo.pop() {
        if at != join && at != END && seen.insert(at) {
            todo.extend(successors(kernel, at));
        }
    }
    let mut writes = BTreeSet::new();
    for at in seen {
        let op = &kernel.code[at as usize].op;
        let key = |slot: &Slot| match *slot {
            Slot::Narrow(index) => (0, index),
            Slot::Wide(index) => (1, index),
            Slot::Predicate(index) => (2, index),
        };
        writes.extend(kernel.touches[at as usize].writes.iter().map(key));
        let (is_noticed, space) = match op {
            Op::Load(access) | Op::Store(access) => {
                let private =
                    matches!(access.address.space, Some(Space::Local | Space::Param | Space::Const));
                (!private, matches!(op, Op::Store(_)).then_some(access.address.space))
            }
            Op::Atomic(atomic) => (true, Some(atomic.address.space)),
            Op::AsyncCopy(_) | Op::Matrix(_) => (true, Some(Some(Space::Shared))),
            Op::Lanes(_)
            | Op::Compute(_)
            | Op::Branch(_)
            | Op::BranchTable(_)
            | Op::Nothing
            | Op::Copy(..)
            | Op::Extract { .. }
            | Op::Join(_)
            | Op::IsSpace { .. }
            | Op::Clock(_)
            | Op::ActiveMask(_) => (false, None),
            _ => (true, None),
        };
        if is_noticed && region.effect.is_none() {
            region.effect = Some(at);
        }
        if let Some(space) = space {
            region.stores_shared |= matches!(space, Some(Space::Shared) | None);
            region.stores_local |= matches!(space, Some(Space::Local) | None);
        }
    }
    // A loop's own way back to the branch is among them; an exit that is not taken by all is noticed.
    if join == END {
        region.effect.get_or_insert(branch);
    }
    region.writes = writes
        .into_iter()
        .map(|(file, index)| match file {
            0 => Slot::Narrow(index),
            1 => Slot::Wide(index),
            _ => Slot::Predicate(index),
        })
        .collect();
    region
}

fn successors(kernel: &Kernel, at: u32) -> impl Iterator<Item = u32> {
    let instruction = &kernel.code[at as usize];
    let always = instruction.guard == Guard::Always;
    let (mut next, goes_on): (Vec<u32>, bool) = match &instruction.op {
        Op::Branch(target) => (vec![*target], !always),
        Op::BranchTable(table) => (table.1.clone(), !always),
        Op::Exit | Op::Trap => (vec![END], !always),
        _ => (Vec::new(), true),
    };
    if goes_on {
        next.push(if at as usize + 1 < kernel.code.len() { at + 1 } else { END });
    }
    next.into_iter()
}

/// The immediate post-dominator of every instruction (Cooper, Harvey, Kennedy 2001, on the reversed graph).
fn post_dominators(kernel: &Kernel) -> Vec<u32> {
    let count = kernel.code.len();
    let end = count;
    let number = |at: u32| if at == END { end } else { at as usize };
    let next: Vec<Vec<usize>> =
        (0..count as u32).map(|at| successors(kernel, at).map(number).collect()).collect();
    let mut before = vec![Vec::new(); count + 1];
    for (at, next) in next.iter().enumerate() {
        next.iter().for_each(|to| before[*to].push(at));
    }
    // Code that never ends, an endless loop, meets nowhere: it counts as leading to the end.
    let mut order = Vec::new();
    let mut rank = vec![usize::MAX; count + 1];
    let visit = |root: usize, order: &mut Vec<usize>, seen: &mut Vec<bool>| {
        let mut stack = vec![(root, 0)];
        if std::mem::replace(&mut seen[root], true) {
            return;
        }
        while let Some((node, child)) = stack.pop() {
            match before[node].get(child) {
                Some(next) => {
                    stack.push((node, child + 1));
                    if !std::mem::replace(&mut seen[*next], true) {
                        stack.push((*next, 0));
                    }
                }
                None => order.push(node),
            }
        }
    };
    let mut seen = vec![false; count + 1];
    let mut endless = Vec::new();
    seen[end] = true;
    let mut rest = Vec::new();
    for node in before[end].clone() {
        visit(node, &mut rest, &mut seen);
    }
    for node in (0..count).rev() {
        if !seen[node] {
            endless.push(node);
            visit(node, &mut rest, &mut seen);
        }
    }
    order.append(&mut rest);
    order.push(end);
    order.iter().enumerate().for_each(|(at, node)| rank[*node] = at);
    let mut meets = vec![usize::MAX; count + 1];
    meets[end] = end;
    let mut changed = true;
    while changed {
        changed = false;
        for node in order.iter().rev().copied().filter(|node| *node != end) {
            let leads_out = endless.contains(&node).then_some(end);
            let mut new = usize::MAX;
            for to in next[node].iter().copied().chain(leads_out).filter(|to| meets[*to] != usize::MAX) {
                new = if new == usize::MAX { to } else { intersect(&meets, &rank, new, to) };
            }
            if new != meets[node] {
                meets[node] = new;
                changed = true;
            }
        }
    }
    meets.iter().take(count).map(|meet| if *meet >= end { END } else { *meet as u32 }).collect()
}

fn intersect(meets: &[usize], rank: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        while rank[a] < rank[b] {
            a = meets[a];
        }
        while rank[b] < rank[a] {
            b = meets[b];
        }
    }
    a
}
