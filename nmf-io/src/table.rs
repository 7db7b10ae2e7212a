//! What a file holds: a matrix, and perhaps names for its rows and columns.

use ndarray::{Array2, ArrayView2};
use nmf_core::{Element, Matrix, MatrixRef, Sparse, SparseView};

/// A matrix with the names that came with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<T> {
    /// The matrix, rows × columns. Sparse ones are CSR, sorted, without duplicates or stored zeros.
    pub matrix: Matrix<T>,
    /// One name per row, where the file has them.
    pub row_names: Option<Vec<String>>,
    /// One name per column, where the file has them.
    pub col_names: Option<Vec<String>>,
}

impl<T: Element> Table<T> {
    /// A matrix without names.
    pub fn new(matrix: impl Into<Matrix<T>>) -> Self {
        Table { matrix: matrix.into(), row_names: None, col_names: None }
    }

    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        self.matrix.dim()
    }

    /// Number of stored entries: rows × columns when dense.
    pub fn stored(&self) -> u64 {
        self.matrix.view().stored()
    }

    /// A borrowed view, as [`crate::write`] takes it.
    pub fn view(&self) -> TableRef<'_, T> {
        TableRef {
            matrix: self.matrix.view(),
            row_names: self.row_names.as_deref(),
            col_names: self.col_names.as_deref(),
        }
    }

    /// Rows become columns, with their names; no entry is copied (a CSR matrix becomes CSC).
    #[must_use]
    pub fn transpose(self) -> Self {
        Table { matrix: self.matrix.transpose(), row_names: self.col_names, col_names: self.row_names }
    }

    fn map<U: Element>(self, f: impl Fn(T) -> U) -> Table<U> {
        let matrix = match self.matrix {
            Matrix::Dense(a) => Matrix::Dense(a.mapv(f)),
            Matrix::Sparse(s) => {
                let (shape, csr) = (s.shape(), s.is_csr());
                let (indptr, indices, data) = s.into_raw_storage();
                let data: Vec<U> = data.into_iter().map(f).collect();
                // The structure is that of a valid matrix, so neither constructor can refuse it.
                let mapped = if csr {
                    Sparse::new(shape, indptr, indices, data)
                } else {
                    Sparse::new_csc(shape, indptr, indices, data)
                };
                Matrix::Sparse(mapped)
            }
        };
        Table { matrix, row_names: self.row_names, col_names: self.col_names }
    }
}

/// A borrowed matrix with optional names: what [`crate::write`] stores.
#[derive(Debug, Clone)]
pub struct TableRef<'a, T> {
    /// The matrix, rows × columns.
    pub matrix: MatrixRef<'a, T>,
    /// One name per row.
    pub row_names: Option<&'a [String]>,
    /// One name per column.
    pub col_names: Option<&'a [String]>,
}

impl<T: Element> TableRef<'_, T> {
    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        self.matrix.dim()
    }
}

impl<'a, T: Element> From<&'a Table<T>> for TableRef<'a, T> {
    fn from(table: &'a Table<T>) -> Self {
        table.view()
    }
}
impl<'a, T> From<MatrixRef<'a, T>> for TableRef<'a, T> {
    fn from(matrix: MatrixRef<'a, T>) -> Self {
        TableRef { matrix, row_names: None, col_names: None }
    }
}
impl<'a, T: Element> From<&'a Matrix<T>> for TableRef<'a, T> {
    fn from(matrix: &'a Matrix<T>) -> Self {
        matrix.view().into()
    }
}
impl<'a, T> From<ArrayView2<'a, T>> for TableRef<'a, T> {
    fn from(a: ArrayView2<'a, T>) -> Self {
        MatrixRef::from(a).into()
    }
}
impl<'a, T> From<&'a Array2<T>> for TableRef<'a, T> {
    fn from(a: &'a Array2<T>) -> Self {
        MatrixRef::from(a).into()
    }
}
impl<'a, T> From<SparseView<'a, T>> for TableRef<'a, T> {
    fn from(s: SparseView<'a, T>) -> Self {
        MatrixRef::from(s).into()
    }
}
impl<'a, T> From<&'a Sparse<T>> for TableRef<'a, T> {
    fn from(s: &'a Sparse<T>) -> Self {
        MatrixRef::from(s).into()
    }
}

