//! Talkers told apart by delays: recordings with known truth, simulated talkers, laws and errors.

use nmf_audio::bss::{BssOptions, bss_eval_sources};
use nmf_audio::delay::{DelayModel, DelayOptions, Limit, Method, delay_map, learn, separate_talkers, single_talker};
use nmf_audio::{SampleFormat, Sound, SoundReader, write};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::time::Instant;

const RATE: u32 = 16_000;

/// A voice at both microphones, `delay` seconds later at the second: harmonics of a pitch that changes every quarter of
/// a second, with pauses.
fn voice(seed: u64, seconds: f64, delay: f64) -> [Vec<f32>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = (seconds * f64::from(RATE)) as usize;
    let piece = RATE as usize / 4;
    let mut out = [vec![0.0f64; n], vec![0.0f64; n]];
    for start in (0..n).step_by(piece) {
        let pitch = 90.0 + 160.0 * rng.random::<f64>();
        let loud = if rng.random::<f64>() < 0.25 { 0.0 } else { 0.3 + rng.random::<f64>() };
        for h in 1..(7000.0 / pitch) as usize {
            let (phase, gain) =
                (std::f64::consts::TAU * rng.random::<f64>(), loud * rng.random::<f64>() / (2.0 + h as f64));
            for i in start..n.min(start + piece) {
                let fade = (std::f64::consts::PI * (i - start) as f64 / piece as f64).sin();
                for (c, out) in out.iter_mut().enumerate() {
                    let t = i as f64 / f64::from(RATE) - delay * c as f64;
                    out[i] += 0.2 * gain * fade * (std::f64::consts::TAU * pitch * h as f64 * t + phase).sin();
                }
            }
        }
    }
    out.map(|c| c.into_iter().map(|x| x as f32).collect())
}

fn sum(voices: &[[Vec<f32>; 2]]) -> Sound {
    let channels = [0, 1].map(|c| (0..voices[0][c].len()).map(|i| voices.iter().map(|v| v[c][i]).sum()).collect());
    Sound::new(RATE, channels.into()).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn reader(&self, sound: &Sound) -> SoundReader {
        let path = self.0.path().join("x.wav");
        write(&path, sound, SampleFormat::F32).unwrap();
        SoundReader::open(&path).unwrap()
    }
}

fn run(reader: &mut SoundReader, model: &DelayModel, stretch: usize) -> Vec<Vec<Vec<f32>>> {
    let mut all = vec![vec![Vec::new(); 2]; model.sources()];
    separate_talkers(reader, model, stretch, |part| -> nmf_audio::Result<()> {
        for (all, part) in all.iter_mut().flatten().zip(part.iter().flatten()) {
            all.extend_from_slice(part);
        }
        Ok(())
    })
    .unwrap();
    all
}

fn scores(voices: &[[Vec<f32>; 2]], estimates: &[Vec<Vec<f32>>]) -> Vec<f64> {
    let truth: Vec<&Vec<f32>> = voices.iter().map(|v| &v[0]).collect();
    let found: Vec<&Vec<f32>> = estimates.iter().map(|e| &e[0]).collect();
    bss_eval_sources(&truth, &found, &BssOptions::default()).unwrap().sdr
}

fn rises(curve: &[f64]) -> bool {
    !curve.is_empty() && curve.iter().all(|l| l.is_finite()) && curve.windows(2).all(|w| w[1] >= w[0])
}

