//! `probabilities`: tables as distributions, factorizations as latent classes, blocks.

mod common;

use common::{Place, list, number};
use ndarray::Array2;
use serde_json::Value;

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn nested(v: &Value) -> Vec<Vec<f64>> {
    v.as_array().unwrap().iter().map(numbers).collect()
}

#[test]
fn the_table_of_purchases() {
    let place = Place::new();
    place.write("p.csv", "user,a,b,c\nu1,2,0,0\nu2,0,3,1\nu3,1,1,2\n");
    let json = place.run("probabilities p.csv --json").ok().json();
    assert_eq!((number(&json, "total"), &json["row_names"][2]), (10.0, &Value::from("u3")));
    assert_eq!(numbers(&json["row_marginal"]), [0.2, 0.4, 0.4]);
    assert_eq!(numbers(&json["col_marginal"]), [0.3, 0.4, 0.3]);
    assert_eq!(nested(&json["joint"])[1], [0.0, 0.3, 0.1]);
    assert_eq!(nested(&json["col_given_row"])[2], [0.25, 0.25, 0.5]);
    assert_eq!(nested(&json["row_given_col"])[1], [0.0, 0.75, 1.0 / 3.0]);
    let text = place.run("probabilities p.csv").ok().stdout;
    for line in ["u3           0.1000  0.1000  0.2000  0.4000", "P(col)       0.3000  0.4000  0.3000  1.0000"] {
        let squeezed = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.lines().any(|l| squeezed(l) == squeezed(line)), "{line}: {text}");
    }
    assert_eq!(place.list(), ["p.csv"]);
    place.run("probabilities p.csv -o t").ok();
    assert_eq!(list(&place.path("t")), ["cols.tsv", "joint.tsv", "rows.tsv"]);
    let joint = std::fs::read_to_string(place.path("t/joint.tsv")).unwrap();
    assert_eq!(joint.lines().nth(1), Some("u1\ta\t2\t0.2\t1\t0.6666666666666666"));
    assert_eq!(joint.lines().count(), 1 + 6);
    // an empty row has no conditionals
    place.write("e.csv", "1,1\n0,0\n");
    let json = place.run("probabilities e.csv --json").ok().json();
    assert_eq!(json["col_given_row"][1], serde_json::json!([null, null]));
    assert!(number(&json, "mutual_information_bits").abs() < 1e-12);
}

/// Three groups of rows that buy three groups of columns, in scattered order; hardly anything across.
fn planted(m: usize, n: usize) -> (Array2<f64>, Vec<usize>, Vec<usize>) {
    let group = |i: usize| (i * 7 + i / 3) % 3;
    let (rows, cols): (Vec<usize>, Vec<usize>) =
        ((0..m).map(group).collect(), (0..n).map(|j| (j * 5 + j / 4) % 3).collect());
    let x = Array2::from_shape_fn((m, n), |(i, j)| {
        let scatter = (i * i * 13 + j * j * 7 + i * j * 5) % 11;
        if rows[i] == cols[j] { (3 + scatter) as f64 } else { f64::from(u8::from(scatter == 0)) }
    });
    (x, rows, cols)
}

/// Whether two groupings are the same up to names.
fn same(a: &[usize], b: &[usize]) -> bool {
    (0..a.len()).all(|i| (0..a.len()).all(|j| (a[i] == a[j]) == (b[i] == b[j])))
}

