//! Pictures from a tar archive: one pass over the names, one over the contents.

use crate::decode::{Filler, LARGEST_FILE};
use crate::read::{ReadOptions, ReadReport, is_picture, nothing, open};
use crate::{Error, Result, Stack};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use tar::Archive;

/// Calls `visit` with the number, name, contents and size of every regular file.
fn walk(path: &Path, mut visit: impl FnMut(usize, String, &mut dyn Read, u64) -> Result<()>) -> Result<()> {
    let fail = |e: io::Error| Error::input(path, format!("not a complete tar archive ({e})"));
    let mut archive = Archive::new(open(path)?);
    for (i, entry) in archive.entries().map_err(fail)?.enumerate() {
        let mut entry = entry.map_err(fail)?;
        if entry.header().entry_type().is_file() {
            let bytes = entry.path_bytes();
            let name = String::from_utf8_lossy(&bytes);
            let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
            let (name, size) = (parts.join("/"), entry.size());
            visit(i, name, &mut entry, size)?;
        }
    }
    // reading what follows the end mark checks the packed file to its end
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(fail)?;
    Ok(())
}

pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<(Stack, ReadReport)> {
    // a name that occurs again replaces the earlier file, as it would when unpacked
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    let mut skipped = 0;
    walk(path, |i, name, _, _| {
        if is_picture(&name) {
            last.insert(name, i);
        } else {
            skipped += 1;
        }
        Ok(())
    })?;
    if last.is_empty() {
        return Err(nothing(path));
    }
    let names: Vec<String> = last.keys().cloned().collect();
    let rows: BTreeMap<usize, usize> = last.values().enumerate().map(|(row, entry)| (*entry, row)).collect();
    let mut filler = Filler::new(path, options, names);
    walk(path, |i, name, contents, size| {
        let Some(&row) = rows.get(&i) else { return Ok(()) };
        if size > LARGEST_FILE {
            let message = format!("more than {} MiB: too large for a picture", LARGEST_FILE >> 20);
            return Err(Error::picture(path, &name, message));
        }
        let mut bytes = Vec::new();
        let fail = |e: io::Error| Error::picture(path, &name, format!("cannot be read from the archive ({e})"));
        contents.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(fail)?;
        filler.take(row, &bytes)
    })?;
    filler.finish(skipped)
}
