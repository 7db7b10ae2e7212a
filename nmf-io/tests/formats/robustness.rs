//! No content of a file makes the reader panic or take much memory: valid files, cut at every length and
//! changed at every byte.

use super::*;
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

const FILES: [&str; 14] = [
    "f8_c.npy",
    "f4_big_fortran.npy",
    "f8_version2.npy",
    "u1.npy",
    "refused_record.npy",
    "one.npz",
    "one_compressed.npz",
    "csr.npz",
    "csr_stored.npz",
    "csr_unsorted_duplicates_zeros.npz",
    "coo.npz",
    "coordinate_real.mtx",
    "coordinate_symmetric.mtx",
    "array_symmetric.mtx",
];
const TEXTS: [(&str, &str); 3] = [
    ("a.csv", "id,\"a \"\"b\"\"\",c\r\nr,1,-2.5e3\n\ns,nan,\"4\"\n"),
    ("a.tsv", "\u{feff}a\tb\n1\t2\n3\t4\n"),
    ("a.mtx", "%%MatrixMarket matrix coordinate integer skew-symmetric\n% c\n3 3 2\n2 1 4\n3 1 5\n"),
];

fn originals() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = FILES.iter().map(|&f| (f.into(), std::fs::read(data(f)).unwrap())).collect();
    all.extend(TEXTS.iter().map(|&(n, t)| (n.into(), t.into())));
    for i in [11, 14] {
        use std::io::Write;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&all[i].1).unwrap();
        all.push((format!("{}.gz", all[i].0), gz.finish().unwrap()));
    }
    all
}

/// Reads the bytes as such a file: anything but a panic will do, and errors must name the file.
fn survives(folder: &Path, name: &str, content: &[u8], what: &str) {
    let path = folder.join(name);
    // Some file systems wait for the disk when a file is overwritten, not when it is new.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, content).unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| read(&path)));
    match outcome {
        Err(_) => panic!("{name}: {what}: {content:?}"),
        Ok(Err(e)) => assert!(e.path().starts_with(folder) && !e.is_output(), "{e}"),
        Ok(Ok(loaded)) => assert_eq!(values(&loaded).dim(), loaded.dim()),
    }
}

/// The most memory that this process has held so far, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn files_cut_anywhere_or_changed_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    for (name, whole) in originals() {
        for n in 0..whole.len() {
            survives(folder.path(), &name, &whole[..n], &format!("cut at {n}"));
        }
        for at in 0..whole.len() {
            // Archives are long, and a checksum guards most of their bytes.
            let few = if whole.len() > 300 { 3 } else { 7 };
            for byte in &[0xff, whole[at] ^ 1, b'9', 0, b'-', whole[at] ^ 0x80, whole[at].wrapping_add(1)][..few] {
                let mut changed = whole.clone();
                changed[at] = *byte;
                survives(folder.path(), &name, &changed, &format!("byte {at} is {byte}"));
            }
        }
    }
    if let Some(peak) = peak_kib() {
        assert!(peak < 512 << 10, "{peak} KiB were taken");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn files_changed_in_many_places(which in 0usize..64, edits in proptest::collection::vec(
        (any::<proptest::sample::Index>(), any::<u8>(), 0u8..3), 1..12)) {
        let all = originals();
        let (name, mut bytes) = all[which % all.len()].clone();
        for (at, byte, kind) in edits {
            let i = at.index(bytes.len().max(1));
            match kind {
                0 if i < bytes.len() => bytes[i] = byte,
                1 if i < bytes.len() => drop(bytes.remove(i)),
                _ => bytes.insert(i.min(bytes.len()), byte),
            }
        }
        let folder = tempfile::tempdir().unwrap();
        survives(folder.path(), &name, &bytes, "edited");
    }

    #[test]
    fn any_text(name in prop_oneof![Just("a.csv"), Just("a.tsv"), Just("a.mtx")], text in "[0-9a,\t;\"\n\r .%eEdD+-]{0,60}") {
        let folder = tempfile::tempdir().unwrap();
        survives(folder.path(), name, text.as_bytes(), "text");
        let body = format!("%%MatrixMarket matrix coordinate real general\n{text}");
        survives(folder.path(), name, body.as_bytes(), "entries");
    }

    #[test]
    fn any_bytes(magic in prop_oneof![Just(&b""[..]), Just(&b"\x93NUMPY\x01\0"[..]), Just(&b"PK\x03\x04"[..]), Just(&b"\x1f\x8b\x08"[..])],
        rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.npy", "a.npz", "a.csv", "a.mtx"] {
            survives(folder.path(), name, &[magic, &rest[..]].concat(), "bytes");
        }
    }
}
