//! Bad usage and bad input: exit 2, one clear sentence that names the file and the place, nothing written.

mod common;

use common::{Place, csv, sample};

/// `factorize` on a file with this content must end with exit 2 and these words, and write nothing.
#[track_caller]
fn refused(name: &str, content: impl AsRef<[u8]>, words: &[&str]) {
    let place = Place::new();
    place.write(name, content);
    place.run(&format!("factorize {name} -k 1 -o out")).fails(2, &[&[name], words].concat());
    assert_eq!(place.list(), [name]);
}

#[test]
fn values_that_cannot_be_factored() {
    refused("x.csv", "1,2\n3,nan\n", &["NaN", "row 1, column 1"]);
    refused("x.csv", "1,2\ninf,4\n", &["inf", "row 1, column 0"]);
    refused("x.csv", "1,-2\n3,4\n", &["negative", "-2", "row 0, column 1"]);
    refused("x.csv", "0,0\n0,0\n", &["every entry", "zero"]);
}

#[test]
fn damaged_text() {
    refused("x.csv", "1,2\n3,4,5\n", &["line 2"]);
    refused("x.csv", "", &["empty"]);
    refused("x.csv", "1,2\n3,word\n", &["line 2", "word"]);
    refused("x.csv", [0xffu8, 0xfe, 0x00, 0x81, 0x0a], &["x.csv"]);
}

/// A `.npy` file of doubles.
fn npy(shape: &str, values: &[f64]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    values.iter().for_each(|v| out.extend(v.to_le_bytes()));
    out
}

#[test]
fn damaged_numpy_files() {
    let whole = npy("(2, 2)", &[1.0, 2.0, 3.0, 4.0]);
    refused("x.npy", &whole[..whole.len() - 5], &["truncated"]);
    refused("x.npy", &whole[..20], &["x.npy"]);
    refused("x.npy", npy("(0, 3)", &[]), &["empty", "0×3"]);
    refused("x.npy", npy("(3, 0)", &[]), &["empty", "3×0"]);
    refused("x.npy", npy("(2,)", &[1.0, 2.0]), &["dimension"]);
}

#[test]
fn an_npz_without_one_of_its_members() {
    let place = Place::new();
    let s = nmf_core::Sparse::<f64>::new((2, 2), vec![0, 1, 2], vec![0, 1], vec![1.0, 2.0]);
    nmf_io::write(&place.path("whole.npz"), &s).unwrap();
    let mut bytes = std::fs::read(place.path("whole.npz")).unwrap();
    place.run("factorize whole.npz -k 1 --init random").ok();
    // the member's name, both at its data and in the directory
    let name = b"indptr.npy";
    for at in 0..bytes.len() - name.len() {
        if &bytes[at..at + name.len()] == name {
            bytes[at..at + name.len()].copy_from_slice(b"indpty.npy");
        }
    }
    refused("x.npz", &bytes, &["indptr"]);
}

#[test]
fn damaged_matrix_market_files() {
    let with = |kind: &str, rest: &str| format!("%%MatrixMarket matrix coordinate {kind} general\n{rest}");
    refused("x.mtx", with("real", "2 2 2\n1 1 1.0\n3 1 1.0\n"), &["line 4", "3"]);
    refused("x.mtx", with("real", "2 2 3\n1 1 1.0\n2 2 1.0\n"), &["3", "2"]);
    refused("x.mtx", with("real", "2 2 1\n1 1 1.0\n2 2 1.0\n"), &["line 4"]);
    refused("x.mtx", with("complex", "1 1 1\n1 1 1.0 0.0\n"), &["complex"]);
    refused("x.mtx", with("real", "2 2 1\n1 1 -1.0\n"), &["-1"]);
}

#[test]
fn files_that_are_no_matrices() {
    let place = Place::new();
    place.run("factorize missing.csv -k 1").fails(2, &["missing.csv"]);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.run("factorize empty -k 1").fails(2, &["empty"]);
    refused("x.txt", "once upon a time", &["x.txt"]);
}

#[test]
fn ranks() {
    let place = Place::new();
    place.write("x.csv", csv(&sample(4, 3)));
    place.run("factorize x.csv -k 0 -o out").fails(2, &["k = 0"]);
    place.run("factorize x.csv -k -1").fails(2, &["-1"]);
    let ran = place.run("factorize x.csv -k 5 -o out --json").ok();
    assert!(ran.stderr.contains("warning: k = 5 exceeds min(m, n) = 3"), "{}", ran.stderr);
    assert_eq!(ran.json()["init"], "random");
    for init in ["nndsvd", "nndsvda", "nndsvdar"] {
        place.run(&format!("factorize x.csv -k 5 --init {init}")).fails(2, &["nndsvd", "min(m, n) = 3"]);
    }
}

