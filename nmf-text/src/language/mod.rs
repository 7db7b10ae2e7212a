//! Languages: how a text falls into words, which words say nothing, and which endings may go.

mod chinese;
mod japanese;

use crate::error::{Error, Result};
use rust_stemmers::Algorithm;
use std::fmt;
use std::str::FromStr;

pub(crate) use chinese::Chinese;
pub(crate) use japanese::Japanese;

/// The language of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Language {
    /// Any that writes spaces between its words; no stop words, no stemmer.
    #[default]
    None,
    /// Arabic.
    Arabic,
    /// Chinese: words by jieba's dictionary (simplified characters) and its model of unknown words.
    Chinese,
    /// Danish.
    Danish,
    /// Dutch.
    Dutch,
    /// English.
    English,
    /// Finnish.
    Finnish,
    /// French.
    French,
    /// German.
    German,
    /// Greek.
    Greek,
    /// Hungarian.
    Hungarian,
    /// Italian.
    Italian,
    /// Japanese: words by the dictionary of Unicode's ICU; compounds are split where their parts are words.
    Japanese,
    /// Norwegian.
    Norwegian,
    /// Portuguese.
    Portuguese,
    /// Romanian.
    Romanian,
    /// Russian.
    Russian,
    /// Spanish.
    Spanish,
    /// Swedish.
    Swedish,
    /// Turkish.
    Turkish,
}

/// Every language, its ISO 639-1 code and its Snowball stemmer.
const ALL: [(Language, &str, Option<Algorithm>); 20] = [
    (Language::None, "none", None),
    (Language::Arabic, "ar", Some(Algorithm::Arabic)),
    (Language::Danish, "da", Some(Algorithm::Danish)),
    (Language::German, "de", Some(Algorithm::German)),
    (Language::Greek, "el", Some(Algorithm::Greek)),
    (Language::English, "en", Some(Algorithm::English)),
    (Language::Spanish, "es", Some(Algorithm::Spanish)),
    (Language::Finnish, "fi", Some(Algorithm::Finnish)),
    (Language::French, "fr", Some(Algorithm::French)),
    (Language::Hungarian, "hu", Some(Algorithm::Hungarian)),
    (Language::Italian, "it", Some(Algorithm::Italian)),
    (Language::Japanese, "ja", None),
    (Language::Dutch, "nl", Some(Algorithm::Dutch)),
    (Language::Norwegian, "no", Some(Algorithm::Norwegian)),
    (Language::Portuguese, "pt", Some(Algorithm::Portuguese)),
    (Language::Romanian, "ro", Some(Algorithm::Romanian)),
    (Language::Russian, "ru", Some(Algorithm::Russian)),
    (Language::Swedish, "sv", Some(Algorithm::Swedish)),
    (Language::Turkish, "tr", Some(Algorithm::Turkish)),
    (Language::Chinese, "zh", None),
];

impl Language {
    /// Its ISO 639-1 code, or `none`.
    pub fn code(self) -> &'static str {
        ALL.iter().find(|(l, ..)| *l == self).map_or("none", |(_, code, _)| code)
    }

    /// All codes but `none`.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        ALL.iter().filter(|(l, ..)| *l != Language::None).map(|(_, code, _)| *code)
    }

    /// Words that say little about what a text is about, from lists of the field (see the crate's page); none for
    /// [`Language::None`]. Those of Japanese and Chinese hold the English ones, whose script is never theirs.
    pub fn stop_words(self) -> Vec<&'static str> {
        let english = || include_str!("stop_words_en.txt").lines();
        match self {
            Language::None => Vec::new(),
            Language::English => english().collect(),
            Language::Japanese => include_str!("stop_words_ja.txt").lines().chain(english()).collect(),
            Language::Chinese => self.listed().iter().copied().chain(english()).collect(),
            other => other.listed().to_vec(),
        }
    }

    /// Its words in the collection of stopwords-iso.
    fn listed(self) -> &'static [&'static str] {
        stop_words::lookup(self.code()).unwrap_or_default()
    }

    pub(crate) fn stemmer(self) -> Option<Algorithm> {
        ALL.iter().find(|(l, ..)| *l == self).and_then(|(.., stemmer)| *stemmer)
    }

    /// True where spaces do not separate words.
    pub fn is_segmented(self) -> bool {
        matches!(self, Language::Japanese | Language::Chinese)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Language {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        ALL.iter().find(|(_, code, _)| *code == s).map(|(language, ..)| *language).ok_or_else(|| Error::Option {
            option: "--language",
            value: s.into(),
            expected: format!(
                "accepted are none (any language with spaces between words) and {}",
                Language::codes().collect::<Vec<_>>().join(", ")
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        for (language, code, _) in ALL {
            assert_eq!(
                (code.parse::<Language>().unwrap(), language.code(), language.to_string()),
                (language, code, code.into())
            );
        }
        let e = "xx".parse::<Language>().unwrap_err().to_string();
        assert!(e.contains("--language") && e.contains("\"xx\"") && e.contains("ja") && e.contains("none"), "{e}");
    }

    #[test]
    fn every_language_has_stop_words() {
        for (language, code, _) in ALL {
            let words = language.stop_words();
            assert_eq!(words.is_empty(), language == Language::None, "{code}");
        }
        assert!(Language::German.stop_words().contains(&"und") && Language::Chinese.stop_words().contains(&"因为"));
        let ja = Language::Japanese.stop_words();
        assert!(ja.contains(&"について") && ja.contains(&"the") && !ja.contains(&"データ"));
    }
}
