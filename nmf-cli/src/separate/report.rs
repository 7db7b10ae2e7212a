//! What is told about a separation by nmf or nmfd: a table, JSON, and files beside the sources.

use super::SeparateArgs;
use super::folder::Folder;
use super::mixture::Mixture;
use super::output::Output;
use super::parts::{Job, Run};
use super::recipe::Teacher;
use super::scores::Score;
use crate::args::Global;
use crate::failure::Failure;
use crate::fit_json::{Report, peak_rss_mb};
use crate::text::{self, number, seconds};
use nmf_audio::sources::shares;
use nmf_core::{Element, Fitted};
use serde_json::{Map, Value, json};

/// A separation in words and numbers.
pub(crate) struct Summary {
    json: Map<String, Value>,
    text: String,
    /// The table of the sources.
    pub(crate) sources: Table,
    /// The factorization that was kept.
    pub(crate) report: Report,
    /// Seconds of everything.
    pub(crate) total_seconds: f64,
}

/// A table with its header.
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// The names of the columns.
    pub(crate) fn header(&self) -> Vec<&str> {
        self.header.iter().map(String::as_str).collect()
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        text::table(&self.header(), &self.rows, 1)
    }
}

/// `sources` of the JSON: nulls where there are no references, `file` null where nothing is written.
pub(crate) fn sources_json(output: &Output, scores: &[Option<Score>], written: bool) -> Value {
    let one = |i: usize| {
        let score = scores.get(i).copied().flatten();
        let file = written.then(|| output.file(i));
        json!({
            "name": output.names[i], "file": file,
            "sdr": score.map(|s| s.sdr), "sir": score.map(|s| s.sir), "sar": score.map(|s| s.sar),
        })
    };
    (0..output.names.len()).map(one).collect()
}

/// The table of sources: name, loudness, scores.
pub(crate) fn sources_table(output: &Output, scores: &[Option<Score>], extra: &[(&str, Vec<String>)]) -> Table {
    let all: f64 = output.energy.iter().sum();
    let scored = scores.iter().any(Option::is_some);
    let mut header = vec!["source", "energy"];
    header.extend(extra.iter().map(|(name, _)| *name));
    if scored {
        header.extend(["SDR dB", "SIR dB", "SAR dB"]);
    }
    let decibels = |v: f64| format!("{v:.2}");
    let rows: Vec<Vec<String>> = (0..output.names.len())
        .map(|i| {
            let share = 100.0 * output.energy[output.order[i]] / all.max(f64::MIN_POSITIVE);
            let mut row = vec![output.names[i].clone(), format!("{share:.1} %")];
            row.extend(extra.iter().map(|(_, values)| values[output.order[i]].clone()));
            if scored {
                row.extend(match scores[i] {
                    Some(s) => [s.sdr, s.sir, s.sar].map(decibels),
                    None => ["", "", ""].map(String::from),
                });
            }
            row
        })
        .collect();
    Table { header: header.into_iter().map(String::from).collect(), rows }
}

