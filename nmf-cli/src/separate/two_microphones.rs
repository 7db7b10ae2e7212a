//! `separate --method gmm`: talkers told apart by the delay between two microphones.

use super::folder::Folder;
use super::mixture::Mixture;
use super::options::{self, Interval};
use super::output::Output;
use super::recipe::numbered;
use super::report::{self, Table, sources_json, sources_table};
use super::show::Picture;
use super::{SeparateArgs, page, scores, show};
use crate::args::{BackendChoice, Global};
use crate::failure::Failure;
use crate::fit_json::peak_rss_mb;
use crate::pictures;
use crate::progress::{Interruptible, spinner};
use crate::text::{number, seconds};
use ndarray::Array2;
use nmf_audio::delay::{
    DelayGaussian, DelayModel, DelayOptions, Limit, delay_map, learn, separate_talkers, single_talker,
};
use nmf_audio::{Complex32, magnitude, soft_masks};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Frames in the pictures of delays and masks; of a longer sound its beginning is shown.
const PICTURED: usize = 2048;
/// EM steps at most, if nothing else is asked for.
pub(super) const MAX_ITER: usize = 200;
/// Seconds of a frame, before it is rounded to a power of two: long, as rooms echo.
const FRAME_SECONDS: f64 = 0.128;

/// Runs the command.
pub(crate) fn run(
    args: &SeparateArgs,
    folder: Folder,
    interruptible: &Interruptible,
    global: &Global,
) -> Result<(), Failure> {
    if global.precision.is_some() {
        return Err(Failure::usage("--precision: --method gmm has one precision, leave it away"));
    }
    let for_gpu = if global.backend() == BackendChoice::Gpu { Some("--backend gpu") } else { global.gpu_option() };
    if let Some(option) = for_gpu {
        let message = format!("--method gmm factors nothing and runs on the CPU: leave {option} away");
        return Err(Failure::usage(message));
    }
    let mut mixture = Mixture::open(&args.mix, args.rate, args.frame, args.hop, FRAME_SECONDS)?;
    let channels = mixture.reader.channels();
    if channels != 2 {
        let message = format!(
            "has {}, --method gmm needs two microphones",
            if channels == 1 { "one channel".into() } else { format!("{channels} channels") }
        );
        return Err(Failure::file(&args.mix, message));
    }
    let names = numbered(args.sources.unwrap_or(2));
    options::protect(args, &names, global)?;
    let references = scores::references(args, &mixture, &names, 0)?;
    let options = DelayOptions {
        mic_distance: args.mic_distance,
        frame: Some(mixture.stft.frame()),
        hop: Some(mixture.stft.hop()),
        max_iter: args.max_iter.unwrap_or(MAX_ITER),
        ..DelayOptions::new(names.len())
    };
    let clock = Instant::now();
    let wheel = spinner(global, format!("learning the delays of {}", args.mix.display()));
    let blame = |e: nmf_audio::Error| Failure::from(e).prefixed(&args.mix.display().to_string());
    let read = mixture.reader.path().to_path_buf();
    let named = |e: nmf_audio::Error| match e.path() {
        // a resampled copy has a path that tells the user nothing
        Some(_) => Failure::from(e).about(&read, &args.mix.display().to_string()),
        None => blame(e),
    };
    mixture.reader.rewind()?;
    let model = learn(&mut mixture.reader, &options).map_err(named)?;
    for pair in model.talkers.windows(2) {
        let apart = pair[1].mean - pair[0].mean;
        if apart < 0.5 * (pair[0].variance.sqrt() + pair[1].variance.sqrt()) {
            global.warn(format!(
                "two directions are {:.1} µs apart, within their spread: their talkers can hardly be told apart by delay (stereo music, panned by \
                 loudness, has no delays)",
                1e6 * apart
            ));
        }
    }
    let alone = |part: &Interval| -> Result<DelayGaussian, Failure> {
        let (seconds, least) = (mixture.seconds(), mixture.stft.frame() as f64 / f64::from(model.rate));
        if part.to > seconds + 0.5e-3 || part.to - part.from < least {
            let message = format!(
                "--alone {}:{} must hold a whole frame ({least:.3} s) and end by its end, {seconds:.3} s",
                part.from, part.to
            );
            return Err(Failure::file(&args.mix, message));
        }
        single_talker(&mut mixture.reader, part.from..part.to.min(seconds), model.limit.hertz(), &options)
            .map_err(named)
    };
    let alone = args.alone.iter().map(alone).collect::<Result<Vec<_>, _>>()?;
    drop(wheel);
    let stopped = || interruptible.stopping().then(|| Failure::interrupted("stopped; nothing was written"));
    if let Some(stopped) = stopped() {
        return Err(stopped);
    }
    let mut output = Output::new(&folder, names, &mixture, args.samples)?;
    let wheel = spinner(global, "separating".into());
    mixture.reader.rewind()?;
    let stretch = mixture.stretch(3 * model.sources() + 1);
    separate_talkers(&mut mixture.reader, &model, stretch, |estimates| match stopped() {
        Some(stopped) => Err(stopped),
        None => output.write(estimates),
    })?;
    output.finish()?;
    drop(wheel);
    let elapsed = clock.elapsed().as_secs_f64();
    let found = scores::score(args, global, &references, &mut output, 0, true)?;

    let told = Told {
        args,
        mixture: &mixture,
        model: &model,
        output: &output,
        scores: &found,
        alone: &alone,
        seconds: elapsed,
    };
    let (json, text) = (told.json(), told.text());
    let sources = told.sources();
    let wanted = args.output.is_some() || args.report.wanted();
    let pictures = if wanted { draw(&model, &mut mixture, &output)? } else { Vec::new() };
    if args.output.is_some() {
        folder.bytes("separate.json", format!("{:#}\n", Value::Object(json.clone())).as_bytes())?;
        show::write(&folder, &pictures)?;
    }
    let page = match args.report.wanted() {
        true => Some(page::talkers(args, &model, &sources, &mut mixture, (&output, &folder), pictures, elapsed)?),
        false => None,
    };
    output.rename(&folder)?;
    folder.commit()?;
    page.map_or(Ok(()), |page| args.report.write(page))?;
    report::print(&json, &text, global, args)?;
    stopped().map_or(Ok(()), Err)
}

