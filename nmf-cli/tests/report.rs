//! Reports and plots: every page opens in a real browser without a network, a script or a message on the console, has what it should have,
//! and fits a desk and a phone, light and dark.
//!
//! Needs Chromium. The test on 20 Newsgroups needs the folder of the collections in the environment variable NMF_DATA.

mod browser;
mod common;

use browser::{Screen, measure, open};
use common::Place;
use std::path::{Path, PathBuf};

const PHONE: Screen = Screen { width: 360, dark: true };
const DESK: Screen = Screen { width: 1100, dark: false };

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name).canonicalize().unwrap()
}

/// Opens a report, checks what every report must be, and returns its text: `figures` are the names of pictures that must be there, `most` its size.
#[track_caller]
fn check(page: &Path, figures: &[&str], most: u64) -> String {
    assert!(std::fs::metadata(page).unwrap().len() <= most, "{} bytes", std::fs::metadata(page).unwrap().len());
    let seen = open(page, false);
    assert_eq!(seen.console, Vec::<String>::new());
    assert_eq!(seen.requests, Vec::<String>::new());
    for part in
        ["<h1>", "<main>", "lang=\"en\"", "id=\"command\"", "nmf-cli ", "class=\"tiles\"", "Content-Security-Policy"]
    {
        assert!(seen.dom.contains(part), "{part}");
    }
    for name in figures {
        assert!(seen.dom.contains(&format!("<figure id=\"{name}\"")), "no figure {name}");
    }
    for screen in [PHONE, DESK] {
        let found = measure(page, screen);
        let number = |key: &str| found[key].as_f64().unwrap();
        assert!(number("width") <= number("room"), "{screen:?}: wider than the screen: {found}");
        assert!(number("height") > 900.0 && number("pictures") >= figures.len() as f64, "{screen:?}: {found}");
        assert_eq!(found["scripts"], 0);
        let paper = if screen.dark { "rgb(13, 17, 23)" } else { "rgb(255, 255, 255)" };
        assert_eq!(found["paper"], paper, "{screen:?}");
        for key in ["twice", "cut", "small", "over"] {
            assert_eq!(found[key], serde_json::json!([]), "{screen:?}: {key}");
        }
    }
    seen.dom
}

/// Every picture of a folder is there as SVG and as PNG of twice its size.
#[track_caller]
fn check_plots(dir: &Path, names: &[&str]) {
    let files = common::list(dir);
    for name in names {
        assert!(files.contains(&format!("{name}.svg")), "{name}: {files:?}");
    }
    for svg in files.iter().filter(|f| f.ends_with(".svg")) {
        let text = std::fs::read_to_string(dir.join(svg)).unwrap();
        let size = text.split_once("viewBox=\"0 0 ").unwrap().1.split_once('"').unwrap().0;
        let (width, height) = size.split_once(' ').unwrap();
        let png = std::fs::File::open(dir.join(svg.replace(".svg", ".png"))).unwrap();
        let png = png::Decoder::new(std::io::BufReader::new(png)).read_info().unwrap();
        let (w, h): (f64, f64) = (width.parse().unwrap(), height.parse().unwrap());
        assert_eq!((f64::from(png.info().width), f64::from(png.info().height)), (2.0 * w, 2.0 * h), "{svg}");
    }
    assert_eq!(files.len(), 2 * files.iter().filter(|f| f.ends_with(".svg")).count(), "{files:?}");
}

#[test]
fn the_browser_sees_requests_and_messages_where_there_are_some() {
    let place = Place::new();
    place.write(
        "bad.html",
        "<!DOCTYPE html><img src=\"http://127.0.0.1:9/x.png\"><script>console.error('so it is')</script><p>text",
    );
    let seen = open(&place.path("bad.html"), false);
    assert!(seen.requests.iter().any(|r| r == "http://127.0.0.1:9/x.png"), "{:?}", seen.requests);
    assert!(seen.console.iter().any(|c| c.contains("so it is")), "{:?}", seen.console);
    assert!(seen.dom.contains("<p>text"));
}

#[test]
fn factorize_reports_curves_matrices_components_loss_and_settings() {
    let place = Place::new();
    let input = data("small/words.csv");
    let line = format!(
        "factorize {} -k 3 --init random --restarts 5 --max-iter 60 --cross-check --normalize h-sum --report r.html --plots p",
        input.display()
    );
    let ran = place.run(&line).ok();
    assert!(ran.stdout.contains("r.html") && ran.stdout.contains("pictures       p"), "{}", ran.stdout);
    let figures = [
        "objective-iterations",
        "objective-seconds",
        "x",
        "model",
        "residual",
        "component-01",
        "component-03",
        "weights",
        "loss",
    ];
    let dom = check(&place.path("r.html"), &figures, 300_000);
    check_plots(&place.path("p"), &figures);
    // a name of the table, the numbers of the result, the command
    for part in
        ["doc12", "KKT residual", "Cross-check", "relative error", "--restarts 5", "9 × 12", "words.csv: 3 components"]
    {
        assert!(dom.contains(part), "{part}");
    }
    // 9×12 cells, each with its value under the pointer
    let x = std::fs::read_to_string(place.path("p/x.svg")).unwrap();
    assert_eq!(x.matches("<title>pixel in row ").count(), 108);
    assert!(x.contains("<title>pixel in row 0, column 0: 3</title>"), "{x}");
}

