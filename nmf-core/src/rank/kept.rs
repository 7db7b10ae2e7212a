//! What is kept of a survey: the states and their snapshots. A snapshot that does not fit X or the survey is an error that names it.

use super::summary::items;
use super::{Archive, Key, Surveyed};
use crate::snapshot::Snapshot;
use crate::{Element, Error, Result, Side};
use ndarray::Array2;

/// A finished [`super::Unit::Run`].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept<T> {
    /// Rank.
    pub(super) k: usize,
    /// Which start.
    pub(super) restart: usize,
    /// Divergence plus penalties.
    pub(super) objective: f64,
    /// Σ d(x, v).
    pub(super) divergence: f64,
    /// ‖X − WH‖² over the entries that count, with their weights.
    pub(super) squared_error: f64,
    /// W, m×k.
    pub(super) w: Array2<T>,
    /// H, k×n.
    pub(super) h: Array2<T>,
}

/// A fold, as far as the survey came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fold<T> {
    /// The ranks that are done.
    pub(super) ranks: Vec<usize>,
    /// Held-out error per entry of each.
    pub(super) errors: Vec<f64>,
    /// W (m×k) and H (k×n) of the last of them, from which the next rank starts.
    pub(super) last: Option<(Array2<T>, Array2<T>)>,
}

impl<T> Default for Fold<T> {
    fn default() -> Self {
        Fold { ranks: Vec::new(), errors: Vec::new(), last: None }
    }
}

impl<T> Fold<T> {
    /// Whether it belongs to a survey of these ranks: each rank starts from the one before, so that one list must begin with the other.
    pub(super) fn fits(&self, ranks: &[usize]) -> bool {
        self.ranks.iter().zip(ranks).all(|(a, b)| a == b)
    }
}

/// What has a place in an archive.
pub(super) trait State<T>: Sized {
    fn snapshot(&self) -> Snapshot<T>;
    /// For X of `dim` = m×n.
    fn restore(key: Key, from: &Snapshot<T>, dim: (usize, usize)) -> Result<Self>;
}

/// Reads a state, if it is there; the error says which.
pub(super) fn load<T: Element, S: State<T>>(
    archive: &dyn Archive<T>,
    key: Key,
    dim: (usize, usize),
) -> Result<Option<S>> {
    let Some(snapshot) = archive.load(key)? else { return Ok(None) };
    S::restore(key, &snapshot, dim).map(Some).map_err(|e| Error::Archive(format!("{key}: {e}")))
}

/// The numbers of an entry, exactly so many.
fn numbers<const N: usize, T: Element>(from: &Snapshot<T>, name: &str) -> Result<[f64; N]> {
    let all = from.numbers(name)?;
    all.try_into().map_err(|_| Snapshot::<T>::unfit(name, format!("{} numbers", all.len()), format!("{N} numbers")))
}

/// W (m×k) and H (k×n).
fn factors<T: Element>(from: &Snapshot<T>, k: usize, (m, n): (usize, usize)) -> Result<(Array2<T>, Array2<T>)> {
    Ok((from.matrix("W", (m, k))?.to_owned(), from.matrix("H", (k, n))?.to_owned()))
}

fn put_factors<T: Element>(to: &mut Snapshot<T>, w: &Array2<T>, h: &Array2<T>) {
    to.put_matrix("W", w.clone());
    to.put_matrix("H", h.as_standard_layout().into_owned());
}

impl<T: Element> State<T> for Kept<T> {
    fn snapshot(&self) -> Snapshot<T> {
        let mut to = Snapshot::new();
        to.put_numbers("values", [self.objective, self.divergence, self.squared_error]);
        put_factors(&mut to, &self.w, &self.h);
        to
    }

    fn restore(key: Key, from: &Snapshot<T>, dim: (usize, usize)) -> Result<Self> {
        let Key::Run { k, restart } = key else { return Err(Error::Archive(format!("{key} is no run"))) };
        let [objective, divergence, squared_error] = numbers(from, "values")?;
        let (w, h) = factors(from, k, dim)?;
        Ok(Kept { k, restart, objective, divergence, squared_error, w, h })
    }
}

