//! The folder of a model: `factorize` and `topics` write it, `transform` reads it.
//!
//! W.npy (m×k; m×k×L with L shifts), H.npy (k×n), fit.json (its `version` is that of the program that wrote it), rows.txt and cols.txt (one
//! name a line, where names are known). A model of text also has vocabulary.txt and text.json, which holds how documents
//! become counts.

use crate::failure::Failure;
use crate::patterns;
use ndarray::{Array2, ArrayView2};
use nmf_core::Element;
use nmf_io::Staging;
use nmf_text::TextModel;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that every model has.
const ALWAYS: [&str; 3] = ["W.npy", "H.npy", "fit.json"];

/// Files that a model may or may not have: those of an older one in the same folder are removed.
const OPTIONAL: &[&str] = &[
    "rows.txt",
    "cols.txt",
    "vocabulary.txt",
    "text.json",
    "topics.json",
    "topics.tsv",
    "documents.tsv",
    "top_documents.tsv",
    "similarity.tsv",
    "weights.svg",
    "classified.tsv",
    "shares.tsv",
    "rows.tsv",
    "cols.tsv",
    "joint.tsv",
    "row_given_component.tsv",
    "col_given_component.tsv",
    "component_given_row.tsv",
    "component_given_col.tsv",
    "components.tsv",
    "blocks.svg",
    "genes.json",
    "programs.tsv",
    "usage.tsv",
    "usage.svg",
    "genes.svg",
    "abundances.npy",
    "endmembers.tsv",
    "endmembers.svg",
    "images.json",
    "images.tsv",
    "bases.png",
    "reconstructions.png",
    "comparison.png",
    "comparison.svg",
    "parts.png",
    "palette.png",
    "abundances.png",
    "recommendations.tsv",
    "user_bias.npy",
    "item_bias.npy",
];

/// One name a line; a name with a line end in it is written with a blank instead.
pub(crate) fn lines(names: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        out.extend(name.replace(['\n', '\r'], " ").bytes());
        out.push(b'\n');
    }
    out
}

/// Adds the files that every model has; W is m×k, or m × k·L.
pub(crate) fn stage<T: Element>(
    out: &mut Staging,
    w: ArrayView2<'_, T>,
    h: ArrayView2<'_, T>,
    fit: &Value,
    rows: Option<&[String]>,
    cols: Option<&[String]>,
) -> Result<(), Failure> {
    match w.ncols() / h.nrows().max(1) {
        0 | 1 => out.npy("W.npy", w)?,
        shifts => out.npy("W.npy", patterns::cube(&w, shifts).view())?,
    }
    out.npy("H.npy", h)?;
    for (name, list) in [("rows.txt", rows), ("cols.txt", cols)] {
        if let Some(list) = list {
            out.bytes(name, &lines(list))?;
        }
    }
    out.bytes("fit.json", format!("{fit:#}\n").as_bytes())?;
    Ok(())
}

/// Moves everything into place and removes what an older model left there and this one has not. In a folder that held no model, files
/// of these names are the user's own and stay.
pub(crate) fn commit(out: Staging) -> Result<(), Failure> {
    let dir = out.dir().to_path_buf();
    let replaces = ALWAYS.iter().all(|name| dir.join(name).exists());
    let written: Vec<PathBuf> = out.names().map(Path::to_path_buf).collect();
    out.commit()?;
    if !replaces {
        return Ok(());
    }
    for name in OPTIONAL.iter().filter(|name| !written.iter().any(|w| w == Path::new(name))) {
        let path = dir.join(name);
        if path.exists() {
            let explain = |e| Failure::work(format!("{}: of an older model, cannot be removed: {e}", path.display()));
            fs::remove_file(&path).map_err(explain)?;
        }
    }
    Ok(())
}

/// Refuses a folder whose model would replace one of the inputs, or take it away with an older model.
pub(crate) fn keep_inputs(dir: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    let names: Vec<String> = ALWAYS.iter().chain(OPTIONAL).map(|name| name.to_string()).collect();
    crate::input::keep_inputs(dir, &names, inputs)
}

/// Writes a model of a matrix.
pub(crate) fn save<T: Element>(
    dir: &Path,
    w: ArrayView2<'_, T>,
    h: ArrayView2<'_, T>,
    fit: &Value,
    rows: Option<&[String]>,
    cols: Option<&[String]>,
) -> Result<(), Failure> {
    let mut out = Staging::new(dir)?;
    stage(&mut out, w, h, fit, rows, cols)?;
    commit(out)
}

