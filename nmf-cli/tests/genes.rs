//! `genes`: planted programs are found, and the markers of blood cells in real counts.
//!
//! The test on real counts needs the folder that holds them in the environment variable NMF_DATA.

mod common;

use common::{Place, dense, list, number};
use serde_json::Value;
use std::path::PathBuf;

/// A 10x folder of 40 cells × 12 genes: two kinds of cells with five genes each, one gene everywhere, one in a single cell.
fn folder(place: &Place) {
    std::fs::create_dir_all(place.path("tenx")).unwrap();
    let (mut features, mut barcodes, mut entries) = (String::new(), String::new(), Vec::new());
    for g in 0..12 {
        let id = if g < 11 { format!("ENSG{g:03}") } else { "ROW011".into() };
        features += &format!("{id}\tG{g}\tGene Expression\n");
    }
    let mut types = String::from("cell\tage\tkind\n");
    for c in 0..40usize {
        barcodes += &format!("cell{c}\n");
        types += &format!("cell{c}\t{}\t{}\n", 20 + c, if c == 39 { "NA" } else { ["left", "right"][c % 2] });
        for g in 0..12usize {
            let inside = g < 10 && g / 5 == c % 2;
            let count = match g {
                // as frequent as the genes of a kind, but in every cell
                10 => 5,
                11 => usize::from(c == 3),
                _ if inside => 3 + (c * 7 + g * 5) % 5,
                _ => usize::from((c * 3 + g * 5).is_multiple_of(11)),
            };
            if count > 0 {
                entries.push(format!("{} {} {count}", g + 1, c + 1));
            }
        }
    }
    let head = "%%MatrixMarket matrix coordinate integer general\n";
    place.write("tenx/matrix.mtx", format!("{head}12 40 {}\n{}\n", entries.len(), entries.join("\n")));
    place.write("tenx/features.tsv", features);
    place.write("tenx/barcodes.tsv", barcodes);
    place.write("types.tsv", types);
}

