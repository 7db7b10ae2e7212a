//! The other commands: transform, compare, bench, devices, completions, the manual, and no command at all.

mod common;

use common::{Place, csv, dense, number, sample};
use ndarray::s;

fn place() -> Place {
    let place = Place::new();
    place.write("x.csv", csv(&sample(12, 8)));
    place
}

#[test]
fn transform_finds_the_weights_of_new_rows() {
    let place = place();
    place.write("new.csv", csv(&sample(12, 8).slice(s![3..9, ..]).to_owned()));
    for loss in ["fro", "kl", "is"] {
        place.run(&format!("factorize x.csv -k 2 --loss {loss} --tol 1e-9 --max-iter 3000 -o m --precision f64")).ok();
        let json = place.run("transform m new.csv -o w.npy --json").ok().json();
        assert_eq!((&json["rows"], &json["rank"], json["loss"].as_str()), (&6.into(), &2.into(), Some(loss)));
        assert_eq!(json["precision"], "f64");
        let (w, h) = (dense(&place.path("w.npy")), dense(&place.path("m/H.npy")));
        let error = (&sample(12, 8).slice(s![3..9, ..]) - &w.dot(&h)).mapv(|v| v * v).sum();
        assert!((number(&json, "squared_error") - error).abs() < 1e-10 * error);
        let model = dense(&place.path("m/W.npy"));
        let apart = (&model.slice(s![3..9, ..]).dot(&h) - &w.dot(&h)).mapv(f64::abs).sum() / w.dot(&h).sum();
        assert!(apart < 1e-2, "{loss}: {apart}");
    }
}

#[test]
fn transform_applies_the_penalty_of_the_model() {
    let place = place();
    place.run("factorize x.csv -k 2 --l1-w 5 --l1-h 5 --tol 1e-12 --max-iter 5000 -o m --precision f64").ok();
    place.run("transform m x.csv -o w.npy").ok();
    let (w, own) = (dense(&place.path("w.npy")), dense(&place.path("m/W.npy")));
    let apart = (&w - &own).mapv(f64::abs).sum() / own.sum();
    assert!(apart < 1e-3, "{apart}");
}

#[test]
fn transform_refuses_what_does_not_fit() {
    let place = place();
    place.write("named.csv", ",a,b\nr,1,2\ns,3,4\n");
    place.write("other.csv", ",a,c\nr,1,2\ns,3,4\n");
    place.run("transform nowhere x.csv -o w.npy").fails(2, &["nowhere"]);
    std::fs::create_dir(place.path("empty")).unwrap();
    place.run("transform empty x.csv -o w.npy").fails(2, &["empty"]);
    place.run("factorize named.csv -k 1 -o m").ok();
    place.run("transform m x.csv -o w.npy").fails(2, &["x.csv", "8 columns", "2"]);
    place.run("transform m other.csv -o w.npy").fails(2, &["other.csv", "\"c\"", "\"b\""]);
    place.run("transform m named.csv -o w.npy").ok();
    std::fs::remove_file(place.path("w.npy")).unwrap();
    place.write("m/fit.json", "{\"loss\": 3}");
    place.run("transform m named.csv -o w.npy").fails(2, &["fit.json"]);
    std::fs::remove_file(place.path("m/H.npy")).unwrap();
    place.run("transform m named.csv -o w.npy").fails(2, &["m"]);
    assert!(!place.path("w.npy").exists());
}

#[test]
fn compare_agrees_between_the_precisions() {
    let place = place();
    for loss in ["fro", "kl", "is", "beta:1.5"] {
        let json = place
            .run(&format!("compare x.csv -k 3 --loss {loss} --init random --tol 0 --max-iter 30 --json"))
            .ok()
            .json();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        let expected = ["backends", "max_relative_objective_difference", "max_relative_factor_difference", "agree"];
        assert_eq!(keys, expected);
        assert_eq!(json["agree"], true, "{json}");
        let backends = json["backends"].as_array().unwrap();
        assert_eq!(backends.len(), 2);
        for b in backends {
            let keys: Vec<&String> = b.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["backend", "adapter", "precision", "seconds", "objective", "objective_trace"]);
            assert_eq!(b["objective_trace"].as_array().unwrap().len(), 31);
        }
        let start = |i: usize| backends[i]["objective_trace"][0][2].as_f64().unwrap();
        assert!((start(0) - start(1)).abs() < 1e-6 * start(0));
    }
    let table = place.run("compare x.csv -k 3").ok().stdout;
    assert!(table.contains("f64") && table.contains("the backends agree"), "{table}");
    place.run("compare x.csv -k 3 --precision f32").fails(2, &["--precision"]);
    place.run("compare x.csv -k 3 --restarts 2").fails(2, &["--restarts"]);
    place.run("compare x.csv -k 0").fails(2, &["k = 0"]);
    place.run("compare x.csv -k 9 --init nndsvda").fails(2, &["nndsvd"]);
}

