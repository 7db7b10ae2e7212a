//! `.h5ad`: annotated matrices as anndata writes them into HDF5 (anndata 0.7 and later).
//!
//! `FILE` is the matrix X; `FILE:PATH` is another one in the file, such as `FILE:layers/counts` or `FILE:raw/X`.

use crate::error::{Error, Result, quote};
use crate::source::DEFLATE_MOST;
use crate::sparse::{self, check_dim, check_indptr, check_rows};
use crate::table::{Loaded, Precision, ReadOptions, Table, cast, overflow};
use hdf5_pure::{AttrValue, DType, Dataset, File, FormatError, Group};
use ndarray::Array2;
use nmf_core::{Element, Matrix};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The first bytes of HDF5 files.
pub(crate) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Groups that are no columns of a table of annotations.
const CATEGORIES: &str = "__categories";

/// Whether a file is HDF5, of which `.h5ad` files are a kind. False for what cannot be read.
pub fn is_h5ad(path: &Path) -> bool {
    let (path, _) = split(path);
    let mut head = [0; SIGNATURE.len()];
    std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut head)).is_ok() && head == SIGNATURE
}

/// FILE and PATH of `FILE:PATH`; a name with a colon that is a file is a file.
pub(crate) fn split(path: &Path) -> (PathBuf, Option<String>) {
    let name = path.to_string_lossy();
    match name.rsplit_once(':') {
        Some((file, part)) if !part.is_empty() && !path.exists() && Path::new(file).is_file() => {
            (file.into(), Some(part.to_string()))
        }
        _ => (path.into(), None),
    }
}

/// An opened file and its size.
struct Opened<'p> {
    path: &'p Path,
    file: File,
    most: u64,
}

/// A group or a dataset.
enum Node {
    Group(Group),
    Dataset(Dataset),
}

/// Reads the matrix X, or the one of another path, with the names of observations (rows) and variables (columns).
pub(crate) fn read(path: &Path, part: Option<&str>, options: &ReadOptions) -> Result<Loaded> {
    let opened = Opened::open(path)?;
    let part = part.unwrap_or("X");
    let node = opened.node(part)?.ok_or_else(|| opened.missing(part))?;
    let precision = match &node {
        Node::Dataset(d) => opened.precision(d, part)?,
        Node::Group(_) => opened.precision(&opened.dataset(&format!("{part}/data"))?, part)?,
    };
    Ok(match options.precision.unwrap_or(precision) {
        Precision::F32 => Loaded::F32(opened.table(&node, part)?),
        Precision::F64 => Loaded::F64(opened.table(&node, part)?),
    })
}

/// Names of the annotations of the observations (rows) of an `.h5ad` file, such as cell types.
///
/// # Errors
/// If it is no such file.
pub fn h5ad_annotations(path: &Path) -> Result<Vec<String>> {
    let opened = Opened::open(path)?;
    let obs = opened.annotations("obs")?;
    let own = obs.attrs().map_err(|e| opened.blame("obs", &e))?;
    if let Some(order) = own.get("column-order").and_then(AttrValue::as_strings) {
        return Ok(order.to_vec());
    }
    let index = opened.index_of("obs", &obs)?;
    let mut names = obs.datasets().map_err(|e| opened.blame("obs", &e))?;
    names.extend(obs.groups().map_err(|e| opened.blame("obs", &e))?);
    names.retain(|n| *n != index && n != CATEGORIES);
    names.sort();
    Ok(names)
}

/// The names of the observations (rows) of an `.h5ad` file, and one of their annotations as text; "" where it is missing.
///
/// # Errors
/// If it is no such file or has no such annotation.
pub fn h5ad_annotation(path: &Path, name: &str) -> Result<(Vec<String>, Vec<String>)> {
    let opened = Opened::open(path)?;
    let rows = opened.names("obs")?;
    let values = opened.column("obs", name)?;
    if values.len() != rows.len() {
        let message = format!("obs/{name} has {} values, expected {}", values.len(), rows.len());
        return Err(Error::format(path, message));
    }
    Ok((rows, values))
}

/// The ids of the genes beside their names, where the file has them.
pub(crate) fn gene_ids(path: &Path, part: Option<&str>) -> Result<Option<Vec<String>>> {
    let opened = Opened::open(path)?;
    let var = if part == Some("raw/X") { "raw/var" } else { "var" };
    match opened.node(&format!("{var}/gene_ids"))? {
        Some(_) => opened.column(var, "gene_ids").map(Some),
        None => Ok(None),
    }
}

