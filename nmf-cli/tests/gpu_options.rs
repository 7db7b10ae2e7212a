//! The global options about GPUs: refused where there is no GPU to be had, wrong values, what they change, and the
//! files that they keep.

mod common;

use common::{Place, csv, list, sample};
use serde_json::Value;

/// The adapters that `devices` lists, empty where there are none.
fn adapters(place: &Place, words: &str) -> Vec<Value> {
    place.run_anywhere(&format!("devices --json {words}")).ok().json()["adapters"].as_array().unwrap().clone()
}

fn place() -> Place {
    let place = Place::new();
    place.write("x.csv", csv(&sample(12, 8)));
    place
}

#[test]
fn beside_the_cpu_they_are_usage_errors() {
    let place = place();
    let options = [
        "--adapter 0",
        "--gpu-checks",
        "--gpu-off subgroups",
        "--gpu-on cooperative",
        "--gpu-memory 1G",
        "--gpu-x f16",
        "--gpu-stream never",
        "--gpu-batch 4",
    ];
    for option in options {
        let name = option.split(' ').next().unwrap();
        for command in ["factorize x.csv -k 2", "compare x.csv -k 2", "bench --shapes 9x8", "devices", ""] {
            place.run(&format!("{command} {option}")).fails(2, &[name, "--backend cpu"]);
        }
        place.run_anywhere(&format!("mixture x.csv -k 2 {option}")).fails(2, &[name, "on the CPU"]);
        place.run_anywhere(&format!("recommend x.csv -k 2 {option}")).fails(2, &[name, "on the CPU"]);
        // alone they are no command
        place.run_anywhere(option).fails(2, &["a command is needed"]);
    }
}

#[test]
fn wrong_values_name_what_would_be_accepted() {
    let place = place();
    for wrong in ["warp-speed", "subgroups,warp-speed", "Subgroups", ""] {
        let words = format!("factorize x.csv -k 2 --gpu-off={wrong}");
        place.run_anywhere(&words).fails(2, &["--gpu-off", "subgroups", "pipeline-cache", "tuning", "f64"]);
    }
    for wrong in ["warp-speed", "subgroups", ""] {
        let words = format!("factorize x.csv -k 2 --gpu-on={wrong}");
        place.run_anywhere(&words).fails(2, &["--gpu-on", "cooperative"]);
    }
    for wrong in ["0", "many", "4X", "-1", "1.5G", ""] {
        place
            .run_anywhere(&format!("factorize x.csv -k 2 --gpu-memory={wrong}"))
            .fails(2, &["--gpu-memory", "K, M, G"]);
    }
}

#[test]
fn a_batch_has_at_least_one_run() {
    let place = place();
    for wrong in ["0", "-1", "all", ""] {
        place.run_anywhere(&format!("factorize x.csv -k 2 --gpu-batch={wrong}")).fails(2, &["--gpu-batch"]);
    }
}

#[test]
fn devices_says_which_features_are_used_and_why_others_are_not() {
    let place = place();
    for a in adapters(&place, "") {
        assert_eq!(a["error"], Value::Null);
        let offers = |name: &str| a["features"].as_array().unwrap().iter().any(|f| f == name);
        // a self-test may turn down what is offered, and says so
        if a["used"]["subgroups"] != true {
            assert!(!offers("SUBGROUP") || a["why_not"]["subgroups"].as_str().unwrap().contains("self-test"), "{a}");
        }
        // the tests run without a folder for caches
        let why = if offers("PIPELINE_CACHE") { "there is no folder for it" } else { "the adapter does not offer it" };
        assert_eq!((&a["used"]["pipeline-cache"], a["why_not"]["pipeline-cache"].as_str()), (&false.into(), Some(why)));
        assert_eq!(a["used"]["tuning"], true);
        assert!(a["why_not"]["tuning"].is_null());
    }
    for a in adapters(&place, "") {
        assert_eq!(a["why_not"]["cooperative"], "off unless asked for");
    }
    for a in adapters(&place, "--gpu-on cooperative") {
        let (used, why) = (&a["used"]["cooperative"], &a["why_not"]["cooperative"]);
        assert!(
            used == true
                || why.as_str().unwrap().contains("does not offer")
                || why.as_str().unwrap().contains("self-test"),
            "{a}"
        );
        // where it cannot be had, a command that would need it is refused
        let words =
            format!("factorize x.csv -k 2 --backend gpu --adapter {} --gpu-on cooperative -o out.npz", a["index"]);
        let run = place.run_anywhere(&words);
        if used == true { drop(run.ok()) } else { drop(run.fails(2, &["cooperative"])) }
    }
    for a in adapters(&place, "--gpu-off subgroups,tuning --gpu-off pipeline-cache") {
        for name in ["subgroups", "pipeline-cache", "tuning"] {
            assert_eq!((&a["used"][name], &a["why_not"][name]), (&false.into(), &"switched off".into()));
        }
    }
    if !adapters(&place, "").is_empty() {
        let text = place.run_anywhere("devices --gpu-off subgroups").ok().stdout;
        assert!(text.contains("not used: subgroups (switched off)") && text.contains("used: tuning"), "{text}");
        let text = place.run_anywhere("devices --gpu-off subgroups,tuning").ok().stdout;
        assert!(text.contains("used: no optional features"), "{text}");
    }
}

