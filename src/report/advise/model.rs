//! Which way to take: the decision, before anybody lays it out.

use std::collections::{BTreeMap, BTreeSet};

use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::advise::cost::{Cost, Costs, costs, is_timed as is_timed_row};
use crate::report::advise::effect::{Toggle, toggles};
use crate::report::compare::collect::{Collected, collect};
use crate::report::compare::devices::{Device, Devices};
use crate::report::evidence::{Evidence, Missing, Standing, Support, across};
use crate::report::group::{Problem, Way, describe};
use crate::requirement::Requirement;
use crate::verdict::Verdict;

/// What the user asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// What must leave bits as they are.
    pub require: Vec<Requirement>,
    /// The most that the time over the fastest way's may be above 1; `None` for any.
    pub max_tax: Option<f64>,
    /// What the probability of a difference must be below.
    pub max_p: f64,
}

/// How a way stands to a requirement: on a column, or, for `device`, across all.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding<'a> {
    /// What is required.
    pub requirement: Requirement,
    /// The column; `None` across all.
    pub column: Option<usize>,
    /// How it stands.
    pub standing: Standing<'a>,
}

/// Whether a way may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fitness {
    /// It meets everything.
    Fit,
    /// Rows do not tell.
    Open,
    /// It does not meet something.
    Unfit,
}

/// What is known of a way's price on a device, against the highest allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Price {
    /// Within, or there is no limit.
    Within,
    /// Above, with its whole interval.
    Over,
    /// The limit lies in the interval.
    CannotTell,
    /// No time says.
    Unknown,
}

/// One way to compute a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<'a> {
    /// The way.
    pub way: Way<'a>,
    /// How it stands to every requirement on every column.
    pub findings: Vec<Finding<'a>>,
    /// By column, what it costs; columns on which no way was timed are left out.
    pub costs: BTreeMap<usize, Option<Cost<'a>>>,
    /// By column, what that means.
    pub prices: BTreeMap<usize, Price>,
    /// Whether it may be taken.
    pub fitness: Fitness,
    /// The rows that it rests on: those under what is required, and that of its time.
    pub rows: Vec<&'a Measurement>,
}

impl Candidate<'_> {
    /// The geometric mean of its costs; `None` if one is unknown, or all are.
    pub fn mean_cost(&self) -> Option<f64> {
        let logs: Option<Vec<f64>> =
            self.costs.values().map(|cost| Some(cost.as_ref()?.ratio.value.ln())).collect();
        let logs = logs.filter(|logs| !logs.is_empty())?;
        Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
    }

    /// All comparisons that it rests on, and the weakest bound.
    pub fn support(&self) -> Support {
        let met = self.findings.iter().filter(|finding| finding.column.is_some());
        met.fold(Support { comparisons: 0, p: 0.0 }, |sum, finding| match finding.standing {
            Standing::Met(support) => {
                Support { comparisons: sum.comparisons + support.comparisons, p: sum.p.max(support.p) }
            }
            _ => sum,
        })
    }
}

/// One problem and one of its operation's functions.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<'a> {
    /// The operation's name.
    pub operation: &'a str,
    /// The problem.
    pub on: Problem<'a>,
    /// The problem in words.
    pub described: String,
    /// The function, if the operation has several; else empty.
    pub function: &'static str,
    /// Every own way to compute it, the best to take first.
    pub candidates: Vec<Candidate<'a>>,
}

/// What becomes of a problem.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision<'c, 'a> {
    /// That way.
    Use(&'c Candidate<'a>),
    /// Some way may fit, but rows do not tell.
    Undecided,
    /// No way fits.
    None,
}

impl<'a> Choice<'a> {
    /// The decision.
    pub fn decision(&self) -> Decision<'_, 'a> {
        match self.candidates.first() {
            Some(best) if best.fitness == Fitness::Fit => Decision::Use(best),
            Some(best) if best.fitness == Fitness::Open => Decision::Undecided,
            _ => Decision::None,
        }
    }
}

/// What to deploy.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice<'a> {
    /// The columns.
    pub devices: Vec<Device<'a>>,
    /// What was asked for.
    pub demand: Demand,
    /// What settings of others' frameworks do.
    pub toggles: Vec<Toggle<'a>>,
    /// A decision for every problem of which something was executed.
    pub choices: Vec<Choice<'a>>,
    /// By operation, how many problems have rows and were executed on no device.
    pub left_out: BTreeMap<&'a str, usize>,
}

impl<'a> Advice<'a> {
    /// Advice from `rows`.
    pub fn new(rows: &'a [Measurement], demand: Demand) -> Self {
        let mut devices = Devices::default();
        let problems = collect(rows, &mut devices);
        let devices = devices.labelled();
        let (mut all, mut left_out) = (Vec::new(), BTreeMap::new());
        for problem in &problems {
            let mut own = problem.ways.iter().filter(|(way, _)| way.is_own()).peekable();
            if own.peek().is_none() {
                continue;
            }
            let mut rows = own.flat_map(|(_, columns)| columns.values().flatten());
            if rows.any(|row| row.verdict != Verdict::Skipped) {
                all.extend(choices(problem, &demand));
            } else {
                *left_out.entry(problem.operation).or_default() += 1;
            }
        }
        let toggles = toggles(&problems);
        Self { devices, demand, toggles, choices: all, left_out }
    }