#[test]
fn rank_reports_curves_consensus_models_and_the_recommendation() {
    let place = Place::new();
    place.matrix("x.npy", &common::sample(60, 24));
    let line = "rank x.npy --ranks 1..4 --restarts 4 --folds 3 --bootstrap 5 --report r.html --plots p";
    place.run(line).ok();
    let figures =
        ["heldout", "error", "stability", "consensus_k2", "consensus_k4", "x", "model_k1", "model_k4", "loss"];
    let dom = check(&place.path("r.html"), &figures, 400_000);
    check_plots(&place.path("p"), &figures);
    for part in ["Which rank? x.npy", "recommended k", "The components at k", "bootstrap", "--ranks 1..4"] {
        assert!(dom.contains(part), "{part}");
    }
}

#[test]
fn names_cannot_do_anything() {
    let place = Place::new();
    let evil = [
        "<script>alert(1)</script>",
        "<img src=http://127.0.0.1:9/a.png>",
        "</svg></style><b onclick=x>",
        "a&amp;b\u{202e}",
        "x' y",
        "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "アフリカアフリカアフリカアフリカアフリカアフリカ",
    ];
    let mut csv = format!("name,{}\n", evil.map(|e| format!("\"{e}\"")).join(","));
    for (i, e) in evil.iter().enumerate() {
        let row: Vec<String> = (0..evil.len()).map(|j| (1 + (3 * i + j * j) % 7).to_string()).collect();
        csv += &format!("\"{e}\",{}\n", row.join(","));
    }
    let name = "a'b <i>&x;.csv";
    place.write(name, csv);
    let mut command = assert_cmd::Command::cargo_bin("nmf-cli").unwrap();
    let words = ["--backend", "cpu", "factorize", name, "-k", "2", "--report", "r.html"];
    command.current_dir(place.path("")).args(words).assert().success();
    let dom = check(&place.path("r.html"), &["component-01"], 300_000);
    for part in ["&lt;script&gt;alert(1)&lt;/script&gt;", "a&amp;amp;b", r"'a'\''b &lt;i&gt;&amp;x;.csv'"] {
        assert!(dom.contains(part), "{part}");
    }
    for tag in ["<script", "<img", "<b ", "<i>"] {
        assert!(!dom.contains(tag), "{tag}");
    }
}

#[test]
fn unknown_entries_patterns_and_sparse_matrices_are_reported() {
    let place = Place::new();
    let x = common::sample(16, 20);
    let mask = ndarray::Array2::from_shape_fn((16, 20), |(i, j)| f64::from(u8::from((i + j) % 4 != 0)));
    let holes = ndarray::Zip::from(&x).and(&mask).map_collect(|x, m| if *m == 0.0 { f64::NAN } else { *x });
    place.matrix("x.npy", &x);
    place.matrix("holes.npy", &holes);
    place.matrix("mask.npy", &mask);
    nmf_io::write(&place.path("s.mtx"), &nmf_core::Sparse::csr_from_dense((&x * &mask).view(), 0.0)).unwrap();
    place.run("factorize holes.npy -k 3 --mask mask.npy --loss kl --report mask.html").ok();
    let dom = check(&place.path("mask.html"), &["x", "residual", "profiles"], 500_000);
    for part in ["What is unknown is left out", "row 0, column 0: unknown", "over the known entries"] {
        assert!(dom.contains(part), "{part}");
    }
    place.run("factorize s.mtx -k 3 --stored-only --report stored.html").ok();
    assert!(check(&place.path("stored.html"), &["x", "residual"], 500_000).contains("over the stored entries"));
    place.run("factorize x.npy -k 2 --shifts 4 --loss beta:0.5 --report shifts.html").ok();
    let dom = check(&place.path("shifts.html"), &["x", "model", "pattern-01", "profiles", "weights", "loss"], 500_000);
    assert!(dom.contains("pattern of 4 columns") && dom.contains("beta:0.5") && !dom.contains("id=\"component-01\""));
}

