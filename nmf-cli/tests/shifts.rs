//! `--shifts`: convolutive models, from the command line to the files and back.

mod common;

use common::{Place, Ran, csv, dense, number};
use ndarray::{Array2, Array3, Axis, s};
use nmf_core::Loss;
use serde_json::Value;

const L: usize = 4;

/// X of 10×40 made of two patterns of four columns with rare onsets, on a small ground.
fn planted() -> Array2<f64> {
    let w = Array3::from_shape_fn((10, 2, L), |(i, q, tau)| {
        if (i + 3 * tau + 5 * q) % 4 == 0 { 1.0 + ((i * 7 + tau) % 5) as f64 } else { 0.0 }
    });
    let h = Array2::from_shape_fn(
        (2, 40),
        |(q, j)| if (j + 4 * q) % (9 + 2 * q) == 2 { 1.0 + (j % 3) as f64 } else { 0.0 },
    );
    model(&w, &h) + 0.05
}

fn place() -> Place {
    let place = Place::new();
    place.matrix("x.npy", &planted());
    place
}

/// Σ_τ W_τ·H^{→τ}, as it is written.
fn model(w: &Array3<f64>, h: &Array2<f64>) -> Array2<f64> {
    let ((m, k, shifts), n) = (w.dim(), h.ncols());
    let mut v = Array2::zeros((m, n));
    for i in 0..m {
        for j in 0..n {
            for q in 0..k {
                for tau in 0..shifts.min(j + 1) {
                    v[[i, j]] += w[[i, q, tau]] * h[[q, j - tau]];
                }
            }
        }
    }
    v
}

fn cube(place: &Place, name: &str) -> Array3<f64> {
    nmf_io::read_npy3(&place.path(name)).unwrap()
}

fn write_cube(place: &Place, name: &str, a: &Array3<f64>) {
    nmf_io::write_npy(&place.path(name), a.view()).unwrap();
}

fn saved(place: &Place, dir: &str) -> (Array3<f64>, Array2<f64>) {
    (cube(place, &format!("{dir}/W.npy")), dense(&place.path(&format!("{dir}/H.npy"))))
}

/// Factors x.npy in f64 into a model of two patterns in the folder m.
#[track_caller]
fn fit(place: &Place, options: &str) -> Value {
    place.run(&format!("factorize x.npy -k 2 --shifts {L} -o m --json {options}")).ok().json()
}

fn divergence(loss: &str, x: &Array2<f64>, v: &Array2<f64>) -> f64 {
    let loss: Loss = loss.parse().unwrap();
    x.iter().zip(v).map(|(x, v)| loss.value(*x, *v)).sum()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

#[test]
fn the_files_have_the_error_that_is_reported() {
    let (place, x) = (place(), planted());
    for loss in ["fro", "kl", "is", "beta:1.5"] {
        let json = fit(&place, &format!("--loss {loss}"));
        let (w, h) = saved(&place, "m");
        assert_eq!((w.dim(), h.dim()), ((10, 2, L), (2, 40)));
        let v = model(&w, &h);
        let error = (&x - &v).mapv(|v| v * v).sum();
        assert!(near(number(&json, "squared_error"), error), "{loss}: {json}");
        assert!(near(number(&json, "reconstruction_error"), error.sqrt()), "{loss}");
        assert!(near(number(&json, "divergence"), divergence(loss, &x, &v)), "{loss}");
        let trace = json["objective_trace"].as_array().unwrap();
        assert!(number(&json, "objective") < 0.2 * trace[0][2].as_f64().unwrap(), "{loss}: {json}");
        // the contract's keys as ever, then those that only some have
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys[keys.len() - 2..], ["version", "shifts"]);
        assert_eq!((&json["shifts"], &json["rank"], &json["cols"]), (&L.into(), &2.into(), &40.into()));
        assert_eq!(json["init"], "random");
    }
}