    /// Whether every problem has a way to take.
    pub fn is_decided(&self) -> bool {
        self.choices.iter().all(|choice| matches!(choice.decision(), Decision::Use(_)))
    }
}

fn choices<'a>(problem: &Collected<'a>, demand: &Demand) -> Vec<Choice<'a>> {
    let own = || problem.ways.iter().filter(|(way, _)| way.is_own());
    let functions: BTreeSet<&'static str> = own().map(|(way, _)| way.function).collect();
    let choice = |function| {
        let ways = || own().filter(|(way, _)| way.function == function);
        let columns: BTreeSet<usize> = ways().flat_map(|(_, rows)| rows.keys().copied()).collect();
        let costs = costs(problem, function);
        let mut candidates: Vec<Candidate> =
            ways().map(|(way, rows)| candidate(*way, rows, &columns, &costs, demand)).collect();
        // Stable: ways that are alike stay in the order of the table.
        candidates.sort_by(|a, b| {
            let cost = |candidate: &Candidate| candidate.mean_cost().unwrap_or(f64::INFINITY);
            a.fitness.cmp(&b.fitness).then(cost(a).total_cmp(&cost(b)))
        });
        let described = describe(problem.known, problem.on);
        Choice { operation: problem.operation, on: problem.on, described, function, candidates }
    };
    functions.into_iter().map(choice).collect()
}

fn candidate<'a>(
    way: Way<'a>,
    rows: &BTreeMap<usize, Vec<&'a Measurement>>,
    columns: &BTreeSet<usize>,
    all_costs: &Costs<'a>,
    demand: &Demand,
) -> Candidate<'a> {
    let evidence: BTreeMap<usize, Evidence> = columns
        .iter()
        .map(|column| (*column, Evidence::of(rows.get(column).map_or(&[][..], Vec::as_slice))))
        .collect();
    let mut findings = Vec::new();
    for &requirement in &demand.require {
        if requirement == Requirement::Device {
            let standing = across(&evidence.values().collect::<Vec<_>>());
            findings.push(Finding { requirement, column: None, standing });
            // Every device must have bits of its own to be compared, and keep them.
            findings.extend(evidence.iter().filter_map(|(column, evidence)| {
                let standing = match evidence.contradiction(requirement) {
                    Some(contradiction) => Standing::Contradicted(contradiction),
                    None if evidence.has_bits() => return None,
                    None => Standing::Open(Missing::Unmeasured(Perturbation::Repeat, None)),
                };
                Some(Finding { requirement, column: Some(*column), standing })
            }));
            continue;
        }
        findings.extend(evidence.iter().map(|(column, evidence)| Finding {
            requirement,
            column: Some(*column),
            standing: evidence.standing(requirement, demand.max_p),
        }));
    }
    let is_timed = |column: &&usize| all_costs.keys().any(|(_, timed)| timed == *column);
    let costs: BTreeMap<usize, Option<Cost>> = columns
        .iter()
        .filter(is_timed)
        .map(|column| (*column, all_costs.get(&(way, *column)).copied()))
        .collect();
    let prices = prices(&costs, columns, demand.max_tax);
    let fitness = fitness(&findings, &prices);
    let is_evidence = |row: &&Measurement| {
        row.is_observed()
            && (is_timed_row(row) || demand.require.iter().any(|requirement| requirement.is_tried_by(row)))
    };
    let rows = evidence.values().flat_map(|of| of.rows().iter().copied()).filter(is_evidence).collect();
    Candidate { way, findings, costs, prices, fitness, rows }
}

/// What is known of a way's price against the highest allowed, on every column.
fn prices(
    costs: &BTreeMap<usize, Option<Cost>>,
    columns: &BTreeSet<usize>,
    max_tax: Option<f64>,
) -> BTreeMap<usize, Price> {
    let price = |column: &usize| match (max_tax, costs.get(column).copied().flatten()) {
        (None, _) => Price::Within,
        (Some(_), None) => Price::Unknown,
        (Some(most), Some(Cost { ratio, .. })) if ratio.high <= 1.0 + most => Price::Within,
        (Some(most), Some(Cost { ratio, .. })) if ratio.low > 1.0 + most => Price::Over,
        _ => Price::CannotTell,
    };
    columns.iter().map(|column| (*column, price(column))).collect()
}

fn fitness(findings: &[Finding], prices: &BTreeMap<usize, Price>) -> Fitness {
    let by_evidence = findings.iter().map(|finding| match finding.standing {
        Standing::Met(_) => Fitness::Fit,
        Standing::Open(_) => Fitness::Open,
        Standing::Unclaimed | Standing::Contradicted(_) => Fitness::Unfit,
    });
    let by_price = prices.values().map(|price| match price {
        Price::Within => Fitness::Fit,
        Price::CannotTell | Price::Unknown => Fitness::Open,
        Price::Over => Fitness::Unfit,
    });
    by_evidence.chain(by_price).max().unwrap_or(Fitness::Open)
}
