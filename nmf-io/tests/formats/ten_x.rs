//! 10x folders, and anything under gzip.

use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(content.as_ref()).unwrap();
    gz.finish().unwrap()
}

const MATRIX: &str = "%%MatrixMarket matrix coordinate integer general\n3 2 3\n1 1 5\n3 1 7\n2 2 9\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let bytes = if name.ends_with(".gz") { gzip(content) } else { content.as_bytes().to_vec() };
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn cells_are_rows() {
    let new = folder(&[
        ("matrix.mtx.gz", MATRIX),
        ("features.tsv.gz", "E1\tA\tGene Expression\nE2\tB\tGene Expression\nE3\tC\tGene Expression\n"),
        ("barcodes.tsv.gz", "AAA-1\nCCC-1\n"),
    ]);
    let old = folder(&[
        ("matrix.mtx", MATRIX),
        ("genes.tsv", "E1\tA\nE2\tB\nE3\tC\n"),
        ("barcodes.tsv", "AAA-1\r\nCCC-1\r\n"),
    ]);
    for f in [new, old] {
        let loaded = read(f.path()).unwrap();
        assert_eq!(values(&loaded), array![[5.0, 0.0, 7.0], [0.0, 9.0, 0.0]]);
        assert_eq!(loaded.row_names().unwrap(), ["AAA-1", "CCC-1"]);
        assert_eq!(loaded.col_names().unwrap(), ["A", "B", "C"]);
        assert_eq!(loaded.precision(), Precision::F32);
        assert_clean_csr(&loaded);
    }
    let bare = folder(&[("matrix.mtx", MATRIX), ("genes.tsv", "E1\nE2\tB\nE3\t\n"), ("barcodes.tsv", "a\nb\n")]);
    assert_eq!(read(bare.path()).unwrap().col_names().unwrap(), ["E1", "B", "E3"]);
}

#[test]
fn folders_that_do_not_fit_together() {
    let names = [("genes.tsv", "a\nb\n"), ("barcodes.tsv", "a\nb\n"), ("matrix.mtx", MATRIX)];
    refused(read(folder(&names).path()), &["genes.tsv: 2 features", "has 3"]);
    let names = [("genes.tsv", "a\nb\nc\n"), ("barcodes.tsv", "a\n"), ("matrix.mtx", MATRIX)];
    refused(read(folder(&names).path()), &["barcodes.tsv: 1 barcodes", "has 2"]);
    refused(read(folder(&names[1..]).path()), &["features.tsv.gz or features.tsv or genes.tsv.gz or genes.tsv"]);
    refused(read(folder(&names[..2]).path()), &["matrix.mtx.gz or matrix.mtx"]);
    refused(read(folder(&[]).path()), &["10x folder"]);
}

#[test]
fn gzip_around_other_formats() {
    assert_eq!(read_as("a.mtx.gz", gzip(MATRIX)).unwrap().dim(), (3, 2));
    assert_eq!(read_as("a.csv.gz", gzip("1,2\n")).unwrap().dim(), (1, 2));
    assert_eq!(read_as("a.tsv.gz", gzip("1\t2\n")).unwrap().dim(), (1, 2));
    // Compressed, though the name does not say so.
    assert_eq!(read_as("a.mtx", gzip(MATRIX)).unwrap().dim(), (3, 2));
    assert_eq!(values(&read_as("a.npy.gz", gzip(std::fs::read(data("f4.npy")).unwrap())).unwrap()), x());
    let parts = [gzip("1,2\n"), gzip("3,4\n")].concat();
    assert_eq!(read_as("a.csv.gz", parts).unwrap().dim(), (2, 2));
    let whole = gzip(MATRIX);
    refused(read_as("a.mtx.gz", &whole[..whole.len() - 9]), &["truncated"]);
    let mut damaged = whole.clone();
    let last = damaged.len() - 5;
    damaged[last] ^= 1;
    refused(read_as("a.mtx.gz", damaged), &["damaged"]);
}

#[test]
fn real_counts() {
    let Some(root) = std::env::var_os("NMF_DATA") else {
        println!("skipped for lack of NMF_DATA");
        return;
    };
    let loaded = read(&Path::new(&root).join("pbmc3k")).unwrap();
    assert_eq!((loaded.dim(), loaded.stored(), loaded.precision_name()), ((2700, 13714), 2_282_976, "f32"));
    assert_eq!(loaded.row_names().unwrap()[0], "AAACATACAACCAC-1");
    assert_eq!(loaded.col_names().unwrap().len(), 13714);
    assert_clean_csr(&loaded);
}
