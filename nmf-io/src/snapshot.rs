//! Snapshots of a factorization in a file.
//!
//! One `.npz` archive, not compressed (the numbers would not shrink), that NumPy opens: a matrix is an array of two dimensions in its
//! precision, numbers are float64, whole numbers uint64, texts byte strings. Every member carries a checksum.

use crate::error::{Error, Result};
use crate::npy;
use crate::npz::{self, Archive, Member, Writer};
use crate::staging::{prepare, write_file};
use nmf_core::snapshot::Entry;
use nmf_core::{Element, Snapshot};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zip::CompressionMethod;

/// The member that tells a snapshot from other archives; it holds the number of the format and that of the other members.
const MARK: &str = "nmf_snapshot";
const FORMAT: u64 = 1;
/// Bytes that the reader takes for one text.
const LONGEST_TEXT: usize = 1 << 10;

/// A file for the snapshots of one factorization: there is a whole one in it, or none.
///
/// A new snapshot is written beside the old one, brought to the disk and moved over it, so that a process that is killed at any moment
/// leaves the old or the new one. What it was writing then is removed by the next [`SnapshotFile::new`].
///
/// ```
/// # fn main() -> nmf_io::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// let file = nmf_io::SnapshotFile::new(folder.path().join("run.ckpt"))?;
/// let mut snapshot = nmf_core::Snapshot::<f32>::new();
/// snapshot.put_matrix("w", ndarray::array![[1.0, 2.0]]);
/// snapshot.put_numbers("t", [0.1]);
/// assert!(!file.exists());
/// file.write(&snapshot)?;
/// assert_eq!(file.read::<f32>()?, snapshot);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    path: PathBuf,
}

impl SnapshotFile {
    /// The file of this name, whether it is there or not; removes what a process left that was killed while it wrote to it.
    ///
    /// # Errors
    /// If it could not be written: no such folder, a folder of that name, no permission.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if path.file_name().is_none() {
            return Err(Error::write(&path, io::Error::other("not the name of a file")));
        }
        prepare(&path)?;
        Ok(SnapshotFile { path })
    }

    /// The same without touching the disk: for reading, and in folders whose leftovers are removed by other means.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        SnapshotFile { path: path.into() }
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is something under its name.
    pub fn exists(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok()
    }

    /// Writes a snapshot, replacing an older one once it is complete.
    ///
    /// # Errors
    /// [`Error::Write`]; the older one is then still there.
    pub fn write<T: Element>(&self, snapshot: &Snapshot<T>) -> Result<()> {
        write_file(&self.path, |file| {
            npz::archive(file, |zip| {
                put_counts(zip, MARK, &[FORMAT, snapshot.entries().count() as u64])?;
                snapshot.entries().try_for_each(|(name, entry)| put(zip, name, entry))
            })
        })
    }

    /// Reads the snapshot, which must be one of factors of type `T`.
    ///
    /// # Errors
    /// If there is none, or if it is damaged, of another precision or of another format.
    pub fn read<T: Element>(&self) -> Result<Snapshot<T>> {
        let mut archive = Archive::open(&self.path)?;
        if !archive.has(MARK) {
            return Err(Error::format(&self.path, "not a checkpoint of a factorization"));
        }
        let refuse = |message: String| Err(Error::format(&self.path, message));
        let expected = match get::<T>(archive.member(MARK)?)? {
            Entry::Counts(mark) if mark.first() == Some(&FORMAT) => mark.get(1).copied(),
            _ => return refuse(format!("a checkpoint of another version; this one reads format {FORMAT}")),
        };
        let mut snapshot = Snapshot::new();
        for name in archive.names.clone().into_iter().filter(|n| n != MARK) {
            let entry = get::<T>(archive.member(&name)?)?;
            snapshot.put(name, entry);
        }
        let found = snapshot.entries().count() as u64;
        if expected != Some(found) {
            return refuse(format!(
                "a damaged checkpoint: {found} entries were found, {} written",
                expected.unwrap_or(0)
            ));
        }
        Ok(snapshot)
    }
}

fn begin(zip: &mut Writer<'_, '_>, name: &str, bytes: usize) -> io::Result<()> {
    npz::begin_as(zip, name, bytes as u64, CompressionMethod::Stored)
}

fn put<T: Element>(zip: &mut Writer<'_, '_>, name: &str, entry: &Entry<T>) -> io::Result<()> {
    match entry {
        Entry::Matrix(a) => {
            begin(zip, name, a.len() * size_of::<T>())?;
            npy::write_npy_to(zip, a.view())
        }
        Entry::Numbers(v) => {
            begin(zip, name, v.len() * 8)?;
            npy::write_npy_to(zip, ndarray::aview1(v))
        }
        Entry::Counts(v) => put_counts(zip, name, v),
        Entry::Text(text) if text.len() > LONGEST_TEXT => {
            Err(io::Error::other(format!("the text {name} is longer than {LONGEST_TEXT} bytes")))
        }
        Entry::Text(text) => {
            begin(zip, name, text.len())?;
            // a string of no bytes is none in NumPy; it takes zeros at the end for padding
            let bytes = if text.is_empty() { b"\0" } else { text.as_bytes() };
            npy::write_header(zip, &format!("|S{}", bytes.len()), &[])?;
            zip.write_all(bytes)
        }
    }
}

fn put_counts(zip: &mut Writer<'_, '_>, name: &str, values: &[u64]) -> io::Result<()> {
    begin(zip, name, values.len() * 8)?;
    npy::write_header(zip, "<u8", &[values.len() as u64])?;
    npy::write_values(zip, values.iter(), |v, out| out.extend_from_slice(&v.to_le_bytes()))
}

fn get<T: Element>(member: Member<'_, impl io::Read>) -> Result<Entry<T>> {
    let Member { header, mut reader, most, place } = member;
    let own = if size_of::<T>() == 4 { "f4" } else { "f8" };
    Ok(match header.shape.len() {
        2 if header.is(own) => Entry::Matrix(npy::dense(&header, &mut reader, most, place)?.into_shared()),
        2 if header.is("f4") || header.is("f8") => {
            let message = format!("a matrix in another precision than {}, which this factorization has", T::NAME);
            return Err(place.error(message));
        }
        1 if header.is("f8") => Entry::Numbers(header.values(&mut reader, most, place)?),
        1 if header.is("u8") => Entry::Counts(header.indices(&mut reader, most, u64::MAX, place)?),
        0 if header.is("S") => Entry::Text(header.string(&mut reader, place)?),
        _ => return Err(place.error("no part of a checkpoint has this type and shape")),
    })
}
