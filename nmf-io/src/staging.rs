//! Outputs that appear whole or not at all.

use crate::error::{Error, Result};
use crate::npy::write_npy_to;
use ndarray::{ArrayView, Dimension};
use nmf_core::Element;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The outputs of one command, written beside their final names and moved there together.
///
/// Nothing is visible under the final names before [`Staging::commit`]; if it is not called or fails, the
/// temporary files are removed, and so is the folder if it did not exist. In a folder that exists, files are
/// replaced one by one and others stay.
///
/// ```
/// # fn main() -> nmf_io::Result<()> {
/// # let temporary = tempfile::tempdir().unwrap();
/// # let folder = temporary.path().join("model");
/// let mut out = nmf_io::Staging::new(&folder)?;
/// out.bytes("fit.json", b"{}")?;
/// assert!(!folder.exists());
/// out.commit()?;
/// assert!(folder.join("fit.json").exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Staging {
    dir: PathBuf,
    pending: Vec<Pending>,
}

impl Staging {
    /// Outputs for the folder `dir`, which is created on commit, with its parents.
    ///
    /// # Errors
    /// If `dir`, or the nearest part of it that exists, is not a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        let base = existing(&dir);
        match fs::metadata(&base) {
            Ok(m) if m.is_dir() => Ok(Staging { dir, pending: Vec::new() }),
            Ok(_) => Err(Error::write(&dir, io::Error::other(format!("{} is not a folder", base.display())))),
            Err(e) => Err(Error::write(&dir, e)),
        }
    }

    /// The folder that the files are for.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes one file, `name` relative to the folder, through `fill`; a name written twice keeps the last.
    ///
    /// # Errors
    /// If `fill` fails, the name leaves the folder, or the file cannot be written to its end.
    pub fn write(&mut self, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let target = self.dir.join(name);
        if name.is_empty() || Path::new(name).components().any(|c| !matches!(c, Component::Normal(_))) {
            return Err(Error::write(&target, io::Error::other("not a name within the folder")));
        }
        let pending = Pending::write(&target, |file| {
            let mut w = BufWriter::with_capacity(128 << 10, file);
            fill(&mut w)?;
            w.flush()
        })?;
        self.pending.retain(|p| p.shown != target);
        self.pending.push(pending);
        Ok(())
    }

    /// Writes one file from memory.
    ///
    /// # Errors
    /// As [`Staging::write`].
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(name, |w| w.write_all(bytes))
    }

    /// Writes an array of any number of dimensions as `.npy`.
    ///
    /// # Errors
    /// As [`Staging::write`].
    pub fn npy<T: Element, D: Dimension>(&mut self, name: &str, array: ArrayView<'_, T, D>) -> Result<()> {
        self.write(name, |w| write_npy_to(w, array))
    }

    /// Takes over a file that is complete already, on the same file system; its name in the folder will be `name`.
    ///
    /// # Errors
    /// If the name leaves the folder, or something there must not be replaced.
    pub fn adopt(&mut self, name: &str, file: &Path) -> Result<()> {
        let target = self.dir.join(name);
        if name.is_empty() || Path::new(name).components().any(|c| !matches!(c, Component::Normal(_))) {
            return Err(Error::write(&target, io::Error::other("not a name within the folder")));
        }
        let pending = Pending::adopt(&target, file)?;
        self.pending.retain(|p| p.shown != target);
        self.pending.push(pending);
        Ok(())
    }

    /// The names of the files written so far, within the folder.
    pub fn names(&self) -> impl Iterator<Item = &Path> {
        self.pending.iter().filter_map(|p| p.shown.strip_prefix(&self.dir).ok())
    }

    /// Moves every file to its final name.
    ///
    /// # Errors
    /// If a folder cannot be created or a file not be moved; files that did not exist before, and folders, are
    /// then removed again.
    pub fn commit(mut self) -> Result<()> {
        commit(&self.dir, std::mem::take(&mut self.pending))
    }
}

/// Writes one file through a temporary one; what was there before stays if that fails.
pub(crate) fn write_file(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let parent = parent(path);
    if !parent.is_dir() {
        let what = format!("the folder {} does not exist", parent.display());
        return Err(Error::write(path, io::Error::new(io::ErrorKind::NotFound, what)));
    }
    let pending = Pending::write(path, fill)?;
    commit(&parent, vec![pending])
}

/// Whether a file of this name is an output on its way: what a killed program leaves behind, if no other is at work there.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(PARTIAL)
}

/// Makes sure that `path` can be written or replaced, and removes what processes left that were killed while they wrote it.
pub(crate) fn prepare(path: &Path) -> Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    remove_leftovers(&target).map_err(|e| Error::write(path, e))?;
    Pending::write(path, |_| Ok(())).map(drop)
}

