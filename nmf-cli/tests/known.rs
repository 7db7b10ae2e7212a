//! `--mask` and `--weights`: what is unknown stays unknown, and what is known is fitted.

mod common;

use common::{Place, csv, dense, number};
use ndarray::{Array2, Zip};
use serde_json::Value;

/// A product of rank 2 with positive entries, and a mask that hides about a quarter of it.
fn planted(m: usize, n: usize) -> (Array2<f64>, Array2<f64>) {
    let w = Array2::from_shape_fn((m, 2), |(i, q)| 0.2 + ((3 * i + 5 * q) % 7) as f64);
    let h = Array2::from_shape_fn((2, n), |(q, j)| 0.3 + ((2 * j + 3 * q) % 5) as f64);
    (w.dot(&h), Array2::from_shape_fn((m, n), |(i, j)| if (5 * i + 7 * j + i * j) % 4 == 0 { 0.0 } else { 1.0 }))
}

fn with_holes(x: &Array2<f64>, mask: &Array2<f64>, hole: f64) -> Array2<f64> {
    Zip::from(x).and(mask).map_collect(|x, m| if *m == 0.0 { hole } else { *x })
}

fn place() -> (Place, Array2<f64>, Array2<f64>) {
    let (place, (x, mask)) = (Place::new(), planted(14, 11));
    place.matrix("x.npy", &with_holes(&x, &mask, f64::NAN));
    place.write("x.csv", csv(&with_holes(&x, &mask, f64::NAN)));
    place.matrix("mask.npy", &mask);
    place.write("mask.csv", csv(&mask));
    let sparse = nmf_core::Sparse::<f64>::from(sprs::CsMatI::csr_from_dense(mask.view(), 0.0));
    nmf_io::write(&place.path("mask.mtx"), &sparse).unwrap();
    nmf_io::write(&place.path("mask.npz"), &sparse).unwrap();
    (place, x, mask)
}

#[track_caller]
fn fit(place: &Place, options: &str) -> Value {
    place.run(&format!("factorize {options} --precision f64 -o m --json")).ok().json()
}

fn model(place: &Place) -> Array2<f64> {
    dense(&place.path("m/W.npy")).dot(&dense(&place.path("m/H.npy")))
}

#[test]
fn hidden_entries_of_a_planted_product_are_found_again() {
    let (place, x, mask) = place();
    for options in [
        "x.npy --mask mask.npy",
        "x.csv --mask mask.csv --loss kl",
        "x.npy --mask mask.mtx --loss kl",
        "x.csv --mask mask.npz --solver mu",
        "x.npy --weights mask.csv --loss kl --solver newton",
        "x.npy --mask mask.npy --loss is",
    ] {
        let json = fit(&place, &format!("{options} -k 2 --init random --restarts 3 --tol 0 --max-iter 4000"));
        let v = model(&place);
        let apart = (&v - &x).mapv(f64::abs).sum() / x.sum();
        assert!(apart < 1e-3, "{options}: {apart}");
        let known = (&mask * &(&x - &v).mapv(|d| d * d)).sum();
        assert!((number(&json, "squared_error") - known).abs() <= 1e-9 * known.max(1e-9), "{options}");
        assert_eq!(json["known"].as_f64(), Some(mask.sum()), "{options}");
        assert_eq!(json["nnz"], json["known"], "{options}");
        let option = if options.contains("--mask") { "mask" } else { "weights" };
        assert!(json[option].as_str().unwrap().starts_with("mask."), "{options}");
    }
}

#[test]
fn what_stands_in_the_holes_does_not_matter() {
    let (place, x, mask) = place();
    let of = |hole: f64, options: &str| {
        place.matrix("y.npy", &with_holes(&x, &mask, hole));
        let json = fit(&place, &format!("y.npy -k 2 --mask mask.npy {options}"));
        (json["objective"].clone(), json["squared_error"].clone())
    };
    for options in ["--loss fro", "--loss kl", "--loss is", "--solver gd"] {
        let nan = of(f64::NAN, options);
        assert_eq!(nan, of(0.0, options), "{options}");
        assert_eq!(nan, of(-3.0, options), "{options}");
        assert_eq!(nan, of(f64::INFINITY, options), "{options}");
    }
}

