use crate::{noise, refused, sine};
use ndarray::{Array2, Axis, concatenate, s};
use nmf_audio::{Analyser, Complex32, Stft, Window, magnitude, magnitude_of_channels};
use proptest::prelude::*;

const WINDOWS: [Window; 4] = [Window::Hann, Window::SqrtHann, Window::Hamming, Window::Rectangular];

fn assert_restores(stft: &Stft, x: &[f32]) {
    let back = stft.synthesise(stft.analyse(x).view(), x.len()).unwrap();
    assert_eq!(back.len(), x.len());
    let peak = x.iter().fold(0.0f32, |p, v| p.max(v.abs()));
    let worst = x.iter().zip(&back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-6 * peak, "{stft:?}, {} samples: differs by {worst}", x.len());
}

#[test]
fn the_inverse_restores_every_sample() {
    let frames = [
        (2048, 512),
        (2048, 1024),
        (1024, 333),
        (1000, 250),
        (512, 1),
        (441, 147),
        (127, 31),
        (8, 3),
        (5, 2),
        (4, 1),
        (3, 1),
        (2, 1),
    ];
    for (frame, hop) in frames {
        for window in WINDOWS {
            let stft = Stft::new(frame, hop, window).unwrap();
            for len in [1, 2, 3, 7, frame - 1, frame, frame + 1, 5 * frame + 13] {
                assert_restores(&stft, &noise(len, (frame + len) as u64));
            }
        }
    }
    // Frames that only touch, and loud and quiet sounds.
    for x in [noise(5000, 3), noise(5000, 4).iter().map(|v| v * 1e-20).collect(), vec![1e15; 300]] {
        assert_restores(&Stft::new(300, 300, Window::Rectangular).unwrap(), &x);
        assert_restores(&Stft::new(300, 299, Window::Hamming).unwrap(), &x);
        assert_restores(&Stft::new(300, 150, Window::Hann).unwrap(), &x);
    }
}

#[test]
fn the_grid_is_as_documented() {
    for (frame, hop) in [(8usize, 2usize), (8, 3), (7, 2), (5, 5), (9, 1)] {
        let stft = Stft::new(frame, hop, Window::Hamming).unwrap();
        assert_eq!(stft.bins(), frame / 2 + 1);
        assert_eq!(stft.frame_start(0), -(((frame.div_ceil(hop) - 1) * hop) as i64));
        for len in 1..40usize {
            let touches = |t: usize| {
                let start = stft.frame_start(t);
                start < len as i64 && start + frame as i64 > 0
            };
            let count = stft.frames(len);
            assert!((0..count).all(touches) && !touches(count), "{stft:?}, {len}");
            // Full overlap: as many frames around the first and last samples as anywhere.
            let around =
                |n: i64| (0..count).filter(|&t| (0..frame as i64).contains(&(n - stft.frame_start(t)))).count();
            let middle = |n: usize| (0..frame).filter(|j| j % hop == n % hop).count();
            assert!((0..len).all(|n| around(n as i64) == middle(n)), "{stft:?}, {len}");
        }
        assert_eq!(stft.frames(0), 0);
        assert_eq!(stft.analyse(&[]).dim(), (0, stft.bins()));
        assert!(stft.synthesise(stft.analyse(&[]).view(), 0).unwrap().is_empty());
    }
}

