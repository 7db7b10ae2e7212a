//! Several matrices under names in one `.npz` file, which NumPy reads too: what a program keeps for its next run.

use crate::error::{Error, Result};
use crate::npz::{Archive, write_members};
use crate::staging::write_file;
use ndarray::{Array2, ArrayView2};
use nmf_core::Element;
use std::io;
use std::path::Path;

/// A bundle on disk. Members are checked by the archive's CRC when they are read.
pub struct Bundle<'p> {
    archive: Archive<'p>,
}

impl<'p> Bundle<'p> {
    /// Opens a file that [`write_bundle`] wrote.
    ///
    /// # Errors
    /// If it cannot be read or is no complete archive.
    pub fn open(path: &'p Path) -> Result<Self> {
        Ok(Bundle { archive: Archive::open(path)? })
    }

    /// Whether there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.archive.has(name)
    }

    /// A member.
    ///
    /// # Errors
    /// If there is none of this name, it is damaged, or is no matrix of numbers that `T` holds.
    pub fn matrix<T: Element>(&mut self, name: &str) -> Result<Array2<T>> {
        self.archive.dense(name)
    }

    /// An error that says what is wrong with a member.
    pub fn damaged(&self, name: &str, message: &str) -> Error {
        Error::format(self.archive.path(), format!("member '{name}': {message}"))
    }
}

/// Takes the members of a bundle, one after the other.
pub type Put<'a> = &'a mut dyn FnMut(&str, Views<'_>) -> io::Result<()>;

/// A matrix of either precision.
pub enum Views<'a> {
    /// Single precision.
    F32(ArrayView2<'a, f32>),
    /// Double precision.
    F64(ArrayView2<'a, f64>),
}

/// Writes a bundle (not compressed); the file appears whole or not at all.
///
/// # Errors
/// If the file cannot be written, or `fill` fails.
pub fn write_bundle(path: &Path, fill: impl FnOnce(Put<'_>) -> io::Result<()>) -> Result<()> {
    write_file(path, |file| write_members(file, fill))
}