/// A table in the precision that its file, or [`ReadOptions::precision`], asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// In single precision.
    F32(Table<f32>),
    /// In double precision.
    F64(Table<f64>),
}

impl Loaded {
    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        match self {
            Loaded::F32(t) => t.dim(),
            Loaded::F64(t) => t.dim(),
        }
    }

    /// Number of stored entries: rows × columns when dense.
    pub fn stored(&self) -> u64 {
        match self {
            Loaded::F32(t) => t.stored(),
            Loaded::F64(t) => t.stored(),
        }
    }

    /// Whether the matrix is sparse.
    pub fn is_sparse(&self) -> bool {
        match self {
            Loaded::F32(t) => matches!(t.matrix, Matrix::Sparse(_)),
            Loaded::F64(t) => matches!(t.matrix, Matrix::Sparse(_)),
        }
    }

    /// The precision held.
    pub fn precision(&self) -> Precision {
        match self {
            Loaded::F32(_) => Precision::F32,
            Loaded::F64(_) => Precision::F64,
        }
    }

    /// `"f32"` or `"f64"`.
    pub fn precision_name(&self) -> &'static str {
        self.precision().name()
    }

    /// One name per row, where the file has them.
    pub fn row_names(&self) -> Option<&[String]> {
        match self {
            Loaded::F32(t) => t.row_names.as_deref(),
            Loaded::F64(t) => t.row_names.as_deref(),
        }
    }

    /// One name per column, where the file has them.
    pub fn col_names(&self) -> Option<&[String]> {
        match self {
            Loaded::F32(t) => t.col_names.as_deref(),
            Loaded::F64(t) => t.col_names.as_deref(),
        }
    }

    /// Rows become columns, with their names; no entry is copied.
    #[must_use]
    pub fn transpose(self) -> Self {
        match self {
            Loaded::F32(t) => Loaded::F32(t.transpose()),
            Loaded::F64(t) => Loaded::F64(t.transpose()),
        }
    }

    /// In single precision, rounded where needed; a double beyond its range becomes infinite, which
    /// `nmf_core::Problem` refuses. To be told by name and place, read with [`ReadOptions::precision`].
    pub fn into_f32(self) -> Table<f32> {
        match self {
            Loaded::F32(t) => t,
            Loaded::F64(t) => t.map(|v| v as f32),
        }
    }

    /// In double precision; exact.
    pub fn into_f64(self) -> Table<f64> {
        match self {
            Loaded::F32(t) => t.map(f64::from),
            Loaded::F64(t) => t,
        }
    }
}

/// The two precisions a matrix can be held in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Precision {
    /// `"f32"` or `"f64"`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => f32::NAME,
            Precision::F64 => f64::NAME,
        }
    }
}

/// How to read a matrix; by default everything is decided from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// The precision to read into. `None`: double for `f8`, real Matrix Market and text with fractions or
    /// numbers beyond 2²⁴; single for everything else.
    pub precision: Option<Precision>,
    /// CSV and TSV: whether line 1 holds the names of the columns. `None`: when no field of it is a number.
    /// An error for other formats.
    pub header: Option<bool>,
    /// CSV and TSV: whether column 1 holds the names of the rows. `None`: when it is not numeric in the first
    /// row of data, or the header leaves its place empty. An error for other formats.
    pub row_names: Option<bool>,
}

/// A value in the target precision; `None` if a finite one would become infinite.
#[inline(always)]
pub(crate) fn cast<T: Element>(value: f64) -> Option<T> {
    let rounded = T::of(value);
    if rounded.is_infinite() && value.is_finite() { None } else { Some(rounded) }
}

/// The message for a value that [`cast`] refuses.
pub(crate) fn overflow(value: f64) -> String {
    format!("{value:e} is beyond the range of f32 (±3.4e38): use --precision f64")
}
