//! From the text of a document to its terms: words, their stems, n-grams of these.

use crate::error::Result;
use crate::interner::Interner;
use crate::language::{Chinese, Japanese, Language};
use crate::options::TextOptions;
use crate::tokens::Tokenizer;
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// What splits a text.
#[derive(Debug, Clone)]
enum Segmenter {
    /// The pattern alone.
    Spaces,
    Japanese(Japanese),
    Chinese(Chinese),
}

/// Turns texts into terms.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    segmenter: Segmenter,
    /// Words of scripts with spaces.
    tokenizer: Tokenizer,
    /// Lower-case as Turkish does.
    turkish: bool,
    lowercase: bool,
    stems: Option<Stems>,
    ngrams: usize,
    /// The words of the document at hand with blanks between, and where each lies.
    joined: String,
    places: Vec<(usize, usize)>,
}

/// What [`Terms::gather`] met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Gathered {
    pub(crate) tokens: u64,
    pub(crate) stopped: u64,
}

/// Words with combining marks inside, where these are part of the spelling (Devanagari, Arabic with vowels). The diacritics of Latin, Greek and
/// Cyrillic (U+0300 to U+036F) split words, as they do in scikit-learn; elsewhere all marks do.
const WITH_MARKS: &str = r"[\p{L}\p{N}_][\p{L}\p{N}_[\p{M}--[\u{300}-\u{36f}]]]+";

fn with_marks(language: Language) -> Option<&'static str> {
    matches!(language.code(), "none" | "ar").then_some(WITH_MARKS)
}

impl Terms {
    pub(crate) fn new(options: &TextOptions) -> Result<Self> {
        let segmenter = match options.language {
            Language::Japanese => Segmenter::Japanese(Japanese::new()),
            Language::Chinese => Segmenter::Chinese(Chinese::new()?),
            _ => Segmenter::Spaces,
        };
        Ok(Terms {
            segmenter,
            tokenizer: Tokenizer::new(options.token_pattern.as_deref().or_else(|| with_marks(options.language)))?,
            turkish: options.language.code() == "tr",
            lowercase: options.lowercase,
            stems: options.language.stemmer().filter(|_| options.stem).map(Stems::new),
            ngrams: options.ngrams,
            joined: String::new(),
            places: Vec::new(),
        })
    }

    /// True when the terms are the words as they stand in the text.
    pub(crate) fn are_words(&self) -> bool {
        self.stems.is_none() && self.ngrams == 1
    }

    /// `text` as words are sought in it: lower-cased; Japanese and Chinese in Unicode's form NFKC, which makes one
    /// of full-width, half-width and ordinary letters.
    pub(crate) fn normalize(&self, text: String) -> String {
        let mut text = text;
        if !matches!(self.segmenter, Segmenter::Spaces) && is_nfkc_quick(text.chars()) != IsNormalized::Yes {
            text = text.nfkc().collect();
        }
        if self.lowercase {
            if self.turkish {
                // I and İ are two letters there, with and without a dot
                text = text.replace('I', "ı").replace('İ', "i").to_lowercase();
            } else if text.is_ascii() {
                text.make_ascii_lowercase();
            } else {
                text = text.to_lowercase();
            }
        }
        text
    }

    /// Hands over the words of a normalized text in order.
    pub(crate) fn each_word<'t>(&self, text: &'t str, mut visit: impl FnMut(&'t str)) {
        match &self.segmenter {
            Segmenter::Spaces => self.tokenizer.each(text, visit),
            Segmenter::Japanese(j) => {
                runs(text, Japanese::is_own, |run, own| match own {
                    true => j.each(run, &mut visit),
                    false => self.tokenizer.each(run, &mut visit),
                });
            }
            Segmenter::Chinese(z) => {
                runs(text, Chinese::is_own, |run, own| match own {
                    true => z.each(run, &mut visit),
                    false => self.tokenizer.each(run, &mut visit),
                });
            }
        }
    }

    /// Takes the words of a normalized text that are no stop words, stemmed, for [`each_term`](Self::each_term).
    /// Stop words go before stemming and before n-grams are made, as in scikit-learn.
    pub(crate) fn gather(&mut self, text: &str, is_stop: impl Fn(&str) -> bool) -> Gathered {
        let mut met = Gathered::default();
        let (mut joined, mut places) = (std::mem::take(&mut self.joined), std::mem::take(&mut self.places));
        let mut stems = self.stems.take();
        joined.clear();
        places.clear();
        self.each_word(text, |word| {
            met.tokens += 1;
            if is_stop(word) {
                met.stopped += 1;
                return;
            }
            let stem = stems.as_mut().map_or(word, |s| s.of(word));
            // of some words, such as a run of lengthening strokes, nothing is left
            if stem.is_empty() {
                return;
            }
            if !joined.is_empty() {
                joined.push(' ');
            }
            let start = joined.len();
            joined.push_str(stem);
            places.push((start, joined.len()));
        });
        (self.joined, self.places, self.stems) = (joined, places, stems);
        met
    }