#[test]
fn topics_report_words_documents_and_curves() {
    let place = Place::new();
    let input = data("rust_rfcs/rust-rfcs.tar.gz");
    place.run(&format!("topics {} -k 12 --show #3 --report r.html --plots p", input.display())).ok();
    let figures =
        ["topic-01", "topic-12", "documents", "document", "objective-iterations", "x", "model", "residual", "loss"];
    let dom = check(&place.path("r.html"), &figures, 1_000_000);
    check_plots(&place.path("p"), &figures);
    for part in ["cargo", "coherence", "100 of 648 documents", "most about it", "11,471"] {
        assert!(dom.contains(part), "{part}");
    }
}

#[test]
fn separate_reports_players_scores_and_spectrograms() {
    let place = Place::new();
    let folder = data("sounds/piano_three_notes");
    let references =
        ["C4", "Ds4", "Fs4"].map(|n| folder.join(format!("note_{n}.flac")).display().to_string()).join(" ");
    let line = format!(
        "separate {} --sources 3 --runs 1 --max-iter 40 --reference {references} -o stems --report stems/r.html --plots p",
        folder.join("mixture.flac").display()
    );
    place.run(&line).ok();
    let figures = ["spectrograms", "bases", "activations", "objective-iterations", "loss"];
    let dom = check(&place.path("stems/r.html"), &figures, 8_000_000);
    check_plots(&place.path("p"), &figures);
    assert!(dom.contains("SDR dB") && dom.contains("source3"));
    let sounds = measure(&place.path("stems/r.html"), DESK)["sounds"].as_array().unwrap().clone();
    assert_eq!(sounds.len(), 4);
    assert!(sounds.iter().all(|s| (s.as_f64().unwrap() - 8.0).abs() < 0.1), "{sounds:?}");
    // the pictures beside the sources are those of the report
    let svg = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(svg("stems/bases.svg"), svg("p/bases.svg"));
}

#[test]
fn two_microphones_are_reported_without_an_output_folder() {
    let place = Place::new();
    let input = data("sounds/two_talkers/anechoic/mixture.flac");
    let ran = place.run(&format!("separate {} --method gmm --sources 2 --report r.html", input.display())).ok();
    assert!(ran.stdout.contains("the sources were not written"), "{}", ran.stdout);
    let figures = ["histogram", "log_likelihood", "delays", "mask_source1", "mask_source2", "spectrograms"];
    check(&place.path("r.html"), &figures, 8_000_000);
    assert_eq!(measure(&place.path("r.html"), PHONE)["sounds"].as_array().unwrap().len(), 3);
    assert_eq!(place.list(), ["r.html"]);
}

#[test]
fn compare_reports_every_backend() {
    let place = Place::new();
    let input = data("small/words.csv");
    place.run(&format!("compare {} -k 3 --init random --max-iter 40 --report r.html --plots p", input.display())).ok();
    let figures = ["objective-iterations", "objective-seconds", "difference", "loss"];
    let dom = check(&place.path("r.html"), &figures, 300_000);
    check_plots(&place.path("p"), &figures);
    for part in ["they agree", "f64", "f32", "objectives, at most"] {
        assert!(dom.contains(part), "{part}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_the_work() {
    let place = Place::new();
    place.matrix("x.npy", &common::sample(9, 7));
    place.write("file", "");
    for command in ["factorize x.npy -k 2", "compare x.npy -k 2", "topics nothing -k 2", "separate nothing.wav"] {
        place.run(&format!("{command} --report no/r.html")).fails(1, &["no/r.html", "does not exist"]);
        place.run(&format!("{command} --report r.pdf")).fails(2, &["r.pdf", ".html"]);
        place.run(&format!("{command} --plots file/p")).fails(1, &["file"]);
    }
    assert_eq!(place.list(), ["file", "x.npy"]);
    // the folder of the output will be there
    place.run("factorize x.npy -k 2 -o model --report model/r.html").ok();
    assert_eq!(common::list(&place.path("model")), ["H.npy", "W.npy", "fit.json", "r.html"]);
}

#[test]
fn newsgroups_make_a_page_of_less_than_five_megabytes() {
    let name = "20news/20news-bydate.tar.gz";
    let corpus = std::env::var_os("NMF_DATA").map(|d| PathBuf::from(d).join(name)).filter(|p| p.exists());
    let Some(corpus) = corpus else {
        println!("not run: NMF_DATA names no folder that holds {name}");
        return;
    };
    let place = Place::new();
    place.run(&format!("topics {} -k 20 --max-iter 20 --report r.html", corpus.display())).ok();
    let figures =
        ["topic-01", "topic-20", "documents", "objective-iterations", "objective-seconds", "x", "model", "residual"];
    let dom = check(&place.path("r.html"), &figures, 5_000_000);
    for part in ["100 of 18,846 documents", "sci.space", "agreement (NMI)"] {
        assert!(dom.contains(part), "{part}");
    }
}