/// What is reported.
struct Told<'a> {
    args: &'a SeparateArgs,
    mixture: &'a Mixture,
    model: &'a DelayModel,
    output: &'a Output,
    scores: &'a [Option<scores::Score>],
    alone: &'a [DelayGaussian],
    seconds: f64,
}

impl Told<'_> {
    /// Delays in seconds, variances in s², frequencies in Hz; `mixture` in the order of the outputs.
    fn json(&self) -> Map<String, Value> {
        let gaussian = |g: &DelayGaussian| json!({"weight": g.weight, "mean": g.mean, "variance": g.variance});
        let talkers: Vec<Value> = self.output.order.iter().map(|e| gaussian(&self.model.talkers[*e])).collect();
        let given = matches!(self.model.limit, Limit::Distance(_));
        let pairs = [
            ("sources", sources_json(self.output, self.scores, self.args.output.is_some())),
            ("sample_rate", json!(self.mixture.rate())),
            ("samples", json!(self.mixture.len)),
            ("method", json!("gmm")),
            ("frame", json!(self.model.stft.frame())),
            ("hop", json!(self.model.stft.hop())),
            ("mixture", json!(talkers)),
            ("background", gaussian(&self.model.background)),
            ("alone", self.alone.iter().map(gaussian).collect()),
            ("log_likelihood", json!(self.model.log_likelihood)),
            ("refinement_log_likelihood", json!(self.model.refinement)),
            ("converged", json!(self.model.converged)),
            ("aliasing_limit", json!(self.model.limit.hertz())),
            ("aliasing_limit_estimated", json!(!given)),
            ("mic_distance", json!(self.args.mic_distance)),
            ("bins", json!(self.model.bins)),
            ("seconds", json!(self.seconds)),
            ("peak_rss_mb", json!(peak_rss_mb())),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
        ];
        pairs.into_iter().map(|(k, v)| (k.to_string(), v)).collect()
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        let mut line = |what: &str, text: String| lines.push(format!("{what:<15}{text}"));
        line("sound", format!("{:.2} s, 2 channels, {} Hz", self.mixture.seconds(), self.mixture.rate()));
        let limit = match self.model.limit {
            Limit::Distance(f) => format!("{} Hz, from --mic-distance", f.round()),
            Limit::Estimated(f) => {
                format!("{} Hz, estimated from the farthest direction (--mic-distance gives it)", f.round())
            }
        };
        line("aliasing from", limit);
        let all = &self.model.log_likelihood;
        let (first, last) = (all.first().copied().unwrap_or(f64::NAN), all.last().copied().unwrap_or(f64::NAN));
        let steps = all.len().saturating_sub(1);
        line(
            "likelihood",
            format!(
                "log {} after {steps} EM steps (at the start {}), {} bins",
                number(last),
                number(first),
                self.model.bins
            ),
        );
        line(
            "filter",
            format!(
                "from these Gaussians, refined by EM in each frequency, {} steps",
                self.model.refinement.len().saturating_sub(1)
            ),
        );
        line("seconds", seconds(self.seconds));
        for (part, g) in self.args.alone.iter().zip(self.alone) {
            let delay = format!("delay {:.1} ± {:.1} µs", 1e6 * g.mean, 1e6 * g.variance.sqrt());
            line("alone", format!("{} to {} s: {delay}", part.from, part.to));
        }
        lines.push(String::new());
        lines.push(self.sources().text());
        let b = &self.model.background;
        lines.push(format!("bins of no single talker: weight {:.3}, std {:.1} µs", b.weight, 1e6 * b.variance.sqrt()));
        lines.join("\n")
    }

    /// The table of the talkers.
    fn sources(&self) -> Table {
        let of = |f: fn(&DelayGaussian) -> String| self.model.talkers.iter().map(f).collect::<Vec<_>>();
        let extra = [
            ("weight", of(|g| format!("{:.3}", g.weight))),
            ("delay µs", of(|g| format!("{:.1}", 1e6 * g.mean + 0.0))),
            ("std µs", of(|g| format!("{:.1}", 1e6 * g.variance.sqrt()))),
        ];
        sources_table(self.output, self.scores, &extra)
    }
}

