//! Which words describe a topic best.
//!
//! The words with the largest weights are often common to several topics. The relevance of word w to topic q is
//! λ·ln p(w|q) + (1−λ)·ln(p(w|q)/p(w)): Sievert & Shirley, LDAvis: A method for visualizing and interpreting topics,
//! 2014, whose readers understood topics best at λ near 0.6. p(w|q) is row q of H over its sum, p(w) what the whole
//! model expects.

use clap::ValueEnum;
use ndarray::{Array2, ArrayView2};
use nmf_core::Element;
use nmf_text::topics::top_terms;

/// The weight of frequency against distinctness.
const LAMBDA: f64 = 0.6;

/// How the words of a topic are chosen and ordered.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// Frequent in the topic and distinctive of it
    Relevance,
    /// The largest weights
    Weight,
}

impl Words {
    /// The columns of the `n` best words of every row of H (k × words); W is documents × k.
    pub(crate) fn of<T: Element>(self, w: ArrayView2<'_, T>, h: ArrayView2<'_, T>, n: usize) -> Vec<Vec<usize>> {
        if self == Words::Weight {
            return top_terms(h, n);
        }
        let mut expected = vec![0.0; h.ncols()];
        for (column, row) in w.columns().into_iter().zip(h.outer_iter()) {
            let size: f64 = column.iter().map(|v| v.f64()).sum();
            expected.iter_mut().zip(&row).for_each(|(e, v)| *e += size * v.f64());
        }
        let terms = |row: ndarray::ArrayView1<'_, T>| {
            // p(w|q)·p(w)^(λ−1) is the exponential of the relevance up to a factor
            let score = |j: usize| if expected[j] > 0.0 { row[j].f64() * expected[j].powf(LAMBDA - 1.0) } else { 0.0 };
            top_terms(Array2::from_shape_fn((1, row.len()), |(_, j)| score(j)).view(), n).pop().unwrap_or_default()
        };
        h.outer_iter().map(terms).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_word_of_every_topic_gives_way_to_one_of_its_own() {
        let (w, h) = (array![[1.0, 0.0], [0.0, 1.0]], array![[0.45, 0.4, 0.15, 0.0], [0.45, 0.0, 0.2, 0.35]]);
        assert_eq!(Words::Weight.of(w.view(), h.view(), 2), [[0, 1], [0, 3]]);
        assert_eq!(Words::Relevance.of(w.view(), h.view(), 2), [[1, 0], [3, 0]]);
        // the scale of a topic's row does not matter, and words of weight 0 are none of its words
        let (w, h) = (array![[0.5, 0.0], [0.0, 1.0]], array![[0.9, 0.8, 0.3, 0.0], [0.45, 0.0, 0.2, 0.35]]);
        assert_eq!(Words::Relevance.of(w.view(), h.view(), 9), [vec![1, 0, 2], vec![3, 0, 2]]);
    }
}