#[test]
fn sparse_masked_and_transposed_matrices_are_the_same_model() {
    let place = place();
    let x = planted().mapv(|v| if v > 0.06 { v } else { 0.0 });
    let sparse = nmf_core::Sparse::<f64>::from(sprs::CsMatI::csr_from_dense(x.view(), 0.0));
    nmf_io::write(&place.path("x.mtx"), &sparse).unwrap();
    place.matrix("dense.npy", &x);
    place.write("turned.csv", csv(&x.t().to_owned()));
    let options = format!("-k 2 --shifts {L} --loss kl --solver mu --precision f64 --max-iter 30 --tol 0 --json");
    let one = place.run(&format!("factorize dense.npy {options} -o a")).ok().json();
    for input in ["x.mtx", "turned.csv --transpose"] {
        let other = place.run(&format!("factorize {input} {options} -o b")).ok().json();
        for key in ["objective", "squared_error"] {
            assert!(near(number(&other, key), number(&one, key)), "{input}: {other}");
        }
        let ((wa, ha), (wb, hb)) = (saved(&place, "a"), saved(&place, "b"));
        assert!((wa - wb).iter().all(|d| d.abs() < 1e-8) && (ha - hb).iter().all(|d| d.abs() < 1e-8), "{input}");
    }
    let mask = Array2::from_shape_fn(x.dim(), |(i, j)| if (i * j) % 6 == 5 { 0.0 } else { 1.0 });
    place.matrix("mask.npy", &mask);
    for (input, counts) in
        [("dense.npy --mask mask.npy", mask), ("x.mtx --stored-only", x.mapv(|v| if v > 0.0 { 1.0 } else { 0.0 }))]
    {
        let json = place.run(&format!("factorize {input} {options} -o c")).ok().json();
        let (w, h) = saved(&place, "c");
        let error = (&counts * &(&x - &model(&w, &h)).mapv(|v| v * v)).sum();
        assert!(near(number(&json, "squared_error"), error), "{input}: {json} {error}");
    }
}

#[test]
fn given_patterns_stay_and_are_the_first() {
    let place = place();
    let given = Array3::from_shape_fn((10, 1, L), |(i, _, tau)| ((i + tau) % 3) as f64 / 7.0);
    write_cube(&place, "given.npy", &given);
    let json = fit(&place, "--loss kl --fix-w given.npy");
    let (w, h) = saved(&place, "m");
    assert_eq!(w.slice(s![.., ..1, ..]), given);
    assert!(near(number(&json, "divergence"), divergence("kl", &planted(), &model(&w, &h))));
    // the first row of H, with all of W free
    place.matrix("onsets.npy", &h.slice(s![..1, ..]).to_owned());
    fit(&place, "--loss kl --fix-h onsets.npy");
    assert_eq!(saved(&place, "m").1.row(0), h.row(0));
}

