//! What is refused before any work: modes and matrices that do not fit together.

use super::{Coupled, Relation};
use crate::fit::check_start;
use crate::nmf::check::check_fixed;
use crate::solver::{SolverOptions, Task};
use crate::{Backend, Element, Error, Problem, Result, SolverKind, Start, Weighted};
use ndarray::Array2;
use std::collections::HashMap;

/// A matrix with the numbers of its modes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl Edge {
    /// The mode on the other side of the matrix.
    pub(super) fn other(self, mode: usize) -> usize {
        if self.rows == mode { self.cols } else { self.rows }
    }
}

/// The same error, said about a matrix or a mode.
pub(super) fn within<T>(what: &str, name: &str, result: Result<T>) -> Result<T> {
    result.map_err(|source| Error::Within { what: format!("{what} \"{name}\""), source: Box::new(source) })
}

/// Checks the builder; the modes of every matrix.
pub(super) fn edges<T: Element>(c: &Coupled<'_, T>) -> Result<Vec<Edge>> {
    let refuse = |message: String| Err(Error::Unsupported(message));
    if c.rank == 0 {
        return Err(Error::Rank { rank: 0, reason: "at least one component is needed".into() });
    }
    if c.rank > 65_536 {
        return Err(Error::Rank { rank: c.rank, reason: "at most 65536 components are supported".into() });
    }
    if c.restarts == 0 {
        return Err(Error::Parameter { name: "restarts", value: "0".into(), expected: "at least 1" });
    }
    c.stop.check()?;
    if c.matrices.is_empty() {
        return refuse("no matrices are given: at least one is needed".into());
    }
    let mut numbers = HashMap::new();
    for (i, mode) in c.modes.iter().enumerate() {
        if numbers.insert(mode.name.as_str(), i).is_some() {
            return refuse(format!("two modes are called \"{}\": each needs a name of its own", mode.name));
        }
    }
    let known: Vec<&str> = c.modes.iter().map(|m| m.name.as_str()).collect();
    let mut names = HashMap::new();
    let mut edges = Vec::new();
    for r in &c.matrices {
        if names.insert(r.name.as_str(), ()).is_some() {
            return refuse(format!("two matrices are called \"{}\": each needs a name of its own", r.name));
        }
        let find = |mode: &str| {
            numbers.get(mode).copied().ok_or_else(|| {
                let known = known.join(", ");
                Error::Unsupported(format!("matrix \"{}\": there is no mode \"{mode}\"; the modes are {known}", r.name))
            })
        };
        let edge = Edge { rows: find(&r.rows)?, cols: find(&r.cols)? };
        if edge.rows == edge.cols {
            return refuse(format!(
                "matrix \"{}\": rows and columns are the same mode \"{}\", and X ≈ F·Fᵀ is another model, which is not supported; give the columns a mode of their own",
                r.name, r.rows
            ));
        }
        if !(r.weight > 0.0 && r.weight.is_finite()) {
            let e = Error::Parameter { name: "weight", value: r.weight.to_string(), expected: "a finite number > 0" };
            return within("matrix", &r.name, Err(e));
        }
        if r.loss.beta().is_none() {
            return refuse(format!(
                "matrix \"{}\": the loss {} is no β-divergence, whose updates add up",
                r.name, r.loss
            ));
        }
        let size = |m: usize| c.modes.get(m).map_or(0, |m| m.size);
        let fits = Error::check_shape("the matrix over its modes", (size(edge.rows), size(edge.cols)), r.x.dim());
        within("matrix", &r.name, fits)?;
        edges.push(edge);
    }
    for (i, mode) in c.modes.iter().enumerate() {
        if !edges.iter().any(|e| e.rows == i || e.cols == i) {
            return refuse(format!("mode \"{}\" appears in no matrix", mode.name));
        }
        within("mode", &mode.name, mode.penalty.check())?;
        if let Some(f) = &mode.start {
            let start = Start { w: f.clone(), h: Array2::from_elem((1, c.rank), T::one()) };
            within("mode", &mode.name, check_start(&start, (mode.size, 1), c.rank, 1))?;
        }
        if let Some(f) = &mode.fixed {
            within("mode", &mode.name, check_fixed("the fixed columns", &f.view(), mode.size, c.rank, 1))?;
        }
    }
    Ok(edges)
}

/// X beside its weights, if it has any: what [`problem`] borrows from.
pub(super) fn weighted<'x, T: Element>(r: &'x Relation<'_, T>) -> Result<Option<Weighted<'x, T>>> {
    let stored_only = r.observed == crate::Observed::Stored;
    let pair = r.weights.as_ref().map(|w| Weighted::new(&r.x.reborrow(), &w.reborrow(), stored_only)).transpose();
    within("matrix", &r.name, pair)
}

/// A matrix, checked, on a backend that can do its updates.
pub(super) fn problem<'x, T: Element, B: Backend<Elem = T>>(
    b: &B,
    r: &'x Relation<'_, T>,
    weighted: Option<&'x Weighted<'x, T>>,
) -> Result<Problem<'x, T>> {
    let checked = match weighted {
        Some(w) => Problem::weighted(w, r.loss.clone()),
        None => Problem::new(r.x.reborrow(), r.loss.clone(), r.observed),
    };
    let problem = within("matrix", &r.name, checked)?;
    let (loss, options) = (problem.loss(), SolverOptions::default());
    let task = Task { loss, observed: problem.observed(), sparse: problem.is_sparse(), options };
    within("matrix", &r.name, SolverKind::Mu.resolve(b, &task))?;
    Ok(problem)
}
