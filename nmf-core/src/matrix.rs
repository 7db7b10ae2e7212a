//! The input matrix X: dense (ndarray) or sparse (sprs), borrowed or owned.
//!
//! Sparse matrices have 32-bit column indices and 64-bit row offsets: more than 2³² stored entries are
//! fine, more than 2³² rows or columns are not.

use crate::Element;
use ndarray::{Array2, ArrayView2};
use sprs::{CsMatI, CsMatViewI};

/// A sparse matrix, CSR or CSC, with 32-bit indices and 64-bit offsets.
pub type Sparse<T> = CsMatI<T, u32, u64>;
/// A borrowed [`Sparse`].
pub type SparseView<'a, T> = CsMatViewI<'a, T, u32, u64>;

/// An owned input matrix.
#[derive(Debug, Clone, PartialEq)]
pub enum Matrix<T> {
    /// Dense, rows × columns.
    Dense(Array2<T>),
    /// Sparse, rows × columns.
    Sparse(Sparse<T>),
}

/// A borrowed input matrix, rows × columns.
#[derive(Debug, Clone)]
pub enum MatrixRef<'a, T> {
    /// Dense, any memory order.
    Dense(ArrayView2<'a, T>),
    /// Sparse, CSR or CSC; entries not stored are zero.
    Sparse(SparseView<'a, T>),
}

impl<T: Element> Matrix<T> {
    /// A borrowed view.
    pub fn view(&self) -> MatrixRef<'_, T> {
        match self {
            Matrix::Dense(a) => MatrixRef::Dense(a.view()),
            Matrix::Sparse(s) => MatrixRef::Sparse(s.view()),
        }
    }

    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        self.view().dim()
    }

    /// The transposed matrix; no entry is copied.
    #[must_use]
    pub fn transpose(self) -> Self {
        match self {
            Matrix::Dense(a) => Matrix::Dense(a.reversed_axes()),
            Matrix::Sparse(s) => Matrix::Sparse(s.transpose_into()),
        }
    }
}

impl<'a, T: Element> MatrixRef<'a, T> {
    /// The same view for a shorter time.
    pub fn reborrow(&self) -> MatrixRef<'_, T> {
        match self {
            MatrixRef::Dense(a) => MatrixRef::Dense(a.view()),
            MatrixRef::Sparse(s) => MatrixRef::Sparse(s.view()),
        }
    }

    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        match self {
            MatrixRef::Dense(a) => a.dim(),
            MatrixRef::Sparse(s) => s.shape(),
        }
    }

    /// Number of stored entries: rows × columns when dense.
    pub fn stored(&self) -> u64 {
        match self {
            MatrixRef::Dense(a) => a.len() as u64,
            MatrixRef::Sparse(s) => s.nnz() as u64,
        }
    }

    /// Calls `visit(row, column, value)` for every stored entry, in storage order for sparse and
    /// row by row for dense matrices.
    pub fn for_each(&self, mut visit: impl FnMut(usize, usize, T)) {
        match self {
            MatrixRef::Dense(a) => {
                for (i, row) in a.outer_iter().enumerate() {
                    for (j, &v) in row.iter().enumerate() {
                        visit(i, j, v);
                    }
                }
            }
            MatrixRef::Sparse(s) => {
                let csr = s.is_csr();
                for (o, vec) in s.outer_iterator().enumerate() {
                    for (j, &v) in vec.iter() {
                        if csr { visit(o, j, v) } else { visit(j, o, v) }
                    }
                }
            }
        }
    }

    /// A dense f64 copy: for oracles and small matrices.
    pub fn to_dense_f64(&self) -> Array2<f64> {
        let mut out = Array2::zeros(self.dim());
        self.for_each(|i, j, v| out[[i, j]] = v.f64());
        out
    }
}

impl<'a, T> From<ArrayView2<'a, T>> for MatrixRef<'a, T> {
    fn from(a: ArrayView2<'a, T>) -> Self {
        MatrixRef::Dense(a)
    }
}
impl<'a, T> From<&'a Array2<T>> for MatrixRef<'a, T> {
    fn from(a: &'a Array2<T>) -> Self {
        MatrixRef::Dense(a.view())
    }
}
impl<'a, T> From<SparseView<'a, T>> for MatrixRef<'a, T> {
    fn from(s: SparseView<'a, T>) -> Self {
        MatrixRef::Sparse(s)
    }
}
impl<'a, T> From<&'a Sparse<T>> for MatrixRef<'a, T> {
    fn from(s: &'a Sparse<T>) -> Self {
        MatrixRef::Sparse(s.view())
    }
}
impl<'a, T: Element> From<&'a Matrix<T>> for MatrixRef<'a, T> {
    fn from(m: &'a Matrix<T>) -> Self {
        m.view()
    }
}
impl<T> From<Array2<T>> for Matrix<T> {
    fn from(a: Array2<T>) -> Self {
        Matrix::Dense(a)
    }
}
impl<T> From<Sparse<T>> for Matrix<T> {
    fn from(s: Sparse<T>) -> Self {
        Matrix::Sparse(s)
    }
}
