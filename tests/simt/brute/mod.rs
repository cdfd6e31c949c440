//! Certificates held against the truth: tiny kernels are drawn, all their interleavings are tried by an interpreter
//! that shares no code with the simulated GPU and its analysis, and what `samebits explore` says of them must fit.
//!
//! `SAMEBITS_BRUTE_KERNELS` says how many kernels, `SAMEBITS_BRUTE_SEED` which is the first.

mod explorer;
mod generate;
mod language;
mod laws;
mod machine;
mod order;
mod planted;
mod print;
mod templates;

use std::env;

use rayon::prelude::*;
use samebits::explore::verdict::Verdict;

use explorer::Truth;
use language::Kernel;
use laws::Said;

/// States of a kernel, at most; of the few kernels that have more nothing is known.
const MOST_STATES: usize = 20_000;
/// Kernels where nothing else is asked for.
const KERNELS: u64 = 4000;

/// What is counted of kernels.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    kernels: u64,
    too_large: u64,
    independent: u64,
    depend: u64,
    may_depend: u64,
    fail: u64,
    racy: u64,
    /// One output and no race, and yet no certificate.
    missed: u64,
    states: u64,
}

impl Count {
    fn of(truth: &Truth, said: &Said) -> Self {
        let is = |verdict| u64::from(said.verdict == Ok(verdict));
        let is_simple = truth.outcomes.len() == 1 && truth.races.is_empty() && truth.observed.is_empty();
        Self {
            kernels: 1,
            too_large: 0,
            independent: is(Verdict::Independent),
            depend: is(Verdict::Depends),
            may_depend: is(Verdict::MayDepend),
            fail: u64::from(said.verdict.is_err()),
            racy: u64::from(!truth.races.is_empty()),
            missed: if is_simple { is(Verdict::MayDepend) } else { 0 },
            states: truth.states as u64,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            kernels: self.kernels + other.kernels,
            too_large: self.too_large + other.too_large,
            independent: self.independent + other.independent,
            depend: self.depend + other.depend,
            may_depend: self.may_depend + other.may_depend,
            fail: self.fail + other.fail,
            racy: self.racy + other.racy,
            missed: self.missed + other.missed,
            states: self.states + other.states,
        }
    }
}

/// Holds one kernel against the truth.
fn tried(kernel: &Kernel) -> Result<Count, String> {
    let Some(truth) = explorer::all(kernel, MOST_STATES) else {
        return Ok(Count { kernels: 1, too_large: 1, ..Count::default() });
    };
    let said = laws::said(kernel)?;
    laws::judge(kernel, &truth, &said).map_err(|law| format!("{law}\nsaid: {said:?}"))?;
    Ok(Count::of(&truth, &said))
}

/// Which law it is, of what it says.
fn law(broken: &str) -> &str {
    broken.split(':').next().unwrap_or_default()
}

/// The smallest kernel that still breaks the same law, and by what.
fn smallest(kernel: &Kernel, broken: String) -> (Kernel, String) {
    for smaller in kernel.smaller() {
        match tried(&smaller) {
            Err(still) if law(&still) == law(&broken) => return smallest(&smaller, still),
            _ => {}
        }
    }
    (kernel.clone(), broken)
}

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn what_is_said_of_generated_kernels_fits_all_their_interleavings() {
    let (kernels, first) = (number("SAMEBITS_BRUTE_KERNELS", KERNELS), number("SAMEBITS_BRUTE_SEED", 1));
    let of_seed = |seed: u64| {
        let kernel = generate::kernel(seed);
        tried(&kernel).map_err(|broken| (seed, kernel, broken))
    };
    let results: Vec<_> = (first..first + kernels).into_par_iter().map(of_seed).collect();
    let broken: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    let mut laws: Vec<&str> = Vec::new();
    let mut report = String::new();
    for (seed, kernel, broken) in &broken {
        if laws.contains(&law(broken)) {
            continue;
        }
        laws.push(law(broken));
        let (kernel, broken) = smallest(kernel, broken.clone());
        let text = print::ptx(&kernel).0;
        report += &format!("seed {seed}, made small: {broken}\n{kernel:?}\n{text}\n");
    }
    let seeds: Vec<u64> = broken.iter().map(|(seed, ..)| *seed).collect();
    assert!(seeds.is_empty(), "{} kernels break a law, of seeds {seeds:?}\n{report}", seeds.len());
    let count = results.iter().flatten().fold(Count::default(), |all, one| all.and(*one));
    println!("{count:?}");
    let share = |part: u64, least: u64| part * 100 >= count.kernels * least;
    if kernels >= 1000 {
        assert!(share(count.independent, 10), "few certificates: {count:?}");
        assert!(share(count.depend, 10), "few that depend: {count:?}");
        assert!(share(count.may_depend, 10), "few that may depend: {count:?}");
        assert!(share(count.racy, 10), "few races: {count:?}");
        assert!(!share(count.too_large, 2), "many kernels are too large: {count:?}");
    }
}
