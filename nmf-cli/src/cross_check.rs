//! `--cross-check`: the factorization that was kept, once more on another backend from the same start.

use crate::agreement::{OBJECTIVE_TOLERANCE, objective_difference, resolution};
use crate::args::Global;
use crate::failure::Failure;
use crate::fit_json::CrossCheck;
use crate::fit_options::FitOptions;
use crate::input::convert;
use crate::known::Known;
use crate::progress::{Interruptible, Watch};
use crate::session::Engine;
use nmf_core::{Backend, Element, Fitted, Init, Matrix, MatrixRef, Start, Stop, TracePoint};

/// What is to be repeated.
pub(crate) struct Again<'a, T: Element> {
    /// Its options, with the solver it was done by.
    pub(crate) fit: &'a FitOptions,
    /// Which entries count.
    pub(crate) known: &'a Known,
    /// Where the first of its starts came from.
    pub(crate) init: &'a Init<T>,
    /// What came out.
    pub(crate) fitted: &'a Fitted<T>,
    /// Whom to ask about Ctrl-C.
    pub(crate) interruptible: &'a Interruptible,
}

impl<T: Element> Again<'_, T> {
    /// Repeats on `other` what `b` has done to `x` (if interrupted: as far as it came): the same start (made again
    /// on `b`; it depends on the seed alone), the same solver, as many iterations.
    pub(crate) fn on<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        other: &mut Engine,
        x: &MatrixRef<'_, T>,
        global: &Global,
    ) -> Result<CrossCheck, Failure> {
        let (start, base) = self.start(b, x)?;
        let trace = match other {
            Engine::CpuF32(c) => self.repeat(c, x, &start, global),
            Engine::CpuF64(c) => self.repeat(c, x, &start, global),
            Engine::Gpu(g) => self.repeat(&mut **g, x, &start, global),
            Engine::GpuF64(g) => self.repeat(&mut **g, x, &start, global),
        }?;
        let difference = objective_difference(self.fitted.trace(), &trace, base);
        Ok(CrossCheck { difference, agree: difference <= OBJECTIVE_TOLERANCE })
    }

    /// The start, and the resolution of objectives.
    fn start<B: Backend<Elem = T>>(&self, b: &mut B, x: &MatrixRef<'_, T>) -> Result<(Start<T>, f64), Failure> {
        let all = self.fitted.objectives();
        let best = (0..all.len()).min_by(|i, j| all[*i].total_cmp(&all[*j])).unwrap_or(0);
        let init = if best == 0 { self.init } else { &Init::Random };
        let nmf = self.fit.build::<T>(x.dim(), self.known)?.nmf;
        let weighted = nmf.weighted(x)?;
        let problem = nmf.problem(x.reborrow(), weighted.as_ref())?;
        let data = problem.upload(b)?;
        let seed = self.fit.seed.wrapping_add(best as u64);
        let start = init.make(b, &data, &problem, self.fit.rank, self.fit.shifts, seed)?;
        Ok((start, resolution(x, weighted.as_ref(), self.fitted.loss(), self.known.observed)))
    }

    fn repeat<C: Backend>(
        &self,
        c: &mut C,
        x: &MatrixRef<'_, T>,
        start: &Start<T>,
        global: &Global,
    ) -> Result<Vec<TracePoint>, Failure> {
        let to = |a: &ndarray::Array2<T>| a.mapv(|v| C::Elem::of(v.f64()));
        let stop =
            Stop { max_iter: self.fitted.iterations(), tol: 0.0, kkt_tol: 0.0, time_limit: None, ..Stop::default() };
        let x: Matrix<C::Elem> = convert(x);
        let mut watch = Watch::new(global, "cross-checking", Some(self.interruptible));
        let again = self
            .fit
            .build::<C::Elem>(x.dim(), self.known)?
            .nmf
            .init(Init::Custom(Start { w: to(&start.w), h: to(&start.h) }))
            .restarts(1)
            .kkt(false)
            .stop(stop)
            .fit_observed(c, &x, &mut watch)
            .map_err(|e| Failure::work(format!("the cross-check could not be done on the {}: {e}", c.info().name)))?;
        Ok(again.trace().to_vec())
    }
}