#[test]
fn f64_runs_on_a_gpu_that_has_it() {
    let place = place();
    let line = "factorize x.csv -k 2 --loss kl --solver mu --max-iter 20 --tol 0 --precision f64 --json";
    let on_cpu = common::number(&place.run(line).ok().json(), "objective");
    for a in adapters(&place, "") {
        let offered = ["SHADER_F64", "SHADER_INT64"].map(|n| a["features"].as_array().unwrap().iter().any(|f| f == n));
        let listed =
            adapters(&place, "--precision f64").into_iter().find(|other| other["index"] == a["index"]).unwrap();
        for on in ["--backend gpu", ""] {
            let run = place.run_anywhere(&format!("{line} {on} --adapter {}", a["index"]));
            if offered != [true; 2] {
                run.fails(2, &["f64", a["name"].as_str().unwrap(), "lacks"]);
                assert!(a["why_not"]["f64"].as_str().unwrap().contains("lacks"), "{a}");
                assert!(listed["error"].as_str().unwrap().contains("lacks"), "{listed}");
                continue;
            }
            let json = run.ok().json();
            assert_eq!((json["backend"].as_str(), json["precision"].as_str()), (Some("gpu"), Some("f64")));
            let found = common::number(&json, "objective");
            // further than f32 could tell
            assert!((found / on_cpu - 1.0).abs() < 1e-12, "{found:e} {on_cpu:e}");
            assert_eq!(a["why_not"]["f64"], "offered; used by a backend opened in f64");
            assert_eq!((&listed["used"]["f64"], &listed["used"]["subgroups"]), (&true.into(), &false.into()));
        }
        let off = adapters(&place, "--gpu-off f64").into_iter().find(|other| other["index"] == a["index"]).unwrap();
        assert_eq!(off["why_not"]["f64"], "switched off");
    }
    // nobody asked for a GPU
    let json = place.run_anywhere(line).ok().json();
    assert_eq!(json["backend"], "cpu");
}

#[test]
fn results_agree_and_the_memory_is_a_limit() {
    let place = place();
    if adapters(&place, "").is_empty() {
        return;
    }
    let line = "factorize x.csv -k 2 --loss kl --solver mu --max-iter 20 --tol 0 --backend gpu --json";
    let objective = |more: &str| {
        let json = place.run_anywhere(&format!("{line} {more}")).ok().json();
        (common::number(&json, "objective"), json["adapter"].clone())
    };
    let (plain, adapter) = objective("");
    let options = [
        "--gpu-checks",
        "--gpu-off subgroups",
        "--gpu-off subgroups --gpu-checks",
        "--gpu-memory 1M",
        "--gpu-stream always",
        "--gpu-stream never --gpu-x f32",
    ];
    for more in options {
        let (found, name) = objective(more);
        assert!((found / plain - 1.0).abs() < 1e-5, "{more}: {found} {plain}");
        assert_eq!(name, adapter, "{more}");
    }
    // runs side by side are what they are one after the other
    let runs = |more: &str| {
        let restarts = line.replace("-k 2", "-k 2 --restarts 4 --seed 5");
        place.run_anywhere(&format!("{restarts} {more}")).ok().json()["restarts"].clone()
    };
    let together = runs("");
    assert_eq!(together.as_array().map(Vec::len), Some(4));
    assert_eq!((&runs("--gpu-batch 1"), &runs("--gpu-batch 3")), (&together, &together));
    // entries rounded by up to 2⁻¹¹ of themselves: another matrix, but not by much
    place.write("y.csv", csv(&sample(12, 8).mapv(|v| v / 3.0)));
    let thirds = |more: &str| {
        let json = place.run_anywhere(&format!("{} {more}", line.replace("x.csv", "y.csv"))).ok().json();
        common::number(&json, "objective")
    };
    let (plain, halves) = (thirds(""), thirds("--gpu-x f16"));
    assert!(halves != plain && (halves / plain - 1.0).abs() < 1e-2, "{halves} {plain}");
    // sparse X by turns, and kept where there is room
    let entries: Vec<String> = sample(60, 40)
        .indexed_iter()
        .filter(|((i, j), _)| (i * 3 + j) % 4 == 0)
        .map(|((i, j), v)| format!("{} {} {v}\n", i + 1, j + 1))
        .collect();
    let header = format!("%%MatrixMarket matrix coordinate real general\n60 40 {}\n", entries.len());
    place.write("s.mtx", header + &entries.concat());
    let sparse = |more: &str| {
        let json = place.run_anywhere(&format!("{} {more}", line.replace("x.csv", "s.mtx"))).ok().json();
        common::number(&json, "objective")
    };
    let plain = sparse("");
    for more in ["--gpu-stream always", "--gpu-memory 30K", "--gpu-stream never --gpu-memory 30K"] {
        assert!((sparse(more) / plain - 1.0).abs() < 1e-5, "{more}");
    }
    // its 600 entries take 8 bytes twice
    for memory in ["8K", "9K"] {
        let refused =
            place.run_anywhere(&format!("{} --gpu-memory {memory} --gpu-stream never", line.replace("x.csv", "s.mtx")));
        refused.fails(1, &["sparse matrix X"]);
    }
    // X takes 384 bytes
    let refused = place.run_anywhere(&format!("{line} --gpu-memory 300"));
    refused.fails(1, &["300"]);
    let told = place.run_anywhere(&format!("{} -v --gpu-off subgroups", line.replace("--json", ""))).ok().stderr;
    assert!(told.contains("subgroups not used: switched off"), "{told}");
}

