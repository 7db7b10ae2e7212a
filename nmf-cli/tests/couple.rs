//! `couple`: matrices meet by name, a side matrix helps, outputs say the same as the report, and mistakes in the file are told by line.

mod common;

use common::{Place, dense, list, number};
use ndarray::Array2;
use nmf_io::{Column, FieldOptions, read_fields};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Uniform in [0, 1), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn part(&mut self, m: usize) -> Array2<f64> {
        Array2::from_shape_fn((m, 3), |_| (1.6 * self.next() - 0.6).max(0.0) + 0.02)
    }
}

/// Ratings of 60 users for 50 items, of which a twelfth is known, and what the users do in 40 other ways, all of rank 3.
fn planted(place: &Place) {
    let mut r = Random(11);
    let (user, item, way) = (r.part(60), r.part(50), r.part(40));
    let (ratings, ways) = (user.dot(&item.t()), user.dot(&way.t()));
    let mut known = String::new();
    let mut rest = String::new();
    // the items come in another order than their names
    for u in (0..60).rev() {
        for i in 0..50 {
            let to = if r.next() < 0.08 { &mut known } else { &mut rest };
            writeln!(to, "u{u} i{i} {}", ratings[[u, i]]).unwrap();
        }
    }
    let mut table = String::from("user");
    (0..40).for_each(|j| write!(table, ",w{j}").unwrap());
    for u in 0..60 {
        write!(table, "\nu{u}").unwrap();
        (0..40).for_each(|j| write!(table, ",{}", ways[[u, j]]).unwrap());
    }
    place.write("known.txt", known);
    place.write("rest.txt", rest);
    place.write("ways.csv", table);
}

const SPEC: &str = "k = 3\nmax_iter = 1500\ntol = 1e-8\n[modes.user]\nl1 = 1e-4\n[modes.item]\nl1 = 1e-4\n\
    [[matrix]]\nname = \"ratings\"\nfile = \"known.txt\"\ntest = \"rest.txt\"\nrows = \"user\"\ncols = \"item\"\nloss = \"kl\"\nstored_only = true\n";
const WAYS: &str = "[[matrix]]\nname = \"ways\"\nfile = \"ways.csv\"\nrows = \"user\"\ncols = \"way\"\nloss = \"kl\"\n";

#[test]
fn a_side_matrix_helps_where_data_are_few() {
    let place = Place::new();
    planted(&place);
    place.write("spec.toml", format!("{SPEC}{WAYS}"));
    let json = place.run("couple spec.toml --few 4 -o out --json").ok().json();
    let ratings = &json["matrices"][0];
    assert_eq!((ratings["name"].as_str(), ratings["modes"][1].as_str()), (Some("ratings"), Some("item")));
    let (coupled, alone) = (number(ratings, "heldout_rmse"), number(ratings, "heldout_rmse_alone"));
    assert!(coupled < 0.5 * alone, "{coupled} {alone}");
    assert!(number(ratings, "heldout") < number(ratings, "heldout_alone"));
    assert!(number(ratings, "few_rmse") < 0.5 * number(ratings, "few_rmse_alone"), "{ratings}");
    assert!(json["matrices"][1]["heldout"].is_null());
    let objectives: f64 = json["matrices"].as_array().unwrap().iter().map(|m| number(m, "objective")).sum();
    assert!(objectives < number(&json, "objective") && number(&json, "objective") < objectives + 1.0);

    assert_eq!(
        list(&place.path("out")),
        ["couple.json", "item.npy", "item.txt", "user.npy", "user.txt", "way.npy", "way.txt"]
    );
    // the factors on disk give the held-out error, by name
    let names = |mode: &str| -> Vec<String> {
        let text = std::fs::read_to_string(place.path(&format!("out/{mode}.txt"))).unwrap();
        text.lines().map(String::from).collect()
    };
    let (user, item) = (dense(&place.path("out/user.npy")), dense(&place.path("out/item.npy")));
    let (users, items) = (names("user"), names("item"));
    assert_eq!((user.dim(), item.dim()), ((60, 3), (50, 3)));
    let at = |all: &[String], name: &str| all.iter().position(|n| n == name).unwrap();
    let rest = std::fs::read_to_string(place.path("rest.txt")).unwrap();
    let (mut squares, mut count) = (0.0, 0.0);
    for line in rest.lines() {
        let f: Vec<&str> = line.split(' ').collect();
        let v = user.row(at(&users, f[0])).dot(&item.row(at(&items, f[1])));
        squares += (v - f[2].parse::<f64>().unwrap()).powi(2);
        count += 1.0;
    }
    assert!(((squares / count).sqrt() - coupled).abs() < 1e-9);
    let text = place.run("couple spec.toml").ok().stdout;
    assert!(text.contains("RMSE coupled") && text.contains("user × way"), "{text}");
}

