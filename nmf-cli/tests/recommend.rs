//! `recommend`: planted tastes are found, measures are right, outputs say the same as the report, and bad input is refused by place.

mod common;

use common::{Place, Ran, dense, list, number};
use ndarray::Array2;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Uniform in [0, 1), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Ratings 1 to 5 of users u1 … u120 for items i1 … i60: odd users like odd items, even users even ones, some items are better and some
/// users kinder. A third is known; of those a tenth is for testing.
fn tastes() -> (String, String) {
    let mut r = Random(7);
    let (mut train, mut test) = (String::from("who,what,stars,when\n"), String::from("who,what,stars,when\n"));
    let items: Vec<f64> = (0..60).map(|_| r.next()).collect();
    for u in 1..=120 {
        let kind = r.next();
        for i in 1..=60 {
            let likes = if u % 2 == i % 2 { 1.3 } else { -0.7 };
            let stars = (2.6 + kind + items[i - 1] + likes + 0.6 * (r.next() - 0.5)).round().clamp(1.0, 5.0);
            if r.next() < 0.33 {
                let to = if r.next() < 0.1 { &mut test } else { &mut train };
                writeln!(to, "u{u},i{i},{stars},{}", 100 * u + i).unwrap();
            }
        }
    }
    (train, test)
}

fn place() -> Place {
    let place = Place::new();
    let (train, test) = tastes();
    place.write("train.csv", train);
    place.write("test.csv", test);
    place
}

const BY_NAME: &str = "--columns who,what,stars";

#[test]
fn planted_tastes_are_found() {
    let place = place();
    let line = format!(
        "recommend train.csv {BY_NAME} --test test.csv -k 6 --user u7 --similar i4 --min-ratings 10 -o out --json"
    );
    let json = place.run(&line).ok().json();
    assert_eq!((json["users"].as_u64(), json["items"].as_u64()), (Some(120), Some(60)));
    let lines = |name: &str| std::fs::read_to_string(place.path(name)).unwrap().lines().count() - 1;
    assert_eq!(json["ratings"].as_u64(), Some(lines("train.csv") as u64));
    assert_eq!(json["test_ratings"].as_u64(), Some(lines("test.csv") as u64));
    let (rmse, biases, baseline) =
        (number(&json, "rmse"), number(&json, "biases_rmse"), number(&json, "baseline_rmse"));
    assert!(rmse < 0.6 * biases.min(baseline) && number(&json, "mae") < rmse, "{rmse} {biases} {baseline}");
    assert!(number(&json, "ndcg_at_10") > 1.5 * number(&json, "popular_ndcg_at_10"), "{json}");
    // odd items for the odd user, even ones like the even one
    let names = |key: &str| -> Vec<u64> {
        let all = json[key].as_array().unwrap().iter();
        all.map(|v| v["item"].as_str().unwrap()[1..].parse().unwrap()).collect()
    };
    assert_eq!((names("recommendations").len(), names("similar").len()), (10, 10));
    assert!(names("recommendations").iter().all(|i| i % 2 == 1), "{:?}", names("recommendations"));
    assert!(names("similar").iter().all(|i| i % 2 == 0), "{:?}", names("similar"));

    let files =
        ["H.npy", "W.npy", "cols.txt", "fit.json", "item_bias.npy", "recommendations.tsv", "rows.txt", "user_bias.npy"];
    assert_eq!(list(&place.path("out")), files);
    let (w, h) = (dense(&place.path("out/W.npy")), dense(&place.path("out/H.npy")));
    assert_eq!((w.dim(), h.dim()), ((120, 6), (6, 60)));
    assert!(w.iter().chain(&h).all(|v| *v >= 0.0));
    // the model on disk gives the predictions that were shown
    let texts = |name: &str| -> Vec<String> {
        std::fs::read_to_string(place.path(name)).unwrap().lines().map(String::from).collect()
    };
    let (users, items) = (texts("out/rows.txt"), texts("out/cols.txt"));
    let (bu, bi) = (dense_1(&place, "out/user_bias.npy"), dense_1(&place, "out/item_bias.npy"));
    let rows: Vec<Vec<String>> =
        texts("out/recommendations.tsv").iter().map(|l| l.split('\t').map(String::from).collect()).collect();
    assert_eq!(rows[0], ["user", "place", "item", "prediction"]);
    assert_eq!(rows.len(), 1 + 120 * 10);
    let mut seen = 0;
    for row in rows[1..].iter().filter(|r| r[0] == "u7") {
        let (u, i) =
            (users.iter().position(|n| *n == row[0]).unwrap(), items.iter().position(|n| *n == row[2]).unwrap());
        let value = number(&json, "mean") + bu[u] + bi[i] + w.row(u).dot(&h.column(i));
        assert!((value.clamp(1.0, 5.0) - row[3].parse::<f64>().unwrap()).abs() < 1e-4);
        let shown = &json["recommendations"][seen];
        assert_eq!((shown["item"].as_str(), row[1].parse().ok()), (Some(row[2].as_str()), Some(seen + 1)));
        seen += 1;
    }
    assert_eq!(seen, 10);
    // what was rated is not recommended
    let rated = texts("train.csv");
    assert!(rows[1..].iter().all(|r| !rated.iter().any(|l| l.starts_with(&format!("{},{},", r[0], r[2])))));
}

