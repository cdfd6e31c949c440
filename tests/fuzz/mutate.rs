//! Mutations of checkpoints: blind ones of bytes, and such that know what a header is.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// How an index's name ends.
pub const INDEX: &str = ".safetensors.index.json";

type Random = Xoshiro256PlusPlus;

/// Numbers that break arithmetic.
const ODD: [&str; 16] = [
    "0",
    "1",
    "-1",
    "2",
    "7",
    "8",
    "255",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "0.5",
    "null",
];

/// Texts that stand in headers, or should not.
const TEXTS: [&str; 24] = [
    "F64",
    "F32",
    "F16",
    "BF16",
    "F8_E4M3",
    "F8_E5M2",
    "F8_E8M0",
    "F4",
    "F6_E2M3",
    "I8",
    "I64",
    "U8",
    "U64",
    "BOOL",
    "C64",
    "dtype",
    "shape",
    "data_offsets",
    "__metadata__",
    "weight_map",
    "samebits_capture",
    "..",
    "\\u0000",
    "\\ud800",
];

/// A file made of one or two of the corpus, and the end of its name.
pub fn mutated(corpus: &[(String, Vec<u8>)], random: &mut Random) -> (&'static str, Vec<u8>) {
    let one = |random: &mut Random| &corpus[random.random_range(0..corpus.len())];
    let (name, bytes) = one(random);
    let is_index = name.ends_with(INDEX);
    let mut bytes = bytes.clone();
    for _ in 0..random.random_range(1..4) {
        match random.random_range(0..8) {
            0 => flip(&mut bytes, random),
            1 => bytes.truncate(random.random_range(0..=bytes.len())),
            2 => length(&mut bytes, random),
            3 => splice(&mut bytes, &one(random).1, random),
            4 => bytes.extend((0..random.random_range(1..16)).map(|i| i as u8)),
            _ => header(&mut bytes, is_index, random),
        }
    }
    (if is_index { INDEX } else { ".safetensors" }, bytes)
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    if !bytes.is_empty() {
        let place = random.random_range(0..bytes.len());
        bytes[place] ^= 1 << random.random_range(0..8);
    }
}

/// Another length in front of the header.
fn length(bytes: &mut [u8], random: &mut Random) {
    let Some(length) = bytes.first_chunk_mut::<8>() else { return };
    let is = u64::from_le_bytes(*length);
    let odd = [
        0,
        1,
        2,
        is.wrapping_sub(1),
        is.wrapping_add(1),
        99_999_999,
        100_000_000,
        100_000_001,
        u64::MAX,
        u64::MAX - 8,
    ];
    *length = odd[random.random_range(0..odd.len())].to_le_bytes();
}

/// The begin of one file and the end of another.
fn splice(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    bytes.truncate(random.random_range(0..=bytes.len()));
    bytes.extend(&other[random.random_range(0..=other.len())..]);
}

/// Changes a token of the JSON and writes the length that then is right: what is behind the first check is
/// reached.
fn header(bytes: &mut Vec<u8>, is_index: bool, random: &mut Random) {
    let start = if is_index { 0 } else { 8 };
    let length = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length) as usize);
    let end = if is_index { bytes.len() } else { length.saturating_add(8).min(bytes.len()) };
    let Some(text) = bytes.get(start..end).and_then(|bytes| std::str::from_utf8(bytes).ok()) else { return };
    let Some(json) = changed(text, random) else { return };
    let data = bytes[end..].to_vec();
    bytes.clear();
    if !is_index {
        bytes.extend((json.len() as u64).to_le_bytes());
    }
    bytes.extend(json.as_bytes());
    bytes.extend(data);
}

/// The text with one token replaced, doubled, dropped or swapped.
fn changed(json: &str, random: &mut Random) -> Option<String> {
    let mut tokens = tokens(json);
    if tokens.is_empty() {
        return None;
    }
    let place = random.random_range(0..tokens.len());
    let is_number = tokens[place].starts_with(|c: char| c.is_ascii_digit());
    let is_text = tokens[place].starts_with('"');
    match random.random_range(0..6) {
        0 => drop(tokens.remove(place)),
        1 => tokens.insert(place, tokens[place].clone()),
        2 => {
            let other = random.random_range(0..tokens.len());
            tokens.swap(place, other);
        }
        3 if !is_number => {
            // A member twice, or a part of one.
            let end = (place + random.random_range(1..20)).min(tokens.len());
            let part = tokens[place..end].to_vec();
            tokens.splice(end..end, part);
        }
        _ if is_text => tokens[place] = format!("\"{}\"", TEXTS[random.random_range(0..TEXTS.len())]),
        _ => tokens[place] = ODD[random.random_range(0..ODD.len())].to_owned(),
    }
    Some(tokens.concat())
}

/// Strings, numbers and signs.
fn tokens(json: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let (mut is_text, mut is_escaped) = (false, false);
    for character in json.chars() {
        let goes_on = is_text
            || (character.is_ascii_digit()
                && tokens.last().is_some_and(|token| token.ends_with(|c: char| c.is_ascii_digit())));
        match tokens.last_mut() {
            Some(token) if goes_on => token.push(character),
            _ => tokens.push(character.to_string()),
        }
        if character == '"' && !is_escaped {
            is_text = !is_text;
        }
        is_escaped = is_text && character == '\\' && !is_escaped;
    }
    tokens
}
