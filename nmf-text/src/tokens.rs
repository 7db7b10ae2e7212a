//! Words of a text: by default those of scikit-learn's pattern `(?u)\b\w\w+\b`.

use crate::error::{Error, Result};
use regex::Regex;
use std::sync::OnceLock;

/// The default pattern, as a name for what [`Tokenizer::default`] does.
pub const DEFAULT_PATTERN: &str = r"(?u)\b\w\w+\b";

/// Characters up to this one are looked up in a table; above it there are no letters or digits.
const TABLE_END: u32 = 0x40000;

/// Splits texts into tokens.
#[derive(Debug, Clone, Default)]
pub struct Tokenizer {
    pattern: Option<Regex>,
}

/// Letters and digits as Python's `\w` has them: general categories L and N. (Rust's `\w` and
/// `char::is_alphanumeric` count some combining marks as well.) One bit a character.
fn word_table() -> &'static [u64] {
    static TABLE: OnceLock<Vec<u64>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = vec![0u64; TABLE_END as usize / 64];
        let all: String = (0..TABLE_END).filter_map(char::from_u32).collect();
        if let Ok(letters) = Regex::new(r"[\p{L}\p{N}]+") {
            for run in letters.find_iter(&all) {
                for c in run.as_str().chars().map(u32::from) {
                    table[c as usize / 64] |= 1 << (c % 64);
                }
            }
        }
        table
    })
}

fn is_word(c: char) -> bool {
    let c = u32::from(c);
    match c {
        0..128 => ASCII_WORD[c as usize],
        _ => word_table().get(c as usize / 64).is_some_and(|bits| bits >> (c % 64) & 1 == 1),
    }
}

const ASCII_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 128 {
        let b = i as u8;
        table[i] = b.is_ascii_alphanumeric() || b == b'_';
        i += 1;
    }
    table
};

impl Tokenizer {
    /// Tokens are the matches of `pattern`, or what its one group matched; empty matches are passed over.
    /// Without a pattern, or with [`DEFAULT_PATTERN`], runs of at least two word characters.
    pub fn new(pattern: Option<&str>) -> Result<Self> {
        let Some(source) = pattern.filter(|p| *p != DEFAULT_PATTERN && *p != r"\b\w\w+\b") else {
            return Ok(Tokenizer::default());
        };
        let bad = |expected: String| Error::Option { option: "--token-pattern", value: source.into(), expected };
        let pattern = Regex::new(source).map_err(|e| bad(format!("a regular expression is needed: {e}")))?;
        if pattern.captures_len() > 2 {
            return Err(bad(format!(
                "it has {} groups, at most one may capture; write the others as (?:…)",
                pattern.captures_len() - 1
            )));
        }
        Ok(Tokenizer { pattern: Some(pattern) })
    }

    /// Hands over the tokens of `text` in order, as they stand there.
    pub fn each<'t>(&self, text: &'t str, mut visit: impl FnMut(&'t str)) {
        match &self.pattern {
            None if text.is_ascii() => scan_ascii(text, visit),
            None => scan(text, visit),
            Some(p) if p.captures_len() == 2 => {
                for group in p.captures_iter(text).filter_map(|c| c.get(1)).filter(|m| !m.is_empty()) {
                    visit(group.as_str());
                }
            }
            Some(p) => p.find_iter(text).filter(|m| !m.is_empty()).for_each(|m| visit(m.as_str())),
        }
    }

    /// The tokens of `text`.
    pub fn tokens<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut out = Vec::new();
        self.each(text, |t| out.push(t));
        out
    }
}

fn scan_ascii<'t>(text: &'t str, mut visit: impl FnMut(&'t str)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        while at < bytes.len() && !ASCII_WORD[bytes[at] as usize] {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && ASCII_WORD[bytes[at] as usize] {
            at += 1;
        }
        if at - start > 1 {
            visit(&text[start..at]);
        }
    }
}

fn scan<'t>(text: &'t str, mut visit: impl FnMut(&'t str)) {
    let (mut start, mut length) = (0, 0);
    for (at, c) in text.char_indices() {
        if is_word(c) {
            if length == 0 {
                start = at;
            }
            length += 1;
        } else {
            if length > 1 {
                visit(&text[start..at]);
            }
            length = 0;
        }
    }
    if length > 1 {
        visit(&text[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_pattern() {
        let t = Tokenizer::new(None).unwrap();
        assert_eq!(t.tokens("a bc, don't x_1 __ 42 7"), ["bc", "don", "x_1", "__", "42"]);
        assert_eq!(t.tokens(""), [""; 0]);
        assert_eq!(t.tokens("end"), ["end"]);
        // checked with Python: re.findall(r"(?u)\b\w\w+\b", s)
        assert_eq!(
            t.tokens("naïve café—straße ½x ⅷⅸ ²³ 東京都 ёлка é"),
            ["naïve", "café", "straße", "½x", "ⅷⅸ", "²³", "東京都", "ёлка"]
        );
        // a combining mark is no word character there: e + U+0301, Devanagari vowel signs, circled letters
        assert_eq!(t.tokens("cafe\u{301}s ab\u{301}cd हिन्दी ⒶⒷ"), ["cafe", "ab", "cd"]);
    }

    #[test]
    fn ascii_and_general_scanner_agree() {
        let text = "Hello_world 3.14 x -- ab\tcd\n e_ f";
        let (mut a, mut b) = (vec![], vec![]);
        scan_ascii(text, |t| a.push(t));
        scan(text, |t| b.push(t));
        assert_eq!(a, b);
    }

    #[test]
    fn patterns() {
        let t = Tokenizer::new(Some("[a-z]{2,}")).unwrap();
        assert_eq!(t.tokens("ab1cd e fg"), ["ab", "cd", "fg"]);
        let t = Tokenizer::new(Some(r"#(\w+)")).unwrap();
        assert_eq!(t.tokens("#one two #three"), ["one", "three"]);
        assert!(Tokenizer::new(Some("x*")).unwrap().tokens("ab").is_empty());
        let e = Tokenizer::new(Some("(a)(b)")).unwrap_err().to_string();
        assert!(e.contains("2 groups"), "{e}");
        let e = Tokenizer::new(Some("(")).unwrap_err().to_string();
        assert!(e.contains("--token-pattern"), "{e}");
    }
}
