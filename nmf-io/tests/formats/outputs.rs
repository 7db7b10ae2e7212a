//! What is written is read back, and appears whole or not at all.

use super::*;
use nmf_core::Sparse;
use nmf_io::{Staging, TableRef, write};
use proptest::prelude::*;
use std::fs;
use std::io;

fn sparse(dense: &Array2<f64>) -> Sparse<f64> {
    let (mut indptr, mut indices, mut values) = (vec![0u64], Vec::new(), Vec::new());
    for row in dense.rows() {
        for (j, &v) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            indices.push(j as u32);
            values.push(v);
        }
        indptr.push(values.len() as u64);
    }
    Sparse::try_new(dense.dim(), indptr, indices, values).unwrap()
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&n| n.to_owned()).collect()
}

#[test]
fn every_format_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, cols) = (strings(&["r,1", "s \"2\"", "t\n3", " u"]), strings(&["a", "b\t", "c", "d", ""]));
    let (dense, s) = (x(), sparse(&x()));
    for name in ["a.npy", "a.npz", "a.mtx", "a.mtx.gz", "a.csv", "a.tsv", "A.NPY"] {
        let path = folder.path().join(name);
        let kept = matches!(name, "a.npz" | "a.mtx" | "a.mtx.gz");
        for matrix in [(&dense).into(), (&s).into(), s.transpose_view().into()] {
            let transposed = TableRef::dim(&matrix) == (5, 4);
            let table = if transposed {
                TableRef { row_names: Some(&cols), col_names: Some(&rows), ..matrix }
            } else {
                TableRef { row_names: Some(&rows), col_names: Some(&cols), ..matrix }
            };
            let is_sparse = matches!(table.matrix, nmf_core::MatrixRef::Sparse(_));
            write(&path, table).unwrap();
            let back = read(&path).unwrap();
            let expected = if transposed { x().reversed_axes() } else { x() };
            assert_eq!((values(&back), back.is_sparse(), back.precision_name()), (expected, kept && is_sparse, "f64"));
            if name.ends_with("sv") {
                let (r, c) = if transposed { (&cols, &rows) } else { (&rows, &cols) };
                assert_eq!((back.row_names(), back.col_names()), (Some(&r[..]), Some(&c[..])), "{name}");
            }
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 7, "temporary files are left");
}

#[test]
fn single_precision_stays_single_where_the_format_can_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let counts = x().mapv(|v| (4.0 * v) as f32);
    for name in ["a.npy", "a.npz", "a.mtx", "a.mtx.gz", "a.csv", "a.tsv"] {
        let path = folder.path().join(name);
        write(&path, &counts).unwrap();
        assert_eq!(read(&path).unwrap(), Loaded::F32(Table::new(counts.clone())), "{name}");
    }
    let odd = counts.mapv(|v| v + 0.1);
    for name in ["a.npy", "a.mtx", "a.csv"] {
        let path = folder.path().join(name);
        write(&path, &odd).unwrap();
        assert_eq!(forced(&path, Precision::F32).unwrap(), Loaded::F32(Table::new(odd.clone())), "{name}");
    }
}

#[test]
fn other_names_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.txt", "a", "a.csv.gz", "npy"] {
        let path = folder.path().join(name);
        let error = write(&path, &x()).unwrap_err();
        assert!(!error.is_output() && error.to_string().contains(".npy, .npz, .mtx, .mtx.gz, .csv, .tsv"), "{error}");
        assert!(nmf_io::check_output_name(&path).is_err());
    }
    assert!(nmf_io::check_output_name(Path::new("x.mtx.gz")).is_ok());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let names = strings(&["a"]);
    let x = x();
    let table = TableRef { row_names: Some(&names), ..TableRef::from(&x) };
    assert!(write(&folder.path().join("a.csv"), table).unwrap_err().to_string().contains("1 names for 4 rows"));
}