#[test]
fn simulated_talkers_are_told_apart() {
    let folder = Folder::new();
    let delays = [-70e-6, 10e-6, 90e-6];
    let voices: Vec<_> = delays.iter().zip(1..).map(|(d, seed)| voice(seed, 4.0, *d)).collect();
    for (k, method, least) in
        [(2, Method::Wiener, 12.0), (2, Method::Mask, 6.0), (3, Method::Wiener, 5.0), (1, Method::Wiener, 100.0)]
    {
        let sound = sum(&voices[..k]);
        let mut reader = folder.reader(&sound);
        let model = learn(&mut reader, &DelayOptions { method, ..DelayOptions::new(k) }).unwrap();
        for (g, d) in model.talkers.iter().zip(&delays) {
            assert!((g.mean - d).abs() < 6e-6, "{:?}", model.talkers);
        }
        assert!(model.talkers.windows(2).all(|w| w[0].mean <= w[1].mean));
        let weights = model.talkers.iter().map(|g| g.weight).sum::<f64>() + model.background.weight;
        assert!((weights - 1.0).abs() < 1e-9);
        assert!(rises(&model.log_likelihood) && model.converged);
        assert!(method == Method::Mask || rises(&model.refinement) && model.refinement.len() > 2);
        assert!(matches!(model.limit, Limit::Estimated(f) if f > 3000.0));

        let estimates = run(&mut reader, &model, 100);
        let sdr = scores(&voices[..k], &estimates);
        println!("{k} talkers, {method:?}: {sdr:?}");
        assert!(sdr.iter().all(|s| *s > least), "{k} {method:?}: {sdr:?}");
        for (c, mixture) in sound.channels().iter().enumerate() {
            for (i, x) in mixture.iter().enumerate() {
                let total: f64 = estimates.iter().map(|e| f64::from(e[c][i])).sum();
                assert!((total - f64::from(*x)).abs() < 1e-6, "sample {i}");
            }
        }
    }
}

/// Microphones a hand or two apart: the limit falls to about a kilohertz, found without the distance.
#[test]
fn wider_spacing_lowers_the_limit() {
    let folder = Folder::new();
    let delays = [-350e-6, 250e-6];
    let voices = [voice(1, 3.0, delays[0]), voice(2, 3.0, delays[1])];
    let mut reader = folder.reader(&sum(&voices));
    let model = learn(&mut reader, &DelayOptions::new(2)).unwrap();
    assert!((model.limit.hertz() - 1.0 / (2.5 * 350e-6)).abs() < 30.0, "{:?}", model.limit);
    assert!(model.talkers.iter().zip(delays).all(|(g, d)| (g.mean - d).abs() < 15e-6), "{:?}", model.talkers);
    let sdr = scores(&voices, &run(&mut reader, &model, 64));
    println!("wide: {sdr:?}");
    assert!(sdr.iter().all(|s| *s > 10.0), "{sdr:?}");
}

#[test]
fn stretches_and_threads_change_nothing() {
    let folder = Folder::new();
    let voices = [voice(1, 2.0, -60e-6), voice(2, 2.0, 80e-6)];
    let mut reader = folder.reader(&sum(&voices));
    let one = learn(&mut reader, &DelayOptions::new(2)).unwrap();
    let samples = run(&mut reader, &one, 1000);
    assert_eq!(samples, run(&mut reader, &one, 7));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| {
            let model = learn(&mut reader, &DelayOptions::new(2)).unwrap();
            assert_eq!((&model.talkers, &model.refinement), (&one.talkers, &one.refinement));
            run(&mut reader, &model, 50)
        });
        assert!(samples == again);
    }
    // from a quarter of the frames much the same is learned
    let part = learn(&mut reader, &DelayOptions { most_frames: 20, ..DelayOptions::new(2) }).unwrap();
    assert_eq!(part.every, one.stft.frames(32_000).div_ceil(20));
    assert!((part.talkers[0].mean - one.talkers[0].mean).abs() < 5e-6);
    assert!(scores(&voices, &run(&mut reader, &part, 64)).iter().all(|s| *s > 8.0));
}

