//! The public interface: files, transforms, masks, filters, rates.
//!
//! Tests on real recordings need the folder that holds them in the environment variable NMF_DATA.

mod coded;
mod damage;
mod masks;
mod mel;
mod recordings;
mod resampling;
mod separation;
mod transform;
mod wav;

use nmf_audio::Error;
use std::f64::consts::PI;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// `len` samples of a sine of amplitude `a`.
fn sine(len: usize, rate: u32, hz: f64, a: f64) -> Vec<f32> {
    (0..len).map(|n| (a * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin()) as f32).collect()
}

/// Numbers in [−1, 1) that look random, always the same.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The amplitude of the part of a sound with the frequency `hz`, by projection.
fn amplitude(x: &[f32], rate: u32, hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &v) in x.iter().enumerate() {
        let (s, c) = (2.0 * PI * hz * n as f64 / f64::from(rate)).sin_cos();
        (re, im) = (re + f64::from(v) * c, im + f64::from(v) * s);
    }
    2.0 * re.hypot(im) / x.len() as f64
}

/// The error's message, which must hold every one of the words.
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, words: &[&str]) -> Error {
    let error = result.unwrap_err();
    let message = error.to_string();
    words.iter().for_each(|w| assert!(message.contains(w), "{w:?} is not in {message:?}"));
    error
}
