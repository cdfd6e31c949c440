//! Shadow memory: for every byte who accessed it since its last ordered write, all readers and writers. Words of four
//! bytes that were only accessed whole are kept as one.

use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::simt::analysis::taint::Taint;

/// Words of a page.
const PAGE: u64 = 256;
/// Bytes of a word.
const WORD: u64 = 4;
/// Groups of asynchronous copies that a thread can tell apart; times are lower.
const GROUPS: u32 = 1 << 30;

/// The time of an asynchronous copy of this group while it is under way: nobody can know of it.
pub fn under_way(group: u32) -> u32 {
    u32::MAX - group.min(GROUPS)
}

/// What an access does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
    /// Reads and writes at once: which class of operations, and how many bytes.
    Atomic {
        class: u16,
        bytes: u8,
    },
    /// An asynchronous copy's write.
    Copy,
    /// An asynchronous copy's read.
    Fetch,
}

impl Kind {
    /// Whether nothing is changed.
    pub fn only_reads(self) -> bool {
        matches!(self, Self::Read | Self::Fetch)
    }

    /// Bytes of an atomic operation.
    pub fn bytes(self) -> Option<u8> {
        match self {
            Self::Atomic { bytes, .. } => Some(bytes),
            _ => None,
        }
    }
}

/// An access of lanes of one warp, at one time of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Numbered through the grid.
    pub warp: u32,
    pub lanes: u32,
    pub time: u32,
    pub pc: u32,
    pub kind: Kind,
    /// Whether it is a strong access, and then whether it is one for the block only.
    pub is_strong: bool,
    pub for_block: bool,
}

impl Record {
    /// Whether it is an asynchronous copy's, and that is not done.
    pub fn is_under_way(&self) -> bool {
        self.time >= u32::MAX - GROUPS
    }

    /// Whether the same threads did something of the same kind.
    pub fn is_of(&self, other: &Self) -> bool {
        (self.warp, self.lanes, self.kind) == (other.warp, other.lanes, other.kind)
    }

    /// Whether the same was done at the same time, but for the lanes.
    fn is_beside(&self, other: &Self) -> bool {
        Self { lanes: 0, ..*self } == Self { lanes: 0, ..*other }
    }
}

/// Accesses; seldom more than one is remembered.
type Records = SmallVec<[Record; 1]>;

/// A byte, or four that had the same fate.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Reads and writes, the earliest first.
    pub records: Records,
    /// Atomic operations, the earliest first.
    pub atomics: Vec<Record>,
    /// What came before the present value: who writes that too must come after all of this.
    pub before: Vec<Record>,
    /// What was written last, if that is known.
    pub value: u32,
    pub is_known: bool,
    /// What the content depends on.
    pub taint: Taint,
}

impl Cell {
    const NEW: Self = Self {
        records: SmallVec::new_const(),
        atomics: Vec::new(),
        before: Vec::new(),
        value: 0,
        is_known: false,
        taint: Taint::NONE,
    };

    fn is_new(&self) -> bool {
        self.records.is_empty() && self.atomics.is_empty()
    }

    /// Adds an access.
    pub fn push(&mut self, record: Record) {
        let is_atomic = matches!(record.kind, Kind::Atomic { .. });
        let last = if is_atomic { self.atomics.last_mut() } else { self.records.last_mut() };
        match last {
            Some(last) if last.is_beside(&record) => last.lanes |= record.lanes,
            _ if is_atomic => self.atomics.push(record),
            _ => self.records.push(record),
        }
    }

    /// The copy that is `begun`, of one lane, was done at `time`: what it did is now as if the thread had done it.
    pub fn done(&mut self, begun: &Record, time: u32) {
        let is_it = |record: &&mut Record| record.is_beside(begun) && record.lanes & begun.lanes != 0;
        let Some(found) = self.records.iter_mut().find(is_it) else { return };
        found.lanes &= !begun.lanes;
        self.records.retain(|record| record.lanes != 0);
        let kind = if begun.kind == Kind::Fetch { Kind::Read } else { Kind::Write };
        self.push(Record { kind, time, ..*begun });
    }
}

#[derive(Debug, Clone)]
struct Word {
    whole: Cell,
    bytes: Option<Box<[Cell; WORD as usize]>>,
}

/// The shadow of a memory. Clones share what neither changes.
#[derive(Debug, Clone, Default)]
pub struct Shadow {
    pages: FxHashMap<u64, Rc<Box<[Word]>>>,
}

impl Shadow {
    /// Visits the cells of `len` bytes at `address`, each with the offset of its first byte and its size.
    pub fn visit(&mut self, address: u64, len: usize, mut each: impl FnMut(&mut Cell, usize, usize)) {
        // No allocation reaches to the end of all addresses: such an access is refused.
        let Some(end) = address.checked_add(len as u64).filter(|end| *end <= u64::MAX - WORD) else { return };
        let mut at = address;
        while at < end {
            let first = at / WORD * WORD;
            let until = (first + WORD).min(end);
            let word = self.word(first / WORD);
            let is_whole = until - at == WORD;
            match &mut word.bytes {
                None if is_whole => each(&mut word.whole, (at - address) as usize, WORD as usize),
                bytes => {
                    let whole = &word.whole;
                    let bytes =
                        bytes.get_or_insert_with(|| Box::new(std::array::from_fn(|byte| whole.byte(byte))));
                    for byte in at..until {
                        each(&mut bytes[(byte - first) as usize], (byte - address) as usize, 1);
                    }
                    if is_whole
                        && let [a, b, c, d] = &**bytes
                        && [b, c, d].iter().all(|other| other.is_as(a))
                    {
                        let value =
                            [a, b, c, d].iter().rev().fold(0, |value, cell| value << 8 | cell.value & 0xff);
                        word.whole = Cell { value, ..a.clone() };
                        word.bytes = None;
                    }
                }
            }
            at = until;
        }
    }

