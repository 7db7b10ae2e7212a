//! placeholder until B's: the folder of a model. `factorize` calls `save`; `transform` needs `Model` as below.
use crate::failure::Failure;
use ndarray::{Array2, ArrayView2};
use nmf_core::Element;
use serde_json::Value;
use std::path::{Path, PathBuf};
/// Writes W.npy, H.npy (k×n), fit.json, rows.txt and cols.txt (if names are known; stale ones removed) through `nmf_io::Staging`.
pub(crate) fn save<T: Element>(
    dir: &Path,
    w: ArrayView2<'_, T>,
    h: ArrayView2<'_, T>,
    fit: &Value,
    rows: Option<&[String]>,
    cols: Option<&[String]>,
) -> Result<(), Failure> {
    let mut out = nmf_io::Staging::new(dir)?;
    out.npy("W.npy", w)?;
    out.npy("H.npy", h)?;
    for (name, list) in [("rows.txt", rows), ("cols.txt", cols)] {
        if let Some(list) = list {
            out.bytes(name, (list.join("\n") + "\n").as_bytes())?;
        }
    }
    out.bytes("fit.json", fit.to_string().as_bytes())?;
    Ok(out.commit()?)
}
/// What `transform` needs to know of a folder.
pub(crate) struct Model {
    pub(crate) dir: PathBuf,
    pub(crate) fit: Value,
    pub(crate) col_names: Option<Vec<String>>,
}
impl Model {
    pub(crate) fn load(dir: &Path) -> Result<Model, Failure> {
        let path = dir.join("fit.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Failure::file(dir, format!("not a model: fit.json cannot be read ({e})")))?;
        let fit = serde_json::from_str(&text).map_err(|e| Failure::file(&path, e))?;
        let col_names =
            std::fs::read_to_string(dir.join("cols.txt")).ok().map(|t| t.lines().map(String::from).collect());
        Ok(Model { dir: dir.into(), fit, col_names })
    }
    /// H, k×n, in the precision of `T`.
    pub(crate) fn h<T: Element>(&self) -> Result<Array2<T>, Failure> {
        Ok(nmf_io::read_dense(&self.dir.join("H.npy"))?)
    }
    pub(crate) fn rank(&self) -> Result<usize, Failure> {
        Ok(self.h::<f32>()?.nrows())
    }
    pub(crate) fn cols(&self) -> Result<usize, Failure> {
        Ok(self.h::<f32>()?.ncols())
    }
}
