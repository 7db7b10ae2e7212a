use crate::{amplitude, noise, refused, sine};
use nmf_audio::{Resampler, Sound, resample};
use proptest::prelude::*;

fn convert(x: Vec<f32>, from: u32, to: u32) -> Vec<f32> {
    let sound = resample(&Sound::new(from, vec![x]).unwrap(), to).unwrap();
    assert_eq!(sound.rate(), to);
    sound.into_channels().remove(0)
}

const RATES: [(u32, u32); 8] = [
    (44100, 48000),
    (48000, 44100),
    (44100, 16000),
    (16000, 44100),
    (44100, 22050),
    (8000, 48000),
    (48000, 11025),
    (44100, 44101),
];

#[test]
fn sines_below_the_band_edge_pass_in_place() {
    for (from, to) in RATES {
        let edge = f64::from(from.min(to)) / 2.0;
        for part in [0.01, 0.3, 0.6, 0.9] {
            let (len, hz) = (from as usize / 4, edge * part);
            let y = convert(sine(len, from, hz, 0.5), from, to);
            assert_eq!(y.len(), (len as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize);
            let expected = sine(y.len(), to, hz, 0.5);
            // Away from the ends, where the filter looks into the zeros around the sound.
            let away = (f64::from(to) * 70.0 / edge) as usize;
            let worst = (away..y.len() - away).map(|n| (y[n] - expected[n]).abs()).fold(0.0, f32::max);
            assert!(worst < 0.5 * 1.2e-4, "{from} → {to}, {hz} Hz: off by {worst}");
        }
    }
}

#[test]
fn sines_beyond_the_new_band_vanish() {
    for (from, to) in [(48000, 44100), (44100, 16000), (44100, 22050), (48000, 11025), (48000, 8000)] {
        let (low, high) = (f64::from(to) / 2.0, f64::from(from) / 2.0);
        for i in 0..12 {
            let hz = low + (high - low) * f64::from(i) / 12.0;
            let y = convert(sine(from as usize / 4, from, hz, 1.0), from, to);
            let away = 150;
            let rms = (y[away..y.len() - away].iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()
                / (y.len() - 2 * away) as f64)
                .sqrt();
            let db = 20.0 * (rms * 2f64.sqrt()).log10();
            assert!(db < -90.0, "{from} → {to}: {hz} Hz leaves {db} dB");
        }
    }
}

#[test]
fn images_are_suppressed_going_up() {
    // 3000 Hz at 8000 has its first images at 5000 and 11000.
    let y = convert(sine(8000, 8000, 3000.0, 1.0), 8000, 48000);
    let middle = &y[4800..43200];
    assert!((amplitude(middle, 48000, 3000.0) - 1.0).abs() < 1e-4);
    for hz in [5000.0, 11000.0, 13000.0, 19000.0, 21000.0] {
        let db = 20.0 * amplitude(middle, 48000, hz).log10();
        assert!(db < -90.0, "{hz} Hz: {db} dB");
    }
}

#[test]
fn constants_and_short_sounds() {
    let y = convert(vec![0.7; 8000], 44100, 32000);
    assert!(y[200..y.len() - 200].iter().all(|v| (v - 0.7).abs() < 1e-6));
    for (from, to) in RATES {
        assert_eq!(convert(vec![0.5], from, to).len(), (to as usize).div_ceil(from as usize));
        assert!(convert(vec![], from, to).is_empty());
    }
    let x = noise(100, 1);
    assert_eq!(convert(x.clone(), 44100, 44100), x);
    refused(Resampler::new(0, 8000), &["0 to 8000"]);
    refused(Resampler::new(44100, 10), &["4096"]);
    refused(resample(&Sound::new(44100, vec![x]).unwrap(), 0), &["44100 to 0"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn stretches_give_the_whole_to_the_bit(rates in 0usize..8, len in 0usize..4000, size in 1usize..1500) {
        let (from, to) = RATES[rates];
        let x = noise(len, 1 + len as u64);
        let whole = convert(x.clone(), from, to);
        let mut r = Resampler::new(from, to).unwrap();
        let mut y = Vec::new();
        for part in x.chunks(size) {
            y.extend(r.push(part));
        }
        y.extend(r.finish());
        prop_assert_eq!(y, whole);
    }
}