impl<'p> Opened<'p> {
    fn open(path: &'p Path) -> Result<Self> {
        let length = std::fs::metadata(path).map_err(|e| Error::Read { path: path.into(), source: e })?.len();
        let file = File::open_streaming(path).map_err(|e| match e {
            hdf5_pure::Error::Io(source) => Error::read(path, source),
            e => Error::format(path, format!("not a complete HDF5 file ({e})")),
        })?;
        Ok(Opened { path, file, most: length.saturating_mul(DEFLATE_MOST) })
    }

    fn blame(&self, place: &str, e: &hdf5_pure::Error) -> Error {
        Error::format(self.path, format!("{place} in it cannot be read ({e})"))
    }

    fn error(&self, place: &str, message: impl std::fmt::Display) -> Error {
        Error::format(self.path, format!("{place} in it: {message}"))
    }

    fn missing(&self, place: &str) -> Error {
        let known = |group: &str| {
            let group = self.file.group(group).ok()?;
            let mut names = group.datasets().ok()?;
            names.extend(group.groups().ok()?);
            names.sort();
            Some(names)
        };
        let mut found: Vec<String> = known("layers").into_iter().flatten().map(|n| format!("layers/{n}")).collect();
        found.extend(known("raw").filter(|n| n.iter().any(|n| n == "X")).map(|_| "raw/X".to_string()));
        let others = if found.is_empty() { String::new() } else { format!(" (it has {})", found.join(", ")) };
        Error::format(
            self.path,
            format!("no {} in it{others}: an .h5ad file as anndata writes it is accepted", quote(place.as_bytes())),
        )
    }

    /// What is at a path; `None` if nothing is.
    fn node(&self, place: &str) -> Result<Option<Node>> {
        match self.file.dataset(place) {
            Ok(d) => Ok(Some(Node::Dataset(d))),
            Err(hdf5_pure::Error::NotADataset(_)) => match self.file.group(place) {
                Ok(g) => Ok(Some(Node::Group(g))),
                Err(e) => Err(self.blame(place, &e)),
            },
            Err(hdf5_pure::Error::Format(FormatError::PathNotFound(_)) | hdf5_pure::Error::NotAGroup(_)) => Ok(None),
            Err(e) => Err(self.blame(place, &e)),
        }
    }

    fn dataset(&self, place: &str) -> Result<Dataset> {
        match self.node(place)? {
            Some(Node::Dataset(d)) => Ok(d),
            _ => Err(self.missing(place)),
        }
    }

    /// The size of a dataset, as far as its file can hold so much.
    fn shape(&self, d: &Dataset, place: &str) -> Result<Vec<u64>> {
        let shape = d.shape().map_err(|e| self.blame(place, &e))?;
        let size = d.element_size().map_err(|e| self.blame(place, &e))?;
        match shape.iter().try_fold(size, |n, d| n.checked_mul(*d)) {
            Some(n) if n <= self.most => Ok(shape),
            _ => Err(self.error(place, format!("shape {shape:?}, more than a file of this size can hold"))),
        }
    }

    fn precision(&self, d: &Dataset, place: &str) -> Result<Precision> {
        match d.dtype().map_err(|e| self.blame(place, &e))? {
            DType::F64 => Ok(Precision::F64),
            DType::F32 | DType::I8 | DType::I16 | DType::I32 | DType::I64 => Ok(Precision::F32),
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => Ok(Precision::F32),
            other => Err(self.error(place, format!("values of type {other}: numbers are accepted"))),
        }
    }

    fn table<T: Element>(&self, node: &Node, part: &str) -> Result<Table<T>> {
        let matrix = match node {
            Node::Dataset(d) => Matrix::Dense(self.dense(d, part)?),
            Node::Group(g) => Matrix::Sparse(self.sparse(g, part)?),
        };
        let (m, n) = matrix.dim();
        let var = if part == "raw/X" { "raw/var" } else { "var" };
        let rows = self.names("obs")?;
        let cols = self.names(var)?;
        for (place, found, expected) in [("obs", rows.len(), m), (var, cols.len(), n)] {
            if found != expected {
                return Err(self.error(place, format!("{found} names, but {part} is {m}×{n}")));
            }
        }
        Ok(Table { matrix, row_names: Some(rows), col_names: Some(cols) })
    }

    fn dense<T: Element>(&self, d: &Dataset, part: &str) -> Result<Array2<T>> {
        let [rows, cols] = self.shape(d, part)?[..] else {
            return Err(self.error(part, "a matrix of two dimensions is needed"));
        };
        let (rows, cols) = (check_dim(self.path, "rows", rows)?, check_dim(self.path, "columns", cols)?);
        let values = self.values::<T>(d, part, |at| (at / cols.max(1), at % cols.max(1)))?;
        Array2::from_shape_vec((rows, cols), values).map_err(|e| self.error(part, e))
    }

