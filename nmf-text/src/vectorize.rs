//! Documents to a document–term matrix.

use crate::corpus::{Document, ReadOptions, ReadReport, read_documents};
use crate::counts::{Corpus, Stats};
use crate::error::{Error, Result};
use crate::interner::Interner;
use crate::message;
use crate::options::{TextOptions, Weighting};
use crate::terms::Terms;
use nmf_core::Sparse;
use std::collections::HashSet;
use std::path::Path;

const DROPPED: u32 = u32::MAX;

/// Counts words document by document. Between [`push`](Self::push)es it holds about three bytes for each
/// word of each document, and every word once.
#[derive(Debug, Clone)]
pub struct VectorizerBuilder {
    options: TextOptions,
    terms: Terms,
    interner: Interner,
    /// As they are sought, normalized.
    stop_words: HashSet<String>,
    /// The first words are a fixed vocabulary of this length, if there is one.
    fixed: Option<(usize, Option<Vec<f64>>)>,
    /// Words from the vocabulary's end to here are stop words.
    stop_end: usize,
    df: Vec<u32>,
    totals: Vec<u64>,
    /// Counts in the document at hand, by word; zero between documents.
    current: Vec<u32>,
    touched: Vec<u32>,
    /// For every document its words and their counts: LEB128 of the distance to the word before, LEB128 of the count.
    packed: Vec<u8>,
    ends: Vec<usize>,
    names: Vec<String>,
    labels: Vec<String>,
    labelled: bool,
    tokens: u64,
    stopped: u64,
    unknown: u64,
    scratch: String,
}

impl VectorizerBuilder {
    /// Learns its vocabulary from the documents.
    pub fn new(options: TextOptions) -> Result<Self> {
        Self::start(options, Interner::new(), None)
    }

    fn start(options: TextOptions, mut interner: Interner, fixed: Option<(usize, Option<Vec<f64>>)>) -> Result<Self> {
        options.check()?;
        let terms = Terms::new(&options)?;
        let mut stop_words = HashSet::new();
        for word in options.stop_words.words() {
            let word = terms.normalize(word.to_string());
            interner.intern(&word);
            stop_words.insert(word);
        }
        let words = interner.len();
        Ok(VectorizerBuilder {
            options,
            terms,
            interner,
            stop_words,
            fixed,
            stop_end: words,
            df: vec![0; words],
            totals: vec![0; words],
            current: vec![0; words],
            touched: Vec::new(),
            packed: Vec::new(),
            ends: Vec::new(),
            names: Vec::new(),
            labels: Vec::new(),
            labelled: false,
            tokens: 0,
            stopped: 0,
            unknown: 0,
            scratch: String::new(),
        })
    }

    /// Number of documents so far.
    pub fn documents(&self) -> usize {
        self.names.len()
    }