#[test]
fn pictures_have_their_data() {
    let folder = Folder::new();
    let mut alone = [voice(1, 2.0, -60e-6), voice(2, 2.0, 80e-6)];
    // the second talker is silent in the first second, the first in the other
    alone[1].iter_mut().for_each(|c| c[..16_000].fill(0.0));
    alone[0].iter_mut().for_each(|c| c[16_000..].fill(0.0));
    let mut reader = folder.reader(&sum(&alone));
    let options = DelayOptions::new(2);
    let model = learn(&mut reader, &options).unwrap();
    let h = &model.histogram;
    assert!((h.density.iter().sum::<f64>() * h.width - 1.0).abs() < 0.2);
    let highest = (0..h.density.len()).max_by(|a, b| h.density[*a].total_cmp(&h.density[*b])).unwrap();
    let place = h.start + (highest as f64 + 0.5) * h.width;
    assert!(model.talkers.iter().any(|g| (g.mean - place).abs() < 2.0 * h.width), "{place}");
    assert!(
        model.density(model.talkers[0].mean) > model.density(0.5 * (model.talkers[0].mean + model.talkers[1].mean))
    );

    for (range, delay) in [(0.1..0.9, -60e-6), (1.1..1.9, 80e-6)] {
        let g = single_talker(&mut reader, range, model.limit.hertz(), &options).unwrap();
        assert!((g.mean - delay).abs() < 5e-6 && g.variance.sqrt() < 3e-5 && g.weight == 1.0, "{g:?}");
    }
    for bad in [0.5..0.5, -1.0..1.0, 1.0..3.0, f64::NAN..1.0] {
        assert!(single_talker(&mut reader, bad, 3000.0, &options).is_err());
    }

    let sound = nmf_audio::read(reader.path()).unwrap();
    let spectra: Vec<_> = sound.channels().iter().map(|c| model.stft.analyse(c)).collect();
    let map = delay_map(&spectra, &model.stft, RATE).unwrap();
    assert_eq!(map.dim(), (model.stft.bins(), spectra[0].nrows()));
    assert!(map.row(0).iter().all(|d| d.is_nan()));
    let masks = model.masks(&spectra).unwrap();
    assert_eq!(masks[0].dim(), map.dim());
    assert!(masks[0].iter().zip(&masks[1]).all(|(a, b)| (a + b - 1.0).abs() < 1e-5));
    assert!(model.images(&spectra[..1]).is_err() && model.masks(&[]).is_err());
    assert!(delay_map(&spectra[..1], &model.stft, RATE).is_err());
}

#[test]
fn errors_name_what_is_wrong() {
    let folder = Folder::new();
    let [left, right] = voice(1, 1.0, 50e-6);
    let message = |channels: Vec<Vec<f32>>, options: &DelayOptions| {
        let mut reader = folder.reader(&Sound::new(RATE, channels).unwrap());
        learn(&mut reader, options).unwrap_err().to_string()
    };
    let two = DelayOptions::new(2);
    let has = |message: String, part: &str| assert!(message.contains(part), "{message}");
    has(message(vec![left.clone()], &two), "it has 1 channel:");
    has(message(vec![left.clone(); 3], &two), "it has 3 channels");
    has(message(vec![left.clone(); 2], &two), "the same sound");
    has(message(vec![left.clone(), left.iter().map(|x| 0.5 * x).collect()], &two), "the same sound");
    has(message(vec![vec![0.0; 16_000]; 2], &two), "channel 0 (counted from 0) is silent");
    has(message(vec![left.clone(), vec![0.0; 16_000]], &two), "channel 1 (counted from 0) is silent");
    let both = || vec![left.clone(), right.clone()];
    has(message(both(), &DelayOptions::new(0)), "0 talkers");
    has(message(both(), &DelayOptions::new(17)), "17 talkers");
    has(message(both(), &DelayOptions { mic_distance: Some(1.0), ..two.clone() }), "at most 0.43 m");
    has(message(both(), &DelayOptions { mic_distance: Some(-1.0), ..two.clone() }), "distance of -1 m");
    has(message(both(), &DelayOptions { mic_distance: Some(f64::NAN), ..two.clone() }), "distance of NaN m");
    has(message(both(), &DelayOptions { low: 0.0, ..two.clone() }), "lowest frequency");
    has(message(both(), &DelayOptions { frame: Some(1), ..two.clone() }), "frame");
    has(message(both(), &DelayOptions { hop: Some(0), ..two.clone() }), "hop");
    let mut reader = folder.reader(&sum(&[voice(1, 1.0, -50e-6), voice(2, 1.0, 60e-6)]));
    let mut model = learn(&mut reader, &two).unwrap();
    model.rate = 8000;
    let wrong = separate_talkers(&mut reader, &model, 9, |_| -> nmf_audio::Result<()> { Ok(()) });
    has(wrong.unwrap_err().to_string(), "16000 samples per second, the model 8000");
}

