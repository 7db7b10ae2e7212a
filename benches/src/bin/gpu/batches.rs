//! Restarts side by side against one after the other: small matrices leave a card idle and cost it a dispatch each time.

use crate::inputs;
use crate::measure::Session;
use nmf_core::{Backend, Init, Loss, Matrix, Nmf, Observed, SolverKind};
use nmf_gpu::{Gpu, GpuOptions};
use std::time::Instant;

/// One case, measured both ways.
pub(crate) struct Batched {
    pub(crate) name: String,
    pub(crate) runs: usize,
    /// Runs that a batch holds.
    pub(crate) at_once: usize,
    pub(crate) iterations: usize,
    /// Seconds for all runs, side by side and one after the other.
    pub(crate) together: f64,
    pub(crate) alone: f64,
    /// Whether every objective is the same, to the last bit.
    pub(crate) same: bool,
}

/// All cases; `runs` of `iterations` each, the better of two measurements.
pub(crate) fn all(s: &mut Session, options: &GpuOptions, (runs, iterations): (usize, usize)) -> Vec<Batched> {
    let cases = [
        (500, 300, 10, Loss::KL, SolverKind::Mu),
        (500, 300, 10, Loss::FRO, SolverKind::EHals),
        (100, 80, 5, Loss::KL, SolverKind::Mu),
        (2000, 1000, 10, Loss::KL, SolverKind::Mu),
    ];
    let mut done = Vec::new();
    for (m, n, k, loss, solver) in cases {
        let name = format!("batch of {m}x{n} k={k} {loss} {solver}");
        if !s.wants(&name) {
            continue;
        }
        if s.is_over() {
            s.leave_out(name, "the time is up (--budget)");
            continue;
        }
        let nmf = Nmf::new(k).loss(loss.clone()).solver(solver).init(Init::Random).tol(0.0).trace_every(0);
        let nmf = nmf.restarts(runs).max_iter(iterations);
        let x = Matrix::from(inputs::dense(m, n));
        let mut at_once = 1;
        let [together, alone] = [None, Some(1)].map(|batch| -> nmf_core::Result<(f64, Vec<f64>)> {
            let mut b = Gpu::new(&GpuOptions { batch, ..options.clone() })?;
            let data = b.upload(x.view(), 1.0, Observed::All)?;
            at_once = at_once.max(b.batch_size(&data, k));
            drop(data);
            let mut best = (f64::INFINITY, Vec::new());
            for _ in 0..2 {
                let clock = Instant::now();
                let fitted = nmf.fit(&mut b, x.view())?;
                let seconds = clock.elapsed().as_secs_f64();
                if seconds < best.0 {
                    best = (seconds, fitted.objectives().to_vec());
                }
            }
            Ok(best)
        });
        let ((together, a), (alone, b)) = match (together, alone) {
            (Ok(together), Ok(alone)) => (together, alone),
            (Err(e), _) | (_, Err(e)) => {
                s.leave_out(name, e.to_string());
                continue;
            }
        };
        let case = Batched { name, runs, at_once, iterations, together, alone, same: a == b };
        println!("  {}: {runs} runs {:.3} s, one after the other {:.3} s", case.name, together, alone);
        done.push(case);
    }
    done
}
