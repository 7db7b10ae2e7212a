//! What the tests of the command line share.
#![allow(dead_code)] // each test file uses its part

use assert_cmd::Command;
use ndarray::Array2;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A folder of its own for a test, and the program run in it.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn matrix(&self, name: &str, a: &Array2<f64>) {
        nmf_io::write(&self.path(name), a).unwrap();
    }

    /// Runs with these words, on the CPU.
    pub(crate) fn run(&self, words: &str) -> Ran {
        self.with(&["--backend", "cpu"], words)
    }

    /// Runs with these words and the backend they name, if any.
    pub(crate) fn run_anywhere(&self, words: &str) -> Ran {
        self.with(&[], words)
    }

    fn with(&self, first: &[&str], words: &str) -> Ran {
        // no test leaves files in the user's folder for caches
        self.with_env(&[("NMF_CACHE_DIR", "")], first, words)
    }

    /// Runs with these variables of the environment.
    pub(crate) fn with_env(&self, variables: &[(&str, &str)], first: &[&str], words: &str) -> Ran {
        let mut command = Command::cargo_bin("nmf-cli").unwrap();
        command.envs(variables.iter().copied());
        let out = command.current_dir(self.dir.path()).args(first).args(words.split_whitespace()).output().unwrap();
        Ran::new(out)
    }

    /// Names of everything in the folder, sorted; hidden files too.
    pub(crate) fn list(&self) -> Vec<String> {
        list(self.dir.path())
    }
}

pub(crate) fn list(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(out: Output) -> Ran {
        Ran {
            code: out.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Ran {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// Ended with this code and an error that holds all these words; no panic, nothing on stdout.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Ran {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "\"{word}\" is not in: {}", self.stderr);
        }
        assert_eq!(self.stdout, "", "an error must leave stdout alone");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }
}

pub(crate) fn number(v: &Value, key: &str) -> f64 {
    v[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", v[key]))
}

pub(crate) fn dense(path: &Path) -> Array2<f64> {
    nmf_io::read_dense(path).unwrap()
}

/// Positive counts with structure: two groups of columns.
pub(crate) fn sample(m: usize, n: usize) -> Array2<f64> {
    Array2::from_shape_fn((m, n), |(i, j)| {
        let group = if (i % 2) == usize::from(j < n / 2) { 6 } else { 1 };
        (group + (3 * i + 5 * j) % 4) as f64
    })
}

pub(crate) fn csv(a: &Array2<f64>) -> String {
    let row = |r: ndarray::ArrayView1<'_, f64>| r.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(",");
    a.outer_iter().map(row).collect::<Vec<_>>().join("\n") + "\n"
}
