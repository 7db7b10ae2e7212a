//! CSV and TSV.

use super::*;

fn names(n: Option<&[String]>) -> Vec<&str> {
    n.unwrap_or_default().iter().map(String::as_str).collect()
}

#[test]
fn names_are_found_where_there_are_any() {
    // rows, columns, names of rows, names of columns
    for (text, rows, cols, row_names, col_names) in [
        ("1,2\n3,4\n", 2, 2, "", ""),
        ("a,b\n1,2\n", 1, 2, "", "a b"),
        ("r,1,2\ns,3,4\n", 2, 2, "r s", ""),
        (",a,b\nr,1,2\ns,3,4\n", 2, 2, "r s", "a b"),
        ("id,a,b\nr,1,2\n", 1, 2, "r", "a b"),
        // R's write.table leaves out the corner; pandas numbers the rows below an empty one.
        ("a,b\nr,1,2\n", 1, 2, "r", "a b"),
        ("a,b\n1,1,2\n", 1, 2, "1", "a b"),
        (",a,b\n0,1,2\n1,3,4\n", 2, 2, "0 1", "a b"),
        ("a,b\n", 0, 2, "", "a b"),
        ("r,5\n", 1, 1, "r", ""),
    ] {
        let loaded = read_as("a.csv", text).unwrap();
        assert_eq!(loaded.dim(), (rows, cols), "{text}");
        assert_eq!(names(loaded.row_names()).join(" "), row_names, "{text}");
        assert_eq!(names(loaded.col_names()).join(" "), col_names, "{text}");
        let tabs = read_as("a.tsv", text.replace(',', "\t")).unwrap();
        assert_eq!((values(&tabs), tabs.row_names()), (values(&loaded), loaded.row_names()), "{text}");
    }
}

#[test]
fn a_title_does_not_turn_numbers_into_names() {
    for text in ["# c\n1,2\n3,4\n", "# a,b\n1,2,3\n", "title\n1,2\n"] {
        refused(read_as("a.csv", text), &["line 2"]);
    }
}

#[test]
fn options_override() {
    let with =
        |text, header, row_names| read_with("a.csv", text, &ReadOptions { header, row_names, ..Default::default() });
    let t = with("1,2\n3,4\n", Some(true), None).unwrap();
    assert_eq!((t.dim(), names(t.col_names())), ((1, 2), vec!["1", "2"]));
    let t = with("1,2\n3,4\n", None, Some(true)).unwrap();
    assert_eq!((t.dim(), names(t.row_names())), ((2, 1), vec!["1", "3"]));
    let t = with(",1,2\nr,3,4\n", Some(true), None).unwrap();
    assert_eq!((t.dim(), names(t.col_names())), ((1, 2), vec!["1", "2"]));
    refused(with("a,b\n1,2\n", Some(false), None), &["line 1, column 2", "\"b\" is not a number"]);
    refused(with("r,2\n", None, Some(false)), &["line 1, column 1", "\"r\""]);
    // Not to be guessed: pandas writes numbered columns like this, and a first row could look so.
    refused(read_as("a.csv", ",0,1\nr,3,4\n"), &["line 1, column 1", "--header or --no-header"]);
}

