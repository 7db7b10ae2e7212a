//! `separate`: real recordings with known sources, and what is refused.
//!
//! Most recordings lie in `data/sounds`; the tests on the others need the folder that holds them in the environment variable NMF_DATA.

mod common;

use common::{Place, Ran, dense, number};
use nmf_audio::{SampleFormat, Sound};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn sounds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sounds").canonicalize().unwrap()
}

fn real_data(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("NMF_DATA").map(|d| PathBuf::from(d).join(name)).filter(|p| p.exists());
    if found.is_none() {
        println!("not run: NMF_DATA names no folder that holds {name}");
    }
    found
}

/// SDR of every source, in order.
fn sdr(json: &Value) -> Vec<f64> {
    json["sources"].as_array().unwrap().iter().map(|s| number(s, "sdr")).collect()
}

/// The sources of a folder add up to the mixture, each channel, to an unit in the last place of 32 bits.
fn assert_adds_up(mixture: &Sound, folder: &Path, json: &Value) {
    let mut sum: Vec<Vec<f64>> = mixture.channels().iter().map(|c| vec![0.0; c.len()]).collect();
    for source in json["sources"].as_array().unwrap() {
        let estimate = nmf_audio::read(folder.join(source["file"].as_str().unwrap())).unwrap();
        assert_eq!((estimate.rate(), estimate.len()), (mixture.rate(), mixture.len()));
        for (sum, channel) in sum.iter_mut().zip(estimate.channels()) {
            sum.iter_mut().zip(channel).for_each(|(s, v)| *s += f64::from(*v));
        }
    }
    for (sum, channel) in sum.iter().zip(mixture.channels()) {
        for (n, (s, m)) in sum.iter().zip(channel).enumerate() {
            assert!((s - f64::from(*m)).abs() <= 6e-8, "sample {n}: {s} for {m}");
        }
    }
}

#[test]
fn each_piano_note_becomes_a_basis_and_begins_when_the_score_says() {
    let place = Place::new();
    let piano = sounds().join("piano_three_notes");
    let (mix, note) =
        (piano.join("mixture.flac"), |n: &str| piano.join(format!("note_{n}.flac")).display().to_string());
    let references = [note("Fs4"), note("C4"), note("Ds4")].join(" ");
    let json = place
        .run(&format!("separate {} --sources 3 --reference {references} -o out --json", mix.display()))
        .ok()
        .json();
    assert!(sdr(&json).iter().all(|v| *v >= 20.0), "{:?}", sdr(&json));
    let mixture = nmf_audio::read(&mix).unwrap();
    assert_adds_up(&mixture, &place.path("out"), &json);
    for name in ["source1.wav", "spectrograms.svg", "bases.svg", "activations.svg", "separate.json", "W.npy", "H.npy"] {
        assert!(place.path("out").join(name).exists(), "{name}");
    }

    // onsets: an activation that rises above a fifth of its maximum after having been below a twentieth of it
    let h = dense(&place.path("out/H.npy"));
    let hop = number(&json, "hop") / number(&json, "sample_rate");
    // frames lie around their time
    let first = -(number(&json, "frame") / 2.0) / number(&json, "sample_rate");
    let score = std::fs::read_to_string(piano.join("notes.tsv")).unwrap();
    let mut found = 0;
    for (q, name) in ["Fs4", "C4", "Ds4"].iter().enumerate() {
        let basis = json["groups"][q][0].as_u64().unwrap() as usize;
        let row = h.row(basis);
        let most = row.iter().fold(0.0f64, |a, b| a.max(*b));
        let rises: Vec<f64> = (1..row.len())
            .filter(|t| row[*t] > 0.2 * most && row[*t - 1] <= 0.2 * most)
            .map(|t| first + t as f64 * hop)
            .collect();
        for line in score.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            let spelled = name.replace('s', "#");
            if fields.iter().any(|f| *f == spelled || f == name) {
                let onset: f64 = fields[0].parse().unwrap();
                let nearest = rises.iter().map(|r| (r - onset).abs()).fold(f64::MAX, f64::min);
                assert!(nearest <= 0.05, "{name} at {onset} s: rises at {rises:?}");
                found += 1;
            }
        }
    }
    assert_eq!(found, 12, "{score}");
}

