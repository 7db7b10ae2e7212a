//! `mixture`: what was planted is found, k-means stands beside it, and bad input is refused by name and place.

mod common;

use common::{Place, csv, dense, list, number};
use ndarray::Array2;
use serde_json::Value;

/// Standard normal numbers, the same in every run.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// 500 points about (−10, 5), correlated, 300 about (0, 0) and 200 about (10, 5), in turns.
fn blobs() -> (Array2<f64>, Vec<usize>) {
    let mut normal = Normal(1);
    let truth: Vec<usize> = (0..1000).map(|i| [0, 1, 0, 2, 0, 1, 0, 1, 0, 2][i % 10]).collect();
    let mut x = Array2::zeros((1000, 2));
    for (mut row, q) in x.outer_iter_mut().zip(&truth) {
        let (a, b) = (normal.next(), normal.next());
        let (u, v) = [(a - 10.0, 5.0 + 0.8 * a + 0.6 * b), (2.0 * a, 0.5 * b), (10.0 + a, 5.0 + b)][*q];
        (row[0], row[1]) = (u, v);
    }
    (x, truth)
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap_or_else(|| panic!("{v}")).iter().map(|v| v.as_f64().unwrap()).collect()
}

#[track_caller]
fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not within {tolerance} of {b}");
}

#[test]
fn planted_gaussians_are_found_again() {
    let (place, (x, truth)) = (Place::new(), blobs());
    place.matrix("x.npy", &x);
    for init in ["kmeans", "random"] {
        let line = format!("mixture x.npy -k 3 --covariance full --init {init} --restarts 8 -o out --json");
        let json = place.run(&line).ok().json();
        assert_eq!((json["rows"].as_u64(), json["cols"].as_u64()), (Some(1000), Some(2)));
        assert_eq!((json["components"].as_u64(), json["covariance"].as_str()), (Some(3), Some("full")));
        assert_eq!(json["converged"], true);
        // the largest first
        let planted = [
            (0.5, [-10.0, 5.0], [1.0, 0.8, 1.0]),
            (0.3, [0.0, 0.0], [4.0, 0.0, 0.25]),
            (0.2, [10.0, 5.0], [1.0, 0.0, 1.0]),
        ];
        for (q, (weight, mean, [a, b, c])) in planted.into_iter().enumerate() {
            let found = &json["mixture"][q];
            near(number(found, "weight"), weight, 0.01);
            numbers(&found["mean"]).into_iter().zip(mean).for_each(|(m, p)| near(m, p, 0.3));
            let (first, second) = (numbers(&found["covariance"][0]), numbers(&found["covariance"][1]));
            [first[0], first[1], second[1]].into_iter().zip([a, b, c]).for_each(|(f, p)| near(f, p, 0.5));
            assert_eq!(first[1], second[0]);
        }
        let likelihood = numbers(&json["log_likelihood"]);
        assert!(likelihood.windows(2).all(|w| w[1] >= w[0]), "{likelihood:?}");
        assert_eq!(likelihood.len() as u64, json["iterations"].as_u64().unwrap() + 1);
        // 17 free parameters
        let last = likelihood[likelihood.len() - 1];
        near(number(&json, "aic"), 34.0 - 2.0 * last, 1e-9 * last.abs());
        near(number(&json, "bic"), 17.0 * 1000f64.ln() - 2.0 * last, 1e-9 * last.abs());
        assert!(number(&json, "agreement") > 0.95, "{json}");
        assert_eq!(numbers(&json["kmeans"]["sizes"]).iter().sum::<f64>(), 1000.0);
        assert_eq!(json["kmeans"]["centers"].as_array().map(Vec::len), Some(3));

        let names =
            ["assignments.tsv", "covariances.npy", "log_likelihood.svg", "means.npy", "mixture.json", "mixture.svg"];
        assert_eq!(list(&place.path("out")), [&names[..], &["responsibilities.npy", "weights.npy"]].concat());
        let means = dense(&place.path("out/means.npy"));
        near(means[[0, 0]], -10.0, 0.3);
        let responsibilities = dense(&place.path("out/responsibilities.npy"));
        assert_eq!(responsibilities.dim(), (1000, 3));
        responsibilities.outer_iter().for_each(|row| near(row.sum(), 1.0, 1e-12));
        let covariances = nmf_io::read_npy3::<f64>(&place.path("out/covariances.npy")).unwrap();
        assert_eq!(covariances.dim(), (3, 2, 2));
        let assignments = std::fs::read_to_string(place.path("out/assignments.tsv")).unwrap();
        let mut lines = assignments.lines();
        assert_eq!(lines.next(), Some("row\tcomponent\tresponsibility\tkmeans"));
        let (mut right, mut same) = (0, 0);
        for (i, (line, q)) in lines.zip(&truth).enumerate() {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields[0], (i + 1).to_string());
            right += usize::from(fields[1] == (q + 1).to_string());
            same += usize::from(fields[1] == fields[3]);
        }
        assert!(right > 990 && same > 980, "{right} {same}");
        let picture = std::fs::read_to_string(place.path("out/mixture.svg")).unwrap();
        assert!(picture.contains("component 3: weight") && picture.contains("centres of k-means"));
    }
}

