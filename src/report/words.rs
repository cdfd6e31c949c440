//! Numbers in words: how many digits are worth showing.

use crate::ratio::Ratio;

/// A tax above this is told as a multiple of the fastest time.
const TOLD_AS_MULTIPLE: f64 = 9.0;

/// `x` with at least `digits` significant digits, never fewer than stand before the point.
pub fn significant(x: f64, digits: i32) -> String {
    let decimals = decimals(x, digits);
    format!("{x:.decimals$}")
}

/// A fraction as a percentage, rounded up to two digits: for bounds, which rounding must not tighten.
pub fn percent_up(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    let decimals = decimals(percent, 2);
    let scale = 10f64.powi(decimals as i32);
    // A bound that is a round number already stays what it is.
    let rounded = (percent * scale - 1e-9).ceil() / scale;
    format!("{rounded:.decimals$} %")
}

fn decimals(x: f64, digits: i32) -> usize {
    if x == 0.0 || !x.is_finite() {
        return 0;
    }
    let magnitude = x.abs().log10().floor() as i32;
    usize::try_from(digits - 1 - magnitude).unwrap_or(0).min(12)
}

/// A share of a limit, given in percent.
pub fn limit(percent: f64) -> String {
    if percent < 1.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// A tax in a table.
pub fn tax(tax: f64) -> String {
    if tax == 0.0 { "fastest".to_owned() } else { surcharge(tax) }
}

/// A tax in a list of prices.
pub fn price(tax: f64) -> String {
    if tax == 0.0 { "none".to_owned() } else { surcharge(tax) }
}

/// A share of elements; 100 % only if it is all of them.
pub fn share(share: f64) -> String {
    match share {
        1.0 => "100 %".to_owned(),
        most if most >= 0.995 => "> 99 %".to_owned(),
        share => format!("{} %", significant(100.0 * share, 2)),
    }
}

/// What a tax means, as the end of a sentence.
pub fn cost(tax: f64) -> String {
    if tax == 0.0 {
        "costs nothing: it is the fastest".to_owned()
    } else if tax > TOLD_AS_MULTIPLE {
        format!("takes {:.0} times as long as the fastest", 1.0 + tax)
    } else {
        format!("costs {}", surcharge(tax))
    }
}

/// A ratio of times as a tax: none, its percentage, or that the two cannot be told apart.
pub fn tax_of(ratio: Ratio, with_interval: bool) -> String {
    match ratio {
        Ratio::ONE => "fastest".to_owned(),
        _ => told(ratio, change(ratio.value), with_interval.then(|| changes(ratio))),
    }
}

/// A ratio of times as a price in a sentence.
pub fn price_of(ratio: Ratio) -> String {
    match ratio {
        Ratio::ONE => "none".to_owned(),
        _ => told(ratio, change(ratio.value), Some(changes(ratio))),
    }
}

/// A ratio of times as a factor, or that the two cannot be told apart.
pub fn factor_of(ratio: Ratio, with_interval: bool) -> String {
    let factor = |factor: f64| significant(factor, 3);
    match ratio {
        Ratio::ONE => "×1".to_owned(),
        Ratio { value, low, high } => {
            let interval = format!("{} to {}", factor(low), factor(high));
            told(ratio, format!("×{}", factor(value)), with_interval.then_some(interval))
        }
    }
}

fn told(ratio: Ratio, what: String, interval: Option<String>) -> String {
    let what = if ratio.is_told() { what } else { CANNOT_TELL.to_owned() };
    interval.map_or_else(|| what.clone(), |interval| format!("{what} ({interval})"))
}

/// What stands for a ratio whose interval holds 1.
pub const CANNOT_TELL: &str = "cannot tell";

/// How much longer, with its sign.
fn change(ratio: f64) -> String {
    if ratio < 1.0 {
        format!("−{}", surcharge(1.0 - ratio).trim_start_matches('+'))
    } else {
        surcharge(ratio - 1.0)
    }
}

/// The interval of a change: both ends with their sign, the unit once.
fn changes(ratio: Ratio) -> String {
    let (low, high) = (change(ratio.low), change(ratio.high));
    match (low.strip_suffix(" %"), high.ends_with('%')) {
        (Some(low), true) => format!("{low} to {high}"),
        _ => format!("{low} to {high}"),
    }
}

fn surcharge(tax: f64) -> String {
    let percent = 100.0 * tax;
    if tax > TOLD_AS_MULTIPLE {
        format!("×{:.0}", 1.0 + tax)
    } else if percent < 9.95 {
        format!("+{percent:.1} %")
    } else {
        format!("+{percent:.0} %")
    }
}

/// A distance in units in the last place.
pub fn ulp(distance: u64) -> String {
    if distance < 10_000_000 { distance.to_string() } else { format!("{:.1e}", distance as f64) }
}

/// `one` for 1, else `many`.
pub fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// "a", "a and b", "a, b and c".
pub fn listed(items: &[String]) -> String {
    joined(items, "and")
}

/// "a", "a or b", "a, b or c".
pub fn either(items: &[String]) -> String {
    joined(items, "or")
}

fn joined(items: &[String], conjunction: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

/// A shell argument, quoted so that a shell hands it on unchanged.
pub fn quoted(argument: &str) -> String {
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// A shell argument, quoted only where a shell would change it.
pub fn argument(argument: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_:./".contains(character);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        quoted(argument)
    }
}

/// Whether a character does not show, or does something to a terminal: control characters, and those that change the
/// direction of writing or take no room.
pub fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control()
        || [0x00ad, 0x061c, 0x180e, 0xfeff].contains(&code)
        || (0x200b..=0x200f).contains(&code)
        || (0x2028..=0x202e).contains(&code)
        || (0x2060..=0x206f).contains(&code)
        || (0xe0000..=0xe007f).contains(&code)
}

/// `text` with what [`is_hidden`] written out.
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            visible.extend(character.escape_unicode());
        } else {
            visible.push(character);
        }
    }
    visible
}