#[test]
fn values_are_those_of_the_formula() {
    let (frame, hop) = (12, 5);
    let x = noise(40, 9);
    for window in WINDOWS {
        let stft = Stft::new(frame, hop, window).unwrap();
        let (spectrum, w) = (stft.analyse(&x), window.values(frame));
        for t in 0..stft.frames(40) {
            for b in 0..stft.bins() {
                let (mut re, mut im) = (0.0, 0.0);
                for n in 0..frame {
                    let at = stft.frame_start(t) + n as i64;
                    let v = usize::try_from(at).ok().and_then(|i| x.get(i)).map_or(0.0, |v| f64::from(*v)) * w[n];
                    let angle = -2.0 * std::f64::consts::PI * (b * n) as f64 / frame as f64;
                    (re, im) = (re + v * angle.cos(), im + v * angle.sin());
                }
                let z = spectrum[[t, b]];
                assert!((f64::from(z.re) - re).abs() < 1e-6 && (f64::from(z.im) - im).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn a_sine_has_its_level_on_its_bin() {
    let stft = Stft::new(1024, 256, Window::Hann).unwrap();
    let x = magnitude(stft.analyse(&sine(8192, 16000, 62.5 * 16.0, 0.5)).view(), 1.0);
    assert_eq!(x.dim(), (513, stft.frames(8192)));
    // Half the amplitude times the sum of the window, 512.
    assert!((x[[64, 10]] - 0.25 * 512.0).abs() < 1e-3);
    assert!(x.slice(s![..60, 10]).iter().all(|v| *v < 1e-2));
    assert!((stft.frequency(64, 16000) - 1000.0).abs() < 1e-9);
    assert!((stft.frame_time(3, 16000) - 512.0 / 16000.0).abs() < 1e-12);
}

#[test]
fn impossible_settings() {
    refused(Stft::new(1, 1, Window::Hann), &["frame of 1"]);
    refused(Stft::new(0, 1, Window::Hann), &["frame of 0"]);
    refused(Stft::new(usize::MAX, 1, Window::Hann), &["it must have 2 to"]);
    refused(Stft::new(512, 0, Window::Hann), &["hop of 0"]);
    refused(Stft::new(512, 513, Window::Hann), &["hop of 513"]);
    refused(Stft::new(512, 512, Window::Hann), &["hann", "vanish"]);
    refused(Stft::new(512, 511, Window::Hann), &["hann", "vanish"]);
    refused(Stft::new(512, 512, Window::SqrtHann), &["sqrt-hann", "vanish"]);
    refused("kaiser".parse::<Window>(), &["kaiser", "hamming"]);
    assert!(WINDOWS.iter().all(|w| w.to_string().parse::<Window>().unwrap() == *w));
    let stft = Stft::new(512, 128, Window::Hann).unwrap();
    refused(stft.synthesise(Array2::zeros((3, 257)).view(), 5000), &["(3, 257)"]);
    refused(stft.overlap_add(500).push(Array2::zeros((3, 256)).view()), &["257 bins"]);
    refused(stft.overlap_add(500).push(Array2::zeros((8, 257)).view()), &["at most 7 frames"]);
    refused(stft.analyse_frames(0..99, &[0.0; 500], 0, 500), &["has 7"]);
    refused(stft.analyse_frames(4..6, &[0.0; 300], 200, 500), &["cover 128 to 500"]);
}

#[test]
fn exponents_and_channels() {
    let spectrum = Array2::from_shape_fn((2, 3), |(t, b)| Complex32::new(3.0 * t as f32, 4.0 * b as f32));
    for (p, at_12) in [(1.0, 73f32.sqrt()), (2.0, 73.0), (0.5, 73f32.powf(0.25)), (0.0, 1.0)] {
        let x = magnitude(spectrum.view(), p);
        assert_eq!(x.dim(), (3, 2));
        assert!((x[[2, 1]] - at_12).abs() < 1e-4 * at_12, "{p}");
    }
    // Channels in opposite phase do not cancel.
    let pair = [spectrum.clone(), -spectrum.clone()];
    assert_eq!(magnitude_of_channels(&pair, 1.0).unwrap(), magnitude(spectrum.view(), 1.0));
    refused(magnitude_of_channels(&[], 1.0), &["no channels"]);
    refused(magnitude_of_channels(&[spectrum, Array2::zeros((1, 3))], 1.0), &["(1, 3)"]);
}

/// Cuts 0..n at places that look random.
fn cuts(n: usize, seed: u64) -> Vec<usize> {
    let mut at: Vec<usize> = noise(5, seed).iter().map(|v| ((v + 1.0) / 2.0 * n as f32) as usize).collect();
    at.extend([0, n]);
    at.sort_unstable();
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn stretches_give_the_whole_to_the_bit(frame in 2usize..300, part in 0.0f64..0.5, len in 1usize..3000, seed in 1u64..999) {
        let hop = ((frame as f64 * part) as usize).max(1);
        let stft = Stft::new(frame, hop, WINDOWS[seed as usize % 4]).unwrap();
        let x = noise(len, seed);
        let whole = stft.analyse(&x);
        let frames = cuts(whole.nrows(), seed + 1);

        // Stretches of frames, each from the samples it needs only.
        let mut adder = stft.overlap_add(len);
        let mut y = Vec::new();
        for pair in frames.windows(2) {
            let needed = stft.samples_of(pair[0]..pair[1], len);
            let part = stft.analyse_frames(pair[0]..pair[1], &x[needed.clone()], needed.start, len).unwrap();
            prop_assert_eq!(&part, &whole.slice(s![pair[0]..pair[1], ..]));
            prop_assert_eq!(adder.position(), y.len());
            y.extend(adder.push(part.view()).unwrap());
        }
        prop_assert_eq!(&y, &stft.synthesise(whole.view(), len).unwrap());
        prop_assert!(x.iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-6));

        // Stretches of samples.
        let mut analyser = Analyser::new(stft.clone());
        let mut parts = Vec::new();
        for pair in cuts(len, seed + 2).windows(2) {
            parts.push(analyser.push(&x[pair[0]..pair[1]]));
        }
        parts.push(analyser.finish());
        let joined = concatenate(Axis(0), &parts.iter().map(|p| p.view()).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(joined, whole);
    }
}

#[test]
fn threads_do_not_change_the_result() {
    let stft = Stft::new(512, 128, Window::Hann).unwrap();
    let x = noise(50_000, 5);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let spectrum = stft.analyse(&x);
            let y = stft.synthesise(spectrum.view(), x.len()).unwrap();
            (magnitude(spectrum.view(), 1.3), spectrum, y)
        })
    };
    assert_eq!(run(1), run(5));
}