/// histogram, log_likelihood, delays, masks (one each) and spectrograms.
fn draw(model: &DelayModel, mixture: &mut Mixture, output: &Output) -> Result<Vec<Picture>, Failure> {
    let h = &model.histogram;
    let micro = 1e6;
    let counts: Vec<(f64, f64)> = h
        .density
        .iter()
        .enumerate()
        .map(|(i, d)| (micro * (h.start + (i as f64 + 0.5) * h.width), d * h.width * model.bins as f64))
        .collect();
    let fitted: Vec<(f64, f64, f64)> = model
        .talkers
        .iter()
        .chain([&model.background])
        .map(|g| (g.weight, micro * g.mean, micro * micro * g.variance))
        .collect();
    let means: Vec<f64> = model.talkers.iter().map(|g| micro * g.mean).collect();
    // the talkers come in the order of the estimates, outputs perhaps in another
    let mut names: Vec<String> = vec![String::new(); model.sources()];
    output.order.iter().zip(&output.names).for_each(|(e, name)| names[*e].clone_from(name));
    names.push("nobody".into());
    let title = "delays between the microphones";
    let picture = pictures::histogram(title, "delay in µs", &counts, &fitted, &names, &means);
    let mut pictures = vec![Picture::new("histogram", picture)];
    let curve: Vec<(f64, f64)> = model.log_likelihood.iter().enumerate().map(|(i, v)| (i as f64, *v)).collect();
    let picture = pictures::curve("log-likelihood of the mixture", "EM step", "log-likelihood", &curve);
    pictures.push(Picture::new("log_likelihood", picture));

    let frames = 0..mixture.frames().min(PICTURED);
    let spectra: Vec<Array2<Complex32>> = mixture.spectra(frames)?;
    let axes = show::axes(mixture);
    let whole = mixture.frames() <= PICTURED;
    let beginning = PICTURED as f64 * mixture.stft.hop() as f64 / f64::from(mixture.rate());
    let part = if whole { String::new() } else { format!(", the first {beginning:.0} s") };
    let delays = delay_map(&spectra, &mixture.stft, mixture.rate())?.mapv(|d| 1e6 * d);
    let spread = |g: &DelayGaussian| micro * (g.mean.abs() + 2.0 * g.variance.sqrt());
    let far = model.talkers.iter().map(spread).fold(1.0, f64::max) as f32;
    let picture = pictures::map(&format!("delay of each bin{part}"), delays.view(), (-far, far), "µs", &axes);
    pictures.push(Picture::new("delays", picture));
    // what the filters leave of each bin at microphone 1
    let powers: Vec<Array2<f32>> = model.images(&spectra)?.iter().map(|[one, _]| magnitude(one.view(), 2.0)).collect();
    let masks = soft_masks(&powers, 1.0)?;
    for (i, estimate) in output.order.iter().enumerate() {
        let title = format!("share of {} in each bin{part}", output.names[i]);
        let picture = pictures::map(&title, masks[*estimate].view(), (0.0, 1.0), "share", &axes);
        pictures.push(Picture::new(format!("mask_{}", output.names[i]), picture));
    }
    pictures.push(show::spectrograms(mixture, output)?);
    Ok(pictures)
}
