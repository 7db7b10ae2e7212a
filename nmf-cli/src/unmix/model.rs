//! Endmembers and abundances.

use super::{Abundances, Shape, UnmixArgs};
use crate::args::Global;
use crate::failure::Failure;
use crate::fit_json::Report;
use crate::progress::{Interruptible, Watch};
use crate::squared_error::squared_error;
use ndarray::{Array2, Axis, s};
use nmf_core::separable::pure_rows;
use nmf_core::{Backend, Element, Init, Loss, MatrixRef, Nmf, Observed, Penalty, SolverKind, Start, Stop};

/// How much a sum of 1 weighs against the fit of a pixel, in multiples of its spectrum: large, as D. C. Heinz and C.-I Chang
/// ask for in "Fully constrained least squares linear spectral mixture analysis method for material quantification in
/// hyperspectral imagery", IEEE TGRS 39(3), 2001.
const SUM_WEIGHT: f64 = 10.0;

/// What was found.
pub(super) struct Unmixed {
    /// Rows, columns, bands.
    pub(super) shape: Shape,
    /// The pixels (row, column) that the endmembers started from.
    pub(super) pixels: Vec<(usize, usize)>,
    /// k × bands, each with 1 as its largest value.
    pub(super) endmembers: Array2<f64>,
    /// Pixels × k; each row sums to 1, or is zero for a pixel of zeros.
    pub(super) abundances: Array2<f64>,
    /// Pixels × k: with the endmembers the model of the cube.
    pub(super) weights: Array2<f64>,
    /// About the factorization.
    pub(super) report: Report,
}

impl Unmixed {
    /// Unmixes pixels × bands.
    pub(super) fn find<B: Backend>(
        b: &mut B,
        x: MatrixRef<'_, B::Elem>,
        shape: Shape,
        args: &UnmixArgs,
        load_seconds: f64,
        (global, guard): (&Global, &Interruptible),
    ) -> Result<Unmixed, Failure> {
        let blame = |e| Failure::matrix(&args.cube, e);
        let MatrixRef::Dense(dense) = &x else {
            return Err(Failure::file(&args.cube, "a sparse matrix: a dense cube is needed"));
        };
        let (k, stop) = (args.rank, Stop { max_iter: args.refine, tol: 0.0, ..Stop::default() });
        let pure = pure_rows(dense.view(), k).map_err(blame)?;
        let h = pure.h.mapv(B::Elem::of);
        let exact = |b: &mut B, x: MatrixRef<'_, B::Elem>, h: &Array2<B::Elem>| {
            nmf_core::transform(b, x, h.view(), &Loss::FRO, Penalty::NONE, Observed::All, &Stop::default())
        };
        let w = exact(b, x.reborrow(), &h).map_err(blame)?;
        let start = Start { w, h: h.t().as_standard_layout().into_owned() };
        let nmf = Nmf::new(k).init(Init::Custom(start)).solver(SolverKind::AHals).stop(stop).kkt(true);
        let mut watch = Watch::new(global, "unmixing", Some(guard));
        let fitted = nmf.fit_observed(b, x.reborrow(), &mut watch).map_err(blame)?;
        drop(watch);
        let error = squared_error(&x, &fitted.w(), &fitted.h(), Observed::All, global.threads);
        let mut report = Report::new(&fitted, &x, None, b.info(), error);
        report.load_seconds = load_seconds;
        let (mut weights, mut endmembers) = (fitted.w().mapv(|v| v.f64()), fitted.h().mapv(|v| v.f64()));
        let norm = |row: ndarray::ArrayView1<'_, f64>| row.dot(&row).sqrt();
        let mut abundances = match args.abundances {
            Abundances::Normalized => None,
            Abundances::Constrained => {
                // as bright as the pixels they came from
                let mut bright = endmembers.clone();
                for (mut row, from) in bright.outer_iter_mut().zip(pure.h.outer_iter()) {
                    let size = norm(row.view());
                    let scale = if size > 0.0 { norm(from) / size } else { 0.0 };
                    row.mapv_inplace(|v| v * scale);
                }
                let weight = SUM_WEIGHT * bright.outer_iter().map(norm).fold(0.0, f64::max);
                let (m, n) = dense.dim();
                let mut longer = Array2::from_elem((m, n + 1), B::Elem::of(weight));
                longer.slice_mut(s![.., ..n]).assign(dense);
                let mut h = Array2::from_elem((k, n + 1), B::Elem::of(weight));
                h.slice_mut(s![.., ..n]).assign(&bright.mapv(B::Elem::of));
                Some(exact(b, MatrixRef::from(&longer), &h).map_err(blame)?.mapv(|v| v.f64()))
            }
        };
        for (mut row, mut column) in endmembers.outer_iter_mut().zip(weights.columns_mut()) {
            let largest = row.iter().copied().fold(0.0, f64::max);
            if largest > 0.0 {
                row.mapv_inplace(|v| v / largest);
                column.mapv_inplace(|v| v * largest);
            }
        }
        let shares = abundances.get_or_insert_with(|| weights.clone());
        for mut row in shares.axis_iter_mut(Axis(0)) {
            let sum = row.sum();
            if sum > 0.0 {
                row.mapv_inplace(|v| v / sum);
            }
        }
        let pixels = pure.rows.iter().map(|i| (i / shape.1, i % shape.1)).collect();
        let abundances = abundances.unwrap_or_default();
        Ok(Unmixed { shape, pixels, endmembers, abundances, weights, report })
    }

    /// The abundances of one endmember as a picture, rows × columns.
    pub(super) fn map(&self, q: usize) -> Array2<f32> {
        let (rows, cols, _) = self.shape;
        Array2::from_shape_fn((rows, cols), |(i, j)| self.abundances[[i * cols + j, q]] as f32)
    }
}
