//! Topics read from the factors: for people and as JSON.

use super::TopicsArgs;
use super::documents::About;
use crate::failure::Failure;
use crate::fit_json::Report;
use crate::solve::Solved;
use crate::text::{grouped, number, seconds};
use ndarray::Array2;
use nmf_core::{Element, Matrix};
use nmf_io::Table;
use nmf_text::agreement::{Agreement, agreement};
use nmf_text::topics::{
    document_topic_shares, documents_per_topic, npmi, similarity, single_topic_share, strongest_topic, top_documents,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Words from which topics are named.
const CANDIDATES: usize = 20;
/// Documents shown as examples of a topic.
const EXAMPLES: usize = 3;
/// A cosine from which two topics are said to be alike.
const ALIKE: f64 = 0.5;
/// How many such pairs are printed; similarity.tsv and --json have all.
pub(super) const PAIRS: usize = 3;

/// One topic.
pub(crate) struct Topic {
    /// Three of its words, the first two perhaps a phrase.
    pub(crate) name: String,
    /// Its top words with their weights in H (expected counts per unit of the topic), in the order asked for.
    pub(crate) words: Vec<(String, f64)>,
    /// Documents with more weight on it than on any other.
    pub(crate) documents: usize,
    /// Mean NPMI of the top words.
    pub(crate) coherence: Option<f64>,
    /// The label most of its documents have, and their share.
    pub(crate) label: Option<(String, f64)>,
    /// The documents that are most about it, best first.
    pub(crate) best: Vec<usize>,
}

impl Topic {
    /// Some of its documents.
    pub(super) fn examples(&self) -> &[usize] {
        self.best.get(..EXAMPLES.min(self.best.len())).unwrap_or_default()
    }
}

/// All topics of a corpus.
pub(crate) struct Topics {
    pub(crate) topics: Vec<Topic>,
    /// For each topic the words from which it may be named.
    pub(super) candidates: Vec<Vec<String>>,
    /// Cosines between the rows of H.
    pub(crate) similarity: Array2<f64>,
    /// How many documents to list for each topic.
    listed: usize,
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
        args: &TopicsArgs,
    ) -> Result<Topics, Failure> {
        let (w, h) = (solved.fitted.w(), solved.fitted.h());
        let (k, n) = h.dim();
        let vocabulary = table.col_names.as_deref().unwrap_or_default();
        let word = |j: usize| vocabulary.get(j).cloned().unwrap_or_default();
        let candidates = args.words_by.of(w, h, CANDIDATES.min(n));
        let candidates: Vec<Vec<String>> =
            candidates.into_iter().map(|terms| terms.into_iter().map(word).collect()).collect();
        let terms = args.words_by.of(w, h, args.top.min(n));
        let coherence = match &table.matrix {
            Matrix::Sparse(s) => npmi(&terms, s)?,
            Matrix::Dense(_) => vec![None; k],
        };
        let shares = document_topic_shares(w, h)?;
        let strongest = strongest_topic(shares.view());
        let counts = documents_per_topic(&strongest, k);
        let agreement = about.labels.as_deref().map(|labels| agreement(&strongest, labels)).transpose()?;
        let best = top_documents(w, h, shares.view(), args.top_documents.max(EXAMPLES))?;
        let topics = best
            .into_iter()
            .enumerate()
            .map(|(q, best)| Topic {
                name: candidates[q].iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "),
                words: terms[q].iter().map(|&j| (word(j), h[[q, j]].f64())).collect(),
                documents: counts[q],
                coherence: coherence[q],
                label: about.labels.as_deref().and_then(|labels| majority(labels, &strongest, q)),
                best,
            })
            .collect();
        Ok(Topics {
            topics,
            candidates,
            similarity: similarity(h),
            listed: args.top_documents,
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
        let mut map = self.own_json(fit.nnz);
        map.insert("weighting".into(), json!(about.counting.weighting.name()));
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

    /// What is known of the topics, without the factorization: topics.json.
    pub(super) fn own_json(&self, nnz: u64) -> Map<String, Value> {
        let topic = |(q, t): (usize, &Topic)| {
            let (words, weights): (Vec<_>, Vec<_>) = t.words.iter().map(|(w, v)| (json!(w), json!(v))).unzip();
            let documents: Vec<Value> =
                self.ranked(q).map(|(name, weight)| json!({ "document": name, "weight": weight })).collect();
            json!({
                "words": words, "weights": weights, "documents": t.documents, "coherence": t.coherence,
                "label": t.name, "top_documents": documents,
            })
        };
        let mut map = Map::new();
        map.insert("documents".into(), json!(self.strongest.len()));
        map.insert("vocabulary".into(), json!(self.vocabulary));
        map.insert("nnz".into(), json!(nnz));
        map.insert("topics".into(), self.topics.iter().enumerate().map(topic).collect());
        map.insert("single_topic_share".into(), json!(self.single_topic_share));
        map.insert("nmi".into(), json!(self.agreement.as_ref().map(|a| a.nmi)));
        map.insert("ari".into(), json!(self.agreement.as_ref().map(|a| a.ari)));
        map.insert("purity".into(), json!(self.agreement.as_ref().map(|a| a.purity)));
        map.insert("coherence".into(), json!(self.coherence()));
        let rows: Vec<Vec<f64>> = self.similarity.outer_iter().map(|row| row.to_vec()).collect();
        map.insert("similarity".into(), json!(rows));
        map
    }

    /// The documents that are most about topic `q`, with its shares of them.
    pub(super) fn ranked(&self, q: usize) -> impl Iterator<Item = (&str, f64)> {
        let best = self.topics.get(q).map_or(&[][..], |t| &t.best);
        best.iter().take(self.listed).map(move |&i| (self.name(i), self.shares[[i, q]]))
    }

    /// The mean coherence of the topics that have one.
    fn coherence(&self) -> Option<f64> {
        let of: Vec<f64> = self.topics.iter().filter_map(|t| t.coherence).collect();
        (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
    }

    /// Pairs of topics with much the same words, the most alike first.
    pub(super) fn alike(&self) -> Vec<(usize, usize, f64)> {
        let pairs = self.similarity.indexed_iter().filter(|((p, q), cosine)| p < q && **cosine >= ALIKE);
        let mut pairs: Vec<(usize, usize, f64)> = pairs.map(|((p, q), cosine)| (p, q, *cosine)).collect();
        pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
        pairs
    }

    /// For people: the largest topics first, numbered as the columns of W from 1.
    pub(crate) fn to_text(&self, fit: &Report, about: &About, saved: Option<&Path>, verbose: bool) -> String {
        let mut out = format!(
            "{} documents, {} words, {} non-zero counts; {} topics by {} ({} on {})\n",
            grouped(self.strongest.len() as u64),
            grouped(self.vocabulary as u64),
            grouped(fit.nnz),
            self.topics.len(),
            fit.solver,
            fit.loss,
            about.counting.weighting
        );
        let mut order: Vec<usize> = (0..self.topics.len()).collect();
        order.sort_by_key(|&q| std::cmp::Reverse(self.topics[q].documents));
        for q in order {
            let t = &self.topics[q];
            let words: Vec<&str> = t.words.iter().map(|(w, _)| w.as_str()).collect();
            let plural = if t.documents == 1 { "document" } else { "documents" };
            out += &format!("\ntopic {} · {} · {} {plural}", q + 1, t.name, t.documents);
            if let Some((label, share)) = &t.label {
                out += &format!(" · {:.0} % {label}", 100.0 * share);
            }
            if let Some(c) = t.coherence {
                out += &format!(" · coherence {c:.2}");
            }
            out += &format!("\n  {}\n", words.join(", "));
            let examples: Vec<&str> = t.examples().iter().map(|&i| self.name(i)).collect();
            if !examples.is_empty() {
                out += &format!("  e.g. {}\n", examples.join("; "));
            }
        }
        out += &format!(
            "\n{:.0} % of the documents have at least half their weight on one topic\n",
            100.0 * self.single_topic_share
        );
        if let Some(c) = self.coherence() {
            out += &format!("mean coherence {c:.3}\n");
        }
        let alike = self.alike();
        for (p, q, cosine) in alike.iter().take(PAIRS) {
            out += &format!("topics {} and {} share many words (cosine {cosine:.2})\n", p + 1, q + 1);
        }
        if alike.len() > PAIRS {
            out += &format!("and so do {} other pairs, less\n", alike.len() - PAIRS);
        }
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
                out += &format!(
                    "written to {} (the model, topics.json, topics.tsv, documents.tsv, top_documents.tsv, similarity.tsv, weights.svg)",
                    dir.display()
                );
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
            out += &format!("  {:>5.1} %  topic {} ({})\n", 100.0 * share, q + 1, self.topics[q].name);
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
