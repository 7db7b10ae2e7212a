//! Ctrl-C: stops after the current iteration, saves what there is, exits 130.
#![cfg(unix)]

mod common;

use common::{Place, Ran, dense, list, sample};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// A run that would take for ever, once it has begun to iterate.
fn started(place: &Place, options: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
    place.matrix("x.npy", &sample(200, 100));
    let words = ["factorize", "x.npy", "-k", "5", "--tol", "0", "--max-iter", "1000000000", "--trace-every", "0", "-v"];
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("nmf-cli"))
        .current_dir(place.path(""))
        .args(["--backend", "cpu", "--json"])
        .args(words)
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("factoring") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before it began");
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    (child, stderr)
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

fn end(child: Child, mut stderr: BufReader<std::process::ChildStderr>) -> Ran {
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let mut ran = Ran::new(child.wait_with_output().unwrap());
    ran.stderr = said;
    ran
}

#[test]
fn an_interrupted_run_saves_what_there_is() {
    let place = Place::new();
    let (child, stderr) = started(&place, &["-o", "m"]);
    interrupt(&child);
    let ran = end(child, stderr);
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("interrupted: stopped after iteration") && ran.stderr.contains("saved in m"),
        "{}",
        ran.stderr
    );
    assert_eq!(list(&place.path("m")), ["H.npy", "W.npy", "fit.json"]);
    let json = ran.json();
    assert_eq!(json["stopped"], "interrupted");
    let v = dense(&place.path("m/W.npy")).dot(&dense(&place.path("m/H.npy")));
    let error = (&sample(200, 100) - &v).mapv(|d| d * d).sum();
    assert!((error - common::number(&json, "squared_error")).abs() < 1e-6 * error);
}

#[test]
fn without_a_folder_it_says_that_nothing_was_saved() {
    let place = Place::new();
    let (child, stderr) = started(&place, &[]);
    interrupt(&child);
    let ran = end(child, stderr);
    assert_eq!(ran.code, 130);
    assert!(ran.stderr.contains("nothing was saved"), "{}", ran.stderr);
    assert_eq!(place.list(), ["x.npy"]);
}
