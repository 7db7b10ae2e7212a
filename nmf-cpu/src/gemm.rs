//! Dense products through the `gemm` crate, behind one safe function.

use nmf_core::Element;

/// A strided view for a product: element (i, j) is `data[i·rs + j·cs]`.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) rs: usize,
    pub(crate) cs: usize,
}

/// A mutable [`Mat`].
pub(crate) struct MatMut<'a, T> {
    pub(crate) data: &'a mut [T],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) rs: usize,
    pub(crate) cs: usize,
}

impl<'a, T> Mat<'a, T> {
    pub(crate) fn new(data: &'a [T], rows: usize, cols: usize, stride: usize) -> Self {
        Mat { data, rows, cols, rs: stride, cs: 1 }
    }
    pub(crate) fn t(self) -> Self {
        Mat { data: self.data, rows: self.cols, cols: self.rows, rs: self.cs, cs: self.rs }
    }
}

impl<'a, T> MatMut<'a, T> {
    pub(crate) fn new(data: &'a mut [T], rows: usize, cols: usize, stride: usize) -> Self {
        MatMut { data, rows, cols, rs: stride, cs: 1 }
    }
}

fn last(rows: usize, cols: usize, rs: usize, cs: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * rs + (cols - 1) * cs + 1 }
}

/// dst = a·b, or dst += a·b with `add`, on the calling thread.
#[allow(unsafe_code)]
pub(crate) fn matmul<T: Element>(dst: MatMut<'_, T>, add: bool, a: Mat<'_, T>, b: Mat<'_, T>) {
    assert!(dst.rows == a.rows && dst.cols == b.cols && a.cols == b.rows, "a product's shapes do not match");
    assert!(last(dst.rows, dst.cols, dst.rs, dst.cs) <= dst.data.len());
    assert!(last(a.rows, a.cols, a.rs, a.cs) <= a.data.len());
    assert!(last(b.rows, b.cols, b.rs, b.cs) <= b.data.len());
    // two elements of the destination must not share a place
    assert!(dst.cs == 1 && dst.rs >= dst.cols || dst.rs == 1 && dst.cs >= dst.rows || dst.rows * dst.cols <= 1);
    // SAFETY: the assertions above show that every index i·rs + j·cs that the product touches lies within its slice,
    // that the destination's elements are distinct, and the borrow rules that it overlaps neither operand. T is f32
    // or f64, the types `gemm` has kernels for (`Element` is implemented for these two only and both are 'static).
    unsafe {
        gemm::gemm(
            dst.rows,
            dst.cols,
            a.cols,
            dst.data.as_mut_ptr(),
            dst.cs as isize,
            dst.rs as isize,
            add,
            a.data.as_ptr(),
            a.cs as isize,
            a.rs as isize,
            b.data.as_ptr(),
            b.cs as isize,
            b.rs as isize,
            T::one(),
            T::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
