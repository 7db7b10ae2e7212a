//! `images`: pictures to parts, and back.

mod common;

use common::{Place, dense, list, number};
use ndarray::{Array2, Array3, Axis};
use nmf_image::{Look, RgbImage, Shape, png, swimmer, tile};
use serde_json::Value;
use std::path::Path;

/// Swimmers as PNG files below `name`.
fn swimmers(place: &Place, name: &str, count: usize) -> nmf_image::Stack {
    let stack = swimmer::swimmers(count, 0);
    std::fs::create_dir(place.path(name)).unwrap();
    for (row, file) in stack.pixels.outer_iter().zip(&stack.names) {
        let picture = tile(row, stack.shape, Look::Light, 1.0).unwrap();
        place.write(&format!("{name}/{file}"), png(&picture).unwrap());
    }
    stack
}

/// A stack of small pictures with structure, as .npy.
fn small(place: &Place, name: &str, (m, h, w): (usize, usize, usize)) -> Array3<f64> {
    let x = Array3::from_shape_fn((m, h, w), |(i, y, x)| {
        let part = if (i % 2) == usize::from(x < w / 2) { 0.6 } else { 0.1 };
        part + 0.05 * ((3 * i + 5 * y + x) % 7) as f64
    });
    nmf_io::write_npy(&place.path(name), x.view()).unwrap();
    x
}

/// For every part, the largest cosine with a row of `h`.
fn matched(parts: &Array2<f64>, h: &Array2<f64>) -> Vec<f64> {
    let unit = |a: &Array2<f64>| a / &a.map_axis(Axis(1), |r| r.dot(&r).sqrt()).insert_axis(Axis(1));
    let cosines = unit(parts).dot(&unit(h).t());
    cosines.outer_iter().map(|r| r.iter().fold(0.0f64, |a, c| a.max(*c))).collect()
}

fn size_of_png(path: &Path) -> (u32, u32) {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let info = png_info(file);
    assert!(info.0 > 0 && info.1 > 0);
    info
}

fn png_info(file: impl std::io::BufRead + std::io::Seek) -> (u32, u32) {
    let reader = ::png::Decoder::new(file).read_info().unwrap();
    (reader.info().width, reader.info().height)
}