#[test]
fn a_mask_of_ones_changes_nothing() {
    let (place, x, _) = place();
    place.matrix("full.npy", &x);
    place.matrix("ones.npy", &x.mapv(|_| 1.0));
    for loss in ["fro", "kl", "is"] {
        let of = |mask: &str| fit(&place, &format!("full.npy -k 2 --loss {loss} --solver mu --tol 0 {mask}"));
        let (plain, masked) = (of(""), of("--mask ones.npy"));
        for key in ["objective", "squared_error"] {
            let (a, b) = (number(&plain, key), number(&masked, key));
            assert!((a - b).abs() <= 1e-6 * (a + 1e-3), "{loss} {key}: {a} {b}");
        }
    }
}

#[test]
fn weights_multiply_the_terms() {
    let (place, x, _) = place();
    let x = x + Array2::from_shape_fn((14, 11), |(i, j)| ((i * j) % 3) as f64);
    let weights = Array2::from_shape_fn((14, 11), |(i, j)| ((i + 2 * j) % 4) as f64 * 0.5);
    place.matrix("full.npy", &x);
    place.matrix("weights.npy", &weights);
    let json = fit(&place, "full.npy -k 2 --weights weights.npy");
    let error = (&weights * &(&x - &model(&place)).mapv(|d| d * d)).sum();
    assert!((number(&json, "squared_error") - error).abs() < 1e-10 * error);
    assert!((number(&json, "divergence") - 0.5 * error).abs() < 1e-10 * error);
    assert_eq!((json["weights"].as_str(), json["solver"].as_str()), (Some("weights.npy"), Some("mue")));
    let text = place.run("factorize full.npy -k 2 --weights weights.npy").ok().stdout;
    assert!(text.contains("with the weights") && text.contains("known"), "{text}");
}

#[test]
fn a_mask_is_transposed_with_x() {
    let (place, ..) = place();
    let straight = fit(&place, "x.npy -k 2 --mask mask.npy --init random");
    let turned = fit(&place, "x.npy -k 2 --mask mask.npy --init random --transpose");
    assert_eq!((turned["rows"].as_u64(), turned["cols"].as_u64()), (Some(11), Some(14)));
    assert_eq!(turned["known"], straight["known"]);
    place.matrix("turned.npy", &dense(&place.path("mask.npy")).reversed_axes());
    let line = "factorize x.npy -k 2 --mask turned.npy --transpose";
    place.run(line).fails(2, &["turned.npy", "--mask", "11×14", "14×11"]);
    // the place is that in the file
    let mut bad = dense(&place.path("mask.npy"));
    bad[[13, 2]] = 0.5;
    place.matrix("bad.npy", &bad);
    for transpose in ["", "--transpose"] {
        place
            .run(&format!("factorize x.npy -k 2 --mask bad.npy {transpose}"))
            .fails(2, &["bad.npy", "0.5 at row 13, column 2"]);
    }
}