    /// Counts the words of one document.
    pub fn push(&mut self, document: &Document) -> Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        if message::leaves_as_is(&self.options) {
            scratch.push_str(&document.text);
        } else {
            message::prepare(&document.text, &self.options, &mut scratch);
        }
        let text = self.terms.normalize(scratch);
        let stops = self.fixed.as_ref().map_or(0, |(n, _)| *n)..self.stop_end;
        let (learn, by_terms) = (self.fixed.is_none(), !self.terms.are_words());
        let mut full = false;
        let Self {
            terms, interner, stop_words, current, touched, df, totals, packed, tokens, stopped, unknown, ..
        } = &mut *self;
        let mut count = |interner: &mut Interner, term: &str, is_word: bool| {
            let id = if learn { interner.intern(term) } else { interner.get(term) };
            let Some(id) = id else {
                full |= learn;
                *unknown += u64::from(is_word);
                return;
            };
            let at = id as usize;
            // stems and n-grams are made of words that are none
            if stops.contains(&at) && !(learn && by_terms) {
                *stopped += u64::from(is_word);
                return;
            }
            if at >= current.len() {
                current.resize(at + 1, 0);
                df.resize(at + 1, 0);
                totals.resize(at + 1, 0);
            }
            let count = &mut current[at];
            if *count == 0 {
                touched.push(id);
            }
            *count = count.saturating_add(1);
        };
        if !by_terms {
            terms.each_word(&text, |word| {
                *tokens += 1;
                count(interner, word, true);
            });
        } else {
            let met = terms.gather(&text, |w| stop_words.contains(w));
            *tokens += met.tokens;
            terms.each_term(|term, is_word| count(interner, term, is_word));
            *stopped += met.stopped;
        }
        if full {
            return Err(Error::Stopped("more than 4,294,967,294 different words and n-grams".into()));
        }
        touched.sort_unstable();
        let mut before = 0;
        for id in touched.drain(..) {
            let at = id as usize;
            let count = std::mem::take(&mut current[at]);
            df[at] = df[at].saturating_add(1);
            totals[at] += u64::from(count);
            put(packed, id - before);
            put(packed, count);
            before = id;
        }
        self.ends.push(self.packed.len());
        self.names.push(document.name.clone());
        self.labelled |= document.label.is_some();
        self.labels.push(document.label.clone().unwrap_or_default());
        self.scratch = text;
        Ok(())
    }

    /// For every word its column, or [`DROPPED`]; the vocabulary; how many words each rule dropped.
    fn select(&self, stats: &mut Stats) -> Result<(Vec<u32>, Vec<String>)> {
        let mut column = vec![DROPPED; self.df.len()];
        if let Some((n, _)) = self.fixed {
            let words = (0..n).map(|i| self.interner.word(i).to_string()).collect();
            column.iter_mut().take(n).enumerate().for_each(|(i, c)| *c = i as u32);
            return Ok((column, words));
        }
        let n = self.names.len() as u64;
        let (low, high) = (self.options.min_df.of(n), self.options.max_df.of(n));
        let mut kept: Vec<u32> = Vec::new();
        // a stop word is in documents only as the stem of another
        for (id, &df) in self.df.iter().enumerate().filter(|(id, df)| *id >= self.stop_end || **df > 0) {
            stats.words += 1;
            if f64::from(df) > high {
                stats.above_max_df += 1;
            } else if f64::from(df) < low {
                stats.below_min_df += 1;
            } else {
                kept.push(id as u32);
            }
        }
        let word = |id: u32| self.interner.word(id as usize);
        if let Some(most) = self.options.max_features.filter(|most| *most < kept.len()) {
            let total = |id: u32| self.totals[id as usize];
            let df = |id: u32| self.df[id as usize];
            kept.sort_unstable_by(|&a, &b| {
                total(b).cmp(&total(a)).then_with(|| df(b).cmp(&df(a))).then_with(|| word(a).cmp(word(b)))
            });
            stats.beyond_max_features = (kept.len() - most) as u64;
            kept.truncate(most);
        }
        if kept.is_empty() {
            return Err(Error::EmptyVocabulary { path: None, reason: self.why_empty(stats) });
        }
        // mostly decided by the first eight bytes
        let mut order: Vec<(u64, u32)> = kept.into_iter().map(|id| (prefix(word(id)), id)).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| word(a.1).cmp(word(b.1))));
        let kept: Vec<u32> = order.into_iter().map(|(_, id)| id).collect();
        for (i, &id) in kept.iter().enumerate() {
            column[id as usize] = i as u32;
        }
        Ok((column, kept.iter().map(|&id| word(id).to_string()).collect()))
    }

    fn why_empty(&self, stats: &Stats) -> String {
        let n = self.names.len();
        if self.tokens == 0 {
            let pattern = self.options.token_pattern.as_deref().unwrap_or(crate::tokens::DEFAULT_PATTERN);
            return format!(
                "{n} documents hold no match of the token pattern {pattern}; their texts may be empty, or --keep-headers or --strip cut them away"
            );
        }
        let mut parts = vec![format!("{n} documents hold {} tokens", self.tokens)];
        if self.stopped > 0 {
            parts.push(format!("{} of them are stop words (--stop-words)", self.stopped));
        }
        if stats.above_max_df > 0 {
            let (k, max) = (stats.above_max_df, self.options.max_df);
            parts.push(format!("{k} different words are in more documents than --max-df {max} allows"));
        }
        if stats.below_min_df > 0 {
            let (k, min) = (stats.below_min_df, self.options.min_df);
            parts.push(format!("{k} different words are in fewer documents than --min-df {min} asks for"));
        }
        parts.join("; ")
    }

    /// Chooses the vocabulary and builds the matrix. Documents without a word keep their empty rows.
    pub fn finish(mut self) -> Result<Corpus> {
        let mut stats =
            Stats { tokens: self.tokens, stop_words: self.stopped, unknown: self.unknown, ..Stats::default() };
        let (column, vocabulary) = self.select(&mut stats)?;
        let nnz: usize = column.iter().zip(&self.df).filter(|(c, _)| **c != DROPPED).map(|(_, df)| *df as usize).sum();
        let mut indptr = Vec::with_capacity(self.names.len() + 1);
        let mut indices: Vec<u32> = Vec::with_capacity(nnz);
        let mut data: Vec<f32> = Vec::with_capacity(nnz);
        let mut row: Vec<(u32, u32)> = Vec::new();
        indptr.push(0u64);
        let mut packed = self.packed.iter();
        let mut left = self.packed.len();
        for &end in &self.ends {
            let mut id = 0u32;
            let stop_at = self.packed.len() - end;
            while left > stop_at {
                id = id.wrapping_add(take(&mut packed));
                let count = take(&mut packed);
                left = packed.len();
                match column.get(id as usize) {
                    Some(&c) if c != DROPPED => row.push((c, count)),
                    _ => {}
                }
            }
            row.sort_unstable();
            stats.empty_documents += u64::from(row.is_empty());
            for (c, count) in row.drain(..) {
                indices.push(c);
                data.push(count as f32);
            }
            indptr.push(indices.len() as u64);
        }
        let n = self.names.len();
        let weighting = self.options.weighting;
        let idf = match (&mut self.fixed, weighting != Weighting::Counts) {
            (Some((_, idf)), true) => idf.take(),
            (None, true) => {
                let mut idf = vec![0.0; vocabulary.len()];
                for (&c, &df) in column.iter().zip(&self.df).filter(|(c, _)| **c != DROPPED) {
                    idf[c as usize] = ((1.0 + n as f64) / (1.0 + f64::from(df))).ln() + 1.0;
                }
                Some(idf)
            }
            _ => None,
        };
        let counts = Sparse::try_new((n, vocabulary.len()), indptr, indices, data).map_err(|(_, _, _, e)| {
            Error::Shape { what: "document–term matrix", expected: "sorted columns".into(), found: e.to_string() }
        })?;
        let labels = self.labelled.then_some(self.labels);
        Ok(Corpus { counts, vocabulary, names: self.names, labels, idf, weighting, stats })
    }
}

