//! Numbers that no row can have, whoever wrote it: they would be compared and ranked as if they were measured.

use crate::measurement::Measurement;

/// What is wrong with the numbers of a row, with its column; `None` if nothing is.
pub fn impossible(row: &Measurement) -> Option<String> {
    let fractions = [("p_upper_95", row.p_upper_95), ("v_c", row.v_c)];
    let sizes = [
        ("v_ermv", row.v_ermv),
        ("reference_rel_err", row.reference_rel_err),
        ("throughput", row.throughput),
        ("percent_of_limit", row.percent_of_limit),
    ];
    let is_size = |value: f64| value >= 0.0 && value.is_finite();
    let fraction = wrong(&fractions, "is not from 0 to 1", |value| (0.0..=1.0).contains(&value));
    let size = || wrong(&sizes, "is no finite number from 0 up", is_size);
    // A bound of 0 that was missed is infinitely exceeded.
    let coverage = [("bound_coverage", row.bound_coverage)];
    let coverage = || wrong(&coverage, "is no number from 0 up", |value| value >= 0.0);
    fraction.or_else(size).or_else(coverage).or_else(|| counts(row)).or_else(|| times(row))
}

fn wrong(columns: &[(&str, Option<f64>)], what: &str, is_right: impl Fn(f64) -> bool) -> Option<String> {
    columns.iter().find_map(|(column, value)| {
        let value = value.filter(|value| !is_right(*value))?;
        Some(format!("column \"{column}\": {value} {what}"))
    })
}

fn counts(row: &Measurement) -> Option<String> {
    let (differing, comparisons) = (row.differing?, row.comparisons.unwrap_or(0));
    (differing > comparisons)
        .then(|| format!("column \"differing\": {differing} of {comparisons} comparisons cannot differ"))
}

fn times(row: &Measurement) -> Option<String> {
    let median = row.median_ns?;
    let low = row.ci95_low_ns.filter(|low| *low > median).map(|low| ("ci95_low_ns", low, "above"));
    let high = row.ci95_high_ns.filter(|high| *high < median).map(|high| ("ci95_high_ns", high, "below"));
    low.or(high)
        .map(|(column, end, side)| format!("column \"{column}\": {end} is {side} the median, {median}"))
}
