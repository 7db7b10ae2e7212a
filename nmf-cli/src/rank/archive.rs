//! Finished runs of a survey on disk, so that a survey that was killed continues.
//!
//! `settings.json`, `run_k5_3.npz` (a run; removed once its rank is complete), `k5.npz` (a rank: all runs together), `fold_2.npz` (a
//! fold, as far as it is done). Every file is written beside its name and moved there: what is there is complete.

use super::settings::Settings;
use crate::failure::Failure;
use ndarray::{Array2, ArrayView2};
use nmf_core::rank::{Archive, Fold, Kept, Surveyed};
use nmf_core::{Element, Error, Result};
use nmf_io::{Bundle, Views, write_bundle};
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
    /// The first thing that went wrong, in full.
    failure: Mutex<Option<Failure>>,
}

impl Folder {
    /// Opens or creates it. Runs of another survey are refused, or with `fresh` removed.
    pub(super) fn open(dir: &Path, settings: &Settings, fresh: bool) -> Result<Folder, Failure> {
        fs::create_dir_all(dir).map_err(|e| cannot_write(dir, &e))?;
        let lock = lock(dir)?;
        let path = dir.join("settings.json");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let older: Map<String, Value> = serde_json::from_str(&text).map_err(|e| {
                    Failure::file(&path, format!("not the settings of a survey ({e}); --fresh starts anew"))
                })?;
                match settings.differ(&older) {
                    _ if fresh => clear(dir)?,
                    Some(why) => {
                        return Err(Failure::usage(format!(
                            "{}: holds runs of another survey: {why}; --fresh starts anew, another -o keeps both",
                            dir.display()
                        )));
                    }
                    None => {}
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Failure::file(&path, e)),
        }
        let mut out = nmf_io::Staging::new(dir)?;
        out.bytes("settings.json", format!("{:#}\n", Value::Object(settings.0.clone())).as_bytes())?;
        out.commit()?;
        sweep(dir)?;
        Ok(Folder { dir: dir.into(), _lock: lock, failure: Mutex::new(None) })
    }

    /// Why the archive failed, if it did.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Reads a file that may not be there.
    fn load<V>(&self, name: &str, take: impl FnOnce(&mut Bundle<'_>) -> nmf_io::Result<V>) -> Result<Option<V>> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(None);
        }
        let value = Bundle::open(&path).and_then(|mut bundle| take(&mut bundle));
        value.map(Some).map_err(|e| self.fail(Failure::from(e).with("; --fresh starts anew")))
    }

    fn keep(&self, name: &str, fill: impl FnOnce(nmf_io::Put<'_>) -> io::Result<()>) -> Result<()> {
        write_bundle(&self.path(name), fill).map_err(|e| self.fail(e.into()))
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

/// Removes the runs of an older survey.
fn clear(dir: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(dir).map_err(|e| cannot_write(dir, &e))?.flatten() {
        if entry.file_name().to_str().is_some_and(is_ours) {
            fs::remove_file(entry.path()).map_err(|e| cannot_write(&entry.path(), &e))?;
        }
    }
    Ok(())
}

/// Removes what a killed survey was writing, and runs whose rank is complete.
fn sweep(dir: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(dir).map_err(|e| cannot_write(dir, &e))?.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let run_of = name.strip_prefix("run_k").and_then(|rest| rest.split_once('_')).map(|(k, _)| k);
        let done = is_ours(name) && run_of.is_some_and(|k| dir.join(format!("k{k}.npz")).exists());
        if done || nmf_io::is_temporary(name) {
            // another process may have removed it: then it is gone as well
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn views<T: Element>(a: ArrayView2<'_, T>, put: impl FnOnce(Views<'_>) -> io::Result<()>) -> io::Result<()> {
    // exact either way: elements are f32 or f64
    if size_of::<T>() == 4 {
        put(Views::F32(a.mapv(|v| v.f64() as f32).view()))
    } else {
        put(Views::F64(a.mapv(|v| v.f64()).view()))
    }
}

fn row(values: &[f64]) -> Array2<f64> {
    Array2::from_shape_fn((1, values.len()), |(_, j)| values[j])
}

fn counts(values: &[usize]) -> Array2<f64> {
    Array2::from_shape_fn((1, values.len()), |(_, j)| values[j] as f64)
}

/// NaN where there is none.
fn some(v: Option<f64>) -> f64 {
    v.unwrap_or(f64::NAN)
}

fn none(v: f64) -> Option<f64> {
    (!v.is_nan()).then_some(v)
}

/// Numbers of a member with exactly this many.
fn numbers<const N: usize>(bundle: &mut Bundle<'_>, name: &str) -> nmf_io::Result<[f64; N]> {
    let all: Vec<f64> = bundle.matrix::<f64>(name)?.iter().copied().collect();
    let found = all.len();
    all.try_into().map_err(|_| bundle.damaged(name, &format!("{found} numbers, expected {N}")))
}

fn list(bundle: &mut Bundle<'_>, name: &str) -> nmf_io::Result<Vec<f64>> {
    Ok(if bundle.has(name) { bundle.matrix::<f64>(name)?.iter().copied().collect() } else { Vec::new() })
}

fn indices(bundle: &mut Bundle<'_>, name: &str) -> nmf_io::Result<Vec<usize>> {
    Ok(list(bundle, name)?.into_iter().map(|v| v as usize).collect())
}

/// The member that does not fit the others, if one does not.
fn fits<T>(s: &Surveyed<T>) -> Option<&'static str> {
    let n = s.items.len();
    let within = |list: &[usize], most: usize| list.len() == n && list.iter().all(|i| *i < most);
    let consensus = s.consensus.is_empty() || s.consensus.dim() == (n, n);
    let tests = [
        ("values", s.best < s.divergences.len()),
        ("order", within(&s.order, n)),
        ("clusters", within(&s.clusters, s.k)),
        ("consensus", consensus),
        ("W", s.w.ncols() == s.k),
        ("H", s.h.nrows() == s.k),
    ];
    tests.into_iter().find(|(_, fine)| !fine).map(|(what, _)| what)
}

impl<T: Element> Archive<T> for Folder {
    fn run(&self, k: usize, restart: usize) -> Result<Option<Kept<T>>> {
        self.load(&format!("run_k{k}_{restart}.npz"), |bundle| {
            let [objective, divergence, squared_error] = numbers(bundle, "values")?;
            let (w, h) = (bundle.matrix("W")?, bundle.matrix("H")?);
            Ok(Kept { k, restart, objective, divergence, squared_error, w, h })
        })
    }

    fn keep_run(&self, run: &Kept<T>) -> Result<()> {
        self.keep(&format!("run_k{}_{}.npz", run.k, run.restart), |put| {
            put("values", Views::F64(row(&[run.objective, run.divergence, run.squared_error]).view()))?;
            views(run.w.view(), |v| put("W", v))?;
            views(run.h.view(), |v| put("H", v))
        })
    }

    fn fold(&self, fold: usize) -> Result<Option<Fold<T>>> {
        self.load(&format!("fold_{fold}.npz"), |bundle| {
            let errors = list(bundle, "errors")?;
            let last = if bundle.has("W") { Some((bundle.matrix("W")?, bundle.matrix("H")?)) } else { None };
            Ok(Fold { errors, last })
        })
    }

    fn keep_fold(&self, fold: usize, state: &Fold<T>) -> Result<()> {
        self.keep(&format!("fold_{fold}.npz"), |put| {
            put("errors", Views::F64(row(&state.errors).view()))?;
            if let Some((w, h)) = &state.last {
                views(w.view(), |v| put("W", v))?;
                views(h.view(), |v| put("H", v))?;
            }
            Ok(())
        })
    }

    fn rank(&self, k: usize) -> Result<Option<Surveyed<T>>> {
        self.load(&format!("k{k}.npz"), |bundle| {
            let [best, objective, squared_error, explained, compresses, cophenetic, dispersion, silhouette] =
                numbers(bundle, "values")?;
            let surveyed = Surveyed {
                k,
                divergences: list(bundle, "divergences")?,
                best: best as usize,
                objective,
                squared_error,
                explained,
                compresses: compresses == 1.0,
                held_out: None,
                folds: Vec::new(),
                cophenetic: none(cophenetic),
                dispersion: none(dispersion),
                silhouette: none(silhouette),
                stability: list(bundle, "stability")?,
                silhouettes: list(bundle, "silhouettes")?,
                items: indices(bundle, "items")?,
                consensus: if bundle.has("consensus") { bundle.matrix("consensus")? } else { Array2::zeros((0, 0)) },
                order: indices(bundle, "order")?,
                clusters: indices(bundle, "clusters")?,
                w: bundle.matrix("W")?,
                h: bundle.matrix("H")?,
            };
            match fits(&surveyed) {
                Some(what) => Err(bundle.damaged(what, "does not fit the others")),
                None => Ok(surveyed),
            }
        })
    }

    fn keep_rank(&self, s: &Surveyed<T>) -> Result<()> {
        self.keep(&format!("k{}.npz", s.k), |put| {
            let values = [
                s.best as f64,
                s.objective,
                s.squared_error,
                s.explained,
                f64::from(u8::from(s.compresses)),
                some(s.cophenetic),
                some(s.dispersion),
                some(s.silhouette),
            ];
            put("values", Views::F64(row(&values).view()))?;
            for (name, numbers) in
                [("divergences", &s.divergences), ("stability", &s.stability), ("silhouettes", &s.silhouettes)]
            {
                if !numbers.is_empty() {
                    put(name, Views::F64(row(numbers).view()))?;
                }
            }
            for (name, list) in [("items", &s.items), ("order", &s.order), ("clusters", &s.clusters)] {
                put(name, Views::F64(counts(list).view()))?;
            }
            if !s.consensus.is_empty() {
                put("consensus", Views::F64(s.consensus.view()))?;
            }
            views(s.w.view(), |v| put("W", v))?;
            views(s.h.view(), |v| put("H", v))
        })?;
        for restart in 0..s.divergences.len() {
            // one that stays is swept away by the next start
            let _ = fs::remove_file(self.path(&format!("run_k{}_{restart}.npz", s.k)));
        }
        Ok(())
    }
}
