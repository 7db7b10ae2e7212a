//! `topics --classify`: the topics of new documents by a saved model.

use super::TopicsArgs;
use super::documents::{count_by_model, saved_reading, table};
use crate::args::Global;
use crate::failure::Failure;
use crate::model::Model;
use crate::session::{Engine, on_engine};
use crate::text::{self, field, seconds};
use crate::transform::{Rule, own_precision};
use ndarray::{Array2, ArrayView2};
use nmf_core::{Backend, Element};
use nmf_io::{Staging, Table};
use nmf_text::Format;
use nmf_text::agreement::{Agreement, agreement};
use nmf_text::topics::{document_topic_shares, strongest_topic, top_words};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

/// Topics of a document that are printed.
const SHOWN: usize = 3;
/// Documents that are printed; files and --json have all.
const PRINTED: usize = 50;

/// The documents and their topics.
struct Classified {
    names: Vec<String>,
    labels: Option<Vec<String>>,
    /// Documents × topics; each row sums to 1, or is zero for a document without words of the vocabulary.
    shares: Array2<f64>,
    strongest: Vec<Option<usize>>,
    /// The names of the topics.
    topics: Vec<String>,
    agreement: Option<Agreement>,
}

/// Runs the command with --classify.
pub(super) fn run(args: &TopicsArgs, documents: &Path, model: &Path, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?;
    let model = Model::load(model)?;
    let Some((text, json)) = model.text()? else {
        let message = "not a model of text (it has no text.json): `topics CORPUS -k K -o DIR` writes one";
        return Err(Failure::file(&model.dir, message));
    };
    let rule = Rule::of(&model, false)?;
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        Staging::new(dir)?;
        super::keep_corpus(documents, dir)?;
    }
    let clock = Instant::now();
    let given = args.words.reading();
    let format = match given.format {
        Format::Auto => nmf_text::detect_format(documents)?,
        format => format,
    };
    let mut reading = saved_reading(&json, format);
    reading.text_column = given.text_column.or(reading.text_column);
    reading.label_column = given.label_column;
    reading.encoding = given.encoding.or(reading.encoding);
    let mut corpus = count_by_model(&model, &text, documents, &reading, global)?;
    let load_seconds = clock.elapsed().as_secs_f64();
    let labels = corpus.labels.take();
    let loaded = table(corpus, precision.or_else(|| own_precision(&model.fit)));
    let mut engine = Engine::open(global, &rule.work(&model, &loaded)?)?;
    let clock = Instant::now();
    let found = on_engine!(&mut engine, loaded, |b, table| classify(b, table, labels, &model, &rule, documents))?;
    let elapsed = clock.elapsed().as_secs_f64();
    if let Some(dir) = &args.output {
        found.save(dir)?;
    }
    if global.json {
        let mut map = found.to_json();
        map.insert("loss".into(), json!(rule.loss.to_string()));
        map.insert("load_seconds".into(), json!(load_seconds));
        map.insert("seconds".into(), json!(elapsed));
        map.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
        return text::print_json(&Value::Object(map));
    }
    let mut out = found.to_text();
    out += &format!("{} to read and count, {} to classify\n", seconds(load_seconds), seconds(elapsed));
    match &args.output {
        Some(dir) => out += &format!("written to {} (classified.tsv, shares.tsv)", dir.display()),
        None => out += "nothing was written: -o DIR saves tables",
    }
    text::print(&out)
}

fn classify<B: Backend>(
    b: &mut B,
    table: Table<B::Elem>,
    labels: Option<Vec<String>>,
    model: &Model,
    rule: &Rule,
    source: &Path,
) -> Result<Classified, Failure> {
    let h: Array2<B::Elem> = model.h()?;
    let w = rule.weights(b, table.matrix.view(), h.view(), source)?;
    let shares = document_topic_shares(w.view(), h.view())?;
    let strongest = strongest_topic(shares.view());
    let agreement = labels.as_deref().filter(|l| l.iter().any(|l| !l.is_empty()));
    let agreement = agreement.map(|labels| agreement_with(&strongest, labels)).transpose()?;
    let topics = names(model, h.view())?;
    Ok(Classified { names: table.row_names.unwrap_or_default(), labels, shares, strongest, topics, agreement })
}

fn agreement_with(strongest: &[Option<usize>], labels: &[String]) -> Result<Agreement, Failure> {
    Ok(agreement(strongest, labels)?)
}

