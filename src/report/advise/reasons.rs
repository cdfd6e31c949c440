//! Why ways are not taken: what is alike for several ways or problems of an operation is said once.

use std::collections::BTreeMap;

use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::advise::model::{Advice, Candidate, Choice, Decision, Demand, Fitness, Price};
use crate::report::advise::words::{against, flag, signed};
use crate::report::compare::devices::Device;
use crate::report::evidence::{Missing, Standing};
use crate::report::words;
use crate::statistics::comparisons_for;

/// What speaks against ways, on how many problems.
pub struct Reason {
    ways: Vec<String>,
    /// Whether another way is taken, which they might be cheaper than.
    is_rival: bool,
    parts: Vec<(Part, usize)>,
}

/// One thing that is objected; text says where, if there are several devices.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Said(String),
    /// From so many to so many comparisons, fewer than are needed.
    Few(Perturbation, String, [u64; 2]),
    /// From so much to so much above the fastest, all of it more than is allowed.
    Over(String, [f64; 2]),
    CannotTell(String),
}

impl Part {
    /// Takes another one up, if it is of the same.
    fn joins(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Few(under, place, own), Self::Few(others, there, further))
                if (&*under, &*place) == (others, there) =>
            {
                *own = [own[0].min(further[0]), own[1].max(further[1])];
                true
            }
            (Self::Over(place, own), Self::Over(there, further)) if place == there => {
                *own = [own[0].min(further[0]), own[1].max(further[1])];
                true
            }
            (own, other) => own == other,
        }
    }

    fn text(&self, demand: &Demand) -> String {
        let most = demand.max_tax.map_or_else(String::new, flag);
        match self {
            Self::Said(text) => text.clone(),
            Self::Few(under, place, [least, most]) => {
                let counts = if least == most { most.to_string() } else { format!("{least} to {most}") };
                format!("only {counts} of {} comparisons under {under}{place}", comparisons_for(demand.max_p))
            }
            Self::Over(place, [least, highest]) => {
                let percent = |ratio: &f64| signed(100.0 * (ratio - 1.0));
                let (least, highest) = (percent(least), percent(highest));
                let range = if least == highest { least } else { format!("{least} to {highest}") };
                format!("costs {range} %{place}, over {most}")
            }
            Self::CannotTell(place) => format!("cannot tell whether its cost is within {most}{place}"),
        }
    }
}

impl Reason {
    /// The reason as a sentence.
    pub fn text(&self, demand: &Demand) -> String {
        let part = |(part, count): &(Part, usize)| {
            let count = if *count == 1 { String::new() } else { format!(" ({count} workloads)") };
            part.text(demand) + &count
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        let rival = if self.is_rival { "may be cheaper, but: " } else { "" };
        format!("{}: {rival}{}", words::listed(&self.ways), parts.join("; "))
    }
}

/// Why ways were not taken: of problems without a decision all, of others those that may be cheaper.
pub fn reasons(choices: &[Choice], advice: &Advice) -> Vec<Reason> {
    let mut by_way: BTreeMap<(bool, String), Vec<(Part, usize)>> = BTreeMap::new();
    for choice in choices {
        for candidate in choice.candidates.iter().filter(|candidate| candidate.fitness != Fitness::Fit) {
            let is_rival = match choice.decision() {
                Decision::Use(best) if may_be_cheaper(candidate, best) => true,
                Decision::Use(_) => continue,
                Decision::Undecided | Decision::None => false,
            };
            let known = by_way.entry((is_rival, words::visible(&candidate.way.name()))).or_default();
            for part in objections(candidate, &advice.devices) {
                match known.iter_mut().find_map(|(known, count)| known.joins(&part).then_some(count)) {
                    Some(count) => *count += 1,
                    None => known.push((part, 1)),
                }
            }
        }
    }
    let mut reasons: Vec<Reason> = Vec::new();
    for ((is_rival, way), parts) in by_way {
        let alike = reasons.iter_mut().find(|known| known.is_rival == is_rival && known.parts == parts);
        match alike {
            Some(known) => known.ways.push(way),
            None => reasons.push(Reason { ways: vec![way], is_rival, parts }),
        }
    }
    reasons
}

/// Whether a way might be taken, were it measured: it is not told to be slower than what is taken.
fn may_be_cheaper(candidate: &Candidate, best: &Candidate) -> bool {
    candidate.fitness == Fitness::Open
        && candidate.mean_cost().is_none_or(|own| best.mean_cost().is_none_or(|cost| own < cost))
}

/// What speaks against taking a way.
fn objections(candidate: &Candidate, devices: &[Device]) -> Vec<Part> {
    let mut unclaimed: Vec<String> = Vec::new();
    for finding in candidate.findings.iter().filter(|finding| finding.standing == Standing::Unclaimed) {
        let name = finding.requirement.name().to_owned();
        if !unclaimed.contains(&name) {
            unclaimed.push(name);
        }
    }
    if !unclaimed.is_empty() {
        // Whatever else is so, it will not be taken.
        let unclaimed = words::either(&unclaimed);
        return vec![Part::Said(format!("nothing is claimed about bits under {unclaimed}"))];
    }
    let place = |column: Option<usize>| {
        let column = column.filter(|_| devices.len() > 1);
        column.map_or_else(String::new, |column| format!(" on {}", devices[column].label))
    };
    let mut parts: Vec<Part> = Vec::new();
    for finding in &candidate.findings {
        let (requirement, place) = (finding.requirement, place(finding.column));
        let is_tried = candidate.rows.iter().any(|row| requirement.is_tried_by(row));
        parts.push(match finding.standing {
            Standing::Met(_) | Standing::Unclaimed => continue,
            Standing::Contradicted(contradiction) => Part::Said(against(&contradiction) + &place),
            Standing::Open(Missing::Weak(under, support)) => {
                Part::Few(under, place, [support.comparisons, support.comparisons])
            }
            Standing::Open(Missing::OneDevice) => {
                Part::Said("no second device has the same inputs".to_owned())
            }
            Standing::Open(Missing::Unmeasured(_, Some(row))) => {
                Part::Said(format!("skipped{place}: {}", note(row)))
            }
            Standing::Open(Missing::Unmeasured(under, None)) => {
                let what = if is_tried { under.name() } else { requirement.name() };
                Part::Said(format!("not measured under {what}{place}"))
            }
        });
    }
    for (column, price) in &candidate.prices {
        let place = place(Some(*column));
        let known = candidate.costs.get(column).copied().flatten();
        let known = known.map_or(f64::INFINITY, |known| known.ratio.value);
        parts.push(match price {
            Price::Within => continue,
            Price::Over => Part::Over(place, [known, known]),
            Price::CannotTell => Part::CannotTell(place),
            Price::Unknown => Part::Said(format!("no time tells its cost{place}")),
        });
    }
    // What several requirements or devices have in common is said once.
    let mut told: Vec<Part> = Vec::new();
    for part in parts {
        if !told.contains(&part) {
            told.push(part);
        }
    }
    told
}

fn note(row: &Measurement) -> String {
    if row.note.is_empty() { "no reason is noted".to_owned() } else { words::visible(&row.note) }
}
