//! What can go wrong with a file: which one, where in it, and what would be accepted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A file that could not be read, understood or written.
///
/// Lines and fields of text files are counted from 1, as editors do; rows and columns of matrices from 0,
/// as NumPy does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input could not be opened, or reading it stopped half-way.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The input.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The input as a whole is not what it should be.
    #[error("{}: {message}", path.display())]
    Format {
        /// The input.
        path: PathBuf,
        /// What was found and what would be accepted.
        message: String,
    },
    /// A place in a text file is wrong.
    #[error("{}: line {line}{}: {message}", path.display(), FieldOf(*field))]
    Text {
        /// The input.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Field in the line, from 1, where one is to blame.
        field: Option<u64>,
        /// What was found and what would be accepted.
        message: String,
    },
    /// An entry of the matrix cannot be used.
    #[error("{}: row {row}, column {col} (counted from 0): {message}", path.display())]
    Entry {
        /// The input.
        path: PathBuf,
        /// Row, from 0.
        row: u64,
        /// Column, from 0.
        col: u64,
        /// What was found and what would be accepted.
        message: String,
    },
    /// An output has a name whose extension stands for no format that can be written.
    #[error("{}: no output format is known for this name; accepted: {}", path.display(), crate::OUTPUT_FORMATS)]
    OutputFormat {
        /// The output.
        path: PathBuf,
    },
    /// An output could not be written; what was there before is unchanged.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

struct FieldOf(Option<u64>);

impl fmt::Display for FieldOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |n| write!(f, ", column {n}"))
    }
}

impl Error {
    /// True when writing failed (exit code 1), false when an input or a name is at fault (exit code 2).
    pub fn is_output(&self) -> bool {
        matches!(self, Error::Write { .. })
    }

    /// The file concerned.
    pub fn path(&self) -> &Path {
        match self {
            Error::Read { path, .. }
            | Error::Format { path, .. }
            | Error::Text { path, .. }
            | Error::Entry { path, .. }
            | Error::OutputFormat { path }
            | Error::Write { path, .. } => path,
        }
    }

    /// The line of a text file, from 1, where one is to blame.
    pub fn line(&self) -> Option<u64> {
        if let Error::Text { line, .. } = self { Some(*line) } else { None }
    }

    /// The field of the line, from 1, where one is to blame.
    pub fn field(&self) -> Option<u64> {
        if let Error::Text { field, .. } = self { *field } else { None }
    }

    /// Row and column of the entry, from 0, where one is to blame.
    pub fn entry(&self) -> Option<(u64, u64)> {
        if let Error::Entry { row, col, .. } = self { Some((*row, *col)) } else { None }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        // A decoder that runs out of bytes says only "unexpected end of file", or "deflate decompression error".
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::format(path, "the file is truncated: its compressed data end early"),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                Error::format(path, format!("the compressed data are damaged ({source})"))
            }
            _ => Error::Read { path: path.into(), source },
        }
    }

    pub(crate) fn format(path: &Path, message: impl Into<String>) -> Self {
        Error::Format { path: path.into(), message: message.into() }
    }

    pub(crate) fn text(path: &Path, line: u64, field: Option<u64>, message: impl Into<String>) -> Self {
        Error::Text { path: path.into(), line, field, message: message.into() }
    }

    pub(crate) fn at(path: &Path, row: u64, col: u64, message: impl Into<String>) -> Self {
        Error::Entry { path: path.into(), row, col, message: message.into() }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Error::Write { path: path.into(), source }
    }
}

/// Text of an input for a message: no control characters, not more than a line can hold.
pub(crate) fn quote(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MOST)]);
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().count() > MOST || bytes.len() > 4 * MOST {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
