//! Optional features of a device: switched off, forced, kept in files; results do not depend on them beyond rounding.

use ndarray::Array2;
use nmf_core::{Backend, Error, Loss, Matrix, Observed, Rule, Side, Sparse};
use nmf_gpu::{Features, Gpu, GpuOptions, Switch, adapters};
use std::path::Path;

fn options(features: Features, cache: Option<&Path>) -> GpuOptions {
    GpuOptions { features, cache: cache.map(Into::into), ..GpuOptions::default() }
}

fn subgroups(subgroups: Switch) -> Features {
    Features { subgroups, ..Features::default() }
}

fn values(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| 0.05 + ((i * 37 + j * 101 + seed * 13) % 89) as f32 / 89.0)
}

fn inputs() -> [Matrix<f32>; 2] {
    let dense = values(70, 50, 1).mapv(|v| if v < 0.6 { 0.0 } else { v });
    let sparse = Sparse::csr_from_dense(dense.view(), 0.0);
    [Matrix::Dense(dense), Matrix::Sparse(sparse)]
}

/// A few updates of both sides and the divergence at the end.
fn work(b: &mut Gpu, x: &Matrix<f32>, k: usize) -> (Array2<f32>, Array2<f32>, f64) {
    let x = b.upload(x.view(), 1.0, Observed::All).unwrap();
    let (mut w, mut h) = (b.factor(values(70, k, 2).view()).unwrap(), b.factor(values(50, k, 3).view()).unwrap());
    let (mut tw, mut th) = (b.new_terms(70, k).unwrap(), b.new_terms(50, k).unwrap());
    let rule = Rule::for_loss(&Loss::KL);
    for _ in 0..3 {
        b.mu_step(&Loss::KL, &x, Side::Rows, &mut w, &h, &mut tw, &rule, true).unwrap();
        b.mu_step(&Loss::KL, &x, Side::Cols, &mut h, &w, &mut th, &rule, false).unwrap();
    }
    let d = b.divergence(&Loss::KL, &x, &w, &h).unwrap();
    (b.read(&w).unwrap(), b.read(&h).unwrap(), b.value(&d).unwrap())
}

fn state(b: &Gpu, name: &str) -> (bool, String) {
    let state = b.features().iter().find(|f| f.name == name).unwrap();
    (state.used, state.why.clone())
}

fn offers(name: &str) -> bool {
    let opened = Gpu::new(&GpuOptions::default()).unwrap();
    adapters().unwrap()[opened.adapter().index].features.iter().any(|f| f == name)
}

/// What Mesa's software adapter takes as the bits of its vectors: 32 times the size of its subgroups.
const VECTOR_BITS: &str = "LP_NATIVE_VECTOR_WIDTH";

#[test]
fn subgroups_change_nothing_but_rounding_and_repeat_bit_for_bit() {
    let open = |switch| Gpu::new(&options(subgroups(switch), None)).unwrap();
    let (mut without, mut with, mut again) = (open(Switch::Off), open(Switch::Auto), open(Switch::Auto));
    assert_eq!(state(&with, "subgroups").0, offers("SUBGROUP"), "{:?}", with.features());
    if std::env::var_os(VECTOR_BITS).is_some() {
        println!("subgroup size {}", size(&with));
    }
    // lanes share the sums of 64 parts, of one, and of all numbers between
    for k in [1, 5, 12, 20, 40, 100, 260] {
        for x in inputs() {
            let what = format!("k = {k}, {}", if matches!(x, Matrix::Dense(_)) { "dense" } else { "sparse" });
            let (w, h, d) = work(&mut without, &x, k);
            let found = work(&mut with, &x, k);
            assert_eq!(found, work(&mut again, &x, k), "{what}");
            assert!((found.2 / d - 1.0).abs() < 1e-5, "{what}: {} {d}", found.2);
            for (a, b) in found.0.iter().chain(&found.1).zip(w.iter().chain(&h)) {
                assert!((a - b).abs() <= 1e-5 * b.abs(), "{what}: {a} {b}");
            }
        }
    }
}

fn size(b: &Gpu) -> u64 {
    b.adapter().limits.iter().find(|l| l.0 == "subgroup_min_size").unwrap().1
}