#[test]
fn one_matrix_is_what_factorize_finds() {
    let place = Place::new();
    let x = common::sample(14, 9);
    place.matrix("x.npy", &x);
    place.write("spec.toml", "k = 3\nmax_iter = 30\ntol = 0.0\nseed = 2\n[[matrix]]\nname = \"x\"\nfile = \"x.npy\"\nrows = \"r\"\ncols = \"c\"\nloss = \"kl\"\n");
    let coupled = place.run("couple spec.toml --json -o out").ok().json();
    let line = "factorize x.npy -k 3 --loss kl --solver mu --init random --seed 2 --max-iter 30 --tol 0 --precision f64 --json -o m";
    let plain = place.run(line).ok().json();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b, "{a} {b}");
    near(number(&coupled, "objective"), number(&plain, "objective"));
    let (r, w) = (dense(&place.path("out/r.npy")), dense(&place.path("m/W.npy")));
    r.iter().zip(&w).for_each(|(a, b)| near(*a, *b));
    let f32 = place.run("couple spec.toml --json --precision f32").ok().json();
    assert_eq!((f32["precision"].as_str(), coupled["precision"].as_str()), (Some("f32"), Some("f64")));
    assert!((number(&f32, "objective") / number(&plain, "objective") - 1.0).abs() < 1e-3);
}

