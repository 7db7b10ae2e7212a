//! `topics`: planted topics are found again, in every form of a corpus, and new documents are read by the model.
//!
//! The tests on the real collections need the folder that holds them in the environment variable NMF_DATA.

mod common;

use common::{Place, dense, list, number};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

const TOPICS: [(&str, [&str; 6]); 3] = [
    ("cooking", ["onion", "butter", "oven", "flour", "recipe", "garlic"]),
    ("sailing", ["harbour", "mast", "rudder", "anchor", "sail", "keel"]),
    ("chess", ["bishop", "rook", "pawn", "gambit", "castle", "queen"]),
];

/// Document `i` of a topic: its six words in turn, some of them more often, and words of every topic.
fn document(topic: usize, i: usize) -> String {
    let words = TOPICS[topic].1;
    let mut out = String::from("the Today we");
    for j in 0..12 {
        out += &format!(" {}", words[(i + j * (1 + i % 2)) % 6]);
    }
    out + if i.is_multiple_of(3) { " report weather." } else { " report." }
}

/// Twelve documents of each topic, in folders.
fn corpus(place: &Place, name: &str) {
    for (t, (label, _)) in TOPICS.iter().enumerate() {
        std::fs::create_dir_all(place.path(&format!("{name}/{label}"))).unwrap();
        for i in 0..12 {
            place.write(&format!("{name}/{label}/{i:02}.txt"), document(t, i));
        }
    }
}

/// The labels of the three planted topics among `topics`, in their order; fails unless each has just its words.
fn planted(json: &Value) -> Vec<usize> {
    let topics = json["topics"].as_array().unwrap();
    let found = topics.iter().map(|t| {
        let words: Vec<&str> = t["words"].as_array().unwrap().iter().take(6).map(|w| w.as_str().unwrap()).collect();
        let same = |own: &[&str; 6]| own.iter().all(|w| words.contains(w));
        TOPICS.iter().position(|(_, own)| same(own)).unwrap_or_else(|| panic!("mixed topic: {words:?}"))
    });
    let found: Vec<usize> = found.collect();
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2]);
    found
}

