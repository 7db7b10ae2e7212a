//! `--checkpoint`, `--every`, `--resume`: killed at any moment, nothing is lost but the last interval.

mod common;

use common::{Place, csv, sample};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const KEPT: &str = "--checkpoint run.ckpt --every 0 --resume";

/// Starts in the folder and returns once iterating has begun.
fn started(place: &Place, words: &str) -> Child {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("nmf-cli"))
        .current_dir(place.path(""))
        .args(["--backend", "cpu", "-v"])
        .args(words.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("factoring") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended before it began");
    }
    // what comes later fits into the pipe
    child.stderr = Some(stderr.into_inner());
    child
}

/// What `fit.json` says, without how long it took and how much memory.
fn timeless(path: &Path) -> Value {
    let mut json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let map = json.as_object_mut().unwrap();
    for key in ["load_seconds", "prepare_seconds", "seconds", "peak_rss_mb"] {
        assert!(map.remove(key).is_some(), "{key}");
    }
    for point in map["objective_trace"].as_array_mut().unwrap() {
        point[1] = Value::Null;
    }
    json
}

#[track_caller]
fn assert_same(place: &Place, found: &str, expected: &str) {
    for name in ["W.npy", "H.npy"] {
        let bytes = |dir: &str| std::fs::read(place.path(dir).join(name)).unwrap();
        assert!(bytes(found) == bytes(expected), "{name} of {found} and {expected} differ");
    }
    assert_eq!(timeless(&place.path(found).join("fit.json")), timeless(&place.path(expected).join("fit.json")));
}

/// Iterations and restart of the checkpoint, as `--resume` reports them.
fn resumed_at(stderr: &str) -> (u64, u64) {
    let (_, rest) = stderr.split_once("resumed at iteration ").expect(stderr);
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn killed_twenty_times_it_ends_at_the_same_bits() {
    let place = Place::new();
    place.matrix("x.npy", &sample(40, 30));
    // far more iterations than twenty short lives can do
    let run = "factorize x.npy -k 3 --loss kl --solver mue --init random --restarts 2 --seed 4 --tol 0 --max-iter 12000 --trace-every 100";
    place.run(&format!("{run} -o whole")).ok();
    let mut state = 20u64;
    for kill in 0..20 {
        let mut child = started(&place, &format!("{run} {KEPT} -o m"));
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((state >> 33) % 40_000));
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed the {kill}th time");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!place.path("m").exists());
    }
    let ran = place.run(&format!("{run} --checkpoint run.ckpt --resume -o m")).ok();
    let (iteration, restart) = resumed_at(&ran.stderr);
    assert!(iteration > 0 && restart >= 1, "{}", ran.stderr);
    assert_same(&place, "m", "whole");
    assert_eq!(place.list(), ["m", "run.ckpt", "whole", "x.npy"], "what the killed ones were writing is left");
    // what is finished answers at once
    let again = place.run(&format!("{run} {KEPT} -o again")).ok();
    assert_eq!(resumed_at(&again.stderr), (12000, 2));
    assert_same(&place, "again", "whole");
}

