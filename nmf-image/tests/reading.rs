//! Pictures from every kind of input, and what is said about bad ones.

use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage};
use nmf_image::{ReadOptions, Stack, read};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// A small picture with a value for every pixel.
fn grey(seed: u8) -> GrayImage {
    GrayImage::from_fn(5, 4, |x, y| Luma([seed.wrapping_add((x * 7 + y * 40) as u8)]))
}

fn expected(seed: u8) -> Vec<f32> {
    grey(seed).into_raw().iter().map(|v| f32::from(*v) / 255.0).collect()
}

fn get(path: &Path) -> (Stack, usize) {
    let (stack, report) = read(path, &ReadOptions::default()).unwrap();
    (stack, report.skipped)
}

#[track_caller]
fn refused(path: &Path, options: &ReadOptions, words: &[&str]) {
    let message = read(path, options).unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "\"{word}\" is not in: {message}");
    }
}

#[track_caller]
fn close(row: ndarray::ArrayView1<'_, f32>, expected: &[f32]) {
    assert_eq!(row.len(), expected.len());
    let most = row.iter().zip(expected).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
    assert!(most < 1e-6, "{most}");
}

#[test]
fn a_folder_in_the_order_of_its_names_with_everything_below_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("b")).unwrap();
    grey(1).save(dir.path().join("b/2.png")).unwrap();
    grey(2).save(dir.path().join("c.pgm")).unwrap();
    grey(3).save(dir.path().join("a.PNG")).unwrap();
    fs::write(dir.path().join("README.md"), "faces").unwrap();
    fs::write(dir.path().join(".hidden.png"), "x").unwrap();
    let (stack, skipped) = get(dir.path());
    assert_eq!(stack.names, ["a.PNG", "b/2.png", "c.pgm"]);
    assert_eq!((skipped, stack.shape.height, stack.shape.width, stack.shape.channels), (1, 4, 5, 1));
    for (i, seed) in [3, 1, 2].into_iter().enumerate() {
        close(stack.pixels.row(i), &expected(seed));
    }
    let found = |name: &str| stack.find(name, dir.path()).ok();
    assert_eq!(
        [found("b/2.png"), found("2.png"), found("2"), found("c"), found("0"), found("3")],
        [Some(1), Some(1), Some(1), Some(2), Some(0), None]
    );
}

#[test]
fn sixteen_bits_colours_and_jpeg() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let deep = ImageBuffer::<Luma<u16>, _>::from_raw(2, 1, vec![0u16, 13107]).unwrap();
    deep.save(at("deep.png")).unwrap();
    close(get(&at("deep.png")).0.pixels.row(0), &[0.0, 0.2]);
    let colour = RgbImage::from_raw(2, 1, vec![255, 0, 0, 51, 102, 153]).unwrap();
    colour.save(at("colour.ppm")).unwrap();
    let options = ReadOptions { color: true, ..ReadOptions::default() };
    let (stack, _) = read(&at("colour.ppm"), &options).unwrap();
    assert_eq!(stack.shape.channels, 3);
    close(stack.pixels.row(0), &[1.0, 0.0, 0.0, 0.2, 0.4, 0.6]);
    let (grey, _) = get(&at("colour.ppm"));
    let luminance = |r: f32, g: f32, b: f32| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    close(grey.pixels.row(0), &[luminance(1.0, 0.0, 0.0), luminance(0.2, 0.4, 0.6)]);
    RgbImage::from_pixel(16, 16, Rgb([200; 3])).save(at("flat.jpg")).unwrap();
    let (stack, _) = get(&at("flat.jpg"));
    assert!(stack.pixels.iter().all(|v| (v - 200.0 / 255.0).abs() < 0.01));
}

#[test]
fn archives_packed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, seed) in [("face/b.pgm", 9), ("face/a.pgm", 4), ("face/b.pgm", 5)] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        grey(seed).write_to(&mut bytes, image::ImageFormat::Pnm).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.get_ref().len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes.get_ref()[..]).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let (plain, packed) = (dir.path().join("f.tar"), dir.path().join("f.tar.gz"));
    fs::write(&plain, &tar).unwrap();
    let mut gz = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::default());
    gz.write_all(&tar).unwrap();
    gz.finish().unwrap();
    for path in [&plain, &packed] {
        let (stack, _) = get(path);
        assert_eq!(stack.names, ["face/a.pgm", "face/b.pgm"]);
        // what occurs again replaces what was there
        close(stack.pixels.row(1), &expected(5));
    }
    // within the second file
    fs::write(&plain, &tar[..1540]).unwrap();
    refused(&plain, &ReadOptions::default(), &["f.tar", "not a complete tar archive"]);
}

/// A `.npy` file of version 1.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    let length = (text.len() + 1) as u16;
    out.extend(length.to_le_bytes());
    out.extend(text.bytes().chain([b'\n']).chain(data.iter().copied()));
    out
}