#[test]
fn a_finished_model_is_a_start() {
    let place = place();
    for loss in ["fro", "kl", "is"] {
        let done = number(&fit(&place, &format!("--loss {loss} --max-iter 50 --tol 0")), "objective");
        let again = |options: &str| {
            let start = format!("--w0 m/W.npy --h0 m/H.npy --loss {loss} --tol 0 {options}");
            place.run(&format!("factorize x.npy -k 2 --shifts {L} --json {start}")).ok().json()
        };
        let here = again("--max-iter 0");
        assert_eq!((here["init"].as_str(), here["iterations"].as_u64()), (Some("custom"), Some(0)));
        assert!(near(number(&here, "objective"), done), "{loss}: {done} {here}");
        let next = number(&again("--solver mu --max-iter 1"), "objective");
        assert!(next <= done * (1.0 + 1e-12), "{loss}: {done} {next}");
    }
    // an array in Fortran's order is the same array
    let w = cube(&place, "m/W.npy");
    let header = format!("{:<117}\n", format!("{{'descr': '<f8', 'fortran_order': True, 'shape': (10, 2, {L}), }}"));
    let mut bytes = [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    w.t().iter().for_each(|v| bytes.extend(v.to_le_bytes()));
    place.write("f.npy", bytes);
    let objective = |w0: &str| {
        let options = format!("--shifts {L} --w0 {w0} --h0 m/H.npy --loss is --max-iter 0 --json");
        number(&place.run(&format!("factorize x.npy -k 2 {options}")).ok().json(), "objective")
    };
    assert_eq!(objective("f.npy"), objective("m/W.npy"));
}

#[test]
fn rows_seen_again_get_the_weights_they_had() {
    let (place, x) = (place(), planted());
    for loss in ["fro", "kl", "is"] {
        let json = fit(&place, &format!("--loss {loss} --max-iter 500 --tol 1e-6"));
        let ran = place.run("transform m x.npy -o new.npy --json").ok().json();
        let (w, h) = (cube(&place, "new.npy"), saved(&place, "m").1);
        let v = model(&w, &h);
        assert!(near(number(&ran, "squared_error"), (&x - &v).mapv(|v| v * v).sum()), "{loss}: {ran}");
        assert_eq!((&ran["rank"], &ran["shifts"]), (&2.into(), &L.into()));
        let (now, then) = (divergence(loss, &x, &v), number(&json, "divergence"));
        assert!(now <= then * 1.001, "{loss}: {now} {then}");
    }
    // other formats have two dimensions, and are told to
    let ran = place.run("transform m x.npy -o new.csv").ok();
    assert!(ran.stdout.contains("10 rows → 10×2×4 weights"), "{}", ran.stdout);
    assert!(ran.stderr.contains("a matrix of 10×8") && ran.stderr.contains("column q·4 + τ"), "{}", ran.stderr);
    let (flat, w) = (dense(&place.path("new.csv")), cube(&place, "new.npy"));
    assert!(w.indexed_iter().all(|((i, q, tau), v)| flat[[i, q * L + tau]] == *v));
    // more columns of W than of X: the weights are not unique, the fit is
    place.run("factorize x.npy -k 4 --shifts 12 --max-iter 20 -o wide").ok();
    let json = place.run("transform wide x.npy -o wide.npy --json").ok().json();
    let v = model(&cube(&place, "wide.npy"), &saved(&place, "wide").1);
    assert!((number(&json, "squared_error") - (&x - &v).mapv(|v| v * v).sum()).abs() < 1e-9 * x.sum());
    assert!(number(&json, "reconstruction_error") < 0.5 * x.mapv(|v| v * v).sum().sqrt());
}

#[test]
fn a_damaged_model_is_refused() {
    let place = place();
    fit(&place, "--max-iter 2");
    let text = std::fs::read_to_string(place.path("m/fit.json")).unwrap();
    for bad in ["0", "41", "18446744073709551615", "-1", "1.5", "\"x\"", "null"] {
        place.write("m/fit.json", text.replace("\"shifts\": 4", &format!("\"shifts\": {bad}")));
        place.run("transform m x.npy -o new.npy").fails(2, &["fit.json", "shifts"]);
    }
}

#[test]
fn patterns_are_normalized_as_wholes() {
    let place = place();
    fit(&place, "--loss kl");
    let (w, h) = saved(&place, "m");
    let v = model(&w, &h);
    for (how, of_w, square) in [("w-sum", true, false), ("w-euclidean", true, true), ("h-sum", false, false)] {
        let json = fit(&place, &format!("--loss kl --normalize {how}"));
        let (w, h) = saved(&place, "m");
        for q in 0..2 {
            let power = |v: &f64| if square { v * v } else { *v };
            let (of_pattern, of_onsets) = (w.index_axis(Axis(1), q), h.row(q));
            let size: f64 = if of_w { of_pattern.iter().map(power).sum() } else { of_onsets.iter().map(power).sum() };
            assert!((size - 1.0).abs() < 1e-9, "{how}: {size}");
        }
        assert!((model(&w, &h) - &v).iter().all(|d| d.abs() < 1e-9), "{how}");
        assert!(near(number(&json, "squared_error"), (planted() - &v).mapv(|v| v * v).sum()), "{how}");
    }
}

#[test]
fn one_shift_is_the_plain_model() {
    let place = place();
    for options in ["--loss kl", "--init nndsvd", "--solver hals"] {
        let run = |shifts: &str, dir: &str| {
            place.run(&format!("factorize x.npy -k 3 {options} {shifts} -o {dir} --json")).ok().json()
        };
        let (plain, one) = (run("", "plain"), run("--shifts 1", "one"));
        let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&plain), keys(&one));
        assert!(plain.get("shifts").is_none() && plain["objective"] == one["objective"]);
        for name in ["W.npy", "H.npy"] {
            let read = |dir: &str| std::fs::read(place.path(&format!("{dir}/{name}"))).unwrap();
            assert_eq!(read("plain"), read("one"), "{options}: {name}");
        }
    }
}

#[test]
fn backends_agree_and_people_are_told() {
    let place = place();
    for loss in ["fro", "kl", "is"] {
        let ran = place.run(&format!("compare x.npy -k 2 --shifts {L} --loss {loss} --max-iter 60 --json")).ok();
        assert_eq!(ran.json()["agree"], true, "{loss}");
    }
    let json = fit(&place, "--loss kl --cross-check --restarts 3 --max-iter 40");
    assert_eq!((&json["cross_check"]["agree"], json["restarts"].as_array().unwrap().len()), (&true.into(), 3));
    let Ran { stdout, stderr, .. } = place.run_anywhere("factorize x.npy -k 3 --shifts 12 --loss is -v").ok();
    assert!(stdout.contains("k = 3, 12 shifts, loss is, solver mu, init random"), "{stdout}");
    assert!(stderr.contains("10×40 at k = 3, 12 shifts by mu"), "{stderr}");
    assert!(place.run("factorize --help").ok().stdout.contains("spectrogram.npy -k 30 --shifts 12 --loss is"));
}

