//! `unmix`: planted pure pixels and abundances, and the Samson picture beside its reference.
//!
//! The test on the real picture needs the folder that holds it in the environment variable NMF_DATA.

mod common;

use common::{Place, list, number};
use ndarray::{Array2, Array3};
use std::path::PathBuf;

const SIZE: (usize, usize, usize) = (14, 11, 20);

/// Three spectra with one bump each, abundances that sum to 1 with one pure pixel for each, and pixels of different brightness.
fn scene() -> (Array3<f32>, Array3<f32>, Array2<f32>) {
    let (rows, cols, bands) = SIZE;
    let spectra = Array2::from_shape_fn((3, bands), |(q, b)| {
        let d = (b as f32 - 3.0 - 6.5 * q as f32) / 3.0;
        (0.15 + (-d * d).exp()) / 1.15
    });
    let mut shares = Array3::from_shape_fn((rows, cols, 3), |(i, j, q)| {
        let scatter = (i * i * 7 + j * j * 5 + i * j * 3 + q * (11 + i + 2 * j)) % 17;
        1.0 + scatter as f32
    });
    for (q, pure) in [(0usize, (2usize, 3usize)), (1, (9, 1)), (2, (12, 8))] {
        (0..3).for_each(|r| shares[[pure.0, pure.1, r]] = f32::from(u8::from(r == q)));
    }
    for mut pixel in shares.rows_mut() {
        let sum = pixel.sum();
        pixel.mapv_inplace(|v| v / sum);
    }
    let cube = Array3::from_shape_fn((rows, cols, bands), |(i, j, b)| {
        let light = 0.5 + ((3 * i + 5 * j) % 7) as f32 / 7.0;
        light * (0..3).map(|q| shares[[i, j, q]] * spectra[[q, b]]).sum::<f32>()
    });
    (cube, shares, spectra)
}

#[test]
fn planted_spectra_and_abundances_are_found() {
    let place = Place::new();
    let (cube, shares, spectra) = scene();
    nmf_io::write_npy(&place.path("cube.npy"), cube.view()).unwrap();
    let json = place.run("unmix cube.npy -k 3 -o u --json").ok().json();
    assert_eq!((number(&json, "height"), number(&json, "width"), number(&json, "bands")), (14.0, 11.0, 20.0));
    let pixels: Vec<String> = json["endmembers"].as_array().unwrap().iter().map(|e| e["pixel"].to_string()).collect();
    for pure in ["[2,3]", "[9,1]", "[12,8]"] {
        assert!(pixels.iter().any(|p| p == pure), "{pixels:?}");
    }
    let found = nmf_io::read_npy3::<f32>(&place.path("u/abundances.npy")).unwrap();
    assert_eq!(found.dim(), (14, 11, 3));
    for (q, pixel) in pixels.iter().enumerate() {
        let r = ["[2,3]", "[9,1]", "[12,8]"].iter().position(|p| p == pixel).unwrap();
        let spectrum: Vec<f64> =
            json["endmembers"][q]["spectrum"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let largest = spectra.row(r).iter().copied().fold(0.0, f32::max);
        for (found, truth) in spectrum.iter().zip(spectra.row(r)) {
            assert!((found - f64::from(truth / largest)).abs() < 2e-3, "{found} {truth}");
        }
        for ((i, j, share), truth) in found
            .index_axis(ndarray::Axis(2), q)
            .indexed_iter()
            .map(|((i, j), v)| (i, j, v))
            .zip(shares.index_axis(ndarray::Axis(2), r))
        {
            assert!((share - truth).abs() < 1e-2, "{i} {j}: {share} {truth}");
        }
    }
    let names = list(&place.path("u"));
    for name in ["H.npy", "W.npy", "abundance-01.svg", "abundances.npy", "endmembers.svg", "endmembers.tsv", "fit.json"]
    {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    // the abundances of a pixel sum to 1 either way
    place.run("unmix cube.npy -k 3 -o c --abundances constrained --report r.html").ok();
    for dir in ["u", "c"] {
        let found = nmf_io::read_npy3::<f32>(&place.path(&format!("{dir}/abundances.npy"))).unwrap();
        assert!(found.rows().into_iter().all(|p| (p.sum() - 1.0).abs() < 1e-4));
    }
    let page = std::fs::read_to_string(place.path("r.html")).unwrap();
    assert!(page.contains("Abundances") && page.contains("Endmembers"));
}

#[test]
fn what_cannot_be_unmixed_is_refused() {
    let place = Place::new();
    let (cube, ..) = scene();
    nmf_io::write_npy(&place.path("cube.npy"), cube.view()).unwrap();
    nmf_io::write(&place.path("flat.npy"), &ndarray::array![[1.0f32, 2.0], [3.0, 4.0]]).unwrap();
    let mut bad = cube.clone();
    bad[[3, 4, 5]] = -1.0;
    nmf_io::write_npy(&place.path("bad.npy"), bad.view()).unwrap();
    place.write("x.csv", "1,2\n");
    let cases: [(&str, &[&str]); 7] = [
        ("unmix flat.npy -k 1", &["flat.npy", "rows × columns × bands"]),
        ("unmix bad.npy -k 2", &["bad.npy", "row 3, column 4, band 5", "-1"]),
        ("unmix cube.npy -k 0", &["cube.npy", "-k 0"]),
        ("unmix cube.npy -k 21", &["cube.npy", "-k 21", "20"]),
        ("unmix cube.npy -k 2 --array a", &["--array", "a"]),
        ("unmix x.csv -k 1", &["x.csv"]),
        ("unmix cube.npy -k 3 --reference cube.npy", &["cube.npy", "abundances"]),
    ];
    for (line, words) in cases {
        place.run(&format!("{line} -o out")).fails(2, words);
        assert!(!place.path("out").exists(), "{line}");
    }
}

#[test]
fn the_samson_picture_beside_its_reference() {
    let Some(data) = std::env::var_os("NMF_DATA").map(PathBuf::from) else {
        println!("NMF_DATA is not set: skipped");
        return;
    };
    let place = Place::new();
    let file = data.join("samson/samson.npz");
    let json = place.run(&format!("unmix {0} -k 3 --reference {0} --json", file.display())).ok().json();
    // soil, tree and water, each found once
    let mut matched: Vec<u64> =
        json["endmembers"].as_array().unwrap().iter().map(|e| e["reference"].as_u64().unwrap()).collect();
    matched.sort_unstable();
    assert_eq!(matched, [0, 1, 2]);
    assert!(number(&json, "rmse") < 0.07 && number(&json, "spectral_angle") < 0.1, "{json}");
}

#[test]
fn results_replace_no_inputs() {
    let place = Place::new();
    let (cube, ..) = scene();
    nmf_io::write_npy(&place.path("cube.npy"), cube.view()).unwrap();
    place.run("unmix cube.npy -k 5 -o u").ok();
    place.run("unmix u/abundances.npy -k 2 -o u").fails(2, &["abundances.npy"]);
    place.run("unmix cube.npy -k 3 -o u").ok();
    let maps = list(&place.path("u")).iter().filter(|n| n.starts_with("abundance-")).count();
    assert_eq!(maps, 3, "maps of the older result are gone");
}