#[test]
fn planted_programs_are_found_and_agree_with_the_types() {
    let place = Place::new();
    folder(&place);
    for options in ["", "--normalize cp10k", "--normalize log1p --loss fro"] {
        let line = format!("genes tenx -k 2 --top 5 --types types.tsv:kind {options} --json");
        let json = place.run(&line).ok().json();
        // G11 is in fewer than three cells
        assert_eq!((json["cells"].as_u64(), json["genes"].as_u64()), (Some(40), Some(11)));
        assert_eq!((number(&json, "nmi"), number(&json, "ari"), number(&json, "purity")), (1.0, 1.0, 1.0), "{options}");
        let types = json["types"].as_array().unwrap();
        for t in types {
            let p = &json["programs"][t["program"].as_u64().unwrap() as usize - 1];
            let mut genes: Vec<&str> = p["genes"].as_array().unwrap().iter().map(|g| g.as_str().unwrap()).collect();
            genes.sort_unstable();
            let expected =
                if t["type"] == "left" { ["G0", "G1", "G2", "G3", "G4"] } else { ["G5", "G6", "G7", "G8", "G9"] };
            assert_eq!(genes, expected, "{options}: {p}");
            let scores: Vec<f64> = p["scores"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
            assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        }
        let cells: u64 = types.iter().map(|t| t["cells"].as_u64().unwrap()).sum();
        assert_eq!(cells, 39, "NA is no type");
    }
}

#[test]
fn the_folder_is_a_model_with_tables_and_pictures() {
    let place = Place::new();
    folder(&place);
    place.run("genes tenx -k 2 --genes ^ENSG --types types.tsv:kind -o m --report m.html").ok();
    let expected = [
        "H.npy",
        "W.npy",
        "cols.txt",
        "fit.json",
        "genes.json",
        "genes.svg",
        "programs.tsv",
        "rows.txt",
        "usage.svg",
        "usage.tsv",
    ];
    assert_eq!(list(&place.path("m")), expected);
    let usage = std::fs::read_to_string(place.path("m/usage.tsv")).unwrap();
    assert!(usage.starts_with("cell\tprogram\ttype\tusage_1\tusage_2\ncell0\t"), "{usage}");
    let (w, h) = (dense(&place.path("m/W.npy")), dense(&place.path("m/H.npy")));
    for (line, row) in usage.lines().skip(1).zip(w.outer_iter()) {
        let size = |q: usize| row[q] * h.row(q).sum();
        let expected = size(0) / (size(0) + size(1));
        let found: f64 = line.split('\t').nth(3).unwrap().parse().unwrap();
        assert!((found - expected).abs() < 1e-5, "{line}: {expected}");
    }
    let page = std::fs::read_to_string(place.path("m.html")).unwrap();
    assert!(page.contains("program-01") && page.contains("Usage"), "sections of the page");
    let text = place.run("genes tenx -k 2 -o m").ok().stdout;
    assert!(text.contains("program 1") && text.contains("G3"), "{text}");
    assert!(std::fs::read_to_string(place.path("m/usage.svg")).unwrap().contains("program 2"));
    assert_eq!(place.run("genes tenx -k 1 --variable 10 --json").ok().json()["cols"], 10);
}

#[test]
fn annotated_matrices_bring_their_types() {
    let place = Place::new();
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../nmf-io/tests/data/csr.h5ad");
    let json = place.run(&format!("genes {} -k 2 --min-cells 1 --json", data.display())).ok().json();
    assert!(number(&json, "cells") > 1.0 && json["types"].is_null(), "{json}");
    let json =
        place.run(&format!("genes {0} -k 1 --min-cells 1 --types {0}:cell_type --json", data.display())).ok().json();
    let types: Vec<&str> = json["types"].as_array().unwrap().iter().map(|t| t["type"].as_str().unwrap()).collect();
    assert!(types.len() == 2 && types.contains(&"T") && types.contains(&"B"), "{types:?}");
    place
        .run(&format!("genes {0} -k 2 --min-cells 1 --types {0}:nothing", data.display()))
        .fails(2, &["csr.h5ad", "nothing"]);
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let place = Place::new();
    folder(&place);
    nmf_io::write(&place.path("x.npy"), &ndarray::array![[1.0f32, 2.0], [3.0, 4.0]]).unwrap();
    place.write("negative.csv", "a,b\n1,-2\n3,4\n");
    place.write("other.tsv", "cell\tkind\nq\tB\n");
    let cases: [(&str, &[&str]); 10] = [
        ("genes tenx -k 2 --genes (", &["--genes"]),
        ("genes tenx -k 2 --genes ^MT", &["tenx", "--genes"]),
        ("genes tenx -k 2 --min-cells 41", &["tenx", "--min-cells"]),
        ("genes tenx -k 2 --variable 0", &["--variable"]),
        ("genes tenx -k 2 --types nowhere.tsv", &["nowhere.tsv"]),
        ("genes tenx -k 2 --types other.tsv", &["other.tsv", "cell0"]),
        ("genes tenx -k 2 --types types.tsv:sort", &["types.tsv", "sort", "kind"]),
        ("genes x.npy -k 1 --min-cells 0 --types types.tsv:kind", &["x.npy", "--types"]),
        ("genes negative.csv -k 1 --min-cells 0", &["negative.csv", "-2"]),
        ("genes tenx -k 2 --shifts 2", &["--shifts"]),
    ];
    for (line, words) in cases {
        place.run(&format!("{line} -o out")).fails(2, words);
        assert!(!place.path("out").exists(), "{line}");
    }
}

/// The markers of the cell types of blood (Seurat's and scanpy's tutorials on these cells): each is among the first genes of the
/// program that cells of its type use most.
#[test]
fn programs_of_blood_cells_hold_their_markers() {
    let Some(data) = std::env::var_os("NMF_DATA").map(PathBuf::from) else {
        println!("NMF_DATA is not set: skipped");
        return;
    };
    let place = Place::new();
    let folder = data.join("pbmc3k");
    let types = folder.join("celltypes.tsv");
    let line = format!("genes {} -k 10 --genes ^ENSG --types {} --json", folder.display(), types.display());
    let json = place.run(&line).ok().json();
    assert_eq!((json["cells"].as_u64(), json["genes"].as_u64()), (Some(2700), Some(1791)));
    let of = |kind: &str| -> &Value {
        let all = json["types"].as_array().unwrap();
        let program = all.iter().find(|t| t["type"] == kind).unwrap()["program"].as_u64().unwrap();
        &json["programs"][program as usize - 1]
    };
    for (gene, kinds) in [
        ("MS4A1", &["B"][..]),
        ("CST3", &["CD14+ Mono", "FCGR3A+ Mono", "DC"]),
        ("S100A8", &["CD14+ Mono"]),
        ("LTB", &["Memory CD4 T", "Naive CD4 T"]),
        ("NKG7", &["NK", "CD8 T"]),
        ("PPBP", &["Platelet"]),
    ] {
        let holds = |kind: &&str| of(kind)["genes"].as_array().unwrap().iter().any(|g| g == gene);
        assert!(kinds.iter().any(holds), "{gene}: {}", json["programs"]);
    }
    assert!(number(&json, "nmi") > 0.55, "{}", json["nmi"]);
}
