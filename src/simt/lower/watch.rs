//! Finds the registers that a thread may read before it wrote them. Compilers hardly ever leave any, so that
//! looking while running costs nothing for most kernels, and is exact, lane by lane, for the others.

use std::collections::{HashMap, HashSet};

use crate::simt::lower::touch::{self, Touch};
use crate::simt::program::{Guard, Instruction, Op, Slot, Watch, WatchedStep};

/// A run of code that is entered at its beginning only.
struct Block {
    start: usize,
    end: usize,
    /// Blocks that may come before it.
    before: Vec<usize>,
}

/// What to watch in `code`, whose steps touch `touches`; `names` has all registers that begin without a value.
pub fn watch(code: &[Instruction], touches: &[Touch], names: &HashMap<Slot, String>) -> Watch {
    let mut watched = read_early(code, touches, names);
    if watched.is_empty() {
        return Watch::default();
    }
    // A copy of what may have no value may have none.
    let mut copies: HashMap<Slot, Vec<Slot>> = HashMap::new();
    for touch in touches.iter().filter(|touch| touch.copies) {
        for from in &touch.reads {
            copies.entry(*from).or_default().extend(&touch.writes);
        }
    }
    let mut todo: Vec<_> = watched.iter().copied().collect();
    while let Some(from) = todo.pop() {
        let copied = copies.get(&from).into_iter().flatten();
        todo.extend(copied.filter(|to| watched.insert(**to)));
    }
    let mut order: Vec<_> = watched.into_iter().collect();
    order.sort_by_key(|slot| match slot {
        Slot::Narrow(index) => (0, *index),
        Slot::Wide(index) => (1, *index),
        Slot::Predicate(index) => (2, *index),
    });
    let numbers: HashMap<_, _> = order.iter().zip(0u32..).map(|(slot, number)| (*slot, number)).collect();
    let numbered = |slots: &[Slot]| slots.iter().filter_map(|slot| numbers.get(slot).copied()).collect();
    let step = |(instruction, touch): (&Instruction, &Touch)| {
        let (guard, from): (_, Vec<_>) = (touch::guard(instruction.guard), numbered(&touch.reads));
        let guard = guard.and_then(|slot| numbers.get(&slot).copied());
        let step = WatchedStep {
            guard,
            writes: numbered(&touch.writes),
            copies: if touch.copies { from.clone() } else { Vec::new() },
            reads: if touch.copies { Vec::new() } else { from },
        };
        let touches = step.guard.is_some() || !(step.reads.is_empty() && step.writes.is_empty());
        touches.then(|| Box::new(step))
    };
    Watch {
        names: order.iter().map(|slot| names.get(slot).cloned().unwrap_or_default()).collect(),
        steps: code.iter().zip(touches).map(step).collect(),
    }
}

/// Registers that some path from the beginning reads, or copies, before it surely wrote them.
fn read_early(code: &[Instruction], touches: &[Touch], names: &HashMap<Slot, String>) -> HashSet<Slot> {
    let blocks = blocks(code);
    // Blocks that read a register before they write it, and blocks that write it whatever their predicates.
    let mut readers: HashMap<Slot, Vec<usize>> = HashMap::new();
    let mut writers: HashSet<(Slot, usize)> = HashSet::new();
    for (number, block) in blocks.iter().enumerate() {
        for at in block.start..block.end {
            let reads = touches[at].reads.iter().copied().chain(touch::guard(code[at].guard));
            for slot in reads.filter(|slot| names.contains_key(slot)) {
                let list = readers.entry(slot).or_default();
                if !writers.contains(&(slot, number)) && list.last() != Some(&number) {
                    list.push(number);
                }
            }
            if code[at].guard == Guard::Always {
                writers.extend(touches[at].writes.iter().map(|slot| (*slot, number)));
            }
        }
    }
    // From the readers backwards: who comes to the beginning?
    let mut seen = vec![None; blocks.len()];
    let mut early = HashSet::new();
    for (slot, mut todo) in readers {
        while let Some(number) = todo.pop() {
            if seen[number].replace(slot) == Some(slot) {
                continue;
            }
            if number == 0 {
                early.insert(slot);
                break;
            }
            todo.extend(blocks[number].before.iter().filter(|before| !writers.contains(&(slot, **before))));
        }
    }
    early
}

fn blocks(code: &[Instruction]) -> Vec<Block> {
    let mut starts = vec![false; code.len() + 1];
    starts[0] = true;
    for (at, instruction) in code.iter().enumerate() {
        let targets = targets(&instruction.op);
        if !targets.is_empty() || matches!(instruction.op, Op::Exit) {
            starts[at + 1] = true;
        }
        targets.iter().for_each(|target| starts[*target as usize] = true);
    }
    let starts: Vec<_> = (0..code.len()).filter(|at| starts[*at]).collect();
    let ends = starts.iter().skip(1).copied().chain([code.len()]);
    let mut blocks: Vec<_> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| Block { start: *start, end, before: Vec::new() })
        .collect();
    for number in 0..blocks.len() {
        let last = &code[blocks[number].end - 1];
        let leaves = matches!(last.op, Op::Exit | Op::Branch(_) | Op::BranchTable(_));
        if (!leaves || last.guard != Guard::Always) && number + 1 < blocks.len() {
            blocks[number + 1].before.push(number);
        }
        for target in targets(&last.op) {
            // A target is a start.
            if let Ok(to) = starts.binary_search(&(*target as usize)) {
                blocks[to].before.push(number);
            }
        }
    }
    blocks
}

fn targets(op: &Op) -> &[u32] {
    match op {
        Op::Branch(target) => std::slice::from_ref(target),
        Op::BranchTable(table) => &table.1,
        _ => &[],
    }
}
