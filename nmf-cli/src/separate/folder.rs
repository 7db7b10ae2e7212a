//! Outputs that are written stretch by stretch and appear together.

use crate::failure::Failure;
use nmf_io::Staging;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder in the making: its files lie in a temporary one beside it until [`Folder::commit`].
pub(crate) struct Folder {
    target: Option<PathBuf>,
    work: TempDir,
}

impl Folder {
    /// For `target`; without one, what is written here vanishes in the end.
    pub(crate) fn new(target: Option<&Path>) -> Result<Folder, Failure> {
        if let Some(dir) = target {
            Staging::new(dir)?;
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".nmf-").suffix(".partial");
        let made = match target {
            // on the same file system, so that files can be moved
            Some(dir) => builder.tempdir_in(existing(dir)),
            None => builder.tempdir(),
        };
        let shown = target.unwrap_or(Path::new("a temporary folder"));
        let work = made.map_err(|e| Failure::work(format!("{}: cannot be written: {e}", shown.display())))?;
        Ok(Folder { target: target.map(Path::to_path_buf), work })
    }

    /// Where a file is to be written.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// Writes a whole file.
    pub(crate) fn bytes(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        fs::write(self.path(name), bytes).map_err(|e| Failure::work(format!("{name}: cannot be written: {e}")))
    }

    /// Where a file is to be written that gets its name later.
    pub(crate) fn scratch(&self, number: usize) -> Result<PathBuf, Failure> {
        let inside = self.work.path().join("scratch");
        fs::create_dir_all(&inside)
            .map_err(|e| Failure::work(format!("{}: cannot be written: {e}", inside.display())))?;
        Ok(inside.join(format!("{number}.wav")))
    }

    /// Moves all files to the target, replacing those of the same name, as [`Staging::commit`] does.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        let Some(target) = &self.target else { return Ok(()) };
        let fail = |e: std::io::Error| Failure::work(format!("{}: cannot be written: {e}", target.display()));
        let mut staging = Staging::new(target)?;
        for entry in fs::read_dir(self.work.path()).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.path().is_file() {
                staging.adopt(&entry.file_name().to_string_lossy(), &entry.path())?;
            }
        }
        Ok(staging.commit()?)
    }
}

/// The path itself if it is a folder, else its nearest ancestor that is.
fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    absolute.ancestors().find(|p| p.is_dir()).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_there_before_the_end() {
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path().join("a/b");
        let folder = Folder::new(Some(&target)).unwrap();
        folder.bytes("one.txt", b"1").unwrap();
        assert!(!target.exists());
        folder.commit().unwrap();
        assert_eq!(fs::read(target.join("one.txt")).unwrap(), b"1");
        let folder = Folder::new(Some(&target)).unwrap();
        folder.bytes("one.txt", b"2").unwrap();
        drop(folder);
        assert_eq!(fs::read(target.join("one.txt")).unwrap(), b"1");
        assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    }

    #[test]
    fn all_files_appear_or_none() {
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path().join("out");
        fs::create_dir_all(target.join("b.txt")).unwrap();
        let folder = Folder::new(Some(&target)).unwrap();
        folder.bytes("a.txt", b"a").unwrap();
        folder.bytes("b.txt", b"b").unwrap();
        assert!(folder.commit().is_err());
        assert!(!target.join("a.txt").exists());
    }
}
