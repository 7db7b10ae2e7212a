//! `.npy` and `.npz`, made by NumPy and SciPy (see `tests/data/make_fixtures.py`).

use super::*;

#[test]
fn arrays_of_every_type_and_order_hold_the_same_matrix() {
    for (name, scale, precision) in [
        ("f8_c.npy", 1.0, "f64"),
        ("f8_fortran.npy", 1.0, "f64"),
        ("f8_big.npy", 1.0, "f64"),
        ("f8_version2.npy", 1.0, "f64"),
        ("f4.npy", 1.0, "f32"),
        ("f4_big_fortran.npy", 1.0, "f32"),
        ("f2.npy", 1.0, "f32"),
        ("i2_big.npy", 4.0, "f32"),
        ("u1.npy", 4.0, "f32"),
        ("i8.npy", 4.0, "f32"),
    ] {
        let loaded = read(&data(name)).unwrap();
        assert_eq!(values(&loaded), x() * scale, "{name}");
        assert_eq!(loaded.precision_name(), precision, "{name}");
        assert_eq!((loaded.dim(), loaded.stored(), loaded.is_sparse()), ((4, 5), 20, false));
        assert!(loaded.row_names().is_none() && loaded.col_names().is_none());
    }
    let bools = read(&data("bool.npy")).unwrap();
    assert_eq!(values(&bools), x().mapv(|v| f64::from(v > 0.0)));
    assert_eq!(bools.precision(), Precision::F32);
}

#[test]
fn precision_can_be_forced_and_dense_matrices_asked_for() {
    assert_eq!(forced(&data("f8_c.npy"), Precision::F32).unwrap().precision_name(), "f32");
    assert_eq!(forced(&data("u1.npy"), Precision::F64).unwrap().precision_name(), "f64");
    assert_eq!(nmf_io::read_dense::<f64>(&data("f4.npy")).unwrap(), x());
    assert_eq!(nmf_io::read_dense::<f32>(&data("f8_fortran.npy")).unwrap(), x().mapv(|v| v as f32));
    assert_eq!(nmf_io::read_dense::<f32>(&data("one.npz")).unwrap(), x().mapv(|v| v as f32));
    let error = nmf_io::read_dense::<f32>(&data("csr.npz")).unwrap_err().to_string();
    assert!(error.contains("a sparse matrix: a dense one is needed"), "{error}");
    assert_eq!(read(&data("f8_c.npy")).unwrap().into_f32().matrix, Matrix::Dense(x().mapv(|v| v as f32)));
    assert_eq!(read(&data("csr.npz")).unwrap().into_f32().matrix.view().to_dense_f64(), x());
    assert_eq!(read(&data("csr_array_f4.npz")).unwrap().into_f64().matrix.view().to_dense_f64(), x());
}

#[test]
fn arrays_that_are_no_matrix_are_refused_by_what_they_are() {
    refused(read(&data("refused_1d.npy")), &["1 dimensions", "[5]", "(1, n) or (n, 1)"]);
    refused(read(&data("refused_0d.npy")), &["0 dimensions"]);
    refused(read(&data("refused_3d.npy")), &["3 dimensions", "[2, 2, 5]"]);
    refused(read(&data("refused_complex.npy")), &["type c16", "floating-point"]);
    refused(read(&data("refused_object.npy")), &["Python objects"]);
    refused(read(&data("refused_record.npy")), &["structured", "'a'"]);
    refused(read(&data("refused_string.npy")), &["type U2"]);
    refused(read(&data("refused_time.npy")), &["M8"]);
    let three = nmf_io::read_npy3::<f32>(&data("refused_3d.npy")).unwrap();
    assert_eq!((three.dim(), three[[0, 0, 1]], three[[1, 1, 4]]), ((2, 2, 5), 1.5, 6.25));
    assert!(nmf_io::read_npy3::<f32>(&data("f4.npy")).unwrap_err().to_string().contains("three dimensions"));
}

#[test]
fn damaged_arrays_say_what_is_missing() {
    let whole = std::fs::read(data("f8_c.npy")).unwrap();
    refused(read_as("a.npy", &whole[..whole.len() - 3]), &["truncated", "160 bytes", "157 found"]);
    refused(read_as("a.npy", &whole[..50]), &["truncated within the .npy header"]);
    refused(read_as("a.npy", [&whole[..], b"more"].concat()), &["more data follow"]);
    refused(read_as("a.npy", b"\x93NUMPY\x09\x00"), &["version 9"]);
    refused(read_as("a.npy", b"1,2\n"), &["not a .npy file"]);
    refused(read_as("a.npy", b""), &["empty"]);
}

