//! `convert` and `inspect`.

mod common;

use common::{Place, dense, number};
use ndarray::array;
use nmf_core::{Matrix, Sparse};

#[test]
fn a_matrix_survives_every_format() {
    let place = Place::new();
    let x = array![[1.5, 0.0, 3.0], [0.0, -2.0, 0.25]];
    place.matrix("x.npy", &x);
    let mut last = "x.npy".to_string();
    for next in ["a.npz", "b.mtx", "c.mtx.gz", "d.csv", "e.tsv", "f.npy"] {
        let json = place.run(&format!("convert {last} {next} --json")).ok().json();
        assert_eq!((json["rows"].as_u64(), json["cols"].as_u64()), (Some(2), Some(3)), "{next}");
        assert_eq!(dense(&place.path(next)), x, "{next}");
        last = next.into();
    }
    place.run("convert x.npy t.npy --transpose").ok();
    assert_eq!(dense(&place.path("t.npy")), x.t());
    place.run("convert x.npy s.npy --precision f32").ok();
    assert_eq!(dense(&place.path("s.npy")), x);
    assert!(place.run("inspect s.npy").ok().stdout.contains("f32"));
}

#[test]
fn sparse_stays_sparse_where_the_format_can_hold_it() {
    let place = Place::new();
    let s = Sparse::<f32>::new((3, 4), vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.0, 3.0]);
    nmf_io::write(&place.path("s.mtx"), &s).unwrap();
    place.run("convert s.mtx s.npz").ok();
    place.run("convert s.npz back.mtx.gz").ok();
    let back = nmf_io::read(&place.path("back.mtx.gz"), &nmf_io::ReadOptions::default()).unwrap();
    assert_eq!(back.into_f32().matrix, Matrix::Sparse(s));
    place.run("convert s.npz s.npy").ok();
    assert_eq!(dense(&place.path("s.npy")).sum(), 6.0);
}

#[test]
fn names_are_kept_or_their_loss_is_said() {
    let place = Place::new();
    place.write("x.csv", ",apple,pear\nann,1,2\nbob,3,0.5\n");
    let ran = place.run("convert x.csv y.tsv").ok();
    assert!(!ran.stderr.contains("names"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(place.path("y.tsv")).unwrap(), "\tapple\tpear\nann\t1\t2\nbob\t3\t0.5\n");
    let ran = place.run("convert x.csv y.npz").ok();
    assert!(ran.stderr.contains("names"), "{}", ran.stderr);
}

#[test]
fn convert_refuses_what_it_cannot_do() {
    let place = Place::new();
    place.write("x.csv", "1,2\n3,4\n");
    place.write("ragged.csv", "1,2\n3\n");
    place.run("convert x.csv y.docx").fails(2, &["y.docx", ".npz"]);
    place.run("convert nowhere.csv y.npy").fails(2, &["nowhere.csv"]);
    place.run("convert ragged.csv y.npy").fails(2, &["ragged.csv", "line 2"]);
    place.run("convert x.csv none/y.npy").fails(1, &["none/y.npy"]);
    assert_eq!(place.list(), ["ragged.csv", "x.csv"]);
}

#[test]
fn inspect_counts_what_is_there() {
    let place = Place::new();
    place.matrix("x.npy", &array![[1.0, 0.0, 4.0], [0.0, 2.0, 0.0]]);
    let json = place.run("inspect x.npy --json").ok().json();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).take(11).collect();
    let expected = ["rows", "cols", "nnz", "density", "min", "max", "mean", "negative", "nan", "infinite", "memory"];
    assert_eq!(keys, expected);
    let values: Vec<f64> = expected[..10].iter().map(|k| number(&json, k)).collect();
    assert_eq!(values[..3], [2.0, 3.0, 3.0]);
    assert_eq!(values[3..], [0.5, 0.0, 4.0, 7.0 / 6.0, 0.0, 0.0, 0.0]);
    assert!(json["memory"].is_object());
    let text = place.run("inspect x.npy -k 2 --loss kl").ok().stdout;
    assert!(text.contains("2×3") && text.contains("GPU") && text.contains("CPU"), "{text}");
}

#[test]
fn inspect_reports_what_cannot_be_factored() {
    let place = Place::new();
    place.matrix("bad.npy", &array![[-1.0, f64::NAN, 4.0], [f64::INFINITY, -2.0, 0.0]]);
    let json = place.run("inspect bad.npy --json").ok().json();
    assert_eq!((number(&json, "negative"), number(&json, "nan"), number(&json, "infinite")), (2.0, 1.0, 1.0));
    assert_eq!((number(&json, "min"), number(&json, "max")), (-2.0, 4.0));
    assert_eq!(number(&json, "mean"), 0.25);
    let text = place.run("inspect bad.npy").ok().stdout;
    assert!(text.contains("2 negative") && text.contains("1 NaN"), "{text}");
}

#[test]
fn inspect_knows_that_what_is_not_stored_is_zero() {
    let place = Place::new();
    place.write("s.mtx", "%%MatrixMarket matrix coordinate real general\n3 4 2\n1 1 2.5\n3 4 1.5\n");
    let json = place.run("inspect s.mtx --json").ok().json();
    assert_eq!((number(&json, "min"), number(&json, "max"), number(&json, "nnz")), (0.0, 2.5, 2.0));
    assert!((number(&json, "mean") - 4.0 / 12.0).abs() < 1e-12);
    place.run("inspect nowhere.mtx").fails(2, &["nowhere.mtx"]);
    place.write("text.txt", "hello");
    place.run("inspect text.txt").fails(2, &["text.txt"]);
}

#[test]
fn a_sparse_matrix_too_large_to_be_dense_is_refused() {
    let place = Place::new();
    place.write("s.mtx", "%%MatrixMarket matrix coordinate real general\n3000000 3000000 1\n1 1 2.5\n");
    place.run("convert s.mtx s.npy").fails(2, &["s.mtx", "GiB", ".npz"]);
    place.run("convert s.mtx s.npz").ok();
    assert_eq!(place.list(), ["s.mtx", "s.npz"]);
}
