//! Topics read from the factors: for people and as JSON.

use super::About;
use super::relevance::Words;
use crate::failure::Failure;
use crate::fit_json::Report;
use crate::solve::Solved;
use crate::text::{grouped, number, seconds};
use ndarray::Array2;
use nmf_core::{Element, Matrix};
use nmf_io::Table;
use nmf_text::agreement::{Agreement, agreement};
use nmf_text::topics::{document_topic_shares, documents_per_topic, npmi, single_topic_share, strongest_topic};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// One topic.
pub(crate) struct Topic {
    /// Its top words with their weights in H (expected counts per unit of the topic), in the order asked for.
    pub(crate) words: Vec<(String, f64)>,
    /// Documents with more weight on it than on any other.
    pub(crate) documents: usize,
    /// Mean NPMI of the top words.
    pub(crate) coherence: Option<f64>,
    /// The label most of its documents have, and their share.
    pub(crate) label: Option<(String, f64)>,
    /// The documents that are most about it.
    pub(crate) examples: Vec<usize>,
}

/// All topics of a corpus.
pub(crate) struct Topics {
    pub(crate) topics: Vec<Topic>,
    /// Documents × topics; each row sums to 1, or is zero for a document without words.
    pub(crate) shares: Array2<f64>,
    /// The topic with the largest share of each document.
    pub(crate) strongest: Vec<Option<usize>>,
    pub(crate) single_topic_share: f64,
    pub(crate) agreement: Option<Agreement>,
    pub(crate) names: Vec<String>,
    pub(crate) vocabulary: usize,
}

impl Topics {
    /// Reads the factors.
    pub(crate) fn of<T: Element>(
        solved: &Solved<T>,
        table: &Table<T>,
        about: &About,
        top: usize,
        by: Words,
    ) -> Result<Topics, Failure> {
        let (w, h) = (solved.fitted.w(), solved.fitted.h());
        let (k, n) = h.dim();
        let vocabulary = table.col_names.as_deref().unwrap_or_default();
        let terms = by.of(w, h, top.min(n));
        let coherence = match &table.matrix {
            Matrix::Sparse(s) => npmi(&terms, s)?,
            Matrix::Dense(_) => vec![None; k],
        };
        let shares = document_topic_shares(w, h)?;
        let strongest = strongest_topic(shares.view());
        let counts = documents_per_topic(&strongest, k);
        let agreement = about.labels.as_deref().map(|labels| agreement(&strongest, labels)).transpose()?;
        let topics = (0..k)
            .map(|q| Topic {
                words: terms[q].iter().map(|&j| (vocabulary[j].clone(), h[[q, j]].f64())).collect(),
                documents: counts[q],
                coherence: coherence[q],
                label: about.labels.as_deref().and_then(|labels| majority(labels, &strongest, q)),
                examples: most_about(w, &shares, &strongest, q, 3),
            })
            .collect();
        Ok(Topics {
            topics,
            single_topic_share: single_topic_share(shares.view()),
            shares,
            strongest,
            agreement,
            names: table.row_names.clone().unwrap_or_default(),
            vocabulary: n,
        })
    }

    /// The keys of `topics`, then those of the factorization.
    pub(crate) fn to_json(&self, fit: &Report, about: &About) -> Map<String, Value> {
        let topic = |t: &Topic| {
            let (words, weights): (Vec<_>, Vec<_>) = t.words.iter().map(|(w, v)| (json!(w), json!(v))).unzip();
            json!({ "words": words, "weights": weights, "documents": t.documents, "coherence": t.coherence })
        };
        let mut map = Map::new();
        map.insert("documents".into(), json!(self.strongest.len()));
        map.insert("vocabulary".into(), json!(self.vocabulary));
        map.insert("nnz".into(), json!(fit.nnz));
        map.insert("topics".into(), self.topics.iter().map(topic).collect());
        map.insert("single_topic_share".into(), json!(self.single_topic_share));
        map.insert("nmi".into(), json!(self.agreement.as_ref().map(|a| a.nmi)));
        map.insert("ari".into(), json!(self.agreement.as_ref().map(|a| a.ari)));
        map.insert("purity".into(), json!(self.agreement.as_ref().map(|a| a.purity)));
        if let Some((row, words)) = &about.shown {
            let words: Vec<Value> = words.iter().map(|(w, n)| json!({ "word": w, "count": n })).collect();
            let topics: Vec<f64> = self.shares.row(*row).to_vec();
            map.insert("document".into(), json!({ "name": self.name(*row), "topics": topics, "words": words }));
        }
        for (key, value) in fit.to_json() {
            map.entry(key).or_insert(value);
        }
        map
    }

