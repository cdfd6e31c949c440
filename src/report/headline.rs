//! One sentence per device and operation, and the price of the same bits.

use crate::measurement::Measurement;
use crate::perturbation::Perturbation;
use crate::report::group::Group;
use crate::report::words::{self, plural};
use crate::verdict::Verdict;

/// What was found, in a sentence on this program's ways and, if others' code changed its bits too, one
/// on that. `place` is where: "Here", "On cuda:0,".
pub fn headline(group: &Group, place: &str) -> String {
    let foreign: Vec<String> = group
        .ways()
        .into_iter()
        .filter(|way| !way.is_own() && group.changes(*way))
        .map(|way| way.name())
        .collect();
    let change = plural(foreign.len(), "changes its", "change their");
    if group.known().is_some_and(|known| known.algorithms().is_empty()) {
        let ways = ways(group);
        let rest = ways.strip_prefix("ways ").unwrap_or(&ways);
        let observed = |row: &&Measurement| matches!(row.verdict, Verdict::Same | Verdict::Differs);
        return match (foreign.as_slice(), group.rows.iter().any(observed)) {
            ([], false) => format!("{place} no way of others {rest} could be measured."),
            ([], true) => {
                format!("{place} no way of others {rest} was seen to change its bits from run to run.")
            }
            (ways, _) => format!(
                "{place} of the ways of others {rest}, {} {change} bits from run to run.",
                words::listed(ways)
            ),
        };
    }
    let own = own(group, place);
    if foreign.is_empty() {
        return own;
    }
    format!("{own} Of the code of others, {} {change} bits from run to run.", words::listed(&foreign))
}

fn own(group: &Group, place: &str) -> String {
    if group.own_ways().is_empty() {
        return format!("{place} none of the {} of this program was measured.", ways(group));
    }
    let tried = group.tried();
    let changing = tried.iter().filter(|way| group.changes(**way)).count();
    let ways = ways(group);
    let way = ways.strip_prefix("ways ").map_or_else(|| ways.clone(), |rest| format!("way {rest}"));
    match (tried.len(), changing) {
        (0, _) => format!("{place} none of the {ways} could be measured: {}.", fate(group)),
        (1, 0) => format!(
            "{place} the one {way} that was measured was not seen to change its bits from run to run. {}",
            no_proof(group)
        ),
        (all, 0) => format!(
            "{place} none of the {all} {ways} was seen to change its bits from run to run. {}",
            no_proof(group)
        ),
        (1, _) => format!("{place} the one {way} that was measured changes its bits from run to run."),
        (2, 2) => format!("{place} both {ways} change their bits from run to run."),
        (all, some) if all == some => {
            format!("{place} all {all} {ways} change their bits from run to run.")
        }
        (all, some) => format!(
            "{place} {some} of {all} {ways} {} bits from run to run{}.",
            plural(some, "changes its", "change their"),
            cost(group)
        ),
    }
}

/// "ways to sum".
fn ways(group: &Group) -> String {
    group
        .known()
        .map_or_else(|| format!("ways to compute {}", group.operation), |known| known.ways().to_owned())
}

/// What became of rows, none of which was observed under what the headline is about.
fn fate(group: &Group) -> String {
    let count = |verdict| group.rows.iter().filter(|row| row.is_own() && row.verdict == verdict).count();
    let rows = group.rows.iter().filter(|row| row.is_own()).count();
    match (count(Verdict::Skipped), count(Verdict::Failed)) {
        (skipped, 0) if skipped == rows => {
            plural(rows, "the only row was skipped", "every row was skipped").to_owned()
        }
        (0, failed) if failed == rows => plural(rows, "the only row failed", "every row failed").to_owned(),
        (skipped, failed) if skipped + failed == rows => {
            format!("of {rows} rows, {skipped} were skipped and {failed} failed")
        }
        _ => "no row repeats an execution and compares bits".to_owned(),
    }
}

/// That seeing nothing proves nothing, with the bound that was reached where least was tried.
fn no_proof(group: &Group) -> String {
    let bound = group
        .rows
        .iter()
        .filter(|row| row.is_own() && row.perturbation == Perturbation::Repeat && row.is_observed())
        .filter_map(|row| row.p_upper_95)
        .max_by(f64::total_cmp);
    match bound {
        Some(bound) => format!(
            "That is no proof: a later execution may still differ with a probability below {} \
             (95 % confidence).",
            words::percent_up(bound)
        ),
        None => "That is no proof.".to_owned(),
    }
}

/// What the same bits cost, as the end of the headline; nothing where times are missing.
fn cost(group: &Group) -> String {
    let Some(price) = group.price() else { return String::new() };
    let steady = group.tried().into_iter().filter(|way| !group.changes(*way));
    // "That does not" must mean the ways which the price is chosen from.
    let all_keep_their_word = steady.into_iter().all(|way| group.keeps_its_word(way));
    let which = if all_keep_their_word { "that does not" } else { "that guarantees and kept them" };
    format!("; the fastest {which} {}", words::cost(price))
}

/// The price of the same bits, a sentence per device.
pub fn prices(groups: &[Group]) -> Vec<String> {
    let mut prices: Vec<((&str, &str), Vec<String>)> = Vec::new();
    for group in groups {
        let Some(price) = group.price() else { continue };
        let price = format!("{} for {}", words::price(price), group.operation);
        let device = (group.device, group.kind);
        match prices.iter_mut().find(|(known, _)| *known == device) {
            Some((_, entries)) => entries.push(price),
            None => prices.push((device, vec![price])),
        }
    }
    let several = several_devices(groups);
    prices
        .into_iter()
        .map(|((device, _), entries)| {
            let place = if several { format!("on {device}") } else { "here".to_owned() };
            format!("The price of the same bits {place}: {}.", entries.join(", "))
        })
        .collect()
}

/// Whether `groups` are of more than one device, so that sentences must name it.
pub fn several_devices(groups: &[Group]) -> bool {
    groups.windows(2).any(|pair| (pair[0].device, pair[0].kind) != (pair[1].device, pair[1].kind))
}