    /// Hands over each word of a normalized text: as it stands there, its stem, and whether the word before stands next
    /// to it, with a blank, a line end or a hyphen between at most.
    pub(crate) fn each_neighbour(&mut self, text: &str, mut visit: impl FnMut(&str, &str, bool)) {
        let mut stems = self.stems.take();
        let mut end = None;
        self.each_word(text, |word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            let between = end.and_then(|end| text.get(end..start));
            let next =
                |gap: &str| gap == "-" || (gap.chars().all(char::is_whitespace) && gap.matches('\n').count() < 2);
            visit(word, stems.as_mut().map_or(word, |s| s.of(word)), between.is_some_and(next));
            end = Some(start + word.len());
        });
        self.stems = stems;
    }

    /// Hands over what was gathered: every word, and every run of up to `ngrams` words, which is written with one
    /// blank between words; true for words.
    pub(crate) fn each_term(&self, mut visit: impl FnMut(&str, bool)) {
        for (i, &(start, _)) in self.places.iter().enumerate() {
            for (n, &(_, end)) in self.places.iter().skip(i).take(self.ngrams).enumerate() {
                if let Some(term) = self.joined.get(start..end) {
                    visit(term, n == 0);
                }
            }
        }
    }
}

/// Cuts `text` where characters that are `own` meet others.
fn runs<'t>(text: &'t str, own: impl Fn(char) -> bool, mut visit: impl FnMut(&'t str, bool)) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_own = own(first);
        let end = rest.find(|c| own(c) != is_own).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        visit(run, is_own);
        rest = behind;
    }
}

/// Stems, each word's found once.
#[derive(Debug, Clone)]
struct Stems {
    algorithm: Algorithm,
    words: Interner,
    stems: Vec<Box<str>>,
}

impl Stems {
    fn new(algorithm: Algorithm) -> Self {
        Stems { algorithm, words: Interner::new(), stems: Vec::new() }
    }

    /// The stem of a word by Snowball's rules (Porter, An algorithm for suffix stripping, Program 14, 1980).
    fn of<'s>(&'s mut self, word: &'s str) -> &'s str {
        let Some(id) = self.words.intern(word) else { return word };
        if id as usize == self.stems.len() {
            self.stems.push(Stemmer::create(self.algorithm).stem(word).into());
        }
        self.stems.get(id as usize).map_or(word, |stem| stem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(options: TextOptions, text: &str, stop: &[&str]) -> (Vec<String>, Gathered) {
        let mut terms = Terms::new(&options).unwrap();
        let text = terms.normalize(text.to_string());
        let met = terms.gather(&text, |w| stop.contains(&w));
        let mut out = Vec::new();
        terms.each_term(|t, _| out.push(t.to_string()));
        (out, met)
    }

    fn words(language: Language, text: &str) -> Vec<String> {
        terms(TextOptions { language, ngrams: 1, ..Default::default() }, text, &[]).0
    }

    #[test]
    fn ngrams_leave_stop_words_out_and_stay_in_a_document() {
        // CountVectorizer(ngram_range=(1, 3), stop_words=["the"]).build_analyzer()("The cat saw the mat")
        let options = TextOptions { ngrams: 3, ..Default::default() };
        let (mut found, met) = terms(options.clone(), "The cat saw the mat", &["the"]);
        found.sort();
        assert_eq!(found, ["cat", "cat saw", "cat saw mat", "mat", "saw", "saw mat"]);
        assert_eq!(met, Gathered { tokens: 5, stopped: 2 });
        assert_eq!(terms(options.clone(), "one", &[]).0, ["one"]);
        assert!(terms(options, "", &[]).0.is_empty());
    }

    #[test]
    fn stop_words_go_before_stemming() {
        let options = TextOptions { language: Language::English, stem: true, ngrams: 2, ..Default::default() };
        let (found, _) = terms(options, "Running runners run, being stemmed", &["being", "stem"]);
        assert_eq!(found, ["run", "run runner", "runner", "runner run", "run", "run stem", "stem"]);
        let german = TextOptions { language: Language::German, stem: true, ..Default::default() };
        assert_eq!(terms(german, "Häuser Häusern", &[]).0, ["haus", "haus"]);
    }

    #[test]
    fn scripts_may_mix() {
        assert_eq!(
            words(Language::Japanese, "ＮＭＦは非負値行列因子分解（ﾃﾞｰﾀ分析 x 42）です。"),
            ["nmf", "非負", "値", "行列", "因子", "分解", "データ", "分析", "42"]
        );
        assert_eq!(words(Language::Chinese, "用Python学习：矩阵分解。"), ["python", "学习", "矩阵", "分解"]);
        assert_eq!(words(Language::None, "非負値行列 of Ｘ線"), ["非負値行列", "of", "ｘ線"]);
    }

    /// Anything may be stemmed: letters of other scripts, marks, endings alone. (The stemmers move over bytes.)
    #[test]
    fn stemmers_take_any_word() {
        let letters: Vec<char> =
            "aeiouylnrstdgmbc'’ßüöäåøéèêñçşğıİœÿ\u{301}αειουςσήабвгдеиыьяёющاأإءئةكتبمنوهيلฟ日本かカ가𝒳𐍈1_"
                .chars()
                .collect();
        let mut state = 7u64;
        let mut random = move |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        for code in Language::codes() {
            let Some(algorithm) = code.parse::<Language>().unwrap().stemmer() else { continue };
            for _ in 0..3000 {
                let (from, span) = (random(letters.len()), 1 + random(letters.len()));
                let word: String = (0..random(14)).map(|_| letters[(from + random(span)) % letters.len()]).collect();
                assert!(Stemmer::create(algorithm).stem(&word).len() <= 4 * word.len() + 8, "{code} {word}");
            }
        }
    }
}
