//! An input as a stream of bytes: decompressed where it is gzip, with its first bytes at hand.

use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::Path;

/// As much of the beginning as is looked at to tell one format from another.
const HEAD: usize = 64 << 10;
/// Deflate cannot expand by more than this factor, which bounds what a small file can claim to hold.
pub(crate) const DEFLATE_MOST: u64 = 1032;

type Stream = BufReader<Chain<Cursor<Vec<u8>>, Box<dyn Read>>>;

/// An opened input.
pub(crate) struct Source {
    /// The first bytes, up to 64 KiB of them, decompressed.
    pub(crate) head: Vec<u8>,
    /// All bytes from the first one, decompressed.
    pub(crate) stream: Stream,
    /// No more bytes than these can follow (`u64::MAX` for a pipe).
    pub(crate) most: u64,
}

impl Source {
    /// A file, or a member of an archive: `folder/archive.zip!/member`.
    pub(crate) fn open_member(path: &Path) -> Result<Source> {
        let Some((archive, member)) = path.to_str().and_then(|p| p.split_once(".zip!/")) else {
            return Source::open(path);
        };
        let archive = std::path::PathBuf::from(format!("{archive}.zip"));
        let file = File::open(&archive).map_err(|e| Error::Read { path: archive.clone(), source: e })?;
        let damaged = |e: &dyn std::fmt::Display| Error::format(&archive, format!("not a zip archive: {e}"));
        let mut zip = zip::ZipArchive::new(file).map_err(|e| damaged(&e))?;
        let names: Vec<String> = zip.file_names().take(20).filter_map(|n| Some(n.ok()?.into_owned())).collect();
        let mut entry = zip
            .by_name(member)
            .map_err(|_| Error::format(path, format!("the archive has no such member; it has {}", names.join(", "))))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| Error::read(path, e))?;
        let most = bytes.len() as u64;
        let mut rest: Box<dyn Read> = Box::new(Cursor::new(bytes));
        let head = read_head(&mut rest).map_err(|e| Error::read(path, e))?;
        Ok(Source { stream: chain(&head, rest), head, most })
    }

    pub(crate) fn open(path: &Path) -> Result<Source> {
        let fail = |e| Error::Read { path: path.into(), source: e };
        let mut file = File::open(path).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        let length = if meta.is_file() { meta.len() } else { u64::MAX };
        let head = read_head(&mut file).map_err(fail)?;
        if !head.starts_with(&[0x1f, 0x8b]) {
            return Ok(Source { stream: chain(&head, Box::new(file)), head, most: length });
        }
        let mut decoder: Box<dyn Read> = Box::new(MultiGzDecoder::new(chain(&head, Box::new(file))));
        let head = read_head(&mut decoder).map_err(|e| Error::read(path, e))?;
        Ok(Source { stream: chain(&head, decoder), head, most: length.saturating_mul(DEFLATE_MOST) })
    }
}

fn read_head(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn chain(head: &[u8], rest: Box<dyn Read>) -> Stream {
    BufReader::with_capacity(128 << 10, Cursor::new(head.to_vec()).chain(rest))
}

/// The lines of a text file, without their ends (LF or CRLF), one at a time.
pub(crate) struct Lines<'p, R> {
    path: &'p Path,
    reader: R,
    line: Vec<u8>,
    number: u64,
    longest: u64,
}

impl<'p, R: BufRead> Lines<'p, R> {
    /// Lines of the formats that have short ones: without a limit, one line could fill the memory.
    pub(crate) fn new(path: &'p Path, reader: R) -> Self {
        Lines { path, reader, line: Vec::new(), number: 0, longest: 1 << 20 }
    }

    /// Lines that may hold a whole row of a matrix.
    pub(crate) fn unlimited(path: &'p Path, reader: R) -> Self {
        Lines { longest: u64::MAX, ..Lines::new(path, reader) }
    }

    /// Reads the next line; false at the end of the file.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        self.line.clear();
        let read = (&mut self.reader)
            .take(self.longest)
            .read_until(b'\n', &mut self.line)
            .map_err(|e| Error::read(self.path, e))?;
        self.number += u64::from(read > 0);
        if read as u64 == self.longest && self.line.last() != Some(&b'\n') {
            return Err(self.error(format!("the line is longer than {} bytes: not such a text file", self.longest)));
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        }
        Ok(read > 0)
    }

    /// The line that [`Self::advance`] has read.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Its number, from 1; after the end, that of the last line.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// An error at the present line.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::text(self.path, self.number, None, message)
    }
}

/// A number as text files have it; Fortran's exponents (`1.5D+03`) too.
pub(crate) fn parse_number(bytes: &[u8]) -> Option<f64> {
    // Counts are the common case: up to 15 digits are exact in a double.
    if (1..=15).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
        return Some(bytes.iter().fold(0u64, |n, b| n * 10 + u64::from(b - b'0')) as f64);
    }
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse().ok().or_else(|| {
        let d = text.find(['d', 'D'])?;
        if d == 0 || !text.as_bytes()[0..d].iter().any(u8::is_ascii_digit) {
            return None;
        }
        format!("{}e{}", &text[..d], &text[d + 1..]).parse().ok()
    })
}