#[test]
fn planted_blocks_are_found_and_the_model_keeps_the_marginals() {
    let place = Place::new();
    let (x, rows, cols) = planted(40, 27);
    place.matrix("x.npy", &x);
    let json = place.run("probabilities x.npy -k 3 --max-iter 2000 --tol 1e-9 -o m --json").ok().json();
    let groups = |key: &str| numbers(&json[key]).into_iter().map(|q| q as usize).collect::<Vec<_>>();
    assert!(same(&groups("row_component"), &rows) && same(&groups("col_component"), &cols), "{json}");
    assert_eq!((json["loss"].as_str(), json["rank"].as_u64()), (Some("kl"), Some(3)));
    // sums of distributions, and the marginals of the table at a stationary point
    let (p, given_row) = (numbers(&json["component_probability"]), nested(&json["row_given_component"]));
    let close = |a: f64, b: f64, tol: f64| assert!((a - b).abs() < tol, "{a} {b}");
    close(p.iter().sum(), 1.0, 1e-12);
    for q in 0..3 {
        close(given_row.iter().map(|r| r[q]).sum(), 1.0, 1e-12);
        close(numbers(&json["col_given_component"][q]).iter().sum(), 1.0, 1e-12);
    }
    nested(&json["component_given_row"]).iter().for_each(|r| close(r.iter().sum(), 1.0, 1e-12));
    for (row, marginal) in given_row.iter().zip(numbers(&json["row_marginal"])) {
        close(row.iter().zip(&p).map(|(r, p)| r * p).sum(), marginal, 1e-5);
    }
    assert!(number(&json["marginal_difference"], "rows") < 1e-4 && number(&json["marginal_difference"], "cols") < 1e-4);
    // the likelihood from the saved factors
    let (w, h) = (common::dense(&place.path("m/W.npy")), common::dense(&place.path("m/H.npy")));
    let v = w.dot(&h);
    let by_hand: f64 = x.indexed_iter().filter(|(_, x)| **x > 0.0).map(|(at, x)| x * (v[at] / v.sum()).ln()).sum();
    close(number(&json, "log_likelihood"), by_hand / x.sum(), 1e-6);
    close(number(&json, "perplexity"), (-by_hand / x.sum()).exp(), 1e-2);
    let names = list(&place.path("m"));
    for name in ["H.npy", "W.npy", "blocks.svg", "components.tsv", "component_given_row.tsv", "joint.tsv", "rows.tsv"] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    let components = std::fs::read_to_string(place.path("m/components.tsv")).unwrap();
    assert_eq!(components.lines().count(), 4);
    let rows_file = std::fs::read_to_string(place.path("m/rows.tsv")).unwrap();
    assert!(rows_file.starts_with("row\tsum\tprobability\tcomponent\tcomponent_probability\nrow 0\t"), "{rows_file}");
    // the model is one for transform; another command's model in the folder takes its tables away
    place.run("transform m x.npy -o w.npy").ok();
    place.run("factorize x.npy -k 2 -o m").ok();
    assert_eq!(list(&place.path("m")), ["H.npy", "W.npy", "fit.json"]);
}

#[test]
fn reports_and_text_for_people() {
    let place = Place::new();
    let (x, ..) = planted(40, 27);
    place.write("x.csv", common::csv(&x));
    let text = place.run("probabilities x.csv -k 3 --top 2 --report r.html --plots p").ok().stdout;
    for word in
        ["component 1", "most probable for", "log-likelihood", "mutual information", "nothing was written", "r.html"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    let page = std::fs::read_to_string(place.path("r.html")).unwrap();
    assert!(page.contains("Blocks") && page.contains("Marginals"), "sections");
    assert!(list(&place.path("p")).iter().any(|n| n == "blocks.png"));
}

#[test]
fn what_cannot_be_read_as_probabilities_is_refused() {
    let place = Place::new();
    place.write("x.csv", "1,2\n3,4\n");
    place.write("neg.csv", "1,2\n3,-4\n");
    place.write("zero.csv", "0,0\n0,0\n");
    let cases: [(&str, &[&str]); 11] = [
        ("probabilities neg.csv", &["neg.csv", "-4", "row 1"]),
        ("probabilities neg.csv -k 1", &["neg.csv", "-4"]),
        ("probabilities zero.csv", &["zero.csv", "zero"]),
        ("probabilities none.csv", &["none.csv"]),
        ("probabilities x.csv -k 2 --loss fro", &["--loss", "kl"]),
        ("probabilities x.csv -k 0", &["0", "rank"]),
        ("probabilities x.csv --seed 3", &["--rank"]),
        ("probabilities x.csv --report r.html", &["--rank"]),
        ("probabilities x.csv -k 1 --shifts 2", &["--shifts"]),
        ("probabilities x.csv --stored-only", &["--stored-only"]),
        ("probabilities x.csv --top 0", &["--top"]),
    ];
    for (line, words) in cases {
        place.run(line).fails(2, words);
    }
    assert_eq!(place.list(), ["neg.csv", "x.csv", "zero.csv"]);
}

#[test]
fn results_replace_no_inputs_and_mix_with_no_others() {
    let place = Place::new();
    let (x, ..) = planted(12, 9);
    place.matrix("x.npy", &x);
    place.run("probabilities x.npy -k 2 -o m").ok();
    place.run("probabilities m/joint.tsv -o m --no-header").fails(2, &["joint.tsv"]);
    place.run("probabilities x.npy -o m").fails(2, &["m", "model"]);
    // not written by this command, but taken away with the older model
    place.run("factorize m/joint.tsv -k 1 -o m").fails(2, &["joint.tsv"]);
    place.run("topics m/rows.tsv -k 1 --text-column row -o m").fails(2, &["rows.tsv"]);
    assert!(place.path("m/joint.tsv").exists() && place.path("m/rows.tsv").exists());
}