/// The first eight bytes, as a number that sorts as they do.
fn prefix(word: &str) -> u64 {
    let mut first = [0u8; 8];
    first.iter_mut().zip(word.bytes()).for_each(|(to, b)| *to = b);
    u64::from_be_bytes(first)
}

fn put(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(bytes: &mut std::slice::Iter<'_, u8>) -> u32 {
    let (mut value, mut shift) = (0u32, 0u32);
    for &byte in bytes.by_ref() {
        value |= u32::from(byte & 0x7f).wrapping_shl(shift);
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Counts the words of new documents by a vocabulary learned before.
#[derive(Debug, Clone)]
pub struct Vectorizer {
    start: VectorizerBuilder,
}

impl Vectorizer {
    /// A vocabulary, its inverse document frequencies (needed unless `options.weighting` is of counts), and how texts become
    /// words. The bounds on document frequency and on the number of words in `options` play no part.
    pub fn from_vocabulary(vocabulary: &[String], idf: Option<Vec<f64>>, options: TextOptions) -> Result<Self> {
        let mut interner = Interner::new();
        for (i, word) in vocabulary.iter().enumerate() {
            if interner.intern(word) != u32::try_from(i).ok() {
                return Err(Error::Model { field: "vocabulary", message: format!("{word:?} occurs twice") });
            }
        }
        if vocabulary.is_empty() {
            return Err(Error::Model { field: "vocabulary", message: "it holds no word".into() });
        }
        match &idf {
            Some(idf) if idf.len() != vocabulary.len() => {
                let message = format!("{} values for {} words; one for each is needed", idf.len(), vocabulary.len());
                return Err(Error::Model { field: "idf", message });
            }
            Some(idf) if !idf.iter().all(|v| v.is_finite() && *v >= 0.0) => {
                return Err(Error::Model { field: "idf", message: "finite values ≥ 0 are needed".into() });
            }
            None if options.weighting != Weighting::Counts => {
                let message = format!("missing, and {} needs it", options.weighting);
                return Err(Error::Model { field: "idf", message });
            }
            _ => {}
        }
        // a stop word in the vocabulary stays a word of the vocabulary
        Ok(Vectorizer { start: VectorizerBuilder::start(options, interner, Some((vocabulary.len(), idf)))? })
    }

    /// Takes new documents; what is finished has this vocabulary, in this order.
    pub fn builder(&self) -> VectorizerBuilder {
        self.start.clone()
    }

    /// Counts the words of the documents given.
    pub fn transform<'d>(&self, documents: impl IntoIterator<Item = &'d Document>) -> Result<Corpus> {
        let mut builder = self.builder();
        documents.into_iter().try_for_each(|d| builder.push(d))?;
        builder.finish()
    }

    /// Counts the words of the corpus at `path`.
    pub fn transform_path(&self, path: &Path, read: &ReadOptions) -> Result<(Corpus, ReadReport)> {
        count(path, read, self.builder())
    }
}

/// Reads the corpus at `path` and counts its words.
pub fn read_corpus(path: &Path, read: &ReadOptions, options: &TextOptions) -> Result<(Corpus, ReadReport)> {
    count(path, read, VectorizerBuilder::new(options.clone())?)
}

fn count(path: &Path, read: &ReadOptions, mut builder: VectorizerBuilder) -> Result<(Corpus, ReadReport)> {
    let report = read_documents(path, read, |d| builder.push(d))?;
    let corpus = builder.finish().map_err(|e| match e {
        Error::EmptyVocabulary { reason, .. } => Error::EmptyVocabulary { path: Some(path.to_path_buf()), reason },
        other => other,
    })?;
    Ok((corpus, report))
}
