//! Batches: several runs in one dispatch, each with its part of every buffer.

use crate::gpu::Gpu;
use crate::memory::{Factor, Scalar, quads};
use crate::number::Number;
use crate::plan::Pass;
use crate::queue::Batch;
use crate::tune::What;
use crate::window::{Data, Layout};
use nmf_core::{Error, Result};
use nmf_shaders::{LossKind, MAX_RUNS};

/// Bytes that the parts of a batch take together at most, where no budget says less.
const MOST: u64 = 1 << 30;
/// What a run has of the size of a factor at most: W, H and what solvers keep of them.
const FACTORS: u64 = 8;

impl Scalar {
    /// A run's part, numbers of so many bytes each.
    pub(crate) fn of_run(&self, run: usize, number: u64) -> Scalar {
        let mut s = self.clone();
        for part in &mut s.parts {
            part.start += (part.buf.part(run) / number) as u32;
        }
        s
    }
}

impl<T: Number> Gpu<T> {
    /// Runs whose parts lie side by side in what is made now.
    pub(crate) fn runs(&self) -> usize {
        self.stream.batch.as_ref().map_or(1, Batch::runs)
    }

    /// Columns of a run's part of a factor.
    pub(crate) fn rank_of(&self, f: &Factor, run: usize) -> Result<usize> {
        match &self.stream.batch {
            None if run == 0 => Ok(f.k as usize),
            None => Err(Error::Device(format!("run {run} outside of a batch"))),
            Some(batch) => batch.rank(run).ok_or_else(|| Error::Device(format!("run {run} of {}", batch.runs()))),
        }
    }

    pub(crate) fn with_batch<R>(&mut self, ranks: &[usize], f: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        if self.stream.batch.is_some() {
            return Err(Error::Unsupported("a batch within a batch".into()));
        }
        #[cfg(test)]
        tests::fail(self, ranks.len())?;
        self.stream.batch = Some(Batch::new(ranks)?);
        let result = f(self);
        self.stream.batch = None;
        result
    }

    /// As many runs as it takes to fill the device four times over: workgroups of a half-step of one are counted. Each has its own
    /// factors and partial results, for which there must be room.
    pub(crate) fn side_by_side(&self, x: &Data<T>, k: usize) -> usize {
        let most = self.most_runs.unwrap_or(MAX_RUNS as usize) as u64;
        if most <= 1 || x.streamed() {
            return 1;
        }
        let (m, n) = x.dim();
        let (groups, largest) = match &x.layout {
            Layout::Dense(panels) => {
                let halves = [(m, n, false), (n, m, true)].map(|(p, q, cols)| {
                    let half = panels.iter().any(|p| p.unit != 0.0);
                    let pass = Pass {
                        p: p as u32,
                        q: q as u32,
                        kq: quads(k),
                        cols,
                        half,
                        image: panels.iter().all(|p| p.image()),
                        double: T::DOUBLE,
                        arrays: 2,
                    };
                    let plan = self.plan(What::Update(LossKind::Kl), pass);
                    (plan.groups(), u64::from(plan.chunks) * p as u64 * u64::from(quads(k)) * T::QUAD)
                });
                (halves[0].0.min(halves[1].0), halves[0].1.max(halves[1].1))
            }
            Layout::Sparse { rows, cols, .. } => {
                let of = |panels: &[crate::csr::CsrPanel<T>]| {
                    let pieces = panels.iter().map(|p| u64::from(p.pieces)).max().unwrap_or(0);
                    (
                        panels.iter().map(|p| u64::from(p.groups)).sum::<u64>(),
                        pieces * u64::from(quads(k)) * 2 * T::QUAD,
                    )
                };
                let (rows, cols) = (of(rows), of(cols));
                // newton keeps a number of each entry
                (rows.0.min(cols.0), rows.1.max(cols.1).max(T::BYTES * x.stored.min(crate::csr::BATCH)))
            }
        };
        let factor = (m + n) as u64 * u64::from(quads(k)) * T::QUAD;
        let largest = largest.max(m.max(n) as u64 * u64::from(quads(k)) * T::QUAD).max(1);
        let memory = self.pool.left().map_or(MOST, |left| (left / 2).min(MOST));
        let room = (memory / (FACTORS * factor + 2 * largest)).min(self.stream.device.max_binding() / largest);
        let wanted = u64::from(self.sharing().crowd()).div_ceil(groups.max(1));
        wanted.min(room).min(most).clamp(1, MAX_RUNS.into()) as usize
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::{Gpu, GpuOptions};
    use ndarray::Array2;
    use nmf_core::rank::Survey;
    use nmf_core::{Error, Init, Loss, Nmf, Result, SolverKind};

    /// Runs for which there is memory, and the sizes of the batches tried.
    pub(crate) struct Room {
        runs: usize,
        tried: Vec<usize>,
    }

    impl Room {
        pub(crate) fn for_all() -> Self {
            Room { runs: usize::MAX, tried: Vec::new() }
        }
    }

    pub(super) fn fail<T: crate::Number>(b: &mut Gpu<T>, runs: usize) -> Result<()> {
        b.room.tried.push(runs);
        if runs <= b.room.runs {
            return Ok(());
        }
        Err(Error::OutOfMemory { what: "a batch".into(), needed: runs as u64, available: b.room.runs as u64 })
    }

    #[test]
    fn batches_without_room_are_halved_and_then_runs_go_alone() {
        let x = Array2::from_shape_fn((40, 30), |(i, j)| 0.1 + ((i * 7 + j * 5 + i * j) % 11) as f32);
        let nmf = Nmf::new(3).loss(Loss::KL).solver(SolverKind::Mu).init(Init::Random).max_iter(15).tol(0.0);
        let restarts = nmf.clone().restarts(12);
        let mut b = Gpu::new(&GpuOptions::default()).unwrap();
        let whole = restarts.fit(&mut b, &x).unwrap();
        assert_eq!(std::mem::take(&mut b.room.tried), [12]);
        let tries = [(6, vec![12, 6, 6]), (4, vec![12, 6, 3, 3, 3, 3]), (1, vec![12, 6, 3]), (0, vec![12, 6, 3])];
        for (room, expected) in tries {
            b.room.runs = room;
            let found = restarts.fit(&mut b, &x).unwrap();
            assert_eq!((found.w(), found.objectives()), (whole.w(), whole.objectives()), "room for {room}");
            assert_eq!(std::mem::take(&mut b.room.tried), expected, "room for {room}");
        }
        let survey = Survey::new(nmf, [2, 3]).restarts(3).folds(0);
        let mut found = |room| {
            b.room.runs = room;
            let found = survey.run(std::slice::from_mut(&mut b), &x).unwrap();
            let all: Vec<_> = found.ranks.iter().map(|r| (r.divergences.clone(), r.w.clone())).collect();
            (all, std::mem::take(&mut b.room.tried))
        };
        let whole = found(usize::MAX);
        assert_eq!(whole.1, [6]);
        for (room, expected) in [(3, vec![6, 3, 3]), (1, vec![6, 3, 2, 3, 2])] {
            assert!(found(room) == (whole.0.clone(), expected), "room for {room}");
        }
    }
}
