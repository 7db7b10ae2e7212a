//! Talkers told apart by the delay between two microphones.
//!
//! # The model
//! A talker's sound reaches the two microphones at different times. In every bin of the short-time Fourier transform
//! of both channels, δ = −arg(X₂·X₁*)/(2πf) is the time of arrival at microphone 2 less that at microphone 1, up to a
//! multiple of 1/f. Below the limit c/(2d), d the distance of the microphones and c = 343 m/s, that multiple is zero. There
//! the δ of all bins are taken for a sample of a Gaussian mixture, fitted by expectation–maximization
//! ([`nmf_mixture::fit`]): one component for each talker, and one, the background, for bins in which several talkers
//! or the room mix. Bins count with the fourth root of their power, as the phase of faint ones is noise.
//!
//! Every fit starts at the directions that a scan of all frequencies finds: the K highest peaks over τ of
//! Σ |X₁X₂*|^¼·(1 − tanh(2·|e^{jφ} − e^{j2πfτ}|)), φ the phase of X₁X₂* (the "nonlinear" angular spectrum of Loesch and Yang
//! 2010; Blandin, Ozerov and Vincent, Signal Processing 92(8), 2012). With phases of all frequencies it has one peak for a
//! talker, so it also gives the limit where the distance is not known: 1/(2·1.25·max |τ|).
//!
//! # From the mixture to the sounds
//! Responsibilities for all bins, above the limit too, come from the same Gaussians: the density of a phase is the
//! sum of the densities of all delays that have it. Two ways lead on.
//!
//! * [`Method::Mask`]: the responsibilities of the talkers, over their sum, are masks for both channels.
//! * [`Method::Wiener`], the default: in every bin the talkers are independent complex Gaussian vectors with covariance
//!   v(t, f)·R(f), v the power and R the spatial covariance (2×2, trace 1) of a talker; R starts as the delays of its Gaussian
//!   have it, with E e^{j2πfδ} = e^{j2πfμ − (2πfσ)²/2} as the coherence of the channels, v as half the power times
//!   the responsibility, half in equal parts. Both are refined by EM in every frequency, which follows what the room
//!   adds to each path (N. Q. K. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source
//!   separation using a full-rank spatial covariance model", IEEE Trans. Audio, Speech, Lang. Process. 18(7), 2010, §III-B);
//!   the estimates are the multichannel Wiener filter's, vₖRₖ(Σ vR)⁻¹x.
//!
//! Both estimates add up to the mixture sample by sample, in each channel.

mod features;
mod learn;
mod scan;
mod spatial;
mod stream;
mod wrapped;

use crate::error::{Error, Result};
use crate::stft::Stft;
use ndarray::Array2;
use realfft::num_complex::Complex32;
use spatial::Spatial;

pub use learn::{learn, single_talker};
pub use stream::separate_talkers;

/// Speed of sound in m/s, air at 20 °C.
pub const SPEED_OF_SOUND: f64 = 343.0;

/// How estimates are made of the mixture of delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Multichannel Wiener filters, refined from the mixture. The default.
    #[default]
    Wiener,
    /// Responsibilities as masks.
    Mask,
}

/// What [`learn`] is to do. [`DelayOptions::new`] has the defaults, which need the number of talkers only.
#[derive(Debug, Clone, PartialEq)]
pub struct DelayOptions {
    /// Number of talkers, 1 to 16.
    pub sources: usize,
    /// Distance of the microphones in metres, if known; then the limit is c/(2d) and no larger delay is looked for.
    pub mic_distance: Option<f64>,
    /// Samples of a frame. Default: the power of two nearest to 128 ms.
    pub frame: Option<usize>,
    /// Samples from frame to frame. Default: a quarter of the frame.
    pub hop: Option<usize>,
    /// Lowest frequency used for the mixture in Hz. Default 200: below, delays are small beside the noise of phases.
    pub low: f64,
    /// Most M steps of the mixture. Default 200.
    pub max_iter: usize,
    /// How estimates are made. Default [`Method::Wiener`].
    pub method: Method,
    /// Iterations of the spatial covariances. Default 60.
    pub refinements: usize,
    /// Most frames that are learned from; of a longer sound every n-th, n the smallest that does. Default 4096, 131 s
    /// at 16 kHz. They are held in memory: 16 bytes for each frame and frequency.
    pub most_frames: usize,
}

