//! The commands that measure what an undecided operation lacks.

use std::collections::{BTreeMap, BTreeSet};

use crate::input::Distribution;
use crate::perturbation::Perturbation;
use crate::report::advise::model::{Advice, Choice, Fitness, Price};
use crate::report::advise::words::flag;
use crate::report::evidence::{Missing, Standing};
use crate::report::words;
use crate::requirement::Requirement;
use crate::workload::{self, Profile};

/// Workloads that a command names one by one; more are not told apart.
const NAMED: usize = 3;

#[derive(Default)]
struct Wanted<'a> {
    ways: BTreeSet<&'a str>,
    workloads: BTreeSet<&'a str>,
    require: BTreeSet<Requirement>,
    /// Whether the input is a user's own.
    is_given: bool,
}

/// One command per device and operation, in arguments.
pub fn commands(advice: &Advice, undecided: &[&Choice]) -> Vec<Vec<String>> {
    let mut wanted: BTreeMap<(usize, &str), Wanted> = BTreeMap::new();
    for choice in undecided {
        for candidate in choice.candidates.iter().filter(|candidate| candidate.fitness == Fitness::Open) {
            let mut want = |column: usize, requirement: Requirement| {
                let wanted = wanted.entry((column, choice.operation)).or_default();
                wanted.ways.insert(candidate.way.algorithm);
                wanted.workloads.insert(choice.on.workload);
                wanted.require.insert(requirement);
                wanted.is_given |= choice.on.input == Distribution::Weights;
            };
            for finding in &candidate.findings {
                if let (Standing::Open(Missing::Unmeasured(_, None) | Missing::Weak(..)), Some(column)) =
                    (finding.standing, finding.column)
                {
                    want(column, finding.requirement);
                }
            }
            for (column, price) in &candidate.prices {
                if matches!(price, Price::CannotTell | Price::Unknown) {
                    want(*column, Requirement::Under(Perturbation::Repeat));
                }
            }
        }
    }
    wanted
        .into_iter()
        .map(|((column, operation), wanted)| wanted.command(operation, advice.devices[column].name, advice))
        .collect()
}

impl Wanted<'_> {
    fn command(self, operation: &str, device: &str, advice: &Advice) -> Vec<String> {
        let one_of = |names: &BTreeSet<&str>| {
            let names: Vec<String> = names.iter().map(|name| words::literal(name)).collect();
            if names.len() == 1 { names.concat() } else { format!("({})", names.join("|")) }
        };
        let mut filter = format!("^{}/{} ", words::literal(operation), one_of(&self.ways));
        if self.workloads.len() <= NAMED {
            filter = format!("{filter}{}$", one_of(&self.workloads));
        }
        // Bits to compare across devices are those of any row.
        let mut under = self.require.clone();
        if under.remove(&Requirement::Device) {
            under.insert(Requirement::Under(Perturbation::Repeat));
        }
        let under: Vec<&str> = under.iter().map(|requirement| requirement.name()).collect();
        let mut command: Vec<String> = ["samebits", "run", "--device"].map(str::to_owned).into();
        command.push(words::argument(&words::visible(device)));
        command.extend(["--filter".to_owned(), words::quoted(&words::visible(&filter))]);
        command.extend(["--perturb".to_owned(), under.join(",")]);
        command.extend(["--max-p".to_owned(), flag(advice.demand.max_p)]);
        command.extend(self.source().iter().map(|argument| (*argument).to_owned()));
        command
    }

    /// The flags that make the program find the workloads.
    fn source(&self) -> &'static [&'static str] {
        if self.is_given {
            // Rows hold no path; the reader knows the file.
            return &["--weights", "FILE"];
        }
        let known = workload::built_in().unwrap_or_default();
        let are_in = |profile| {
            let is_in = |name: &&str| known.iter().any(|w| w.name == **name && w.profiles.contains(&profile));
            self.workloads.iter().all(is_in)
        };
        match (are_in(Profile::Quick), are_in(Profile::Full)) {
            (true, _) => &[],
            (false, true) => &["--profile", "full"],
            (false, false) => &["--workloads", "FILE"],
        }
    }
}
