//! What can go wrong with pictures: which file, which of its pictures, and what would be accepted.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Pictures that could not be read, or work on them that could not be done.
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
    Input {
        /// The input.
        path: PathBuf,
        /// What was found and what would be accepted.
        message: String,
    },
    /// One picture of the input cannot be used.
    #[error("{}: {picture}: {message}", path.display())]
    Picture {
        /// The input.
        path: PathBuf,
        /// The picture within it.
        picture: String,
        /// What was found and what would be accepted.
        message: String,
    },
    /// The arrays of an `.npy` or `.npz` file could not be read.
    #[error(transparent)]
    Array(#[from] nmf_io::Error),
    /// An option is outside its range.
    #[error("{name} {value} is not accepted: {expected}")]
    Parameter {
        /// The option.
        name: &'static str,
        /// What was asked for.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// A picture could not be encoded.
    #[error("a picture of {width}×{height} pixels cannot be written as PNG: {reason}")]
    Encode {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// The encoder's reason.
        reason: String,
    },
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
        move |source| match source.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                Error::input(path, format!("damaged or truncated ({source})"))
            }
            _ => Error::Read { path: path.into(), source },
        }
    }

    pub(crate) fn input(path: &Path, message: impl Into<String>) -> Error {
        Error::Input { path: path.into(), message: message.into() }
    }

    pub(crate) fn picture(path: &Path, picture: &str, message: impl Into<String>) -> Error {
        Error::Picture { path: path.into(), picture: picture.into(), message: message.into() }
    }
}