impl Summary {
    /// Of a separation that is done.
    pub(crate) fn new<T: Element>(
        job: &Job<'_>,
        mixture: &Mixture,
        output: &Output,
        (runs, best, made): (&[Run<T>], usize, usize),
        scores: &[Option<Score>],
        report: Report,
        (factor_seconds, total_seconds): (f64, f64),
    ) -> Result<Summary, Failure> {
        let run = &runs[best];
        let settings = &job.settings;
        let written = job.args.output.is_some();
        let columns = run.h.ncols();
        let inside = job.train.as_ref().map_or_else(Vec::new, |t| job.seen.columns(t));
        let (within, beyond) = split(&inside, columns);
        let share = |parts: &[std::ops::Range<usize>]| -> Result<Vec<f64>, Failure> {
            let mut sums = vec![0.0; run.groups.len()];
            let total: usize = parts.iter().map(ExactSizeIterator::len).sum();
            for p in parts {
                let these = shares(run.w.view(), run.h.view(), &run.groups, p.clone())?;
                sums.iter_mut().zip(these).for_each(|(s, v)| *s += v * p.len() as f64 / total.max(1) as f64);
            }
            Ok(sums)
        };
        let mut json = Map::new();
        json.insert("sources".into(), sources_json(output, scores, written));
        json.insert("sample_rate".into(), json!(mixture.rate()));
        json.insert("samples".into(), json!(mixture.len));
        json.insert("channels".into(), json!(mixture.reader.channels()));
        json.insert("method".into(), json!(job.method()));
        json.insert("frame".into(), json!(mixture.stft.frame()));
        json.insert("hop".into(), json!(mixture.stft.hop()));
        json.insert("spectrum_exponent".into(), json!(settings.spectrum_exponent));
        json.insert("mask_exponent".into(), json!(settings.mask_exponent));
        json.insert("bases".into(), json!(settings.bases));
        json.insert("shifts".into(), json!(settings.recipe.shifts));
        json.insert("runs".into(), json!(made));
        json.insert("groups".into(), json!(output.order.iter().map(|e| &run.groups[*e]).collect::<Vec<_>>()));
        if !job.seen.whole {
            // the frames that W and H are about
            let parts: Vec<[usize; 2]> = job.seen.stretches.iter().map(|r| [r.start, r.end]).collect();
            json.insert("excerpts".into(), json!(parts));
        }
        let mut extra = Vec::new();
        if settings.teacher == Teacher::Train {
            let (intro, after) = (share(&within)?, share(&beyond)?);
            json.insert("train_bases".into(), json!(settings.train_bases));
            // of the model: how much each group of bases makes within --train and after it
            json.insert("shares".into(), json!({"train": intro, "elsewhere": after}));
            let percent = |all: &[f64]| all.iter().map(|v| format!("{:.1} %", 100.0 * v)).collect::<Vec<_>>();
            extra.push(("model, --train", percent(&intro)));
            extra.push(("model, elsewhere", percent(&after)));
        }
        let factorization = report.to_json();
        json.extend(factorization);
        // of all runs, learning included; `seconds` is the solve of the best run
        json.insert("factor_seconds".into(), json!(factor_seconds));
        json.insert("total_seconds".into(), json!(total_seconds));
        json.insert("peak_rss_mb".into(), json!(peak_rss_mb()));

        let mut lines = Vec::new();
        let mut line = |what: &str, text: String| lines.push(format!("{what:<15}{text}"));
        let channels = if mixture.reader.channels() == 1 {
            "mono".into()
        } else {
            format!("{} channels", mixture.reader.channels())
        };
        line("sound", format!("{:.2} s, {channels}, {} Hz", mixture.seconds(), mixture.rate()));
        let lasting =
            if settings.recipe.shifts > 1 { format!(" of {} frames", settings.recipe.shifts) } else { String::new() };
        let runs = if made == 1 { String::new() } else { format!(", {made} runs") };
        line(
            "model",
            format!(
                "{} bases{lasting}, loss {}, solver {}, {} iterations{runs}",
                settings.bases, report.loss, report.solver, report.iterations
            ),
        );
        line(
            "spectrogram",
            format!(
                "{}×{}, frames of {} every {} samples",
                report.rows,
                mixture.frames(),
                mixture.stft.frame(),
                mixture.stft.hop()
            ),
        );
        line(
            "objective",
            format!(
                "{} (at the start {})",
                number(report.objective),
                number(report.trace.first().map_or(report.objective, |p| p.2))
            ),
        );
        if !job.seen.whole {
            let (count, each) = (job.seen.stretches.len(), job.seen.stretches[0].len());
            line("learned from", format!("{count} excerpts of {each} frames, spread evenly (W.npy, H.npy, objective)"));
        }
        let (factoring, all) = (seconds(factor_seconds), seconds(total_seconds));
        line("seconds", format!("{factoring} factoring on {}, {all} in all", report.backend));
        lines.push(String::new());
        let sources = sources_table(output, scores, &extra);
        lines.push(sources.text());
        Ok(Summary { json, text: lines.join("\n"), sources, report, total_seconds })
    }

    /// separate.json, W.npy (bins × bases, or bins × bases × shifts) and H.npy (bases × frames) of the run with the best objective.
    pub(crate) fn files<T: Element>(&self, folder: &Folder, fitted: &Fitted<T>) -> Result<(), Failure> {
        folder.bytes("separate.json", format!("{:#}\n", Value::Object(self.json.clone())).as_bytes())?;
        if fitted.shifts() > 1 {
            nmf_io::write_npy(&folder.path("W.npy"), fitted.patterns().view())?;
        } else {
            nmf_io::write_npy(&folder.path("W.npy"), fitted.w())?;
        }
        nmf_io::write_npy(&folder.path("H.npy"), fitted.h())?;
        Ok(())
    }

    /// On stdout.
    pub(crate) fn print(&self, global: &Global, args: &SeparateArgs) -> Result<(), Failure> {
        print(&self.json, &self.text, global, args)
    }
}

/// JSON or the text with where things are.
pub(crate) fn print(
    json: &Map<String, Value>,
    text: &str,
    global: &Global,
    args: &SeparateArgs,
) -> Result<(), Failure> {
    if global.json {
        return text::print_json(&Value::Object(json.clone()));
    }
    let end = match &args.output {
        Some(dir) => format!("written to {}", dir.display()),
        None if args.report.wanted() => "the sources were not written: -o DIR does that".into(),
        None => "nothing was written: -o DIR writes the sources".into(),
    };
    text::print(&format!("{text}\n\n{end}{}", args.report.told()))
}

/// The columns inside some ranges (in order), and the others.
fn split(
    inside: &[std::ops::Range<usize>],
    columns: usize,
) -> (Vec<std::ops::Range<usize>>, Vec<std::ops::Range<usize>>) {
    let mut beyond = Vec::new();
    let mut at = 0;
    for r in inside {
        if at < r.start {
            beyond.push(at..r.start);
        }
        at = r.end;
    }
    if at < columns {
        beyond.push(at..columns);
    }
    (inside.to_vec(), beyond)
}
