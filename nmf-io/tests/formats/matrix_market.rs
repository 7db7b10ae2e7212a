//! Matrix Market files, made by SciPy and by hand.

use super::*;

fn mtx(rest: &str) -> Result<Loaded, Error> {
    read_as("a.mtx", format!("%%MatrixMarket matrix {rest}"))
}

#[test]
fn files_of_scipy() {
    let real = read(&data("coordinate_real.mtx")).unwrap();
    assert_clean_csr(&real);
    assert_eq!((values(&real), real.stored(), real.precision_name()), (x(), 6, "f64"));
    let integer = read(&data("coordinate_integer.mtx")).unwrap();
    assert_eq!((values(&integer), integer.precision_name()), (x() * 4.0, "f32"));
    let pattern = read(&data("coordinate_pattern.mtx")).unwrap();
    assert_eq!((values(&pattern), pattern.precision_name()), (x().mapv(|v| f64::from(v > 0.0)), "f32"));
    let array = read(&data("array_real.mtx")).unwrap();
    assert_eq!((values(&array), array.is_sparse()), (x(), false));
    let square = x().slice(ndarray::s![.., ..4]).to_owned();
    let symmetric = &square + &square.t();
    assert_eq!(values(&read(&data("coordinate_symmetric.mtx")).unwrap()), symmetric);
    assert_eq!(values(&read(&data("array_symmetric.mtx")).unwrap()), symmetric);
}

#[test]
fn free_format() {
    // Upper case, tabs, comments and blank lines anywhere, CRLF, duplicates, an explicit zero, exponents of Fortran.
    let text = "COORDINATE Real GENERAL\r\n% c\r\n\r\n 2\t3  5 \r\n%\r\n1 1 1.5D+01\r\n\r\n2 3 .5\r\n  % c\r\n2 3 +1e0\r\n1 2 0\r\n1 3 1.";
    let loaded = mtx(text).unwrap();
    assert_eq!(values(&loaded), array![[15.0, 0.0, 1.0], [0.0, 0.0, 1.5]]);
    // the explicit zero is stored: where only stored entries count, it was observed
    assert_eq!(loaded.stored(), 4);
    assert_clean_csr(&loaded);
    // By content, whatever the name.
    assert_eq!(read_as("a.txt", "%%matrixmarket matrix array real general\n1 1\n7\n").unwrap().dim(), (1, 1));
}

#[test]
fn symmetries() {
    let s = mtx("coordinate integer symmetric\n3 3 3\n1 1 5\n2 1 2\n3 2 4\n").unwrap();
    assert_eq!(values(&s), array![[5.0, 2.0, 0.0], [2.0, 0.0, 4.0], [0.0, 4.0, 0.0]]);
    let upper = mtx("coordinate integer symmetric\n2 2 1\n1 2 2\n").unwrap();
    assert_eq!(values(&upper), array![[0.0, 2.0], [2.0, 0.0]]);
    let k = mtx("coordinate real skew-symmetric\n2 2 1\n2 1 3\n").unwrap();
    assert_eq!(values(&k), array![[0.0, -3.0], [3.0, 0.0]]);
    let dense = mtx("array real skew-symmetric\n3 3\n1\n2\n3\n").unwrap();
    assert_eq!(values(&dense), array![[0.0, -1.0, -2.0], [1.0, 0.0, -3.0], [2.0, 3.0, 0.0]]);
    refused(mtx("coordinate real symmetric\n2 2 2\n2 1 3\n1 2 3\n"), &["line 4", "line 3", "one triangle"]);
    refused(mtx("coordinate real skew-symmetric\n2 2 1\n1 1 3\n"), &["line 3", "diagonal"]);
    refused(mtx("coordinate real symmetric\n2 3 0\n"), &["line 2", "square", "2×3"]);
}

