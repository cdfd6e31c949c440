//! Breaking lines at words, and commands so that a shell still takes them.

/// The columns that `text` takes. One per character: what is printed here is Latin.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks `text` into lines of at most `limit` columns where its words allow it; lines after the
/// first start with `indent`.
pub fn words(text: &str, limit: usize, indent: &str) -> Vec<String> {
    let mut glued: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match glued.last_mut() {
            // A number keeps its percent sign.
            Some(last) if word.starts_with('%') => {
                last.push(' ');
                last.push_str(word);
            }
            _ => glued.push(word.to_owned()),
        }
    }
    pack(&glued, " ", limit, indent)
}

/// Breaks a command between its arguments; a line that goes on ends in a backslash, so that the whole
/// can be pasted into a shell.
pub fn command(arguments: &[String], limit: usize, indent: &str) -> Vec<String> {
    let continued = " \\";
    let further = format!("{indent}  ");
    let whole = format!("{indent}{}", arguments.join(" "));
    if width(&whole) <= limit {
        return vec![whole];
    }
    let mut lines = pack(arguments, " ", limit.saturating_sub(width(continued) + width(&further)), "");
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter_mut().enumerate() {
        let indent = if index == 0 { indent } else { &further };
        let end = if index == last { "" } else { continued };
        *line = format!("{indent}{line}{end}");
    }
    lines
}

/// Puts `items` onto lines of at most `limit` columns, separated by `separator`. An item that is too
/// long for a line is broken at its words.
pub fn items(items: &[String], separator: &str, limit: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in pack(items, separator, limit, "") {
        if width(&line) > limit { lines.extend(words(&line, limit, "  ")) } else { lines.push(line) }
    }
    lines
}

fn pack(items: &[String], separator: &str, limit: usize, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if width(line) + width(separator) + width(item) <= limit => {
                line.push_str(separator);
                line.push_str(item);
            }
            Some(_) => lines.push(format!("{indent}{item}")),
            None => lines.push(item.clone()),
        }
    }
    lines
}

/// The first `count` columns of `rows`, aligned three spaces apart, those from `numbers_from` on flush
/// right; and the width of the widest line.
pub fn columns(rows: &[Vec<String>], count: usize, numbers_from: usize) -> (Vec<String>, usize) {
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..count).map(|column| widest(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < numbers_from { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    let widest = lines.iter().map(|line| width(line)).max().unwrap_or(0);
    (lines, widest)
}

/// The first `limit` columns of `text`, with an ellipsis where something is missing.
pub fn truncated(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_words_and_numbers_keep_their_unit() {
        assert_eq!(words("one two +3.1 % four", 12, "  "), ["one two", "  +3.1 %", "  four"]);
        assert_eq!(words("", 10, ""), Vec::<String>::new());
    }

    #[test]
    fn a_broken_command_is_still_one_command() {
        let arguments = ["run", "--filter", "'^a b$'", "--seed", "7"].map(str::to_owned);
        assert_eq!(command(&arguments, 80, "  "), ["  run --filter '^a b$' --seed 7"]);
        assert_eq!(command(&arguments, 20, "  "), ["  run --filter \\", "    '^a b$' --seed \\", "    7"]);
    }

    #[test]
    fn columns_are_aligned_and_the_rest_is_left_out() {
        let rows = [["a", "é", "10"], ["long", "", "9"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows, 3, 2), (vec!["a      é   10".to_owned(), "long        9".to_owned()], 13));
        assert_eq!(columns(&rows, 1, 2).0, ["a", "long"]);
    }

    #[test]
    fn what_is_too_long_is_cut_visibly() {
        assert_eq!(truncated("abcdef", 4), "abc…");
        assert_eq!(truncated("abcd", 4), "abcd");
    }
}
