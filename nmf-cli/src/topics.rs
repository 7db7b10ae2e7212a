//! `topics`: from documents to the topics they are about.

mod files;
mod page;
mod relevance;
mod report;

use crate::args::Global;
use crate::checkpoint::CheckpointOptions;
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::known::Known;
use crate::model::Model;
use crate::progress::spinner;
use crate::report::ReportOptions;
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, solve};
use crate::text;
use clap::Args;
use nmf_core::Loss;
use nmf_io::{Loaded, Precision, Table};
use nmf_text::{Corpus, Df, Format, ReadOptions, ReadReport, StopWords, Strip, TextModel, TextOptions};
use relevance::Words;
use report::Topics;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Options of `topics`.
#[derive(Args, Debug)]
#[command(
    long_about = "Counts the words of a collection of documents, factors the document–word matrix, and prints what each topic \
        is about.\n\nDocuments: a folder tree (one file each; folders inside are labels), a .tar or .tar.gz of one, TSV or CSV \
        with a text column, or JSON lines.",
    after_help = "Examples:\n  nmf-cli topics articles/ -k 20 -o model\n  nmf-cli topics news.tar.gz -k 20 --keep-headers From,Subject --max-df 0.1\n  \
        nmf-cli topics reviews.csv -k 8 --text-column review --tfidf --json\n  nmf-cli transform model new_articles/ -o weights.npy\n\n\
        A document's weight on topic q is W[i,q] times the sum of H[q,·] (the words expected from that topic), divided by \
        the document's total; coherence is the mean NPMI of the top words, from −1 to 1."
)]
pub(crate) struct TopicsArgs {
    /// The documents: a folder, .tar, .tar.gz, .tsv, .csv or .jsonl
    pub(crate) corpus: PathBuf,
    /// Folder for the model (W, H, vocabulary), topics.tsv, documents.tsv and weights.svg
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Words shown per topic
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) top: usize,
    /// Which words are shown first: relevance (frequent in the topic and distinctive of it) or weight (largest in H)
    #[arg(long, value_enum, default_value = "relevance", value_name = "ORDER")]
    pub(crate) words_by: Words,
    /// Also show this document: its words, their counts and weights, and its topics (a name, the end of a path, or #12)
    #[arg(long, value_name = "DOC")]
    pub(crate) show: Option<String>,
    /// How to factor.
    #[command(flatten)]
    pub(crate) fit: FitOptions,
    /// How to read and count.
    #[command(flatten)]
    pub(crate) words: WordOptions,
    /// A page about the result.
    #[command(flatten)]
    pub(crate) report: ReportOptions,
    /// What is kept on the way.
    #[command(flatten)]
    pub(crate) checkpoint: CheckpointOptions,
}

/// From files to counts.
#[derive(Args, Debug)]
#[command(next_help_heading = "Documents and words")]
pub(crate) struct WordOptions {
    /// Form of the corpus: auto, dir, tar, tsv, csv or jsonl
    #[arg(long, default_value = "auto", value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Column (name or number from 1) or key of the text [default: text, body, content or document]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) text_column: Option<String>,
    /// Column or key of the label [default: label, category, class or target, if there is one]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) label_column: Option<String>,
    /// Encoding of the documents [default: UTF-8, or Windows-1252 for those that are not]
    #[arg(long, value_name = "NAME")]
    pub(crate) encoding: Option<String>,
    /// What a word is, as a regular expression on lower-cased text [default: two or more word characters]
    #[arg(long, value_name = "RE")]
    pub(crate) token_pattern: Option<String>,
    /// Leave out words in fewer documents: a number (2) or a share (0.01)
    #[arg(long, default_value = "2", value_name = "DF")]
    pub(crate) min_df: Df,
    /// Leave out words in more documents: a number or a share (0.5)
    #[arg(long, default_value = "0.5", value_name = "DF")]
    pub(crate) max_df: Df,
    /// Keep only the N most frequent words
    #[arg(long, value_name = "N")]
    pub(crate) max_features: Option<usize>,
    /// Factor tf-idf weights instead of counts
    #[arg(long)]
    pub(crate) tfidf: bool,
    /// Words to leave out: en, none, or a file with one a line
    #[arg(long, default_value = "en", value_name = "FILE")]
    pub(crate) stop_words: String,
    /// Of messages with header lines, keep only these headers and the body
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) keep_headers: Option<Vec<String>>,
    /// Cut these away from messages: headers, quotes, footers
    #[arg(long, value_name = "PARTS")]
    pub(crate) strip: Option<Strip>,
}

impl WordOptions {
    fn reading(&self) -> ReadOptions {
        ReadOptions {
            format: self.format,
            text_column: self.text_column.clone(),
            label_column: self.label_column.clone(),
            header: None,
            encoding: self.encoding.clone(),
        }
    }

