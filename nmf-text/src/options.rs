//! How texts become words, and which words are kept.

use crate::decode::{self, Tally};
use crate::error::{Error, Result};
use crate::language::Language;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A bound on the number of documents a word occurs in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Df {
    /// This many documents.
    Count(u64),
    /// This share of the documents, 0 to 1.
    Share(f64),
}

impl Df {
    /// The bound in documents, of `n`; as in scikit-learn a share is not rounded.
    pub fn of(self, n: u64) -> f64 {
        match self {
            Df::Count(c) => c as f64,
            Df::Share(s) => s * n as f64,
        }
    }
}

/// `2` is a count, `0.5` and `1.0` are shares.
impl FromStr for Df {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let text = s.trim();
        if let Ok(count @ 1..) = text.parse::<u64>() {
            return Ok(Df::Count(count));
        }
        match text.parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) && text.contains(['.', 'e', 'E']) => Ok(Df::Share(share)),
            _ => Err(Error::Option {
                option: "--min-df/--max-df",
                value: s.into(),
                expected: "a whole number of documents from 1 (2), or a share with a point from 0.0 to 1.0 (0.5)"
                    .into(),
            }),
        }
    }
}

impl fmt::Display for Df {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Df::Count(c) => write!(f, "{c}"),
            Df::Share(s) => write!(f, "{s:?}"),
        }
    }
}

/// Words that are left out, compared after lower-casing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StopWords {
    /// None.
    #[default]
    None,
    /// Those of a language; of English the 318 words of the Glasgow Information Retrieval Group, as in
    /// scikit-learn's `stop_words="english"`.
    Of(Language),
    /// These.
    List(HashSet<String>),
}

impl StopWords {
    /// The code of a language such as `en`, `none`, or a file with words between white space; a `#` starts a comment.
    pub fn from_arg(arg: &str) -> Result<Self> {
        match arg {
            "english" => return Ok(StopWords::Of(Language::English)),
            "none" => return Ok(StopWords::None),
            _ => {}
        }
        if let Ok(language) = arg.parse() {
            return Ok(StopWords::Of(language));
        }
        let path = Path::new(arg);
        let bytes = std::fs::read(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::Option {
                option: "--stop-words",
                value: arg.into(),
                expected: format!(
                    "a file of words, none, or {} are accepted; there is no such file",
                    Language::codes().collect::<Vec<_>>().join(", ")
                ),
            },
            _ => Error::io(path)(e),
        })?;
        let not_words = |found: &str| Error::Format {
            path: path.to_path_buf(),
            found: found.into(),
            expected: "a text file of words between white space is accepted, or en".into(),
        };
        let text = decode::document(bytes, None, arg, &mut Tally::default()).ok_or(not_words("is a binary file"))?;
        let words: HashSet<String> = text
            .lines()
            .filter_map(|l| l.split('#').next())
            .flat_map(str::split_whitespace)
            .map(str::to_string)
            .collect();
        if words.is_empty() { Err(not_words("holds no word")) } else { Ok(StopWords::List(words)) }
    }

    /// The words, sorted.
    pub fn words(&self) -> Vec<&str> {
        match self {
            StopWords::None => Vec::new(),
            StopWords::Of(language) => language.stop_words(),
            StopWords::List(set) => {
                let mut words: Vec<&str> = set.iter().map(String::as_str).collect();
                words.sort_unstable();
                words
            }
        }
    }
}

/// Parts of mails and posts that are cut away, as in scikit-learn's `fetch_20newsgroups(remove=…)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strip {
    /// Header lines up to the first blank line.
    pub headers: bool,
    /// Lines that quote or announce a quotation.
    pub quotes: bool,
    /// The last block after a blank line or a line of hyphens.
    pub footers: bool,
}

impl FromStr for Strip {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let mut strip = Strip::default();
        for part in s.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            match part {
                "headers" => strip.headers = true,
                "quotes" => strip.quotes = true,
                "footers" => strip.footers = true,
                _ => {
                    return Err(Error::Option {
                        option: "--strip",
                        value: part.into(),
                        expected: "accepted are headers, quotes and footers, with commas between".into(),
                    });
                }
            }
        }
        Ok(strip)
    }
}

