//! Every picture is XML, holds no number that is none, and shows what it must not lose.

use super::page::escape;
use super::raster::{Colours, Raster, base64};
use super::sample::{columns, loudest, median};
use super::scale::{Scale, ticks};
use super::*;
use ndarray::{Array2, Array3, array, s};

const AXES: Axes = Axes { rate: 44_100, frame: 2048, hop: 512, start: 0.0 };

/// Notes with harmonics that fade, over a little noise: bins × frames.
fn sound(bins: usize, frames: usize, notes: &[(f64, usize)]) -> Array2<f32> {
    let mut state = 7u32;
    Array2::from_shape_fn((bins, frames), |(b, t)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hertz = b as f64 * 44_100.0 / 2048.0;
        let mut v = 1e-4 * f64::from(state >> 8) / f64::from(1 << 24);
        for (pitch, every) in notes {
            let age = (t % every) as f64;
            for harmonic in 1..=8 {
                let away = (hertz - pitch * f64::from(harmonic)) / 15.0;
                v += (-away * away).exp() / f64::from(harmonic) * (-age / 40.0).exp();
            }
        }
        v as f32
    })
}

fn names(k: usize) -> Vec<String> {
    (0..k).map(|q| if q < 3 { format!("drums {}", q + 1) } else { format!("rest {}", q - 2) }).collect()
}

