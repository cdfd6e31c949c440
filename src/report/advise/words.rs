//! Costs, demands and contradictions in words.

use crate::measurement::Measurement;
use crate::ratio::Ratio;
use crate::report::advise::model::Demand;
use crate::report::evidence::Contradiction;
use crate::report::words::{self, percent_up, significant};

/// A cost with its interval: "+1.2 % (0.4 to 2.0)"; where the interval holds "no cost", that is said.
pub fn cost(ratio: &Ratio) -> String {
    if *ratio == Ratio::ONE {
        return "the fastest".to_owned();
    }
    if ratio.low > 9.0 {
        return format!(
            "×{} ({} to {})",
            significant(ratio.value, 3),
            significant(ratio.low, 3),
            significant(ratio.high, 3)
        );
    }
    let percent = |ratio: f64| signed(100.0 * (ratio - 1.0));
    let interval = format!("{} to {}", percent(ratio.low), percent(ratio.high));
    match ratio.is_told() {
        true => format!("{} % ({interval})", percent(ratio.value)),
        false => format!("cannot tell ({interval} %)"),
    }
}

/// A number with its sign and at least two digits.
pub fn signed(x: f64) -> String {
    let text = format!("{:.1}", x.abs());
    let text = if x.abs() >= 99.95 { format!("{:.0}", x.abs()) } else { text };
    let sign = if x < 0.0 && text.parse() != Ok(0.0) { "−" } else { "+" };
    format!("{sign}{text}")
}

/// A share in percent, as a flag takes it: "1%".
pub fn flag(share: f64) -> String {
    let text = format!("{:.6}", 100.0 * share);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// What is asked for, as a sentence.
pub fn demand(demand: &Demand) -> String {
    let (devices, under): (Vec<_>, Vec<_>) =
        demand.require.iter().map(|r| r.name().to_owned()).partition(|name| name == "device");
    let mut parts = Vec::new();
    if !under.is_empty() {
        let p = percent_up(demand.max_p);
        parts.push(format!(
            "the same bits under {} (a later execution differs with p < {p})",
            words::listed(&under)
        ));
    }
    if !devices.is_empty() {
        parts.push("the same bits on every device".to_owned());
    }
    if let Some(tax) = demand.max_tax {
        parts.push(format!("at most {} slower than the fastest", flag(tax)));
    }
    format!("Required: {}.", parts.join("; "))
}

/// What contradicts, without the device.
pub fn against(contradiction: &Contradiction) -> String {
    match contradiction {
        Contradiction::Differs(row) => {
            let counts = row.differing.zip(row.comparisons);
            let counts = counts.map_or_else(String::new, |(differing, all)| format!("{differing} of {all} "));
            let variant = if row.variant.is_empty() { String::new() } else { format!(" {}", row.variant) };
            words::visible(&format!("{counts}differ under {}{variant}", row.perturbation))
        }
        Contradiction::Failed(row) => {
            words::visible(&format!("failed under {}: {}", row.perturbation, row.note))
        }
        Contradiction::OtherBits(row, other) => {
            let of = |row: &Measurement| {
                format!("{} in run {} on {} ({})", row.digest, row.run_id, row.device, row.device_kind)
            };
            words::visible(&format!("other bits from the same inputs: {}, {}", of(row), of(other)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_show_their_interval_and_whether_they_tell() {
        let ratio = |value, low, high| Ratio { value, low, high };
        for (ratio, said) in [
            (Ratio::ONE, "the fastest"),
            (ratio(1.012, 1.004, 1.02), "+1.2 % (+0.4 to +2.0)"),
            (ratio(1.012, 0.98, 1.041), "cannot tell (−2.0 to +4.1 %)"),
            (ratio(0.9, 0.85, 0.95), "−10.0 % (−15.0 to −5.0)"),
            (ratio(4.4, 4.3, 4.51), "+340 % (+330 to +351)"),
            (ratio(30.0, 29.0, 31.5), "×30.0 (29.0 to 31.5)"),
        ] {
            assert_eq!(cost(&ratio), said);
        }
        assert_eq!([0.01, 0.001, 0.07, 0.05, 0.000_001].map(flag), ["1%", "0.1%", "7%", "5%", "0.0001%"]);
    }
}