/// A model on disk.
pub(crate) struct Model {
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// fit.json.
    pub(crate) fit: Value,
    /// Names of the columns.
    pub(crate) col_names: Option<Vec<String>>,
    shape: (usize, usize),
    shifts: usize,
}

impl Model {
    /// Reads and checks everything but the factors.
    pub(crate) fn load(dir: &Path) -> Result<Model, Failure> {
        let path = dir.join("fit.json");
        let text = fs::read_to_string(&path).map_err(|e| {
            Failure::file(dir, format!("not a model: fit.json cannot be read ({e}); `factorize -o DIR` writes one"))
        })?;
        let fit: Value = serde_json::from_str(&text)
            .map_err(|e| Failure::file(&path, format!("not the fit.json of a model: {e}")))?;
        check_version(&fit, &path)?;
        let number = |key: &str| {
            fit.get(key)
                .and_then(Value::as_u64)
                .and_then(|n| usize::try_from(n).ok())
                .ok_or_else(|| Failure::file(&path, format!("no number \"{key}\" in it")))
        };
        let shape = (number("rank")?, number("cols")?);
        let shifts = if fit.get("shifts").is_some() { number("shifts")? } else { 1 };
        if shifts == 0 || shifts > shape.1.max(1) || shape.0.saturating_mul(shifts) > 65_536 {
            let (k, n) = shape;
            return Err(Failure::file(
                &path,
                format!("\"shifts\" is {shifts}, which k = {k} and {n} columns cannot have"),
            ));
        }
        let names = dir.join("cols.txt");
        let col_names: Option<Vec<String>> = match fs::read_to_string(&names) {
            Ok(text) => Some(text.lines().map(String::from).collect()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Failure::file(&names, e)),
        };
        if let Some(n) = col_names.as_ref().map(Vec::len).filter(|n| *n != shape.1) {
            return Err(Failure::file(&names, format!("{n} names, but fit.json says {} columns", shape.1)));
        }
        Ok(Model { dir: dir.into(), fit, col_names, shape, shifts })
    }

    /// H, k×n, in the precision of `T`.
    pub(crate) fn h<T: Element>(&self) -> Result<Array2<T>, Failure> {
        let path = self.dir.join("H.npy");
        let h: Array2<T> = nmf_io::read_dense(&path)?;
        if h.dim() != self.shape {
            let ((r, c), (k, n)) = (h.dim(), self.shape);
            return Err(Failure::file(&path, format!("shape {r}×{c}, but fit.json says {k}×{n}")));
        }
        Ok(h)
    }

    /// Rank k.
    pub(crate) fn rank(&self) -> Result<usize, Failure> {
        Ok(self.shape.0)
    }

    /// L of a convolutive model, else 1.
    pub(crate) fn shifts(&self) -> usize {
        self.shifts
    }

    /// Columns n.
    pub(crate) fn cols(&self) -> Result<usize, Failure> {
        Ok(self.shape.1)
    }

    /// How documents become rows, and text.json as it is, if this is a model of text.
    pub(crate) fn text(&self) -> Result<Option<(TextModel, Value)>, Failure> {
        let path = self.dir.join("text.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Failure::file(&path, e)),
        };
        let value: Value = serde_json::from_str(&text).map_err(|e| Failure::file(&path, e))?;
        let model = TextModel::from_json(&value).map_err(|e| Failure::file(&path, e))?;
        if model.vocabulary.len() != self.shape.1 {
            let (words, n) = (model.vocabulary.len(), self.shape.1);
            return Err(Failure::file(&path, format!("{words} words, but the model has {n} columns")));
        }
        Ok(Some((model, value)))
    }
}

/// Refuses models of a later version, whose files may mean something else.
fn check_version(fit: &Value, path: &Path) -> Result<(), Failure> {
    let number = |v: &str| -> Option<(u32, u32)> {
        let mut parts = v.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let own = env!("CARGO_PKG_VERSION");
    match fit.get("version").and_then(Value::as_str) {
        Some(v) if number(v).is_some_and(|v| Some(v) <= number(own)) => Ok(()),
        Some(v) => {
            Err(Failure::file(path, format!("written by version {v}; this is {own}, which reads up to its own")))
        }
        None => Err(Failure::file(path, "no \"version\" in it: not the fit.json of a model")),
    }
}
