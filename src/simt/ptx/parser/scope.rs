//! Which declaration a name means. Names of nested blocks become unique: `x` of block 3 is `x@3`, and
//! `%r<4>` of it `%r@3_0` to `%r@3_3`; `@` is in no name that PTX knows.

use std::collections::HashMap;

/// Names that are declared in the blocks open just now, the outermost first.
#[derive(Default)]
pub(super) struct Scopes<'a> {
    open: Vec<Scope<'a>>,
    /// Serial number of the newest block of the function; 0 is its outermost.
    newest: u32,
    /// Declarations in open blocks whose names differ from what was written.
    renamed: usize,
}

#[derive(Default)]
struct Scope<'a> {
    serial: u32,
    /// The first statement of the block.
    first: usize,
    /// Names of one variable or register each, with whether they are renamed.
    singles: HashMap<&'a str, bool>,
    /// Prefixes of `<n>`, with n.
    ranges: HashMap<&'a str, u32>,
    /// For each prefix that declared names have, the lowest number that follows it.
    lowest: HashMap<&'a str, u32>,
    labels: HashMap<&'a str, u32>,
    renamed: usize,
}

/// A block that was closed.
pub(super) struct Closed<'a> {
    serial: u32,
    /// The first statement of the block.
    pub(super) first: usize,
    labels: HashMap<&'a str, u32>,
}

impl Closed<'_> {
    /// The unique name, if it is one of the block's labels.
    pub(super) fn label(&self, name: &str) -> Option<String> {
        self.labels.contains_key(name).then(|| format!("{name}@{}", self.serial))
    }

    /// Whether there is anything to rename.
    pub(super) fn renames_labels(&self) -> bool {
        self.serial > 0 && !self.labels.is_empty()
    }
}

impl<'a> Scopes<'a> {
    /// Forgets everything: a function begins.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
        self.open.push(Scope::default());
    }

    /// How many blocks are open, the function itself included.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Enters a block, whose statements begin with number `first`.
    pub(super) fn enter(&mut self, first: usize) {
        self.newest = self.newest.saturating_add(1);
        self.open.push(Scope { serial: self.newest, first, ..Scope::default() });
    }

    /// Leaves the innermost block.
    pub(super) fn leave(&mut self) -> Option<Closed<'a>> {
        let scope = self.open.pop()?;
        self.renamed = self.renamed.saturating_sub(scope.renamed);
        Some(Closed { serial: scope.serial, first: scope.first, labels: scope.labels })
    }

    /// Declares a name; `shadows` says that the module has the name too. `None` if the block has it already.
    pub(super) fn declare(&mut self, name: &'a str, shadows: bool) -> Option<String> {
        let scope = self.open.last_mut()?;
        if scope.knows(name) || scope.labels.contains_key(name) {
            return None;
        }
        let rename = scope.serial > 0 || shadows;
        scope.singles.insert(name, rename);
        scope.remember(name, None);
        scope.renamed += usize::from(rename);
        self.renamed += usize::from(rename);
        Some(if rename { format!("{name}@{}", scope.serial) } else { name.to_owned() })
    }

    /// Declares `prefix<count>`; gives the unique prefix, or `None` if the block has one of the names.
    pub(super) fn declare_range(&mut self, prefix: &'a str, count: u32) -> Option<String> {
        let scope = self.open.last_mut()?;
        let first = format!("{prefix}0");
        let taken = scope.ranges.contains_key(prefix)
            || scope.lowest.get(prefix).is_some_and(|lowest| *lowest < count)
            || (count > 0 && scope.knows(&first));
        if taken {
            return None;
        }
        let rename = scope.serial > 0;
        scope.ranges.insert(prefix, count);
        if count > 0 {
            scope.remember(prefix, Some(0));
        }
        scope.renamed += usize::from(rename);
        self.renamed += usize::from(rename);
        Some(if rename { ranged(prefix, scope.serial) } else { prefix.to_owned() })
    }

    /// Declares a label; gives its unique name, or `None` if the block has the name already.
    pub(super) fn declare_label(&mut self, name: &'a str, line: u32) -> Option<String> {
        let scope = self.open.last_mut()?;
        if scope.knows(name) || scope.labels.insert(name, line).is_some() {
            return None;
        }
        scope.remember(name, None);
        Some(if scope.serial > 0 { format!("{name}@{}", scope.serial) } else { name.to_owned() })
    }

    /// Whether a variable or register of that name is visible.
    pub(super) fn sees(&self, name: &str) -> bool {
        self.open.iter().any(|scope| scope.knows(name))
    }

    /// The unique name of what a name means here. A name that no open block declares is left as it is.
    pub(super) fn resolve(&self, name: &str) -> String {
        if self.renamed == 0 {
            return name.to_owned();
        }
        for scope in self.open.iter().rev() {
            match scope.singles.get(name) {
                Some(true) => return format!("{name}@{}", scope.serial),
                Some(false) => return name.to_owned(),
                None => {}
            }
            if let Some((prefix, index)) = scope.range_of(name) {
                return match scope.serial {
                    0 => name.to_owned(),
                    serial => ranged(prefix, serial) + &index.to_string(),
                };
            }
        }
        name.to_owned()
    }
}

impl<'a> Scope<'a> {
    fn knows(&self, name: &str) -> bool {
        self.singles.contains_key(name) || self.range_of(name).is_some()
    }

    fn range_of<'n>(&self, name: &'n str) -> Option<(&'n str, u32)> {
        splits(name).find(|(prefix, index)| self.ranges.get(prefix).is_some_and(|count| index < count))
    }

    /// Notes which numbers a new name adds to which prefixes; `last` is a digit to be added to the name.
    fn remember(&mut self, name: &'a str, last: Option<u32>) {
        let appended = |index: u32| match last {
            Some(digit) => index.checked_mul(10).and_then(|tens| tens.checked_add(digit)),
            None => Some(index),
        };
        let numbers = splits(name).filter_map(|(prefix, index)| {
            let leading_zero = last.is_some() && index == 0;
            (!leading_zero).then_some(())?;
            Some((prefix, appended(index)?))
        });
        for (prefix, index) in numbers.chain(last.map(|digit| (name, digit))) {
            let lowest = self.lowest.entry(prefix).or_insert(index);
            *lowest = index.min(*lowest);
        }
    }
}

/// The prefix and number that `<n>` would make this name of: `%r12` is `%r` with 12, and `%r1` with 2.
/// A number has no leading zero.
fn splits(name: &str) -> impl Iterator<Item = (&str, u32)> {
    const DIGITS_OF_U32: usize = 10;
    let digits = name.bytes().rev().take(DIGITS_OF_U32).take_while(u8::is_ascii_digit).count();
    (1..=digits).filter_map(move |length| {
        let (prefix, number) = name.split_at(name.len() - length);
        let canonical = length == 1 || !number.starts_with('0');
        (canonical && !prefix.is_empty()).then_some(())?;
        Some((prefix, number.parse().ok()?))
    })
}

/// The unique prefix of a block's range.
fn ranged(prefix: &str, serial: u32) -> String {
    format!("{prefix}@{serial}_")
}
