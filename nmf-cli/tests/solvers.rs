//! `--solver` and what only some solvers take.

mod common;

use common::{Place, csv, dense, number, sample};
use ndarray::Array2;
use serde_json::Value;

fn place() -> Place {
    let place = Place::new();
    place.write("x.csv", csv(&sample(12, 8)));
    let x = Array2::from_shape_fn((20, 15), |(i, j)| if (i * 3 + j) % 5 == 0 { ((i * j) % 5 + 1) as f64 } else { 0.0 });
    let sparse = nmf_core::Sparse::<f64>::from(sprs::CsMatI::csr_from_dense(x.view(), 0.0));
    nmf_io::write(&place.path("sparse.mtx"), &sparse).unwrap();
    place
}

#[track_caller]
fn fit(place: &Place, options: &str) -> Value {
    place.run(&format!("factorize x.csv -k 3 --precision f64 --json {options}")).ok().json()
}

/// Whether the objective never rises in the trace.
fn falls(json: &Value) -> bool {
    let trace = json["objective_trace"].as_array().unwrap();
    trace.windows(2).all(|p| p[1][2].as_f64() <= p[0][2].as_f64().map(|v| v * (1.0 + 1e-12)))
}

/// Last and first objective of the trace.
fn ends(json: &Value) -> (f64, f64) {
    let trace = json["objective_trace"].as_array().unwrap();
    (trace.last().unwrap()[2].as_f64().unwrap(), trace[0][2].as_f64().unwrap())
}

#[test]
fn every_solver_runs_and_reports_itself() {
    let place = place();
    let best = number(&fit(&place, "--solver anls-bpp --tol 0"), "objective");
    for solver in ["mu", "mue", "hals", "ahals", "ehals", "anls-bpp", "pg", "als", "gd"] {
        let json = fit(&place, &format!("--solver {solver} --tol 0"));
        assert_eq!(json["solver"], solver);
        let (last, first) = ends(&json);
        assert!(last < first, "{solver}: {first} to {last}");
        assert!(solver == "gd" || last < 1.1 * best, "{solver}: {last}, anls-bpp {best}");
        let promised = ["mu", "hals", "ahals", "anls-bpp", "pg"].contains(&solver);
        assert!(!promised || falls(&json), "{solver}: {}", json["objective_trace"]);
    }
    for solver in ["mu", "mue", "newton", "gd"] {
        let json = fit(&place, &format!("--solver {solver} --loss kl"));
        assert_eq!((json["solver"].as_str(), json["loss"].as_str()), (Some(solver), Some("kl")));
        let (last, first) = ends(&json);
        assert!(last < first, "{solver}: {first} to {last}");
        assert!(["mue", "gd"].contains(&solver) || falls(&json), "{solver}: {}", json["objective_trace"]);
    }
    for loss in ["kl", "is", "beta:1.5"] {
        assert!(falls(&fit(&place, &format!("--solver mu --loss {loss}"))), "{loss}");
    }
}

