//! The backend in f64: the conformance suite, and what f32 cannot do.

use ndarray::Array2;
use nmf_core::conformance::oracle;
use nmf_core::{
    Accumulate, Backend, Error, Init, Keeper, Loss, Matrix, MatrixRef, Nmf, Observed, Problem, Progress, Rule, Side,
    Silent, Snapshot, SolverKind, Sparse,
};
use nmf_cpu::Cpu;
use nmf_gpu::{AdapterChoice, AdapterInfo, Features, Gpu, GpuOptions, Number, Streaming, Switch, XStorage};

fn gpu(options: GpuOptions) -> Gpu<f64> {
    Gpu::open(&GpuOptions { adapter: Some(adapter()), ..options }).unwrap()
}

/// One with f64, which the first choice need not have.
fn adapter() -> AdapterChoice {
    let all = nmf_gpu::adapters().unwrap();
    let has = |name: &str, a: &AdapterInfo| a.features.iter().any(|f| f == name);
    let found = all.iter().find(|a| has("SHADER_F64", a) && has("SHADER_INT64", a));
    AdapterChoice::Index(
        found.expect("these tests need an adapter with SHADER_F64 and SHADER_INT64, as lavapipe is").index,
    )
}

nmf_core::conformance_tests!(gpu_f64, || gpu(GpuOptions::default()));

nmf_core::conformance_tests!(gpu_f64_unchecked_in_windows, || {
    gpu(GpuOptions { max_binding: Some(1024), checked: false, ..GpuOptions::default() })
});

/// What reads X, in panels of 1 KiB that are sent by turns.
mod streamed {
    use super::*;

    macro_rules! checks {
        ($($check:ident),+) => {
            $(#[test]
            fn $check() {
                let options = || GpuOptions { max_binding: Some(1024), stream: Streaming::Always, ..GpuOptions::default() };
                if let Err(failure) = oracle::$check(|| gpu(options())) {
                    panic!("{failure}");
                }
            })+
        };
    }

    checks!(cross, terms, divergence, newton_sweep);
}

/// Four overlapping bumps with noise and, where `zeros`, many exact zeros.
fn data(zeros: bool) -> Matrix<f64> {
    let dense = Array2::from_shape_fn((70, 48), |(i, j)| {
        let bump = |c: f64, d: f64| (-((i as f64 - c) / 9.0).powi(2) - ((j as f64 - d) / 7.0).powi(2)).exp();
        let noise = ((i * 7919 + j * 104_729) % 997) as f64 / 997.0;
        let v = bump(10.0, 8.0) + 2.0 * bump(30.0, 30.0) + bump(50.0, 15.0) + bump(60.0, 40.0) + 0.05 * noise;
        if zeros && v < 0.1 { 0.0 } else { v + 0.01 }
    });
    if zeros { Matrix::Sparse(Sparse::csr_from_dense(dense.view(), 0.0)) } else { Matrix::Dense(dense) }
}

fn largest_difference(a: ndarray::ArrayView2<'_, f64>, b: ndarray::ArrayView2<'_, f64>) -> f64 {
    let size = b.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    a.iter().zip(b).fold(0.0f64, |most, (a, b)| most.max((a - b).abs())) / size
}

#[test]
fn fits_are_those_of_the_cpu_to_twelve_digits() {
    for (loss, solver, zeros) in [
        (Loss::FRO, SolverKind::AHals, true),
        (Loss::FRO, SolverKind::EHals, false),
        (Loss::KL, SolverKind::Mu, true),
        (Loss::IS, SolverKind::Mu, false),
        (Loss::Beta(0.7), SolverKind::Mu, false),
        (Loss::KL, SolverKind::Mue, false),
        (Loss::KL, SolverKind::Newton, true),
        (Loss::FRO, SolverKind::Gd, false),
    ] {
        let x = data(zeros);
        let nmf = Nmf::new(4).loss(loss.clone()).solver(solver).seed(3).max_iter(10).tol(0.0);
        let found = nmf.fit(&mut gpu(GpuOptions::default()), x.view()).unwrap();
        let expected = nmf.fit(&mut Cpu::<f64>::with_threads(1).unwrap(), x.view()).unwrap();
        let what = format!("{loss}, {solver}");
        let (d, e) = (found.divergence(), expected.divergence());
        assert!((d / e - 1.0).abs() < 1e-12, "{what}: {d:e} on the GPU, {e:e} on the CPU");
        let off = largest_difference(found.w(), expected.w()).max(largest_difference(found.h(), expected.h()));
        // paths part by what each iteration multiplies the last bits with
        assert!(off < 1e-11, "{what}: factors differ by {off:e}");
    }
}

