//! Pictures from a folder and everything below it.

use crate::decode::{Filler, LARGEST_FILE};
use crate::read::{ReadOptions, ReadReport, is_picture, nothing};
use crate::{Error, Result, Stack};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files below `root` that are not hidden, relative to it; links to files are followed, links to folders are not.
fn list(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let at = root.join(&folder);
        for entry in fs::read_dir(&at).map_err(Error::read(&at))? {
            let entry = entry.map_err(Error::read(&at))?;
            let kind = entry.file_type().map_err(Error::read(&entry.path()))?;
            let relative = folder.join(entry.file_name());
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
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
    path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The contents of a file of pictures from `root`.
pub(crate) fn bytes(root: &Path, file: &Path, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(Error::read(file))?;
    opened.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(Error::read(file))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Error::picture(
            root,
            name,
            format!("more than {} MiB: too large for a picture", LARGEST_FILE >> 20),
        ));
    }
    Ok(bytes)
}

pub(crate) fn read(root: &Path, options: &ReadOptions) -> Result<(Stack, ReadReport)> {
    let all = list(root)?;
    let total = all.len();
    let files: Vec<PathBuf> = all.into_iter().filter(|f| is_picture(&slashed(f))).collect();
    if files.is_empty() {
        return Err(nothing(root));
    }
    let names: Vec<String> = files.iter().map(|f| slashed(f)).collect();
    let mut filler = Filler::new(root, options, names.clone());
    for (i, (file, name)) in files.iter().zip(&names).enumerate() {
        filler.take(i, &bytes(root, &root.join(file), name)?)?;
    }
    filler.finish(total - files.len())
}
