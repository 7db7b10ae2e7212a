//! What can go wrong with a sound: which file, where in it, and what would be accepted.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A sound that could not be read, understood, transformed or written.
///
/// Samples and channels are counted from 0; "sample n" is that of every channel at the time n / rate.
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
    /// The file as a whole is not what it should be.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what would be accepted.
        message: String,
    },
    /// A place in a sound is wrong.
    #[error("{}: sample {sample} ({:.6} s): {message}", path.display(), *sample as f64 / f64::from(*rate))]
    Sample {
        /// The file, read or to be written.
        path: PathBuf,
        /// The sample, from 0.
        sample: u64,
        /// Samples per second.
        rate: u32,
        /// What was found and what would be accepted.
        message: String,
    },
    /// A setting or an operand is impossible.
    #[error("{0}")]
    Setting(String),
    /// An output could not be written; what was there before is unchanged.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// True when writing failed (exit code 1), false when an input or a setting is at fault (exit code 2).
    pub fn is_output(&self) -> bool {
        matches!(self, Error::Write { .. })
    }

    /// The file concerned, if one is.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::Read { path, .. }
            | Error::Format { path, .. }
            | Error::Sample { path, .. }
            | Error::Write { path, .. } => Some(path),
            Error::Setting(_) => None,
        }
    }

    /// The sample, from 0, where one is to blame.
    pub fn sample(&self) -> Option<u64> {
        if let Error::Sample { sample, .. } = self { Some(*sample) } else { None }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Error::Read { path: path.into(), source }
    }

    pub(crate) fn format(path: &Path, message: impl Into<String>) -> Self {
        Error::Format { path: path.into(), message: message.into() }
    }

    pub(crate) fn at(path: &Path, sample: u64, rate: u32, message: impl Into<String>) -> Self {
        Error::Sample { path: path.into(), sample, rate, message: message.into() }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Error::Write { path: path.into(), source }
    }

    pub(crate) fn setting(message: impl Into<String>) -> Self {
        Error::Setting(message.into())
    }
}
