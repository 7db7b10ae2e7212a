//! A file that is written beside its name and moved there when it is complete.

use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is not yet under its name. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The name the user gave.
    pub(crate) shown: PathBuf,
    /// The same, links resolved.
    target: PathBuf,
    /// Nothing once it has been moved.
    temporary: Option<PathBuf>,
    permissions: Option<Permissions>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(t) = &self.temporary {
            let _ = fs::remove_file(t);
        }
    }
}

impl Pending {
    /// Opens the file that will be `path`, whose folder must exist.
    pub(crate) fn create(path: &Path) -> Result<(File, Pending)> {
        let fail = |e| Error::write(path, e);
        // Through a link, so that the link stays and what it points to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let before = fs::metadata(&target).ok();
        if let Some(m) = &before {
            if m.is_dir() {
                return Err(fail(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            if m.permissions().readonly() {
                return Err(fail(io::Error::new(io::ErrorKind::PermissionDenied, "the existing file is read-only")));
            }
            if !m.is_file() {
                // The header of a WAV file is completed at the end.
                return Err(fail(io::Error::other("a pipe or device: a sound is written to a file")));
            }
        }
        let folder = match target.parent() {
            Some(p) if p != Path::new("") => p,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            let what = format!("the folder {} does not exist", folder.display());
            return Err(fail(io::Error::new(io::ErrorKind::NotFound, what)));
        }
        let (file, temporary) = beside(&target, folder).map_err(fail)?;
        let permissions = before.map(|m| m.permissions());
        Ok((file, Pending { shown: path.into(), target, temporary: Some(temporary), permissions }))
    }

    /// Moves the file, complete and closed, to its name.
    pub(crate) fn publish(mut self) -> Result<()> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        let moved = match &self.permissions {
            Some(p) => fs::set_permissions(temporary, p.clone()),
            None => Ok(()),
        }
        .and_then(|()| fs::rename(temporary, &self.target));
        moved.map_err(|e| Error::write(&self.shown, e))?;
        self.temporary = None;
        Ok(())
    }
}

/// A new file in the folder, on the same file system as the target.
fn beside(target: &Path, folder: &Path) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Names may already be as long as the file system allows.
        let short: String = name.chars().take(40).collect();
        let temporary = folder.join(format!(".{short}.{}-{count}.partial", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            // Left by a process that was killed and had the same number.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}
