use crate::refused;
use nmf_audio::{MelNorm, MelScale, mel_filters};

#[test]
fn scales_are_those_of_the_formulas() {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-3 * b.abs().max(1e-9), "{a} for {b}");
    // By hand: 3·500/200; 15; 15 + 27·ln 4 / ln 6.4.
    for (hz, mel) in [(0.0, 0.0), (500.0, 7.5), (1000.0, 15.0), (4000.0, 35.163_77), (6400.0, 42.0)] {
        close(MelScale::Slaney.from_hz(hz), mel);
        close(MelScale::Slaney.to_hz(mel), hz);
    }
    // 2595·log₁₀(1 + f/700).
    for (hz, mel) in [(0.0, 0.0), (700.0, 781.172_8), (1000.0, 999.985_5), (6300.0, 2595.0), (8000.0, 2840.023)] {
        close(MelScale::Htk.from_hz(hz), mel);
        close(MelScale::Htk.to_hz(mel), hz);
    }
}

#[test]
fn filters_are_those_of_the_formula() {
    // Linear below 1000 Hz: corners every 100 Hz, bins every 31.25 Hz.
    let bank = mel_filters(16000, 512, 9, 0.0, 1000.0, MelScale::Slaney, MelNorm::Peak).unwrap();
    assert_eq!(bank.dim(), (9, 257));
    for (filter, bin, value) in [(0, 3, 0.9375), (0, 4, 0.75), (1, 4, 0.25), (0, 7, 0.0), (4, 16, 1.0), (8, 30, 0.625)]
    {
        assert!((bank[[filter, bin]] - value).abs() < 1e-6, "filter {filter}, bin {bin}: {}", bank[[filter, bin]]);
    }
    assert!(bank.iter().all(|v| (0.0..=1.0).contains(v)));
    for scale in [MelScale::Slaney, MelScale::Htk] {
        let bank = mel_filters(22050, 2048, 40, 0.0, 11025.0, scale, MelNorm::Peak).unwrap();
        let point = |i: usize| scale.to_hz(scale.from_hz(11025.0) * i as f64 / 41.0);
        // Columns between the first and the last centre sum to 1.
        for b in 0..1025 {
            let hz = b as f64 * 22050.0 / 2048.0;
            let sum: f32 = bank.column(b).sum();
            assert!(sum < 1.0 + 1e-6);
            if (point(1)..point(40)).contains(&hz) {
                assert!((sum - 1.0).abs() < 1e-6, "{scale:?}, {hz} Hz: {sum}");
            }
        }
        // Rows sum to frame / rate, the better the wider the filter.
        let bank = mel_filters(22050, 2048, 40, 0.0, 11025.0, scale, MelNorm::Area).unwrap();
        let unit = 2048.0 / 22050.0;
        assert!(bank.rows().into_iter().all(|r| (r.sum() / unit - 1.0).abs() < 0.1));
        assert!(bank.rows().into_iter().skip(30).all(|r| (r.sum() / unit - 1.0).abs() < 0.005));
    }
}

#[test]
fn impossible_filters() {
    let bank = |filters, low, high| mel_filters(16000, 512, filters, low, high, MelScale::Slaney, MelNorm::Peak);
    refused(bank(0, 0.0, 8000.0), &["0 mel filters"]);
    refused(bank(usize::MAX, 0.0, 8000.0), &["mel filters"]);
    refused(bank(200, 0.0, 8000.0), &["mel filter", "between two bins", "512"]);
    refused(bank(10, 0.0, 8001.0), &["8000 Hz"]);
    refused(bank(10, 500.0, 500.0), &["500"]);
    refused(bank(10, f64::NAN, 500.0), &["NaN"]);
}
