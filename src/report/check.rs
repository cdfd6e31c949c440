//! Whether rows meet what is required: what offends, worst first. Pure functions from rows to text; nothing is run.

use std::collections::BTreeSet;

use crate::measurement::Measurement;
use crate::policy::{On, Policy, Use};
use crate::report::advise::model::{Advice, Candidate, Choice, Demand, Price};
use crate::report::advise::words::{against as words_of, cost, flag};
use crate::report::compare::devices::Device;
use crate::report::evidence::{Contradiction, Missing, Standing};
use crate::report::page::{Page, Style};
use crate::report::words::{self, percent_up, plural};
use crate::requirement::Requirement;
use crate::statistics::comparisons_for;
use crate::verdict::Verdict;

/// How bad an offence is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing that counts was measured.
    NoRows,
    /// A row shows that it is not so.
    Contradicted,
    /// Slower than allowed.
    TooSlow,
    /// Too few executions.
    Weak,
    /// No row.
    Unmeasured,
}

/// Something that does not meet what is required.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, safe to print.
    pub what: String,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What offends, worst first.
    pub offences: Vec<Offence>,
    /// How many things were required: a way, on a device, under a requirement.
    pub required: usize,
    /// The devices whose rows counted.
    pub devices: Vec<String>,
    /// What was asked for.
    pub demand: Demand,
}

/// Whether a row is evidence: only those of CUDA devices are, unless others are allowed too.
pub fn counts(row: &Measurement, allow_cpu: bool) -> bool {
    allow_cpu || row.device.starts_with("cuda")
}

/// Which ways must meet it.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'p> {
    /// Every algorithm of this program that claims it.
    Claims,
    /// Those that a policy uses.
    Policy(&'p Policy),
}

impl Checked {
    /// Holds the rows that [count](counts) as evidence against `demand`; of all `others` only what is broken or
    /// failed offends.
    pub fn new(counted: &[Measurement], others: &[Measurement], demand: Demand, scope: Scope) -> Self {
        let advice = Advice::new(counted, demand);
        let mut checked = Self {
            offences: Vec::new(),
            required: 0,
            devices: advice.devices.iter().map(|device| device.label.clone()).collect(),
            demand: advice.demand.clone(),
        };
        let is_executed = counted.iter().any(|row| row.is_own() && row.is_observed());
        if !is_executed {
            let what = match (counted.is_empty(), others.is_empty()) {
                (true, true) => "there are no rows",
                (true, false) => {
                    "no row is of a CUDA device: was the program started with its GPU (containers: --gpus all)? \
                     --allow-cpu lets rows of other devices count"
                }
                (false, _) => "no row that counts compares bits of an algorithm of this program",
            };
            checked.add(Severity::NoRows, what.to_owned());
        }
        checked.broken(others);
        match scope {
            // Of no rows that is said already.
            Scope::Claims if !is_executed => {}
            Scope::Claims => checked.claims(&advice),
            Scope::Policy(policy) => checked.policy(&advice, policy),
        }
        checked.sorted()
    }

    fn sorted(mut self) -> Self {
        self.offences.sort();
        self.offences.dedup();
        self
    }

    /// What is broken or failed offends, even where rows are no evidence.
    fn broken(&mut self, others: &[Measurement]) {
        for row in others.iter().filter(|row| row.is_own()) {
            let against = match row.verdict {
                Verdict::Failed => Contradiction::Failed(row),
                Verdict::Differs if row.breaks_claim() => Contradiction::Differs(row),
                _ => continue,
            };
            self.add(Severity::Contradicted, format!("{}: {}", place(row), contradiction(&against)));
        }
    }

    /// Whether everything is met.
    pub fn is_met(&self) -> bool {
        self.offences.is_empty()
    }

    fn add(&mut self, severity: Severity, what: String) {
        self.offences.push(Offence { severity, what: words::visible(&what) });
    }

    fn claims(&mut self, advice: &Advice) {
        let mut claimed: BTreeSet<Requirement> = BTreeSet::new();
        for choice in &advice.choices {
            for candidate in &choice.candidates {
                claimed.extend(self.candidate(candidate, choice, advice));
            }
        }
        for requirement in advice.demand.require.iter().filter(|required| !claimed.contains(required)) {
            self.add(
                Severity::NoRows,
                format!("no algorithm that was measured claims the same bits under {requirement}"),
            );
        }
    }

    /// Adds what offends of a way, for the requirements that it claims, and says which these are.
    fn candidate(
        &mut self,
        candidate: &Candidate,
        choice: &Choice,
        advice: &Advice,
    ) -> BTreeSet<Requirement> {
        let of = |requirement: Requirement| {
            candidate.findings.iter().filter(move |finding| finding.requirement == requirement)
        };
        let is_claimed =
            |requirement: &Requirement| of(*requirement).all(|f| f.standing != Standing::Unclaimed);
        let claimed: BTreeSet<Requirement> =
            advice.demand.require.iter().copied().filter(is_claimed).collect();
        for finding in candidate.findings.iter().filter(|finding| claimed.contains(&finding.requirement)) {
            self.required += 1;
            let place = named(choice, candidate, finding.column, &advice.devices);
            self.standing(&finding.standing, finding.requirement, &place);
        }
        claimed
    }

