//! From a recording to its [`DelayModel`].

use super::features::{Frames, check_channels, collect, cross, power, trusted};
use super::scan::{Peak, peaks};
use super::{DelayGaussian, DelayHistogram, DelayModel, DelayOptions, Limit, Method, SPEED_OF_SOUND, spatial, wrapped};
use crate::error::{Error, Result};
use crate::reader::SoundReader;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use nmf_mixture::{Covariances, GaussianMixture, MixtureFit, MixtureOptions, Start};
use std::ops::Range;

/// Allowance of the estimated limit for delays beyond the direction found.
const MARGIN: f64 = 1.25;
/// Bars of the histogram.
const BARS: usize = 240;

/// Learns the talkers of a recording with two microphones. Nothing is drawn at random: the result depends on the sound
/// and the options alone.
///
/// # Errors
/// Those of reading; options outside their range; a sound that has not two channels, no samples, a silent channel or
/// the same in both; a limit below twice `low`; fewer directions than talkers.
pub fn learn(reader: &mut SoundReader, options: &DelayOptions) -> Result<DelayModel> {
    options.check()?;
    check_channels(reader)?;
    let rate = reader.rate();
    let stft = options.stft(rate)?;
    let len = reader.count_frames()?;
    let refuse = |reader: &SoundReader, message: String| Err(Error::format(reader.path(), message));
    if len == 0 {
        return refuse(reader, "it holds no samples".into());
    }
    let top = 0.5 * f64::from(rate);
    let given = options.mic_distance.map(|d| (SPEED_OF_SOUND / (2.0 * d)).min(top));
    let least = 2.0 * options.low;
    if let (Some(limit), Some(d)) = (given, options.mic_distance)
        && limit < least
    {
        return Err(Error::setting(format!(
            "microphones {d} m apart: delays are unambiguous below {limit:.0} Hz only, and {least:.0} Hz are needed, \
             that is a distance of at most {:.2} m",
            SPEED_OF_SOUND / (2.0 * least)
        )));
    }
    let frames = collect(reader, &stft, 0..len, options.most_frames)?;
    for (c, channel) in [&frames.left, &frames.right].into_iter().enumerate() {
        if channel.iter().all(|x| power(*x) == 0.0) {
            return refuse(reader, format!("channel {c} (counted from 0) is silent"));
        }
    }
    if same(&frames) {
        return refuse(reader, "both channels hold the same sound: there are no delays to tell talkers apart".into());
    }
    // where nothing is known, delays that leave a band as wide as the lowest frequency
    let most = options.mic_distance.map_or(1.0 / (2.0 * MARGIN * least), |d| 1.1 * d / SPEED_OF_SOUND);
    let found = peaks(&frames, &stft, rate, options.low, most);
    let starts = apart(&found, options.sources, 1.0 / (16.0 * top.min(8000.0)));
    if starts.len() < options.sources {
        return refuse(
            reader,
            format!("{} directions were found, fewer than {} talkers: ask for fewer", starts.len(), options.sources),
        );
    }
    let farthest = starts.iter().fold(0.0f64, |m, p| m.max(p.delay.abs()));
    let limit = match given {
        Some(limit) => Limit::Distance(limit),
        None => Limit::Estimated((1.0 / (2.0 * MARGIN * farthest)).min(top)),
    };
    let (delays, weights) = trusted(&frames, &stft, rate, options.low, limit.hertz());
    let fit = mixture(&delays, &weights, &starts, options)?;
    let (talkers, background) = gaussians(&fit.mixture, options.sources);
    let histogram = histogram(&delays, &weights, &talkers);
    let mut model = DelayModel {
        talkers,
        background,
        log_likelihood: fit.log_likelihood,
        converged: fit.converged,
        refinement: Vec::new(),
        limit,
        bins: delays.len(),
        every: frames.every,
        histogram,
        stft,
        rate,
        spatial: Vec::new(),
        least: 0.0,
    };
    if options.method == Method::Wiener {
        let shares = wrapped::shares(&model, &frames.left, &frames.right, true);
        (model.spatial, model.refinement, model.least) = spatial::fit(&model, &frames, &shares, options.refinements);
    }
    Ok(model)
}

/// The Gaussian of one talker who speaks alone from `seconds.start` to `seconds.end`: weighted mean and variance of the
/// delays of the bins from `options.low` to `limit` Hz, the closed form of a mixture of one.
///
/// # Errors
/// Those of reading and of a sound that has not two channels; a range outside the sound or without any delay.
pub fn single_talker(
    reader: &mut SoundReader,
    seconds: Range<f64>,
    limit: f64,
    options: &DelayOptions,
) -> Result<DelayGaussian> {
    options.check()?;
    check_channels(reader)?;
    let (rate, len) = (reader.rate(), reader.count_frames()?);
    let whole = len as f64 / f64::from(rate);
    if !(seconds.start >= 0.0 && seconds.start < seconds.end && seconds.end <= whole + 1e-9) {
        let message = format!(
            "seconds {} to {} cannot be used: they must rise and lie within 0 to {whole:.3}",
            seconds.start, seconds.end
        );
        return Err(Error::format(reader.path(), message));
    }
    let stft = options.stft(rate)?;
    let at = |t: f64| ((t * f64::from(rate)).round() as u64).min(len);
    let frames = collect(reader, &stft, at(seconds.start)..at(seconds.end), options.most_frames)?;
    let (delays, weights) = trusted(&frames, &stft, rate, options.low, limit);
    let fit = fit_delays(&delays, &weights, &MixtureOptions::new(1))?;
    let (one, _) = gaussians(&fit.mixture, 1);
    one.first().copied().ok_or_else(|| Error::setting("no talker"))
}