impl DelayOptions {
    /// The defaults for so many talkers.
    pub fn new(sources: usize) -> Self {
        DelayOptions {
            sources,
            mic_distance: None,
            frame: None,
            hop: None,
            low: 200.0,
            max_iter: 200,
            method: Method::Wiener,
            refinements: 60,
            most_frames: 4096,
        }
    }

    /// The transform for sounds of `rate` samples per second.
    ///
    /// # Errors
    /// As [`Stft::new`].
    pub fn stft(&self, rate: u32) -> Result<Stft> {
        let nearest = || (2f64.powf((0.128 * f64::from(rate)).log2().round()) as usize).max(64);
        let frame = self.frame.unwrap_or_else(nearest);
        Stft::new(frame, self.hop.unwrap_or(frame / 4), crate::Window::Hann)
    }

    fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::setting(message));
        if !(1..=16).contains(&self.sources) {
            return refuse(format!("{} talkers: 1 to 16 can be told apart", self.sources));
        }
        if let Some(d) = self.mic_distance
            && !(d.is_finite() && d > 0.0)
        {
            return refuse(format!("a microphone distance of {d} m: it must be above 0"));
        }
        if !(self.low.is_finite() && self.low > 0.0) {
            return refuse(format!("a lowest frequency of {} Hz: it must be above 0", self.low));
        }
        if self.max_iter == 0 || self.most_frames == 0 {
            return refuse("max_iter and most_frames must be at least 1".into());
        }
        Ok(())
    }
}

/// A Gaussian of delays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DelayGaussian {
    /// Its share of the weight of all bins.
    pub weight: f64,
    /// Mean in seconds: arrival at microphone 2 less that at microphone 1.
    pub mean: f64,
    /// Variance in s².
    pub variance: f64,
}

impl DelayGaussian {
    /// Density at `delay` seconds, in 1/s, times the weight.
    pub fn density(&self, delay: f64) -> f64 {
        let z = (delay - self.mean).powi(2) / self.variance;
        self.weight * (-0.5 * z).exp() / (std::f64::consts::TAU * self.variance).sqrt()
    }
}

/// Where the highest frequency of the mixture's bins comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// c/(2d) of the given distance, or half the sampling rate if that is lower.
    Distance(f64),
    /// 1/(2.5·|τ|) of the farthest direction found, or half the sampling rate if that is lower.
    Estimated(f64),
}

impl Limit {
    /// The limit in Hz.
    pub fn hertz(&self) -> f64 {
        match *self {
            Limit::Distance(f) | Limit::Estimated(f) => f,
        }
    }
}

/// How often delays occur among the bins that the mixture was fitted to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DelayHistogram {
    /// Delay of the left edge of the first bar in seconds.
    pub start: f64,
    /// Width of a bar in seconds.
    pub width: f64,
    /// Density in 1/s: bars times width sum to the part of all weight that lies within the picture.
    pub density: Vec<f64>,
}

/// What was learned of the talkers in a recording with two microphones.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DelayModel {
    /// The talkers' Gaussians by rising mean; estimates come in this order.
    pub talkers: Vec<DelayGaussian>,
    /// The Gaussian of bins that belong to no talker.
    pub background: DelayGaussian,
    /// Log-likelihood of the mixture (natural logarithm, delays in seconds, bins weighted with mean 1) before each M step
    /// and after the last; it never falls.
    pub log_likelihood: Vec<f64>,
    /// Whether the mixture's EM ended before `max_iter`.
    pub converged: bool,
    /// Log-likelihood of the refinement at each iteration, summed over frames learned from and frequencies; it never
    /// falls. Empty for [`Method::Mask`].
    pub refinement: Vec<f64>,
    /// The highest frequency used for the mixture.
    pub limit: Limit,
    /// Bins the mixture was fitted to.
    pub bins: usize,
    /// Learned from every n-th frame.
    pub every: usize,
    /// Delays that occurred.
    pub histogram: DelayHistogram,
    /// The transform.
    pub stft: Stft,
    /// Samples per second.
    pub rate: u32,
    /// Spatial covariances, by frequency; empty for [`Method::Mask`].
    spatial: Vec<Spatial>,
    /// Least power of a talker in a bin.
    least: f64,
}