/// What stands in the matrix for a word that occurs c times in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Weighting {
    /// c.
    #[default]
    Counts,
    /// As in scikit-learn's `TfidfVectorizer`: c times the inverse document frequency ln((1 + n) / (1 + df)) + 1, each
    /// document over its Euclidean norm.
    TfIdf,
    /// ln(1 + c) times that inverse document frequency. Long and repetitive documents, and words of most documents, weigh
    /// less than by counts; a document still weighs more the more it says, as the Kullback–Leibler loss expects.
    LogIdf,
}

impl Weighting {
    /// Its name: `counts`, `tf-idf` or `log-idf`.
    pub fn name(self) -> &'static str {
        match self {
            Weighting::Counts => "counts",
            Weighting::TfIdf => "tf-idf",
            Weighting::LogIdf => "log-idf",
        }
    }
}

impl fmt::Display for Weighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Weighting {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        [Weighting::Counts, Weighting::TfIdf, Weighting::LogIdf].into_iter().find(|w| w.name() == s).ok_or_else(|| {
            Error::Option {
                option: "--weighting",
                value: s.into(),
                expected: "accepted are counts, tf-idf and log-idf".into(),
            }
        })
    }
}

/// How texts become words, and which words make the vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct TextOptions {
    /// How texts fall into words, and which stemmer there is. It does not choose the stop words.
    pub language: Language,
    /// Lower-case the text first (default).
    pub lowercase: bool,
    /// A regular expression for words; see [`crate::Tokenizer::new`]. Not for Japanese and Chinese.
    pub token_pattern: Option<String>,
    /// Count stems instead of words, by the language's Snowball stemmer.
    pub stem: bool,
    /// Also count runs of up to this many words of a document, stop words aside; 1 (the default) to 5. They are written
    /// with blanks between words, and the bounds below hold for them as for words.
    pub ngrams: usize,
    /// Words to leave out.
    pub stop_words: StopWords,
    /// Of messages with header lines, keep the lines of these headers and the body; lines that continue a
    /// header are left out. Texts that do not begin with header lines are kept whole.
    pub keep_headers: Option<Vec<String>>,
    /// Parts of messages to cut away.
    pub strip: Strip,
    /// Words in fewer documents are left out. Default: none are.
    pub min_df: Df,
    /// Words in more documents are left out. Default: none are.
    pub max_df: Df,
    /// Of the words left, keep this many with the largest total counts; of words with equal counts those in more
    /// documents, and then the alphabetically first. (scikit-learn's choice among these depends on the sorting code
    /// NumPy picks for the processor.)
    pub max_features: Option<usize>,
    /// What to factor; see [`crate::Corpus::weights`].
    pub weighting: Weighting,
}

impl Default for TextOptions {
    fn default() -> Self {
        TextOptions {
            language: Language::None,
            lowercase: true,
            token_pattern: None,
            stem: false,
            ngrams: 1,
            stop_words: StopWords::None,
            keep_headers: None,
            strip: Strip::default(),
            min_df: Df::Count(1),
            max_df: Df::Share(1.0),
            max_features: None,
            weighting: Weighting::Counts,
        }
    }
}