#[test]
fn swimmers_fall_apart_into_their_17_parts() {
    let place = Place::new();
    let stack = swimmers(&place, "swimmers", 256);
    let ran =
        place.run("images swimmers -k 17 --restarts 20 --max-iter 1000 --tol 1e-6 --ranks 4,17 -o model --json").ok();
    let json = ran.json();
    assert_eq!([&json["images"], &json["height"], &json["width"], &json["channels"]], [256, 32, 32, 1]);
    let (w, h) = (dense(&place.path("model/W.npy")), dense(&place.path("model/H.npy")));
    let found = matched(&swimmer::parts().mapv(f64::from), &h);
    assert!(found.iter().all(|c| *c > 0.99), "{found:?}");
    // the error is that of the files
    let x = stack.pixels.mapv(f64::from);
    let error = (&x - &w.dot(&h)).mapv(|v| v * v).sum();
    let (norm, told) = (x.mapv(|v| v * v).sum(), number(&json["error"], "nmf"));
    assert!((told - (error / norm).sqrt()).abs() < 1e-3 * told + 1e-6, "{told}");
    let psnr = -10.0 * (told * told * norm / x.len() as f64).log10();
    assert!((number(&json["compression"], "psnr") - psnr).abs() < 1e-3, "{psnr}");
    let stored = (256 + 1024) * 17;
    assert_eq!(json["compression"]["stored"], stored);
    assert!((number(&json["compression"], "ratio") - 256.0 * 1024.0 / f64::from(stored)).abs() < 1e-9);
    // PCA is best in squared error, NMF sparsest
    let (error, sparse) = (&json["error"], &json["sparseness_bases"]);
    assert!(number(error, "kmeans") > number(error, "pca") && number(error, "kmeans") > number(error, "nmf"));
    assert!(
        number(sparse, "nmf") > number(sparse, "pca") + 0.1 && number(sparse, "nmf") > number(sparse, "kmeans") + 0.1
    );
    let ks: Vec<u64> = json["ranks"].as_array().unwrap().iter().map(|r| r["k"].as_u64().unwrap()).collect();
    assert_eq!(ks, [4, 17]);
    assert!(number(&json["ranks"][0], "error") > number(&json["ranks"][1], "error"));
    let names = [
        "H.npy",
        "W.npy",
        "bases.png",
        "comparison.png",
        "comparison.svg",
        "fit.json",
        "images.json",
        "images.tsv",
        "parts.png",
    ];
    assert_eq!(list(&place.path("model")), [&names[..], &["reconstructions.png", "rows.txt"]].concat());
    let (wide, high) = size_of_png(&place.path("model/bases.png"));
    // 17 tiles of 32 pixels with gaps in 5 columns, each pixel a square
    assert_eq!((wide, high), (4 * 166, 4 * 133));
    let table = std::fs::read_to_string(place.path("model/images.tsv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines.len(), lines[0]), (257, "image\terror\tpsnr"));
    assert!(lines[1].starts_with("swimmer0000.png\t0."));

    // the same pictures under the model have the weights they were given
    place.run("transform model swimmers -o again.npy").ok();
    let again = dense(&place.path("again.npy"));
    let most = (&again - &w).iter().fold(0.0f64, |a, v| a.max(v.abs())) / w.iter().fold(0.0f64, |a, v| a.max(*v));
    assert!(most < 0.05, "{most}");
}

#[test]
fn noise_is_taken_away_best_between_too_few_and_too_many() {
    let place = Place::new();
    swimmers(&place, "swimmers", 256);
    let json = place.run("images swimmers -k 17 --ranks 2,17,120 --denoise 0.2 --no-compare --json").ok().json();
    let noise = &json["denoise"];
    let at: Vec<f64> = json["ranks"].as_array().unwrap().iter().map(|r| number(r, "psnr_clean")).collect();
    assert_eq!((noise["best"]["k"].as_u64(), noise["sigma"].as_f64()), (Some(17), Some(0.2)));
    assert!(at[1] > at[0] && at[1] > at[2] && at[1] > number(noise, "psnr_noisy") + 3.0, "{at:?} {noise}");
    assert_eq!(number(&noise["best"], "psnr"), at[1]);
    // against what was factored, more bases are always nearer
    let own: Vec<f64> = json["ranks"].as_array().unwrap().iter().map(|r| number(r, "psnr")).collect();
    assert!(own[2] > own[1] && own[1] > own[0], "{own:?}");
    let again = place.run("images swimmers -k 17 --ranks 17 --denoise 0.2 --no-compare --json").ok().json();
    assert_eq!(again["denoise"]["psnr_noisy"], noise["psnr_noisy"], "one seed, one noise");
}

#[test]
fn a_colour_picture_is_a_palette_and_maps() {
    let place = Place::new();
    // three inks, alone at the edges and mixed between
    let weight = |x: u32, at: u32| 1.0 - f64::from(x.abs_diff(at)).min(16.0) / 16.0;
    let picture = RgbImage::from_fn(33, 8, |x, y| {
        let level = 0.5 + 0.5 * f64::from(y) / 7.0;
        nmf_image::Rgb([0, 16, 32].map(|at| (255.0 * level * weight(x, at)).round() as u8))
    });
    place.write("inks.png", png(&picture).unwrap());
    let json = place.run("images inks.png --pixels -k 3 --max-iter 2000 --tol 0 -o mixed --json").ok().json();
    assert_eq!([&json["images"], &json["width"], &json["height"], &json["channels"]], [1, 33, 8, 3]);
    assert!(number(&json["error"], "nmf") < 1e-3);
    // pure red, green and blue pixels leave no other palette
    let mut found: Vec<Vec<u64>> = serde_json::from_value(json["palette"].clone()).unwrap();
    found.sort();
    for (colour, channel) in found.iter().zip([2, 1, 0]) {
        assert!(colour.iter().enumerate().all(|(c, v)| if c == channel { *v == 255 } else { *v <= 8 }), "{found:?}");
    }
    assert_eq!(list(&place.path("mixed")), ["H.npy", "W.npy", "abundances.png", "fit.json", "palette.png"]);
    assert_eq!(dense(&place.path("mixed/W.npy")).dim(), (33 * 8, 3));
    let told = place.run("images inks.png --pixels -k 2").ok().stdout;
    assert!(told.contains("2 colours") && told.contains('#'), "{told}");
}

#[test]
fn what_is_left_out_is_null_and_its_files_go() {
    let place = Place::new();
    let x = small(&place, "x.npy", (12, 4, 6)).into_shape_with_order((12, 24)).unwrap();
    let json = place.run("images x.npy -k 3 -o model --json").ok().json();
    let model = dense(&place.path("model/W.npy")).dot(&dense(&place.path("model/H.npy")));
    let squares = (&x - &model).mapv(|v| v * v).sum();
    let error = (squares / x.mapv(|v| v * v).sum()).sqrt();
    assert!((number(&json["error"], "nmf") - error).abs() < 1e-5 * error, "{error}");
    assert!((number(&json["compression"], "psnr") + 10.0 * (squares / 288.0).log10()).abs() < 1e-3);
    assert!(json["error"]["pca"].is_number() && place.path("model/comparison.png").exists());
    // k/8 and k/4 are no ranks
    assert_eq!(json["ranks"].as_array().unwrap().len(), 2);
    let json = place.run("images x.npy -k 3 --no-compare --ranks 3 -o model --json").ok().json();
    assert_eq!([&json["error"]["pca"], &json["sparseness_bases"]["kmeans"]], [&Value::Null, &Value::Null]);
    assert!(!place.path("model/comparison.png").exists() && !place.path("model/comparison.svg").exists());
    assert!(place.path("model/bases.png").exists());
    let told = place.run("images x.npy -k 3 --precision f64 --scale unit").ok().stdout;
    for word in ["12 pictures of 6×4, scale unit", "k-means", "PCA", "-o DIR"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn new_pictures_are_made_as_the_model_s_were() {
    let place = Place::new();
    let x = small(&place, "x.npy", (12, 6, 8));
    place.run("images x.npy -k 3 --resize 4x3 --scale lee-seung -o model").ok();
    assert_eq!(dense(&place.path("model/H.npy")).dim(), (3, 12));
    place.run("transform model x.npy -o w.npy").ok();
    let (w, again) = (dense(&place.path("model/W.npy")), dense(&place.path("w.npy")));
    assert!((&w - &again).iter().all(|v| v.abs() < 0.1 * w.iter().fold(0.0f64, |a, v| a.max(*v))), "{w} {again}");
    // a matrix of pixels is taken as it is
    nmf_io::write_npy(&place.path("rows.npy"), Array2::from_elem((2, 12), 0.25).view()).unwrap();
    place.run("transform model rows.npy -o flat.npy").ok();
    assert_eq!(dense(&place.path("flat.npy")).dim(), (2, 3));
    place.run("images x.npy -k 3 -o plain").ok();
    nmf_io::write_npy(&place.path("wide.npy"), x.slice(ndarray::s![.., .., ..6])).unwrap();
    place.run("transform plain wide.npy -o no.npy").fails(2, &["wide.npy", "6×6", "8×6"]);
}

#[test]
fn the_report_shows_bases_parts_and_reconstructions() {
    let place = Place::new();
    small(&place, "x.npy", (12, 4, 6));
    place.run("images x.npy -k 4 --show 3 --denoise 0.05 --report page.html --plots plots").ok();
    let html = std::fs::read_to_string(place.path("page.html")).unwrap();
    for part in
        ["One picture taken apart", "Put together again", "picture[3]", "PSNR", "k-means", "data:image/png;base64,"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<script") && !html.contains("http://www.w3.org/1999"));
    for name in ["bases", "parts", "reconstructions", "psnr", "objective-iterations"] {
        assert!(place.path(&format!("plots/{name}.svg")).exists(), "{name}");
        size_of_png(&place.path(&format!("plots/{name}.png")));
    }
}

#[test]
fn what_cannot_be_done_is_said_with_its_place() {
    let place = Place::new();
    small(&place, "x.npy", (12, 4, 6));
    place.write("text.png", "no picture");
    place.write("palette.png", png(&RgbImage::new(4, 4)).unwrap());
    std::fs::create_dir(place.path("mixed")).unwrap();
    for (name, side) in [("a.png", 4), ("b.png", 5)] {
        let shape = Shape { height: side, width: side, channels: 1 };
        let row = ndarray::Array1::from_elem(shape.len(), 0.5f32);
        place.write(&format!("mixed/{name}"), png(&tile(row.view(), shape, Look::Light, 1.0).unwrap()).unwrap());
    }
    let before = place.list();
    for (words, told) in [
        ("images none -k 2", &["none", "cannot be read"][..]),
        ("images mixed -k 2", &["b.png", "5×5", "a.png has 4×4", "--resize"]),
        ("images text.png -k 2", &["text.png", "accepted: a folder"]),
        ("images palette.png -k 2", &["one picture", "--pixels"]),
        ("images x.npy -k 0", &["rank"]),
        ("images x.npy -k 2 --shifts 2", &["--shifts 2", "images"]),
        ("images x.npy -k 2 --ranks 0,2", &["--ranks 0"]),
        ("images x.npy -k 2 --denoise 0", &["--denoise 0"]),
        ("images x.npy -k 2 --denoise nan", &["--denoise NaN"]),
        ("images x.npy -k 2 --show 12", &["x.npy", "12", "0 to 11"]),
        ("images x.npy -k 2 --resize 4", &["'4' is no size"]),
        ("images x.npy -k 2 --scale dark", &["dark", "lee-seung"]),
        ("images x.npy -k 2 --array faces", &["x.npy", "'faces'"]),
        ("images x.npy -k 2 --pixels", &["12 pictures", "takes one"]),
        ("images x.npy -k 2 --ranks 3 --w0 w.npy --h0 h.npy", &["--ranks", "k = 2"]),
        ("images palette.png -k 2 --pixels --denoise 0.1", &["--pixels", "--denoise"]),
        ("images palette.png -k 2 --pixels -o .", &["palette.png", "the same file"]),
        ("images mixed --resize 4x4 -k 2 -o mixed", &["mixed", "name another"]),
        ("images x.npy -k 2 --backend gpu --precision f64 --gpu-off f64", &["--gpu-off f64"]),
    ] {
        place.run_anywhere(words).fails(2, told);
    }
    assert_eq!(place.list(), before, "nothing is left behind");
}

#[test]
fn faces_fall_apart_into_parts_that_are_sparser_than_pca_s_and_k_means() {
    let Some(data) = std::env::var_os("NMF_DATA") else {
        eprintln!("NMF_DATA is not set: the faces are not factored");
        return;
    };
    let faces = Path::new(&data).join("cbcl_faces/cbcl_faces.npz");
    let place = Place::new();
    let words = format!("images {} -k 49 --scale lee-seung --ranks 49 --json", faces.display());
    let json = place.run(&words).ok().json();
    assert_eq!((&json["images"], &json["cols"]), (&Value::from(2429), &Value::from(361)));
    let sparse = &json["sparseness_bases"];
    let (nmf, pca, kmeans) = (number(sparse, "nmf"), number(sparse, "pca"), number(sparse, "kmeans"));
    assert!(nmf > pca + 0.5 && nmf > kmeans + 0.5, "{sparse}");
    // scikit-learn's coordinate descent from its nndsvda comes to 0.1998
    let error = &json["error"];
    assert!(number(error, "nmf") < 0.201 && number(error, "pca") < number(error, "nmf"), "{error}");
    assert!(number(error, "kmeans") > number(error, "nmf"));
}
