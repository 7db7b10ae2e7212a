//! Documents from a tar archive: one pass over the names, one over the contents.

use super::layout::{hidden, layout};
use super::open::reader;
use super::{Document, LARGEST, ReadReport, Sink};
use crate::decode::{self, Tally};
use crate::error::{Error, Result};
use encoding_rs::Encoding;
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use tar::{Archive, Entry};

/// The path of an entry with `/`, without `.`, empty and root components.
fn name(entry: &Entry<'_, impl Read>) -> String {
    let bytes = entry.path_bytes();
    let path = String::from_utf8_lossy(&bytes);
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    parts.join("/")
}

/// Calls `visit` with the name and the contents of every regular file.
fn walk(path: &Path, mut visit: impl FnMut(String, &mut dyn Read, u64) -> Result<()>) -> Result<()> {
    let archive_error = |source| Error::Archive { path: path.to_path_buf(), entry: None, source };
    let mut archive = Archive::new(reader(path)?);
    for entry in archive.entries().map_err(archive_error)? {
        let mut entry = entry.map_err(archive_error)?;
        // in old archives a folder is a file whose name ends with a slash
        if entry.header().entry_type().is_file() && !entry.path_bytes().ends_with(b"/") {
            let (name, size) = (name(&entry), entry.size());
            visit(name, &mut entry, size)?;
        }
    }
    // what follows the end mark is padding; reading it checks the packed file to its end
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(archive_error)?;
    Ok(())
}

pub(crate) fn read(path: &Path, encoding: Option<&'static Encoding>, sink: &mut Sink) -> Result<ReadReport> {
    let mut names: Vec<String> = Vec::new();
    walk(path, |name, _, _| {
        names.push(name);
        Ok(())
    })?;
    // a name that occurs again replaces the earlier file, as it would when unpacked
    let last: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
    let skip: Vec<bool> =
        names.iter().enumerate().map(|(i, n)| hidden(n) || last.get(n.as_str()) != Some(&i)).collect();
    let layout = layout(&names, &skip);
    drop((last, skip));
    drop(names);

    let mut report = ReadReport { labelled: layout.labelled(), beside: layout.beside, ..Default::default() };
    let mut tally = Tally::default();
    let mut number = 0..;
    walk(path, |name, contents, size| {
        let i = number.next().unwrap_or(usize::MAX);
        if !layout.is_document(i) {
            return Ok(());
        }
        if size > LARGEST {
            return Err(Error::TooLarge { path: path.to_path_buf(), document: name, limit: LARGEST });
        }
        let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
        contents.read_to_end(&mut bytes).map_err(|source| Error::Archive {
            path: path.to_path_buf(),
            entry: Some(name.clone()),
            source,
        })?;
        match decode::document(bytes, encoding, &name, &mut tally) {
            Some(text) => {
                sink.push(Document { name, label: layout.label(i), text })?;
            }
            None => report.add_binary(&name),
        }
        Ok(())
    })?;
    report.add_tally(tally);
    Ok(report)
}