#[test]
fn what_has_no_convolutive_form_is_refused() {
    let place = place();
    let run = |options: &str| place.run(&format!("factorize x.npy -k 2 --shifts {L} -o out {options}"));
    run("--init nndsvda").fails(2, &["--init nndsvda has no convolutive form (--shifts > 1)", "--init random"]);
    for solver in ["hals", "ahals", "ehals", "anls-bpp", "newton", "pg", "als", "gd"] {
        run(&format!("--solver {solver}"))
            .fails(2, &[&format!("--solver {solver} has no convolutive form"), "mue or mu"]);
    }
    run("--sparseness-h 0.5").fails(2, &["convolutive"]);
    for bad in ["--shuffle", "--step 0.1"] {
        let ran = run(bad);
        assert_eq!(ran.code, 2, "{bad}: {}", ran.stderr);
    }
    place.write("docs.tsv", "text\na cat sat\na cat ran\na dog sat\n");
    for command in ["topics docs.tsv -k 2 --shifts 2", "topics missing.tsv -k 2 --shifts 0"] {
        place.run(command).fails(2, &["--shifts", "topics"]);
    }
    assert!(!place.path("out").exists());
}

#[test]
fn numbers_and_shapes_that_do_not_fit_are_named() {
    let place = place();
    place.matrix("h.npy", &Array2::ones((2, 40)));
    place.matrix("flat.npy", &Array2::ones((10, 8)));
    place.write("flat.csv", csv(&Array2::ones((10, 8))));
    for (name, dim) in
        [("long.npy", (10, 2, 5)), ("good.npy", (10, 2, L)), ("three.npy", (10, 3, L)), ("none.npy", (10, 0, L))]
    {
        write_cube(&place, name, &Array3::ones(dim));
    }
    let mut negative = Array3::ones((10, 2, L));
    negative[[3, 1, 2]] = -1.0;
    write_cube(&place, "negative.npy", &negative);
    negative[[3, 1, 2]] = 1e300;
    write_cube(&place, "huge.npy", &negative);
    place.write("broken.npy", &std::fs::read(place.path("good.npy")).unwrap()[..300]);
    let of = |options: &str| place.run(&format!("factorize x.npy -k 2 {options}"));
    of("--shifts 0").fails(2, &["--shifts 0 is not accepted"]);
    of("--shifts 41").fails(2, &["x.npy: --shifts 41: X has 40 columns"]);
    of("--shifts 18446744073709551615").fails(2, &["X has 40 columns"]);
    of("--shifts 11 --transpose").fails(2, &["X has 10 columns"]);
    for word in ["1.5", "x", "18446744073709551616"] {
        of(&format!("--shifts {word}")).fails(2, &["--shifts"]);
    }
    place.run("factorize x.npy -k 2000 --shifts 40 --loss kl").fails(2, &["with 40 shifts at most 1638 components"]);
    place.run("compare x.npy -k 2 --shifts 41").fails(2, &["x.npy: --shifts 41: X has 40 columns"]);
    let start = |file: &str| of(&format!("--shifts {L} --w0 {file} --h0 h.npy"));
    start("good.npy").ok();
    for flat in ["flat.npy", "flat.csv"] {
        start(flat).fails(2, &[flat, "with --shifts 4, --w0 is a .npy array 10×2×4 (m×k×L)"]);
    }
    start("long.npy").fails(2, &["long.npy: --w0 has shape 10×2×5, expected 10×2×4 (m×k×L)"]);
    start("three.npy").fails(2, &["three.npy: --w0 has shape 10×3×4, expected 10×2×4 (m×k×L)"]);
    start("negative.npy").fails(2, &["negative.npy: --w0 has the entry -1 at [3, 1, 2]"]);
    start("broken.npy").fails(2, &["broken.npy"]);
    start("missing.npy").fails(2, &["missing.npy"]);
    of(&format!("--shifts {L} --precision f32 --w0 huge.npy --h0 h.npy"))
        .fails(2, &["huge.npy", "entry 30 in the order"]);
    of("--w0 good.npy --h0 h.npy").fails(2, &["good.npy", "3 dimensions", "expected for --w0 is 10×2 (m×k)"]);
    of(&format!("--shifts {L} --w0 good.npy --h0 good.npy")).fails(2, &["good.npy", "--h0", "2×40 (k×n)"]);
    let fixed = |file: &str| of(&format!("--shifts {L} --fix-w {file}"));
    fixed("flat.npy").fails(2, &["flat.npy", "--fix-w is a .npy array 10×j×4 (m×j×L) with j from 1 to 2"]);
    fixed("three.npy").fails(2, &["three.npy: --fix-w holds 3 components, accepted are 1 to k = 2"]);
    fixed("none.npy").fails(2, &["none.npy"]);
    fixed("long.npy").fails(2, &["long.npy: --fix-w has shape 10×2×5, expected 10×j×4"]);
}
