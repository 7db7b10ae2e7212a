//! A counted corpus: the document–term matrix and the names of its rows and columns.

use crate::error::{Error, Result};
use crate::options::Weighting;
use nmf_core::Sparse;

/// What counting met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tokens of all documents.
    pub tokens: u64,
    /// Tokens left out as stop words.
    pub stop_words: u64,
    /// Tokens left out because they are not in the given vocabulary.
    pub unknown: u64,
    /// Different words, stop words aside, before the bounds; 0 with a given vocabulary.
    pub words: u64,
    /// Different words left out for `min_df`.
    pub below_min_df: u64,
    /// Different words left out for `max_df`.
    pub above_max_df: u64,
    /// Different words left out for `max_features`.
    pub beyond_max_features: u64,
    /// Documents without a word of the vocabulary: empty rows.
    pub empty_documents: u64,
}

/// Documents × words.
#[derive(Debug, Clone, PartialEq)]
pub struct Corpus {
    /// How often each word occurs in each document; CSR, documents × words, columns sorted within rows.
    pub counts: Sparse<f32>,
    /// The words, sorted by code point (a given vocabulary: in its order).
    pub vocabulary: Vec<String>,
    /// The documents' names.
    pub names: Vec<String>,
    /// Their labels, if the corpus has labels; empty for a document without one.
    pub labels: Option<Vec<String>>,
    /// Inverse document frequencies ln((1 + n) / (1 + df)) + 1, when the weighting needs them.
    pub idf: Option<Vec<f64>>,
    /// What to factor.
    pub weighting: Weighting,
    /// What counting met.
    pub stats: Stats,
}

impl Corpus {
    /// What to factor: the counts, weighted as asked for.
    pub fn weights(&self) -> Sparse<f32> {
        let mut weights = self.counts.clone();
        weigh(&mut weights, self.weighting, self.idf.as_deref());
        weights
    }

    /// As [`weights`](Self::weights), in place of the counts, which are lost.
    pub fn into_weights(self) -> Sparse<f32> {
        let mut weights = self.counts;
        weigh(&mut weights, self.weighting, self.idf.as_deref());
        weights
    }

    /// The row of a document: by its whole name, by the end of its path behind a `/` if only one path
    /// ends so, or by its number from 1 as `#12`.
    pub fn find(&self, document: &str) -> Result<usize> {
        if let Some(i) = self.names.iter().position(|n| n == document) {
            return Ok(i);
        }
        let none = |message: String| Error::Document { name: document.to_string(), message };
        if let Some(number) = document.strip_prefix('#').and_then(|n| n.parse::<usize>().ok()) {
            return match number {
                1.. if number <= self.names.len() => Ok(number - 1),
                _ => Err(none(format!("numbers go from #1 to #{}", self.names.len()))),
            };
        }
        let ends = |n: &&String| n.strip_suffix(document).is_some_and(|rest| rest.ends_with('/'));
        let mut found = self.names.iter().enumerate().filter(|(_, n)| ends(n));
        match (found.next(), found.next()) {
            (Some((i, _)), None) => Ok(i),
            (Some((_, a)), Some((_, b))) => Err(none(format!("several have this name, such as {a:?} and {b:?}"))),
            (None, _) => {
                let first = self.names.first().map(String::as_str).unwrap_or("");
                Err(none(format!("none of the {} documents has this name; the first is {first:?}", self.names.len())))
            }
        }
    }

    /// The words of one document with their counts, most frequent first; none for a row there is not.
    pub fn document(&self, row: usize) -> Vec<(&str, f32)> {
        let Some(words) = self.counts.outer_view(row) else { return Vec::new() };
        let name = |j: usize| self.vocabulary.get(j).map_or("", String::as_str);
        let mut out: Vec<(&str, f32)> = words.iter().map(|(j, &v)| (name(j), v)).collect();
        out.sort_by(|a, b| b.1.total_cmp(&a.1));
        out
    }
}

fn weigh(counts: &mut Sparse<f32>, weighting: Weighting, idf: Option<&[f64]>) {
    match (weighting, idf) {
        (Weighting::TfIdf, Some(idf)) => tfidf(counts, idf),
        (Weighting::LogIdf, Some(idf)) => log_idf(counts, idf),
        _ => {}
    }
}

/// Counts c to ln(1 + c) × idf. `counts` must be CSR; columns beyond `idf` get the weight 0.
pub fn log_idf(counts: &mut Sparse<f32>, idf: &[f64]) {
    for mut row in counts.outer_iterator_mut() {
        for (j, v) in row.iter_mut() {
            *v = (f64::from(*v).ln_1p() * idf.get(j).copied().unwrap_or(0.0)) as f32;
        }
    }
}

/// Counts to tf-idf as in scikit-learn's `TfidfVectorizer`: count × idf, each row over its Euclidean norm;
/// empty rows stay empty. `counts` must be CSR; columns beyond `idf` get the weight 0.
pub fn tfidf(counts: &mut Sparse<f32>, idf: &[f64]) {
    for mut row in counts.outer_iterator_mut() {
        let weight = |j: usize| idf.get(j).copied().unwrap_or(0.0);
        let squares: f64 = row.iter().map(|(j, &v)| (f64::from(v) * weight(j)).powi(2)).sum();
        if squares > 0.0 {
            let norm = squares.sqrt();
            for (j, v) in row.iter_mut() {
                *v = (f64::from(*v) * weight(j) / norm) as f32;
            }
        }
    }
}
