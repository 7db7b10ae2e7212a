//! How far two partitions of the same documents agree, such as topics and labels.

use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Counts of a contingency table: cells, row sums, column sums.
struct Table {
    n: u64,
    cells: BTreeMap<(usize, usize), u64>,
    rows: Vec<u64>,
    cols: Vec<u64>,
}

fn number<'a, A: Eq + Hash>(known: &mut HashMap<&'a A, usize>, sums: &mut Vec<u64>, value: &'a A) -> usize {
    let next = known.len();
    let id = *known.entry(value).or_insert(next);
    if id == sums.len() {
        sums.push(0);
    }
    sums[id] += 1;
    id
}

fn table<A: Eq + Hash, B: Eq + Hash>(a: &[A], b: &[B]) -> Result<Table> {
    if a.len() != b.len() || a.is_empty() {
        return Err(Error::Shape {
            what: "clusterings to compare",
            expected: "two of the same documents, at least one".into(),
            found: format!("{} and {}", a.len(), b.len()),
        });
    }
    let mut t = Table { n: a.len() as u64, cells: BTreeMap::new(), rows: Vec::new(), cols: Vec::new() };
    let (mut known_a, mut known_b) = (HashMap::new(), HashMap::new());
    for (x, y) in a.iter().zip(b) {
        let cell = (number(&mut known_a, &mut t.rows, x), number(&mut known_b, &mut t.cols, y));
        *t.cells.entry(cell).or_insert(0) += 1;
    }
    Ok(t)
}

fn entropy(sums: &[u64], n: f64) -> f64 {
    sums.iter().map(|&s| s as f64 / n).map(|p| -p * p.ln()).sum()
}

/// Normalized mutual information, 0 to 1: I(a; b) over the arithmetic mean of the two entropies, as
/// scikit-learn's `normalized_mutual_info_score`; 1 when both put everything into one cluster.
pub fn nmi<A: Eq + Hash, B: Eq + Hash>(a: &[A], b: &[B]) -> Result<f64> {
    let t = table(a, b)?;
    if t.rows.len() == 1 && t.cols.len() == 1 {
        return Ok(1.0);
    }
    let n = t.n as f64;
    let mutual: f64 = t
        .cells
        .iter()
        .map(|(&(i, j), &c)| {
            let c = c as f64;
            c / n * (c * n / (t.rows[i] as f64 * t.cols[j] as f64)).ln()
        })
        .sum();
    if mutual <= f64::EPSILON {
        return Ok(0.0);
    }
    Ok(mutual / (0.5 * (entropy(&t.rows, n) + entropy(&t.cols, n))))
}

fn pairs(n: u64) -> f64 {
    n as f64 * (n as f64 - 1.0) / 2.0
}

/// Adjusted Rand index (Hubert & Arabie, Comparing partitions, Journal of Classification 2, 1985): 1 for
/// the same partition, 0 on average for independent ones, down to −0.5.
pub fn ari<A: Eq + Hash, B: Eq + Hash>(a: &[A], b: &[B]) -> Result<f64> {
    let t = table(a, b)?;
    let both: f64 = t.cells.values().map(|&c| pairs(c)).sum();
    let (in_a, in_b): (f64, f64) = (t.rows.iter().map(|&c| pairs(c)).sum(), t.cols.iter().map(|&c| pairs(c)).sum());
    let most = 0.5 * (in_a + in_b);
    if both == most {
        return Ok(1.0); // the same partition; also when no pair, or every pair, is together in both
    }
    let expected = in_a * in_b / pairs(t.n);
    Ok((both - expected) / (most - expected))
}

/// Purity, 0 to 1: the share of documents that have the most frequent label of their cluster. It grows
/// with the number of clusters; one cluster a document has purity 1.
pub fn purity<A: Eq + Hash, B: Eq + Hash>(clusters: &[A], labels: &[B]) -> Result<f64> {
    let t = table(clusters, labels)?;
    let mut best = vec![0u64; t.rows.len()];
    for (&(i, _), &c) in &t.cells {
        best[i] = best[i].max(c);
    }
    Ok(best.iter().sum::<u64>() as f64 / t.n as f64)
}

/// The three measures between topics and labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// See [`nmi`].
    pub nmi: f64,
    /// See [`ari`].
    pub ari: f64,
    /// See [`purity`].
    pub purity: f64,
    /// Documents compared: those with a label.
    pub documents: usize,
}

/// Compares the topic of each document (`None` counts as one more topic) with its label. Documents with
/// an empty label are left out.
pub fn agreement(topics: &[Option<usize>], labels: &[String]) -> Result<Agreement> {
    if topics.len() != labels.len() {
        return Err(Error::Shape {
            what: "topics and labels",
            expected: format!("one label for each of {} documents", topics.len()),
            found: labels.len().to_string(),
        });
    }
    let (topics, labels): (Vec<Option<usize>>, Vec<&str>) =
        topics.iter().zip(labels).filter(|(_, l)| !l.is_empty()).map(|(t, l)| (*t, l.as_str())).unzip();
    Ok(Agreement {
        nmi: nmi(&topics, &labels)?,
        ari: ari(&topics, &labels)?,
        purity: purity(&topics, &labels)?,
        documents: topics.len(),
    })
}