/// One of each, and the empty, the silent and the broken ones.
fn gallery() -> Vec<(&'static str, String)> {
    let (a, b) = (sound(1025, 900, &[(220.0, 90)]), sound(1025, 900, &[(1500.0, 33), (55.0, 200)]));
    let mix = &a + &b;
    let w = Array3::from_shape_fn((1025, 8, 12), |(b, q, l)| a[[b / (1 + q % 3), 5 * l]] + a[[b, 0]] * q as f32 * 0.01);
    let flat = Array3::from_shape_fn((1025, 40, 1), |(b, q, _)| a[[(b * (q + 3) / 12).min(1024), 0]]);
    let h = Array2::from_shape_fn((9, 900), |(q, t)| ((t % (40 + 13 * q)) as f32 / -20.0).exp() * (q + 1) as f32);
    let many = Array2::from_shape_fn((200, 50), |(q, t)| ((q * 7 + t * 3) % 11) as f32);
    let delays = Array2::from_shape_fn((1025, 900), |(b, t)| {
        if mix[[b, t]] < 0.01 {
            f32::NAN
        } else if a[[b, t]] > b as f32 * 1e-5 {
            0.4
        } else {
            -0.3
        }
    });
    let steps: Vec<(f64, f64)> =
        (0..48).map(|i| (f64::from(i), -1234.0 - 300.0 * (-f64::from(i) / 6.0).exp())).collect();
    let bell = |x: f64, m: f64, v: f64| (-(x - m) * (x - m) / (2.0 * v)).exp() / v.sqrt();
    let counts: Vec<(f64, f64)> = (0..80)
        .map(|i| f64::from(i) / 10.0 - 4.0)
        .map(|x| (x, (40.0 * bell(x, -1.0, 0.5) + 90.0 * bell(x, 2.0, 0.1)).round()))
        .collect();
    let mixture = [(0.31, -1.0, 0.5), (0.69, 2.0, 0.1)];
    let dots: Vec<(f64, f64, usize)> = (0..900)
        .map(|i| (f64::from(i), f64::from(i) * 0.618 % 1.0, f64::from(i) * 0.414 % 1.0))
        .map(|(i, u, v)| (i % 3.0, (-2.0 * (1.0 - u).ln()).sqrt(), std::f64::consts::TAU * v))
        .map(|(q, r, t)| (q * 4.0 + r * t.cos(), r * t.sin() * 2.0 + q * r * t.cos(), q as usize))
        .collect();
    let blobs: Vec<Blob> = (0..3)
        .map(|q| (f64::from(q), f64::from(q)))
        .map(|(q, c)| Blob { weight: 0.333, mean: (q * 4.0, 0.0), covariance: (1.0, c, 4.0 + c * c) })
        .collect();
    let none = Array2::<f32>::zeros((0, 0));
    let nan = Array2::from_elem((5, 1), f32::NAN);
    let silent = Array2::<f32>::zeros((1025, 40));
    let panels = |list: &[(&str, &Array2<f32>)]| -> String {
        let list: Vec<_> = list.iter().map(|(n, v)| (n.to_string(), v.view())).collect();
        spectrograms("Separated: guitar & <drums>", &list, &AXES, 1.0)
    };
    let broken = Axes { rate: 0, frame: 0, hop: 0, start: f64::NAN };
    vec![
        ("spectrogram", spectrograms("A sound", &[(String::new(), mix.view())], &AXES, 1.0)),
        ("spectrograms", panels(&[("mixture", &mix), ("trained.wav", &a), ("rest.wav", &b)])),
        ("silence", panels(&[("silence", &silent), ("one frame", &a.slice(s![.., 3..4]).to_owned())])),
        ("nothing", panels(&[("none", &none), ("NaN", &nan)])),
        ("no panels", spectrograms("", &[], &broken, f32::NAN)),
        ("bases", bases("Patterns of 8 components", w.view(), &names(8), 3, &AXES, 1.0)),
        ("bases flat", bases("Patterns of 40 components", flat.view(), &[], 0, &AXES, 2.0)),
        ("bases none", bases("", Array3::zeros((0, 0, 0)).view(), &[], 4, &broken, 0.0)),
        ("bases silent", bases("", Array3::zeros((3, 70, 1)).view(), &names(2), 99, &broken, 1.0)),
        ("activations", activations("Activations", h.view(), &names(9), 3, &[(0.0, 2.5), (9.0, 99.0)], &AXES)),
        ("activations many", activations("Activations", many.view(), &[], 30, &[(f64::NAN, 1.0)], &AXES)),
        ("activations none", activations("", none.view(), &[], 3, &[], &broken)),
        ("activations NaN", activations("", nan.view(), &[], 9, &[(5.0, 1.0)], &AXES)),
        ("curve", curve("Log-likelihood", "iteration", "log-likelihood", &steps)),
        ("curve none", curve("", "", "", &[(f64::NAN, 1.0)])),
        ("curve one", curve("", "", "", &[(1e300, -1e308)])),
        ("curve huge", curve("", "x", "y", &[(0.0, -1.7e308), (1.0, 1.7e308)])),
        ("histogram", histogram("Delays", "delay (samples)", &counts, &mixture, &[], &[-1.0, 2.0])),
        ("histogram none", histogram("", "", &[], &[(1.0, 0.0, 0.0), (0.5, f64::NAN, 1.0)], &[], &[f64::INFINITY])),
        ("histogram zero", histogram("", "", &[(1.0, 0.0), (1.0, 0.0)], &[(1.0, 1.0, 1e-300)], &[], &[])),
        ("map", map("Delay of every cell", delays.view(), (-0.5, 0.5), "samples", &AXES)),
        ("map none", map("", none.view(), (1.0, 1.0), "", &broken)),
        ("map NaN", map("", nan.view(), (f32::NAN, 0.0), "", &AXES)),
        ("scatter", scatter("3 Gaussians", ("length", "width"), &dots, &blobs, &[(0.1, 0.2), (8.0, 0.3)])),
        ("scatter none", scatter("", ("", ""), &[], &[], &[])),
    ]
}

