//! From documents to a matrix, and what is kept of them beside it.

use crate::args::Global;
use crate::failure::Failure;
use crate::model::Model;
use crate::progress::spinner;
use crate::text;
use nmf_io::{Loaded, Precision, Table};
use nmf_text::{Corpus, Format, ReadOptions, ReadReport, TextModel, TextOptions};
use serde_json::{Value, json};
use std::path::Path;

/// What is kept of a corpus once its counts have become the matrix.
pub(crate) struct About {
    /// Labels of the documents; "" where there is none.
    pub(crate) labels: Option<Vec<String>>,
    /// The document to show: its row, and its words with counts.
    pub(crate) shown: Option<(usize, Vec<(String, f32)>)>,
    /// How the documents became counts.
    pub(super) counting: TextOptions,
    idf: Option<Vec<f64>>,
    /// How the documents were read, for text.json.
    read: Value,
}

impl About {
    pub(super) fn take(
        corpus: &Corpus,
        shown: Option<usize>,
        counting: TextOptions,
        read: &ReadReport,
        encoding: Option<String>,
    ) -> About {
        let words = |row| corpus.document(row).into_iter().map(|(w, n)| (w.to_string(), n)).collect();
        let read = json!({ "text_column": read.text_column, "label_column": read.label_column, "encoding": encoding });
        let shown = shown.map(|row| (row, words(row)));
        About { labels: corpus.labels.clone(), shown, counting, idf: corpus.idf.clone(), read }
    }

    /// text.json: how documents become counts, and how they were read.
    pub(crate) fn text_model(&self, vocabulary: &[String]) -> Value {
        let (idf, options) = (self.idf.clone(), self.counting.clone());
        let mut json = TextModel { vocabulary: vocabulary.to_vec(), idf, options }.to_json();
        if let Value::Object(map) = &mut json {
            map.insert("read".into(), self.read.clone());
        }
        json
    }
}

/// The matrix of a corpus, with its names; f64 only where that is asked for.
pub(super) fn table(mut corpus: Corpus, precision: Option<Precision>) -> Loaded {
    let (rows, cols) = (std::mem::take(&mut corpus.names), std::mem::take(&mut corpus.vocabulary));
    let matrix = corpus.into_weights().into();
    let loaded = Loaded::F32(Table { matrix, row_names: Some(rows), col_names: Some(cols) });
    if precision == Some(Precision::F64) { Loaded::F64(loaded.into_f64()) } else { loaded }
}

pub(super) fn warn_about(read: &ReadReport, corpus: &Corpus, global: &Global) {
    for w in read.warnings() {
        global.warn(w);
    }
    let empty = corpus.stats.empty_documents;
    if empty > 0 {
        global.note(format!(
            "{empty} of {} documents hold no word of the vocabulary; their weights are zero",
            read.documents
        ));
    }
}

/// Whether a path is surely a matrix, not documents.
fn is_matrix(path: &Path) -> bool {
    if path.is_dir() {
        return path.join("matrix.mtx").exists() || path.join("matrix.mtx.gz").exists();
    }
    let name = path.to_string_lossy().to_ascii_lowercase();
    [".npy", ".npz", ".mtx", ".mtx.gz"].iter().any(|end| name.ends_with(end))
}

/// How documents were read when the model was made, for other documents of this format.
pub(super) fn saved_reading(json: &Value, format: Format) -> ReadOptions {
    let saved = |key: &str| json.get("read").and_then(|r| r.get(key)).and_then(Value::as_str).map(str::to_string);
    // columns were named for tables; a folder has none
    let tabular = !matches!(format, Format::Dir | Format::Tar);
    let text_column = saved("text_column").filter(|_| tabular);
    ReadOptions { format, text_column, encoding: saved("encoding"), ..Default::default() }
}

/// Documents counted by the vocabulary of the model, whose text.json says `text`.
pub(super) fn count_by_model(
    model: &Model,
    text: &TextModel,
    input: &Path,
    reading: &ReadOptions,
    global: &Global,
) -> Result<Corpus, Failure> {
    let wheel = spinner(global, format!("reading {} and counting words", input.display()));
    let (corpus, read) = text.vectorizer()?.transform_path(input, reading)?;
    drop(wheel);
    if corpus.stats.empty_documents == read.documents {
        let vocabulary = model.dir.join("vocabulary.txt");
        let message = format!(
            "no document holds a word of the model's vocabulary ({}): documents of the same kind are needed",
            vocabulary.display()
        );
        return Err(Failure::file(input, message));
    }
    warn_about(&read, &corpus, global);
    global.detail(format!(
        "{} documents, {} stored counts, {} words that the model does not know",
        read.documents,
        text::grouped(corpus.counts.nnz() as u64),
        text::grouped(corpus.stats.unknown)
    ));
    Ok(corpus)
}

/// Documents counted by the model's vocabulary; `None` if the model is not of text or `input` is a matrix.
pub(crate) fn read_corpus_for_model(
    model: &Model,
    input: &Path,
    precision: Option<Precision>,
    global: &Global,
) -> Result<Option<Loaded>, Failure> {
    let Some((text, json)) = model.text()? else { return Ok(None) };
    if is_matrix(input) {
        return Ok(None);
    }
    let reading = saved_reading(&json, nmf_text::detect_format(input)?);
    let corpus = count_by_model(model, &text, input, &reading, global)?;
    Ok(Some(table(corpus, precision)))
}