/// ‖X − WH‖ / ‖X‖ of a fit of an exact product.
fn residual<T: Number>() -> f64 {
    let (m, n, k) = (40, 30, 3);
    // parts without overlap: the factorization is unique, and converges fast
    let w = Array2::from_shape_fn((m, k), |(i, q)| if i % k == q { 1.0 + (i % 7) as f64 / 4.0 } else { 0.0 });
    let h =
        Array2::from_shape_fn((k, n), |(q, j)| if j % 4 == q || j % 4 == 3 { 0.5 + (j % 5) as f64 / 8.0 } else { 0.0 });
    let x = w.dot(&h);
    let mut b = Gpu::<T>::open(&GpuOptions { adapter: Some(adapter()), ..GpuOptions::default() }).unwrap();
    let nmf = Nmf::<T>::new(k).solver(SolverKind::EHals).seed(1).max_iter(300).tol(0.0);
    let fitted = nmf.fit(&mut b, &x.mapv(T::of)).unwrap();
    let v = fitted.w().mapv(T::f64).dot(&fitted.h().mapv(T::f64));
    let norm = |a: &Array2<f64>| a.iter().map(|v| v * v).sum::<f64>().sqrt();
    norm(&(&x - &v)) / norm(&x)
}

#[test]
fn an_exact_product_is_found_to_digits_that_f32_does_not_have() {
    let (single, double) = (residual::<f32>(), residual::<f64>());
    assert!(single > 1e-9 && double < 1e-13, "{single:e} in f32, {double:e} in f64");
}

/// Drivers have neither logarithm nor exponential in f64: these are the kernels' own, entry by entry.
#[test]
fn powers_and_logarithms_are_right_to_the_last_digits() {
    let mut b = gpu(GpuOptions::default());
    // from where v is floored to where ratios of multiplicative updates end
    let v = Array2::from_shape_fn((600, 3), |(i, q)| 10f64.powf((3 * i + q) as f64 / 60.0 - 15.0));
    let one = Array2::<f64>::ones((600, 3));
    for gamma in [2.0 / 3.0, 0.1, 1.7, 0.25, 0.5, 2.5, 3.0] {
        let mut f = b.factor(one.view()).unwrap();
        let mut t = b.new_terms(600, 3).unwrap();
        // N = v·1 and D = 1·1 of β = 2
        let x = b.upload(MatrixRef::from(&v), 1.0, Observed::All).unwrap();
        let unit = b.factor(Array2::eye(3).view()).unwrap();
        let units = b.factor(one.view()).unwrap();
        b.terms(&Loss::FRO, &x, Side::Rows, &units, &unit, 1.0, Accumulate::Set, &mut t).unwrap();
        b.apply(&t, &mut f, &Rule { exponent: gamma, ..Rule::for_loss(&Loss::FRO) }).unwrap();
        for (found, v) in b.read(&f).unwrap().iter().zip(&v) {
            let expected = v.powf(gamma);
            let roundings = 4.0 + 2.0 * (gamma * v.ln()).abs();
            assert!(
                (found / expected - 1.0).abs() < roundings * f64::EPSILON,
                "{v:e}^{gamma}: {found:e}, {expected:e}"
            );
        }
    }
    let unit = b.factor(Array2::<f64>::ones((1, 1)).view()).unwrap();
    for i in -60..60 {
        // dense about 1, where plain formulas cancel, and far from it
        let (x, v) = (1.0 + f64::from(i % 7) / 16.0, 1.0 + f64::from(i * i * i) / 250_000.0);
        let (data, w) = (Array2::from_elem((1, 1), x), b.factor(Array2::from_elem((1, 1), v).view()).unwrap());
        let data = b.upload(MatrixRef::from(&data), 1.0, Observed::All).unwrap();
        for loss in [Loss::KL, Loss::IS, Loss::Beta(0.7)] {
            let d = b.divergence(&loss, &data, &w, &unit).unwrap();
            let (found, expected) = (b.value(&d).unwrap(), divergence(&loss, x, v));
            // the plain form of other β subtracts terms of about x and v
            let plain = loss == Loss::Beta(0.7) && ((x - v) / v).abs() > 0.25;
            let size = if plain { expected + x + v } else { expected };
            assert!(
                (found - expected).abs() <= 16.0 * f64::EPSILON * size,
                "{loss}, {x}, {v}: {found:e}, {expected:e}"
            );
        }
    }
}

