//! The files of `topics -o DIR`.

use super::documents::About;
use super::report::Topics;
use crate::failure::Failure;
use crate::model;
use crate::pictures::Weights;
use crate::solve::Solved;
use crate::text::{field, grouped};
use ndarray::Axis;
use nmf_core::Element;
use nmf_io::{Staging, Table};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Documents in the picture.
const PICTURED: usize = 100;

/// Writes the model, vocabulary.txt, text.json, topics.json, the tables and weights.svg.
pub(crate) fn save<T: Element>(
    dir: &Path,
    solved: &Solved<T>,
    table: &Table<T>,
    topics: &Topics,
    about: &About,
    seed: u64,
) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    let fit = Value::Object(solved.report.to_json());
    let (rows, cols) = (table.row_names.as_deref(), table.col_names.as_deref());
    model::stage(&mut out, solved.fitted.w(), solved.fitted.h(), &fit, rows, cols)?;
    out.bytes("vocabulary.txt", &model::lines(cols.unwrap_or_default()))?;
    out.bytes("text.json", format!("{}\n", about.text_model(cols.unwrap_or_default())).as_bytes())?;
    let json = Value::Object(topics.own_json(solved.report.nnz));
    out.bytes("topics.json", format!("{json}\n").as_bytes())?;
    out.bytes("topics.tsv", topics_table(topics).as_bytes())?;
    out.bytes("top_documents.tsv", top_documents_table(topics).as_bytes())?;
    out.bytes("similarity.tsv", similarity_table(topics).as_bytes())?;
    out.bytes("documents.tsv", documents_table(topics, about).as_bytes())?;
    out.bytes("weights.svg", picture(topics, about, seed).as_bytes())?;
    model::commit(out)
}

/// One line per topic and document: topic (from 1), rank, document, the topic's share of it.
fn top_documents_table(topics: &Topics) -> String {
    let mut out = String::from("topic\trank\tdocument\tweight\n");
    for q in 0..topics.topics.len() {
        for (rank, (name, weight)) in topics.ranked(q).enumerate() {
            let _ = writeln!(out, "{}\t{}\t{}\t{weight:.6}", q + 1, rank + 1, field(name));
        }
    }
    out
}

/// Cosines between topics, which are numbered from 1 along both sides.
fn similarity_table(topics: &Topics) -> String {
    let mut out = String::from("topic");
    (1..=topics.topics.len()).for_each(|q| out += &format!("\t{q}"));
    for (q, row) in topics.similarity.outer_iter().enumerate() {
        out += &format!("\n{}", q + 1);
        row.iter().for_each(|cosine| out += &format!("\t{cosine:.6}"));
    }
    out + "\n"
}

/// One line per topic and word: topic (from 1), rank, word, weight, and what belongs to the topic.
fn topics_table(topics: &Topics) -> String {
    let mut out = String::from("topic\trank\tword\tweight\tdocuments\tcoherence\tlabel\n");
    for (q, t) in topics.topics.iter().enumerate() {
        let coherence = t.coherence.map_or(String::new(), |c| c.to_string());
        for (rank, (word, weight)) in t.words.iter().enumerate() {
            let (topic, rank, word, label) = (q + 1, rank + 1, field(word), field(&t.name));
            let _ = writeln!(out, "{topic}\t{rank}\t{word}\t{weight}\t{}\t{coherence}\t{label}", t.documents);
        }
    }
    out
}

/// One line per document: its strongest topic (from 1; empty for a document without words) and the share of it.
fn documents_table(topics: &Topics, about: &About) -> String {
    let mut out = String::from("document\ttopic\tweight\tlabel\n");
    for (i, strongest) in topics.strongest.iter().enumerate() {
        let name = topics.names.get(i).map_or("", String::as_str);
        let label = about.labels.as_deref().map_or("", |l| l[i].as_str());
        let (topic, weight) = match strongest {
            Some(q) => ((q + 1).to_string(), topics.shares[[i, *q]]),
            None => (String::new(), 0.0),
        };
        // writing to a string cannot fail
        let _ = writeln!(out, "{}\t{topic}\t{weight:.6}\t{}", field(name), field(label));
    }
    out
}

/// Topic weights of 100 random documents, grouped by label, or by strongest topic where there are no labels.
pub(super) fn picture(topics: &Topics, about: &About, seed: u64) -> String {
    let names: Vec<String> = topics.topics.iter().enumerate().map(|(q, t)| format!("{} {}", q + 1, t.name)).collect();
    let group = |i: usize| match (&about.labels, topics.strongest[i]) {
        (Some(labels), _) => labels[i].clone(),
        (None, Some(q)) => format!("topic {}", q + 1),
        (None, None) => "no words".into(),
    };
    // topics in the order of their numbers, not of their names
    let key = |i: usize| (about.labels.as_ref().map(|l| l[i].clone()), topics.strongest[i].unwrap_or(usize::MAX), i);
    let mut documents = sample(topics.strongest.len(), PICTURED, seed);
    documents.sort_by_key(|&i| key(i));
    let mut groups: Vec<(String, usize)> = Vec::new();
    for &i in &documents {
        let name = group(i);
        match groups.last_mut().filter(|(last, _)| *last == name) {
            Some((_, n)) => *n += 1,
            None => groups.push((name, 1)),
        }
    }
    let shares = topics.shares.select(Axis(0), &documents);
    let shown: Vec<String> = documents.iter().map(|i| topics.names.get(*i).cloned().unwrap_or_default()).collect();
    let picture = Weights {
        title: "Topic weights of documents",
        shares: shares.view(),
        documents: &shown,
        topics: &names,
        groups: &groups,
        caption: &format!(
            "{} of {} documents, chosen at random, a column each: the darker a cell, the larger the topic's share of the document.",
            documents.len(),
            grouped(topics.strongest.len() as u64)
        ),
    };
    picture.svg()
}

/// At most `most` of 0..n without repetition, by a Fisher–Yates shuffle over SplitMix64 (Steele, Lea & Flood 2014).
fn sample(n: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut all: Vec<usize> = (0..n).collect();
    for i in 0..most.min(n) {
        let j = i + (next() % (n - i) as u64) as usize;
        all.swap(i, j);
    }
    all.truncate(most);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_no_repetition_and_depends_on_the_seed() {
        let a = sample(1000, 100, 1);
        let mut sorted = a.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((a.len(), sorted.len()), (100, 100));
        assert_ne!(a, sample(1000, 100, 2));
        assert_eq!(sample(3, 100, 1).len(), 3);
    }
}
