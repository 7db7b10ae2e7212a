//! Documents from a folder tree.

use super::layout::{hidden, layout};
use super::{Document, LARGEST, ReadReport, Sink};
use crate::decode::{self, Tally};
use crate::error::{Error, Result};
use encoding_rs::Encoding;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Regular files below `root` that are not hidden, relative to it, sorted component by component.
/// Links to files are followed, links to folders are not.
fn list(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let at = root.join(&folder);
        for entry in fs::read_dir(&at).map_err(Error::io(&at))? {
            let entry = entry.map_err(Error::io(&at))?;
            let name = entry.file_name();
            if hidden(&name.to_string_lossy()) {
                continue;
            }
            let kind = entry.file_type().map_err(Error::io(&entry.path()))?;
            let relative = folder.join(&name);
            if kind.is_dir() {
                folders.push(relative);
            } else if kind.is_file() || (kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|m| m.is_file())) {
                files.push(relative);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A relative path with `/`.
fn slashed(path: &Path) -> String {
    let mut out = String::new();
    for part in path.components() {
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str(&part.as_os_str().to_string_lossy());
    }
    out
}

pub(crate) fn read(root: &Path, encoding: Option<&'static Encoding>, sink: &mut Sink) -> Result<ReadReport> {
    let files = list(root)?;
    let names: Vec<String> = files.iter().map(|f| slashed(f)).collect();
    let layout = layout(&names, &[]);
    let mut report = ReadReport { labelled: layout.labelled(), beside: layout.beside, ..Default::default() };
    let mut tally = Tally::default();
    for (i, (file, name)) in files.iter().zip(names).enumerate() {
        if !layout.is_document(i) {
            continue;
        }
        let at = root.join(file);
        let mut bytes = Vec::new();
        let opened = File::open(&at).map_err(Error::io(&at))?;
        bytes.reserve(opened.metadata().map_or(0, |m| m.len().min(LARGEST) as usize + 1));
        opened.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::io(&at))?;
        if bytes.len() as u64 > LARGEST {
            return Err(Error::TooLarge { path: root.to_path_buf(), document: name, limit: LARGEST });
        }
        match decode::document(bytes, encoding, &name, &mut tally) {
            Some(text) => {
                sink.push(Document { name, label: layout.label(i), text })?;
            }
            None => report.add_binary(&name),
        }
    }
    report.add_tally(tally);
    Ok(report)
}