#[test]
fn a_sparse_matrix_takes_masks_of_either_layout() {
    let (place, x, mask) = place();
    let counts = with_holes(&x.mapv(|v| if (v as usize).is_multiple_of(3) { 0.0 } else { v }), &mask, 7.0);
    place.matrix("dense.npy", &counts);
    let sparse = nmf_core::Sparse::<f64>::from(sprs::CsMatI::csr_from_dense(counts.view(), 0.0));
    nmf_io::write(&place.path("counts.mtx"), &sparse).unwrap();
    for loss in ["fro", "kl"] {
        let of = |input: &str| {
            let json = fit(&place, &format!("{input} -k 2 --loss {loss} --solver mu --init random --tol 0"));
            (number(&json, "objective"), number(&json, "squared_error"), json["nnz"].clone(), json["known"].clone())
        };
        let expected = of("dense.npy --mask mask.npy");
        for input in ["counts.mtx --mask mask.npy", "counts.mtx --mask mask.mtx", "dense.npy --mask mask.mtx"] {
            let got = of(input);
            assert!((got.0 - expected.0).abs() < 1e-8 * expected.0, "{loss} {input}: {got:?} {expected:?}");
            assert!((got.1 - expected.1).abs() < 1e-8 * expected.1, "{loss} {input}");
            assert_eq!((got.2, got.3), (expected.2.clone(), expected.3.clone()), "{loss} {input}");
        }
    }
    // zeros are unknown, and so is what the mask hides
    let stored = fit(&place, "counts.mtx -k 2 --loss is --stored-only --mask mask.npy --init random");
    assert_eq!(stored["known"], stored["nnz"]);
    assert_eq!(stored["stored_only"], true);
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    let (place, x, mask) = place();
    let refused = |options: &str, words: &[&str]| {
        place.run(&format!("factorize {options} -k 2 -o out")).fails(2, words);
        assert!(!place.path("out").exists());
    };
    place.write("short.csv", csv(&mask.slice(ndarray::s![..13, ..]).to_owned()));
    place.write("negative.csv", csv(&mask.mapv(|m| m - 0.5)));
    place.write("zeros.csv", csv(&mask.mapv(|_| 0.0)));
    place.write("ones.csv", csv(&mask.mapv(|_| 1.0)));
    refused("x.csv --mask short.csv", &["short.csv", "--mask", "13×11", "14×11"]);
    refused("x.csv --mask negative.csv", &["negative.csv", "-0.5 at row 0, column 0", "1 (known)"]);
    refused("x.csv --weights negative.csv", &["negative.csv", "-0.5 at row 0, column 0", "≥ 0"]);
    refused("x.csv --weights x.csv", &["x.csv", "NaN", "≥ 0"]);
    refused("x.csv --mask zeros.csv", &["zeros.csv", "--mask", "at least one"]);
    refused("x.csv --mask missing.csv", &["missing.csv"]);
    refused("x.csv --mask mask.csv --weights ones.csv", &["--mask", "--weights", "multiply"]);
    refused("x.csv", &["x.csv", "NaN at row 0, column 0", "--mask FILE"]);
    refused("x.csv --mask ones.csv", &["x.csv", "NaN at row 0, column 0", "known"]);
    for solver in ["hals", "ehals", "anls-bpp", "pg", "als"] {
        let line = format!("x.csv --mask mask.csv --solver {solver}");
        refused(&line, &[&format!("--solver {solver}"), "mask", "--solver mue or mu"]);
    }
    refused("x.csv --mask mask.csv --sparseness-w 0.5", &["sparseness", "every entry"]);
    // zeros under is: refused where they are known, fine where they are not
    place.write("zeros_x.csv", csv(&with_holes(&x, &mask, 0.0)));
    refused("zeros_x.csv --loss is", &["zeros_x.csv", "--mask FILE"]);
    place.run("factorize zeros_x.csv -k 2 --loss is --mask mask.csv").ok();
    // a row nobody knows anything about is worth a word
    let mut gap = mask;
    gap.row_mut(3).fill(0.0);
    place.write("gap.csv", csv(&gap));
    let ran = place.run("factorize x.csv -k 2 --mask gap.csv").ok();
    assert!(ran.stderr.contains("gap.csv: rows without a known entry: 1"), "{}", ran.stderr);
}

#[test]
fn models_made_with_a_mask_transform_whole_rows() {
    let (place, x, _) = place();
    fit(&place, "x.npy -k 2 --mask mask.npy --init random --restarts 3 --tol 0 --max-iter 4000");
    place.matrix("whole.npy", &x);
    let json = place.run("transform m whole.npy -o w.npy --json").ok().json();
    assert!(number(&json, "squared_error") < 1e-4 * x.mapv(|v| v * v).sum());
}

#[test]
fn backends_agree_about_what_is_known() {
    let (place, _, mask) = place();
    place.matrix("half.npy", &(&mask * 0.5));
    for options in ["--mask mask.npy", "--mask mask.mtx --loss kl", "--weights half.npy --loss is"] {
        let line = format!("x.npy -k 2 --init random --max-iter 40 --tol 0 {options}");
        let json = place.run(&format!("factorize {line} --precision f32 --cross-check --json")).ok().json();
        assert_eq!(json["cross_check"]["agree"], true, "{options}: {json}");
        // a GPU that cannot take these weights is left out with a word
        let json = place.run_anywhere(&format!("compare {line} --json")).ok().json();
        assert_eq!(json["agree"], true, "{options}: {json}");
    }
}