#[test]
fn losses_that_are_infinite_at_zero() {
    let place = Place::new();
    place.write("x.csv", "1,0\n2,3\n");
    for loss in ["is", "itakura-saito", "beta:-0.5", "beta:0"] {
        place.run(&format!("factorize x.csv -k 1 --loss {loss}")).fails(2, &["x.csv", "1 of 4", "row 0, column 1"]);
    }
    let ran = place.run("factorize x.csv -k 1 --loss is --floor 0.5 --json").ok();
    assert_eq!(ran.json()["loss"], "is");
    place.run("factorize x.csv -k 1 --loss is --floor 0").fails(2, &["--floor 0"]);
    place.run("factorize x.csv -k 1 --loss is --stored-only").fails(2, &["--stored-only", "sparse"]);
}

#[test]
fn options_that_make_no_sense() {
    let place = Place::new();
    place.write("x.csv", csv(&sample(4, 3)));
    place.write("w.csv", csv(&sample(4, 2)));
    place.write("h.csv", csv(&sample(2, 3)));
    place.write("bad.csv", "1,-1\n1,1\n1,1\n1,1\n");
    for (options, words) in [
        ("--loss l2", vec!["l2"]),
        ("--w0 w.csv", vec!["--h0"]),
        ("--init custom", vec!["--w0", "--h0"]),
        ("--init random --w0 w.csv --h0 h.csv", vec!["--w0 and --h0"]),
        ("--w0 h.csv --h0 h.csv", vec!["h.csv", "2×3", "4×2"]),
        ("--w0 bad.csv --h0 h.csv", vec!["bad.csv", "-1", "row 0, column 1"]),
        ("--fix-w h.csv", vec!["h.csv", "3 components"]),
        ("--fix-h w.csv", vec!["w.csv"]),
        ("--alpha-w 1 --l1-w 1", vec!["--l1-w"]),
        ("--l1-w=-1", vec!["--l1-w"]),
        ("--l1-ratio 0.5", vec!["--l1-ratio"]),
        ("--tol=-1", vec!["tol"]),
        ("--time-limit=-1", vec!["--time-limit"]),
        ("--restarts 0", vec!["restarts"]),
        ("--threads 0", vec!["--threads"]),
        ("--precision f64 --backend gpu --gpu-off f64", vec!["--gpu-off f64", "--precision f64"]),
        ("--precision f64 --backend gpu --gpu-x f16", vec!["--gpu-x", "f64"]),
        ("--precision f64 --backend gpu --gpu-on cooperative", vec!["--gpu-on cooperative", "f64"]),
        ("--header --no-header", vec!["--no-header"]),
        ("--report r.pdf", vec!["--report", ".html"]),
    ] {
        let line = format!("factorize x.csv -k 2 -o out {options}");
        let ran = if options.contains("gpu") { place.run_anywhere(&line) } else { place.run(&line) };
        ran.fails(2, &words);
    }
    assert_eq!(place.list(), ["bad.csv", "h.csv", "w.csv", "x.csv"]);
    place.write("x.npy", npy("(2, 2)", &[1.0, 2.0, 3.0, 4.0]));
    place.run("factorize x.npy -k 1 --header").fails(2, &["x.npy"]);
    place.run("factorize x.csv").fails(2, &["--rank"]);
    place.run("").ok();
    place.run_anywhere("-v").fails(2, &["command"]);
    place.run("frobnicate").fails(2, &["frobnicate"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::new();
    place.write("x.csv", csv(&sample(4, 3)));
    place.run("factorize x.csv -k 2 -o x.csv").fails(1, &["x.csv", "cannot be written"]);
    place.run("factorize x.csv -k 2 -o x.csv/sub/dir").fails(1, &["cannot be written"]);
    place.run("factorize x.csv -k 2 -o model").ok();
    place.run("transform model x.csv -o missing/w.npy").fails(1, &["missing"]);
    place.run("transform model x.csv -o w.unknown").fails(2, &["w.unknown", ".npy"]);
    assert_eq!(place.list(), ["model", "x.csv"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let place = Place::new();
    place.write("x.csv", csv(&sample(4, 3)));
    place.run("factorize x.csv -k 2 -o model").ok();
    place.run("transform model x.csv -o /dev/full").fails(2, &["/dev/full"]);
    // a folder one of whose files is on a full device
    std::fs::create_dir(place.path("full")).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.path("full/H.npy")).unwrap();
    place.run("factorize x.csv -k 2 -o full").fails(1, &["H.npy", "cannot be written"]);
    assert_eq!(common::list(&place.path("full")), ["H.npy"]);
    std::os::unix::fs::symlink("/dev/full", place.path("w.npy")).unwrap();
    place.run("transform model x.csv -o w.npy").fails(1, &["w.npy", "cannot be written"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("nmf-cli"));
    command.current_dir(place.path("")).args(["factorize", "x.csv", "-k", "2", "--json", "--backend", "cpu"]);
    let out = command.stdout(full).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("standard output cannot be written"));
}