#[test]
fn planted_topics_are_found_and_agree_with_the_labels() {
    let place = Place::new();
    corpus(&place, "c");
    for (options, loss) in [
        ("", "kl"),
        ("--weighting counts", "kl"),
        ("--tfidf", "fro"),
        ("--loss fro", "fro"),
        ("--tfidf --loss kl", "kl"),
    ] {
        let json = place.run(&format!("topics c -k 3 {options} --json")).ok().json();
        planted(&json);
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).take(8).collect();
        let expected = ["documents", "vocabulary", "nnz", "topics", "single_topic_share", "nmi", "ari", "purity"];
        assert_eq!(keys, expected);
        assert_eq!(
            (json["loss"].as_str(), json["documents"].as_u64(), json["cols"].as_u64()),
            (Some(loss), Some(36), Some(19)),
            "{options}"
        );
        for key in ["nmi", "ari", "purity", "single_topic_share"] {
            assert_eq!(number(&json, key), 1.0, "{options}: {key}");
        }
        for t in json["topics"].as_array().unwrap() {
            // words of weight 0 are no words of a topic
            let (words, weights) = (t["words"].as_array().unwrap(), t["weights"].as_array().unwrap());
            assert!((6..=10).contains(&words.len()) && words.len() == weights.len(), "{t}");
            assert_eq!(t["documents"], 12);
            assert!(number(t, "coherence") > 0.0);
        }
    }
    let text = place.run("topics c -k 3 --top 6 --show cooking/03.txt").ok().stdout;
    for part in ["36 documents", "(kl on log-idf)", "coherence", "onion", "gambit", "cooking/03.txt", "-o DIR"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_form_of_a_corpus_gives_the_same_counts() {
    let place = Place::new();
    corpus(&place, "c");
    let (mut tsv, mut csv, mut json) = (String::new(), String::from("category,text\n"), String::new());
    for (t, (label, _)) in TOPICS.iter().enumerate() {
        for i in 0..12 {
            let text = document(t, i);
            tsv += &format!("{label}\t{text}\n");
            csv += &format!("{label},\"{text}\"\n");
            json += &format!("{{\"label\":\"{label}\",\"text\":\"{text}\"}}\n");
        }
    }
    place.write("c.tsv", tsv);
    place.write("c.csv", csv);
    place.write("c.jsonl", json);
    let expected = place.run("topics c -k 3 --json").ok().json();
    for (input, labels) in
        [("c.tsv --label-column 1", true), ("c.csv", true), ("c.jsonl", true), ("c.tsv --format tsv", false)]
    {
        let json = place.run(&format!("topics {input} -k 3 --json")).ok().json();
        planted(&json);
        assert_eq!((&json["nnz"], &json["vocabulary"]), (&expected["nnz"], &expected["vocabulary"]), "{input}");
        assert_eq!(json["nmi"].as_f64(), labels.then_some(1.0), "{input}");
    }
}

#[test]
fn the_folder_is_a_model_with_tables_and_a_picture() {
    let place = Place::new();
    corpus(&place, "c");
    let json = place.run("topics c -k 3 -o m --json").ok().json();
    let expected = [
        "H.npy",
        "W.npy",
        "cols.txt",
        "documents.tsv",
        "fit.json",
        "rows.txt",
        "similarity.tsv",
        "text.json",
        "top_documents.tsv",
        "topics.json",
        "topics.tsv",
        "vocabulary.txt",
        "weights.svg",
    ];
    assert_eq!(list(&place.path("m")), expected);
    assert_eq!((dense(&place.path("m/W.npy")).dim(), dense(&place.path("m/H.npy")).dim()), ((36, 3), (3, 19)));
    let read = |name: &str| std::fs::read_to_string(place.path(&format!("m/{name}"))).unwrap();
    let vocabulary = read("vocabulary.txt");
    assert!(vocabulary.lines().is_sorted() && vocabulary.lines().count() == 19, "{vocabulary}");
    assert_eq!(read("rows.txt").lines().next(), Some("chess/00.txt"));
    let planted = planted(&json);
    let documents = read("documents.tsv");
    let mut lines = documents.lines();
    assert_eq!(lines.next(), Some("document\ttopic\tweight\tlabel"));
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let (topic, weight): (usize, f64) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        assert_eq!(TOPICS[planted[topic - 1]].0, fields[3], "{line}");
        assert!(fields[0].starts_with(fields[3]) && weight > 0.5 && weight <= 1.0, "{line}");
    }
    assert_eq!(documents.lines().count(), 37);
    assert!(read("topics.tsv").starts_with("topic\t") && read("topics.tsv").contains("gambit"));
    let svg = read("weights.svg");
    assert!(svg.starts_with("<svg") && TOPICS.iter().all(|(label, _)| svg.contains(label)), "{svg}");
    // a model of numbers in the same place leaves nothing of texts behind
    place.write("x.csv", "1,2\n3,4\n5,7\n");
    place.run("factorize x.csv -k 1 -o m").ok();
    assert_eq!(list(&place.path("m")), ["H.npy", "W.npy", "fit.json"]);
}

#[test]
fn files_of_the_user_beside_a_first_model_stay() {
    let place = Place::new();
    place.write("documents.tsv", "mine");
    place.write("x.csv", "1,2\n3,4\n5,7\n");
    place.run("factorize x.csv -k 1 -o .").ok();
    assert_eq!(std::fs::read_to_string(place.path("documents.tsv")).unwrap(), "mine");
}