#[test]
fn spelling() {
    let text = "\u{feff}\"id\",\"a \"\"b\"\", c\",d\r\n\r\n \"r\ns\" , 1 ,2\r\nt,\"3\",4";
    let loaded = read_as("a.csv", text).unwrap();
    assert_eq!(values(&loaded), array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(names(loaded.row_names()), ["r\ns", "t"]);
    assert_eq!(names(loaded.col_names()), ["a \"b\", c", "d"]);
    assert_eq!(values(&read_as("a.csv", "a;b\n1;2.5\n").unwrap()), array![[1.0, 2.5]]);
    assert_eq!(values(&read_as("a.csv", "1\t2\n").unwrap()), array![[1.0, 2.0]]);
    assert_eq!(values(&read_as("a.CSV", "1\n\n2\n").unwrap()), array![[1.0], [2.0]]);
    let odd = values(&read_as("a.csv", "-1,nan,inf,1e-3,5D1\n").unwrap());
    assert_eq!((odd[[0, 0]], odd[[0, 2]], odd[[0, 3]], odd[[0, 4]]), (-1.0, f64::INFINITY, 1e-3, 50.0));
    assert!(odd[[0, 1]].is_nan());
}

#[test]
fn precision_follows_the_numbers() {
    for (text, precision) in [
        ("1,2\n", "f32"),
        ("16777216,-3\n", "f32"),
        ("1,16777217\n", "f64"),
        ("1,2\n3,0.5\n", "f64"),
        ("1,nan\n", "f64"),
        ("a,b\n", "f32"),
    ] {
        assert_eq!(read_as("a.csv", text).unwrap().precision_name(), precision, "{text}");
    }
    // Widening keeps what was read before.
    let loaded = read_as("a.csv", "16777215,2\n3,0.1\n").unwrap();
    assert_eq!(values(&loaded), array![[16_777_215.0, 2.0], [3.0, 0.1]]);
    let single = ReadOptions { precision: Some(Precision::F32), ..Default::default() };
    assert_eq!(read_with("a.csv", "1,0.5\n", &single).unwrap().precision_name(), "f32");
    refused(read_with("a.csv", "1,2\n3,-1e300\n", &single), &["line 2, column 2", "-1e300", "--precision f64"]);
    let double = ReadOptions { precision: Some(Precision::F64), ..Default::default() };
    assert_eq!(read_with("a.csv", "1,2\n", &double).unwrap().precision_name(), "f64");
}

#[test]
fn errors_name_line_and_column() {
    for (text, line, field, says) in [
        ("1,2\n3\n", 2, None, "1 fields, expected 2"),
        ("1,2\n\n3,4,5\n", 3, None, "3 fields, expected 2"),
        ("a,b,c,d\n1,2\n", 2, None, "2 fields, expected 4"),
        ("a,b\nr,x\n", 2, Some(2), "\"x\" is not a number"),
        ("1,2\n3,4x\n", 2, Some(2), "\"4x\" is not a number"),
        ("1,2\n3,\n", 2, Some(2), "the cell is empty"),
        ("1,2\nNA,2\n", 2, Some(1), "missing (\"NA\")"),
        ("a,b\nNA,2\n", 2, Some(1), "missing"),
        ("a;b\n1,5;2\n", 2, Some(1), "decimals need a point"),
        ("a,b\n\"1,2\n3,4\n", 3, None, "begins on line 2 never ends"),
        ("1,\"2\"3\n", 1, None, "\"3\" follows a closing quote"),
        ("1,2\n,\n", 2, Some(1), "the cell is empty"),
    ] {
        let error = refused(read_as("a.csv", text), &[says]);
        assert_eq!((error.line(), error.field()), (Some(line), field), "{error}");
    }
    refused(read_as("a.csv", ""), &["the file is empty"]);
    refused(read_as("a.csv", "\n \n"), &["the file is empty"]);
    refused(read_as("a.csv", b"1,2\n\0"), &["binary"]);
    refused(read_as("a.csv", b"\xff\xfe1\0,\0"), &["UTF-16"]);
}

#[test]
fn unknown_files_list_what_is_accepted() {
    refused(read_as("a.txt", "1 2\n"), &[".npy, .npz", "10x folders"]);
    refused(read_as("a", b"\x7fELF"), &["accepted"]);
    refused(read_as("a.h5ad", b"\x89HDF\r\n\x1a\n"), &["not a complete HDF5 file"]);
    refused(read_as("a.h5ad", b"abc"), &["does not begin as HDF5", "accepted"]);
    refused(read_as("a.bin", b"PAR1"), &["Parquet"]);
    refused(read(Path::new("no/such/file.csv")), &["cannot be read"]);
}

#[test]
fn real_expression_levels() {
    let Some(root) = std::env::var_os("NMF_DATA") else {
        println!("skipped for lack of NMF_DATA");
        return;
    };
    let loaded = read(&Path::new(&root).join("golub_all_aml/all_aml.tsv.gz")).unwrap();
    assert_eq!((loaded.dim(), loaded.precision_name()), ((5000, 38), "f32"));
    assert_eq!(loaded.row_names().unwrap()[0], "M12759_at");
    assert_eq!(loaded.col_names().unwrap()[0], "ALL_19769_B-cell");
    assert_eq!(values(&loaded)[[0, 0]], 1080.0);
}
