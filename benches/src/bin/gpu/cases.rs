//! The measurements: single operations, whole iterations, on the GPU and beside them on the CPU.

use crate::inputs;
use crate::measure::{Effort, Session};
use crate::report::digits;
use crate::work::{self, Shape, Work, name};
use ndarray::Array2;
use nmf_core::{Backend, Loss, Matrix, MatrixRef, Observed, Result, Rule, Side, Sweep};
use nmf_gpu::{Ceilings, Gpu};

/// W, H and the scratch of their updates.
struct Model<B: Backend> {
    w: B::Factor,
    h: B::Factor,
    terms_w: B::Terms,
    terms_h: B::Terms,
}

impl<B: Backend<Elem = f32>> Model<B> {
    fn new(b: &mut B, x: &Shape, k: usize) -> Result<Model<B>> {
        let mean = x.stored.map_or(0.55, |s| 1.5 * s as f64 / (x.m as f64 * x.n as f64));
        Ok(Model {
            w: b.factor(inputs::factor(x.m, k, mean, 2).view())?,
            h: b.factor(inputs::factor(x.n, k, mean, 3).view())?,
            terms_w: b.new_terms(x.m, k)?,
            terms_h: b.new_terms(x.n, k)?,
        })
    }

    fn update(&mut self, b: &mut B, data: &B::Data, side: Side, loss: &Loss, rule: &Rule) -> Result<()> {
        match side {
            Side::Rows => b.mu_step(loss, data, side, &mut self.w, &self.h, &mut self.terms_w, rule, false)?,
            Side::Cols => b.mu_step(loss, data, side, &mut self.h, &self.w, &mut self.terms_h, rule, false)?,
        };
        Ok(())
    }
}

/// Both ceilings as seconds, doubled: nothing gets near them at once.
fn foretold(work: Work, c: &Ceilings) -> f64 {
    2.0 * work.least_seconds(c.fma_flops, c.copy_bytes)
}

/// Whole multiplicative iterations of one case. Returns whether the factors still make sense.
pub(crate) fn iteration<B: Backend<Elem = f32>>(
    s: &mut Session,
    b: &mut B,
    device: &str,
    data: &B::Data,
    (x, k, loss): (&Shape, usize, &Loss),
    effort: &Effort,
) -> Result<bool> {
    let work = work::iteration(x, k, loss);
    let mut model = Model::new(b, x, k)?;
    let rule = Rule::for_loss(loss);
    let label = loss.to_string();
    let record = s.measure(("iteration", device), (x, k, &label), work, effort, |n| {
        for _ in 0..n {
            model.update(b, data, Side::Rows, loss, &rule)?;
            model.update(b, data, Side::Cols, loss, &rule)?;
        }
        b.finish()
    })?;
    if let Some(r) = record {
        println!(
            "  {device} {}: {} ms, {} GB/s of X, {} TFLOP/s",
            r.name(),
            digits(r.seconds * 1e3),
            digits(work.bytes / r.seconds / 1e9),
            digits(work.flops / r.seconds / 1e12)
        );
    }
    let d = b.divergence(loss, data, &model.w, &model.h)?;
    Ok(b.value(&d)?.is_finite())
}

/// All iterations of one X on the GPU. Errors of memory leave a case out; names of cases with factors that are no
/// numbers come back.
pub(crate) fn iterations(
    s: &mut Session,
    gpu: &mut Gpu,
    c: &Ceilings,
    (x, data): (&Shape, &<Gpu as Backend>::Data),
    (ks, losses): (&[usize], &[Loss]),
    effort: &Effort,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for &k in ks {
        for loss in losses {
            let name = name("iteration", x, k, &loss.to_string());
            if !s.admits(&name, effort, foretold(work::iteration(x, k, loss), c)) {
                continue;
            }
            match iteration(s, gpu, "gpu", data, (x, k, loss), effort) {
                Ok(true) => {}
                Ok(false) => wrong.push(name),
                Err(e) => s.leave_out(name, e.to_string()),
            }
        }
    }
    wrong
}

/// Whether any operation at this X is asked for.
pub(crate) fn wants_operations(s: &Session, x: &Shape, (ks, losses): (&[usize], &[Loss])) -> bool {
    let plain = ["XH", "XᵀW", "WᵀW", "hals sweep W"].map(|what| (what, String::new()));
    let of_losses = losses.iter().flat_map(|l| ["mu W", "mu H", "divergence"].map(|what| (what, l.to_string())));
    plain.into_iter().chain(of_losses).any(|(what, loss)| ks.iter().any(|k| s.wants(&name(what, x, *k, &loss))))
}

