//! Tensors' names made short enough for a table, and never two of them into the same text.

use std::collections::HashSet;

use crate::report::wrap::width;

/// Names of at most `limit` columns, with an ellipsis in place of their middle. Where two would read the
/// same, all get more room until they do not.
pub fn shortened(names: &[String], limit: usize) -> Vec<String> {
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let distinct = names.iter().collect::<HashSet<_>>().len();
    // Growing by an eighth: names out of a file may be of any length.
    let limits = std::iter::successors(Some(limit), |limit| Some(limit + limit / 8 + 1));
    limits
        .take_while(|limit| *limit < longest)
        .map(|limit| names.iter().map(|name| short(name, limit)).collect())
        .find(|short: &Vec<String>| short.iter().collect::<HashSet<_>>().len() == distinct)
        .unwrap_or_else(|| names.to_vec())
}

/// One name of at most `limit` columns. The end tells more than the begin: two thirds of what stays are of
/// the end.
pub fn short(name: &str, limit: usize) -> String {
    if width(name) <= limit {
        return name.to_owned();
    }
    let kept = limit.saturating_sub(1);
    let first = kept / 3;
    let characters: Vec<char> = name.chars().collect();
    let last = &characters[characters.len() - (kept - first)..];
    characters[..first].iter().chain(['…'].iter()).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short_of(names: &[&str], limit: usize) -> Vec<String> {
        shortened(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), limit)
    }

    #[test]
    fn the_middle_goes_and_the_end_stays() {
        assert_eq!(short_of(&["encoder.layer.0.attention.weight"], 16), ["encod…ion.weight"]);
        assert_eq!(short_of(&["weight", "bias"], 16), ["weight", "bias"]);
    }

    #[test]
    fn names_that_would_read_the_same_get_more_room() {
        let names = ["encoder.layer.10.output.dense.weight", "encoder.layer.11.output.dense.weight"];
        let short = short_of(&names, 12);
        assert!(short[0] != short[1] && short[0].contains('…'), "{short:?}");
        let hostile = ["a…c", "abc"];
        assert_eq!(short_of(&hostile, 2).iter().collect::<HashSet<_>>().len(), 2);
    }
}