#[test]
fn compiled_kernels_are_kept_where_the_environment_says() {
    let place = place();
    let (all, home) = (adapters(&place, ""), place.path("home"));
    std::fs::create_dir(&home).unwrap();
    let offered = |a: &Value| a["features"].as_array().unwrap().iter().any(|f| f == "PIPELINE_CACHE");
    let chosen = all.iter().find(|a| a["chosen"] == true);
    let line = "factorize x.csv -k 2 --backend gpu --max-iter 5 --json";
    let run = |variables: &[(&str, &str)], words: &str| place.with_env(variables, &[], words);
    let caches = place.path("caches/deep");
    let (caches, home) = (caches.to_str().unwrap().to_string(), home.to_str().unwrap().to_string());
    if chosen.is_none_or(|a| !offered(a)) {
        return;
    }
    run(&[("NMF_CACHE_DIR", &caches)], &format!("{line} --gpu-off pipeline-cache,tuning")).ok();
    assert!(!std::path::Path::new(&caches).exists());
    let first = run(&[("NMF_CACHE_DIR", &caches)], line).ok().json();
    let kept = list(std::path::Path::new(&caches));
    assert!(kept.len() == 1 && kept[0].starts_with("pipelines-"), "{kept:?}");
    // damaged: as good as none, with a word for those who ask
    let file = place.path("caches/deep").join(&kept[0]);
    std::fs::write(&file, "x").unwrap();
    let again = run(&[("NMF_CACHE_DIR", &caches)], &format!("{line} -v")).ok();
    assert!(again.stderr.contains("what was kept cannot be used"), "{}", again.stderr);
    assert_eq!(again.json()["objective"], first["objective"]);
    let quiet = run(&[("NMF_CACHE_DIR", &caches)], line).ok().stderr;
    assert!(!quiet.contains("kept"), "{quiet}");
    assert!(std::fs::metadata(&file).unwrap().len() > 1);
    // a folder that cannot be made is no error
    run(&[("NMF_CACHE_DIR", "x.csv")], line).ok();
    assert_eq!(std::fs::read_to_string(place.path("x.csv")).unwrap(), csv(&sample(12, 8)));
    // without the variable: the user's folder for caches
    if cfg!(target_os = "linux") {
        let mut command = assert_cmd::Command::cargo_bin("nmf-cli").unwrap();
        command.env_remove("NMF_CACHE_DIR").env("XDG_CACHE_HOME", &home).current_dir(place.path(""));
        assert!(command.args(line.split(' ')).output().unwrap().status.success());
        assert_eq!(list(&place.path("home/nmf")), kept);
    }
}

#[test]
fn tuning_keeps_what_it_measured() {
    let place = place();
    if adapters(&place, "").is_empty() {
        return;
    }
    let refused = place.run_anywhere("devices --tune");
    refused.fails(2, &["NMF_CACHE_DIR", "nothing would be kept"]);
    place.run_anywhere("devices --widths 4").fails(2, &["--tune"]);
    place.run_anywhere("devices --tune --widths 257").fails(2, &["--widths", "256"]);
    let cache = place.path("cache");
    let run = |words: &str| place.with_env(&[("NMF_CACHE_DIR", cache.to_str().unwrap())], &[], words);
    run("devices --tune --widths 4 --gpu-off tuning").fails(2, &["tuning is switched off"]);
    let tuned = run("devices --tune --widths 3 --json").ok().json()["tuned"].clone();
    let classes: Vec<&str> = tuned.as_array().unwrap().iter().map(|t| t["class"].as_str().unwrap()).collect();
    // how the adapter holds dense X is part of a class: on a processor it is a texture
    let storage = classes[0].strip_prefix("product-rows-q1-small").unwrap_or("?");
    assert!(["", "-textures"].contains(&storage), "{classes:?}");
    for class in ["product-rows-q1-small", "kl-cols-q1-small", "is-rows-q1-small", "beta-cols-q1-small"] {
        assert!(classes.contains(&format!("{class}{storage}").as_str()), "{class}: {classes:?}");
    }
    for t in tuned.as_array().unwrap() {
        assert!(t["seconds"].as_f64().unwrap() <= t["default_seconds"].as_f64().unwrap(), "{t}");
    }
    let kept = std::fs::read_dir(&cache).unwrap().flatten().count();
    assert!(kept > 0, "no file in {}", cache.display());
}