/// Single operations at one X: those of [`wants_operations`].
pub(crate) fn operations(
    s: &mut Session,
    gpu: &mut Gpu,
    c: &Ceilings,
    (x, data): (&Shape, &<Gpu as Backend>::Data),
    (ks, losses): (&[usize], &[Loss]),
    effort: &Effort,
) -> Result<()> {
    for &k in ks {
        let mut model = Model::<Gpu>::new(gpu, x, k)?;
        let mut a = gpu.factor(Array2::zeros((x.m, k)).view())?;
        let mut g = gpu.new_gram(k)?;
        let mut t = gpu.factor(Array2::zeros((x.n, k)).view())?;
        let op = |s: &mut Session,
                  gpu: &mut Gpu,
                  what: &str,
                  loss: &str,
                  work: Work,
                  run: &mut dyn FnMut(&mut Gpu) -> Result<()>|
         -> Result<()> {
            if !s.admits(&name(what, x, k, loss), effort, foretold(work, c)) {
                return Ok(());
            }
            s.measure((what, "gpu"), (x, k, loss), work, effort, |n| {
                (0..n).try_for_each(|_| run(gpu))?;
                gpu.finish()
            })
            .map(|_| ())
        };
        let product = work::cross(x, k);
        op(s, gpu, "XH", "", product, &mut |b| b.cross(data, Side::Rows, &model.h, &mut a))?;
        op(s, gpu, "XᵀW", "", product, &mut |b| b.cross(data, Side::Cols, &model.w, &mut t))?;
        op(s, gpu, "WᵀW", "", work::gram(x.m, k), &mut |b| b.gram(&model.w, &mut g))?;
        for loss in losses {
            let (rule, label) = (Rule::for_loss(loss), loss.to_string());
            let rows = work::half_step(x, x.m, x.n, k, loss);
            op(s, gpu, "mu W", &label, rows, &mut |b| model.update(b, data, Side::Rows, loss, &rule))?;
            let cols = work::half_step(x, x.n, x.m, k, loss);
            op(s, gpu, "mu H", &label, cols, &mut |b| model.update(b, data, Side::Cols, loss, &rule))?;
            op(s, gpu, "divergence", &label, work::divergence(x, k), &mut |b| {
                b.divergence(loss, data, &model.w, &model.h).map(|_| ())
            })?;
        }
        // A and G that belong together: sweeps of anything else may run off
        gpu.cross(data, Side::Rows, &model.h, &mut a)?;
        gpu.gram(&model.h, &mut g)?;
        let sweep = Sweep::once(Rule::for_loss(&Loss::FRO));
        op(s, gpu, "hals sweep W", "", work::hals(x.m, k), &mut |b| b.hals_sweep(&a, &g, &mut model.w, &sweep))?;
    }
    Ok(())
}

/// The same iterations on the CPU.
pub(crate) fn on_cpu<B: Backend<Elem = f32>>(
    s: &mut Session,
    cpu: &mut B,
    (x, matrix): (&Shape, MatrixRef<'_, f32>),
    (ks, losses): (&[usize], &[Loss]),
    rate: &mut f64,
    effort: &Effort,
) -> Result<()> {
    let mut data = None;
    for &k in ks {
        for loss in losses {
            let name = name("iteration", x, k, &loss.to_string());
            let work = work::iteration(x, k, loss);
            if !s.records.iter().any(|r| r.device == "gpu" && r.name() == name) {
                continue; // nothing to compare with
            }
            if !s.admits(&name, effort, work.flops / *rate) {
                continue;
            }
            if data.is_none() {
                data = Some(cpu.upload(matrix.clone(), 1.0, Observed::All)?);
            }
            let Some(data) = &data else { continue };
            iteration(s, cpu, "cpu", data, (x, k, loss), effort)?;
            if let Some(r) = s.records.last().filter(|r| r.device == "cpu" && r.x.stored.is_none()) {
                *rate = rate.max(r.work.flops / r.seconds);
            }
        }
    }
    Ok(())
}

/// Puts X on the device, unless nothing is wanted of it, it fits the host's memory not, or the device's not.
pub(crate) fn upload_dense(s: &mut Session, gpu: &mut Gpu, x: &Shape) -> Option<<Gpu as Backend>::Data> {
    let needed = x.bytes();
    // X, and staging memory that drivers keep until the upload is done
    if let Some(free) = free_memory().filter(|free| *free < 1.5 * needed) {
        s.leave_out(x.to_string(), format!("{:.1} GB of {:.1} GB free", 1.5 * needed / 1e9, free / 1e9));
        return None;
    }
    let matrix = Matrix::from(inputs::dense(x.m, x.n));
    match gpu.upload(matrix.view(), 1.0, Observed::All).and_then(|d| gpu.finish().map(|()| d)) {
        Ok(data) => Some(data),
        Err(e) => {
            s.leave_out(x.to_string(), e.to_string());
            None
        }
    }
}

/// Bytes of host memory that may be taken, where the system says so.
pub(crate) fn free_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib * 1024.0)
}
