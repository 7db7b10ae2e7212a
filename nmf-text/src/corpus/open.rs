//! Opening files, gzipped or not, and telling the forms of corpora apart.

use super::Format;
use crate::decode;
use crate::error::{ACCEPTED, Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

const HEAD: usize = 1 << 16;

/// A file's bytes, unpacked when the file is gzipped.
pub(crate) fn reader(path: &Path) -> Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    (&file).take(2).read_to_end(&mut magic).map_err(Error::io(path))?;
    let file = File::open(path).map_err(Error::io(path))?;
    Ok(if magic == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file)))
    } else {
        Box::new(file)
    })
}

/// The first bytes of a file, unpacked.
fn head(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    reader(path)?.take(HEAD as u64).read_to_end(&mut head).map_err(Error::io(path))?;
    Ok(head)
}

/// The ending that tells the form, lower-cased, without a `.gz`.
fn ending(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    if name.ends_with(".tgz") {
        return "tar".into();
    }
    name.rsplit_once('.').map_or(String::new(), |(_, e)| e.to_string())
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// The form of the corpus at `path`, by its kind, its name and its first bytes.
pub fn detect_format(path: &Path) -> Result<Format> {
    resolve(path, Format::Auto)
}

/// As [`detect_format`], checking a form that was asked for against what is there.
pub(crate) fn resolve(path: &Path, asked: Format) -> Result<Format> {
    let meta = std::fs::metadata(path).map_err(Error::io(path))?;
    if meta.is_dir() {
        return match asked {
            Format::Auto | Format::Dir => Ok(Format::Dir),
            other => Err(Error::format(path, format!("is a folder, not {other}"))),
        };
    }
    if asked == Format::Dir {
        return Err(Error::format(path, "is a file, not a folder"));
    }
    let head = head(path)?;
    if head.is_empty() {
        return Err(Error::format(path, "the file is empty"));
    }
    let ending = ending(path);
    if is_tar(&head) && asked != Format::Tar && asked != Format::Auto {
        return Err(Error::format(path, format!("is a tar archive, not {asked}")));
    }
    if asked == Format::Tar || is_tar(&head) {
        return Ok(Format::Tar);
    }
    let kind = match &head {
        h if h.starts_with(b"PK\x03\x04") => Some("a zip archive: unpack it to a folder"),
        h if h.starts_with(b"BZh") => Some("a bzip2 file: unpack it, or pack it with gzip"),
        h if h.starts_with(b"\xfd7zXZ") => Some("an xz file: unpack it, or pack it with gzip"),
        h if h.starts_with(b"\x28\xb5\x2f\xfd") => Some("a zstd file: unpack it, or pack it with gzip"),
        h if h.starts_with(b"%PDF") => Some("a PDF file: extract its text first"),
        h if decode::bom(h).is_none() && h.contains(&0) => Some("a binary file (it holds NUL bytes)"),
        _ => None,
    };
    if let Some(kind) = kind.filter(|_| asked == Format::Auto || head.contains(&0)) {
        return Err(Error::format(path, format!("is {kind}")));
    }
    if asked != Format::Auto {
        return Ok(asked);
    }
    if ending == "tar" {
        return Ok(Format::Tar); // an old archive without the mark, or a damaged one: the reader says which
    }
    let first = head.iter().position(|b| !b.is_ascii_whitespace() && !b"\xef\xbb\xbf".contains(b));
    let first = first.and_then(|i| head.get(i)).copied();
    let first_line = head.split(|b| *b == b'\n').next().unwrap_or(&[]);
    match (ending.as_str(), first) {
        ("json", Some(b'[')) => Err(Error::Format {
            path: path.to_path_buf(),
            found: "is one JSON array".into(),
            expected: "write one JSON object a line".into(),
        }),
        ("tsv" | "tab", _) => Ok(Format::Tsv),
        ("csv", _) => Ok(Format::Csv),
        ("jsonl" | "ndjson" | "json", _) => Ok(Format::Jsonl),
        ("txt" | "md", _) => Err(Error::Format {
            path: path.to_path_buf(),
            found: "is one text file, and one document is no corpus".into(),
            expected: format!("{ACCEPTED}; a table in a file of this name needs --format tsv, csv or jsonl"),
        }),
        (_, Some(b'{')) => Ok(Format::Jsonl),
        _ if first_line.contains(&b'\t') => Ok(Format::Tsv),
        _ => Err(Error::format(path, "is a file of no known form")),
    }
}