    fn standing(&mut self, standing: &Standing, requirement: Requirement, place: &str) {
        let max_p = self.demand.max_p;
        match standing {
            Standing::Met(_) => {}
            Standing::Unclaimed => {
                self.add(
                    Severity::Contradicted,
                    format!("{place}: does not claim the same bits under {requirement}"),
                );
            }
            Standing::Contradicted(against) => {
                self.add(Severity::Contradicted, format!("{place}: {}", contradiction(against)));
            }
            Standing::Open(Missing::Weak(under, support)) => self.add(
                Severity::Weak,
                format!(
                    "{place}: 0 of {} differ under {under}, so p < {}; {} are needed for {}",
                    support.comparisons,
                    percent_up(support.p),
                    comparisons_for(max_p),
                    flag(max_p)
                ),
            ),
            Standing::Open(Missing::Unmeasured(under, row)) => {
                let why = row.map_or_else(String::new, |row| format!(" (skipped: {})", row.note));
                self.add(Severity::Unmeasured, format!("{place}: not measured under {under}{why}"));
            }
            Standing::Open(Missing::OneDevice) => {
                self.add(Severity::Unmeasured, format!("{place}: no second device has the same inputs"));
            }
        }
    }

    fn policy(&mut self, advice: &Advice, policy: &Policy) {
        for used in &policy.uses {
            let choice = advice.choices.iter().find(|choice| is_on(choice, &used.on));
            let candidate = choice.and_then(|choice| {
                let is_used = |candidate: &&Candidate| is_way(candidate, used);
                Some((choice, choice.candidates.iter().find(is_used)?))
            });
            let Some((choice, candidate)) = candidate else {
                self.required += 1;
                self.add(
                    Severity::Unmeasured,
                    format!(
                        "{}/{} on {}: no row measures it",
                        used.on.operation, used.algorithm, used.on.workload
                    ),
                );
                continue;
            };
            for finding in &candidate.findings {
                self.required += 1;
                let place = named(choice, candidate, finding.column, &advice.devices);
                self.standing(&finding.standing, finding.requirement, &place);
            }
            for (column, known) in &candidate.costs {
                if let (Some(known), Some(Price::Over)) = (known, candidate.prices.get(column)) {
                    let place = named(choice, candidate, Some(*column), &advice.devices);
                    let most = self.demand.max_tax.map_or_else(String::new, flag);
                    self.add(Severity::TooSlow, format!("{place}: {}, over {most}", cost(&known.ratio)));
                }
            }
        }
        for on in &policy.undecided {
            self.required += 1;
            self.add(
                Severity::Unmeasured,
                format!("{} on {}: the policy has no algorithm for it", on.operation, on.workload),
            );
        }
        if policy.uses.is_empty() && policy.undecided.is_empty() {
            self.add(Severity::NoRows, "the policy uses no algorithm".to_owned());
        }
    }
}

fn is_on(choice: &Choice, on: &On) -> bool {
    let problem = &choice.on;
    (choice.operation, choice.function, problem.workload, problem.shape, problem.setting)
        == (&on.operation, &on.function, &on.workload, &on.shape, &on.setting)
        && (problem.dtype, problem.input) == (on.dtype, on.input)
}

fn is_way(candidate: &Candidate, used: &Use) -> bool {
    (candidate.way.algorithm, candidate.way.setting) == (&used.algorithm, &used.algorithm_setting)
}

fn named(choice: &Choice, candidate: &Candidate, column: Option<usize>, devices: &[Device]) -> String {
    let on = column.map_or_else(String::new, |column| format!(" on {}", devices[column].label));
    format!(
        "{}, {} ({}){on}",
        candidate.way.full_name(choice.operation),
        choice.described,
        choice.on.workload
    )
}

fn place(row: &Measurement) -> String {
    format!("{}/{}, {} on {}", row.operation, row.algorithm, row.workload, row.device)
}

/// What contradicts, with the row that does.
fn contradiction(against: &Contradiction) -> String {
    let row = match against {
        Contradiction::Differs(row) | Contradiction::Failed(row) | Contradiction::OtherBits(_, row) => row,
    };
    format!("{} (row {} of run {})", words_of(against), row.row_id, row.run_id)
}

/// Offences that are shown unless all are asked for.
const LINES: usize = 40;

/// The outcome as text that ends in a newline; with `all`, however many offences there are.
pub fn render(checked: &Checked, all: bool, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let most = if all { checked.offences.len() } else { LINES };
    for offence in checked.offences.iter().take(most) {
        let (word, style) = match offence.severity {
            Severity::NoRows | Severity::Contradicted | Severity::TooSlow => ("NOT MET", Style::Alarm),
            Severity::Weak => ("TOO WEAK", Style::Warning),
            Severity::Unmeasured => ("NOT MEASURED", Style::Warning),
        };
        page.sentence(&format!("{word}: {}", offence.what), style);
    }
    if checked.offences.len() > most {
        page.plain(format!("… and {} more; --all shows them", checked.offences.len() - most));
    }
    page.gap();
    let required: Vec<String> = checked.demand.require.iter().map(|r| r.name().to_owned()).collect();
    let (offences, all) = (checked.offences.len(), checked.required);
    let outcome = match offences {
        0 => format!("Met: {all} of {all} {}", plural(all, "requirement", "requirements")),
        some => format!(
            "Not met: {some} {} against {all} {}",
            plural(some, "offence", "offences"),
            plural(all, "requirement", "requirements")
        ),
    };
    let devices =
        if checked.devices.is_empty() { "no device".to_owned() } else { checked.devices.join(", ") };
    page.sentence(
        &format!("{outcome} ({}; p < {}; {devices}).", required.join(", "), percent_up(checked.demand.max_p)),
        Style::Bold,
    );
    page.finish()
}

#[cfg(test)]
mod tests;