    fn sparse<T: Element>(&self, g: &Group, part: &str) -> Result<nmf_core::Sparse<T>> {
        let attrs = g.attrs().map_err(|e| self.blame(part, &e))?;
        let text = |name: &str| attrs.get(name).and_then(AttrValue::as_str);
        let kind = text("encoding-type").or_else(|| text("h5sparse_format")).unwrap_or_default();
        let rows_first = match kind {
            "csr_matrix" | "csr" => true,
            "csc_matrix" | "csc" => false,
            other => {
                let message = format!(
                    "encoding-type {}: an array, csr_matrix or csc_matrix is accepted",
                    quote(other.as_bytes())
                );
                return Err(self.error(part, message));
            }
        };
        let shape = attrs.get("shape").or_else(|| attrs.get("h5sparse_shape")).and_then(integers);
        let Some([rows, cols]) = shape.as_deref() else {
            return Err(self.error(part, "no attribute \"shape\" of two numbers"));
        };
        let (rows, cols) = (check_dim(self.path, "rows", *rows)?, check_dim(self.path, "columns", *cols)?);
        let (outer, inner) = if rows_first { (rows, cols) } else { (cols, rows) };
        let at = |name: &str| format!("{part}/{name}");
        let data = self.dataset(&at("data"))?;
        let [stored] = self.shape(&data, &at("data"))?[..] else {
            return Err(self.error(&at("data"), "one dimension is needed"));
        };
        check_rows(self.path, rows, stored)?;
        let indptr = self.indices(&at("indptr"), outer as u64 + 1, stored)?;
        check_indptr(&indptr, stored).map_err(|message| self.error(&at("indptr"), message))?;
        let most = (inner as u64).saturating_sub(1);
        let indices: Vec<u32> = self
            .indices(&at("indices"), stored, most)?
            .into_iter()
            // at most `inner`, which fits
            .map(|i| i as u32)
            .collect();
        if inner == 0 && stored > 0 {
            return Err(self.error(part, "entries in a matrix without room for any"));
        }
        let place = |k: usize| {
            let o = indptr.partition_point(|p| *p <= k as u64).saturating_sub(1);
            let i = indices.get(k).map_or(0, |i| *i as usize);
            if rows_first { (o, i) } else { (i, o) }
        };
        let values = self.values::<T>(&data, part, place)?;
        match rows_first {
            true => sparse::finish(self.path, (rows, cols), indptr, indices, values),
            false => sparse::transpose(self.path, (rows, cols), indptr, indices, values),
        }
    }

    /// All values of a dataset; `place` says of which entry the nth is.
    fn values<T: Element>(&self, d: &Dataset, part: &str, place: impl Fn(usize) -> (usize, usize)) -> Result<Vec<T>> {
        let blame = |e| self.blame(part, &e);
        if matches!(d.dtype().map_err(blame)?, DType::F32) {
            return Ok(d.read_f32().map_err(blame)?.into_iter().map(|v| T::of(f64::from(v))).collect());
        }
        self.precision(d, part)?;
        let exact = d.read_f64().map_err(blame)?;
        let one = |(at, v): (usize, f64)| {
            cast(v).ok_or_else(|| {
                let (row, col) = place(at);
                Error::at(self.path, row as u64, col as u64, overflow(v))
            })
        };
        exact.into_iter().enumerate().map(one).collect()
    }

    /// `expected` integers from 0 to `most`.
    fn indices(&self, place: &str, expected: u64, most: u64) -> Result<Vec<u64>> {
        let d = self.dataset(place)?;
        let shape = self.shape(&d, place)?;
        if shape != [expected] {
            return Err(self.error(place, format!("shape {shape:?}, expected {expected} entries")));
        }
        let values = d.read_i64().map_err(|e| self.blame(place, &e))?;
        let one = |(at, v): (usize, i64)| {
            let fits = u64::try_from(v).ok().filter(|v| *v <= most);
            fits.ok_or_else(|| {
                self.error(place, format!("entry {at} (counted from 0) is {v}: 0 to {most} is accepted"))
            })
        };
        values.into_iter().enumerate().map(one).collect()
    }

    /// The group of a table of annotations.
    fn annotations(&self, name: &str) -> Result<Group> {
        match self.node(name)? {
            Some(Node::Group(g)) => Ok(g),
            Some(Node::Dataset(_)) => {
                Err(self.error(name, "written by anndata before 0.7; a newer one reads it and writes it anew"))
            }
            None => Err(self.missing(name)),
        }
    }

