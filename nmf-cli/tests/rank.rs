//! `rank`: what it finds, hands out and keeps, and that a survey that was killed ends as if it had not been.
//!
//! The tests on real data need the folder that holds them in the environment variable NMF_DATA.

mod common;

use common::{Place, csv, dense, list, number};
use ndarray::Array2;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Three groups of columns, each with rows of its own, and some unevenness: rank 3.
fn groups(m: usize, n: usize) -> Array2<f64> {
    Array2::from_shape_fn((m, n), |(i, j)| {
        let own = i % 3 == j * 3 / n;
        let (a, b) = ((i * 7919 + j * 104_729) % 997, (i * 31 + j * 17) % 11);
        if own { 4.0 + b as f64 + a as f64 / 500.0 } else { a as f64 / 2000.0 }
    })
}

fn at(json: &Value, k: u64) -> &Value {
    json["ranks"].as_array().unwrap().iter().find(|s| s["k"] == k).unwrap()
}

/// Everything in a folder but the folders in it, and rank.json without its seconds.
fn results(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = list(dir).into_iter().filter(|name| dir.join(name).is_file());
    files
        .map(|name| {
            let bytes = std::fs::read(dir.join(&name)).unwrap();
            if name != "rank.json" {
                return (name, bytes);
            }
            let mut json: Value = serde_json::from_slice(&bytes).unwrap();
            for timing in ["seconds", "load_seconds", "peak_rss_mb", "threads"] {
                json.as_object_mut().unwrap().remove(timing);
            }
            (name, json.to_string().into_bytes())
        })
        .collect()
}