/// The names the model has for its topics, or the words with the largest weights.
fn names<T: Element>(model: &Model, h: ArrayView2<'_, T>) -> Result<Vec<String>, Failure> {
    let saved = std::fs::read_to_string(model.dir.join("topics.json")).ok();
    let saved = saved.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let saved: Option<Vec<String>> = saved
        .as_ref()
        .and_then(|json| json.get("topics")?.as_array())
        .and_then(|topics| topics.iter().map(|t| t.get("label").and_then(Value::as_str).map(str::to_string)).collect());
    if let Some(names) = saved.filter(|names| names.len() == h.nrows()) {
        return Ok(names);
    }
    let words = top_words(h, model.col_names.as_deref().unwrap_or_default(), 3)?;
    Ok(words.iter().map(|t| t.iter().map(|(w, _)| w.as_str()).collect::<Vec<_>>().join(", ")).collect())
}

impl Classified {
    fn name(&self, i: usize) -> &str {
        self.names.get(i).map_or("", String::as_str)
    }

    fn label(&self, i: usize) -> &str {
        self.labels.as_ref().and_then(|l| l.get(i)).map_or("", String::as_str)
    }

    /// The largest shares of a document, largest first.
    fn largest(&self, i: usize) -> Vec<(usize, f64)> {
        let mut shares: Vec<(usize, f64)> = self.shares.row(i).iter().copied().enumerate().collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares.retain(|(_, share)| *share >= 0.01);
        shares
    }

    fn to_text(&self) -> String {
        let mut out = String::new();
        for i in 0..self.strongest.len().min(PRINTED) {
            out += &format!("{}\n", self.name(i));
            let largest = self.largest(i);
            if largest.is_empty() {
                out += "  no word of the vocabulary\n";
            }
            for (q, share) in largest.into_iter().take(SHOWN) {
                out += &format!("  {:>5.1} %  topic {} ({})\n", 100.0 * share, q + 1, self.topics[q]);
            }
        }
        if self.strongest.len() > PRINTED {
            out += &format!("and {} more documents: -o DIR and --json have all\n", self.strongest.len() - PRINTED);
        }
        if let Some(a) = &self.agreement {
            out += &format!(
                "agreement with the labels: NMI {:.3}, ARI {:.3}, purity {:.3} ({} documents)\n",
                a.nmi, a.ari, a.purity, a.documents
            );
        }
        out
    }

    fn to_json(&self) -> Map<String, Value> {
        let document = |i: usize| {
            let label = Some(self.label(i)).filter(|l| !l.is_empty());
            json!({
                "document": self.name(i), "topic": self.strongest[i].map(|q| q + 1),
                "shares": self.shares.row(i).to_vec(), "label": label,
            })
        };
        let mut map = Map::new();
        map.insert("documents".into(), json!(self.strongest.len()));
        map.insert("topics".into(), json!(self.topics));
        map.insert("classified".into(), (0..self.strongest.len()).map(document).collect());
        map.insert("nmi".into(), json!(self.agreement.as_ref().map(|a| a.nmi)));
        map.insert("ari".into(), json!(self.agreement.as_ref().map(|a| a.ari)));
        map.insert("purity".into(), json!(self.agreement.as_ref().map(|a| a.purity)));
        map
    }

    /// Writes classified.tsv (the strongest topic of each document) and shares.tsv (all).
    fn save(&self, dir: &Path) -> Result<(), Failure> {
        let mut classified = String::from("document\ttopic\tweight\tname\tlabel\n");
        let mut shares = String::from("document");
        (1..=self.topics.len()).for_each(|q| shares += &format!("\t{q}"));
        shares.push('\n');
        for (i, strongest) in self.strongest.iter().enumerate() {
            let (name, label) = (field(self.name(i)), field(self.label(i)));
            let (topic, weight, topic_name) = match strongest {
                Some(q) => ((q + 1).to_string(), self.shares[[i, *q]], field(&self.topics[*q])),
                None => (String::new(), 0.0, String::new()),
            };
            // writing to a string cannot fail
            let _ = writeln!(classified, "{name}\t{topic}\t{weight:.6}\t{topic_name}\t{label}");
            shares += &name;
            self.shares.row(i).iter().for_each(|share| shares += &format!("\t{share:.6}"));
            shares.push('\n');
        }
        let mut out = Staging::new(dir)?;
        out.bytes("classified.tsv", classified.as_bytes())?;
        out.bytes("shares.tsv", shares.as_bytes())?;
        Ok(out.commit()?)
    }
}
