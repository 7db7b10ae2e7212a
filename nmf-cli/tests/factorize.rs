//! `factorize`: what it writes and what its options do.

mod common;

use common::{Place, csv, dense, list, number, sample};
use ndarray::{Array2, array, s};

/// The keys of fit.json, in order.
const KEYS: [&str; 28] = [
    "rows",
    "cols",
    "nnz",
    "rank",
    "loss",
    "solver",
    "init",
    "seed",
    "backend",
    "adapter",
    "precision",
    "threads",
    "iterations",
    "stopped",
    "divergence",
    "objective",
    "squared_error",
    "reconstruction_error",
    "objective_trace",
    "kkt_residual",
    "sparseness",
    "dead_components",
    "cross_check",
    "load_seconds",
    "prepare_seconds",
    "seconds",
    "peak_rss_mb",
    "version",
];

fn place() -> Place {
    let place = Place::new();
    place.write("x.csv", csv(&sample(12, 8)));
    place
}

fn squared_error(place: &Place, dir: &str, x: &Array2<f64>) -> f64 {
    let (w, h) = (dense(&place.path(&format!("{dir}/W.npy"))), dense(&place.path(&format!("{dir}/H.npy"))));
    (x - &w.dot(&h)).mapv(|v| v * v).sum()
}

#[test]
fn fit_json_has_the_keys_of_the_contract_and_tells_the_truth() {
    let place = place();
    for loss in ["fro", "kl", "is", "beta:1.5"] {
        let ran = place.run(&format!("factorize x.csv -k 3 --loss {loss} -o m --json --precision f64")).ok();
        let json = ran.json();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, KEYS);
        let saved: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(place.path("m/fit.json")).unwrap()).unwrap();
        assert_eq!(saved.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS);
        assert_eq!(saved["objective"], json["objective"]);
        let error = squared_error(&place, "m", &sample(12, 8));
        assert!((number(&json, "squared_error") - error).abs() <= 1e-10 * error, "{loss}");
        assert!((number(&json, "reconstruction_error") - error.sqrt()).abs() <= 1e-10 * error.sqrt());
        if loss == "fro" {
            assert!((number(&json, "divergence") - 0.5 * error).abs() <= 1e-10 * error);
        }
        let trace = json["objective_trace"].as_array().unwrap();
        assert_eq!(trace[0][0], 0);
        assert_eq!(trace.last().unwrap()[0], json["iterations"]);
        assert_eq!(trace.last().unwrap()[2], json["objective"]);
        assert!(trace.last().unwrap()[2].as_f64() < trace[0][2].as_f64(), "{loss}: {trace:?}");
        assert_eq!((&json["rows"], &json["cols"], &json["nnz"]), (&12.into(), &8.into(), &96.into()));
        assert_eq!((json["backend"].as_str(), json["precision"].as_str()), (Some("cpu"), Some("f64")));
    }
}

