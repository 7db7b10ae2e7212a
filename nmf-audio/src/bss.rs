//! BSS Eval, version 3: how well estimates match true sources, in decibels.
//!
//! An estimate is projected onto the true source and its delayed copies (a filter of 512 taps is forgiven), and onto all
//! true sources and their delayed copies. What the first projection leaves out is distortion; the part of that
//! within the second is interference of the other sources, the rest artifacts:
//! SDR = |P₁|²/|e − P₁|², SIR = |P₁|²/|P − P₁|², SAR = |P|²/|e − P|², each 10·log₁₀.
//!
//! Source: E. Vincent, R. Gribonval and C. Févotte, "Performance measurement in blind audio source separation", IEEE
//! Trans. Audio, Speech, Lang. Process. 14(4), 2006, §III (the decomposition) and §III-C (the filters allowed).

mod correlate;
mod solve;

use crate::error::{Error, Result};
use correlate::Plan;
use rayon::prelude::*;
use solve::Factor;

/// What [`bss_eval_sources`] is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BssOptions {
    /// Taps of the filter that is forgiven, 1 to 4096. Default 512, as BSS Eval has it.
    pub taps: usize,
    /// Whether to look for the order of the estimates that has the largest mean SIR. Default true; otherwise estimate
    /// j is taken for source j.
    pub permute: bool,
}

impl Default for BssOptions {
    fn default() -> Self {
        BssOptions { taps: 512, permute: true }
    }
}

/// What [`bss_eval_sources`] found, for every true source, in decibels; infinite where nothing is wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BssScores {
    /// Signal-to-distortion ratio.
    pub sdr: Vec<f64>,
    /// Signal-to-interference ratio.
    pub sir: Vec<f64>,
    /// Signal-to-artifacts ratio.
    pub sar: Vec<f64>,
    /// The estimate that was taken for each source.
    pub estimate: Vec<usize>,
}

/// Most sources for which the best order is looked for.
const MOST_SOURCES: usize = 12;
/// Most unknowns of one system: half a gigabyte.
const MOST_UNKNOWNS: usize = 8192;

/// Scores `estimates` of `references`, the true sources: as many, all of one length and rate, one channel each.
///
/// The figures are those of mir_eval's `bss_eval_sources`, where these are not themselves at the mercy of rounding. An
/// estimate that equals its source up to a filter of `taps` has an SDR of 100 dB to infinity, the rounding of its samples.
/// True sources that cannot be told from filtered copies of each other leave SIR and SAR without meaning.
///
/// Memory: the samples in `f64`, and (sources·taps)² numbers.
///
/// # Errors
/// No source, more than 12, counts or lengths that differ, samples that are not finite, a source or an estimate that is
/// silent, `taps` outside its range, sources·taps above 8192.
pub fn bss_eval_sources<R, E>(references: &[R], estimates: &[E], options: &BssOptions) -> Result<BssScores>
where
    R: AsRef<[f32]> + Sync,
    E: AsRef<[f32]> + Sync,
{
    let (sources, found) = (wide("true source", references)?, wide("estimate", estimates)?);
    let k = sources.len();
    if found.len() != k {
        return Err(Error::setting(format!("{} estimates for {k} true sources: as many are needed", found.len())));
    }
    if k == 0 || k > MOST_SOURCES {
        return Err(Error::setting(format!("{k} true sources: 1 to {MOST_SOURCES} can be scored")));
    }
    let len = sources[0].len();
    for (what, signals) in [("true source", &sources), ("estimate", &found)] {
        if let Some(j) = signals.iter().position(|s| s.len() != len) {
            return Err(Error::setting(format!(
                "{what} {j} has {} samples, true source 0 has {len}: they must be of one length",
                signals[j].len()
            )));
        }
    }
    if !(1..=4096).contains(&options.taps) {
        return Err(Error::setting(format!("{} taps: 1 to 4096 can be used", options.taps)));
    }
    if k * options.taps > MOST_UNKNOWNS {
        return Err(Error::setting(format!(
            "{k} true sources with {} taps: their product can be at most {MOST_UNKNOWNS}",
            options.taps
        )));
    }
    let taps = options.taps;
    let plan = Plan::new(taps);
    let gram = plan.correlations(&sources, &sources);
    let all = Factor::new(&gram, &(0..k).collect::<Vec<_>>(), taps);
    let alone: Vec<Factor> = (0..k).into_par_iter().map(|i| Factor::new(&gram, &[i], taps)).collect();
    let cross = plan.correlations(&sources, &found);

    // scores[j][i]: estimate j as source i
    let scores: Vec<Vec<[f64; 3]>> = (0..k)
        .map(|j| {
            let wanted: Vec<usize> = if options.permute { (0..k).collect() } else { vec![j] };
            let of = |i: usize| &cross.lags(i, j)[taps - 1..];
            let whole: Vec<f64> = all.solve(&(0..k).flat_map(|i| of(i).iter().copied()).collect::<Vec<_>>());
            let (energy, artifacts) = plan.energies(&sources, &whole, &found[j]);
            let sar = decibels(energy, artifacts);
            let mut row = vec![[f64::NEG_INFINITY; 3]; k];
            for i in wanted {
                let own = alone[i].solve(of(i));
                let (energy, distortion) = plan.energies(std::slice::from_ref(&sources[i]), &own, &found[j]);
                // P − P₁ has the filters of the one less those of the other
                let mut rest = whole.clone();
                rest[i * taps..][..taps].iter_mut().zip(&own).for_each(|(r, o)| *r -= o);
                let (interference, _) = plan.energies(&sources, &rest, &found[j]);
                row[i] = [decibels(energy, distortion), decibels(energy, interference), sar];
            }
            row
        })
        .collect();
    let estimate = if options.permute { best_order(k, |j, i| scores[j][i][1]) } else { (0..k).collect::<Vec<_>>() };
    let pick = |what: usize| estimate.iter().enumerate().map(|(i, &j)| scores[j][i][what]).collect();
    Ok(BssScores { sdr: pick(0), sir: pick(1), sar: pick(2), estimate })
}