/// Those of reports.
fn report_gallery() -> Vec<(&'static str, String)> {
    let falling = |from: f64| Series::new("f64 <&>", (0..200).map(|i| (f64::from(i), from / f64::from(i + 1))));
    let held_out = Series {
        name: "held-out error".into(),
        points: (1..=12).map(f64::from).map(|k| (k, 9.0 / k, Some((8.0 / k, 11.0 / k)))).collect(),
    };
    let gaps = Series::new("gaps", [(0.0, 1.0), (1.0, f64::NAN), (2.0, 0.0), (3.0, 1e-9), (4.0, 1e3)]);
    let odd =
        Series { name: String::new(), points: vec![(1.0, 1.0, Some((f64::NEG_INFINITY, 2.0))), (f64::NAN, 1.0, None)] };
    let many: Vec<Series> =
        (0..20).map(|i| Series::new(format!("a rather long name {i}"), [(0.0, 1.0), (1.0, f64::from(i))])).collect();
    let marks = [(3.0, "recommended: 3".to_string()), (f64::NAN, "nowhere".to_string())];
    let x = Array2::from_shape_fn((12, 20), |(i, j)| if i == j { f32::NAN } else { (i * j) as f32 - 40.0 });
    let big = Array2::from_shape_fn((240, 240), |(i, j)| ((i ^ j) % 17) as f32);
    let names: Vec<String> = ["<a>", "b", ""].map(String::from).into();
    let rows = array![[0.0f32, 1.0, 0.5], [0.0, 0.0, 0.0], [f32::NAN, 1e-30, 1e30]];
    let long = Array2::from_shape_fn((3, 5000), |(q, j)| f32::from(u8::from(j == 4999 - q)));
    let place = |j: usize| format!("column {j}");
    let bar =
        |list: &[(&str, f64)]| bars("words & more", &list.iter().map(|(n, v)| (n.to_string(), *v)).collect::<Vec<_>>());
    let empty = Weights {
        title: "",
        shares: ndarray::ArrayView2::from_shape((0, 0), &[]).unwrap(),
        documents: &[],
        topics: &[],
        groups: &[],
        caption: "",
    };
    vec![
        ("lines", lines("Objective", "iteration", "objective", &[falling(1e4), falling(2e4)], &[], false)),
        ("lines log", lines("Objective", "iteration", "objective", &[falling(1e4)], &[], true)),
        ("lines bands", lines("Ranks", "k", "error", &[held_out], &marks, false)),
        ("lines gaps", lines("Gaps", "x", "y", std::slice::from_ref(&gaps), &[], true)),
        ("lines gaps linear", lines("Gaps", "x", "y", &[gaps], &[], false)),
        ("lines odd", lines("", "", "", &[odd], &[], true)),
        ("lines many", lines("Many", "x", "y", &many, &[], false)),
        ("lines none", lines("", "", "", &[], &[], true)),
        ("lines flat", lines("", "x", "y", &[Series::new("one", [(0.0, 5.0), (1.0, 5.0)])], &[], true)),
        ("lines huge", lines("", "x", "y", &[Series::new("one", [(0.0, -1.7e308), (1.0, 1.7e308)])], &[], false)),
        (
            "matrix",
            matrix("Residual", x.view(), (-9.0, 9.0), true, ("rows", "columns"), "counts", "A pixel is a cell."),
        ),
        ("matrix big", matrix("X", big.view(), (0.0, 16.0), false, ("1,000 rows", "9 columns"), "", "")),
        ("matrix none", matrix("", Array2::zeros((0, 3)).view(), (f32::NAN, 0.0), false, ("", ""), "", "")),
        ("matrix flat", matrix("", Array2::zeros((1, 300)).view(), (2.0, 2.0), true, ("", ""), "a long unit", "")),
        (
            "bars",
            bar(&[
                ("onion", 3.0),
                ("a word that is far too long for its place", 1.5),
                ("<&>", 0.0),
                ("none", f64::NAN),
            ]),
        ),
        ("bars none", bar(&[])),
        ("strips", strips("Weights", rows.view(), &names, "rows", &place, "By hand.")),
        ("strips long", strips("Profiles", long.view(), &names, "columns", &place, "")),
        ("strips none", strips("", Array2::zeros((0, 0)).view(), &[], "", &place, "")),
        ("losses", losses(&nmf_core::Loss::IS)),
        ("losses other", losses(&nmf_core::Loss::Beta(0.5))),
        ("weights none", empty.svg()),
    ]
}

/// Whether elements nest and attributes are quoted, as far as our own XML goes.
fn check_xml(name: &str, svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        assert!(!text.contains('>'), "{name}: a bare > in {text}");
        for (i, _) in text.match_indices('&') {
            assert!(["&amp;", "&lt;", "&gt;", "&quot;"].iter().any(|e| text[i..].starts_with(e)), "{name}: {text}");
        }
        let end = rest[at..].find('>').unwrap_or_else(|| panic!("{name}: an open tag")) + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{name}");
        } else {
            assert_eq!(tag.matches('"').count() % 2, 0, "{name}: {tag}");
            if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().unwrap());
            }
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{name}: {open:?}");
}