#[test]
fn one_column_with_names_of_columns_and_rows() {
    let place = Place::new();
    let mut normal = Normal(5);
    let mut text = String::from("who,delay\n");
    for i in 0..600 {
        let value = if i % 3 == 0 { -4.0 + 0.5 * normal.next() } else { 3.0 + normal.next() };
        text.push_str(&format!("p{i},{value}\n"));
    }
    place.write("x.csv", text);
    let json = place.run("mixture x.csv -k 2 -o out --json").ok().json();
    let (large, small) = (&json["mixture"][0], &json["mixture"][1]);
    near(number(large, "weight"), 2.0 / 3.0, 0.01);
    near(numbers(&large["mean"])[0], 3.0, 0.2);
    near(numbers(&large["variance"])[0], 1.0, 0.25);
    near(numbers(&small["mean"])[0], -4.0, 0.2);
    near(numbers(&small["variance"])[0], 0.25, 0.1);
    assert!(number(&json["kmeans"], "inertia") > 0.0);
    let assignments = std::fs::read_to_string(place.path("out/assignments.tsv")).unwrap();
    assert!(assignments.contains("\np0\t2\t") && assignments.contains("\np1\t1\t"), "{assignments}");
    let picture = std::fs::read_to_string(place.path("out/mixture.svg")).unwrap();
    assert!(picture.contains(">delay<") && picture.contains("class=\"bar\"") && picture.contains("class=\"mark\""));
    let said = place.run("mixture x.csv -k 2").ok().stdout;
    for word in ["600 rows", "delay", "component", "k-means", "±", "BIC"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn the_same_for_every_number_of_threads_and_for_one_seed() {
    let (place, (x, _)) = (Place::new(), blobs());
    place.write("x.csv", csv(&x));
    let of = |options: &str| {
        let json = place.run(&format!("mixture x.csv -k 4 --json {options}")).ok().json();
        [json["mixture"].clone(), json["log_likelihood"].clone(), json["kmeans"].clone()]
    };
    let one = of("--threads 1 --seed 3");
    assert_eq!(one, of("--threads 2 --seed 3"));
    // the transposed file, turned back
    place.write("turned.csv", csv(&x.t().to_owned()));
    let line = "mixture turned.csv -k 4 --json --seed 3 --transpose";
    assert_eq!(place.run(line).ok().json()["mixture"], one[0]);
}

#[test]
fn a_constant_column_is_left_out_with_a_warning() {
    let (place, (x, _)) = (Place::new(), blobs());
    let wide = Array2::from_shape_fn((1000, 3), |(i, j)| if j == 1 { 7.5 } else { x[[i, j / 2]] });
    place.write("x.csv", format!("a,b,c\n{}", csv(&wide)));
    for covariance in ["diagonal", "full"] {
        let ran = place.run(&format!("mixture x.csv -k 3 --covariance {covariance} --json -o out")).ok();
        assert!(ran.stderr.contains("b (7.5)"), "{}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["constant_columns"], serde_json::json!([1]));
        assert_eq!(numbers(&json["mixture"][0]["mean"])[1], 7.5);
        assert_eq!(numbers(&json["kmeans"]["centers"][2])[1], 7.5);
        assert_eq!(dense(&place.path("out/means.npy")).dim(), (3, 3));
        let spread = if covariance == "full" {
            &json["mixture"][0]["covariance"][1][1]
        } else {
            &json["mixture"][0]["variance"][1]
        };
        assert_eq!(spread.as_f64(), Some(0.0));
    }
}

#[test]
fn the_smallest_cases() {
    let place = Place::new();
    place.write("x.csv", "-1,2\n3,-4\n5,6\n");
    for options in ["-k 1", "-k 3", "-k 3 --covariance full", "-k 2 --max-iter 0", "-k 2 --restarts 1 --tol 0"] {
        let json = place.run(&format!("mixture x.csv {options} --json -o out")).ok().json();
        assert_eq!(json["mixture"].as_array().map(Vec::len), json["components"].as_u64().map(|k| k as usize));
        let agreement = number(&json, "agreement");
        assert!((-0.5..=1.0).contains(&agreement), "{options}: {agreement}");
    }
    // equal rows
    place.write("equal.csv", "1,1\n1,1\n1,1\n2,1\n2,2\n");
    let ran = place.run("mixture equal.csv -k 4 -o out --json").ok();
    assert!(!ran.stderr.contains("panicked"));
}

#[test]
fn bad_input_is_refused() {
    let place = Place::new();
    let refused = |line: &str, words: &[&str]| {
        place.run(&format!("mixture {line} -o out")).fails(2, words);
        assert!(!place.path("out").exists());
    };
    place.write("good.csv", "1,2\n3,-4\n5,6\n");
    place.write("nan.csv", "1,2\n3,nan\n5,6\n");
    place.write("inf.csv", "1,2\n3,4\n-inf,6\n");
    place.write("words.csv", "1,2\n3,four\n");
    place.write("ragged.csv", "1,2\n3,4,5\n");
    place.write("same.csv", "1,2\n1,2\n1,2\n");
    place.write("one.csv", "1,2\n");
    place.write("empty.csv", "");
    place.write("huge.csv", "1e200,2\n-1e200,3\n5,6\n");
    place.write("sparse.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 1.0\n2 2 -1.0\n");
    refused("nan.csv -k 2", &["nan.csv", "NaN", "row 1, column 1"]);
    refused("nan.csv -k 2 --transpose", &["row 1, column 1"]);
    refused("inf.csv -k 2", &["inf.csv", "-inf", "row 2, column 0"]);
    refused("words.csv -k 2", &["words.csv", "line 2", "four"]);
    refused("ragged.csv -k 2", &["line 2"]);
    refused("same.csv -k 2", &["same.csv", "every row is the same"]);
    refused("one.csv -k 1", &["one.csv", "single row"]);
    refused("empty.csv -k 2", &["empty.csv", "empty"]);
    refused("huge.csv -k 2", &["huge.csv", "column 0", "overflow"]);
    refused("sparse.mtx -k 2", &["sparse.mtx", "sparse", "dense", "convert"]);
    refused("missing.csv -k 2", &["missing.csv"]);
    refused("good.csv -k 4", &["good.csv", "-k 4", "3 rows"]);
    refused("good.csv -k 0", &["-k 0"]);
    refused("good.csv -k 2 --restarts 0", &["--restarts 0"]);
    refused("good.csv -k 2 --tol=-1", &["--tol"]);
    refused("good.csv -k 2 --tol nan", &["--tol NaN"]);
    refused("good.csv -k 2 --precision f32", &["--precision f32", "f64"]);
    refused("good.csv -k 2 --adapter 0", &["--adapter"]);
    refused("good.csv -k 2 --covariance round", &["round", "diagonal"]);
    refused("good.csv", &["--components"]);
    place.run_anywhere("mixture good.csv -k 2 --backend gpu").fails(2, &["--backend gpu", "CPU"]);
    place.write("file", "");
    place.run("mixture good.csv -k 2 -o file").fails(1, &["file"]);
}