#[test]
fn errors_name_the_line() {
    for (text, line, says) in [
        ("coordinate complex general\n1 1 1\n1 1 1 1\n", 1, "complex numbers"),
        ("coordinate complex hermitian\n1 1 1\n1 1 1 1\n", 1, "complex numbers"),
        ("coordinate real hermitian\n1 1 1\n1 1 1\n", 1, "complex numbers"),
        ("array pattern general\n1 1\n", 1, "pattern"),
        ("coordinate quaternion general\n1 1 1\n", 1, "accepted: %%MatrixMarket matrix"),
        ("coordinate real\n1 1 1\n", 1, "five words"),
        ("coordinate real general\n", 1, "ends before its sizes"),
        ("coordinate real general\n2 2\n", 2, "three counts"),
        ("coordinate real general\n2 -2 1\n", 2, "three counts"),
        ("array real general\n2 2 1\n", 2, "two counts"),
        ("coordinate real general\n2 2 1\n0 1 1\n", 3, "row \"0\": 1 to 2"),
        ("coordinate real general\n2 2 1\n1 3 1\n", 3, "column \"3\": 1 to 2"),
        ("coordinate real general\n2 2 1\n1 1\n", 3, "row, column and value are expected"),
        ("coordinate pattern general\n2 2 1\n1 1 1\n", 3, "row and column are expected"),
        ("coordinate real general\n2 2 1\n1 1 1 1\n", 3, "found \"1 1 1 1\""),
        ("coordinate real general\n2 2 1\n1 1 x\n", 3, "\"x\" is not a number"),
        ("coordinate integer general\n2 2 1\n1 1 1.5\n", 3, "not an integer"),
        ("coordinate real general\n2 2 1\n1 1 1\n% c\n2 2 1\n", 5, "more entries than the 1"),
        ("coordinate real general\n2 2 3\n1 1 1\n% c\n2 2 1\n", 5, "after 2 of the 3"),
        ("array real general\n2 2\n1\n2\n3\n", 5, "after 3 of 4"),
        ("array real general\n1 2\n1\n2\n3\n", 5, "more values than the 2"),
    ] {
        let error = refused(mtx(text), &[says]);
        assert_eq!(error.line(), Some(line), "{error}");
    }
    refused(read_as("a.mtx", "1 2 3\n"), &["line 1", "%%MatrixMarket"]);
    refused(read_as("a.mtx", ""), &["empty"]);
}

#[test]
fn sizes_that_lie_allocate_nothing() {
    refused(mtx("coordinate real general\n2 2 9000000000000000000\n1 1 1\n"), &["after 1 of"]);
    refused(mtx("coordinate real general\n4294967295 1 0\n"), &["4294967295 rows", "size is wrong"]);
    refused(mtx("coordinate real general\n4294967296 1 0\n"), &["4294967296 rows: at most 4294967295"]);
    refused(mtx("array real general\n100000 100000\n1\n"), &["truncated"]);
    refused(mtx("array real symmetric\n4000000000 4000000000\n1\n"), &["too small"]);
    assert_eq!(mtx("coordinate real general\n0 0 0\n").unwrap().dim(), (0, 0));
    assert_eq!(mtx("array real general\n0 4000000000\n").unwrap().dim(), (0, 4_000_000_000));
}

#[test]
fn single_precision_has_a_range() {
    let text = "%%MatrixMarket matrix coordinate real general\n1 1 1\n1 1 1e39\n";
    let single = ReadOptions { precision: Some(Precision::F32), ..Default::default() };
    refused(read_with("a.mtx", text, &single), &["line 3", "1e39", "--precision f64"]);
    let sum = "%%MatrixMarket matrix coordinate real general\n1 1 2\n1 1 3e38\n1 1 3e38\n";
    refused(read_with("a.mtx", sum, &single), &["row 0, column 0", "duplicates", "--precision f64"]);
    assert_eq!(values(&read_as("a.mtx", sum).unwrap())[[0, 0]], 6e38);
}

#[test]
fn text_options_are_not_ignored() {
    let options = ReadOptions { header: Some(true), ..Default::default() };
    refused(nmf_io::read(&data("array_real.mtx"), &options), &[".csv and .tsv only"]);
}