#[test]
fn dense_matrices_hold_out_and_miss_rows() {
    let place = Place::new();
    let x = common::sample(20, 12);
    place.matrix("x.npy", &x);
    // b lacks two of the rows that a names, and has them in another order
    let rows = |of: &[usize]| of.iter().map(|i| format!("n{i},{},{}\n", 1 + i % 3, 2 + i % 2)).collect::<String>();
    place.write("a.csv", format!("row,p,q\n{}", rows(&(0..20).collect::<Vec<_>>())));
    place.write("b.csv", format!("row,s,t\n{}", rows(&(2..20).rev().collect::<Vec<_>>())));
    place.write("names.txt", (0..20).map(|i| format!("n{i}\n")).collect::<String>());
    place.write("mask.csv", "1,1\n".repeat(20));
    let matrix = |name: &str, file: &str, more: &str| {
        format!("[[matrix]]\nname = \"{name}\"\nfile = \"{file}\"\nrows = \"row\"\ncols = \"{name}_col\"\n{more}\n")
    };
    let spec = format!(
        "k = 2\n[modes.row]\nnames = \"names.txt\"\n{}{}{}",
        matrix("x", "x.npy", "holdout = 0.2"),
        matrix("a", "a.csv", "mask = \"mask.csv\""),
        matrix("b", "b.csv", "loss = \"kl\"")
    );
    place.write("spec.toml", spec);
    let json = place.run("couple spec.toml --json").ok().json();
    let held = json["matrices"][0]["heldout_entries"].as_f64().unwrap();
    assert!((held / 240.0 - 0.2).abs() < 0.1, "{held}");
    assert!(number(&json["matrices"][0], "heldout_rmse") < 2.0);
    let sizes: Vec<u64> = json["modes"].as_array().unwrap().iter().map(|m| m["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [20, 12, 2, 2]);
    assert_eq!(json["matrices"][2]["rows"].as_u64(), Some(20));
}

#[test]
fn mistakes_are_told_by_file_and_line() {
    let place = Place::new();
    planted(&place);
    place.matrix("x.npy", &Array2::ones((7, 4)));
    place.matrix("y.npy", &Array2::ones((8, 4)));
    let matrix = |name: &str, file: &str, rows: &str, cols: &str| {
        format!("[[matrix]]\nname = \"{name}\"\nfile = \"{file}\"\nrows = \"{rows}\"\ncols = \"{cols}\"\n")
    };
    let xy = |second: String| format!("k = 2\n{}{second}", matrix("x", "x.npy", "a", "b"));
    let cases: Vec<(String, Vec<&str>)> = vec![
        (matrix("x", "x.npy", "a", "b"), vec!["spec.toml", "no rank"]),
        (xy("colour = 1\n".into()), vec!["spec.toml", "line 7", "colour"]),
        (xy(matrix("y", "y.npy", "a", "c")), vec!["\"a\"", "7", "8", "\"y\""]),
        (xy(matrix("y", "nothing.npy", "a", "c")), vec!["nothing.npy"]),
        (xy(matrix("y", "ways.csv", "a", "c")), vec!["\"a\"", "\"x\"", "names"]),
        (xy("stored_only = true\n".into()), vec!["x.npy", "sparse"]),
        (
            format!("{SPEC}{WAYS}")
                .replace("test = \"rest.txt\"\n", "holdout = 0.5\n")
                .replace("stored_only = true\n", ""),
            vec!["line 8", "ratings", "stored_only"],
        ),
        (
            format!("{SPEC}{WAYS}")
                .replace("loss = \"kl\"\nstored_only", "loss = \"is\"\nstored_only")
                .replace("stored_only = true\n", "")
                .replace("test = \"rest.txt\"\n", ""),
            vec!["spec.toml", "\"ratings\"", "zero"],
        ),
        (format!("{SPEC}{WAYS}").replace("[modes.item]", "[modes.film]"), vec!["line 6", "\"film\""]),
    ];
    for (spec, words) in cases {
        place.write("spec.toml", &spec);
        place.run("couple spec.toml -o out").fails(2, &words);
    }
    place.write("spec.toml", format!("k = 2\n{}", matrix("x", "x.npy", "x", "b")));
    place.run("couple spec.toml -o .").fails(2, &["x.npy", "replace"]);
    place.write("spec.toml", format!("k = 2\n{}test = \"y.npy\"\n", matrix("x", "x.npy", "a", "b")));
    place.run("couple spec.toml").fails(2, &["y.npy", "dense"]);
    place.run("couple nowhere.toml").fails(2, &["nowhere.toml"]);
    assert!(!place.path("out").exists());
}

fn real_data(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("NMF_DATA").map(|d| PathBuf::from(d).join(name)).filter(|p| p.exists());
    if found.is_none() {
        println!("not run: NMF_DATA names no folder that holds {name}");
    }
    found
}

/// Calls `visit` with columns of a member of ml-100k.zip.
fn member(zip: &Path, name: &str, columns: &[usize], mut visit: impl FnMut(Vec<String>)) {
    let columns: Vec<Column> = columns.iter().map(|n| Column::Number(*n)).collect();
    let path = PathBuf::from(format!("{}!/ml-100k/{name}", zip.display()));
    read_fields(&path, &columns, &FieldOptions::default(), |_, fields| {
        visit(fields.iter().map(ToString::to_string).collect());
        Ok(())
    })
    .unwrap();
}

/// The example of docs/examples/couple.md: occupation, sex and age of the users and genres of the films help to predict ratings, also of
/// users with at most 20 of them.
#[test]
fn attributes_help_on_movielens() {
    let Some(zip) = real_data("ml-100k/ml-100k.zip") else { return };
    let place = Place::new();
    let mut genres = String::from("item");
    member(&zip, "u.genre", &[1], |f| write!(genres, ",{}", f[0]).unwrap());
    genres.push('\n');
    let flags: Vec<usize> = std::iter::once(1).chain(6..=24).collect();
    member(&zip, "u.item", &flags, |f| writeln!(genres, "{}", f.join(",")).unwrap());
    let mut ages = String::new();
    member(&zip, "u.user", &[1, 2], |f| {
        let age: u32 = f[1].parse().unwrap();
        let band = [18, 25, 35, 45, 50, 56].iter().filter(|b| age >= **b).count();
        writeln!(ages, "{}\tband {band}", f[0]).unwrap();
    });
    place.write("genres.csv", genres);
    place.write("ages.tsv", ages);
    let inside = format!("{}!/ml-100k", zip.display());
    let users = |name: &str, file: &str, column: usize| {
        format!(
            "[[matrix]]\nname = \"{name}\"\nfile = \"{file}\"\nformat = \"triples\"\ncolumns = [1, {column}]\nrows = \"user\"\ncols = \"{name}\"\nweight = 3.0\n"
        )
    };
    let spec = format!(
        "k = 4\nrestarts = 6\nmax_iter = 200\ntol = 0.0\n[modes.user]\nl2 = 2.0\n[modes.item]\nl2 = 2.0\n\
         [[matrix]]\nname = \"ratings\"\nfile = \"{inside}/u1.base\"\ntest = \"{inside}/u1.test\"\nrows = \"user\"\ncols = \"item\"\nstored_only = true\n\
         {}{}{}[[matrix]]\nname = \"genres\"\nfile = \"genres.csv\"\nrow_names = true\nrows = \"item\"\ncols = \"genre\"\nweight = 10.0\n",
        users("occupation", &format!("{inside}/u.user"), 4),
        users("sex", &format!("{inside}/u.user"), 3),
        users("age", "ages.tsv", 2),
    );
    place.write("spec.toml", spec);
    let json: Value = place.run("couple spec.toml --few 20 --json").ok().json();
    let ratings = &json["matrices"][0];
    for (coupled, alone) in [("heldout_rmse", "heldout_rmse_alone"), ("few_rmse", "few_rmse_alone")] {
        let (coupled, alone) = (number(ratings, coupled), number(ratings, alone));
        assert!(coupled < 0.995 * alone, "{coupled} {alone}");
    }
    assert_eq!(ratings["few_entries"].as_u64(), Some(1373));
    assert_eq!(json["modes"].as_array().map(Vec::len), Some(6));
}

#[test]
fn masks_and_held_out_entries_are_checked() {
    let place = Place::new();
    place.write("g.csv", "item,a,b\ni1,1,2\ni2,3,1\ni3,2,5\n");
    let spec = |more: &str| {
        format!("k = 1\n[[matrix]]\nname = \"g\"\nfile = \"g.csv\"\nrows = \"item\"\ncols = \"genre\"\n{more}\n")
    };
    for (mask, words) in [
        ("item,a,b\ni3,1,0\ni2,1,1\ni1,1,1\n", &["mask.csv", "rows", "other names"][..]),
        ("item,a,b\ni1,1,0.5\ni2,1,1\ni3,1,1\n", &["mask.csv", "0.5", "known"]),
    ] {
        place.write("mask.csv", mask);
        place.write("s.toml", spec("mask = \"mask.csv\""));
        place.run("couple s.toml -o out").fails(2, words);
    }
    place.write("t.csv", "item,a,b\ni1,nan,1\n");
    place.write("s.toml", spec("test = \"t.csv\""));
    place.run("couple s.toml -o out").fails(2, &["t.csv"]);
    assert!(!place.path("out").exists());
}
