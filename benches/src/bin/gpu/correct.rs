//! Before any clock runs: does the GPU compute what the CPU computes in f64?

use crate::inputs;
use ndarray::Array2;
use nmf_core::{Backend, Element, Loss, Matrix, MatrixRef, Observed, Result, Rule, Side, Sparse, Sweep};
use nmf_cpu::Cpu;
use nmf_gpu::Gpu;

/// Relative difference of objectives that f32 and another order of sums explain.
const TOLERANCE: f64 = 1e-4;
const ITERATIONS: usize = 10;

/// One comparison.
pub(crate) struct Check {
    pub(crate) name: String,
    /// Relative difference of the objective reached, both evaluated on the CPU in f64.
    pub(crate) reached: f64,
    /// Relative difference of the device's own objective from that of its factors.
    pub(crate) measured: f64,
}

impl Check {
    pub(crate) fn right(&self) -> bool {
        // a NaN is wrong, too
        self.reached < TOLERANCE && self.measured < TOLERANCE
    }
}

enum Method {
    Mu(Loss),
    Hals,
}

impl Method {
    fn loss(&self) -> &Loss {
        match self {
            Method::Mu(loss) => loss,
            Method::Hals => &Loss::FRO,
        }
    }
}

/// Some iterations from one start; the objective as the backend sees it, and the factors.
fn run<B: Backend>(
    b: &mut B,
    x: MatrixRef<'_, B::Elem>,
    method: &Method,
    (w, h): (&Array2<f32>, &Array2<f32>),
) -> Result<(f64, Array2<f64>, Array2<f64>)> {
    let ((m, n), k) = (x.dim(), w.ncols());
    let x = b.upload(x, B::Elem::of(1.0), Observed::All)?;
    let convert = |f: &Array2<f32>| f.mapv(|v| B::Elem::of(f64::from(v)));
    let (mut w, mut h) = (b.factor(convert(w).view())?, b.factor(convert(h).view())?);
    let rule = Rule::for_loss(method.loss());
    match method {
        Method::Mu(loss) => {
            let (mut tw, mut th) = (b.new_terms(m, k)?, b.new_terms(n, k)?);
            for _ in 0..ITERATIONS {
                b.mu_step(loss, &x, Side::Rows, &mut w, &h, &mut tw, &rule, false)?;
                b.mu_step(loss, &x, Side::Cols, &mut h, &w, &mut th, &rule, false)?;
            }
        }
        Method::Hals => {
            let zeros = |rows: usize| Array2::from_elem((rows, k), B::Elem::of(0.0));
            let (mut a, mut c) = (b.factor(zeros(m).view())?, b.factor(zeros(n).view())?);
            let mut g = b.new_gram(k)?;
            let sweep = Sweep::once(rule);
            for _ in 0..ITERATIONS {
                b.gram(&h, &mut g)?;
                b.cross(&x, Side::Rows, &h, &mut a)?;
                b.hals_sweep(&a, &g, &mut w, &sweep)?;
                b.gram(&w, &mut g)?;
                b.cross(&x, Side::Cols, &w, &mut c)?;
                b.hals_sweep(&c, &g, &mut h, &sweep)?;
            }
        }
    }
    let d = b.divergence(method.loss(), &x, &w, &h)?;
    let d = b.value(&d)?;
    Ok((d, b.read(&w)?.mapv(|v| v.f64()), b.read(&h)?.mapv(|v| v.f64())))
}

fn compare(gpu: &mut Gpu, cpu: &mut Cpu<f64>, x: &Matrix<f32>, k: usize, method: &Method) -> Result<Check> {
    let (m, n) = x.dim();
    let exact: Matrix<f64> = match x {
        Matrix::Dense(a) => a.mapv(f64::from).into(),
        Matrix::Sparse(s) => s.map(|v| f64::from(*v)).into(),
    };
    let mut sum = 0.0;
    exact.view().for_each(|_, _, v| sum += v);
    let mean = sum / (m as f64 * n as f64);
    let start = (inputs::factor(m, k, mean, 2), inputs::factor(n, k, mean, 3));
    let start = (&start.0, &start.1);
    let (wanted, ..) = run(cpu, exact.view(), method, start)?;
    let (own, w, h) = run(gpu, x.view(), method, start)?;
    let data = cpu.upload(exact.view(), 1.0, Observed::All)?;
    let (w, h) = (cpu.factor(w.view())?, cpu.factor(h.view())?);
    let d = cpu.divergence(method.loss(), &data, &w, &h)?;
    let got = cpu.value(&d)?;
    let name = match method {
        Method::Mu(loss) => format!("mu {loss}"),
        Method::Hals => "hals fro".into(),
    };
    let kind = if matches!(x, Matrix::Sparse(_)) { "sparse" } else { "dense" };
    Ok(Check {
        name: format!("{name}, {kind} {m}x{n}, k = {k}"),
        reached: (got / wanted - 1.0).abs(),
        measured: (own / got - 1.0).abs(),
    })
}

/// All comparisons; a few where `quick`.
pub(crate) fn all(gpu: &mut Gpu, losses: &[Loss], quick: bool) -> Result<Vec<Check>> {
    let mut cpu = Cpu::<f64>::new()?;
    // odd sizes, and widths on both sides of what kernels treat alike
    let dense: &[(usize, usize, usize)] = if quick {
        &[(131, 97, 5), (67, 210, 33)]
    } else {
        &[(301, 203, 5), (257, 515, 16), (1030, 517, 33), (520, 1030, 70), (640, 384, 128), (389, 401, 260)]
    };
    let mut checks = Vec::new();
    for &(m, n, k) in dense {
        let x = Matrix::from(inputs::dense(m, n));
        for loss in losses {
            checks.push(compare(gpu, &mut cpu, &x, k, &Method::Mu(loss.clone()))?);
        }
        checks.push(compare(gpu, &mut cpu, &x, k, &Method::Hals)?);
    }
    let sizes: &[(usize, usize, usize)] = if quick { &[(200, 300, 4000)] } else { &[(900, 2100, 60_000)] };
    for &(m, n, stored) in sizes {
        let counted: Sparse<f32> = inputs::counts(m, n, stored);
        let x = Matrix::from(counted);
        for k in [20, 64] {
            for loss in losses.iter().filter(|l| l.is_fro() || l.is_kl()) {
                checks.push(compare(gpu, &mut cpu, &x, k, &Method::Mu(loss.clone()))?);
            }
        }
    }
    Ok(checks)
}