#[test]
fn arrays_of_every_usual_type() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npy");
    let write = |bytes: Vec<u8>| fs::write(&path, bytes).unwrap();
    write(npy("|u1", "(2, 1, 2)", &[0, 51, 102, 255]));
    let (stack, _) = get(&path);
    assert_eq!(stack.names, ["picture[0]", "picture[1]"]);
    close(stack.pixels.row(1), &[0.4, 1.0]);
    write(npy("<u2", "(1, 1, 2)", &[0, 0, 0xff, 0xff]));
    close(get(&path).0.pixels.row(0), &[0.0, 1.0]);
    let floats = |v: &[f32]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    write(npy("<f4", "(1, 1, 2)", &floats(&[0.25, 1.0])));
    close(get(&path).0.pixels.row(0), &[0.25, 1.0]);
    write(npy("<f4", "(1, 1, 2)", &floats(&[51.0, 255.0])));
    close(get(&path).0.pixels.row(0), &[0.2, 1.0]);
    // colours, and grey made of them
    write(npy("|u1", "(1, 1, 1, 3)", &[255, 0, 0]));
    close(get(&path).0.pixels.row(0), &[0.2126]);
    let color = ReadOptions { color: true, ..ReadOptions::default() };
    close(read(&path, &color).unwrap().0.pixels.row(0), &[1.0, 0.0, 0.0]);
    for (bad, words) in [
        (npy("<f4", "(1, 1, 2)", &floats(&[0.5, -1.0])), ["picture[0]", "row 0, column 1", "≥ 0"]),
        (npy("<f4", "(1, 1, 2)", &floats(&[f32::NAN, 1.0])), ["picture[0]", "column 0", "NaN"]),
        (npy("<f4", "(1, 1, 2)", &floats(&[1e9, 1.0])), ["x.npy", "0 to 65535", "divide"]),
        (npy("|u1", "(2, 3)", &[0; 6]), ["x.npy", "'array' 2×3", "pictures × rows"]),
        (npy("|u1", "(2, 3, 9)", &[0; 6]), ["x.npy", "truncated", "54 bytes"]),
    ] {
        write(bad);
        refused(&path, &ReadOptions::default(), &words);
    }
}

#[test]
fn pictures_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let plain = ReadOptions::default();
    refused(dir.path(), &plain, &["no picture", ".png"]);
    refused(&at("none"), &plain, &["none", "cannot be read"]);
    grey(1).save(at("1.png")).unwrap();
    GrayImage::new(6, 4).save(at("2.png")).unwrap();
    refused(dir.path(), &plain, &["2.png", "6×4", "1.png has 5×4", "--resize"]);
    let resized = ReadOptions { resize: Some((3, 2)), ..plain.clone() };
    let (stack, _) = read(dir.path(), &resized).unwrap();
    assert_eq!((stack.pixels.dim(), stack.shape.width), ((2, 6), 3));
    assert!(stack.pixels.iter().all(|v| (0.0..=1.0).contains(v)));
    refused(dir.path(), &ReadOptions { resize: Some((0, 2)), ..plain.clone() }, &["resize", "0×2"]);
    refused(
        dir.path(),
        &ReadOptions { most_bytes: 100, resize: Some((30, 20)), ..plain.clone() },
        &["GiB", "--resize"],
    );
    refused(dir.path(), &ReadOptions { array: Some("x".into()), ..plain.clone() }, &["'x'"]);
    let whole = fs::read(at("1.png")).unwrap();
    fs::write(at("2.png"), &whole[..whole.len() / 2]).unwrap();
    refused(dir.path(), &plain, &["2.png", "cannot be decoded"]);
    fs::write(at("2.png"), "text").unwrap();
    refused(dir.path(), &plain, &["2.png", "not that of a PNG"]);
    fs::write(at("x.bin"), "text").unwrap();
    refused(&at("x.bin"), &plain, &["x.bin", "accepted: a folder"]);
}

#[test]
fn the_sample_holds_the_swimmers_that_the_library_makes() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/pictures/swimmers.tar.gz");
    let (read, made) = (get(&sample).0, nmf_image::swimmer::swimmers(256, 0));
    assert_eq!((read.shape, read.names[255].as_str()), (made.shape, "swimmers/swimmer0255.png"));
    for (row, expected) in read.pixels.outer_iter().zip(made.pixels.outer_iter()) {
        close(row, &expected.to_vec());
    }
}

#[test]
fn faces_from_an_archive_and_an_array_are_the_same() {
    let Some(data) = std::env::var_os("NMF_DATA") else {
        eprintln!("NMF_DATA is not set: the faces are not read");
        return;
    };
    let folder = Path::new(&data).join("cbcl_faces");
    let (array, pgm) = (get(&folder.join("cbcl_faces.npz")).0, get(&folder.join("cbcl_faces_pgm.tar.gz")).0);
    assert_eq!((array.pixels.dim(), pgm.shape.text()), ((2429, 361), "19×19".to_string()));
    assert_eq!(array.pixels, pgm.pixels);
    assert_eq!((pgm.names[0].as_str(), array.names[2428].as_str()), ("face/face00001.pgm", "faces[2428]"));
    let olivetti = get(&Path::new(&data).join("olivetti_faces/olivetti_faces.npz")).0;
    assert_eq!((olivetti.pixels.dim(), olivetti.names[3].as_str()), ((400, 4096), "faces[3]"));
}