impl TextOptions {
    /// Errors for values and combinations that cannot be honoured.
    pub fn check(&self) -> Result<()> {
        crate::Tokenizer::new(self.token_pattern.as_deref())?;
        let wrong =
            |option, value: &str, expected: String| Err(Error::Option { option, value: value.into(), expected });
        if let Some(pattern) = self.token_pattern.as_deref().filter(|_| self.language.is_segmented()) {
            let expected =
                format!("a dictionary finds the words of --language {}; leave the pattern out", self.language);
            return wrong("--token-pattern", pattern, expected);
        }
        if self.stem && self.language.stemmer().is_none() {
            let codes: Vec<_> =
                Language::codes().filter(|c| c.parse().is_ok_and(|l: Language| l.stemmer().is_some())).collect();
            let expected = format!("there are stemmers for --language {}, not for {}", codes.join(", "), self.language);
            return wrong("--stem", "true", expected);
        }
        if !(1..=5).contains(&self.ngrams) {
            return wrong("--ngrams", &self.ngrams.to_string(), "1 (words alone) to 5 is accepted".into());
        }
        for (option, df) in [("--min-df", self.min_df), ("--max-df", self.max_df)] {
            if let Df::Share(s) = df
                && !(0.0..=1.0).contains(&s)
            {
                let expected = "a share is accepted from 0.0 to 1.0".into();
                return Err(Error::Option { option, value: s.to_string(), expected });
            }
        }
        if self.max_features == Some(0) {
            let expected = "at least one word must be kept".into();
            return Err(Error::Option { option: "--max-features", value: "0".into(), expected });
        }
        if self.keep_headers.is_some() && self.strip.headers {
            return Err(Error::Option {
                option: "--strip",
                value: "headers".into(),
                expected: "headers are cut away or some are kept (--keep-headers), not both".into(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn df() {
        assert_eq!("2".parse::<Df>().unwrap(), Df::Count(2));
        assert_eq!("0.5".parse::<Df>().unwrap(), Df::Share(0.5));
        assert_eq!("1.0".parse::<Df>().unwrap(), Df::Share(1.0));
        assert_eq!("1".parse::<Df>().unwrap(), Df::Count(1));
        for bad in ["0", "-1", "1.5", "nan", "inf", "", "x", "50%", "-0.1"] {
            assert!(bad.parse::<Df>().is_err(), "{bad}");
        }
        assert_eq!(Df::Share(0.1).of(18_846), 1884.6000000000001);
        for text in ["3", "0.25", "1.0"] {
            assert_eq!(text.parse::<Df>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn stop_words() {
        let words = StopWords::Of(Language::English).words();
        assert_eq!(words.len(), 318);
        assert!(words.is_sorted());
        assert!(words.contains(&"the") && words.contains(&"yourselves"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "the of # comment\n\nand\n").unwrap();
        let list = StopWords::from_arg(file.path().to_str().unwrap()).unwrap();
        assert_eq!(list.words(), ["and", "of", "the"]);
        assert_eq!(StopWords::from_arg("en").unwrap(), StopWords::Of(Language::English));
        assert_eq!(StopWords::from_arg("ja").unwrap(), StopWords::Of(Language::Japanese));
        assert_eq!(StopWords::from_arg("none").unwrap(), StopWords::None);
        assert!(StopWords::from_arg("nonesuch").unwrap_err().to_string().contains("no such file"));
        std::fs::write(file.path(), "# nothing\n").unwrap();
        assert!(StopWords::from_arg(file.path().to_str().unwrap()).unwrap_err().to_string().contains("no word"));
    }

    #[test]
    fn conflicts() {
        let strip: Strip = "headers, quotes".parse().unwrap();
        assert_eq!(strip, Strip { headers: true, quotes: true, footers: false });
        assert!("feet".parse::<Strip>().is_err());
        let options = TextOptions { strip, keep_headers: Some(vec!["From".into()]), ..Default::default() };
        assert!(options.check().unwrap_err().to_string().contains("not both"));
        assert!(TextOptions { max_features: Some(0), ..Default::default() }.check().is_err());
        assert!(TextOptions { min_df: Df::Share(2.0), ..Default::default() }.check().is_err());
        let of = |language| TextOptions { language, ..Default::default() };
        let pattern = TextOptions { token_pattern: Some("[a-z]+".into()), ..of(Language::Japanese) };
        assert!(pattern.check().unwrap_err().to_string().contains("--language ja"));
        for language in [Language::None, Language::Japanese, Language::Chinese] {
            let e = TextOptions { stem: true, ..of(language) }.check().unwrap_err().to_string();
            assert!(e.contains("--stem") && e.contains("en, es") && e.contains(language.code()), "{e}");
        }
        TextOptions { stem: true, ngrams: 5, ..of(Language::French) }.check().unwrap();
        for ngrams in [0, 6] {
            let e = TextOptions { ngrams, ..Default::default() }.check().unwrap_err().to_string();
            assert!(e.contains("--ngrams") && e.contains("1 (words alone) to 5"), "{e}");
        }
        TextOptions::default().check().unwrap();
    }
}
