//! `topics`: from documents to the topics they are about.

mod classify;
mod documents;
mod files;
mod page;
mod relevance;
mod report;
mod words;

use crate::args::Global;
use crate::checkpoint::CheckpointOptions;
use crate::failure::Failure;
use crate::fit_options::FitOptions;
use crate::input::keep_outside;
use crate::known::Known;
use crate::model;
use crate::progress::spinner;
use crate::report::ReportOptions;
use crate::session::{self, Engine, on_engine};
use crate::solve::{Job, Solved, solve};
use crate::text;
use clap::builder::ArgPredicate;
use clap::{Arg, Args, ValueEnum};
use documents::{About, table, warn_about};
use nmf_core::{Element, Loss};
use nmf_text::Weighting;
use relevance::Words;
use report::Topics;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;
use words::WordOptions;

pub(crate) use documents::read_corpus_for_model;

/// Options of `topics`.
#[derive(Args, Debug)]
#[command(
    long_about = "Counts the words of a collection of documents, factors the document–word matrix, and prints what each topic \
        is about.\n\nDocuments: a folder tree (one file each; folders inside are labels), a .tar or .tar.gz of one, TSV or CSV \
        with a text column, or JSON lines.\n\nWith --classify, reads new documents by a saved model instead: the topics of each.",
    after_help = "Examples:\n  nmf-cli topics articles/ -k 20 -o model\n  nmf-cli topics news.tar.gz -k 20 --strip headers,quotes,footers\n  \
        nmf-cli topics reviews.csv -k 8 --text-column review --tfidf --json\n  nmf-cli topics kiji/ -k 10 --language ja\n  \
        nmf-cli topics articles/ -k 20 --stem --ngrams 2 --max-features 20000\n  \
        nmf-cli topics --classify new_articles/ --model model\n  nmf-cli transform model new_articles/ -o weights.npy\n\n\
        A document's weight on topic q is W[i,q] times the sum of H[q,·] (what is expected of all words from that topic), divided by \
        the document's total; coherence is the mean NPMI of the top words, from −1 to 1."
)]
pub(crate) struct TopicsArgs {
    /// The documents: a folder, .tar, .tar.gz, .tsv, .csv or .jsonl
    #[arg(required_unless_present = "classify")]
    pub(crate) corpus: Option<PathBuf>,
    /// Folder for the model (W, H, vocabulary), topics.json, topics.tsv, documents.tsv, top_documents.tsv, similarity.tsv
    /// and weights.svg; with --classify for classified.tsv and shares.tsv
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Words shown per topic
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) top: usize,
    /// Which words are shown first: relevance (frequent in the topic and distinctive of it) or weight (largest in H)
    #[arg(long, value_enum, default_value = "relevance", value_name = "ORDER")]
    pub(crate) words_by: Words,
    /// Documents listed per topic, those that are most about it, in top_documents.tsv and --json
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) top_documents: usize,
    /// Names of topics: phrases (a pair of neighbouring words first, if there is one; the documents are read once more) or words
    #[arg(long, value_enum, default_value = "phrases", value_name = "KIND")]
    pub(crate) labels: Labels,
    /// Also show this document: its words with their counts, and its topics (a name, the end of a path, or #12)
    #[arg(long, value_name = "DOC")]
    pub(crate) show: Option<String>,
    /// Find no topics but the shares of those of --model in these documents; what else can be given: -o, --format,
    /// --text-column, --label-column, --encoding
    #[arg(long, value_name = "NEW_DOCS", requires = "model", help_heading = "New documents")]
    pub(crate) classify: Option<PathBuf>,
    /// The model for --classify: a folder that topics -o wrote
    #[arg(long, value_name = "DIR", help_heading = "New documents")]
    pub(crate) model: Option<PathBuf>,
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

/// How topics are named.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Labels {
    /// A pair of neighbouring words and a word
    Phrases,
    /// The first three words
    Words,
}

/// What --classify needs and takes; it refuses all other options of the command.
const WITH_CLASSIFY: [&str; 8] =
    ["classify", "model", "output", "format", "text_column", "label_column", "encoding", "help"];

