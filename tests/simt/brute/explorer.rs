//! All interleavings of a kernel, one access after the other: depth first, every state once. States are held to be the
//! same only if all of them is, not by a hash.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use super::language::Kernel;
use super::machine::{Machine, Outcome, State};
use super::order::Meeting;

/// Two steps of a kernel.
pub type Pair = (usize, usize);

/// Everything that can happen.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// How interleavings end.
    pub outcomes: BTreeSet<Outcome>,
    /// Steps that race in some interleaving.
    pub races: BTreeSet<Pair>,
    /// Steps that would, were it not that one read what the other wrote.
    pub observed: BTreeSet<Pair>,
    /// Steps that write the same without an order.
    pub same: BTreeSet<Pair>,
    /// Whether every interleaving has a race that shows; see [`State::raced`].
    pub always_races: bool,
    /// Different states.
    pub states: usize,
}

/// Tries all interleavings; nothing if there are more than `most` states.
pub fn all(kernel: &Kernel, most: usize) -> Option<Truth> {
    let machine = Machine::new(kernel);
    let mut truth = Truth { always_races: true, ..Truth::default() };
    let mut known: HashSet<Rc<State>> = HashSet::new();
    let mut met = Vec::new();
    let start = Rc::new(machine.start());
    known.insert(start.clone());
    let mut todo = vec![start];
    while let Some(state) = todo.pop() {
        if let Some(outcome) = machine.outcome(&state) {
            truth.outcomes.insert(outcome);
            truth.always_races &= state.raced;
            continue;
        }
        for number in machine.ready(&state) {
            let (next, end) = machine.step(&state, number, &mut met);
            if let Some(outcome) = end {
                truth.outcomes.insert(outcome);
                truth.always_races &= next.raced;
            } else if !known.contains(&next) {
                if known.len() == most {
                    return None;
                }
                let next = Rc::new(next);
                known.insert(Rc::clone(&next));
                todo.push(next);
            }
        }
        for (first, second, how) in met.drain(..) {
            let of = match how {
                Meeting::Harmless => continue,
                Meeting::Race => &mut truth.races,
                Meeting::Observed => &mut truth.observed,
                Meeting::SameValue => &mut truth.same,
            };
            of.insert((first, second));
        }
    }
    truth.states = known.len();
    Some(truth)
}
