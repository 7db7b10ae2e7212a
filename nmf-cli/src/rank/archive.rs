//! Finished runs of a survey on disk, so that a survey that was killed continues.
//!
//! `settings.json`, `run_k5_3.npz` (a run; removed once its rank is complete), `k5.npz` (a rank: all runs together), `fold_2.npz` (a
//! fold, as far as it is done), `lock` (held while a survey works there). Every file is written beside its name and moved there: what is there is complete.

use super::settings::Settings;
use crate::failure::Failure;
use nmf_core::rank::{Archive, Key};
use nmf_core::{Element, Error, Result, Snapshot};
use nmf_io::SnapshotFile;
use serde_json::{Map, Value};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The folder of a survey.
pub(super) struct Folder {
    dir: PathBuf,
    /// Held while the survey works, so that no other works there.
    _lock: File,
    /// Runs of every rank.
    restarts: usize,
    /// The first thing that went wrong, in full.
    failure: Mutex<Option<Failure>>,
}

impl Folder {
    /// Opens or creates it. Runs of another survey are refused, or with `fresh` removed.
    pub(super) fn open(dir: &Path, settings: &Settings, restarts: usize, fresh: bool) -> Result<Folder, Failure> {
        fs::create_dir_all(dir).map_err(|e| cannot_write(dir, &e))?;
        let lock = lock(dir)?;
        if fresh {
            clear(dir)?;
        }
        sweep(dir)?;
        let path = dir.join("settings.json");
        let mut settings = settings.clone();
        if holds_runs(dir)? {
            let text = fs::read_to_string(&path).map_err(|e| {
                Failure::file(
                    dir,
                    format!("there are runs, but no settings.json that says of what ({e}); --fresh starts anew"),
                )
            })?;
            let older: Map<String, Value> = serde_json::from_str(&text).map_err(|e| {
                Failure::file(&path, format!("not the settings of a survey ({e}); --fresh starts anew"))
            })?;
            if let Some(why) = settings.differ(&older) {
                return Err(Failure::usage(format!(
                    "{}: holds runs of another survey: {why}; --fresh starts anew, another -o keeps both",
                    dir.display()
                )));
            }
            settings.keep_longer(&older);
        }
        let mut out = nmf_io::Staging::new(dir)?;
        out.bytes("settings.json", format!("{:#}\n", Value::Object(settings.0)).as_bytes())?;
        out.commit()?;
        Ok(Folder { dir: dir.into(), _lock: lock, restarts, failure: Mutex::new(None) })
    }

    /// Why the archive failed, if it did.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Remembers the first failure and makes an error of the library of it.
    fn fail(&self, failure: Failure) -> Error {
        let error = Error::Archive(failure.message().to_string());
        self.failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(failure);
        error
    }
}

/// Makes this survey the only one that works in `dir`. The lock goes with the process, however that ends.
fn lock(dir: &Path) -> Result<File, Failure> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|e| cannot_write(&path, &e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            Err(Failure::usage(format!("{}: another survey is working there; name another -o", dir.display())))
        }
        // a file system without locks: it works as before there were any
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

fn cannot_write(path: &Path, e: &io::Error) -> Failure {
    Failure::work(format!("{}: cannot be written: {e}", path.display()))
}

/// Files of a survey, by their names.
fn is_ours(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".npz") else { return name == "settings.json" };
    let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    match (stem.strip_prefix("run_k"), stem.strip_prefix("fold_"), stem.strip_prefix('k')) {
        (Some(rest), ..) => rest.split_once('_').is_some_and(|(k, r)| number(k) && number(r)),
        (_, Some(fold), _) => number(fold),
        (_, _, Some(k)) => number(k),
        _ => false,
    }
}

/// Names of files in the folder.
fn names(dir: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(dir).map_err(|e| cannot_write(dir, &e))?;
    Ok(entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
}

fn holds_runs(dir: &Path) -> Result<bool, Failure> {
    Ok(names(dir)?.iter().any(|name| is_ours(name) && name.ends_with(".npz")))
}

/// Removes the runs of an older survey; what says of what they are goes last.
fn clear(dir: &Path) -> Result<(), Failure> {
    let mut ours: Vec<String> = names(dir)?.into_iter().filter(|name| is_ours(name)).collect();
    ours.sort_by_key(|name| !name.ends_with(".npz"));
    for name in ours {
        let path = dir.join(name);
        fs::remove_file(&path).map_err(|e| cannot_write(&path, &e))?;
    }
    Ok(())
}

/// Removes what a killed survey was writing, and runs whose rank is complete.
fn sweep(dir: &Path) -> Result<(), Failure> {
    for name in names(dir)? {
        let run_of = name.strip_prefix("run_k").and_then(|rest| rest.split_once('_')).map(|(k, _)| k);
        let done = is_ours(&name) && run_of.is_some_and(|k| dir.join(format!("k{k}.npz")).exists());
        if done || nmf_io::is_temporary(&name) {
            // another process may have removed it: then it is gone as well
            let _ = fs::remove_file(dir.join(&name));
        }
    }
    Ok(())
}

impl<T: Element> Archive<T> for Folder {
    fn load(&self, key: Key) -> Result<Option<Snapshot<T>>> {
        let path = self.path(&format!("{key}.npz"));
        if !path.exists() {
            return Ok(None);
        }
        let read = SnapshotFile::at(&path).read();
        read.map(Some).map_err(|e| self.fail(Failure::from(e).with("; --fresh starts anew")))
    }

    fn keep(&self, key: Key, state: Snapshot<T>) -> Result<()> {
        let path = self.path(&format!("{key}.npz"));
        SnapshotFile::at(path).write(&state).map_err(|e| self.fail(e.into()))?;
        if let Key::Rank(k) = key {
            for restart in 0..self.restarts {
                // one that stays is swept away by the next start
                let _ = fs::remove_file(self.path(&format!("{}.npz", Key::Run { k, restart })));
            }
        }
        Ok(())
    }
}