#[test]
fn more_bases_than_notes_are_grouped_into_notes() {
    let place = Place::new();
    let piano = sounds().join("piano_three_notes");
    let note = |n: &str| piano.join(format!("note_{n}.flac")).display().to_string();
    let references = [note("C4"), note("Ds4"), note("Fs4")].join(" ");
    let words = format!(
        "separate {} --sources 3 --bases 6 --reference {references} --json",
        piano.join("mixture.flac").display()
    );
    let json = place.run(&words).ok().json();
    assert!(sdr(&json).iter().all(|v| *v >= 12.0), "{:?}", sdr(&json));
    assert_eq!(json["sources"][0]["file"], Value::Null);
    assert_eq!(place.list(), Vec::<String>::new());
}

#[test]
fn a_guitar_is_told_from_what_played_before_it() {
    let place = Place::new();
    let song = sounds().join("guitar");
    let files = format!("{0}/accompaniment.flac {0}/guitar.flac", song.display());
    let words = format!("separate {}/mixture.flac --train 0:5.6 --reference {files} -o out --json", song.display());
    let json = place.run(&words).ok().json();
    assert_eq!((&json["sources"][0]["name"], &json["sources"][1]["name"]), (&"trained".into(), &"rest".into()));
    assert!(sdr(&json)[1] >= 4.5, "{:?}", sdr(&json));
    assert_adds_up(&nmf_audio::read(song.join("mixture.flac")).unwrap(), &place.path("out"), &json);
    // free bases are silent where only the learned ones may sound
    assert_eq!(json["shares"]["train"][1], 0.0);
    assert!(json["shares"]["elsewhere"][0].as_f64().unwrap() > 0.2);
}

#[test]
fn voices_are_told_from_the_songs() {
    for (name, train, least) in [("music_vocals", "0:10", 7.0), ("music_mir1k", "0:4.7", 7.5)] {
        let Some(song) = real_data(name) else { continue };
        let place = Place::new();
        let files = format!("{0}/accompaniment.wav {0}/vocals.wav", song.display());
        let words = format!("separate {}/mixture.wav --train {train} --reference {files} --json", song.display());
        let json = place.run(&words).ok().json();
        assert!(sdr(&json)[1] >= least, "{name}: {:?}", sdr(&json));
    }
}

#[test]
fn the_published_recipe_separates_too() {
    let place = Place::new();
    let song = sounds().join("guitar");
    let words = format!(
        "separate {0}/mixture.flac --train 0:5.6 --train-bases 10 --bases 30 --loss is --shifts 12 --runs 1 --reference \
         {0}/accompaniment.flac {0}/guitar.flac -o out --json",
        song.display()
    );
    let json = place.run(&words).ok().json();
    let shares = &json["shares"];
    assert_eq!(shares["train"][1], 0.0);
    assert!(
        shares["elsewhere"][0].as_f64().unwrap() > 0.05 && shares["elsewhere"][1].as_f64().unwrap() > 0.05,
        "{shares}"
    );
    assert_eq!((number(&json, "bases"), number(&json, "shifts"), number(&json, "rank")), (30.0, 12.0, 30.0));
    assert!(sdr(&json)[1] > 0.0, "{:?}", sdr(&json));
    let w: ndarray::Array3<f32> = npy3(&place.path("out/W.npy"));
    assert_eq!((w.dim().1, w.dim().2), (30, 12));
}