/// The test above on subgroups of every size that a graphics card may have, in processes of their own: the software
/// adapter reads the size once.
#[test]
fn subgroups_of_every_size_add_up() {
    let here = Gpu::new(&GpuOptions::default()).unwrap();
    if !here.adapter().name.starts_with("llvmpipe") {
        println!("skipped: only Mesa's software adapter can be told the size of its subgroups");
        return;
    }
    let shaders = tempfile::tempdir().unwrap();
    for wanted in [4, 16, 32, 64] {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "subgroups_change_nothing_but_rounding_and_repeat_bit_for_bit", "--nocapture"])
            .env(VECTOR_BITS, (32 * wanted).to_string())
            // Mesa's cache does not tell kernels of one width from those of another
            .env("MESA_SHADER_CACHE_DIR", shaders.path())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "size {wanted}: {out}{}", String::from_utf8_lossy(&run.stderr));
        assert!(out.contains("1 passed"), "{out}");
        if !out.contains(&format!("subgroup size {wanted}\n")) {
            println!("this driver has no subgroups of {wanted}");
        }
    }
}

#[test]
fn what_is_forced_is_used_or_an_error_that_names_it() {
    match Gpu::new(&options(subgroups(Switch::Force), None)) {
        Ok(b) => assert_eq!(state(&b, "subgroups"), (true, String::new())),
        Err(Error::Unsupported(text)) => assert!(!offers("SUBGROUP") && text.contains("subgroups"), "{text}"),
        Err(e) => panic!("{e}"),
    }
    let b = Gpu::new(&options(subgroups(Switch::Off), None)).unwrap();
    assert_eq!(state(&b, "subgroups"), (false, "switched off".into()));
    // both need a folder
    for (name, features) in [
        ("pipeline-cache", Features { pipeline_cache: Switch::Force, ..Features::default() }),
        ("tuning", Features { tuning: Switch::Force, ..Features::default() }),
    ] {
        match Gpu::new(&options(features, None)) {
            Err(Error::Unsupported(text)) => assert!(text.contains(name), "{text}"),
            other => panic!("{name}: {:?}", other.map(|b| b.features().to_vec())),
        }
    }
    let off = Features { pipeline_cache: Switch::Off, tuning: Switch::Off, ..Features::default() };
    let place = tempfile::tempdir().unwrap();
    let mut b = Gpu::new(&options(off, Some(place.path()))).unwrap();
    assert_eq!(state(&b, "pipeline-cache"), (false, "switched off".into()));
    assert_eq!(state(&b, "tuning"), (false, "switched off".into()));
    assert!(!b.tuning().is_on());
    let [x, _] = inputs();
    work(&mut b, &x, 3);
    drop(b);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn compiled_kernels_are_kept_and_damaged_files_are_replaced() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cache");
    let options = options(Features::default(), Some(&folder));
    let mut b = Gpu::new(&options).unwrap();
    if !offers("PIPELINE_CACHE") {
        assert_eq!(state(&b, "pipeline-cache"), (false, "the adapter does not offer it".into()));
        return;
    }
    assert_eq!(state(&b, "pipeline-cache"), (true, "nothing kept yet".into()));
    let [x, _] = inputs();
    let expected = work(&mut b, &x, 3);
    drop(b);
    let file = || {
        let all: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    };
    let good = std::fs::read(file()).unwrap();
    let mut b = Gpu::new(&options).unwrap();
    assert_eq!(state(&b, "pipeline-cache"), (true, String::new()));
    assert_eq!(work(&mut b, &x, 3), expected);
    drop(b);
    let middle = good.len() / 2;
    let mut flipped = good.clone();
    flipped[middle] ^= 1;
    for bad in [&good[..middle], &flipped, b"", b"something else\n"] {
        std::fs::write(file(), bad).unwrap();
        let mut b = Gpu::new(&options).unwrap();
        let (used, why) = state(&b, "pipeline-cache");
        assert!(used && why.starts_with("what was kept cannot be used"), "{why}");
        assert_eq!(work(&mut b, &x, 3), expected);
        drop(b);
        assert_eq!(state(&Gpu::new(&options).unwrap(), "pipeline-cache"), (true, String::new()));
    }
    // no folder can be made below a file
    let blocked = GpuOptions { cache: Some(file().join("below")), ..options.clone() };
    let mut b = Gpu::new(&blocked).unwrap();
    assert_eq!(work(&mut b, &x, 3), expected);
}