#[test]
fn words_come_by_relevance_or_by_weight() {
    let place = Place::new();
    corpus(&place, "c");
    let by_weight = place.run("topics c -k 3 --words-by weight --json").ok().json();
    for topic in by_weight["topics"].as_array().unwrap() {
        let weights: Vec<f64> = topic["weights"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(weights.is_sorted_by(|a, b| a >= b), "{weights:?}");
    }
    let by_relevance = place.run("topics c -k 3 --json").ok().json();
    assert_eq!(by_weight["objective"], by_relevance["objective"]);
    for topic in by_relevance["topics"].as_array().unwrap() {
        // "report" is in every document, the words before it in those of one topic
        let words: Vec<&str> = topic["words"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        assert!(words.iter().position(|w| *w == "report").is_none_or(|at| at >= 6), "{words:?}");
    }
}

#[test]
fn the_seed_chooses_the_documents_of_the_picture() {
    let place = Place::new();
    let mut tsv = String::new();
    for i in 0..40 {
        (0..3).for_each(|t| tsv += &format!("{}\t{}\n", TOPICS[t].0, document(t, i)));
    }
    place.write("c.tsv", tsv);
    let picture = |seed: u32| {
        place.run(&format!("topics c.tsv -k 3 --label-column 1 --seed {seed} -o m{seed}")).ok();
        std::fs::read_to_string(place.path(&format!("m{seed}/weights.svg"))).unwrap()
    };
    let first = picture(1);
    assert!(first.contains("100"));
    assert_eq!(first, picture(1));
    assert_ne!(first, picture(2));
}

#[test]
fn new_documents_are_read_by_the_model() {
    let place = Place::new();
    corpus(&place, "c");
    std::fs::create_dir(place.path("new")).unwrap();
    for t in 0..3 {
        place.write(&format!("new/{t}.txt"), format!("{} zebra unheard-of", document(t, 7)));
    }
    place.write("new/3.txt", "nothing known here");
    for options in ["", "--tfidf", "--weighting counts", "--weighting counts --loss fro"] {
        let planted = planted(&place.run(&format!("topics c -k 3 {options} -o m --json")).ok().json());
        let ran = place.run("transform m new -o w.csv --json").ok();
        assert!(ran.stderr.contains('1') && ran.stderr.contains("vocabulary"), "{}", ran.stderr);
        assert_eq!((&ran.json()["rows"], &ran.json()["rank"]), (&4.into(), &3.into()));
        let (w, h) = (dense(&place.path("w.csv")), dense(&place.path("m/H.npy")));
        for t in 0..3 {
            let words = |q: usize| w[[t, q]] * h.row(q).sum();
            let strongest = (0..3).max_by(|a, b| words(*a).total_cmp(&words(*b))).unwrap();
            assert_eq!(planted[strongest], t, "{options}: {w}");
        }
        assert!(w.row(3).iter().all(|v| *v < 1e-6), "{options}: {w}");
    }
}

#[test]
fn a_model_refuses_other_columns_other_words_and_damage() {
    let place = Place::new();
    corpus(&place, "c");
    place.run("topics c -k 3 -o m").ok();
    place.write("x.csv", "a,b\n1,2\n3,4\n");
    nmf_io::write(&place.path("x.npy"), &ndarray::array![[1.0f32, 2.0]]).unwrap();
    place.run("transform m x.npy -o w.npy").fails(2, &["x.npy", "2 columns", "19"]);
    place.run("transform m x.csv -o w.npy").fails(2, &["x.csv"]);
    std::fs::create_dir(place.path("foreign")).unwrap();
    place.write("foreign/a.txt", "rien de connu ici");
    place.run("transform m foreign -o w.npy").fails(2, &["foreign", "vocabulary.txt"]);
    place.run("transform m nowhere -o w.npy").fails(2, &["nowhere"]);
    // the vocabulary of another model
    let text = std::fs::read_to_string(place.path("m/text.json")).unwrap();
    place.run("topics c -k 3 --max-features 8 -o other").ok();
    std::fs::copy(place.path("other/text.json"), place.path("m/text.json")).unwrap();
    place.run("transform m c -o w.npy").fails(2, &["text.json", "8", "19"]);
    place.write("m/text.json", &text[..text.len() / 2]);
    place.run("transform m c -o w.npy").fails(2, &["text.json"]);
    place.write("m/text.json", text.replacen("\"version\":2", "\"version\":999", 1));
    place.run("transform m c -o w.npy").fails(2, &["text.json", "version"]);
    assert!(!place.path("w.npy").exists());
}

#[test]
fn bad_input_is_refused_and_leaves_nothing() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("empty/folder")).unwrap();
    corpus(&place, "c");
    place.write("numbers.csv", "1,2\n3,4\n");
    place.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    place.write("zero.txt", "");
    std::fs::create_dir(place.path("tiny")).unwrap();
    place.write("tiny/a.txt", "alpha beta");
    place.write("tiny/b.txt", "gamma delta");
    let cases: [(&str, &[&str]); 15] = [
        ("topics empty -k 2", &["empty", "no documents"]),
        ("topics nowhere -k 2", &["nowhere"]),
        ("topics numbers.csv -k 2", &["numbers.csv"]),
        ("topics picture.png -k 2", &["picture.png"]),
        ("topics zero.txt -k 2", &["zero.txt", "empty"]),
        ("topics tiny -k 2", &["tiny", "--min-df 2"]),
        ("topics c -k 0", &["k = 0"]),
        ("topics c -k 2 --top 0", &["--top"]),
        ("topics c -k 2 --show c/none.txt", &["c/none.txt"]),
        ("topics c -k 2 --token-pattern (", &["--token-pattern"]),
        ("topics c -k 2 --stop-words nowhere.txt", &["--stop-words", "nowhere.txt"]),
        ("topics c -k 2 --text-column text", &["--text-column"]),
        ("topics c -k 2 --weighting heavy", &["--weighting", "heavy", "log-idf"]),
        ("topics c -k 2 --weighting counts --tfidf", &["--weighting", "--tfidf"]),
        ("topics c -k 2 --encoding klingon", &["--encoding", "klingon"]),
    ];
    for (line, words) in cases {
        place.run(&format!("{line} -o out")).fails(2, words);
        assert!(!place.path("out").exists(), "{line}");
    }
    place.run("topics tiny -k 1 --min-df 1").ok();
    place.run("topics c -k 2 -o zero.txt").fails(1, &["zero.txt"]);
    place.run("topics c -k 2 -o zero.txt/m").fails(1, &["zero.txt"]);
}