/// Killed in every one of several restarts, by solvers that carry much along.
#[test]
fn killed_once_anywhere_it_ends_at_the_same_bits() {
    let place = Place::new();
    place.matrix("x.npy", &sample(40, 30));
    for (i, options) in
        ["--shuffle --precision f64", "--loss kl --solver newton --l1-h 0.1", "--loss is --shifts 3"].iter().enumerate()
    {
        let run = format!("factorize x.npy -k 3 --init random --restarts 3 --tol 0 --max-iter 60 {options}");
        place.run(&format!("{run} -o whole{i}")).ok();
        let ckpt = format!("--checkpoint {i}.ckpt");
        let mut child = started(&place, &format!("{run} {ckpt} --every 0"));
        // mostly within its life
        std::thread::sleep(Duration::from_millis(60 * i as u64));
        let _ = child.kill();
        child.wait().unwrap();
        place.run(&format!("{run} {ckpt} --resume --threads 1 -o m{i}")).ok();
        let (mut found, mut whole) = (format!("m{i}"), format!("whole{i}"));
        for dir in [&mut found, &mut whole] {
            // threads may differ
            let path = place.path(dir).join("fit.json");
            let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            json["threads"] = Value::Null;
            json["adapter"] = Value::Null;
            std::fs::write(path, json.to_string()).unwrap();
        }
        assert_same(&place, &found, &whole);
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on() {
    let place = Place::new();
    place.matrix("x.npy", &sample(60, 40));
    let run = "factorize x.npy -k 4 --init random --tol 0 --trace-every 20";
    // longer than the default interval never comes: only the interruption writes
    let child = started(&place, &format!("{run} --max-iter 1000000000 --checkpoint run.ckpt -o half"));
    std::thread::sleep(Duration::from_millis(100));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = common::Ran::new(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("saved in half; --resume goes on from run.ckpt"), "{}", ran.stderr);
    let iterations = timeless(&place.path("half/fit.json"))["iterations"].as_u64().unwrap();
    let more = iterations + 37;
    let ran = place.run(&format!("{run} --max-iter {more} --checkpoint run.ckpt --resume -o m")).ok();
    assert_eq!(resumed_at(&ran.stderr), (iterations, 1));
    place.run(&format!("{run} --max-iter {more} -o whole")).ok();
    assert_same(&place, "m", "whole");
    // fewer than have been done
    let ran = place.run(&format!("{run} --max-iter {} --checkpoint run.ckpt --resume", iterations / 2));
    ran.fails(2, &["run.ckpt", "iteration is", "at most max_iter ="]);
}

fn place() -> Place {
    let place = Place::new();
    place.write("x.csv", csv(&sample(12, 8)));
    place
}

#[test]
fn a_first_resume_begins_and_a_finished_run_can_be_prolonged() {
    let place = place();
    let run = "factorize x.csv -k 2 --tol 0 --checkpoint a.ckpt";
    let ran = place.run(&format!("{run} --max-iter 20 --resume -o m")).ok();
    assert!(ran.stderr.contains("a.ckpt: no checkpoint yet; begins from the start"), "{}", ran.stderr);
    let ran = place.run(&format!("{run} --max-iter 35 --resume --normalize w-sum -o longer")).ok();
    assert_eq!(resumed_at(&ran.stderr), (20, 1));
    place.run("factorize x.csv -k 2 --tol 0 --max-iter 35 --normalize w-sum -o whole").ok();
    assert_same(&place, "longer", "whole");
    let json = place.run(&format!("{run} --max-iter 35 --resume --cross-check --json -q")).ok();
    assert_eq!(json.json()["cross_check"]["agree"], true);
    assert!(!json.stderr.contains("resumed"), "-q: {}", json.stderr);
}

#[test]
fn what_cannot_be_resumed_is_refused_with_both_values() {
    let place = place();
    place.write("y.csv", csv(&sample(12, 8).mapv(|v| v + 1.0)));
    place.write("mask.csv", csv(&sample(12, 8).mapv(|v| f64::from(u8::from(v > 1.0)))));
    let run = "factorize x.csv -k 2 --init random --restarts 2 --max-iter 15 --tol 0 --checkpoint a.ckpt";
    place.run(run).ok();
    place.run(run).fails(2, &["a.ckpt", "--resume continues it; remove it or name another"]);
    for (words, said) in [
        ("--seed 7", "there seed is 0, here 7"),
        ("--solver mu", "there solver is ehals, here mu"),
        ("--loss kl", "there loss is fro, here kl"),
        ("--tol 0.001", "there tol is 0.0, here 0.001"),
        ("-k 3", "there rank is 2, here 3"),
        ("--restarts 3", "there restarts is 2, here 3"),
        ("--max-iter 20", "there max_iter is 15, by which start 1 of 2 ended, here 20"),
        ("--precision f64", "a matrix in another precision than f64"),
        ("--transpose", "there matrix is 12x8 with 96 stored entries, here 8x12"),
        ("--mask mask.csv --loss kl", "there observed entries is All, here Weighted"),
    ] {
        // the last of two equal options would be an error
        let name = words.split(' ').next().unwrap();
        let mut all: Vec<&str> = run.split(' ').collect();
        if let Some(at) = all.iter().position(|w| *w == name) {
            all.drain(at..at + 2);
        }
        let ran = place.run(&format!("{} {words} --resume", all.join(" ")));
        ran.fails(2, &["a.ckpt", said]);
    }
    let other = run.replace("x.csv", "y.csv");
    place.run(&format!("{other} --resume")).fails(2, &["a.ckpt", "hash of the entries"]);

    let whole = std::fs::read(place.path("a.ckpt")).unwrap();
    for n in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        place.write("a.ckpt", &whole[..n]);
        place.run(&format!("{run} --resume")).fails(2, &["a.ckpt", "not a complete zip archive"]);
    }
    let mut changed = whole.clone();
    let at = changed.len() / 3;
    changed[at] ^= 0x10;
    place.write("a.ckpt", changed);
    place.run(&format!("{run} --resume")).fails(2, &["a.ckpt"]);
    place.run(&run.replace("a.ckpt", "x.csv")).fails(2, &["x.csv", "remove it or name another"]);
    place.run(&format!("{} --resume", run.replace("a.ckpt", "x.csv"))).fails(2, &["x.csv", "zip archive"]);
}

#[test]
fn topics_are_kept_too() {
    let place = Place::new();
    let words = ["apple", "pear", "plum", "car", "wheel", "motor", "sea", "ship", "wave"];
    let lines: Vec<String> = (0..40)
        .map(|i| (0..12).map(|j| words[(3 * (i % 3) + (i * j + j) % 4) % 9]).collect::<Vec<_>>().join(" "))
        .collect();
    place.write("docs.csv", format!("text\n{}\n", lines.join("\n")));
    let run = "topics docs.csv -k 3 --tol 0 --max-df 1.0 --checkpoint t.ckpt";
    place.run(&format!("{run} --max-iter 30 -o m")).ok();
    let ran = place.run(&format!("{run} --max-iter 50 --resume -o longer")).ok();
    assert_eq!(resumed_at(&ran.stderr), (30, 1));
    place.run("topics docs.csv -k 3 --tol 0 --max-df 1.0 --max-iter 50 -o whole").ok();
    assert_same(&place, "longer", "whole");
    // other words make another matrix
    place.run(&format!("{run} --max-iter 50 --resume --max-features 7")).fails(2, &["t.ckpt", "there matrix is 40x9"]);
}

#[test]
fn options_without_their_meaning_are_refused() {
    let place = place();
    for (words, said) in [
        ("factorize x.csv -k 2 --resume", "--checkpoint"),
        ("factorize x.csv -k 2 --every 5", "--checkpoint"),
        ("factorize x.csv -k 2 --checkpoint a --every=-1", "--every -1 is not accepted"),
        ("factorize x.csv -k 2 --checkpoint a --every nan", "--every NaN is not accepted"),
        ("transform m x.csv -o w.npy --checkpoint a", "--checkpoint"),
        ("compare x.csv -k 2 --checkpoint a", "--checkpoint"),
    ] {
        place.run(words).fails(2, &[said]);
    }
    place.run("factorize x.csv -k 2 --checkpoint no/such/a.ckpt").fails(1, &["no/such/a.ckpt", "cannot be written"]);
    assert_eq!(place.list(), ["x.csv"]);
}