/// The samples in `f64`, finite and not all zero.
fn wide<S: AsRef<[f32]>>(what: &str, signals: &[S]) -> Result<Vec<Vec<f64>>> {
    let widen = |(j, signal): (usize, &S)| {
        let signal = signal.as_ref();
        if let Some(n) = signal.iter().position(|x| !x.is_finite()) {
            return Err(Error::setting(format!("{what} {j} has the sample {} at {n} (counted from 0)", signal[n])));
        }
        let peak = signal.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        if peak == 0.0 {
            return Err(Error::setting(format!(
                "{what} {j} is silent ({} samples): its ratios are not defined; leave it out",
                signal.len()
            )));
        }
        // ratios do not depend on the scale, and this one is exact
        let scale = 2f64.powi(-(f64::from(peak).log2().floor() as i32));
        Ok(signal.iter().map(|x| f64::from(*x) * scale).collect())
    };
    signals.iter().enumerate().map(widen).collect()
}

fn decibels(signal: f64, error: f64) -> f64 {
    if error == 0.0 { f64::INFINITY } else { 10.0 * (signal / error).log10() }
}

/// The estimate for each source that makes the sum of `score(estimate, source)` largest; by subsets, 2ᵏ·k steps.
fn best_order(k: usize, score: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    // infinite scores must not hide the others; NaN loses
    let bounded = |j, i| match score(j, i) {
        s if s.is_nan() => -1e6,
        s => s.clamp(-1e6, 1e6),
    };
    // best[set]: the sources below the size of the set matched with the estimates in the set
    let mut best = vec![(f64::NEG_INFINITY, 0usize); 1 << k];
    best[0].0 = 0.0;
    for set in 1usize..1 << k {
        let i = set.count_ones() as usize - 1;
        for j in (0..k).filter(|j| set >> j & 1 == 1) {
            let total = best[set ^ (1 << j)].0 + bounded(j, i);
            if total > best[set].0 {
                best[set] = (total, j);
            }
        }
    }
    let mut order = vec![0; k];
    let mut set = (1usize << k) - 1;
    for i in (0..k).rev() {
        order[i] = best[set].1;
        set ^= 1 << order[i];
    }
    order
}