/// Makes every option that says how topics are found an error beside --classify, and -k needless there.
pub(crate) fn refuse_beside_classify(arg: Arg) -> Arg {
    let id = arg.get_id().as_str();
    if WITH_CLASSIFY.contains(&id) {
        return arg;
    }
    let rank = id == "rank";
    let arg = arg.conflicts_with("classify");
    if rank {
        arg.required(false).required_unless_present("classify").default_value_if(
            "classify",
            ArgPredicate::IsPresent,
            "1",
        )
    } else {
        arg
    }
}

/// Runs the command.
pub(crate) fn run(args: &TopicsArgs, global: &Global) -> Result<(), Failure> {
    match (&args.classify, &args.model, &args.corpus) {
        (Some(documents), Some(model), _) => classify::run(args, documents, model, global),
        // clap asks for --classify only where the corpus does not exclude it
        (None, Some(_), _) => Err(Failure::usage("--model is for --classify NEW_DOCS; a new model goes to -o DIR")),
        (_, _, Some(corpus)) => find(args, corpus, global),
        _ => Err(Failure::usage("a corpus is needed, or --classify NEW_DOCS --model DIR")),
    }
}

/// Refuses to write into the documents, or over them.
fn keep_corpus(corpus: &Path, dir: &Path) -> Result<(), Failure> {
    model::keep_inputs(dir, &[corpus])?;
    keep_outside(corpus, dir)
}

/// Finds topics.
fn find(args: &TopicsArgs, corpus: &Path, global: &Global) -> Result<(), Failure> {
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
        keep_corpus(corpus, dir)?;
    }
    args.report.check_beside(args.output.as_deref())?;
    let checkpoint = args.checkpoint.open(global)?;
    let clock = Instant::now();
    let wheel = spinner(global, format!("reading {} and counting words", corpus.display()));
    let (counted, read) = nmf_text::read_corpus(corpus, &args.words.reading(), &counting)?;
    drop(wheel);
    warn_about(&read, &counted, global);
    let load_seconds = clock.elapsed().as_secs_f64();
    let shown = args.show.as_deref().map(|name| counted.find(name)).transpose()?;
    let about = About::take(&counted, shown, counting, &read, args.words.encoding.clone());
    let loaded = table(counted, precision);

    let mut fit = args.fit.clone();
    fit.loss.get_or_insert(if args.words.weighting() == Weighting::TfIdf { Loss::FRO } else { Loss::KL });
    let known = Known::default();
    let mut engine = Engine::open(global, &session::work(&loaded, &fit, &known))?;
    on_engine!(&mut engine, loaded, |b, table| {
        let job = Job {
            fit: &fit,
            known: &known,
            normalize: None,
            source: corpus,
            load_seconds,
            checkpoint: checkpoint.as_ref(),
            output: args.output.as_deref(),
            global,
        };
        let solved = solve(b, table.matrix.view(), &job, None)?;
        let mut topics = Topics::of(&solved, &table, &about, args)?;
        if args.labels == Labels::Phrases {
            name(&mut topics, &solved, corpus, args, &about, global)?;
        }
        if let Some(dir) = &args.output {
            files::save(dir, &solved, &table, &topics, &about, fit.seed)?;
        }
        if args.report.wanted() {
            args.report.write(page::page(args, corpus, &solved, &table, &topics, &about, global)?)?;
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

/// Names the topics from a second reading of the documents; after Ctrl-C they keep the names they have.
fn name<T: Element>(
    topics: &mut Topics,
    solved: &Solved<T>,
    corpus: &Path,
    args: &TopicsArgs,
    about: &About,
    global: &Global,
) -> Result<(), Failure> {
    if solved.interruptible.stopping() {
        return Ok(());
    }
    let wheel = spinner(global, format!("reading {} again for the names of the topics", corpus.display()));
    let reading = args.words.reading();
    let labels = nmf_text::label_topics(corpus, &reading, &about.counting, &topics.candidates, &topics.strongest)?;
    drop(wheel);
    topics.topics.iter_mut().zip(labels).for_each(|(topic, label)| topic.name = label);
    Ok(())
}
