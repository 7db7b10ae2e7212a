//! The report of `separate`.

use super::SeparateArgs;
use super::folder::Folder;
use super::mixture::Mixture;
use super::output::Output;
use super::parts::Job;
use super::recipe::Teacher;
use super::report::{Summary, Table};
use super::show::Picture;
use super::sounds;
use crate::failure::Failure;
use crate::report::{Page, fit};
use crate::text::{grouped, number, seconds};
use nmf_audio::delay::DelayModel;

/// The report of nmf and nmfd: the sounds, what they look like, how the factorization went.
pub(super) fn parts(
    job: &Job<'_>,
    summary: &Summary,
    mixture: &mut Mixture,
    output: &Output,
    folder: &Folder,
    pictures: Vec<Picture>,
) -> Result<Page, Failure> {
    let (settings, report) = (&job.settings, &summary.report);
    let how = match settings.teacher {
        Teacher::Train => "the bases of one part were learned from where it plays alone (--train)",
        Teacher::Learn => "the bases were learned from examples (--learn)",
        Teacher::Blind => "nothing was known of the sources",
    };
    let mut page = begun(job.args, output, &format!("{}: {how}", job.method()));
    let mut tiles = sound_tiles(mixture, output);
    tiles.extend(fit::tiles(report).into_iter().filter(|(name, _)| *name != "matrix"));
    tiles.push(("time, everything", seconds(summary.total_seconds)));
    page.tiles(&tiles);
    sounds::section(&mut page, mixture, output, folder)?;
    page.table(&summary.sources.header(), &summary.sources.rows);
    told_scores(&mut page, job.args, settings.teacher == Teacher::Train);
    page.section("Spectrograms, bases, activations", "");
    draw(&mut page, pictures);
    if !job.seen.whole {
        let (count, each) = (job.seen.stretches.len(), job.seen.stretches[0].len());
        page.paragraph(&format!(
            "The sound is long: its bases were learned from {count} excerpts of {each} frames, spread evenly, which have no common time to draw \
             activations over."
        ));
    }
    fit::progress(&mut page, report);
    fit::loss(&mut page, report);
    let extra = [
        ("frame", format!("{} samples", mixture.stft.frame())),
        ("hop", format!("{} samples", mixture.stft.hop())),
        ("what is factored", format!("|S|^{}", settings.spectrum_exponent)),
        ("masks", format!("V^{} over its sum", settings.mask_exponent)),
        ("runs", settings.runs.to_string()),
        ("iterations at most", settings.recipe.stop.max_iter.to_string()),
    ];
    fit::settings(&mut page, report, &job.args.mix, &extra);
    Ok(page)
}

/// The report of gmm: the sounds, the delays, the masks.
pub(super) fn talkers(
    args: &SeparateArgs,
    model: &DelayModel,
    sources: &Table,
    mixture: &mut Mixture,
    (output, folder): (&Output, &Folder),
    pictures: Vec<Picture>,
    elapsed: f64,
) -> Result<Page, Failure> {
    let mut page = begun(args, output, "gmm: every talker has a direction, seen as the delay between two microphones");
    let mut tiles = sound_tiles(mixture, output);
    tiles.push(("EM steps", model.log_likelihood.len().saturating_sub(1).to_string()));
    tiles.push(("log-likelihood", number(model.log_likelihood.last().copied().unwrap_or(f64::NAN))));
    tiles.push(("spatial aliasing from", format!("{} Hz", grouped(model.limit.hertz().round().max(0.0) as u64))));
    tiles.push(("time", seconds(elapsed)));
    page.tiles(&tiles);
    sounds::section(&mut page, mixture, output, folder)?;
    page.table(&sources.header(), &sources.rows);
    told_scores(&mut page, args, false);
    page.section(
        "Delays, masks, spectrograms",
        "A Gaussian mixture of the delays starts filters, which are refined in every frequency. The masks are what these leave of each bin.",
    );
    draw(&mut page, pictures);
    page.section("Settings", "");
    let pairs = [
        ("input", fit::file_name(&args.mix)),
        ("method", "gmm".into()),
        ("frame", format!("{} samples", mixture.stft.frame())),
        ("hop", format!("{} samples", mixture.stft.hop())),
        ("EM steps at most", args.max_iter.unwrap_or(super::two_microphones::MAX_ITER).to_string()),
        ("microphones apart", args.mic_distance.map_or("unknown".into(), |d| format!("{d} m"))),
        ("bins with a delay", grouped(model.bins as u64)),
        ("version", env!("CARGO_PKG_VERSION").into()),
    ];
    page.settings(&pairs.map(|(name, value)| (name.to_string(), value)));
    Ok(page)
}

fn begun(args: &SeparateArgs, output: &Output, how: &str) -> Page {
    Page::new(&format!("{}: {} sources", fit::file_name(&args.mix), output.names.len()), how)
}

/// Key figures of a sound.
fn sound_tiles(mixture: &Mixture, output: &Output) -> Vec<(&'static str, String)> {
    vec![
        ("sound", format!("{:.1} s", mixture.seconds())),
        ("channels", mixture.reader.channels().to_string()),
        ("sampling rate", format!("{} Hz", grouped(u64::from(mixture.rate())))),
        ("sources", output.names.len().to_string()),
    ]
}

/// What the scores are, where there are some.
fn told_scores(page: &mut Page, args: &SeparateArgs, trained: bool) {
    if args.reference.is_empty() {
        return;
    }
    let after = if trained { ", after the part of --train" } else { "" };
    page.paragraph(&format!(
        "SDR, SIR and SAR (BSS Eval) compare the estimates with the true sources{after}: distortion, interference of the other sources, \
         artifacts; more dB are better."
    ));
}

fn draw(page: &mut Page, pictures: Vec<Picture>) {
    pictures.into_iter().for_each(|p| page.figure(&p.name, p.svg, ""));
}
