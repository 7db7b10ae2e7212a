//! A number that tells matrices apart: for files that belong to one matrix and no other.

use nmf_core::{Element, MatrixRef};

/// FNV-1a over the shape and, in order of rows and columns, the place and bits of every stored entry that is not zero. The same for
/// dense and sparse layouts of one matrix, so that a converted file is still the same matrix.
pub(crate) fn fingerprint<T: Element>(x: &MatrixRef<'_, T>) -> u64 {
    let mut hash = Fnv::new();
    let (rows, cols) = x.dim();
    hash.word(rows as u64);
    hash.word(cols as u64);
    let mut add = |i: usize, j: usize, v: T| {
        if v != T::zero() {
            hash.word((i as u64) << 32 | j as u64);
            hash.word(v.f64().to_bits());
        }
    };
    match x {
        MatrixRef::Sparse(s) if !s.is_csr() => MatrixRef::from(&s.to_csr()).for_each(&mut add),
        _ => x.for_each(&mut add),
    }
    hash.0
}

struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// Eight bytes at a time: no adversary, and matrices are large.
    fn word(&mut self, w: u64) {
        self.0 = (self.0 ^ w).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use nmf_core::Sparse;

    #[test]
    fn layouts_agree_and_changes_show() {
        let x = array![[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]];
        let csr = Sparse::csr_from_dense(x.view(), 0.0);
        let of = |m: MatrixRef<'_, f64>| fingerprint(&m);
        let dense = of((&x).into());
        assert_eq!(dense, of((&csr).into()));
        assert_eq!(dense, of((&csr.to_csc()).into()));
        for other in [array![[1.0, 2.0, 0.0], [0.0, 3.0, 0.0]], array![[1.0, 0.0, 2.0], [0.0, 3.0, 1e-300]]] {
            assert_ne!(dense, of((&other).into()));
        }
        assert_ne!(dense, of(x.t().into()));
    }
}
