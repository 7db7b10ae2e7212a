use crate::{noise, refused};
use ndarray::{Array2, array};
use nmf_audio::{Complex32, Stft, Window, add_up, apply_mask, soft_masks};
use proptest::prelude::*;
use std::slice::from_ref;

#[test]
fn masks_are_those_of_the_formula() {
    let models = [array![[3.0f32, 0.0], [1.0, 0.0]], array![[1.0, 2.0], [1.0, 0.0]]];
    let expect = |p, first: Array2<f32>| {
        let masks = soft_masks(&models, p).unwrap();
        assert!((&masks[0] - &first).iter().all(|d| d.abs() < 1e-6));
        assert!((&masks[1] - (1.0 - first)).iter().all(|d| d.abs() < 1e-6));
    };
    expect(1.0, array![[0.75, 0.0], [0.5, 0.5]]);
    expect(2.0, array![[0.9, 0.0], [0.5, 0.5]]);
    expect(3.0, array![[27.0 / 28.0, 0.0], [0.5, 0.5]]);
    // Squares that neither f32 nor f64 hold, and some that vanish.
    let extreme = [array![[3e38f32, 3e-38, 1e-45]], array![[1e38, 1e-38, 0.0]]];
    for p in [2.0, 20.0] {
        let m = soft_masks(&extreme, p).unwrap();
        let expected = 1.0 - 1.0 / (1.0 + 3f32.powf(p));
        assert!((m[0][[0, 0]] - expected).abs() < 1e-6 && (m[0][[0, 1]] - expected).abs() < 1e-6);
        assert_eq!((m[0][[0, 2]], m[1][[0, 2]]), (1.0, 0.0));
    }
    // Nobody claims it: shared.
    let silent = vec![Array2::<f32>::zeros((2, 3)); 3];
    assert!(soft_masks(&silent, 2.0).unwrap().iter().flatten().all(|v| (v - 1.0 / 3.0).abs() < 1e-7));
    assert!(soft_masks(&silent[..1], 2.0).unwrap()[0].iter().all(|v| *v == 1.0));
}

#[test]
fn impossible_operands() {
    let ones = Array2::<f32>::ones((2, 3));
    refused(soft_masks(&[], 2.0), &["no sources"]);
    refused(soft_masks(from_ref(&ones), 0.0), &["exponent 0"]);
    refused(soft_masks(from_ref(&ones), f32::NAN), &["exponent NaN"]);
    refused(soft_masks(&[ones.clone(), Array2::ones((3, 2))], 2.0), &["source 1", "(3, 2)"]);
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let mut model = ones.clone();
        model[[1, 2]] = bad;
        refused(soft_masks(&[ones.clone(), model], 2.0), &["source 1", "bin 1, frame 2"]);
    }
    let spectrum = Array2::<Complex32>::zeros((2, 3));
    refused(apply_mask(spectrum.view(), ones.view()), &["(3, 2)", "(2, 3)"]);
    refused(add_up(&[0.0; 3], &mut []), &["no estimates"]);
    refused(add_up(&[0.0; 3], &mut [&mut [0.0; 2]]), &["2 samples"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn masks_sum_to_one(sources in 1usize..9, p in 0.2f32..6.0, seed in 1u64..9999) {
        let scale = 10f32.powi(seed as i32 % 60 - 30);
        let model = |s| {
            let values: Vec<f32> = noise(60, seed + 31 * s as u64).iter().map(|v| v.max(0.0).powi(3) * scale).collect();
            Array2::from_shape_vec((6, 10), values).unwrap()
        };
        let masks = soft_masks(&(0..sources).map(model).collect::<Vec<_>>(), p).unwrap();
        for i in 0..6 {
            for j in 0..10 {
                let sum: f64 = masks.iter().map(|m| f64::from(m[[i, j]])).sum();
                prop_assert!((sum - 1.0).abs() <= sources as f64 * 2f64.powi(-24), "{}", sum);
                prop_assert!(masks.iter().all(|m| (0.0..=1.0).contains(&m[[i, j]])));
            }
        }
    }

    #[test]
    fn estimates_add_up(sources in 1usize..6, len in 1usize..2000, seed in 1u64..9999) {
        let stft = Stft::new(256, 64, Window::Hann).unwrap();
        let x = noise(len, seed);
        let spectrum = stft.analyse(&x);
        let shape = (stft.bins(), stft.frames(len));
        let model = |s: usize| {
            let values = noise(shape.0 * shape.1, seed + 7 * s as u64).iter().map(|v| v.max(0.0)).collect();
            Array2::from_shape_vec(shape, values).unwrap()
        };
        let masks = soft_masks(&(0..sources).map(model).collect::<Vec<_>>(), 2.0).unwrap();
        let estimate = |m: &Array2<f32>| {
            stft.synthesise(apply_mask(spectrum.view(), m.view()).unwrap().view(), len).unwrap()
        };
        let mut estimates: Vec<Vec<f32>> = masks.iter().map(estimate).collect();
        let rest = add_up(&x, &mut estimates.iter_mut().map(|e| &mut e[..]).collect::<Vec<_>>()).unwrap();
        prop_assert!(rest < 1e-6);
        for n in 0..len {
            let sum: f64 = estimates.iter().map(|e| f64::from(e[n])).sum();
            let largest = estimates.iter().map(|e| e[n].abs()).fold(0.0, f32::max);
            let half_ulp = f64::from(largest.next_up() - largest) / 2.0;
            prop_assert!((sum - f64::from(x[n])).abs() <= half_ulp, "sample {}: {} for {}", n, sum, x[n]);
        }
    }
}

#[test]
fn silence_stays_silent() {
    let mut loud = [0.5f32, 0.0, -0.25];
    let mut silent = [0.0f32; 3];
    let rest = add_up(&[0.5 + 1e-7, 0.0, -0.25], &mut [&mut silent, &mut loud]).unwrap();
    assert!(rest > 0.0 && silent == [0.0; 3] && loud[0] == 0.5 + 1e-7);
}
