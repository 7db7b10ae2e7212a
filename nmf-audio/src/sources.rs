//! The sources of a sound by factoring its spectrogram: what is learned where, and what each source claims.
//!
//! X (bins × frames) ≈ W·H, or a convolutive model of it ([`nmf_core::shifts`]): a column of W is a spectrum ("basis"), a row of H says
//! when it sounds. A source is a group of bases; its share of the mixture is a soft mask made of its part of the model
//! ([`crate::soft_masks`]).
//!
//! - **Semi-supervised**: bases learned where a part of the sound plays alone, kept fixed while free ones learn the rest, which is
//!   known to be silent there (P. Smaragdis, B. Raj and M. Shashanka, "Supervised and semi-supervised separation of
//!   sounds from single-channel mixtures", ICA 2007).
//! - **Supervised**: bases learned from example sounds.
//! - **Blind**: bases without a teacher, one for each source, or several that began as one ([`subdivide`]).
//!
//! All is generic over the backend: a spectrogram is factored on the CPU or a GPU.

use ndarray::{Array2, ArrayView2, Axis, s};
use nmf_core::{
    Backend, Element, Error, Fitted, Init, Loss, Nmf, Observed, Observer, Problem, Result, SolverKind, Start, Stop,
    Stopped, shifts,
};
use std::ops::Range;

/// The bases of each source.
pub type Groups = Vec<Vec<usize>>;

/// How spectrograms are factored.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The loss.
    pub loss: Loss,
    /// The solver.
    pub solver: SolverKind,
    /// L: frames that a basis lasts; 1 for spectra.
    pub shifts: usize,
    /// When to stop.
    pub stop: Stop,
    /// Record the objective every so many iterations; 0: at the start and the end.
    pub trace_every: usize,
}

impl Recipe {
    fn nmf<T: Element>(&self, rank: usize) -> Nmf<T> {
        let nmf = Nmf::new(rank).loss(self.loss.clone()).solver(self.solver).shifts(self.shifts);
        nmf.stop(self.stop.clone()).trace_every(self.trace_every)
    }
}

/// What is known beforehand of a factorization with k bases.
#[derive(Debug, Clone, Default)]
pub struct Guide<'a, T> {
    /// The first bases, which stay as they are (bins × j·L).
    pub given: Option<ArrayView2<'a, T>>,
    /// Frames in which the other bases are silent.
    pub silent: Vec<Range<usize>>,
}

impl<T> Guide<'_, T> {
    /// Nothing.
    pub fn none() -> Self {
        Guide { given: None, silent: Vec::new() }
    }

    /// Number of given bases; refuses what does not fit `rank` bases of `shifts` frames and a sound of `frames`.
    fn check(&self, rank: usize, shifts: usize, frames: usize) -> Result<usize> {
        let given = self.given.as_ref().map_or(0, |w| w.ncols().checked_div(shifts).unwrap_or(0));
        if given > rank {
            return Err(Error::Rank { rank, reason: format!("{given} bases are given") });
        }
        if let Some(range) = self.silent.iter().find(|r| r.end > frames || r.start > r.end) {
            let (expected, found) = ((rank, frames), (rank, range.end));
            return Err(Error::Shape { what: "the silent frames", expected, found });
        }
        Ok(given)
    }
}

/// X without what a loss cannot take: where a zero would be infinitely wrong (Itakura–Saito), everything below
/// 10⁻¹⁰ of the largest entry becomes that; the number of entries raised.
pub fn raise_zeros(x: &mut Array2<f32>, loss: &Loss) -> usize {
    if loss.allows_zero() {
        return 0;
    }
    let floor = 1e-10 * x.iter().fold(0.0f32, |a, b| a.max(*b));
    let mut raised = 0;
    x.map_inplace(|v| {
        if *v < floor {
            *v = floor;
            raised += 1;
        }
    });
    raised
}