/// Whether the phases of both channels agree but for rounding.
fn same(frames: &Frames) -> bool {
    let (mut all, mut apart) = (0.0, 0.0);
    for (l, r) in frames.left.iter().zip(&frames.right) {
        let product = cross(*l, *r);
        all += product.norm();
        apart += product.im.abs();
    }
    apart <= 1e-6 * all
}

/// The highest peaks that keep a distance from each other, at most `count`.
fn apart(peaks: &[Peak], count: usize, distance: f64) -> Vec<Peak> {
    let mut chosen: Vec<Peak> = Vec::with_capacity(count);
    for p in peaks {
        if chosen.len() < count && chosen.iter().all(|c| (c.delay - p.delay).abs() >= distance) {
            chosen.push(*p);
        }
    }
    chosen
}

fn fit_delays(delays: &[f64], weights: &[f64], options: &MixtureOptions) -> Result<MixtureFit> {
    let rows = ArrayView2::from_shape((delays.len(), 1), delays);
    let rows = rows.map_err(|e| Error::setting(e.to_string()))?;
    nmf_mixture::fit(rows, Some(ArrayView1::from(weights)), options)
        .map_err(|e| Error::setting(format!("the delays of the bins: {e}")))
}

/// EM from narrow Gaussians at the directions and one as wide as all delays, all of equal weight.
fn mixture(delays: &[f64], weights: &[f64], starts: &[Peak], options: &DelayOptions) -> Result<MixtureFit> {
    let k = starts.len() + 1;
    let total: f64 = weights.iter().sum();
    let moment = |about: f64, power: i32| -> f64 {
        delays.iter().zip(weights).map(|(d, w)| w * (d - about).powi(power)).sum::<f64>() / total
    };
    let mean = moment(0.0, 1);
    let spread = moment(mean, 2);
    let mut sorted: Vec<f64> = starts.iter().map(|p| p.delay).collect();
    sorted.sort_by(f64::total_cmp);
    let gap = sorted.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
    // a few degrees of a usual spacing, less where directions are close
    let narrow = (0.25 * gap).min(20e-6).powi(2);
    let bad = |e: nmf_mixture::Error| Error::setting(format!("the delays of the bins: {e}"));
    let start = GaussianMixture::new(
        Array1::from_elem(k, 1.0 / k as f64),
        Array2::from_shape_fn((k, 1), |(q, _)| sorted.get(q).copied().unwrap_or(mean)),
        Covariances::Diagonal(Array2::from_shape_fn(
            (k, 1),
            |(q, _)| if q + 1 < k { narrow.min(spread) } else { spread },
        )),
    )
    .map_err(bad)?;
    let options = MixtureOptions {
        start: Start::Given(start),
        max_iter: options.max_iter,
        tol: 1e-6,
        floor: 1e-6,
        ..MixtureOptions::new(k)
    };
    fit_delays(delays, weights, &options)
}

/// The first `talkers` components by rising mean, and the one after them (or the last).
fn gaussians(mixture: &GaussianMixture, talkers: usize) -> (Vec<DelayGaussian>, DelayGaussian) {
    let one = |q: usize| DelayGaussian {
        weight: mixture.weights()[q],
        mean: mixture.means()[[q, 0]],
        variance: mixture.variance(q, 0).unwrap_or(f64::NAN),
    };
    let mut found: Vec<DelayGaussian> = (0..talkers).map(one).collect();
    found.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    (found, one(talkers.min(mixture.components() - 1)))
}

/// Bars over the talkers and four deviations on either side of them.
fn histogram(delays: &[f64], weights: &[f64], talkers: &[DelayGaussian]) -> DelayHistogram {
    let reach = |g: &DelayGaussian| g.mean.abs() + 4.0 * g.variance.sqrt();
    let most = 1.2 * talkers.iter().map(reach).fold(0.0, f64::max);
    let (start, width) = (-most, 2.0 * most / BARS as f64);
    let mut density = vec![0.0; BARS];
    let total: f64 = weights.iter().sum();
    for (d, w) in delays.iter().zip(weights) {
        let at = (d - start) / width;
        if at >= 0.0 && at < BARS as f64 {
            density[at as usize] += w / (total * width);
        }
    }
    DelayHistogram { start, width, density }
}
