//! Ways of damaging a text: its lines, its words, its numbers. Of PTX, and of whatever else has words.

/// What replaces a number.
const NUMBERS: [&str; 16] = [
    "0",
    "3",
    "16",
    "32",
    "33",
    "63",
    "64",
    "65",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
];
/// What replaces a word of PTX.
pub const WORDS: [&str; 24] = [
    "0",
    "1",
    "-1",
    "4294967296",
    "18446744073709551615",
    "0x7fffffff",
    "0f7fc00000",
    "%r0",
    "%rd1",
    "%p1",
    "%tid.x",
    "u64",
    "v4",
    "f32",
    "shared",
    "local",
    "ret",
    "bra",
    "bar.sync",
    "{",
    "}",
    "[",
    ";",
    ".param",
];

/// `text` with only one of its entries, so that a change hits what is executed. Functions and variables stay.
pub fn one_entry(text: &str, choice: usize) -> String {
    const ENTRY: &str = ".visible .entry";
    const END: &str = "\n}\n";
    let mut kept = String::new();
    let (mut seen, chosen) = (0, choice % text.matches(ENTRY).count().max(1));
    for part in text.split_inclusive(END) {
        let Some(start) = part.find(ENTRY) else {
            kept.push_str(part);
            continue;
        };
        kept.push_str(if seen == chosen { part } else { &part[..start] });
        seen += 1;
    }
    kept
}

/// Words, numbers, and single other characters, spaces included: joined, they are the text.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%');
        let end = if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// Sorts of changes.
pub const SORTS: u8 = 13;

/// One change of a text: of which sort, where, and with what.
pub type Change = (u8, usize, usize);

/// `text` with that change; what takes the place of a word is one of `words`.
pub fn change(text: &str, (sort, at, with): Change, words: &[&str]) -> String {
    if sort < 4 {
        let mut lines: Vec<_> = text.lines().collect();
        if lines.is_empty() {
            return String::new();
        }
        let (a, b) = (at % lines.len(), with % lines.len());
        match sort {
            0 => drop(lines.remove(a)),
            1 => lines.insert(b, lines[a]),
            2 => lines.swap(a, b),
            _ => lines.truncate(a),
        }
        return lines.join("\n");
    }
    let mut tokens = tokens(text);
    let is_word = |token: &&str| token.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '%');
    let places: Vec<_> = (0..tokens.len()).filter(|place| is_word(&tokens[*place])).collect();
    if places.is_empty() {
        return text.to_owned();
    }
    let (a, b) = (places[at % places.len()], places[with % places.len()]);
    let changed;
    match sort {
        4 => drop(tokens.remove(a)),
        5 => tokens.swap(a, b),
        6 => tokens[a] = tokens[b],
        7 => tokens[a] = words[with % words.len()],
        8 => tokens.insert(a, words[with % words.len()]),
        9 => {
            // Another digit in place of one of them.
            let digit = (b'0' + (with % 10) as u8) as char;
            changed = match tokens[a].rfind(|c: char| c.is_ascii_digit()) {
                Some(place) => format!("{}{digit}{}", &tokens[a][..place], &tokens[a][place + 1..]),
                None => format!("{}{digit}", tokens[a]),
            };
            tokens[a] = &changed;
        }
        10 => {
            // A register of the same kind.
            let registers: Vec<_> = places
                .iter()
                .map(|place| tokens[*place])
                .filter(|token| {
                    token.starts_with('%') && token.as_bytes().get(1) == tokens[a].as_bytes().get(1)
                })
                .collect();
            if !registers.is_empty() {
                tokens[a] = registers[with % registers.len()];
            }
        }
        11 => {
            let is_number = |place: &&usize| tokens[**place].bytes().all(|byte| byte.is_ascii_digit());
            let numbers: Vec<_> = places.iter().filter(is_number).collect();
            if !numbers.is_empty() {
                tokens[*numbers[at % numbers.len()]] = NUMBERS[with % NUMBERS.len()];
            }
        }
        _ => {
            // Any character there is.
            let c = char::from_u32((with as u32).wrapping_mul(0x9e37_79b1).rotate_left(15) % 0x11_0000)
                .unwrap_or('\u{fffd}');
            changed = c.to_string();
            tokens[a] = &changed;
        }
    }
    tokens.concat()
}
