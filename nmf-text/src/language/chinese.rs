//! Chinese: words by a dictionary.

use crate::error::{Error, Result};
use flate2::bufread::GzDecoder;
use jieba_rs::Jieba;
use std::io::BufReader;
use std::sync::OnceLock;

/// Words with their frequencies: jieba's dictionary without the 200,000 entries that carry the least frequencies
/// (below 4), which are names and compounds of words that stay. MIT, Sun Junyi and others
/// (<https://github.com/fxsjy/jieba>).
const DICTIONARY: &[u8] = include_bytes!("zh_words.txt.gz");

/// Splits Chinese texts.
#[derive(Clone, Copy)]
pub(crate) struct Chinese(&'static Jieba);

impl std::fmt::Debug for Chinese {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chinese")
    }
}

impl Chinese {
    /// Loads the dictionary the first time.
    pub(crate) fn new() -> Result<Self> {
        static JIEBA: OnceLock<Jieba> = OnceLock::new();
        if let Some(jieba) = JIEBA.get() {
            return Ok(Chinese(jieba));
        }
        let mut words = BufReader::new(GzDecoder::new(DICTIONARY));
        let jieba = Jieba::with_dict(&mut words).map_err(|e| Error::Stopped(format!("the Chinese dictionary: {e}")))?;
        Ok(Chinese(JIEBA.get_or_init(|| jieba)))
    }

    /// True for the characters it splits.
    pub(crate) fn is_own(c: char) -> bool {
        matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
    }

    /// Hands over the words of `run`, which holds none but [`is_own`](Self::is_own) characters; as in other
    /// languages words have two characters or more.
    pub(crate) fn each<'t>(self, run: &'t str, mut visit: impl FnMut(&'t str)) {
        for token in self.0.cut(run, true) {
            if token.word.chars().nth(1).is_some() {
                visit(token.word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_two_characters_and_more() {
        let words = |text| {
            let mut out = Vec::new();
            Chinese::new().unwrap().each(text, |w| out.push(w));
            out
        };
        assert_eq!(
            words("非负矩阵分解是一种常用的机器学习方法"),
            ["非负", "矩阵", "分解", "一种", "常用", "机器", "学习", "方法"]
        );
        assert_eq!(
            words("我们在北京大学的图书馆里学习自然语言处理"),
            ["我们", "北京大学", "图书馆", "学习", "自然语言", "处理"]
        );
        // a name of no dictionary
        assert_eq!(words("他来到了网易杭研大厦"), ["来到", "网易", "杭研", "大厦"]);
        assert_eq!(words(""), [""; 0]);
    }
}