fn npy(header: &str, values: &[u8]) -> Vec<u8> {
    let mut all = b"\x93NUMPY\x01\x00".to_vec();
    all.extend((header.len() as u16).to_le_bytes());
    all.extend(header.as_bytes());
    all.extend(values);
    all
}

#[test]
fn headers_that_lie_allocate_nothing() {
    let header =
        |shape: &str| npy(&format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n"), &[0; 16]);
    refused(read_as("a.npy", header("(4000000000, 4000000000)")), &["truncated", "16 found"]);
    refused(read_as("a.npy", header("(1099511627776, 1099511627776)")), &["shape beyond 64 bits"]);
    refused(read_as("a.npy", header("(99999999999999999999, 1)")), &["beyond 64 bits"]);
    refused(read_as("a.npy", header("(0, 99999999999)")), &["99999999999 columns"]);
    refused(read_as("a.npy", header("(0x7fffffffffffffff, 0x7fffffffffffffff)")), &["unexpected character"]);
    refused(read_as("a.npy", header("(-1, 2)")), &["unexpected character"]);
    refused(read_as("a.npy", header(&"(".repeat(60_000))), &["nested too deeply"]);
    assert_eq!(read_as("a.npy", header("(1, 2)")).unwrap().dim(), (1, 2));
    // Without rows there is nothing to read, and nothing wrong with the file.
    let none = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 7), }\n", &[]);
    assert_eq!(read_as("a.npy", none).unwrap().dim(), (0, 7));
}

#[test]
fn half_precision_is_widened_exactly() {
    let bits: [u16; 8] = [0x0001, 0x03ff, 0x0400, 0x3555, 0x7bff, 0xc000, 0x7c00, 0x7e00];
    let bytes: Vec<u8> = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
    let loaded = read_as("a.npy", npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1, 8)}\n", &bytes)).unwrap();
    let found = values(&loaded);
    let expected =
        [2f64.powi(-24), 1023.0 * 2f64.powi(-24), 2f64.powi(-14), 1365.0 / 4096.0, 65504.0, -2.0, f64::INFINITY];
    assert_eq!(found.as_slice().unwrap()[..7], expected);
    assert!(found[[0, 7]].is_nan());
}

#[test]
fn values_beyond_single_precision_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.npy");
    let mut big = x();
    big[[1, 3]] = 1e39;
    big[[0, 0]] = f64::INFINITY;
    nmf_io::write(&path, &big).unwrap();
    let error = refused(forced(&path, Precision::F32), &["1e39", "--precision f64", "row 1, column 3"]);
    assert_eq!(error.entry(), Some((1, 3)));
    // Infinite values are not this crate's to refuse.
    assert_eq!(values(&read(&path).unwrap()), big);
}

#[test]
fn archives_of_one_array_or_a_known_name() {
    for name in ["one.npz", "one_compressed.npz", "several_with_x.npz"] {
        assert_eq!(values(&read(&data(name)).unwrap()), x(), "{name}");
    }
    refused(read(&data("refused_several.npz")), &["2 arrays", "'a', 'b'", "X, arr_0, data"]);
    refused(read_as("a.npz", b"PK\x03\x04 nothing"), &["zip"]);
    refused(read_as("a.npz", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), &["without arrays"]);
}

#[test]
fn sparse_archives_of_scipy() {
    for name in [
        "csr.npz",
        "csr_stored.npz",
        "csr_i8.npz",
        "csr_unicode_format.npz",
        "csr_unsorted_duplicates_zeros.npz",
        "csc.npz",
        "coo.npz",
        "coo_coords.npz",
    ] {
        let loaded = read(&data(name)).unwrap();
        assert_eq!(values(&loaded), x(), "{name}");
        let stored = if name.ends_with("zeros.npz") { 7 } else { 6 };
        assert_eq!((loaded.stored(), loaded.precision_name()), (stored, "f64"), "{name}");
        assert_clean_csr(&loaded);
    }
    let single = read(&data("csr_array_f4.npz")).unwrap();
    assert_eq!((values(&single), single.precision_name()), (x(), "f32"));
    refused(read(&data("refused_dia.npz")), &["\"dia\"", "csr, csc and coo"]);
}