    /// The name of the dataset that holds the names.
    fn index_of(&self, table: &str, group: &Group) -> Result<String> {
        let attrs = group.attrs().map_err(|e| self.blame(table, &e))?;
        Ok(attrs.get("_index").and_then(AttrValue::as_str).unwrap_or("_index").to_string())
    }

    /// The names of the rows of a table of annotations.
    fn names(&self, table: &str) -> Result<Vec<String>> {
        let index = self.index_of(table, &self.annotations(table)?)?;
        self.column(table, &index)
    }

    /// A column of a table of annotations, as text.
    fn column(&self, table: &str, name: &str) -> Result<Vec<String>> {
        let place = format!("{table}/{name}");
        match self.node(&place)? {
            None => Err(self.missing(&place)),
            Some(Node::Dataset(d)) => {
                // before anndata 0.8: numbers of categories that stand elsewhere
                let categories = format!("{table}/{CATEGORIES}/{name}");
                match self.node(&categories)? {
                    Some(Node::Dataset(c)) => self.decode(&d, &c, &place),
                    _ => self.text(&d, &place),
                }
            }
            Some(Node::Group(_)) if self.node(&format!("{place}/codes"))?.is_some() => {
                let (codes, categories) = (format!("{place}/codes"), format!("{place}/categories"));
                match self.node(&categories)? {
                    // nullable strings are a group of values and mask
                    Some(Node::Group(_)) => {
                        self.decode(&self.dataset(&codes)?, &self.dataset(&format!("{categories}/values"))?, &place)
                    }
                    _ => self.decode(&self.dataset(&codes)?, &self.dataset(&categories)?, &place),
                }
            }
            Some(Node::Group(_)) => {
                let mut values = self.text(&self.dataset(&format!("{place}/values"))?, &place)?;
                let mask = self.dataset(&format!("{place}/mask"))?;
                self.shape(&mask, &place)?;
                let mask = mask.read_raw().map_err(|e| self.blame(&place, &e))?;
                values.iter_mut().zip(mask).filter(|(_, m)| *m != 0).for_each(|(v, _)| v.clear());
                Ok(values)
            }
        }
    }

    /// Categories by their numbers; −1 is none.
    fn decode(&self, codes: &Dataset, categories: &Dataset, place: &str) -> Result<Vec<String>> {
        let names = self.text(categories, place)?;
        self.shape(codes, place)?;
        let codes = codes.read_i64().map_err(|e| self.blame(place, &e))?;
        let one = |code: i64| match usize::try_from(code) {
            Ok(at) => names
                .get(at)
                .cloned()
                .ok_or_else(|| self.error(place, format!("code {code}, but there are {} categories", names.len()))),
            Err(_) => Ok(String::new()),
        };
        codes.into_iter().map(one).collect()
    }

    /// Strings as they are, numbers as text.
    fn text(&self, d: &Dataset, place: &str) -> Result<Vec<String>> {
        let blame = |e| self.blame(place, &e);
        self.shape(d, place)?;
        match d.dtype().map_err(blame)? {
            DType::String | DType::VariableLengthString => d.read_string().map_err(blame),
            DType::F32 | DType::F64 => Ok(d.read_f64().map_err(blame)?.iter().map(f64::to_string).collect()),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 | DType::U8 | DType::U16 | DType::U32 => {
                Ok(d.read_i64().map_err(blame)?.iter().map(i64::to_string).collect())
            }
            DType::U64 => Ok(d.read_u64().map_err(blame)?.iter().map(u64::to_string).collect()),
            // booleans
            DType::Enum(names) => {
                let raw = d.read_raw().map_err(blame)?;
                Ok(raw.iter().map(|v| names.get(usize::from(*v)).cloned().unwrap_or_default()).collect())
            }
            other => Err(self.error(place, format!("values of type {other}: text or numbers are accepted"))),
        }
    }
}

/// An attribute of several integers ≥ 0.
fn integers(value: &AttrValue) -> Option<Vec<u64>> {
    let signed = |v: &[i64]| v.iter().map(|i| u64::try_from(*i).ok()).collect();
    match value {
        AttrValue::I64Array(v) => signed(v),
        AttrValue::U64Array(v) => Some(v.clone()),
        AttrValue::I32Array(v) => signed(&v.iter().map(|i| i64::from(*i)).collect::<Vec<_>>()),
        AttrValue::U32Array(v) => Some(v.iter().map(|i| u64::from(*i)).collect()),
        _ => None,
    }
}