/// `text` with what is special in regular expressions escaped, and nothing else, so that names stay
/// readable.
pub fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// `text` with its first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taxes_have_the_digits_that_they_deserve() {
        let told = [0.0, 0.0004, 0.031, 0.0994, 0.0996, 0.126, 9.0, 9.6, 30.0].map(tax);
        assert_eq!(told, ["fastest", "+0.0 %", "+3.1 %", "+9.9 %", "+10 %", "+13 %", "+900 %", "×11", "×31"]);
        assert_eq!(cost(11.0), "takes 12 times as long as the fastest");
    }

    #[test]
    fn ratios_have_their_interval_and_say_where_they_cannot_tell() {
        let ratio = |value, low, high| Ratio { value, low, high };
        let told = ratio(1.067, 1.051, 1.083);
        assert_eq!(tax_of(told, true), "+6.7 % (+5.1 to +8.3 %)");
        assert_eq!((tax_of(told, false), price_of(told)), ("+6.7 %".to_owned(), tax_of(told, true)));
        assert_eq!(factor_of(told, true), "×1.07 (1.05 to 1.08)");
        let unclear = ratio(1.01, 0.994, 1.026);
        assert_eq!(tax_of(unclear, false), "cannot tell");
        assert_eq!(price_of(unclear), "cannot tell (−0.6 to +2.6 %)");
        assert_eq!(factor_of(unclear, true), "cannot tell (0.994 to 1.03)");
        assert_eq!(tax_of(ratio(12.0, 9.9, 14.0), true), "×12 (+890 % to ×14)");
        assert_eq!(factor_of(ratio(0.0123, 0.0121, 0.0125), false), "×0.0123");
        assert_eq!(
            [tax_of(Ratio::ONE, true), price_of(Ratio::ONE), factor_of(Ratio::ONE, true)],
            ["fastest", "none", "×1"]
        );
    }

    #[test]
    fn bounds_are_rounded_up_only() {
        let told = [0.092_114, 0.009_969, 0.01, 0.258_866, 0.95, 1.0, 0.000_101].map(percent_up);
        assert_eq!(told, ["9.3 %", "1.00 %", "1.0 %", "26 %", "95 %", "100 %", "0.011 %"]);
    }

    #[test]
    fn numbers_keep_their_significant_digits() {
        let told = [0.0, 0.012_34, 1.0, 12.34, 1234.5].map(|x| significant(x, 3));
        assert_eq!(told, ["0", "0.0123", "1.00", "12.3", "1234"]);
        assert_eq!(ulp(4_294_967_295), "4.3e9");
        assert_eq!([0.4, 47.3].map(limit), ["0.4 %", "47 %"]);
        let told = [0.0, 1e-6, 0.125, 0.994, 0.999_99, 1.0].map(share);
        assert_eq!(told, ["0 %", "0.00010 %", "12 %", "99 %", "> 99 %", "100 %"]);
    }

    #[test]
    fn names_survive_shells_and_regular_expressions() {
        assert_eq!(literal("sum-2^24.f32"), r"sum-2\^24\.f32");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(["cuda:0", "", "a;b"].map(argument), ["cuda:0", "''", "'a;b'"]);
    }

    #[test]
    fn what_would_not_show_is_written_out() {
        assert_eq!(visible("a×b µ 日"), "a×b µ 日");
        assert_eq!(visible("\x1b[2Ja\n\u{202e}b\u{9b}"), r"\u{1b}[2Ja\u{a}\u{202e}b\u{9b}");
    }
}