    /// The same, of what was ever met: where nothing is remembered, nothing is made.
    pub fn visit_met(&mut self, address: u64, len: usize, mut each: impl FnMut(&mut Cell, usize, usize)) {
        let end = address + len as u64;
        let mut at = address;
        while at < end {
            let page = at / (PAGE * WORD);
            let until = ((page + 1) * PAGE * WORD).min(end);
            if self.pages.contains_key(&page) {
                let before = (at - address) as usize;
                self.visit(at, (until - at) as usize, |cell, offset, size| each(cell, before + offset, size));
            }
            at = until;
        }
    }

    /// Visits every cell that was ever met, with its address.
    pub fn each(&mut self, mut each: impl FnMut(u64, &mut Cell)) {
        for (page, words) in &mut self.pages {
            for (word, first) in
                Rc::make_mut(words).iter_mut().zip((page * PAGE * WORD..).step_by(WORD as usize))
            {
                match &mut word.bytes {
                    None if word.whole.is_new() => {}
                    None => each(first, &mut word.whole),
                    Some(bytes) => bytes.iter_mut().zip(first..).for_each(|(cell, at)| each(at, cell)),
                }
            }
        }
    }

    fn word(&mut self, number: u64) -> &mut Word {
        let new = || Rc::new(vec![Word { whole: Cell::NEW, bytes: None }; PAGE as usize].into_boxed_slice());
        let page = self.pages.entry(number / PAGE).or_insert_with(new);
        &mut Rc::make_mut(page)[(number % PAGE) as usize]
    }
}

impl Cell {
    /// Whether both had the same fate, whatever was written.
    fn is_as(&self, other: &Self) -> bool {
        (&self.records, &self.atomics, &self.before) == (&other.records, &other.atomics, &other.before)
            && (self.taint, self.is_known) == (other.taint, other.is_known)
    }

    fn byte(&self, number: usize) -> Self {
        Self { value: self.value >> (8 * number) & 0xff, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lane: u32, pc: u32) -> Record {
        Record {
            warp: 0,
            lanes: 1 << lane,
            time: 1,
            pc,
            kind: Kind::Write,
            is_strong: false,
            for_block: false,
        }
    }

    #[test]
    fn words_are_split_where_bytes_are_accessed_and_joined_again() {
        let mut shadow = Shadow::default();
        let mut seen = Vec::new();
        shadow.visit(8, 8, |cell, offset, size| {
            cell.push(record(0, 1));
            cell.value = 0x0403_0201;
            seen.push((offset, size));
        });
        assert_eq!(seen, [(0, 4), (4, 4)]);
        seen.clear();
        shadow.visit(10, 3, |cell, offset, size| {
            seen.push((offset, size));
            assert_eq!(cell.value, [3, 4, 1][offset]);
            cell.records.push(record(1, 2));
        });
        assert_eq!(seen, [(0, 1), (1, 1), (2, 1)]);
        let mut counts = Vec::new();
        shadow.visit(8, 8, |cell, _, size| counts.push((cell.records.len(), size)));
        assert_eq!(counts, [(1, 1), (1, 1), (2, 1), (2, 1), (2, 1), (1, 1), (1, 1), (1, 1)]);
        shadow.visit(8, 4, |cell, _, _| cell.records.clear());
        shadow.visit(8, 4, |cell, _, size| assert_eq!((cell.value, size), (0x0403_0201, 4)));
        let mut all = Vec::new();
        shadow.each(|at, _| all.push(at));
        // Of the first word nothing is remembered any more.
        assert_eq!(all, [12, 13, 14, 15]);
    }

    #[test]
    fn what_was_never_met_is_not_made_by_looking() {
        let (mut shadow, far) = (Shadow::default(), 10 * PAGE * WORD);
        shadow.visit(far + 2, 1, |cell, _, _| cell.push(record(0, 1)));
        let mut met = Vec::new();
        shadow.visit_met(2, 2 * far as usize, |cell, offset, _| {
            met.extend((!cell.is_new()).then_some(offset as u64));
        });
        assert_eq!((met, shadow.pages.len()), (vec![far], 1));
    }

    #[test]
    fn an_access_at_the_end_of_all_addresses_meets_nothing() {
        for address in [u64::MAX, u64::MAX - 3, u64::MAX - 4] {
            Shadow::default().visit(address, 4, |_, _, _| panic!("there is nothing"));
        }
    }

    #[test]
    fn a_copy_that_is_done_is_one_lanes_own_access() {
        let fetch = |lane, group| Record { kind: Kind::Fetch, time: under_way(group), ..record(lane, 1) };
        let mut cell = Cell::NEW;
        [fetch(0, 0), fetch(3, 0), fetch(0, 1)].into_iter().for_each(|record| cell.push(record));
        cell.done(&fetch(0, 0), 9);
        let left: Vec<_> = cell.records.iter().map(|it| (it.kind, it.lanes, it.is_under_way())).collect();
        assert_eq!(left, [(Kind::Fetch, 0b1000, true), (Kind::Fetch, 0b1, true), (Kind::Read, 0b1, false)]);
        cell.done(&fetch(5, 0), 9);
        assert_eq!(cell.records.len(), 3, "nobody else's copy is done by that");
    }

    #[test]
    fn lanes_that_do_the_same_are_one_record() {
        let mut cell = Cell::NEW;
        cell.push(record(0, 1));
        cell.push(record(3, 1));
        cell.push(record(3, 2));
        assert_eq!(cell.records.iter().map(|record| record.lanes).collect::<Vec<_>>(), [0b1001, 0b1000]);
    }
}
