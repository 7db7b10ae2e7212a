//! Snapshots come back as they were, or not at all.

use super::*;
use nmf_core::Snapshot;
use nmf_core::snapshot::Entry;
use nmf_io::SnapshotFile;
use std::fs;

fn snapshot<T: Element>() -> Snapshot<T> {
    let mut s = Snapshot::new();
    let edge = [T::TINY, -T::zero(), T::infinity(), T::of(0.1), T::min_positive_value(), T::max_value()];
    s.put_matrix("run.w", Array2::from_shape_vec((3, 2), edge.to_vec()).unwrap());
    // columns together in memory
    s.put_matrix("run.h", Array2::from_shape_fn((2, 4), |(i, j)| T::of((10 * i + j) as f64)).reversed_axes());
    s.put_numbers("numbers", [0.1 + 0.2, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE / 3.0, f64::MAX]);
    s.put_numbers("none", []);
    s.put_counts("counts", [0, u64::MAX, 1 << 53 | 1]);
    s.put("text", Entry::Text("llvmpipe (é, ü)".into()));
    s.put("empty", Entry::Text(String::new()));
    s
}

fn bits<T: Element>(s: &Snapshot<T>) -> Vec<(String, Vec<u64>)> {
    let of = |e: &Entry<T>| match e {
        Entry::Matrix(a) => a.iter().map(|v| v.f64().to_bits()).collect(),
        Entry::Numbers(v) => v.iter().map(|v| v.to_bits()).collect(),
        Entry::Counts(v) => v.clone(),
        Entry::Text(t) => t.bytes().map(u64::from).collect(),
    };
    s.entries().map(|(name, e)| (name.to_string(), of(e))).collect()
}

#[test]
fn snapshots_survive_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = SnapshotFile::new(folder.path().join("run.ckpt")).unwrap();
    assert!(!file.exists());
    file.write(&snapshot::<f32>()).unwrap();
    assert_eq!(file.read::<f32>().unwrap(), snapshot());
    assert_eq!(bits(&file.read::<f32>().unwrap()), bits(&snapshot::<f32>()));
    let e = file.read::<f64>().unwrap_err().to_string();
    assert!(e.contains("run.ckpt") && e.contains("another precision than f64"), "{e}");
    file.write(&snapshot::<f64>()).unwrap();
    assert_eq!(bits(&file.read::<f64>().unwrap()), bits(&snapshot::<f64>()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are left");
}

#[test]
fn a_snapshot_cut_or_changed_anywhere_is_refused_or_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = SnapshotFile::new(folder.path().join("a.ckpt")).unwrap();
    let mut small = Snapshot::<f32>::new();
    small.put_matrix("w", array![[1.0, 2.0], [3.0, 4.0]]);
    small.put_counts("iteration", [7]);
    small.put("seed", Entry::Text("17".into()));
    file.write(&small).unwrap();
    let whole = fs::read(file.path()).unwrap();
    let read = |content: &[u8]| {
        // a new file: some file systems wait for the disk when one is overwritten
        fs::remove_file(file.path()).unwrap();
        fs::write(file.path(), content).unwrap();
        file.read::<f32>()
    };
    for n in 0..whole.len() {
        let e = read(&whole[..n]).expect_err("a cut file").to_string();
        assert!(e.contains("a.ckpt"), "{e}");
    }
    for at in 0..whole.len() {
        for byte in [whole[at] ^ 1, whole[at] ^ 0x80, b'9'] {
            let mut changed = whole.clone();
            changed[at] = byte;
            if let Ok(found) = read(&changed) {
                // a name is no content: what it is for is missed under it
                let same = bits(&found) == bits(&small);
                assert!(same || found.entries().any(|(name, _)| bits(&small).iter().all(|b| b.0 != name)), "{at}");
            }
        }
    }
}

#[test]
fn other_files_are_no_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let refused = |words: &str| {
        let e = SnapshotFile::new(&path).unwrap().read::<f64>().unwrap_err();
        assert!(!e.is_output() && e.to_string().contains(words), "{e}");
    };
    refused("No such file");
    nmf_io::write(&path, &x()).unwrap();
    refused("not a checkpoint");
    fs::write(&path, "{}").unwrap();
    refused("not a complete zip archive");
    assert!(SnapshotFile::new(folder.path()).unwrap_err().is_output());
    assert!(SnapshotFile::new(folder.path().join("no/such/a.ckpt")).unwrap_err().is_output());
    assert!(SnapshotFile::new("").unwrap_err().is_output());
}

/// What a killed process was writing goes away the next time; what another one is writing stays.
#[test]
fn leftovers_of_killed_processes_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let name = |n: &str| folder.path().join(n);
    let file = SnapshotFile::new(name("run.ckpt")).unwrap();
    file.write(&snapshot::<f32>()).unwrap();
    for left in
        [".run.ckpt.123-0.partial", ".run.ckpt.77-12.partial", ".other.ckpt.1-2.partial", ".run.ckpt.notes.partial"]
    {
        fs::write(name(left), "half").unwrap();
    }
    let busy = fs::File::create(name(".run.ckpt.5-5.partial")).unwrap();
    busy.try_lock().unwrap();
    let again = SnapshotFile::new(name("run.ckpt")).unwrap();
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".other.ckpt.1-2.partial", ".run.ckpt.5-5.partial", ".run.ckpt.notes.partial", "run.ckpt"]);
    assert_eq!(again.read::<f32>().unwrap(), snapshot());
}

#[cfg(unix)]
#[test]
fn a_write_that_fails_leaves_the_old_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.ckpt");
    if !Path::new("/dev/full").exists() {
        println!("skipped for lack of /dev/full");
        return;
    }
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let file = SnapshotFile::new(&path).unwrap();
    let e = file.write(&snapshot::<f64>()).unwrap_err();
    assert!(e.is_output() && e.to_string().contains("No space left"), "{e}");
}