/// A vector of f64 in .npy: two bytes after the eight of the magic are the length of the header.
fn dense_1(place: &Place, name: &str) -> Vec<f64> {
    let bytes = std::fs::read(place.path(name)).unwrap();
    let data = &bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..];
    data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn the_measures_are_those_of_the_predictions() {
    // without factors and with strong penalties everything is the mean: errors by hand
    let place = Place::new();
    place.write("r.tsv", "1\ta\t4\n2\ta\t2\n3\tb\t3\n");
    place.write("t.tsv", "1\tb\t5\n9\tz\t1\n");
    let json = place.run("recommend r.tsv -k 0 --l2-bias 1e12 --test t.tsv --json").ok().json();
    let close = |key: &str, v: f64| assert!((number(&json, key) - v).abs() < 1e-6, "{key}: {json}");
    close("rmse", 2.0);
    close("mae", 2.0);
    // b has mean 3, z is unknown: the mean of all
    close("baseline_rmse", 2.0);
    assert_eq!((json["cold_test_ratings"].as_u64(), json["biases_rmse"].is_null()), (Some(1), true));
    // user 1 has rated a of a, b, z: b comes before z
    close("precision_at_10", 0.1);
    close("ndcg_at_10", 1.0);
    assert_eq!(json["ranked_users"].as_u64(), Some(1));
}

#[test]
fn a_seeded_part_is_held_out() {
    let place = place();
    let run = |more: &str| place.run(&format!("recommend train.csv {BY_NAME} -k 4 --json {more}")).ok().json();
    let (a, b, c) = (run("--holdout 0.1"), run("--holdout 0.1 --threads 1"), run("--holdout 0.1 --seed 3"));
    assert_eq!((&a["rmse"], &a["objective"]), (&b["rmse"], &b["objective"]));
    assert_ne!(a["rmse"], c["rmse"]);
    let (kept, held) = (a["ratings"].as_f64().unwrap(), a["test_ratings"].as_f64().unwrap());
    assert!((held / (kept + held) - 0.1).abs() < 0.02);
    let all = run("");
    assert_eq!(all["ratings"].as_f64(), Some(kept + held));
    assert!(all["rmse"].is_null() && all["precision_at_10"].is_null());
    let without = run("--no-biases --holdout 0.1");
    assert!(number(&without, "mean") == 0.0 && without["biases_rmse"].is_null() && without["l2_scaling"] == "count");
}

#[test]
fn lines_and_matrices_give_the_same() {
    let place = Place::new();
    let mut r = Random(2);
    let x = Array2::from_shape_fn((12, 9), |_| if r.next() < 0.5 { f64::NAN } else { (1.0 + 4.0 * r.next()).round() });
    let known = || x.indexed_iter().filter(|(_, v)| !v.is_nan()).map(|((u, i), v)| (u + 1, i + 1, *v));
    place.matrix("x.npy", &x);
    let count = known().count();
    let mtx: String = known().map(|(u, i, v)| format!("{u} {i} {v}\n")).collect();
    place.write("x.mtx", format!("%%MatrixMarket matrix coordinate real general\n12 9 {count}\n{mtx}"));
    place.write("x.txt", known().map(|(u, i, v)| format!("{u}::{i}::{v}::99\n")).collect::<String>());
    let run = |file: &str| place.run(&format!("recommend {file} -k 3 --json --user 5")).ok().json();
    let (a, b, c) = (run("x.npy"), run("x.mtx"), run("x.txt"));
    for other in [&b, &c] {
        for key in ["users", "items", "ratings", "objective", "recommendations"] {
            assert_eq!(a[key], other[key], "{key}");
        }
    }
}

#[test]
fn items_have_titles_in_any_encoding() {
    let place = place();
    place.write("items.txt", b"i1|The Caf\xe9\ni2|Tea\n");
    let ran = place
        .run(&format!(
            "recommend train.csv {BY_NAME} --items items.txt -k 4 --similar Tea --min-ratings 0 --top 60 -o out"
        ))
        .ok();
    assert!(ran.stdout.contains("like Tea") && ran.stderr.contains("Windows-1252"), "{}", ran.stderr);
    let text = std::fs::read_to_string(place.path("out/recommendations.tsv")).unwrap();
    assert!(text.starts_with("user\tplace\titem\tname\tprediction\n") && text.contains("\ti1\tThe Café\t"));
}