/// An archive of arrays given as name, type, shape and values.
fn archive(members: &[(&str, &str, &str, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, descr, shape, values) in members {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        zip.write_all(&npy(&header, values)).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn i4(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn sparse_archives_that_contradict_themselves_say_where() {
    let make = |indptr: &[i32], indices: &[i32], values: usize, drop: &str| {
        let mut members = vec![
            ("indices", "<i4", format!("({},)", indices.len()), i4(indices)),
            ("indptr", "<i4", format!("({},)", indptr.len()), i4(indptr)),
            ("format", "|S3", "()".into(), b"csr".to_vec()),
            ("shape", "<i4", "(2,)".into(), i4(&[2, 3])),
            ("data", "<f4", format!("({values},)"), vec![0x3f; 4 * values]),
        ];
        members.retain(|m| m.0 != drop);
        let members: Vec<_> = members.iter().map(|m| (m.0, m.1, m.2.as_str(), m.3.clone())).collect();
        read_as("a.npz", archive(&members))
    };
    assert_eq!(make(&[0, 1, 2], &[0, 2], 2, "").unwrap().stored(), 2);
    for missing in ["indices", "indptr", "shape", "format", "data"] {
        refused(make(&[0, 1, 2], &[0, 2], 2, missing), &["missing", &format!("'{missing}'")]);
    }
    refused(make(&[0, 1, 2], &[0, 3], 2, ""), &["'indices'", "entry 1", "is 3", "0 to 2"]);
    refused(make(&[0, 1, 2], &[-7, 1], 2, ""), &["'indices'", "entry 0", "is -7"]);
    refused(make(&[0, 2, 1], &[0, 2], 2, ""), &["'indptr'", "decreases from 2 to 1"]);
    refused(make(&[0, 1, 1], &[0, 2], 2, ""), &["'indptr'", "ends with 1"]);
    refused(make(&[1, 1, 2], &[0, 2], 2, ""), &["'indptr'", "begins with 1"]);
    refused(make(&[0, 2], &[0, 2], 2, ""), &["'indptr'", "expected 3"]);
    refused(make(&[0, 1, 2], &[0, 2, 1], 2, ""), &["'indices'", "expected 2"]);
    refused(make(&[0, 1, 9], &[0, 2], 2, ""), &["'indptr'", "is 9"]);
}

#[test]
fn arrays_of_any_number_of_dimensions_are_listed_and_read_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let cube = ndarray::Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as f32);
    let path = folder.path().join("cube.npy");
    nmf_io::write_npy(&path, cube.view()).unwrap();
    let listed = nmf_io::arrays(&path).unwrap();
    assert_eq!((listed.len(), &listed[0].name, listed[0].kind.as_str()), (1, &None, "f4"));
    assert_eq!(listed[0].shape, [2, 3, 4]);
    assert_eq!(nmf_io::read_array::<f64>(&path, None).unwrap(), cube.mapv(f64::from).into_dyn());
    // NumPy's other order is turned round
    let fortran = nmf_io::read_array::<f64>(&data("f8_fortran.npy"), None).unwrap();
    assert!(fortran.is_standard_layout() && fortran == x().into_dyn());

    let members = [
        ("label", "<i4", "(2,)", [1i32, 2].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("faces", "|u1", "(2, 1, 2)", vec![1u8, 2, 3, 255]),
    ];
    let path = folder.path().join("a.npz");
    std::fs::write(&path, archive(&members)).unwrap();
    let listed = nmf_io::arrays(&path).unwrap();
    let mut names: Vec<_> = listed.iter().map(|a| (a.name.as_deref().unwrap(), a.kind.as_str())).collect();
    names.sort_unstable();
    assert_eq!(names, [("faces", "u1"), ("label", "i4")]);
    let faces = nmf_io::read_array::<f32>(&path, Some("faces")).unwrap();
    assert_eq!((faces.shape(), faces[[1, 0, 1]]), (&[2, 1, 2][..], 255.0));
    let said = |path: &Path, name| nmf_io::read_array::<f32>(path, name).unwrap_err().to_string();
    assert!(said(&path, None).contains("must be named") && said(&path, Some("x")).contains("'x' is missing"));
    assert!(said(&data("f4.npy"), Some("x")).contains("one array without a name"));
    std::fs::write(&path, "text").unwrap();
    assert!(said(&path, None).contains("neither .npy nor .npz"));
}