/// d(x, v) where it would cancel from the series of its parts in x − v.
fn divergence(loss: &Loss, x: f64, v: f64) -> f64 {
    let t = (x - v) / v;
    if t.abs() > 0.25 {
        return loss.value(x, v);
    }
    // v^β·Σ c_n·tⁿ, c₂ = ½, c_{n+1} = c_n·(β − n)/(n + 1)
    let beta = loss.beta().unwrap();
    let mut term = 0.5 * t * t;
    let mut sum = 0.0;
    for n in 2..60 {
        sum += term;
        term *= t * (beta - f64::from(n)) / f64::from(n + 1);
    }
    v.powf(beta) * sum
}

#[test]
fn runs_side_by_side_are_those_one_after_the_other() {
    for (solver, loss) in [
        (SolverKind::Mu, Loss::Beta(1.5)),
        (SolverKind::Mue, Loss::KL),
        (SolverKind::EHals, Loss::FRO),
        (SolverKind::Newton, Loss::KL),
    ] {
        for (k, zeros) in [(3, false), (5, true), (70, false)] {
            let nmf =
                Nmf::new(k).loss(loss.clone()).solver(solver).restarts(3).seed(3).max_iter(8).tol(0.0).trace_every(0);
            let said = |batch| {
                let mut b = gpu(GpuOptions { batch, ..GpuOptions::default() });
                let fitted = nmf.fit(&mut b, data(zeros).view()).unwrap();
                (fitted.w().to_owned(), fitted.h().to_owned(), fitted.objectives().to_vec(), b.dispatches())
            };
            let (together, alone) = (said(None), said(Some(1)));
            let what = format!("{solver}, {loss}, k = {k}");
            assert!((&together.0, &together.1, &together.2) == (&alone.0, &alone.1, &alone.2), "{what}");
            assert!(together.3 < alone.3, "{what}: not in a batch");
        }
    }
}

#[derive(Default)]
struct All(Vec<Snapshot<f64>>);

impl Keeper<f64> for All {
    fn due(&mut self, _: &Progress) -> bool {
        true
    }
    fn keep(&mut self, snapshot: Snapshot<f64>) {
        self.0.push(snapshot);
    }
}

#[test]
fn what_goes_on_from_a_snapshot_ends_at_the_same_bits_and_not_in_another_precision() {
    let x = data(false);
    // its momentum lives on the device
    let nmf = Nmf::new(3).solver(SolverKind::EHals).seed(2).max_iter(12).tol(0.0);
    let run = |keeper: Option<&mut dyn Keeper<f64>>, from: Option<&Snapshot<f64>>| {
        let mut b = gpu(GpuOptions::default());
        let problem = nmf.problem(x.view(), None).unwrap();
        let data = problem.upload(&mut b).unwrap();
        nmf.fit_kept(&mut b, &data, &problem, 0.0, &mut Silent, keeper, from).unwrap()
    };
    let mut all = All::default();
    let whole = run(Some(&mut all), None);
    let resumed = run(None, Some(&all.0[6]));
    assert_eq!((resumed.w(), resumed.h(), resumed.divergence()), (whole.w(), whole.h(), whole.divergence()));
    let single = Gpu::new(&GpuOptions::default()).unwrap().info().numerics;
    let double = gpu(GpuOptions::default()).info().numerics;
    assert!(single.starts_with("f32") && double.starts_with("f64"), "{single}; {double}");
}

#[test]
fn streamed_x_is_the_same_matrix() {
    for zeros in [false, true] {
        let x = data(zeros);
        let results = |stream| {
            let mut b = gpu(GpuOptions { stream, max_binding: Some(4096), ..GpuOptions::default() });
            let problem = Problem::new(x.view(), Loss::KL, Observed::All).unwrap();
            let data = problem.upload(&mut b).unwrap();
            assert_eq!(data.streamed(), stream == Streaming::Always);
            let mut w =
                b.factor(Array2::from_shape_fn((70, 5), |(i, q)| 0.1 + ((i + 3 * q) % 7) as f64).view()).unwrap();
            let h = b.factor(Array2::from_shape_fn((48, 5), |(j, q)| 0.1 + ((2 * j + q) % 5) as f64).view()).unwrap();
            let mut t = b.new_terms(70, 5).unwrap();
            let rule = Rule::for_loss(&Loss::KL);
            let before = b.mu_step(&Loss::KL, &data, Side::Rows, &mut w, &h, &mut t, &rule, true).unwrap().unwrap();
            (b.read(&w).unwrap(), b.value(&before).unwrap())
        };
        assert!(results(Streaming::Never) == results(Streaming::Always), "zeros: {zeros}");
    }
}

