//! What the same bits cost on each device: how much slower than the fastest way the cheapest is that claims them
//! and kept its word, over the cases that its operation's ways have in common.

use std::collections::BTreeSet;

use crate::guarantee::Guarantee;
use crate::ratio::Ratio;
use crate::report::compare::cell::Mark;
use crate::report::compare::claims::some_of;
use crate::report::compare::model::{Block, Device};
use crate::report::compare::rank::OfWays;
use crate::report::group::Way;
use crate::report::words::{self, plural};

/// The cheapest way to the same bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Price<'a> {
    /// The operation, safe to print.
    pub operation: String,
    /// The column.
    pub column: usize,
    /// What the way claims at least.
    pub claims: Guarantee,
    /// The way.
    pub way: Way<'a>,
    /// Its geometric mean of times over the fastest's.
    pub mean: Ratio,
    /// The cases that this rests on.
    pub cases: usize,
}

/// The prices of what claims its bits from run to run, and of what claims them on every device, where anything
/// that does was ranked. Others' code claims nothing that could have a price.
pub fn prices<'a>(ranks: &[OfWays<'a>], blocks: &[Block<'a>]) -> Vec<Price<'a>> {
    let mut claims: BTreeSet<(&str, usize, Way, Guarantee)> = BTreeSet::new();
    let mut broken: BTreeSet<(&str, Option<usize>, Way)> = BTreeSet::new();
    for block in blocks {
        for line in &block.lines {
            for (column, cell) in &line.cells {
                claims.insert((&block.operation, *column, line.way, cell.row.guarantee));
                if matches!(cell.mark, Mark::Varies | Mark::Failed) || cell.is_broken {
                    broken.insert((&block.operation, Some(*column), line.way));
                }
            }
            if line.differs_against_its_claim() {
                broken.insert((&block.operation, None, line.way));
            }
        }
    }
    let mut prices = Vec::new();
    for rank in ranks {
        for level in [Guarantee::RunToRun, Guarantee::GpuToGpu] {
            let is_kept = |way: &Way<'a>| {
                let operation = rank.operation.as_str();
                let levels =
                    [Guarantee::RunToRun, Guarantee::GpuToGpu].into_iter().filter(|claim| *claim >= level);
                let mut claimed = levels.map(|claim| (operation, rank.column, *way, claim));
                let is_broken = |place| broken.contains(&(operation, place, *way));
                way.is_own()
                    && claimed.any(|claim| claims.contains(&claim))
                    && !is_broken(Some(rank.column))
                    && !(level == Guarantee::GpuToGpu && is_broken(None))
            };
            // Ranked are the fastest first.
            let cheapest = rank.standing.ranked.iter().find(|ranked| is_kept(&ranked.who));
            prices.extend(cheapest.map(|ranked| Price {
                operation: rank.operation.clone(),
                column: rank.column,
                claims: level,
                way: ranked.who,
                mean: ranked.mean,
                cases: rank.standing.cases.len(),
            }));
        }
    }
    prices
}

/// A sentence per device, or one for those where it is the same.
pub fn sentences(prices: &[Price], devices: &[Device]) -> Vec<String> {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for (column, device) in devices.iter().enumerate() {
        let own: Vec<&Price> = prices.iter().filter(|price| price.column == column).collect();
        let alike = |a: &&Price, b: &&Price| (&a.operation, a.way.function) == (&b.operation, b.way.function);
        let costs = own.chunk_by(alike).map(of_one).collect::<Vec<_>>().join("; ");
        match told.iter_mut().find(|(known, _)| *known == costs) {
            _ if costs.is_empty() => {}
            Some((_, labels)) => labels.push(device.label.clone()),
            None => told.push((costs, vec![device.label.clone()])),
        }
    }
    let sentence = |(costs, labels): (String, Vec<String>)| {
        format!("The price of the same bits on {}: {costs}.", some_of(&labels))
    };
    told.into_iter().map(sentence).collect()
}

/// The prices of one operation on one device.
fn of_one(prices: &[&Price]) -> String {
    let name = |price: &Price| words::visible(&price.way.name());
    let cost = |price: &Price| words::price_of(price.mean);
    let costs: Vec<String> = match prices {
        [run, all] if run.way == all.way => vec![format!("{} on every device with {}", cost(all), name(all))],
        [run, all] => vec![
            format!("{} from run to run with {}", cost(run), name(run)),
            format!("{} on every device with {}", cost(all), name(all)),
        ],
        others => {
            others.iter().map(|one| format!("{} from run to run with {}", cost(one), name(one))).collect()
        }
    };
    let (operation, cases) = prices.first().map_or(("", 0), |price| (price.operation.as_str(), price.cases));
    format!("{operation}, {cases} {}: {}", plural(cases, "case", "cases"), costs.join(", "))
}
