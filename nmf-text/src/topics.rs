//! Reading the factors of a document–term matrix X ≈ W·H: words of topics, topics of documents.
//!
//! W is documents × topics, H is topics × words. A topic's row of H may be scaled by any factor and its
//! column of W by the inverse, so weights of different topics in W compare only after
//! [`document_topic_shares`].

use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2};
use nmf_core::{Element, Sparse};

fn shape(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Shape { what, expected: expected.to_string(), found: found.to_string() })
}

/// The columns of the `n` largest entries of each row of H, largest first; entries that are not above 0
/// are no words of the topic, and equal ones come in the order of their columns.
pub fn top_terms<T: Element>(h: ArrayView2<'_, T>, n: usize) -> Vec<Vec<usize>> {
    let top = |row: ArrayView1<'_, T>| {
        let mut terms: Vec<(usize, f64)> = row.iter().map(|v| v.f64()).enumerate().filter(|(_, v)| *v > 0.0).collect();
        let order = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if n > 0 && n < terms.len() {
            terms.select_nth_unstable_by(n - 1, order);
        }
        terms.truncate(n);
        terms.sort_unstable_by(order);
        terms.into_iter().map(|(j, _)| j).collect()
    };
    h.outer_iter().map(top).collect()
}

/// The words of [`top_terms`] with their weights.
pub fn top_words<T: Element>(h: ArrayView2<'_, T>, vocabulary: &[String], n: usize) -> Result<Vec<Vec<(String, f64)>>> {
    shape("words of the vocabulary for the columns of H", h.ncols(), vocabulary.len())?;
    let rows = top_terms(h, n).into_iter().zip(h.outer_iter());
    Ok(rows.map(|(terms, row)| terms.into_iter().map(|j| (vocabulary[j].clone(), row[j].f64())).collect()).collect())
}

/// Shares of the topics in each document: w_ik·‖h_k‖₁ is the number of words (or the tf-idf weight) the
/// model expects of topic k in document i whatever the scale of h_k; each row is divided by its sum.
/// Rows without weight stay zero.
pub fn document_topic_shares<T: Element>(w: ArrayView2<'_, T>, h: ArrayView2<'_, T>) -> Result<Array2<f64>> {
    shape("columns of W for the rows of H", h.nrows(), w.ncols())?;
    let norms: Vec<f64> = h.outer_iter().map(|row| row.iter().map(|v| v.f64().abs()).sum()).collect();
    let mut shares = w.mapv(|v| v.f64());
    for mut row in shares.outer_iter_mut() {
        row.iter_mut().zip(&norms).for_each(|(v, norm)| *v *= norm);
        let sum: f64 = row.sum();
        if sum > 0.0 && sum.is_finite() {
            row.mapv_inplace(|v| v / sum);
        }
    }
    Ok(shares)
}

/// The topic with the largest entry in each row, the first of equal ones; `None` for rows without an entry
/// above 0.
pub fn strongest_topic<T: Element>(shares: ArrayView2<'_, T>) -> Vec<Option<usize>> {
    let strongest = |row: ArrayView1<'_, T>| {
        let mut best = (None, 0.0);
        for (k, v) in row.iter().map(|v| v.f64()).enumerate() {
            if v > best.1 {
                best = (Some(k), v);
            }
        }
        best.0
    };
    shares.outer_iter().map(strongest).collect()
}

/// Cosines between the rows of H, k × k: 1 for topics with the same words in the same proportions, 0 for topics without
/// a common word. A row without weight has 0 with every other and with itself.
pub fn similarity<T: Element>(h: ArrayView2<'_, T>) -> Array2<f64> {
    let mut rows = h.mapv(|v| v.f64());
    for mut row in rows.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row.mapv_inplace(|v| v / norm);
        }
    }
    rows.dot(&rows.t())
}

