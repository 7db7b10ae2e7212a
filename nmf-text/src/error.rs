//! What can go wrong between a path and a document–term matrix, and where.

use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a corpus may be; the end of every error about a path that is none.
pub(crate) const ACCEPTED: &str = "accepted are a folder of text files, a .tar or .tar.gz of one, \
a .tsv or .csv with a text column, or JSON lines (.jsonl), each also gzipped";

/// Every error of this crate. Lines and columns are counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path is not a corpus of a known form.
    #[error("{}: {found}; {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// The corpus holds no document.
    #[error("{}: no documents: {reason}", path.display())]
    NoDocuments {
        /// The corpus.
        path: PathBuf,
        /// Why there are none.
        reason: String,
    },
    /// An archive is damaged or cut off.
    #[error("{}: the archive cannot be read{}: {source}", path.display(), entry.as_ref().map_or(String::new(), |e| format!(" at {e:?}")))]
    Archive {
        /// The archive.
        path: PathBuf,
        /// The file inside it, where known.
        entry: Option<String>,
        /// What the reader said.
        source: std::io::Error,
    },
    /// A record of a table or of JSON lines cannot be used.
    #[error("{}, line {line}: {message}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u64,
        /// What was found and what would be accepted.
        message: String,
    },
    /// A column that was asked for does not exist.
    #[error("{}: no column {column:?}: the columns are {available}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns there are.
        available: String,
    },
    /// One document is larger than this crate reads into memory.
    #[error("{}: {document:?} is larger than {limit} bytes: one file is one document, split it", path.display())]
    TooLarge {
        /// The corpus.
        path: PathBuf,
        /// The document.
        document: String,
        /// The largest size accepted.
        limit: u64,
    },
    /// An option has a value that cannot be used.
    #[error("{option} {value:?} cannot be used: {expected}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Value found.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// No word was left.
    #[error("{}no word is left for the vocabulary: {reason}", path.as_ref().map_or(String::new(), |p| format!("{}: ", p.display())))]
    EmptyVocabulary {
        /// The corpus, where it was read from a path.
        path: Option<PathBuf>,
        /// What there was, and which option removed how much of it.
        reason: String,
    },
    /// A saved text model is damaged or from another version.
    #[error("the text model's field {field:?}: {message}")]
    Model {
        /// The field.
        field: &'static str,
        /// What was found and what would be accepted.
        message: String,
    },
    /// Two sizes that must agree do not.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which sizes.
        what: &'static str,
        /// What would be accepted.
        expected: String,
        /// What was found.
        found: String,
    },
    /// No document, or more than one, has the name asked for.
    #[error("document {name:?}: {message}")]
    Document {
        /// The name asked for.
        name: String,
        /// Why it names no document, and which names there are.
        message: String,
    },
    /// The receiver of the documents asked to stop.
    #[error("stopped: {0}")]
    Stopped(String),
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { path, source }
    }

    pub(crate) fn format(path: &Path, found: impl Into<String>) -> Error {
        Error::Format { path: path.to_path_buf(), found: found.into(), expected: ACCEPTED.into() }
    }

    pub(crate) fn record(path: &Path, line: u64, message: impl Into<String>) -> Error {
        Error::Record { path: path.to_path_buf(), line, message: message.into() }
    }
}