impl DelayModel {
    /// Number of talkers.
    pub fn sources(&self) -> usize {
        self.talkers.len()
    }

    /// Density of the whole mixture at `delay` seconds, in 1/s.
    pub fn density(&self, delay: f64) -> f64 {
        self.talkers.iter().chain([&self.background]).map(|g| g.density(delay)).sum()
    }

    /// Masks (bins × frames) of the talkers from spectra (frames × bins) of both microphones: responsibilities over
    /// their sum, so that masks sum to 1.
    ///
    /// # Errors
    /// For spectra that are not two of one shape with the transform's bins.
    pub fn masks(&self, spectra: &[Array2<Complex32>]) -> Result<Vec<Array2<f32>>> {
        let (left, right) = self.pair(spectra)?;
        let shares = wrapped::shares(self, left, right, false);
        Ok(shares.into_iter().map(|s| s.reversed_axes().as_standard_layout().into_owned()).collect())
    }

    /// Spectra (frames × bins) of every talker at both microphones, by the model's method.
    ///
    /// # Errors
    /// As [`DelayModel::masks`].
    pub fn images(&self, spectra: &[Array2<Complex32>]) -> Result<Vec<[Array2<Complex32>; 2]>> {
        let (left, right) = self.pair(spectra)?;
        if !self.spatial.is_empty() {
            let shares = wrapped::shares(self, left, right, true);
            return Ok(spatial::images(&self.spatial, self.least, left, right, shares));
        }
        let masked = |x: &Array2<Complex32>, m: &Array2<f32>| ndarray::Zip::from(x).and(m).map_collect(|x, m| x * m);
        let shares = wrapped::shares(self, left, right, false);
        Ok(shares.iter().map(|m| [masked(left, m), masked(right, m)]).collect())
    }

    fn pair<'a>(&self, spectra: &'a [Array2<Complex32>]) -> Result<(&'a Array2<Complex32>, &'a Array2<Complex32>)> {
        match spectra {
            [left, right] if left.dim() == right.dim() && left.ncols() == self.stft.bins() => Ok((left, right)),
            _ => Err(Error::setting(format!(
                "{} spectra of the shapes {:?}: two of one shape with {} bins are needed",
                spectra.len(),
                spectra.iter().map(|s| s.dim()).collect::<Vec<_>>(),
                self.stft.bins()
            ))),
        }
    }
}

/// The delay of every bin in seconds (bins × frames) from spectra (frames × bins) of both microphones; NaN where one of
/// them is zero and at frequency 0. Above the limit it is the smallest of the delays that have this phase.
///
/// # Errors
/// For spectra that are not two of one shape with the transform's bins.
pub fn delay_map(spectra: &[Array2<Complex32>], stft: &Stft, rate: u32) -> Result<Array2<f32>> {
    match spectra {
        [left, right] if left.dim() == right.dim() && left.ncols() == stft.bins() => {
            Ok(Array2::from_shape_fn((left.ncols(), left.nrows()), |(b, t)| {
                let f = stft.frequency(b, rate);
                features::delay(left[[t, b]], right[[t, b]], f).map_or(f32::NAN, |d| d as f32)
            }))
        }
        _ => Err(Error::setting(format!(
            "{} spectra: two of one shape with {} bins are needed",
            spectra.len(),
            stft.bins()
        ))),
    }
}