#[test]
fn a_planted_rank_is_recommended_with_everything_that_was_promised() {
    let place = Place::new();
    place.matrix("x.npy", &groups(60, 30));
    let json = place.run("rank x.npy --ranks 1..5 --restarts 4 --folds 3 -o out --json --report out.html").ok().json();
    assert_eq!(json["recommended"], 3, "{}", json["reason"]);
    let interval: Vec<u64> = json["interval"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
    assert!(interval[0] <= 3 && 3 <= interval[1]);
    assert!(json["reason"].as_str().unwrap().contains("held-out"));
    assert_eq!(json["ranks"].as_array().unwrap().len(), 5);
    let three = at(&json, 3);
    for key in
        ["error", "heldout", "cophenetic", "dispersion", "silhouette", "heldout_standard_error", "explained_variance"]
    {
        assert!(three[key].is_number(), "{key}: {three}");
    }
    assert_eq!(three["errors"].as_array().unwrap().len(), 4);
    assert_eq!(three["heldout_folds"].as_array().unwrap().len(), 3);
    assert!(at(&json, 1)["cophenetic"].is_null() && number(three, "cophenetic") > 0.99);
    assert!(number(at(&json, 2), "heldout") > number(three, "heldout"));
    assert_eq!(json["clustered"], "cols");

    let out = place.path("out");
    let expected = [
        "H.npy",
        "W.npy",
        "clusters.tsv",
        "consensus_k2.npy",
        "consensus_k2.svg",
        "consensus_k3.npy",
        "consensus_k3.svg",
        "consensus_k4.npy",
        "consensus_k4.svg",
        "consensus_k5.npy",
        "consensus_k5.svg",
        "error.svg",
        "heldout.svg",
        "rank.json",
        "rank.tsv",
        "stability.svg",
        "survey",
    ];
    assert_eq!(list(&out), expected);
    // the factors are those of the best start at the recommended rank: the error that was told
    let (w, h) = (dense(&out.join("W.npy")), dense(&out.join("H.npy")));
    assert_eq!((w.dim(), h.dim()), ((60, 3), (3, 30)));
    let error = (groups(60, 30) - w.dot(&h)).mapv(|d| d * d).sum();
    assert!((error - number(three, "squared_error")).abs() < 1e-6 * error);
    assert!((0.5 * error - number(three, "error")).abs() < 1e-6 * error);
    let consensus = dense(&out.join("consensus_k3.npy"));
    assert_eq!(consensus.dim(), (30, 30));
    assert!(consensus.indexed_iter().all(|((i, j), c)| *c == f64::from(u8::from(i / 10 == j / 10))), "{consensus}");
    let tsv = std::fs::read_to_string(out.join("rank.tsv")).unwrap();
    assert_eq!(tsv.lines().count(), 6);
    assert!(tsv.starts_with("k\terror\theldout\t"));
    let clusters = std::fs::read_to_string(out.join("clusters.tsv")).unwrap();
    assert_eq!(clusters.lines().count(), 31);
    assert!(clusters.starts_with("column\tk2\tk3\tk4\tk5\n"));
    let page = std::fs::read_to_string(place.path("out.html")).unwrap();
    for word in ["held-out", "Consensus at k = 3", "recommended k", "nmf-cli"] {
        assert!(page.contains(word), "{word}");
    }
    // the same start gives the same error elsewhere
    let seed = three["best_seed"].as_u64().unwrap();
    let again = place.run(&format!("factorize x.npy -k 3 --init random --seed {seed} --json")).ok().json();
    assert!((number(&again, "divergence") - number(three, "error")).abs() < 1e-9 * number(three, "error"));
}

#[test]
fn names_bootstrap_and_words_for_people() {
    let place = Place::new();
    let x = groups(40, 12);
    let names: Vec<String> = (0..12).map(|j| format!("gene <{j}>")).collect();
    place.write("x.csv", format!("{}\n{}", names.join(","), csv(&x)));
    let ran = place.run("rank x.csv --ranks 2,3 --restarts 3 --folds 0 --bootstrap 12 -o out --report r.html").ok();
    for word in ["recommended", "k = 3", "nothing was held out", "bootstrap", "factorize x.csv -k 3"] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let clusters = std::fs::read_to_string(place.path("out/clusters.tsv")).unwrap();
    assert!(clusters.contains("gene <11>\t"), "{clusters}");
    let page = std::fs::read_to_string(place.path("r.html")).unwrap();
    assert!(page.contains("gene &lt;") && !page.contains("gene <"));
    let of = |name: &str| dense(&place.path(&format!("out/{name}")));
    let (low, mean, high, deviation) = (of("H_low.npy"), of("H_mean.npy"), of("H_high.npy"), of("H_deviation.npy"));
    assert_eq!(mean.dim(), (3, 12));
    for (at, m) in mean.indexed_iter() {
        assert!(low[at] <= high[at] && deviation[at] >= 0.0 && deviation[at] <= 0.5 * m + 0.5, "{at:?}");
    }
    let h = of("H.npy");
    let cosine = (&h * &mean).sum() / ((&h * &h).sum() * (&mean * &mean).sum()).sqrt();
    assert!(cosine > 0.99, "{cosine}");
    let json = place.run("rank x.csv --ranks 3..3 --restarts 1 --folds 2 --holdout 0.2 --json").ok().json();
    assert_eq!((json["recommended"].as_u64(), json["holdout"].as_f64()), (Some(3), Some(0.2)));
    assert!(json["bootstrap"].is_null() && at(&json, 3)["cophenetic"].is_null());
}

fn command(place: &Place, words: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("nmf-cli"));
    command.current_dir(place.path("")).args(["--backend", "cpu", "-q"]).args(words.split_whitespace());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn a_survey_killed_twenty_times_ends_with_the_same_bytes() {
    let place = Place::new();
    place.matrix("x.npy", &groups(150, 90));
    let survey = "rank x.npy --ranks 2..6 --restarts 6 --folds 3 --loss kl --max-iter 120 -o";
    let clock = Instant::now();
    assert!(command(&place, &format!("{survey} whole")).status().unwrap().success());
    // a survey alone takes this long; it is killed some twenty times on the way
    let most = clock.elapsed().as_secs_f64() / 8.0;
    let (mut random, mut kills) = (17u64, 0);
    let out = place.path("killed");
    while kills < 20 {
        let mut child = command(&place, &format!("{survey} killed")).spawn().unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wait = most * (random >> 40) as f64 / f64::from(1 << 24);
        std::thread::sleep(Duration::from_secs_f64(wait));
        if child.try_wait().unwrap().is_some_and(|s| s.success()) {
            // done before it could be killed: from the start again
            std::fs::remove_dir_all(&out).unwrap();
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(command(&place, &format!("{survey} killed")).status().unwrap().success());
    assert_eq!(results(&out), results(&place.path("whole")));
    assert!(list(&out.join("survey")).iter().all(|name| !name.ends_with(".partial") && !name.starts_with("run_")));
    // what is complete is not done again, and more ranks add to it
    let kept = std::fs::metadata(out.join("survey/k2.npz")).unwrap().modified().unwrap();
    assert!(command(&place, &format!("{survey} killed")).status().unwrap().success());
    assert_eq!(std::fs::metadata(out.join("survey/k2.npz")).unwrap().modified().unwrap(), kept);
    let longer = survey.replace("2..6", "2..7");
    assert!(command(&place, &format!("{longer} killed")).status().unwrap().success());
    assert!(command(&place, &format!("{longer} whole7")).status().unwrap().success());
    assert_eq!(results(&out), results(&place.path("whole7")));
}

#[test]
fn runs_of_another_survey_are_refused_by_name() {
    let place = Place::new();
    place.matrix("x.npy", &groups(20, 12));
    place.matrix("y.npy", &(groups(20, 12) + 1.0));
    let survey = |rest: &str| place.run(&format!("rank {rest} -o out"));
    survey("x.npy --ranks 2..3 --restarts 2 --folds 2").ok();
    for (rest, words) in [
        ("y.npy --ranks 2..3 --restarts 2 --folds 2", ["the matrix or its weights", "--fresh"]),
        ("x.npy --ranks 2..3 --restarts 3 --folds 2", ["--restarts is 3, there it was 2", "--fresh"]),
        ("x.npy --ranks 3..4 --restarts 2 --folds 2", ["--ranks is [3,4], there it was [2,3]", "another -o"]),
        ("x.npy --ranks 2..3 --restarts 2 --folds 2 --loss kl", ["--loss is \"kl\"", "survey"]),
        ("x.npy --ranks 2..3 --restarts 2 --folds 2 --precision f32", ["--precision", "f64"]),
    ] {
        survey(rest).fails(2, &words);
    }
    survey("x.npy --ranks 3..4 --restarts 2 --folds 2 --fresh").ok();
    assert_eq!(
        list(&place.path("out/survey")),
        ["fold_0.npz", "fold_1.npz", "k3.npz", "k4.npz", "lock", "settings.json"]
    );
    // a damaged archive is named, not trusted
    let kept = place.path("out/survey/k3.npz");
    let bytes = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, &bytes[..bytes.len() / 2]).unwrap();
    survey("x.npy --ranks 3..4 --restarts 2 --folds 2").fails(2, &["k3.npz", "--fresh"]);
    let mut flipped = bytes.clone();
    let middle = bytes.len() / 2;
    flipped[middle] ^= 0x40;
    std::fs::write(&kept, &flipped).unwrap();
    survey("x.npy --ranks 3..4 --restarts 2 --folds 2").fails(2, &["k3.npz"]);
    std::fs::write(place.path("out/survey/settings.json"), "{").unwrap();
    survey("x.npy --ranks 3..4 --restarts 2 --folds 2").fails(2, &["settings.json", "--fresh"]);
    std::fs::remove_file(place.path("out/survey/settings.json")).unwrap();
    survey("x.npy --ranks 3..4 --restarts 2 --folds 2").fails(2, &["settings.json", "--fresh"]);
    survey("x.npy --ranks 3..4 --restarts 2 --folds 2 --fresh").ok();
    survey("x.npy --ranks 3..4 --restarts 2 --folds 2").ok();
}

#[test]
fn lists_of_ranks_may_grow_and_shrink_at_their_end_only() {
    let place = Place::new();
    place.matrix("x.npy", &groups(24, 18));
    // numbers of many digits among the settings: read back, they are the same
    let survey = |ranks: &str| {
        place.run(&format!(
            "rank x.npy --ranks {ranks} --restarts 2 --folds 11 --tol 0.00012345678901234567 -o out --json"
        ))
    };
    let long = survey("1..5").ok().json();
    let short = survey("1..3").ok().json();
    assert_eq!(short["ranks"].as_array().unwrap()[..], long["ranks"].as_array().unwrap()[..3]);
    // what an older survey wrote for ranks that are not asked for any more is gone
    assert!(!place.path("out/consensus_k4.npy").exists() && place.path("out/consensus_k3.svg").exists());
    survey("1,2,3,5,6").fails(2, &["--ranks is [1,2,3,5,6], there it was [1,2,3,4,5]"]);
    let again = survey("1..5").ok().json();
    assert_eq!(again["ranks"], long["ranks"]);
}

#[test]
fn the_next_command_repeats_the_best_run() {
    let place = Place::new();
    let x = groups(30, 20);
    place.write("x y.csv", csv(&x));
    let ran = {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("nmf-cli"));
        let words = ["--backend", "cpu", "-q", "rank", "x y.csv", "--ranks", "2..4", "--restarts", "5", "--transpose"];
        command.current_dir(place.path("")).args(words).args(["--l1-w", "0.5", "--loss", "kl", "-o", "out"]);
        common::Ran::new(command.output().unwrap()).ok()
    };
    let next = ran.stdout.lines().find_map(|l| l.strip_prefix("next").map(str::trim)).unwrap();
    assert!(next.starts_with("nmf-cli factorize 'x y.csv' -k ") && next.ends_with(" -o model"), "{next}");
    let program = assert_cmd::cargo::cargo_bin("nmf-cli");
    let line = next.replacen("nmf-cli", &format!("'{}' --backend cpu -q", program.display()), 1);
    assert!(
        Command::new("sh")
            .arg("-c")
            .arg(&line)
            .current_dir(place.path(""))
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(dense(&place.path("model/H.npy")), dense(&place.path("out/H.npy")));
    assert_eq!(dense(&place.path("model/W.npy")), dense(&place.path("out/W.npy")));
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let place = Place::new();
    place.matrix("x.npy", &groups(20, 12));
    for (words, said) in [
        ("--ranks 5..2", "from the smaller"),
        ("--ranks 0..3", "no rank"),
        ("--ranks 2..3 --restarts 0", "--restarts 0"),
        ("--ranks 2..3 --folds 1", "--folds 1"),
        ("--ranks 2..3 --folds 0 --holdout 0.1", "--folds 0"),
        ("--ranks 2..3 --folds 4 --holdout 0.3", "at most 0.2500"),
        ("--ranks 2..3 --bootstrap 1", "--bootstrap 1"),
        ("--ranks 2..3 --loss is --floor 0", "--floor"),
        ("--ranks 2..3 --solver newton", "kl"),
        ("--ranks 2..3 --sparseness-w 0.5", "folds"),
        ("--ranks 2..3 --report r.txt", ".html"),
    ] {
        place.run(&format!("rank x.npy {words} -o out")).fails(2, &[said]);
    }
    assert_eq!(place.list(), ["x.npy"]);
    place.run("rank x.npy --ranks 2..3 --fresh").fails(2, &["--output"]);
    place.write("tiny.csv", "1,2\n3,4\n");
    place.run("rank tiny.csv --ranks 1..2 -o out").fails(2, &["too few known entries"]);
    place.write("bad.csv", "1,2\n3,-4\n");
    place.run("rank bad.csv --ranks 1..2 -o out").fails(2, &["bad.csv", "negative"]);
}

fn real_data(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("NMF_DATA").map(|d| PathBuf::from(d).join(name)).filter(|p| p.exists());
    if found.is_none() {
        println!("not run: NMF_DATA names no folder that holds {name}");
    }
    found
}

/// J.-P. Brunet et al., PNAS 101(12), 2004: at k = 2 the consensus of the leukaemia samples is ALL against AML, at k = 3 ALL falls into B and T cells.
#[test]
fn leukaemia_samples_fall_into_their_types() {
    let Some(data) = real_data("golub_all_aml") else { return };
    let place = Place::new();
    let input = data.join("all_aml.tsv.gz");
    let json =
        place.run(&format!("rank {} --ranks 2..5 --restarts 10 --folds 3 -o out --json", input.display())).ok().json();
    assert_eq!((json["clustered"].as_str(), json["rows"].as_u64()), (Some("cols"), Some(5000)));
    let clusters = std::fs::read_to_string(place.path("out/clusters.tsv")).unwrap();
    let samples: Vec<Vec<&str>> = clusters.lines().skip(1).map(|l| l.split('\t').collect()).collect();
    assert_eq!(samples.len(), 38);
    // items in a cluster that are not of its majority
    let misplaced = |column: usize, kind: &dyn Fn(&str) -> char| {
        let mut counts = std::collections::BTreeMap::new();
        samples.iter().for_each(|s| *counts.entry((s[column], kind(s[0]))).or_insert(0usize) += 1);
        let largest = |c: &str| counts.iter().filter(|((k, _), _)| *k == c).map(|(_, n)| *n).max().unwrap_or(0);
        38 - ["1", "2", "3"].iter().map(|c| largest(c)).sum::<usize>()
    };
    let leukaemia = |name: &str| name.as_bytes()[1] as char;
    assert!(misplaced(1, &leukaemia) <= 3, "{clusters}");
    let cell = |name: &str| {
        if name.contains("_T-cell") {
            'T'
        } else if name.starts_with("ALL") {
            'B'
        } else {
            'M'
        }
    };
    assert!(misplaced(2, &cell) <= 3, "{clusters}");
    let cophenetic = |k| number(at(&json, k), "cophenetic");
    assert!(cophenetic(2) > 0.99 && cophenetic(3) > 0.99);
    assert!(cophenetic(2).max(cophenetic(3)) >= cophenetic(4).max(cophenetic(5)));
}