#[test]
fn documents_that_are_not_utf_8_are_counted_in_one_warning() {
    let place = Place::new();
    corpus(&place, "c");
    for (i, label) in ["chess", "sailing"].iter().enumerate() {
        place.write(&format!("c/{label}/latin{i}.txt"), b"caf\xe9 caf\xe9 gambit");
    }
    let ran = place.run("topics c -k 3 -o m").ok();
    let warnings: Vec<&str> = ran.stderr.lines().filter(|l| l.contains("Windows-1252")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains('2'), "{}", ran.stderr);
    assert!(std::fs::read_to_string(place.path("m/vocabulary.txt")).unwrap().contains("café\n"));
}

/// The folder of the real collections, or a word that it is absent.
fn data() -> Option<PathBuf> {
    let found = std::env::var_os("NMF_DATA").map(PathBuf::from);
    if found.is_none() {
        println!("NMF_DATA is not set: skipped");
    }
    found
}

#[test]
fn twenty_newsgroups_read_like_their_groups() {
    let Some(data) = data() else { return };
    let archive = data.join("20news/20news-bydate.tar.gz");
    let place = Place::new();
    let line = format!("topics {} -k 20 --keep-headers From,Subject", archive.display());
    let json =
        place.run(&format!("{line} --token-pattern [a-z]{{2,}} --max-df 0.1 --max-iter 50 --tol 0 --json")).ok().json();
    assert_eq!((json["documents"].as_u64(), json["cols"].as_u64()), (Some(18_846), Some(60_601)));
    assert_eq!(json["nnz"], 1_575_074);
    if let Some(mb) = json["peak_rss_mb"].as_f64() {
        assert!(mb < 150.0, "{mb} MB");
    }
    let words: Vec<Vec<&str>> = json["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["words"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect())
        .collect();
    for group in [["space", "nasa"], ["game", "team"], ["jesus", "bible"], ["encryption", "key"], ["scsi", "drive"]] {
        assert!(words.iter().any(|t| group.iter().all(|w| t.contains(w))), "{group:?}: {words:?}");
    }
    assert!(number(&json, "nmi") > 0.4, "{}", json["nmi"]);
}

#[test]
fn a_thousand_words_learned_on_one_half_read_the_other() {
    let Some(data) = data() else { return };
    let place = Place::new();
    let archive = data.join("20news/20news-bydate.tar.gz");
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(place.path("")).status();
    assert!(unpacked.unwrap().success());
    let folder = |half: &str| {
        // the archive may have a folder around both halves
        let direct = format!("20news-bydate-{half}");
        if place.path(&direct).exists() { direct } else { format!("20news-bydate/{direct}") }
    };
    let options = "--max-features 1000 --min-df 2 --max-df 0.5 --stop-words en --weighting counts --loss fro";
    let json = place.run(&format!("topics {} -k 20 {options} -o m --json", folder("train"))).ok().json();
    assert_eq!((json["rows"].as_u64(), json["cols"].as_u64()), (Some(11_314), Some(1000)));
    // published: 486,977; which of the eight words with 318 occurrences are the last of the thousand is left open there
    assert!((number(&json, "nnz") - 486_977.0).abs() < 100.0, "{}", json["nnz"]);
    assert!(number(&json, "reconstruction_error") <= 1488.5, "{}", json["reconstruction_error"]);
    let ran = place.run(&format!("transform m {} -o w.npy --json", folder("test"))).ok();
    assert_eq!((ran.json()["rows"].as_u64(), ran.json()["rank"].as_u64()), (Some(7_532), Some(20)));
    assert_eq!(dense(&place.path("w.npy")).dim(), (7_532, 20));
}
