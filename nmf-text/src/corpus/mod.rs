//! Reading a corpus document by document; the texts are never all in memory.

mod archive;
mod folder;
mod jsonl;
mod layout;
mod open;
mod pipeline;
mod table;

use crate::decode;
use crate::error::{Error, Result};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub use open::detect_format;
pub(crate) use pipeline::Sink;

/// The largest single document, in bytes.
pub(crate) const LARGEST: u64 = 1 << 28;

/// One document of a corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Path inside the corpus with `/`, or the number of the record, counted from 1.
    pub name: String,
    /// Its class, where the corpus has classes.
    pub label: Option<String>,
    /// Its text.
    pub text: String,
}

/// The form of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Format {
    /// By path and content.
    #[default]
    Auto,
    /// A folder tree; every regular file that is not hidden is a document.
    Dir,
    /// A tar archive of a folder tree, gzipped or not.
    Tar,
    /// Tab-separated values: one record a line, without quoting.
    Tsv,
    /// Comma-separated values, quoted where needed (RFC 4180).
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Ok(match s {
            "auto" => Format::Auto,
            "dir" => Format::Dir,
            "tar" => Format::Tar,
            "tsv" => Format::Tsv,
            "csv" => Format::Csv,
            "jsonl" => Format::Jsonl,
            _ => {
                return Err(Error::Option {
                    option: "--format",
                    value: s.into(),
                    expected: "accepted are auto, dir, tar, tsv, csv and jsonl".into(),
                });
            }
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Auto => "auto",
            Format::Dir => "dir",
            Format::Tar => "tar",
            Format::Tsv => "tsv",
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
        })
    }
}

/// How a corpus is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Its form.
    pub format: Format,
    /// The column or key of the text, by name or (tables) number from 1. By default `text`, `body`,
    /// `content` or `document`, else the last that is not the label and holds texts of several words (JSON
    /// lines: the last that holds a string).
    pub text_column: Option<String>,
    /// The column or key of the label. By default `label`, `category`, `class` or `target`, if present.
    pub label_column: Option<String>,
    /// Whether a table's first line names its columns. By default it does when one of the names above or
    /// a name asked for stands in it, or when it holds nothing but distinct words without spaces and the
    /// second line holds a text with spaces.
    pub header: Option<bool>,
    /// A label of the WHATWG Encoding Standard (`latin1` means Windows-1252 there). By default UTF-8, or
    /// what a byte-order mark says, or Windows-1252 for documents (records of a table) that are not UTF-8.
    pub encoding: Option<String>,
}

/// What was read, and what the user should hear about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadReport {
    /// The form the corpus was read as.
    pub format: Format,
    /// Number of documents.
    pub documents: u64,
    /// Whether the corpus has labels.
    pub labelled: bool,
    /// Documents read as Windows-1252 because they are not UTF-8.
    pub windows_1252: u64,
    /// The first of them.
    pub first_windows_1252: Option<String>,
    /// Documents with bytes that are wrong in the encoding asked for or marked; U+FFFD stands for these.
    pub malformed: u64,
    /// The first of them.
    pub first_malformed: Option<String>,
    /// Files left out because they hold NUL bytes and so are no text.
    pub binary: u64,
    /// The first of them.
    pub first_binary: Option<String>,
    /// Files left out because they lie beside folders of documents.
    pub beside: u64,
    /// The column or key taken for the text.
    pub text_column: Option<String>,
    /// The column or key taken for the label.
    pub label_column: Option<String>,
}

impl ReadReport {
    /// One line for each thing to warn about.
    pub fn warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut say = |n: u64, first: &Option<String>, what: &str| {
            if n > 0 {
                let first = first.as_ref().map_or(String::new(), |f| format!(" (the first: {f})"));
                out.push(format!("{n} {}{what}{first}", if n == 1 { "file or record " } else { "files or records " }));
            }
        };
        say(self.windows_1252, &self.first_windows_1252, "not UTF-8, read as Windows-1252");
        say(self.malformed, &self.first_malformed, "with bytes that are wrong in this encoding, replaced by U+FFFD");
        say(self.binary, &self.first_binary, "left out: binary, not text");
        say(self.beside, &None, "left out: beside the folders of documents");
        out
    }

    pub(crate) fn add_tally(&mut self, tally: decode::Tally) {
        self.windows_1252 += tally.windows_1252;
        self.first_windows_1252 = self.first_windows_1252.take().or(tally.first_windows_1252);
        self.malformed += tally.malformed;
        self.first_malformed = self.first_malformed.take().or(tally.first_malformed);
    }

    pub(crate) fn add_binary(&mut self, name: &str) {
        self.binary += 1;
        self.first_binary.get_or_insert_with(|| name.to_string());
    }
}

/// Reads the corpus at `path` and hands over its documents one by one: those of a folder in the order of
/// their paths, all others in the order of the file. Reading and decompressing happen in a second thread,
/// a few documents ahead; the order does not depend on it.
///
/// An error of `each` ends the reading and is returned.
pub fn read_documents(
    path: &Path,
    options: &ReadOptions,
    each: impl FnMut(&Document) -> Result<()>,
) -> Result<ReadReport> {
    let encoding = options.encoding.as_deref().map(decode::encoding).transpose()?;
    let format = open::resolve(path, options.format)?;
    if matches!(format, Format::Dir | Format::Tar) {
        for (option, value) in [("--text-column", &options.text_column), ("--label-column", &options.label_column)] {
            if let Some(value) = value {
                return Err(Error::Option {
                    option,
                    value: value.clone(),
                    expected: format!("{} is a tree of files; columns are for tsv, csv and jsonl", path.display()),
                });
            }
        }
    }
    let produce = move |sink: &mut Sink| match format {
        Format::Tar => archive::read(path, encoding, sink),
        Format::Tsv => table::read(path, b'\t', options, encoding, sink),
        Format::Csv => table::read(path, b',', options, encoding, sink),
        Format::Jsonl => jsonl::read(path, options, encoding, sink),
        Format::Dir | Format::Auto => folder::read(path, encoding, sink),
    };
    let mut report = pipeline::run(produce, each)?;
    report.format = format;
    if report.documents == 0 {
        let reason = match (format, report.binary) {
            (_, 1..) => format!("all {} files are binary", report.binary),
            (Format::Dir | Format::Tar, _) => "it holds no regular file that is not hidden".into(),
            _ => "it holds no record".to_string(),
        };
        return Err(Error::NoDocuments { path: path.to_path_buf(), reason });
    }
    Ok(report)
}

pub(crate) const TEXT_NAMES: [&str; 4] = ["text", "body", "content", "document"];
pub(crate) const LABEL_NAMES: [&str; 4] = ["label", "category", "class", "target"];