impl<T: Element> State<T> for Fold<T> {
    fn snapshot(&self) -> Snapshot<T> {
        let mut to = Snapshot::new();
        to.put_numbers("errors", self.errors.clone());
        to.put_counts("ranks", counts(&self.ranks));
        if let Some((w, h)) = &self.last {
            put_factors(&mut to, w, h);
        }
        to
    }

    fn restore(_: Key, from: &Snapshot<T>, dim: (usize, usize)) -> Result<Self> {
        let errors = from.numbers("errors")?.to_vec();
        let ranks = indices(from, "ranks", errors.len(), usize::MAX)?;
        let last = ranks.last().map(|k| factors(from, *k, dim)).transpose()?;
        Ok(Fold { ranks, errors, last })
    }
}

/// An order, clusters or items: as many as `count`, each below `below`.
fn indices<T: Element>(from: &Snapshot<T>, name: &str, count: usize, below: usize) -> Result<Vec<usize>> {
    let all: Vec<usize> = from.counts(name)?.iter().map(|v| usize::try_from(*v).unwrap_or(usize::MAX)).collect();
    if all.len() == count && all.iter().all(|v| *v < below) {
        return Ok(all);
    }
    let largest = all.iter().max().copied().unwrap_or(0);
    let found = format!("{} numbers up to {largest}", all.len());
    Err(Snapshot::<T>::unfit(name, found, format!("{count} numbers below {below}")))
}

fn counts(list: &[usize]) -> Vec<u64> {
    list.iter().map(|v| *v as u64).collect()
}

impl<T: Element> State<T> for Surveyed<T> {
    fn snapshot(&self) -> Snapshot<T> {
        let mut to = Snapshot::new();
        to.put_numbers("values", [self.objective, self.squared_error, self.explained]);
        to.put_counts("best", [self.best as u64]);
        to.put_counts("compresses", [u64::from(self.compresses)]);
        to.put_counts("rows_clustered", [u64::from(self.clustered == Side::Rows)]);
        for (name, value) in
            [("cophenetic", self.cophenetic), ("dispersion", self.dispersion), ("silhouette", self.silhouette)]
        {
            to.put_numbers(name, Vec::from_iter(value));
        }
        for (name, list) in
            [("divergences", &self.divergences), ("stability", &self.stability), ("silhouettes", &self.silhouettes)]
        {
            to.put_numbers(name, list.clone());
        }
        to.put_counts("order", counts(&self.order));
        to.put_counts("clusters", counts(&self.clusters));
        to.put_numbers("consensus", self.consensus.iter().copied().collect::<Vec<_>>());
        put_factors(&mut to, &self.w, &self.h);
        to
    }

    fn restore(key: Key, from: &Snapshot<T>, dim: (usize, usize)) -> Result<Self> {
        let Key::Rank(k) = key else { return Err(Error::Archive(format!("{key} is no rank"))) };
        let [objective, squared_error, explained] = numbers(from, "values")?;
        let clustered = if from.index("rows_clustered")? == 1 { Side::Rows } else { Side::Cols };
        let items = items(if clustered == Side::Rows { dim.0 } else { dim.1 });
        let divergences = from.numbers("divergences")?.to_vec();
        let best = from.index("best")?;
        if best >= divergences.len() {
            return Err(Snapshot::<T>::unfit("best", best.to_string(), format!("below {}", divergences.len())));
        }
        let side = items.len();
        let consensus = from.numbers("consensus")?.to_vec();
        let found = format!("{} numbers", consensus.len());
        let shape = if consensus.is_empty() { (0, 0) } else { (side, side) };
        let consensus = Array2::from_shape_vec(shape, consensus)
            .map_err(|_| Snapshot::<T>::unfit("consensus", found, format!("{side}² numbers")))?;
        let (w, h) = factors(from, k, dim)?;
        Ok(Surveyed {
            k,
            divergences,
            best,
            objective,
            squared_error,
            explained,
            compresses: from.index("compresses")? == 1,
            held_out: None,
            folds: Vec::new(),
            cophenetic: from.optional("cophenetic")?,
            dispersion: from.optional("dispersion")?,
            silhouette: from.optional("silhouette")?,
            stability: from.numbers("stability")?.to_vec(),
            silhouettes: from.numbers("silhouettes")?.to_vec(),
            clustered,
            order: indices(from, "order", side, side)?,
            clusters: indices(from, "clusters", side, k)?,
            items,
            consensus,
            w,
            h,
        })
    }
}