/// Removes temporary files for `target` that no process holds a lock on.
fn remove_leftovers(target: &Path) -> io::Result<()> {
    let prefix = temporary_prefix(target)?;
    for entry in fs::read_dir(parent(target))? {
        let Ok(entry) = entry else { continue };
        let name = entry.file_name().to_string_lossy().into_owned();
        let numbers = name.strip_prefix(&prefix).and_then(|n| n.strip_suffix(PARTIAL));
        let ours = numbers.is_some_and(|n| n.split('-').all(|n| n.parse::<u64>().is_ok()));
        if ours && File::open(entry.path()).is_ok_and(|f| f.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// A file that is written, but not yet under its name. Dropped, it is gone.
#[derive(Debug)]
struct Pending {
    /// The name the user gave.
    shown: PathBuf,
    /// The same, links resolved.
    target: PathBuf,
    /// Nothing for a device or pipe, which is written directly.
    temporary: Option<PathBuf>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(t) = &self.temporary {
            let _ = fs::remove_file(t);
        }
    }
}

impl Pending {
    fn adopt(path: &Path, file: &Path) -> Result<Pending> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let fail = |e| Error::write(path, e);
        let elsewhere = fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
        match fs::metadata(&target) {
            // a link may lead to another file system, a device cannot be replaced: through a copy beside it
            Ok(m) if elsewhere || !(m.is_file() || m.is_dir()) => {
                return Pending::write(path, |out| io::copy(&mut File::open(file)?, out).map(drop));
            }
            Ok(m) => {
                check_replaceable(&m).map_err(fail)?;
                fs::set_permissions(file, m.permissions()).map_err(fail)?;
            }
            Err(_) => {}
        }
        Ok(Pending { shown: path.into(), target, temporary: Some(file.into()) })
    }

    fn write(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<Pending> {
        let fail = |e| Error::write(path, e);
        // Through a link, so that the link stays and what it points to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let before = fs::metadata(&target).ok();
        if let Some(m) = &before {
            check_replaceable(m).map_err(fail)?;
            if !m.is_file() {
                // Replacing /dev/null by a file would harm everyone.
                let mut file = OpenOptions::new().write(true).open(&target).map_err(fail)?;
                fill(&mut file).map_err(fail)?;
                return Ok(Pending { shown: path.into(), target, temporary: None });
            }
        }
        let (mut file, temporary) = create(&target).map_err(fail)?;
        let pending = Pending { shown: path.into(), target, temporary: Some(temporary.clone()) };
        fill(&mut file).map_err(fail)?;
        // Some file systems report a full disk only now.
        file.sync_all().map_err(fail)?;
        if let Some(m) = before {
            fs::set_permissions(temporary, m.permissions()).map_err(fail)?;
        }
        Ok(pending)
    }
}

/// Refuses to replace a folder or a file that is read-only.
fn check_replaceable(m: &fs::Metadata) -> io::Result<()> {
    if m.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if m.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the existing file is read-only"));
    }
    Ok(())
}

/// A new file in the nearest folder that exists, on the same file system as the target will be.
fn create(target: &Path) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = existing(&parent(target));
    let prefix = temporary_prefix(target)?;
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{prefix}{}-{count}{PARTIAL}", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => {
                // Tells others that somebody is still writing; where the system has no locks, nobody clears up.
                let _ = file.try_lock();
                return Ok((file, temporary));
            }
            // Left by a process that was killed and had the same number.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// The end of the name of a temporary file.
const PARTIAL: &str = ".partial";

/// The beginning of the names of the temporary files for `target`: a dot and its name, which may already be as long as the file system
/// allows.
fn temporary_prefix(target: &Path) -> io::Result<String> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    Ok(format!(".{}.", name.chars().take(40).collect::<String>()))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if p != Path::new("") => p.into(),
        _ => PathBuf::from("."),
    }
}

/// The path itself if something is there, else its nearest ancestor that exists.
fn existing(path: &Path) -> PathBuf {
    let mut at = path.to_path_buf();
    while fs::symlink_metadata(&at).is_err() {
        let up = parent(&at);
        if up == at {
            break;
        }
        at = up;
    }
    at
}

fn commit(dir: &Path, mut pending: Vec<Pending>) -> Result<()> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    let result = create_folders(dir, &mut folders)
        .map_err(|e| Error::write(dir, e))
        .and_then(|()| pending.iter_mut().try_for_each(|p| publish(p, &mut folders, &mut files)));
    if result.is_err() {
        files.iter().for_each(|f| drop(fs::remove_file(f)));
        folders.iter().rev().for_each(|f| drop(fs::remove_dir(f)));
        return result;
    }
    // So that the new names survive a power cut; not every system lets a folder be opened.
    if let Ok(d) = File::open(dir) {
        let _ = d.sync_all();
    }
    result
}

fn publish(p: &mut Pending, folders: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) -> Result<()> {
    let Some(temporary) = &p.temporary else { return Ok(()) };
    let is_new = !p.target.exists();
    create_folders(&parent(&p.target), folders)
        .and_then(|()| fs::rename(temporary, &p.target))
        .map_err(|e| Error::write(&p.shown, e))?;
    p.temporary = None;
    if is_new {
        files.push(p.target.clone());
    }
    Ok(())
}

fn create_folders(dir: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let up = parent(dir);
    if up != dir {
        create_folders(&up, created)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => created.push(dir.into()),
        Err(_) if dir.is_dir() => {}
        Err(e) => return Err(e),
    }
    Ok(())
}