/// The `n` documents that are most about each topic, best first: those with the largest s²·√(w_ik·‖h_k‖₁), where s is
/// the topic's share of the document (see [`document_topic_shares`]). The share alone would put documents of a few
/// words first, many of which are wholly about one topic. Documents without weight on the topic are left out.
pub fn top_documents<T: Element>(
    w: ArrayView2<'_, T>,
    h: ArrayView2<'_, T>,
    shares: ArrayView2<'_, f64>,
    n: usize,
) -> Result<Vec<Vec<usize>>> {
    shape("columns of W for the rows of H", h.nrows(), w.ncols())?;
    shape("columns of the shares for the rows of H", h.nrows(), shares.ncols())?;
    shape("rows of the shares for the rows of W", w.nrows(), shares.nrows())?;
    let topic = |(k, row): (usize, ArrayView1<'_, T>)| {
        let norm: f64 = row.iter().map(|v| v.f64().abs()).sum();
        let score = |(share, weight): (&f64, &T)| share * share * (weight.f64() * norm).sqrt();
        let scores = shares.column(k).iter().zip(w.column(k)).map(score).collect::<Vec<f64>>();
        let mut order: Vec<usize> = (0..scores.len()).filter(|&i| scores[i] > 0.0).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        order.truncate(n);
        order
    };
    Ok(h.outer_iter().enumerate().map(topic).collect())
}

/// How many documents have each of `topics` topics as [`strongest_topic`].
pub fn documents_per_topic(strongest: &[Option<usize>], topics: usize) -> Vec<usize> {
    let mut counts = vec![0; topics];
    for k in strongest.iter().flatten() {
        if let Some(count) = counts.get_mut(*k) {
            *count += 1;
        }
    }
    counts
}

/// The share of documents with at least half of their row's weight on one topic; rows without weight do
/// not have it. 0 without documents.
pub fn single_topic_share<T: Element>(shares: ArrayView2<'_, T>) -> f64 {
    let single = |row: ArrayView1<'_, T>| {
        let (mut sum, mut max) = (0.0, 0.0f64);
        for v in row.iter().map(|v| v.f64()) {
            sum += v;
            max = max.max(v);
        }
        sum > 0.0 && max >= 0.5 * sum
    };
    let documents = shares.nrows();
    if documents == 0 {
        return 0.0;
    }
    shares.outer_iter().filter(|row| single(row.view())).count() as f64 / documents as f64
}

/// Coherence of topics: the mean over all pairs of a topic's top words (see [`top_terms`]) of the
/// normalized pointwise mutual information ln(p_ij / (p_i p_j)) / −ln p_ij, where p are shares of the
/// documents that hold the words. −1: no two of the words ever meet in a document, 0: they meet as often as
/// by chance, 1: they occur only together. Words in no document count as never meeting. `None` for topics
/// with fewer than two words.
///
/// The measure: Bouma, Normalized (pointwise) mutual information in collocation extraction, GSCL 2009; for
/// topics: Lau, Newman & Baldwin, Machine reading tea leaves, EACL 2014. (There the shares are taken over
/// windows of a reference corpus; over the documents of the corpus itself, as here, values are higher.)
pub fn npmi<T: Element>(top: &[Vec<usize>], counts: &Sparse<T>) -> Result<Vec<Option<f64>>> {
    let (documents, terms) = counts.shape();
    let mut lists: Vec<Option<Vec<u32>>> = vec![None; terms];
    for &j in top.iter().flatten() {
        let Some(list) = lists.get_mut(j) else {
            return Err(Error::Shape {
                what: "column of a top word",
                expected: format!("below {terms}"),
                found: j.to_string(),
            });
        };
        *list = Some(Vec::new());
    }
    nmf_core::MatrixRef::from(counts).for_each(|i, j, v| {
        if let Some(list) = lists.get_mut(j).and_then(Option::as_mut).filter(|_| v > T::zero()) {
            list.push(i as u32);
        }
    });
    let list = |j: usize| lists.get(j).and_then(Option::as_deref).unwrap_or(&[]);
    let n = documents as f64;
    let pair = |i: usize, j: usize| {
        let (a, b) = (list(i), list(j));
        let both = common(a, b) as f64;
        if both == 0.0 {
            return -1.0;
        }
        if both == n {
            return 1.0; // both words in every document: the limit of words that occur only together
        }
        (both * n / (a.len() as f64 * b.len() as f64)).ln() / -(both / n).ln()
    };
    let mean = |words: &Vec<usize>| {
        let (mut sum, mut pairs) = (0.0, 0usize);
        for (at, &i) in words.iter().enumerate() {
            for &j in &words[..at] {
                sum += pair(i, j);
                pairs += 1;
            }
        }
        (pairs > 0).then(|| sum / pairs as f64)
    };
    Ok(top.iter().map(mean).collect())
}

/// How many numbers two ascending lists share.
fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut n) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        n += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    n
}