/// Factors X (bins × frames) with `rank` bases, once for each seed and what is known beforehand; X is uploaded once. An observer that
/// stops a run stops those after it.
///
/// # Errors
/// Those of [`Nmf`]; more given bases than `rank`; silent frames that the sound does not have.
pub fn factor<B: Backend>(
    b: &mut B,
    x: &Array2<B::Elem>,
    rank: usize,
    recipe: &Recipe,
    tries: &[(u64, Guide<'_, B::Elem>)],
    observer: &mut dyn Observer,
) -> Result<Vec<Fitted<B::Elem>>> {
    let problem = Problem::new(x, recipe.loss.clone(), Observed::All)?;
    let mut planned = Vec::new();
    for (seed, guide) in tries {
        let given = guide.check(rank, recipe.shifts, x.ncols())?;
        let mut nmf = recipe.nmf(rank).kkt(true).init(Init::Random).seed(*seed);
        if let Some(w) = &guide.given {
            nmf = nmf.fix_w(w.to_owned());
        }
        nmf.check(b, &problem)?;
        planned.push((*seed, guide, given, nmf));
    }
    let prepare = std::time::Instant::now();
    let data = problem.upload(b)?;
    b.finish()?;
    let prepare = prepare.elapsed().as_secs_f64();
    let loudness = loudness(x);
    let mut runs = Vec::new();
    for (seed, guide, given, nmf) in planned {
        let mut start: Start<B::Elem> = Init::Random.make(b, &data, &problem, rank, recipe.shifts, seed)?;
        flatten(&mut start, x, &loudness, guide.given.as_ref());
        for frames in &guide.silent {
            // multiplicative updates never leave a zero
            start.h.slice_mut(s![frames.clone(), given..]).fill(B::Elem::of(0.0));
        }
        let fitted = nmf.init(Init::Custom(start)).fit_uploaded(b, &data, &problem, prepare, observer)?;
        let stopped = fitted.stopped() == Stopped::Interrupted;
        runs.push(fitted);
        if stopped {
            break;
        }
    }
    Ok(runs)
}

/// Σ over the bins of each frame.
fn loudness<T: Element>(x: &Array2<T>) -> Vec<f64> {
    let mut sums = vec![0.0; x.ncols()];
    for row in x.outer_iter() {
        sums.iter_mut().zip(row).for_each(|(s, v)| *s += v.f64());
    }
    sums
}

/// Makes a random start one in which every basis sounds nearly alike and as loud as the sound, so that few iterations find what
/// tells them apart: bases sum to 1, those of several frames have the mean spectrum times 0.5 to 1.5, and activations are the
/// loudness of the frame over k, times 0.5 to 1.5. Given bases keep their scale.
fn flatten<T: Element>(start: &mut Start<T>, x: &Array2<T>, loudness: &[f64], given: Option<&ArrayView2<'_, T>>) {
    let k = start.h.ncols();
    let shifts = start.w.ncols() / k;
    let known = given.map_or(0, |w| w.ncols() / shifts);
    // what was drawn is uniform in (0, scale]
    let most = |a: &Array2<T>| a.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.f64()));
    let (most_w, most_h) = (most(&start.w), most(&start.h));
    if shifts > 1 {
        for (mut row, bin) in start.w.outer_iter_mut().zip(x.outer_iter()) {
            let mean = bin.iter().map(|v| v.f64()).sum::<f64>() / x.ncols() as f64;
            row.map_inplace(|v| *v = T::of(mean * (0.5 + v.f64() / most_w)));
        }
    }
    for q in 0..k {
        let mut basis = start.w.slice_mut(s![.., q * shifts..(q + 1) * shifts]);
        let sum = match given {
            Some(w) if q < known => w.slice(s![.., q * shifts..(q + 1) * shifts]).iter().map(|v| v.f64()).sum::<f64>(),
            _ => {
                let sum = basis.iter().map(|v| v.f64()).sum::<f64>();
                basis.map_inplace(|v| *v = T::of(v.f64() / sum.max(f64::MIN_POSITIVE)));
                1.0
            }
        };
        for (v, loud) in start.h.column_mut(q).iter_mut().zip(loudness) {
            let level = if sum > 0.0 { loud / (k as f64 * sum) } else { 0.0 };
            *v = T::of(level * (0.5 + v.f64() / most_h));
        }
    }
}

