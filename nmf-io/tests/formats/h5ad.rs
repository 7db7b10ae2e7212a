//! `.h5ad` files as anndata writes them (`tests/data/make_h5ad.py`).

use super::*;

const CELLS: [&str; 4] = ["AAA-1", "CCC-1", "GGG-1", "TTT-1"];

#[test]
fn matrices_are_read_with_their_names_in_every_layout() {
    for (name, sparse, precision) in
        [("csr", true, Precision::F32), ("csc", true, Precision::F64), ("dense", false, Precision::F64)]
    {
        let path = data(&format!("{name}.h5ad"));
        let loaded = read(&path).unwrap();
        assert_eq!((loaded.is_sparse(), loaded.precision()), (sparse, precision), "{name}");
        assert_eq!(values(&loaded), x(), "{name}");
        assert_eq!(loaded.row_names().unwrap(), CELLS, "{name}");
        assert_eq!(loaded.col_names().unwrap(), ["a", "b", "c", "d", "e"], "{name}");
        assert_eq!(forced(&path, Precision::F32).unwrap().precision(), Precision::F32);
        let ids = nmf_io::column_ids(&path).unwrap().unwrap();
        assert_eq!(ids, ["ENSG0", "ENSG1", "ENSG2", "ENSG3", "ENSG4"]);
        let layer = read(&part(&path, "layers/counts")).unwrap();
        assert_eq!(values(&layer), x() * 2.0, "{name}");
        assert_eq!(layer.row_names(), loaded.row_names());
    }
}

#[test]
fn the_raw_matrix_has_genes_of_its_own() {
    let raw = read(&part(&data("csr.h5ad"), "raw/X")).unwrap();
    assert_eq!(raw.dim(), (4, 8));
    assert_eq!(raw.col_names().unwrap()[5..], ["f", "g", "h"]);
    assert_eq!(values(&raw).column(6).to_vec(), [1.0; 4]);
}

#[test]
fn annotations_become_text() {
    for name in ["csr", "csc", "dense"] {
        let path = data(&format!("{name}.h5ad"));
        assert!(nmf_io::is_h5ad(&path));
        let names = nmf_io::h5ad_annotations(&path).unwrap();
        assert_eq!(names, ["cell_type", "batch", "size", "count", "kept"]);
        let column = |c: &str| nmf_io::h5ad_annotation(&path, c).unwrap();
        assert_eq!(
            column("cell_type"),
            (CELLS.map(String::from).to_vec(), ["T", "", "B", "T"].map(String::from).to_vec())
        );
        assert_eq!(column("batch").1, ["one", "one", "", "zwei ü"]);
        assert_eq!(column("size").1, ["1.5", "2", "3", "4.25"]);
        assert_eq!(column("count").1, ["1", "2", "3", "40"]);
        assert_eq!(column("kept").1, ["TRUE", "FALSE", "TRUE", "TRUE"]);
    }
}

#[test]
fn what_is_not_there_or_damaged_is_refused_by_its_place() {
    refused(read(&data("refused_no_x.h5ad")), &["no \"X\" in it", "anndata"]);
    refused(read(&part(&data("csr.h5ad"), "layers/spliced")), &["layers/spliced", "it has layers/counts, raw/X"]);
    refused(read(&data("refused_indices.h5ad")), &["X/indices", "entry 1", "is 5"]);
    refused(read(&part(&data("f4.npy"), "X")), &["not"]);
    assert!(nmf_io::h5ad_annotation(&data("csr.h5ad"), "age").unwrap_err().to_string().contains("obs/age"));
    assert!(!nmf_io::is_h5ad(&data("f4.npy")) && !nmf_io::is_h5ad(Path::new("missing")));
}

#[test]
fn a_file_cut_short_or_spoiled_is_no_panic() {
    let whole = std::fs::read(data("csr.h5ad")).unwrap();
    for cut in (8..whole.len()).step_by(whole.len() / 40) {
        // the last bytes of a file may be unused
        if let Ok(loaded) = read_as("a.h5ad", &whole[..cut]) {
            assert_eq!(values(&loaded), x(), "{cut} bytes");
        }
    }
    for at in (8..whole.len()).step_by(23) {
        let mut spoiled = whole.clone();
        spoiled[at] ^= 0xff;
        // a value may change; nothing may break
        let _ = read_as("a.h5ad", spoiled);
    }
}

fn part(path: &Path, part: &str) -> PathBuf {
    format!("{}:{part}", path.display()).into()
}