    fn counting(&self) -> Result<TextOptions, Failure> {
        let options = TextOptions {
            lowercase: true,
            token_pattern: self.token_pattern.clone(),
            stop_words: StopWords::from_arg(&self.stop_words)?,
            keep_headers: self.keep_headers.clone(),
            strip: self.strip.unwrap_or_default(),
            min_df: self.min_df,
            max_df: self.max_df,
            max_features: self.max_features,
            tfidf: self.tfidf,
        };
        options.check()?;
        Ok(options)
    }
}

/// Runs the command.
pub(crate) fn run(args: &TopicsArgs, global: &Global) -> Result<(), Failure> {
    let precision = global.read_precision()?;
    if args.top == 0 {
        return Err(Failure::usage("--top 0 is not accepted: at least one word per topic"));
    }
    if args.fit.shifts != 1 {
        return Err(Failure::usage(format!(
            "--shifts {} is not accepted by topics: patterns over neighbouring columns need columns in an order, and words have none",
            args.fit.shifts
        )));
    }
    let counting = args.words.counting()?;
    if let Some(dir) = &args.output {
        // where nothing can be written, say so before the work, not after it
        nmf_io::Staging::new(dir)?;
    }
    args.report.check_beside(args.output.as_deref())?;
    let checkpoint = args.checkpoint.open(global)?;
    let clock = Instant::now();
    let wheel = spinner(global, format!("reading {} and counting words", args.corpus.display()));
    let (corpus, read) = nmf_text::read_corpus(&args.corpus, &args.words.reading(), &counting)?;
    drop(wheel);
    warn_about(&read, &corpus, global);
    let load_seconds = clock.elapsed().as_secs_f64();
    let shown = args.show.as_deref().map(|name| corpus.find(name)).transpose()?;
    let about = About::take(&corpus, shown, counting, &read, args.words.encoding.clone());
    let loaded = table(corpus, precision);

    let mut fit = args.fit.clone();
    fit.loss.get_or_insert(if args.words.tfidf { Loss::FRO } else { Loss::KL });
    let known = Known::default();
    let mut engine = Engine::open(global, &session::work(&loaded, &fit, &known))?;
    on_engine!(&mut engine, loaded, |b, table| {
        let job = Job {
            fit: &fit,
            known: &known,
            normalize: None,
            source: &args.corpus,
            load_seconds,
            checkpoint: checkpoint.as_ref(),
            global,
        };
        let solved = solve(b, table.matrix.view(), &job, None)?;
        let topics = Topics::of(&solved, &table, &about, args.top, args.words_by)?;
        if let Some(dir) = &args.output {
            files::save(dir, &solved, &table, &topics, &about, fit.seed)?;
        }
        if args.report.wanted() {
            args.report.write(page::page(args, &solved, &table, &topics, &about, global)?)?;
        }
        if global.json {
            text::print_json(&Value::Object(topics.to_json(&solved.report, &about)))?;
        } else {
            let told = topics.to_text(&solved.report, &about, args.output.as_deref(), global.verbose);
            text::print(&(told + &args.report.told()))?;
        }
        solved.outcome(args.output.as_deref())
    })
}

/// What is kept of a corpus once its counts have become the matrix.
pub(crate) struct About {
    /// Labels of the documents; "" where there is none.
    pub(crate) labels: Option<Vec<String>>,
    /// The document to show: its row, and its words with counts.
    pub(crate) shown: Option<(usize, Vec<(String, f32)>)>,
    counting: TextOptions,
    idf: Option<Vec<f64>>,
    /// How the documents were read, for text.json.
    read: Value,
}

impl About {
    fn take(
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
fn table(mut corpus: Corpus, precision: Option<Precision>) -> Loaded {
    let (rows, cols) = (std::mem::take(&mut corpus.names), std::mem::take(&mut corpus.vocabulary));
    let matrix = corpus.into_weights().into();
    let loaded = Loaded::F32(Table { matrix, row_names: Some(rows), col_names: Some(cols) });
    if precision == Some(Precision::F64) { Loaded::F64(loaded.into_f64()) } else { loaded }
}

fn warn_about(read: &ReadReport, corpus: &Corpus, global: &Global) {
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
    let saved = |key: &str| json.get("read").and_then(|r| r.get(key)).and_then(Value::as_str).map(str::to_string);
    let format = nmf_text::detect_format(input)?;
    // columns were named for tables; a folder has none
    let tabular = !matches!(format, Format::Dir | Format::Tar);
    let column = |key| saved(key).filter(|_| tabular);
    let reading =
        ReadOptions { format, text_column: column("text_column"), encoding: saved("encoding"), ..Default::default() };
    let wheel = spinner(global, format!("reading {} and counting words", input.display()));
    let vectorizer = text.vectorizer()?;
    let (corpus, read) = vectorizer.transform_path(input, &reading)?;
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
    Ok(Some(table(corpus, precision)))
}