/// Gives every basis of a factorization of X several: `rank` in all, so that a source may have more than one spectrum. Each basis
/// becomes copies that differ at random by 0.5 to 1.5, and all are factored on; which bases began as one is returned.
///
/// Bases that are free from the start and grouped afterwards, by when they sound or how they look, end in one another's groups; those
/// that began as one rarely leave it.
///
/// # Errors
/// Those of [`Nmf`]; fewer bases than there were.
pub fn subdivide<B: Backend>(
    b: &mut B,
    x: &Array2<B::Elem>,
    coarse: &Fitted<B::Elem>,
    rank: usize,
    recipe: &Recipe,
    observer: &mut dyn Observer,
) -> Result<(Fitted<B::Elem>, Groups)> {
    let (sources, shifts, seed) = (coarse.rank(), coarse.shifts(), coarse.seed());
    if rank < sources {
        return Err(Error::Rank { rank, reason: format!("{sources} sources need a basis each") });
    }
    Error::check_shape("X", (coarse.w().nrows(), coarse.h().ncols()), x.dim())?;
    let problem = Problem::new(x, recipe.loss.clone(), Observed::All)?;
    recipe.nmf(rank).check(b, &problem)?;
    let prepare = std::time::Instant::now();
    let data = problem.upload(b)?;
    b.finish()?;
    let prepare = prepare.elapsed().as_secs_f64();
    let mut start: Start<B::Elem> = Init::Random.make(b, &data, &problem, rank, shifts, seed)?;
    let most = |a: &Array2<B::Elem>| a.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.f64()));
    let (most_w, most_h) = (most(&start.w), most(&start.h));
    // basis q descends from basis q mod S
    let mut groups = vec![Vec::new(); sources];
    for q in 0..rank {
        let from = q % sources;
        groups[from].push(q);
        let copies = (rank - from).div_ceil(sources) as f64;
        let old = coarse.w().slice_move(s![.., from * shifts..(from + 1) * shifts]);
        let mut new = start.w.slice_mut(s![.., q * shifts..(q + 1) * shifts]);
        new.zip_mut_with(&old, |u, w| *u = B::Elem::of(w.f64() * (0.5 + u.f64() / most_w)));
        let mut new = start.h.column_mut(q);
        new.zip_mut_with(&coarse.h().row(from), |u, h| *u = B::Elem::of(h.f64() / copies * (0.5 + u.f64() / most_h)));
    }
    let nmf = recipe.nmf(rank).seed(seed).init(Init::Custom(start));
    Ok((nmf.fit_uploaded(b, &data, &problem, prepare, observer)?, groups))
}

/// H (k × frames) of X under given bases W (bins × k·L).
///
/// # Errors
/// Those of [`Nmf`].
pub fn activations<B: Backend>(
    b: &mut B,
    x: &Array2<B::Elem>,
    w: ArrayView2<'_, B::Elem>,
    recipe: &Recipe,
    guide: &Guide<'_, B::Elem>,
    observer: &mut dyn Observer,
) -> Result<Array2<B::Elem>> {
    let rank = w.ncols().checked_div(recipe.shifts).unwrap_or(0);
    if rank == 0 {
        return Err(Error::Rank { rank, reason: "at least one basis is needed".into() });
    }
    Error::check_shape("the bases", (x.nrows(), rank * recipe.shifts), w.dim())?;
    if x.iter().all(|v| v.f64() == 0.0) {
        return Ok(Array2::zeros((rank, x.ncols())));
    }
    // the silent ones are those beyond what was given before
    let known = guide.check(rank, recipe.shifts, x.ncols())?;
    let known = if guide.given.is_some() { known } else { rank };
    let problem = Problem::new(x, recipe.loss.clone(), Observed::All)?;
    let data = problem.upload(b)?;
    let mut start: Start<B::Elem> = Init::Random.make(b, &data, &problem, rank, recipe.shifts, 0)?;
    flatten(&mut start, x, &loudness(x), Some(&w));
    for frames in &guide.silent {
        start.h.slice_mut(s![frames.clone(), known..]).fill(B::Elem::of(0.0));
    }
    let nmf = recipe.nmf(rank).trace_every(0).fix_w(w.to_owned()).init(Init::Custom(start));
    let fitted = nmf.fit_uploaded(b, &data, &problem, 0.0, observer)?;
    Ok(fitted.h().to_owned())
}

