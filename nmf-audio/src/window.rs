//! Windows of short-time transforms.

use crate::error::{Error, Result};
use std::f64::consts::PI;

/// The window by which the samples of a frame are multiplied, before the transform and again after its inverse.
///
/// All are periodic (frame N would begin the next period), n = 0 … N−1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Window {
    /// ½ − ½·cos(2πn/N).
    #[default]
    Hann,
    /// sin(πn/N), the root of the Hann window: applied twice, it is one.
    SqrtHann,
    /// 0.54 − 0.46·cos(2πn/N).
    Hamming,
    /// 1.
    Rectangular,
}

impl Window {
    /// The values for a frame of `frame` samples.
    pub fn values(self, frame: usize) -> Vec<f64> {
        let at = |n: usize| {
            let x = n as f64 / frame as f64;
            match self {
                Window::Hann => 0.5 - 0.5 * (2.0 * PI * x).cos(),
                Window::SqrtHann => (PI * x).sin(),
                Window::Hamming => 0.54 - 0.46 * (2.0 * PI * x).cos(),
                Window::Rectangular => 1.0,
            }
        };
        (0..frame).map(at).collect()
    }

    /// The name by which [`str::parse`] knows it.
    pub fn name(self) -> &'static str {
        match self {
            Window::Hann => "hann",
            Window::SqrtHann => "sqrt-hann",
            Window::Hamming => "hamming",
            Window::Rectangular => "rectangular",
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Window {
    type Err = Error;

    fn from_str(name: &str) -> Result<Window> {
        let all = [Window::Hann, Window::SqrtHann, Window::Hamming, Window::Rectangular];
        all.into_iter().find(|w| w.name() == name).ok_or_else(|| {
            Error::setting(format!("no window \"{name}\" is known; accepted: hann, sqrt-hann, hamming, rectangular"))
        })
    }
}