#[test]
fn the_folder_holds_factors_json_and_names_and_is_replaced() {
    let place = place();
    place.write("named.csv", "gene,a,b,c\nr1,1,2,3\nr2,4,5,7\n");
    place.run("factorize named.csv -k 1 -o m").ok();
    assert_eq!(list(&place.path("m")), ["H.npy", "W.npy", "cols.txt", "fit.json", "rows.txt"]);
    assert_eq!(std::fs::read_to_string(place.path("m/rows.txt")).unwrap().lines().collect::<Vec<_>>(), ["r1", "r2"]);
    assert_eq!(std::fs::read_to_string(place.path("m/cols.txt")).unwrap().lines().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(dense(&place.path("m/H.npy")).dim(), (1, 3));
    let before = place.list();
    place.run("factorize named.csv -k 2 -o m").ok();
    assert_eq!(dense(&place.path("m/H.npy")).dim(), (2, 3));
    assert_eq!(place.list(), before);
}

#[test]
fn tolerance_zero_runs_exactly_the_iterations_asked_for() {
    let place = place();
    for (solver, loss) in [("mu", "kl"), ("mu", "fro"), ("hals", "fro"), ("ahals", "fro"), ("newton", "kl")] {
        let json = place
            .run(&format!("factorize x.csv -k 2 --solver {solver} --loss {loss} --tol 0 --max-iter 37 --json"))
            .ok()
            .json();
        assert_eq!((json["iterations"].as_u64(), json["stopped"].as_str()), (Some(37), Some("max_iter")));
        assert_eq!(json["objective_trace"].as_array().unwrap().len(), 38);
        assert_eq!(json["solver"], solver);
    }
    let json = place.run("factorize x.csv -k 2 --tol 0 --max-iter 20 --trace-every 0 --json").ok().json();
    assert_eq!(json["objective_trace"].as_array().unwrap().len(), 2);
    let json = place.run("factorize x.csv -k 2 --max-iter 0 --json").ok().json();
    assert_eq!(json["iterations"], 0);
    let json = place.run("factorize x.csv -k 2 --tol 1e-3 --max-iter 5000 --json").ok().json();
    assert_eq!(json["stopped"], "tol");
    let json = place.run("factorize x.csv -k 2 --tol 0 --kkt-tol 0.5 --max-iter 5000 --solver hals --json").ok().json();
    assert_eq!(json["stopped"], "kkt");
    let json = place
        .run("factorize x.csv -k 2 --tol 0 --time-limit 0.05 --max-iter 100000000 --trace-every 0 --json")
        .ok()
        .json();
    assert_eq!(json["stopped"], "time");
}

#[test]
fn a_custom_start_is_used_as_it_is() {
    let place = Place::new();
    let (w, h) = (array![[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]], array![[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 1.0]]);
    place.matrix("x.npy", &w.dot(&h));
    place.matrix("w.npy", &w);
    place.matrix("h.csv", &h);
    for options in ["--init custom --w0 w.npy --h0 h.csv", "--w0 w.npy --h0 h.csv --solver mu --loss kl"] {
        let json = place.run(&format!("factorize x.npy -k 2 {options} -o m --json")).ok().json();
        assert_eq!(json["init"], "custom");
        assert!(number(&json, "objective").abs() < 1e-12, "{json}");
        let moved = (&dense(&place.path("m/W.npy")) - &w).mapv(f64::abs).sum();
        assert!(moved < 1e-12, "{moved}");
    }
    let json = place.run("factorize x.npy -k 2 --w0 w.npy --h0 h.csv --max-iter 0 --json").ok().json();
    assert_eq!(number(&json, "objective"), 0.0);
}

#[test]
fn restarts_keep_the_best_and_seeds_repeat() {
    let place = place();
    let run = |options: &str| place.run(&format!("factorize x.csv -k 3 --init random {options} --json")).ok().json();
    let many = run("--restarts 4 --seed 5");
    let spread: Vec<f64> = many["restarts"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(spread.len(), 4);
    assert_eq!(number(&many, "objective"), spread.iter().copied().fold(f64::MAX, f64::min));
    assert_eq!(run("--seed 5")["objective"].as_f64(), Some(spread[0]));
    assert_eq!(run("--seed 6 --threads 1")["objective"].as_f64(), Some(spread[1]));
}

#[test]
fn penalties_are_added_to_the_divergence() {
    let place = place();
    let json = place.run("factorize x.csv -k 2 --alpha-w 0.1 --l1-ratio 0.5 -o m --json --precision f64").ok().json();
    let (w, h) = (dense(&place.path("m/W.npy")), dense(&place.path("m/H.npy")));
    // scikit-learn: alpha·l1_ratio·n on W, alpha·l1_ratio·m on H; m = 12, n = 8
    let (on_w, on_h) = (0.1 * 0.5 * 8.0, 0.1 * 0.5 * 12.0);
    let size = |a: &Array2<f64>| a.sum() + 0.5 * a.mapv(|v| v * v).sum();
    let expected = number(&json, "divergence") + on_w * size(&w) + on_h * size(&h);
    assert!((number(&json, "objective") - expected).abs() < 1e-9 * expected);
    assert_eq!(json["penalty"]["l1_w"].as_f64(), Some(on_w));
}

#[test]
fn fixed_parts_stay() {
    let place = place();
    let first = Array2::from_elem((12, 1), 0.5);
    place.matrix("f.npy", &first);
    place.run("factorize x.csv -k 3 --fix-w f.npy -o m --precision f64").ok();
    assert_eq!(dense(&place.path("m/W.npy")).slice(s![.., ..1]), first);
    let h = sample(3, 8);
    place.matrix("h.csv", &h);
    place.run("factorize x.csv -k 3 --fix-h h.csv --loss kl -o m --precision f64").ok();
    assert_eq!(dense(&place.path("m/H.npy")), h);
}

#[test]
fn normalizing_moves_scale_without_changing_the_model() {
    let place = place();
    place.run("factorize x.csv -k 3 -o plain --precision f64").ok();
    let error = squared_error(&place, "plain", &sample(12, 8));
    for (how, file) in [("w-sum", "W"), ("w-euclidean", "W"), ("h-sum", "H"), ("h-euclidean", "H")] {
        let json =
            place.run(&format!("factorize x.csv -k 3 --normalize {how} -o m --json --precision f64")).ok().json();
        assert!((number(&json, "squared_error") - error).abs() < 1e-9 * error);
        let f = dense(&place.path(&format!("m/{file}.npy")));
        let f = if file == "W" { f } else { f.reversed_axes() };
        for c in f.columns() {
            let size = if how.ends_with("sum") { c.sum() } else { c.dot(&c).sqrt() };
            assert!((size - 1.0).abs() < 1e-12, "{how}: {size}");
        }
    }
}

#[test]
fn transposing_exchanges_rows_and_columns() {
    let place = place();
    place.write("named.csv", ",a,b,c\nr1,1,2,3\nr2,4,5,7\n");
    let json = place.run("factorize named.csv -k 1 --transpose -o m --json").ok().json();
    assert_eq!((&json["rows"], &json["cols"]), (&3.into(), &2.into()));
    assert!(std::fs::read_to_string(place.path("m/rows.txt")).unwrap().starts_with('a'));
}

#[test]
fn sparse_and_dense_agree_and_unobserved_entries_are_unknown() {
    let place = Place::new();
    let x = Array2::from_shape_fn((20, 15), |(i, j)| if (i * 3 + j) % 4 == 0 { ((i * j) % 5 + 1) as f64 } else { 0.0 });
    place.matrix("x.npy", &x);
    let sparse = nmf_core::Sparse::<f64>::from(sprs::CsMatI::csr_from_dense(x.view(), 0.0));
    nmf_io::write(&place.path("x.mtx"), &sparse).unwrap();
    // `auto` would take another solver for dense kl than for sparse
    for (loss, solver) in [("fro", "ehals"), ("kl", "mu"), ("kl", "newton")] {
        let of = |file: &str| {
            place
                .run(&format!(
                    "factorize {file} -k 3 --loss {loss} --solver {solver} --init random --precision f64 -o m --json"
                ))
                .ok()
                .json()
        };
        let (dense, sparse) = (of("x.npy"), of("x.mtx"));
        for key in ["objective", "squared_error"] {
            let (a, b) = (number(&dense, key), number(&sparse, key));
            assert!((a - b).abs() < 1e-9 * a, "{loss} {key}: {a} {b}");
        }
        assert_eq!(sparse["nnz"], dense["nnz"]);
    }
    let stored =
        place.run("factorize x.mtx -k 3 --stored-only --loss is --init random -o m --json --precision f64").ok().json();
    let (w, h) = (dense(&place.path("m/W.npy")), dense(&place.path("m/H.npy")));
    let v = w.dot(&h);
    let error: f64 = x.iter().zip(&v).filter(|(x, _)| **x > 0.0).map(|(x, v)| (x - v).powi(2)).sum();
    assert!((number(&stored, "squared_error") - error).abs() < 1e-10 * error);
    assert_eq!(stored["stored_only"], true);
}

#[test]
fn a_cross_check_repeats_the_run_elsewhere() {
    let place = place();
    for (options, precision) in
        [("--loss kl", "f64"), ("--loss fro --init random --restarts 3", "f32"), ("--loss is", "f32")]
    {
        let json = place
            .run(&format!("factorize x.csv -k 3 {options} --precision {precision} --cross-check --json"))
            .ok()
            .json();
        assert_eq!(json["cross_check"]["agree"], true, "{json}");
        assert!(number(&json["cross_check"], "max_relative_objective_difference") <= 1e-4);
    }
    let json = place.run("factorize x.csv -k 3 --json").ok().json();
    assert!(json["cross_check"].is_null());
}

#[test]
fn the_small_tables_give_their_known_answers() {
    let place = Place::new();
    let (w, h) = (
        array![[2.0, 3.0], [1.0, 1.0], [1.0, 0.0], [1.0, 2.0]],
        array![[1.0, 2.0, 2.0, 0.0, 3.0], [1.0, 0.0, 2.0, 1.0, 2.0]],
    );
    place.write("exact.csv", csv(&w.dot(&h)));
    let best = (0..20).map(|seed| {
        let line = format!("factorize exact.csv -k 2 --solver hals --init random --seed {seed} --tol 0 --max-iter 5000 --precision f64 --trace-every 0 --json");
        number(&place.run(&line).ok().json(), "squared_error")
    });
    let norm = w.dot(&h).mapv(|v| v * v).sum();
    assert!(best.fold(f64::MAX, f64::min) < 1e-12 * norm);
    place.write("words.csv", include_str!("../assets/words.csv"));
    let json = place.run("factorize words.csv -k 3 --json").ok().json();
    assert!((number(&json, "squared_error") - 16.04).abs() < 0.01, "{}", json["squared_error"]);
}

#[test]
fn without_json_a_summary_is_printed() {
    let place = place();
    let ran = place.run("factorize x.csv -k 2 -o m").ok();
    for word in ["12×8", "k = 2", "loss fro", "ehals", "relative", "sparseness", "written to", "m (W.npy"] {
        assert!(ran.stdout.contains(word), "{word} is not in {}", ran.stdout);
    }
    assert_eq!(ran.stderr, "", "no chatter where nobody watches");
    assert!(place.run("factorize x.csv -k 2 -v").ok().stderr.contains("entries stored"));
}