#[test]
fn bench_measures_and_writes_a_table_and_a_picture() {
    let place = Place::new();
    let line = "bench --shapes 30x20,40x50:0.1 --ranks 2,3 --losses fro,kl --iterations 2 --repeat 1";
    let json = place.run(&format!("{line} --csv b.csv --plot b.svg --json")).ok().json();
    assert_eq!(json["cases"].as_array().unwrap().len(), 8);
    assert!(number(&json["cases"][0], "cpu_ms") > 0.0);
    let table = std::fs::read_to_string(place.path("b.csv")).unwrap();
    assert_eq!(table.lines().count(), 9);
    assert!(table.starts_with("rows,cols,density,rank,loss,cpu_ms,gpu_ms\n30,20,1,2,fro,"));
    let svg = std::fs::read_to_string(place.path("b.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("30×20 k=2 fro"));
    assert!(place.run(line).ok().stdout.contains("CPU ms/iteration"));
    place.run("bench --shapes 3").fails(2, &["no shape"]);
    place.run("bench --ranks 0").fails(2, &["--ranks 0"]);
    place.run("bench --csv missing/b.csv").fails(1, &["missing/b.csv"]);
}

#[test]
fn devices_lists_what_there_is() {
    let place = Place::new();
    let ran = place.run_anywhere("devices --json").ok();
    for a in ran.json()["adapters"].as_array().unwrap() {
        let keys: Vec<&String> = a.as_object().unwrap().keys().collect();
        let old = ["index", "name", "backend", "device_type", "driver", "limits", "features", "chosen"];
        assert_eq!(keys[..8], old);
        assert_eq!(keys[8..], ["used", "why_not", "error"]);
    }
    let text = place.run_anywhere("devices").ok().stdout;
    let some = !ran.json()["adapters"].as_array().unwrap().is_empty();
    assert_eq!(text.contains("no GPU adapter was found"), !some, "{text}");
    if some {
        place.run_anywhere("devices --adapter no-such-card").fails(2, &["no-such-card", "0 "]);
        place.write("x.csv", csv(&sample(12, 8)));
        let json = place.run_anywhere("factorize x.csv -k 2 --backend gpu --json").ok().json();
        assert_eq!((json["backend"].as_str(), json["precision"].as_str()), (Some("gpu"), Some("f32")));
        let json = place.run_anywhere("compare x.csv -k 2 --loss kl --json").ok().json();
        assert_eq!(json["backends"].as_array().unwrap().len(), 3);
    } else {
        place.write("x.csv", csv(&sample(12, 8)));
        place.run_anywhere("factorize x.csv -k 2 --backend gpu").fails(2, &["libvulkan1"]);
    }
}

#[test]
fn alone_with_a_backend_it_shows_the_sample() {
    let place = Place::new();
    let text = place.run("").ok().stdout;
    for group in [
        "教師 (teacher), データ (data), 学習 (learning), モデル (model)",
        "円 (yen), 産業 (industry)",
        "アフリカ (Africa), 天然 (natural), 資源 (resources)",
    ] {
        assert!(text.contains(group), "{text}");
    }
    assert!(text.contains("16.04") || text.contains("16.03"), "{text}");
    let json = place.run("--json").ok().json();
    assert_eq!(json["cross_check"]["agree"], true);
    let help = place.run_anywhere("").ok().stdout;
    assert!(help.contains("Usage: nmf-cli"));
}

#[test]
fn every_command_has_help_with_an_example() {
    let place = Place::new();
    for command in
        ["factorize", "transform", "topics", "compare", "bench", "devices", "convert", "inspect", "completions", "man"]
    {
        let text = place.run_anywhere(&format!("{command} --help")).ok().stdout;
        assert!(text.contains("nmf-cli ") && text.contains("Example"), "{command}: {text}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(place.run_anywhere(&format!("completions {shell}")).ok().stdout.contains("factorize"));
    }
    let page = place.run_anywhere("man").ok().stdout;
    assert!(page.contains(".TH nmf-cli") && page.contains("max\\-iter"), "{page}");
}