    /// For people: the largest topics first, numbered as the columns of W from 1.
    pub(crate) fn to_text(&self, fit: &Report, about: &About, saved: Option<&Path>, verbose: bool) -> String {
        let mut out = format!(
            "{} documents, {} words, {} non-zero counts; {} topics by {} ({})\n",
            grouped(self.strongest.len() as u64),
            grouped(self.vocabulary as u64),
            grouped(fit.nnz),
            self.topics.len(),
            fit.solver,
            fit.loss
        );
        let mut order: Vec<usize> = (0..self.topics.len()).collect();
        order.sort_by_key(|&q| std::cmp::Reverse(self.topics[q].documents));
        for q in order {
            let t = &self.topics[q];
            let words: Vec<&str> = t.words.iter().map(|(w, _)| w.as_str()).collect();
            let plural = if t.documents == 1 { "document" } else { "documents" };
            out += &format!("\ntopic {} · {} {plural}", q + 1, t.documents);
            if let Some((label, share)) = &t.label {
                out += &format!(" · {:.0} % {label}", 100.0 * share);
            }
            if let Some(c) = t.coherence {
                out += &format!(" · coherence {c:.2}");
            }
            out += &format!("\n  {}\n", words.join(", "));
            let examples: Vec<&str> = t.examples.iter().map(|&i| self.name(i)).collect();
            if !examples.is_empty() {
                out += &format!("  e.g. {}\n", examples.join("; "));
            }
        }
        out += &format!(
            "\n{:.0} % of the documents have at least half their weight on one topic\n",
            100.0 * self.single_topic_share
        );
        if let Some(a) = &self.agreement {
            out += &format!(
                "agreement with the labels: NMI {:.3}, ARI {:.3}, purity {:.3} ({} documents)\n",
                a.nmi, a.ari, a.purity, a.documents
            );
        }
        if let Some((row, words)) = &about.shown {
            out += &self.document(*row, words);
        }
        if verbose {
            out += &format!("\n{}\n", fit.summary(true));
        } else {
            out += &format!(
                "objective {} after {} iterations; {} to read and count, {} to factor\n",
                number(fit.objective),
                fit.iterations,
                seconds(fit.load_seconds),
                seconds(fit.prepare_seconds + fit.seconds)
            );
        }
        match saved {
            Some(dir) => {
                out += &format!("written to {} (the model, topics.tsv, documents.tsv, weights.svg)", dir.display());
            }
            None => out += "nothing was written: -o DIR saves the model, tables and a picture",
        }
        out
    }

    /// The name of a document.
    pub(super) fn name(&self, row: usize) -> &str {
        self.names.get(row).map_or("", String::as_str)
    }

    /// One document: its words, its topics.
    fn document(&self, row: usize, words: &[(String, f32)]) -> String {
        let mut out = format!("\ndocument {}\n", self.name(row));
        let mut shares: Vec<(usize, f64)> = self.shares.row(row).iter().copied().enumerate().collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (q, share) in shares.into_iter().filter(|(_, s)| *s >= 0.01) {
            let words: Vec<&str> = self.topics[q].words.iter().take(4).map(|(w, _)| w.as_str()).collect();
            out += &format!("  {:>5.1} %  topic {} ({})\n", 100.0 * share, q + 1, words.join(", "));
        }
        let mut words: Vec<&(String, f32)> = words.iter().collect();
        words.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let list: Vec<String> = words.iter().map(|(w, n)| format!("{w} {n}")).collect();
        out + &format!("  {} words: {}\n", words.len(), list.join(", "))
    }
}

/// The most common label among the documents whose strongest topic is `q`.
fn majority(labels: &[String], strongest: &[Option<usize>], q: usize) -> Option<(String, f64)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let own = labels.iter().zip(strongest).filter(|(label, t)| **t == Some(q) && !label.is_empty());
    own.for_each(|(label, _)| *counts.entry(label).or_default() += 1);
    let total: usize = counts.values().sum();
    let (label, n) = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?;
    Some((label.to_string(), n as f64 / total as f64))
}

/// Documents that are about topic `q`: a large share of a document counts twice, and long ones come before those of a
/// few words, of which many have the whole share.
fn most_about<T: Element>(
    w: ndarray::ArrayView2<'_, T>,
    shares: &Array2<f64>,
    strongest: &[Option<usize>],
    q: usize,
    n: usize,
) -> Vec<usize> {
    let own = strongest.iter().enumerate().filter(|(_, s)| **s == Some(q));
    let mut all: Vec<(f64, usize)> = own.map(|(i, _)| (shares[[i, q]].powi(2) * w[[i, q]].f64().sqrt(), i)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().take(n).map(|(_, i)| i).collect()
}