fn npy3(path: &Path) -> ndarray::Array3<f32> {
    let bytes = std::fs::read(path).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    let inside = header.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape: Vec<usize> = inside.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let values = bytes[10 + length..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    ndarray::Array3::from_shape_vec((shape[0], shape[1], shape[2]), values).unwrap()
}

#[test]
fn patterns_tell_drums_apart_better_than_spectra() {
    let Some(drums) = real_data("drums_808") else { return };
    let place = Place::new();
    let files = ["kick", "snare", "hihat"].map(|n| drums.join(format!("{n}.wav")).display().to_string()).join(" ");
    let mean = |method: &str| {
        let words = format!(
            "separate {}/mixture.wav --method {method} --sources 3 --reference {files} --json",
            drums.display()
        );
        let all = sdr(&place.run(&words).ok().json());
        all.iter().sum::<f64>() / 3.0
    };
    let (nmf, nmfd) = (mean("nmf"), mean("nmfd"));
    assert!(nmfd >= nmf + 3.0, "nmfd {nmfd} dB, nmf {nmf} dB");
}

#[test]
fn sources_are_learned_from_examples() {
    let place = Place::new();
    let piano = sounds().join("piano_three_notes");
    let guitar = nmf_audio::read(sounds().join("guitar/guitar.flac")).unwrap();
    let notes = nmf_audio::read(piano.join("mixture.flac")).unwrap();
    // the guitar from 6 s on with the piano, and earlier or later parts as examples
    let rate = 22_050;
    let part =
        |s: &Sound, from: f64, to: f64| s.channels()[0][(from * 22_050.0) as usize..(to * 22_050.0) as usize].to_vec();
    let (a, b) = (part(&guitar, 7.0, 12.0), part(&notes, 3.0, 8.0));
    let mix: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    for (name, samples) in
        [("mix", mix), ("a", a), ("b", b), ("solo", part(&guitar, 12.0, 20.0)), ("keys", part(&notes, 0.0, 3.0))]
    {
        nmf_audio::write(
            place.path(&format!("{name}.wav")),
            &Sound::new(rate, vec![samples]).unwrap(),
            SampleFormat::F32,
        )
        .unwrap();
    }
    let words = "separate mix.wav --learn solo.wav=30 keys.wav=10 --reference a.wav b.wav -o out --json";
    let json = place.run(words).ok().json();
    let names: Vec<&str> = json["sources"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["solo", "keys", "rest"]);
    assert!((0..2).all(|i| number(&json["sources"][i], "sdr") > 6.0), "{}", json["sources"]);
    assert_adds_up(&nmf_audio::read(place.path("mix.wav")).unwrap(), &place.path("out"), &json);
    // one example: what it does not explain is the rest
    let json = place.run("separate mix.wav --learn solo.wav=30 --reference a.wav b.wav -o one --json").ok().json();
    assert_eq!((number(&json, "bases"), json["groups"][1].as_array().unwrap().len()), (46.0, 16));
    assert!(number(&json["sources"][1], "sdr") > 3.0, "{}", json["sources"]);
}

#[test]
fn two_talkers_are_told_apart_by_two_microphones() {
    let place = Place::new();
    let talkers = sounds().join("two_talkers");
    let files = |room: &str| {
        let room = talkers.join(room).display().to_string();
        (format!("{room}/mixture.flac"), format!("{room}/source2_image.flac {room}/source1_image.flac"))
    };
    // source 1 comes 1.20 samples earlier at microphone 2, source 2 0.79 samples later (16 kHz)
    let (mix, swapped) = files("anechoic");
    let words = format!("separate {mix} --method gmm --sources 2 --reference {swapped} -o out --json");
    let json = place.run(&words).ok().json();
    assert!(sdr(&json).iter().all(|v| *v >= 12.0), "{:?}", sdr(&json));
    for (i, delay) in [(0, 0.79), (1, -1.20)] {
        let found = number(&json["mixture"][i], "mean") * 16_000.0;
        assert!((found - delay).abs() < 0.06, "{found} for {delay}");
    }
    let likelihood: Vec<f64> = json["log_likelihood"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert!(likelihood.len() > 2 && likelihood.windows(2).all(|w| w[1] >= w[0]), "{likelihood:?}");
    let mixture = nmf_audio::read(&mix).unwrap();
    assert_adds_up(&mixture, &place.path("out"), &json);
    for name in ["histogram.svg", "log_likelihood.svg", "delays.svg", "mask_source1.svg", "spectrograms.svg"] {
        assert!(place.path("out").join(name).exists(), "{name}");
    }
    let (mix, swapped) = files("rt60_150ms");
    let words = format!("separate {mix} --method gmm --mic-distance 0.04 --reference {swapped} --json");
    let json = place.run(&words).ok().json();
    assert!(sdr(&json).iter().all(|v| *v >= 12.0), "{:?}", sdr(&json));
    assert!((number(&json, "aliasing_limit") - 343.0 / 0.08).abs() < 1.0);
    // alone: the closed form of one Gaussian on the delays of one talker's image
    let image = talkers.join("anechoic/source1_image.flac").display().to_string();
    let json = place.run(&format!("separate {image} --method gmm --sources 1 --alone 0:2 1:3 --json")).ok().json();
    for i in 0..2 {
        let found = number(&json["alone"][i], "mean") * 16_000.0;
        assert!((found + 1.20).abs() < 0.1, "{found}");
    }
    place.run(&format!("separate {image} --method gmm --alone 0:99")).fails(2, &["--alone 0:99", "source1_image"]);
}

#[test]
fn two_talkers_of_a_real_room_are_told_apart() {
    let Some(room) = real_data("two_talkers_sisec") else { return };
    let place = Place::new();
    let files = format!("{0}/source1_image.wav {0}/source2_image.wav", room.display());
    for distance in ["", "--mic-distance 0.05"] {
        let words =
            format!("separate {}/mixture.wav --method gmm {distance} --reference {files} --json", room.display());
        let json = place.run(&words).ok().json();
        let found = sdr(&json);
        assert!(found[0] >= 9.5 && found[1] >= 6.0, "{found:?}");
    }
}

#[test]
fn stereo_stays_stereo_and_long_sounds_go_in_stretches() {
    let place = Place::new();
    let piano = nmf_audio::read(sounds().join("piano_three_notes/mixture.flac")).unwrap();
    let mono = &piano.channels()[0];
    let stereo = Sound::new(22_050, vec![mono.clone(), mono.iter().map(|v| -0.3 * v).collect()]).unwrap();
    nmf_audio::write(place.path("s.wav"), &stereo, SampleFormat::F32).unwrap();
    let json = place.run("separate s.wav --sources 2 --runs 1 --max-iter 20 -o out --json").ok().json();
    assert_adds_up(&stereo, &place.path("out"), &json);
    // more frames than are factored at once
    for options in ["--sources 2", "--train 0:2 --train-bases 4 --bases 6", "--method nmfd --shifts 3 --sources 2"] {
        let words = format!("separate s.wav {options} --frame 32 --hop 5 --runs 1 --max-iter 5 -o long --json");
        let json = place.run(&words).ok().json();
        assert!(number(&json, "cols") < 25_000.0);
        assert_adds_up(&stereo, &place.path("long"), &json);
    }
}

#[test]
fn another_rate_and_integers_are_honoured() {
    let place = Place::new();
    let mix = sounds().join("piano_three_notes/mixture.flac");
    let words = format!(
        "separate {} --sources 3 --rate 11025 --samples 16 --runs 1 --max-iter 10 -o out --json",
        mix.display()
    );
    let json = place.run(&words).ok().json();
    assert_eq!(number(&json, "sample_rate"), 11_025.0);
    let out = nmf_audio::SoundReader::open(place.path("out/source1.wav")).unwrap();
    assert_eq!((out.rate(), out.format().to_string().contains("16")), (11_025, true));
}

#[test]
fn what_cannot_be_honoured_is_refused_before_any_work() {
    let place = Place::new();
    let mix = sounds().join("piano_three_notes/mixture.flac").display().to_string();
    let run = |words: &str| -> Ran { place.run(&format!("separate {mix} {words} -o out")) };
    run("--train 3:2").fails(2, &["--train"]);
    run("--train 0:9").fails(2, &["beyond", "8.000 s"]);
    run("--train 1:1.01").fails(2, &["whole frame"]);
    run("--train-bases 3").fails(2, &["--train"]);
    run("--train 0:2 --train-bases 10 --bases 10").fails(2, &["--bases 10"]);
    run("--sources 4 --bases 3").fails(2, &["--sources 4"]);
    run("--sources 0").fails(2, &["--sources 0"]);
    run("--method nmfd --shifts 1").fails(2, &["--shifts 1"]);
    run("--method gmm --loss is").fails(2, &["--loss"]);
    run("--method gmm").fails(2, &["mixture.flac", "two"]);
    run("--mic-distance 0.05").fails(2, &["--mic-distance"]);
    run("--method gmm --mic-distance 5000").fails(2, &["metres"]);
    run("--learn missing.wav=3").fails(2, &["missing.wav"]);
    run(&format!("--learn {mix} --learn {mix}")).fails(2, &["two sources"]);
    run("--frame 100 --hop 200").fails(2, &["hop"]);
    run("--sources 2 --reference a.wav").fails(2, &["--reference"]);
    run("--shifts 100000").fails(2, &["--shifts 100000"]);
    run("--shifts 1000").fails(2, &["--shifts 1000", "frames"]);
    run("--train 0:8").fails(2, &["nothing is left to separate"]);
    run("--train 0:2 --bases 1").fails(2, &["--bases 1", "at least 2"]);
    run("--max-iter 0").fails(2, &["--max-iter 0"]);
    run("--runs 0").fails(2, &["--runs 0"]);
    for large in ["--sources", "--bases", "--method gmm --sources"] {
        run(&format!("{large} 18446744073709551615")).fails(2, &["--"]);
    }
    run("--bases 9223372036854775808 --shifts 2 --sources 2").fails(2, &["--bases"]);
    run("--method gmm --seed 3").fails(2, &["--seed"]);
    run("--method gmm --precision f64").fails(2, &["--precision"]);
    assert_eq!(place.list(), Vec::<String>::new());
}

#[test]
fn what_is_read_is_never_overwritten_and_names_do_not_collide() {
    let place = Place::new();
    let tone = |f: f32| -> Vec<f32> { (0..8000).map(|n| (n as f32 * f).sin() * 0.4).collect() };
    let write = |name: &str, samples: Vec<f32>| {
        nmf_audio::write(place.path(name), &Sound::new(8000, vec![samples]).unwrap(), SampleFormat::F32).unwrap();
    };
    write("mix.wav", tone(0.1).iter().zip(tone(0.7)).map(|(a, b)| a + b).collect());
    write("estimate1.wav", tone(0.1));
    write("source1.wav", tone(0.1));
    write("source2.wav", tone(0.7));
    let before = std::fs::read(place.path("source2.wav")).unwrap();
    place.run("separate mix.wav --learn estimate1.wav=2 -o .").fails(2, &["estimate1.wav", "another folder"]);
    let words = "separate mix.wav --sources 2 --reference source1.wav source2.wav -o .";
    place.run(words).fails(2, &["source1.wav", "another folder"]);
    assert_eq!(std::fs::read(place.path("source2.wav")).unwrap(), before);
    let json = place.run("separate mix.wav --learn estimate1.wav=2 -o out --json").ok().json();
    let mix = nmf_audio::read(place.path("mix.wav")).unwrap();
    assert_adds_up(&mix, &place.path("out"), &json);
    // the part of the low tone is in the file of its name
    let low = nmf_audio::read(place.path("out/estimate1.wav")).unwrap();
    let error: f32 = low.channels()[0].iter().zip(tone(0.1)).map(|(a, b)| (a - b) * (a - b)).sum();
    assert!(error < 0.25 * 8000.0 * 0.08, "{error} of {}", 8000.0 * 0.08);
    // integers that would clip name the file as the user knows it, and nothing is left
    write("loud.wav", tone(0.1).iter().map(|v| 4.0 * v).collect());
    place.run("separate loud.wav --sources 1 --samples 16 -o clip").fails(2, &["source1.wav", "--samples float"]);
    assert!(!place.path("clip").exists());
    // a folder in the way: nothing is half written
    std::fs::create_dir_all(place.path("full/bases.svg")).unwrap();
    place.run("separate mix.wav --sources 2 -o full").fails(1, &["bases.svg"]);
    assert_eq!(common::list(&place.path("full")), ["bases.svg"]);
    assert!(place.list().iter().all(|name| !name.starts_with('.')), "{:?}", place.list());
}

#[test]
fn bad_sounds_are_refused_by_name_and_place() {
    let place = Place::new();
    let tone: Vec<f32> = (0..8000).map(|n| (n as f32 * 0.1).sin() * 0.5).collect();
    let sound = |samples: Vec<f32>| Sound::new(8000, vec![samples]).unwrap();
    nmf_audio::write(place.path("good.wav"), &sound(tone), SampleFormat::F32).unwrap();
    let good = std::fs::read(place.path("good.wav")).unwrap();
    place.write("cut.wav", &good[..good.len() / 2]);
    place.write("header.wav", &good[..20]);
    place.write("empty.wav", "");
    place.write("text.wav", "this is not a sound at all");
    let mut nan = good.clone();
    let at = good.len() - 4 * 4000;
    nan[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    place.write("nan.wav", &nan);
    nmf_audio::write(place.path("silent.wav"), &sound(vec![0.0; 8000]), SampleFormat::F32).unwrap();
    for (name, words) in [
        ("cut.wav", &["cut.wav"] as &[&str]),
        ("header.wav", &["header.wav"]),
        ("empty.wav", &["empty.wav"]),
        ("text.wav", &["text.wav"]),
        ("nan.wav", &["nan.wav", "4000"]),
        ("silent.wav", &["silent.wav", "silent"]),
        ("none.wav", &["none.wav"]),
    ] {
        place.run(&format!("separate {name} --sources 2 -o out")).fails(2, words);
        assert!(!place.path("out").exists(), "{name}");
    }
}