#[test]
fn auto_takes_what_its_help_says() {
    let place = place();
    for (options, solver) in [
        ("x.csv", "ehals"),
        ("x.csv --loss kl", "mue"),
        ("x.csv --loss beta:1.5", "mue"),
        ("x.csv --loss is", "mu"),
        ("x.csv --loss beta:3", "mu"),
        ("sparse.mtx", "ehals"),
        ("sparse.mtx --loss kl", "newton"),
        ("sparse.mtx --loss kl --stored-only", "newton"),
        ("sparse.mtx --stored-only", "mue"),
        ("x.csv --sparseness-h 0.3", "pg"),
        ("x.csv --step 1e-4", "gd"),
    ] {
        let json = place.run(&format!("factorize {options} -k 2 --init random --json")).ok().json();
        assert_eq!(json["solver"], solver, "{options}");
    }
    let json = place.run("compare x.csv -k 2 --loss kl --solver auto --json").ok().json();
    assert_eq!(json["agree"], true);
    let help = place.run_anywhere("factorize --help").ok().stdout;
    for word in ["anls-bpp", "not monotone", "not convergent", "--mask", "--sparseness-w", "--mu-exponent", "--shuffle"]
    {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn the_sparseness_asked_for_is_reached() {
    let place = place();
    for (options, w, h) in [
        ("--sparseness-w 0.6", Some(0.6), None),
        ("--sparseness-h 0.45", None, Some(0.45)),
        ("--sparseness-w 0.3 --sparseness-h 0.7 --solver pg", Some(0.3), Some(0.7)),
    ] {
        for precision in ["f32", "f64"] {
            let line = format!("factorize x.csv -k 3 {options} --precision {precision} -o m --json");
            let json = place.run(&line).ok().json();
            for (key, asked) in [("w", w), ("h", h)] {
                if let Some(s) = asked {
                    assert!((number(&json["sparseness"], key) - s).abs() < 1e-3, "{options}: {}", json["sparseness"]);
                }
            }
            assert_eq!((json["imposed_sparseness"]["w"].as_f64(), json["imposed_sparseness"]["h"].as_f64()), (w, h));
        }
    }
    let h = dense(&place.path("m/H.npy"));
    for row in h.rows() {
        let (l1, l2) = (row.sum(), row.dot(&row).sqrt());
        let root = 8f64.sqrt();
        assert!(((root - l1 / l2) / (root - 1.0) - 0.7).abs() < 1e-6);
    }
}

#[test]
fn exponents_shuffles_and_steps_change_the_path_and_are_recorded() {
    let place = place();
    let run = |options: &str| fit(&place, &format!("--tol 0 --max-iter 20 --init random {options}"));
    let (fast, proven) =
        (run("--loss is --solver mu --mu-exponent fast"), run("--loss is --solver mu --mu-exponent proven"));
    assert_eq!((fast["mu_exponent"].as_str(), proven["mu_exponent"].as_str()), (Some("fast"), Some("proven")));
    assert!(number(&fast, "objective") < number(&proven, "objective"));
    assert_eq!(run("--loss is --solver mu")["objective"], proven["objective"]);
    assert_eq!(run("--loss is")["objective"], fast["objective"]);

    let in_order = run("--solver hals");
    let shuffled = run("--solver hals --shuffle");
    assert_eq!((shuffled["shuffle"].as_bool(), in_order["shuffle"].as_bool()), (Some(true), None));
    assert_ne!(shuffled["objective"], in_order["objective"]);
    assert_eq!(run("--solver hals --shuffle --threads 1")["objective"], shuffled["objective"]);
    assert_eq!(run("--loss kl --shuffle")["solver"], "newton");

    let step = run("--solver gd --step 1e-4");
    assert_eq!(number(&step, "step"), 1e-4);
    let ran = place.run("factorize x.csv -k 2 --solver gd --step 1").ok();
    assert!(ran.stderr.contains("above its start") && ran.stderr.contains("--step"), "{}", ran.stderr);
}

#[test]
fn the_trace_holds_every_iteration_or_those_asked_for() {
    let place = place();
    for (options, points) in [
        ("--solver mue", 21),
        ("--loss kl", 21),
        ("--solver gd", 21),
        ("--solver mu", 21),
        ("--solver ehals", 21),
        ("--solver mue --trace-every 10", 3),
        ("--solver mue --trace-every 0", 2),
        ("--solver mu --trace-every 5", 5),
    ] {
        let json = fit(&place, &format!("--tol 0 --max-iter 20 {options}"));
        assert_eq!(json["objective_trace"].as_array().unwrap().len(), points, "{options}");
    }
}

#[test]
fn what_a_solver_cannot_do_is_refused_and_another_named() {
    let place = place();
    for (options, words) in [
        ("--solver hals --loss kl", vec!["--solver hals", "--solver mue or mu"]),
        ("--solver anls-bpp --loss is", vec!["--solver anls-bpp", "use --solver mu"]),
        ("--solver newton", vec!["--solver newton", "kl", "--solver mue or mu"]),
        ("--solver mue --loss is", vec!["--solver mue", "1 ≤ β ≤ 2", "--solver mu"]),
        ("--solver mu --sparseness-w 0.5", vec!["--solver mu", "sparseness", "--solver pg"]),
        ("--loss kl --sparseness-h 0.5", vec!["sparseness", "fro"]),
        ("--sparseness-w 1.5", vec!["--sparseness-w 1.5", "between 0 and 1"]),
        ("--sparseness-h=-0.5", vec!["--sparseness-h -0.5", "between 0 and 1"]),
        ("--solver mu --step 0.1", vec!["--solver mu", "step", "--solver gd"]),
        ("--solver gd --step 0", vec!["--step 0", "> 0"]),
        ("--solver mu --shuffle", vec!["--solver mu", "shuffle", "hals", "newton"]),
        ("--solver hals --mu-exponent fast", vec!["--solver hals", "exponent", "--solver mu"]),
        ("--loss beta:3 --mu-exponent fast", vec!["exponent", "0 ≤ β < 1"]),
        ("--mu-exponent slow", vec!["slow", "proven", "fast"]),
        ("--solver mu --init nndsvd", vec!["--init nndsvd", "nndsvda"]),
        ("--solver simplex", vec!["simplex", "anls-bpp", "newton"]),
    ] {
        place.run(&format!("factorize x.csv -k 2 -o out {options}")).fails(2, &words);
        place.run(&format!("compare x.csv -k 2 {options}")).fails(2, &words[..1]);
    }
    assert!(!place.path("out").exists());
}

#[test]
fn a_cross_check_repeats_the_solver_that_auto_became() {
    let place = place();
    // a GPU may have another `auto`, or not have the solver at all: then the CPU checks
    for options in ["sparse.mtx --loss kl", "x.csv --loss is", "x.csv --loss kl", "x.csv", "x.csv --shuffle"] {
        let json = place.run(&format!("factorize {options} -k 3 --init random --cross-check --json")).ok().json();
        assert_eq!(json["cross_check"]["agree"], true, "{options}: {json}");
    }
    let json = place.run_anywhere("compare sparse.mtx -k 3 --loss kl --solver newton --json").ok().json();
    assert_eq!(json["agree"], true);
}