#[test]
fn every_picture_is_xml_without_numbers_that_are_none() {
    for (name, svg) in gallery().into_iter().chain(report_gallery()) {
        check_xml(name, &svg);
        assert!(svg.starts_with("<svg ") && svg.contains("prefers-color-scheme:dark"), "{name}");
        let without_images: String = svg
            .split("base64,")
            .enumerate()
            .map(|(i, p)| if i == 0 { p } else { &p[p.find('"').unwrap()..] })
            .collect();
        for word in ["NaN", "inf", "Infinity"] {
            // a panel of the gallery has that name
            let text = without_images.replace(">NaN<", "").replace(">NaN: ", "");
            assert!(!text.contains(word), "{name}: {word} in {text}");
        }
        assert!(svg.len() < 600_000, "{name}: {} bytes", svg.len());
    }
}

#[test]
fn charts_show_names_bands_gaps_and_texts_under_the_pointer() {
    let gallery: std::collections::HashMap<_, _> = report_gallery().into_iter().collect();
    let has = |name: &str, words: &[&str]| {
        for word in words {
            assert!(gallery[name].contains(word), "{name}: {word}: {}", gallery[name]);
        }
    };
    has("lines", &["f64 &lt;&amp;&gt;", "class=\"line c1\"", "class=\"touch c0\"><title>f64 &lt;&amp;&gt;: 0, 10000"]);
    assert!(gallery["lines log"].matches("class=\"touch").count() <= 61);
    has("lines bands", &["class=\"band c0\"", "recommended: 3", "held-out error: 1, 9 (8 to 11)"]);
    assert_eq!(gallery["lines bands"].matches("class=\"area c0\"").count(), 12);
    assert!(!gallery["lines bands"].contains("nowhere"));
    // NaN and, on a logarithmic axis, 0
    has("lines gaps", &["Gaps: 2 of 5 points", ">1e−8<"]);
    has("lines gaps linear", &["Gaps: 1 of 5 points"]);
    has("lines many", &["line c7\"", "line c0 broken", "a rather long name 19"]);
    has("lines none", &["There is no point"]);
    has(
        "matrix",
        &[
            "<title>pixel in row 0, column 0: unknown</title>",
            "<title>pixel in row 1, column 2: −38</title>",
            "counts",
            "A pixel is a cell.",
        ],
    );
    assert!(!gallery["matrix big"].contains("row 0"));
    has(
        "bars",
        &[
            "onion: 3",
            "a word that is far too long for its place: 1.5",
            "&lt;&amp;&gt;: 0",
            "a word that is fa…",
            ">none<",
        ],
    );
    has("strips", &["&lt;a&gt;: at most 1, at column 1", "maximum"]);
    has("strips long", &["largest of 8 or 9 neighbours", "at column 4999"]);
    has("losses", &["line c2 strong", "line c0 faint", "Thick: is.", "half the data costs 0.306853", "0.193147"]);
    has("losses other", &["beta:0.5", "line c3 strong"]);
}

#[test]
fn noise_makes_no_huge_files() {
    let mut state = 1u32;
    let noise = Array2::from_shape_fn((1025, 1200), |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        10f32.powf(-4.0 * (state >> 8) as f32 / (1 << 24) as f32)
    });
    for panels in [1, 3] {
        let panels: Vec<_> = (0..panels).map(|i| (i.to_string(), noise.view())).collect();
        let svg = spectrograms("Noise", &panels, &AXES, 1.0);
        assert!(svg.len() < 700_000, "{} bytes", svg.len());
    }
}

#[test]
fn names_and_marks_are_there() {
    let gallery: std::collections::HashMap<_, _> = gallery().into_iter().collect();
    let has = |name: &str, words: &[&str]| {
        for word in words {
            assert!(gallery[name].contains(word), "{name}: {word}");
        }
    };
    has(
        "spectrograms",
        &["guitar &amp; &lt;drums&gt;", "trained.wav", "time (s)", "frequency (kHz)", "dB", "the loudest"],
    );
    has("silence", &["silence: 1,025 bins × 40 frames, silent"]);
    has("bases", &["drums 3", "rest 5", ">fixed<", ">free<", "12 frames"]);
    has("bases flat", &[">40<", "frequency (kHz)"]);
    has("bases silent", &["The first 60 of 70"]);
    has("activations", &["class=\"shade\"><title>0 s to 2.5 s", "9 s to 99 s", "area c1", "area c0", "maximum", ">9<"]);
    has("activations many", &["groups of 4", ">1–4<", ">29–30<", ">31–34<"]);
    has("curve", &["iteration", "log-likelihood", "−1234"]);
    has(
        "histogram",
        &["class=\"mark\"><title>−1", "class=\"mark\"><title>2", "weight 0.31", "class=\"sum\"", "class=\"bar\""],
    );
    has("map", &["samples", "the median", "with a value"]);
    has("scatter", &["length", "width", "class=\"cross\"", "weight 0.333"]);
    assert!(!gallery["activations none"].contains("fixed"));
}