/// The part of the model that some bases claim in some frames: Σ_q w_q·h_q, bins × frames.
///
/// W is bins × k·L, H k × (all frames).
///
/// # Errors
/// If the shapes of W and H do not fit, or a basis or frame does not exist.
pub fn part<T: Element>(
    w: ArrayView2<'_, T>,
    h: ArrayView2<'_, T>,
    bases: &[usize],
    frames: Range<usize>,
) -> Result<Array2<f32>> {
    let (k, n) = h.dim();
    let wide = shifts::count((n, w.ncols()), (n, k))?;
    if frames.end > n || frames.start > frames.end {
        return Err(Error::Shape { what: "the frames of a part", expected: (k, n), found: (k, frames.end) });
    }
    if let Some(q) = bases.iter().find(|q| **q >= k) {
        return Err(Error::Rank { rank: k, reason: format!("there is no basis {q}") });
    }
    // as far back as the patterns reach
    let first = frames.start.saturating_sub(wide - 1);
    let recent = h.slice(s![.., first..frames.end]).select(Axis(0), bases).reversed_axes();
    let copies = shifts::unfold(&recent.mapv(|v| v.f64() as f32).view(), wide);
    let columns: Vec<usize> = bases.iter().flat_map(|q| q * wide..(q + 1) * wide).collect();
    let patterns = w.select(Axis(1), &columns).mapv(|v| v.f64() as f32);
    Ok(patterns.dot(&copies.slice(s![frames.start - first.., ..]).t()))
}

/// How much of the model's sound each group of bases makes in some frames: Σ of its part over Σ of all, per group.
///
/// # Errors
/// As [`part`].
pub fn shares<T: Element>(
    w: ArrayView2<'_, T>,
    h: ArrayView2<'_, T>,
    groups: &[Vec<usize>],
    frames: Range<usize>,
) -> Result<Vec<f64>> {
    let (k, n) = h.dim();
    let wide = shifts::count((n, w.ncols()), (n, k))?;
    if frames.end > n || frames.start > frames.end {
        return Err(Error::Shape { what: "the frames of a part", expected: (k, n), found: (k, frames.end) });
    }
    // Σ over bins and frames of a basis' part = Σ_τ (sum of its τ-th column) · (sum of its activation, τ frames earlier)
    let basis = |q: usize| -> f64 {
        let term = |tau: usize| {
            let column: f64 = w.column(q * wide + tau).iter().map(|v| v.f64()).sum();
            let heard = frames.start.saturating_sub(tau)..frames.end.saturating_sub(tau);
            column * h.slice(s![q, heard]).iter().map(|v| v.f64()).sum::<f64>()
        };
        (0..wide).map(term).sum()
    };
    if let Some(q) = groups.iter().flatten().find(|q| **q >= k) {
        return Err(Error::Rank { rank: k, reason: format!("there is no basis {q}") });
    }
    let sums: Vec<f64> = groups.iter().map(|bases| bases.iter().map(|q| basis(*q)).sum()).collect();
    let all: f64 = sums.iter().sum();
    Ok(sums.into_iter().map(|s| if all > 0.0 { s / all } else { 0.0 }).collect())
}