/// Very short and very faint sounds go through.
#[test]
fn extremes_go_through() {
    let folder = Folder::new();
    let voices = [voice(1, 1.0, -50e-6), voice(2, 1.0, 60e-6)];
    let sound = sum(&voices);
    for scale in [1e-18f32, 1.0, 1e18] {
        let channels = sound.channels().iter().map(|c| c.iter().map(|x| x * scale).collect()).collect();
        let mut reader = folder.reader(&Sound::new(RATE, channels).unwrap());
        let model = learn(&mut reader, &DelayOptions::new(2)).unwrap();
        let sdr = scores(&voices, &run(&mut reader, &model, 64));
        assert!(sdr.iter().all(|s| *s > 8.0), "{scale}: {sdr:?}");
    }
    for n in [1, 2, 50, 3000] {
        let channels = sound.channels().iter().map(|c| c[4000..4000 + n].to_vec()).collect();
        let mut reader = folder.reader(&Sound::new(RATE, channels).unwrap());
        if let Ok(model) = learn(&mut reader, &DelayOptions::new(2)) {
            let estimates = run(&mut reader, &model, 64);
            assert!(estimates.iter().flatten().all(|c| c.len() == n && c.iter().all(|x| x.is_finite())));
        }
    }
}

fn data(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("NMF_DATA")?).join(name);
    folder.exists().then_some(folder)
}

fn both(path: &Path) -> [Vec<f32>; 2] {
    nmf_audio::read(path).unwrap().into_channels().try_into().unwrap()
}

/// Recordings with the truth beside them: SDR at microphone 1 with the defaults, with the distance of the microphones and
/// without. Set NMF_DATA to the folder of the recordings.
#[test]
fn recordings_are_told_apart() {
    for (name, distance, least) in [
        ("two_talkers_sisec", 0.05, [12.5, 7.5]),
        ("two_talkers_sim/anechoic", 0.04, [20.0, 20.0]),
        ("two_talkers_sim/rt60_150ms", 0.04, [19.0, 18.0]),
    ] {
        let Some(folder) = data(name) else { return };
        let truth = [1, 2].map(|i| both(&folder.join(format!("source{i}_image.wav"))));
        for mic_distance in [None, Some(distance)] {
            for method in [Method::Wiener, Method::Mask] {
                let mut reader = SoundReader::open(folder.join("mixture.wav")).unwrap();
                let options = DelayOptions { mic_distance, method, ..DelayOptions::new(2) };
                let begin = Instant::now();
                let model = learn(&mut reader, &options).unwrap();
                let learned = begin.elapsed().as_secs_f64();
                let estimates = run(&mut reader, &model, 256);
                let all = begin.elapsed().as_secs_f64();
                let sdr = scores(&truth, &estimates);
                let us = |g: &nmf_audio::delay::DelayGaussian| {
                    format!("{:.2} at {:.1} ± {:.1} µs", g.weight, g.mean * 1e6, g.variance.sqrt() * 1e6)
                };
                println!(
                    "{name} {mic_distance:?} {method:?}: SDR {:.2} / {:.2} dB; {:?}; {}; background {}; EM {}; refined {}; {learned:.2} s + {:.2} s",
                    sdr[0],
                    sdr[1],
                    model.limit,
                    model.talkers.iter().map(us).collect::<Vec<_>>().join(", "),
                    us(&model.background),
                    model.log_likelihood.len() - 1,
                    model.refinement.len(),
                    all - learned
                );
                assert!(rises(&model.log_likelihood));
                if method == Method::Wiener {
                    assert!(rises(&model.refinement));
                    assert!(sdr.iter().zip(least).all(|(s, l)| *s > l), "{sdr:?}");
                }
            }
        }
    }
}