#[test]
fn arrays_of_three_dimensions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.npy");
    let w = ndarray::Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as f32);
    nmf_io::write_npy(&path, w.view()).unwrap();
    assert_eq!(nmf_io::read_npy3::<f32>(&path).unwrap(), w);
    nmf_io::write_npy(&path, w.view().reversed_axes()).unwrap();
    assert_eq!(nmf_io::read_npy3::<f32>(&path).unwrap(), w.reversed_axes());
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/a.npy");
    let error = write(&missing, &x()).unwrap_err();
    assert!(error.is_output() && error.to_string().contains("does not exist"), "{error}");
    assert!(!folder.path().join("no").exists());
    let is_folder = folder.path().join("b.npy");
    fs::create_dir(&is_folder).unwrap();
    assert!(write(&is_folder, &x()).unwrap_err().is_output());
    let kept = folder.path().join("c.npy");
    fs::write(&kept, "old").unwrap();
    let mut permissions = fs::metadata(&kept).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&kept, permissions).unwrap();
    assert!(write(&kept, &x()).unwrap_err().to_string().contains("read-only"));
    assert_eq!(fs::read(&kept).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn staging_shows_all_files_or_none() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b/model");
    let mut out = Staging::new(&dir).unwrap();
    out.bytes("fit.json", b"old").unwrap();
    out.bytes("fit.json", b"{}").unwrap();
    out.npy("W.npy", x().view()).unwrap();
    out.write("plots/a.svg", |w| w.write_all(b"<svg/>")).unwrap();
    assert!(!root.path().join("a").exists());
    out.commit().unwrap();
    assert_eq!(fs::read(dir.join("fit.json")).unwrap(), b"{}");
    assert_eq!(fs::read(dir.join("plots/a.svg")).unwrap(), b"<svg/>");
    assert_eq!(nmf_io::read_dense::<f64>(&dir.join("W.npy")).unwrap(), x());
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 3);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);

    // A folder that exists: file by file, others stay.
    let mut out = Staging::new(&dir).unwrap();
    out.bytes("fit.json", b"new").unwrap();
    assert_eq!(fs::read(dir.join("fit.json")).unwrap(), b"{}");
    out.commit().unwrap();
    assert_eq!(fs::read(dir.join("fit.json")).unwrap(), b"new");
    assert!(dir.join("W.npy").exists());
}

#[test]
fn staging_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let empty = || fs::read_dir(root.path()).unwrap().count() == 0;
    let dir = root.path().join("model");
    let mut out = Staging::new(&dir).unwrap();
    out.bytes("a", b"1").unwrap();
    drop(out);
    assert!(empty());

    let mut out = Staging::new(&dir).unwrap();
    out.bytes("a", b"1").unwrap();
    let error = out.write("b", |_| Err(io::Error::other("disk full"))).unwrap_err();
    assert!(error.is_output() && error.to_string().contains("disk full"), "{error}");
    drop(out);
    assert!(empty());

    // A file that stands where a folder is needed, found only when moving: what was moved is removed again.
    let mut out = Staging::new(&dir).unwrap();
    out.bytes("a", b"1").unwrap();
    out.bytes("a/b", b"2").unwrap();
    assert!(out.commit().unwrap_err().is_output());
    assert!(empty());

    let mut out = Staging::new(&dir).unwrap();
    for name in ["../a", "/a", "", "."] {
        assert!(out.bytes(name, b"").is_err(), "{name}");
    }
    drop(out);
    fs::write(root.path().join("file"), "").unwrap();
    assert!(Staging::new(root.path().join("file")).unwrap_err().to_string().contains("not a folder"));
    assert!(Staging::new(root.path().join("file/model")).is_err());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn links_and_devices() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("t.npy"), folder.path().join("l.npy"));
    write(&target, &x()).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&target, &link).unwrap();
    write(&link, &(x() * 2.0)).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(nmf_io::read_dense::<f64>(&target).unwrap(), x() * 2.0);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);

    if !Path::new("/dev/full").exists() {
        println!("skipped for lack of /dev/full");
        return;
    }
    for name in ["full.npy", "full.npz", "full.mtx", "full.mtx.gz", "full.csv", "full.tsv"] {
        let full = folder.path().join(name);
        symlink("/dev/full", &full).unwrap();
        let error = write(&full, &x()).unwrap_err();
        assert!(error.is_output() && error.to_string().contains("No space left"), "{error}");
        assert!(fs::symlink_metadata(&full).unwrap().is_symlink());
    }
    let mut out = Staging::new(folder.path()).unwrap();
    assert!(out.bytes("full.csv", b"x").unwrap_err().is_output());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_values_survive(rows in 1usize..6, cols in 1usize..6, seed in proptest::collection::vec(
        prop_oneof![Just(0.0), any::<f64>(), (0u32..30).prop_map(f64::from)], 36)) {
        let folder = tempfile::tempdir().unwrap();
        let dense = Array2::from_shape_fn((rows, cols), |(i, j)| seed[6 * i + j]);
        // NaN differs from itself; its bits do not.
        let bits = |a: Array2<f64>| a.mapv(|v| if v.is_nan() { 1 } else { (v + 0.0).to_bits() });
        for name in ["a.npy", "a.npz", "a.mtx", "a.csv"] {
            let path = folder.path().join(name);
            write(&path, &dense).unwrap();
            prop_assert_eq!(bits(values(&forced(&path, Precision::F64).unwrap())), bits(dense.clone()), "{}", name);
            let s = sparse(&dense);
            write(&path, &s).unwrap();
            prop_assert_eq!(bits(values(&forced(&path, Precision::F64).unwrap())), bits(dense.clone()), "{}", name);
            let single = dense.mapv(|v| v as f32);
            write(&path, &single).unwrap();
            prop_assert_eq!(bits(values(&forced(&path, Precision::F32).unwrap())), bits(single.mapv(f64::from)), "{}", name);
        }
    }
}
