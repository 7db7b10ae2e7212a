//! `--reference`: how near the estimates come to the true sources.

use super::mixture::{Mixture, read_at};
use super::output::Output;
use super::{Method, SeparateArgs};
use crate::args::Global;
use crate::failure::Failure;
use crate::progress::spinner;
use nmf_audio::Sound;
use nmf_audio::bss::{BssOptions, bss_eval_sources};

/// BSS Eval of one source, in dB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Score {
    /// Signal to distortion.
    pub(crate) sdr: f64,
    /// Signal to interference.
    pub(crate) sir: f64,
    /// Signal to artifacts.
    pub(crate) sar: f64,
}

/// As many as BSS Eval takes.
const MOST: usize = 12;

/// The true sources, read and checked before any work; empty where none are named.
pub(crate) fn references(
    args: &SeparateArgs,
    mixture: &Mixture,
    names: &[String],
    after: usize,
) -> Result<Vec<Vec<f32>>, Failure> {
    if args.reference.is_empty() {
        return Ok(Vec::new());
    }
    let given = args.reference.len();
    // with --learn the rest may go without
    let learned = args.learn.len();
    if learned > 1 && args.bases.is_none() && given == names.len() {
        // the examples were taken for all there is
        return Err(Failure::usage(format!(
            "--reference names {given} true sources, {learned} are needed: without --bases nothing is left for the rest"
        )));
    }
    if given != names.len() && !(learned > 0 && given == learned) {
        let wanted = if learned > 0 { format!("{learned} or {}", names.len()) } else { names.len().to_string() };
        return Err(Failure::usage(format!(
            "--reference names {given} true sources, {wanted} are needed: {}",
            names.join(", ")
        )));
    }
    if given > MOST {
        return Err(Failure::usage(format!("--reference names {given} true sources: at most {MOST} can be scored")));
    }
    if after >= mixture.len {
        return Err(Failure::usage("--reference: nothing is left to score after the part of --train"));
    }
    let mut all = Vec::new();
    for path in &args.reference {
        let sound = read_at(path, mixture.rate())?;
        if sound.len() != mixture.len {
            let message = format!(
                "{} samples, but {} of the sound to be separated: a true source is as long",
                sound.len(),
                mixture.len
            );
            return Err(Failure::file(path, message));
        }
        let heard = channel(&sound, args.method)[after..].to_vec();
        if heard.iter().all(|v| *v == 0.0) {
            let what = if after > 0 { "is silent after the part of --train" } else { "is silent" };
            return Err(Failure::file(path, format!("{what}: nothing can be compared with it")));
        }
        all.push(heard);
    }
    Ok(all)
}

/// What is scored: the first microphone, or the mean of the channels.
fn channel(sound: &Sound, method: Method) -> Vec<f32> {
    if method == Method::Gmm { sound.channels()[0].clone() } else { sound.mono() }
}

/// The scores of the outputs, which `permute` puts in the order of the references.
pub(crate) fn score(
    args: &SeparateArgs,
    global: &Global,
    references: &[Vec<f32>],
    output: &mut Output,
    after: usize,
    permute: bool,
) -> Result<Vec<Option<Score>>, Failure> {
    let mut scores = vec![None; output.names.len()];
    if references.is_empty() {
        return Ok(scores);
    }
    let wheel = spinner(global, "scoring".into());
    let mut estimates = Vec::new();
    for path in &output.paths[..references.len()] {
        estimates.push(channel(&nmf_audio::read(path)?, args.method)[after..].to_vec());
    }
    if let Some(i) = estimates.iter().position(|e| e.iter().all(|v| *v == 0.0)) {
        global.warn(format!("{} is silent: the sources cannot be scored", output.names[i]));
        return Ok(scores);
    }
    let found = bss_eval_sources(references, &estimates, &BssOptions { permute, ..BssOptions::default() });
    drop(wheel);
    let found = match found {
        Ok(found) => found,
        Err(e) => {
            // the sources are there: they are not lost for want of a score
            global.warn(format!("the sources cannot be scored: {e}"));
            return Ok(scores);
        }
    };
    for (i, estimate) in found.estimate.iter().enumerate() {
        output.order[i] = *estimate;
        scores[i] = Some(Score { sdr: found.sdr[i], sir: found.sir[i], sar: found.sar[i] });
    }
    Ok(scores)
}
