//! The input matrix X: dense (ndarray) or sparse (sprs), borrowed or owned.
//!
//! Sparse matrices have 32-bit column indices and 64-bit row offsets: more than 2³² stored entries are
//! fine, more than 2³² rows or columns are not.

use crate::Element;
use ndarray::{Array2, ArrayView2, Axis};
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

    /// Some rows, see [`MatrixRef::select_rows`].
    #[must_use]
    pub fn select_rows(&self, rows: &[usize]) -> Matrix<T> {
        self.view().select_rows(rows)
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

    /// The matrix (rows.len() × columns) whose row i is the row `rows[i]` of this one, counted from 0; a row may come several
    /// times. Sparse stays sparse, in CSR, with exactly the stored entries of these rows. A CSC matrix is converted as a whole
    /// first: convert it once where rows are selected often.
    ///
    /// Panics, as an index does, where a row is not in the matrix.
    pub fn select_rows(&self, rows: &[usize]) -> Matrix<T> {
        let s = match self {
            MatrixRef::Dense(a) => return Matrix::Dense(a.select(Axis(0), rows)),
            MatrixRef::Sparse(s) if s.is_csr() => s.view(),
            MatrixRef::Sparse(s) => return Matrix::Sparse(s.to_csr()).select_rows(rows),
        };
        let (mut offsets, mut indices, mut values) = (vec![0u64], Vec::new(), Vec::new());
        for &i in rows {
            assert!(i < s.rows(), "row {i} of a matrix with {} rows", s.rows());
            if let Some(row) = s.outer_view(i) {
                indices.extend_from_slice(row.indices());
                values.extend_from_slice(row.data());
            }
            offsets.push(values.len() as u64);
        }
        Matrix::Sparse(Sparse::new((rows.len(), s.cols()), offsets, indices, values))
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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rows_are_selected_in_every_layout() {
        let x = array![[1.0, 0.0, 3.0], [0.0, 0.0, 0.0], [0.0, 5.0, 6.0], [7.0, 0.0, 0.0]];
        let csr = Sparse::csr_from_dense(x.view(), 0.0);
        let (columns_first, transposed) =
            (x.t().as_standard_layout().into_owned().reversed_axes(), csr.clone().transpose_into());
        let layouts = [
            Matrix::Dense(x.clone()),
            Matrix::Dense(columns_first),
            Matrix::Sparse(csr.clone()),
            Matrix::Sparse(csr.to_csc()),
            Matrix::Sparse(transposed).transpose(),
        ];
        for rows in [&[2usize, 0, 2, 1, 3, 2][..], &[1, 1], &[3], &[]] {
            for m in &layouts {
                let chosen = m.select_rows(rows);
                assert_eq!(chosen.view().to_dense_f64(), x.select(Axis(0), rows));
                assert_eq!(matches!(chosen, Matrix::Sparse(_)), matches!(m, Matrix::Sparse(_)));
            }
        }
    }

    #[test]
    fn stored_zeros_stay_stored() {
        let x = Sparse::new((2, 2), vec![0, 2, 3], vec![0, 1, 1], vec![1.0f32, 0.0, 2.0]);
        let rows = [1, 0, 0];
        for m in [Matrix::Sparse(x.clone()), Matrix::Sparse(x.to_csc())] {
            let mut seen = Vec::new();
            m.select_rows(&rows).view().for_each(|i, j, v| seen.push((i, j, v)));
            assert_eq!(seen, [(0, 1, 2.0), (1, 0, 1.0), (1, 1, 0.0), (2, 0, 1.0), (2, 1, 0.0)]);
        }
    }
}