#[test]
fn what_f64_excludes_is_refused() {
    let refused = |options: GpuOptions, words: &[&str]| match Gpu::<f64>::open(&options) {
        Err(Error::Unsupported(text)) => assert!(words.iter().all(|w| text.contains(w)), "{text}"),
        other => panic!("{words:?}: {:?}", other.map(|b| b.features().to_vec())),
    };
    let features = |features| GpuOptions { features, ..GpuOptions::default() };
    let name = gpu(GpuOptions::default()).adapter().name.clone();
    refused(features(Features { double: Switch::Off, ..Features::default() }), &[&name, "switched off"]);
    refused(features(Features { subgroups: Switch::Force, ..Features::default() }), &["subgroups", "not with f64"]);
    refused(features(Features { cooperative: Switch::Force, ..Features::default() }), &["cooperative", "not with f64"]);
    refused(GpuOptions { x_storage: XStorage::F16, ..GpuOptions::default() }, &["f16", "f64"]);
    // what is not forced is done without, and said
    let b = gpu(features(Features { cooperative: Switch::Auto, ..Features::default() }));
    let used: Vec<_> = b.features().iter().map(|f| (f.name, f.used)).collect();
    assert!(used.contains(&("f64", true)) && used.contains(&("subgroups", false)), "{used:?}");
    assert!(used.contains(&("cooperative", false)), "{used:?}");
    let single = Gpu::new(&GpuOptions::default()).unwrap();
    let state = single.features().iter().find(|f| f.name == "f64").unwrap();
    assert!(!state.used && state.why.contains("offered"), "{state:?}");
}

#[test]
fn every_number_takes_eight_bytes() {
    let x = Array2::<f64>::ones((200, 200));
    let options = GpuOptions { memory: Some(300_000), stream: Streaming::Never, ..GpuOptions::default() };
    match gpu(options).upload(MatrixRef::from(&x), 1.0, Observed::All) {
        Err(Error::OutOfMemory { needed, available, .. }) => assert_eq!((needed, available), (320_000, 300_000)),
        _ => panic!("more than the memory was uploaded"),
    }
}

/// Rows of so many entries, some cut into pieces, for the second pass and the sums behind it.
fn long_rows() -> Sparse<f64> {
    let (lengths, cols) = ([0, 1, 513, 64, 65, 1300, 2, 700, 512, 33], 1300);
    let mut x = Array2::zeros((lengths.len(), cols));
    for (i, &n) in lengths.iter().enumerate() {
        for t in 0..n {
            let j = (i * 31 + t * cols / n) % cols;
            x[[i, j]] = 0.05 + ((i * 7919 + j * 104_729) % 1009) as f64 / 1009.0;
        }
    }
    Sparse::csr_from_dense(x.view(), 0.0)
}

#[test]
fn long_rows_are_those_of_the_cpu_alone_weighted_and_in_a_batch() {
    let x = long_rows();
    let mut weights = x.clone();
    weights.data_mut().iter_mut().enumerate().for_each(|(i, w)| *w = 0.5 + (i * 7 % 5) as f64 / 2.0);
    let (x, weights) = (Matrix::Sparse(x), Matrix::Sparse(weights));
    for (loss, solver, weighted, runs, window) in [
        (Loss::KL, SolverKind::Mu, false, 1, None),
        (Loss::KL, SolverKind::Mu, true, 1, None),
        (Loss::FRO, SolverKind::Mu, false, 3, None),
        (Loss::KL, SolverKind::Mu, false, 3, None),
        (Loss::KL, SolverKind::Newton, false, 1, None),
        // windows that share rows
        (Loss::KL, SolverKind::Newton, true, 1, Some(2048)),
        (Loss::KL, SolverKind::Mu, false, 1, Some(2048)),
    ] {
        let nmf = Nmf::new(3).loss(loss.clone()).solver(solver).init(Init::Random).seed(5).max_iter(6).tol(0.0);
        let nmf = nmf.restarts(runs);
        let nmf = if weighted { nmf.weights(weights.clone()) } else { nmf };
        let mut b = gpu(GpuOptions { max_binding: window, ..GpuOptions::default() });
        let found = nmf.fit(&mut b, x.view()).unwrap();
        let expected = nmf.fit(&mut Cpu::<f64>::with_threads(1).unwrap(), x.view()).unwrap();
        let what = format!("{loss}, {solver}, weighted {weighted}, {runs} runs, windows {window:?}");
        let (d, e) = (found.divergence(), expected.divergence());
        assert!((d / e - 1.0).abs() < 1e-12, "{what}: {d:e} on the GPU, {e:e} on the CPU");
        let off = largest_difference(found.w(), expected.w()).max(largest_difference(found.h(), expected.h()));
        assert!(off < 1e-10, "{what}: factors differ by {off:e}");
    }
}