fn decoded(png: &[u8]) -> (u32, u32, Vec<u8>, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let palette = reader.info().palette.as_ref().unwrap().to_vec();
    (info.width, info.height, pixels, palette)
}

#[test]
fn rasters_decode_to_their_pixels() {
    let raster = Raster::of(array![[0.0f32, 0.5, 1.0], [f32::NAN, -3.0, 9.0]].view(), Colours::Rising);
    let (width, height, pixels, palette) = decoded(&raster.png());
    assert_eq!((width, height), (3, 2));
    assert_eq!(pixels, [1, 41, 81, 0, 1, 81]);
    assert_eq!(palette[3 * 81..3 * 82], [252, 253, 191]);
    let middle = Raster::of(array![[0.5f32]].view(), Colours::Diverging);
    assert_eq!(decoded(&middle.png()).3[3 * 41..3 * 42], [246, 247, 247]);
    assert_eq!(decoded(&Raster::of(Array2::zeros((0, 5)).view(), Colours::Rising).png()).0, 1);
    let texts: Vec<String> = ["", "f", "fo", "foo", "foob"].iter().map(|t| base64(t.as_bytes())).collect();
    assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
}

#[test]
fn a_single_loud_cell_stays_visible() {
    for at in [(3, 0), (700, 123_456), (1024, 199_999)] {
        let mut values = Array2::<f32>::from_elem((1025, 200_000), 1e-6);
        values[at] = 1.0;
        let seen = loudest(values.view(), &AXES.rows(1025, 240), &columns(200_000, 1000));
        assert_eq!(seen.dim(), (240, 1000));
        assert!(seen.iter().any(|v| *v == 1.0), "{at:?}");
    }
    // every bin from the lowest frequency on, and every frame, lies in a pixel
    for (bins, rows) in [(1025, 240), (5, 400), (1, 10), (100_000, 200)] {
        let seen: std::collections::BTreeSet<usize> = AXES.rows(bins, rows).into_iter().flatten().collect();
        let low = (AXES.hertz(bins).0 / AXES.hertz_of(1)).round() as usize;
        assert!((low..bins).all(|b| seen.contains(&b)), "{bins}");
    }
    for (n, most) in [(7, 3), (3, 7), (1, 1), (0, 5)] {
        assert_eq!(columns(n, most).into_iter().flatten().collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
    }
}

#[test]
fn a_map_shows_values_that_occur() {
    let values = array![[1.0f32, f32::NAN, 3.0, 2.0, f32::NAN]];
    let all = 0..1;
    let seen = median(values.view(), &[all], &[0..4, 4..5, 1..3]);
    assert_eq!((seen[[0, 0]], seen[[0, 2]]), (2.0, 3.0));
    assert!(seen[[0, 1]].is_nan());
}

#[test]
fn ticks_are_round_and_scales_have_an_extent() {
    let texts = |low, high, n| ticks(low, high, n).into_iter().map(|t| t.1).collect::<Vec<_>>();
    assert_eq!(
        texts(0.0, 1.0, 5),
        ["0", "0.2", "0.4", "0.6", "0.8", "1"].map(|t| if t.len() == 1 {
            format!("{t}.0").replace("0.0", "0")
        } else {
            t.into()
        })
    );
    assert_eq!(texts(-1534.0, -1230.0, 4), ["−1500", "−1400", "−1300"]);
    assert_eq!(texts(1e9, 3e9, 2), ["1e9", "2e9", "3e9"]);
    assert!(texts(5.0, 5.0, 4).is_empty() && texts(f64::NAN, 1.0, 4).is_empty());
    assert!(Scale::linear((3.0, 3.0), (0.0, 100.0)).at(3.0) == 50.0);
    assert!(Scale::log((0.05, 20.0), (100.0, 0.0)).at(1.0) > 0.0);
    assert_eq!(escape("a<b>&\"\u{1}\u{ffff}"), "a&lt;b&gt;&amp;&quot;");
}
