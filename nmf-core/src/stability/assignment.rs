//! The assignment problem.

use ndarray::ArrayView2;

/// The columns p that maximize Σᵢ sᵢ,ₚ₍ᵢ₎, all different, for similarities s (r×c with r ≤ c): entry i belongs to row i.
///
/// With more rows than columns every column goes to one row, and the rows left over get `usize::MAX`. A similarity that is
/// NaN counts as 0. Of several optima the one found does not depend on anything but s.
///
/// Shortest augmenting paths, O(r²·c): R. Jonker and A. Volgenant, Computing 38, 1987, without their initialization, as in
/// D. F. Crouse, "On implementing 2D rectangular assignment algorithms", IEEE TAES 52(4), 2016; after H. W. Kuhn's
/// Hungarian method (1955).
pub fn assign(similarity: ArrayView2<'_, f64>) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let (rows, cols) = similarity.dim();
    if rows > cols {
        let mut out = vec![NONE; rows];
        assign(similarity.t()).into_iter().enumerate().for_each(|(col, row)| out[row] = col);
        return out;
    }
    // the bound keeps sums of costs finite
    let cost = |i: usize, j: usize| {
        let s = similarity[[i, j]];
        if s.is_nan() { 0.0 } else { -s.clamp(-1e300, 1e300) }
    };
    let (mut col_of, mut row_of) = (vec![NONE; rows], vec![NONE; cols]);
    // dual variables: cost − u − v is never negative, and 0 on what is assigned
    let (mut u, mut v) = (vec![0.0; rows], vec![0.0; cols]);
    for new in 0..rows {
        // Dijkstra from the new row to the nearest free column; `from` is the row before each column
        let (mut distance, mut from) = (vec![f64::INFINITY; cols], vec![new; cols]);
        let (mut done, mut visited) = (vec![false; cols], Vec::new());
        let (mut row, mut reached) = (new, 0.0);
        let sink = loop {
            let mut nearest: Option<usize> = None;
            for j in (0..cols).filter(|j| !done[*j]) {
                let d = reached + cost(row, j) - u[row] - v[j];
                if d < distance[j] {
                    (distance[j], from[j]) = (d, row);
                }
                if nearest.is_none_or(|best| distance[j] < distance[best]) {
                    nearest = Some(j);
                }
            }
            // r ≤ c leaves a free column until the last row is assigned
            let Some(j) = nearest else { return col_of };
            (done[j], reached) = (true, distance[j]);
            if row_of[j] == NONE {
                break j;
            }
            visited.push(j);
            row = row_of[j];
        };
        u[new] += reached;
        for j in visited {
            u[row_of[j]] += reached - distance[j];
            v[j] -= reached - distance[j];
        }
        let mut col = sink;
        loop {
            let row = from[col];
            row_of[col] = row;
            let next = std::mem::replace(&mut col_of[row], col);
            if row == new {
                break;
            }
            col = next;
        }
    }
    col_of
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    /// The largest sum over all injections of the rows into the columns.
    fn best(s: &Array2<f64>, row: usize, free: &mut Vec<usize>) -> f64 {
        if row == s.nrows() {
            return 0.0;
        }
        let mut most = f64::NEG_INFINITY;
        for at in 0..free.len() {
            let col = free.swap_remove(at);
            most = most.max(s[[row, col]] + best(s, row + 1, free));
            free.push(col);
            let last = free.len() - 1;
            free.swap(at, last);
        }
        most
    }

    fn check(s: &Array2<f64>) {
        let p = assign(s.view());
        let mut seen = vec![false; s.ncols()];
        p.iter().for_each(|j| assert!(!std::mem::replace(&mut seen[*j], true), "{p:?}"));
        let sum: f64 = p.iter().enumerate().map(|(i, j)| s[[i, *j]]).sum();
        let best = best(s, 0, &mut (0..s.ncols()).collect());
        assert!((sum - best).abs() < 1e-12 * (1.0 + best.abs()), "{sum} of {best} in {s:?}");
    }

    proptest! {
        #[test]
        fn no_permutation_is_better(rows in 1usize..8, more in 0usize..3, values in prop::collection::vec(-1.0f64..1.0, 70)) {
            let cols = (rows + more).min(7).max(rows);
            check(&Array2::from_shape_fn((rows, cols), |(i, j)| values[i * cols + j]));
        }

        #[test]
        fn nor_where_many_are_equal(n in 1usize..7, values in prop::collection::vec(0u8..3, 36)) {
            check(&Array2::from_shape_fn((n, n), |(i, j)| f64::from(values[i * n + j])));
        }

        #[test]
        fn rows_left_over_have_no_column(cols in 0usize..5, more in 1usize..3, values in prop::collection::vec(0.0f64..1.0, 30)) {
            let s = Array2::from_shape_fn((cols + more, cols), |(i, j)| values[i * cols + j]);
            let (p, back) = (assign(s.view()), assign(s.t()));
            prop_assert_eq!(p.iter().filter(|j| **j == usize::MAX).count(), more);
            for (j, i) in back.into_iter().enumerate() {
                prop_assert_eq!(p[i], j);
            }
        }
    }

    #[test]
    fn a_planted_permutation_of_many_is_found() {
        let n = 120;
        let planted = |i: usize| (37 * i + 5) % n;
        let s = Array2::from_shape_fn((n, n), |(i, j)| {
            0.9 * ((i * 31 + j * 17) % 101) as f64 / 101.0 + if j == planted(i) { 1.0 } else { 0.0 }
        });
        assert_eq!(assign(s.view()), (0..n).map(planted).collect::<Vec<_>>());
    }

    #[test]
    fn values_out_of_the_ordinary_do_no_harm() {
        assert_eq!(assign(Array2::zeros((0, 0)).view()), Vec::<usize>::new());
        assert_eq!(assign(Array2::zeros((2, 0)).view()), [usize::MAX; 2]);
        assert_eq!(assign(array![[f64::NAN, -1.0], [-1.0, f64::NAN]].view()), [0, 1]);
        assert_eq!(assign(array![[1.0, f64::INFINITY], [2.0, 3.0]].view()), [1, 0]);
        assert_eq!(assign(array![[f64::NEG_INFINITY, 0.0], [0.0, f64::NEG_INFINITY]].view()), [1, 0]);
        let mut huge = assign(Array2::from_elem((5, 5), f64::MAX).view());
        huge.sort_unstable();
        assert_eq!(huge, [0, 1, 2, 3, 4]);
    }
}