#[test]
fn a_pair_that_comes_again_counts_once() {
    let place = Place::new();
    place.write("r.csv", "1,1,5\n1,2,3\n2,1,4\n1,1,1\n");
    let ran = place.run("recommend r.csv -k 1 --json").ok();
    assert_eq!(ran.json()["ratings"].as_u64(), Some(3));
    assert!(ran.stderr.contains("1 ratings repeat"), "{}", ran.stderr);
    assert_eq!(ran.json()["rating_range"], serde_json::json!([1.0, 4.0]));
}

#[test]
fn a_model_of_ratings_is_none_for_transform() {
    let place = place();
    place.run(&format!("recommend train.csv {BY_NAME} -k 2 -o out")).ok();
    place.matrix("new.npy", &Array2::ones((2, 60)));
    place.run("transform out new.npy -o w.npy").fails(2, &["out", "ratings"]);
}

#[test]
fn what_cannot_be_honoured_is_refused_by_place() {
    let place = place();
    place.write("bad.csv", "1,2,3\n1,3,four\n");
    place.write("short.csv", "1,2,3\n1,3\n");
    place.write("nan.csv", "1,2,3\n1,3,inf\n");
    place.write("negative.csv", "1,2,3\n1,3,-1\n");
    place.write("other.txt", "x|y\n");
    place.write("empty.csv", "");
    let refused: [(&str, &[&str]); 17] = [
        ("bad.csv", &["bad.csv", "line 2", "four"]),
        ("short.csv", &["short.csv", "line 2", "column 3"]),
        ("nan.csv", &["nan.csv", "line 2", "finite"]),
        ("empty.csv", &["empty.csv", "empty"]),
        ("nothing.csv", &["nothing.csv"]),
        ("negative.csv --no-biases", &["negative.csv", "-1", "user 1", "item 3"]),
        ("train.csv --columns who,what,rating", &["train.csv", "line 1", "rating", "stars"]),
        ("train.csv --columns 1,2", &["--columns", "3"]),
        ("train.csv --holdout 1.5", &["--holdout 1.5", "between 0 and 1"]),
        ("train.csv --user nobody", &["--user nobody", "u1"]),
        ("train.csv --similar nothing", &["--similar nothing", "i"]),
        ("train.csv --items other.txt", &["other.txt", "none of its items"]),
        ("train.csv -k 0 --no-biases", &["nothing to learn"]),
        ("train.csv --l2=-1", &["l2"]),
        ("train.csv --top 0", &["--top 0"]),
        ("train.csv --precision f32", &["f64"]),
        ("train.csv --format matrix", &["train.csv"]),
    ];
    for (words, expected) in refused {
        place.run(&format!("recommend {words}")).fails(2, expected);
    }
    place.write("W.npy", "1,2,3\n");
    place.run("recommend train.csv --items W.npy -o .").fails(2, &["W.npy", "replace"]);
    place.run_anywhere("recommend train.csv --backend gpu").fails(2, &["--backend gpu", "CPU"]);
    assert!(!place.path("out").exists());
}

/// ml-100k.zip, if the data are there.
fn movielens() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("NMF_DATA") else {
        eprintln!("NMF_DATA is not set: nothing is tested on MovieLens");
        return None;
    };
    let zip = Path::new(&data).join("ml-100k/ml-100k.zip");
    if !zip.exists() {
        eprintln!("{} is not there: nothing is tested on MovieLens", zip.display());
        return None;
    }
    Some(zip)
}

#[test]
fn movielens_u1_is_predicted_by_the_defaults() {
    let Some(zip) = movielens() else { return };
    let place = Place::new();
    let run = |more: &str| -> Ran {
        let zip = zip.display();
        place.run(&format!("recommend {zip}!/ml-100k/u1.base --test {zip}!/ml-100k/u1.test --json {more}")).ok()
    };
    for seed in [0, 4] {
        let json = run(&format!("--seed {seed}")).json();
        assert_eq!((json["ratings"].as_u64(), json["test_ratings"].as_u64()), (Some(80_000), Some(20_000)));
        assert!(number(&json, "rmse") <= 0.93 && number(&json, "biases_rmse") > 0.95, "{json}");
        assert!((number(&json, "baseline_rmse") - 1.0334).abs() < 1e-3, "{json}");
        let without = run(&format!("--seed {seed} --no-biases")).json();
        assert!(number(&without, "rmse") <= 0.955, "{without}");
    }
}
