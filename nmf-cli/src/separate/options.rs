//! What was typed, checked before any work.

use super::{Method, SeparateArgs};
use crate::args::Global;
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// FROM:TO in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    /// Where it begins.
    pub(crate) from: f64,
    /// Where it ends.
    pub(crate) to: f64,
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let wanted = || format!("{s:?} is not FROM:TO in seconds, such as 0:10 or 2.5:8");
        let (from, to) = s.split_once(':').ok_or_else(wanted)?;
        let seconds = |t: &str| t.trim().parse::<f64>().map_err(|_| wanted());
        // an empty side is the beginning
        let from = if from.trim().is_empty() { 0.0 } else { seconds(from)? };
        let to = seconds(to)?;
        if !(from >= 0.0 && to.is_finite() && from < to) {
            return Err(format!("{s:?} is no part of a sound: FROM must be ≥ 0 and less than TO"));
        }
        Ok(Interval { from, to })
    }
}

/// FILE=N.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Learn {
    /// The example.
    pub(crate) path: PathBuf,
    /// Bases to learn from it.
    pub(crate) bases: usize,
}

impl FromStr for Learn {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        // names may hold an "=" themselves: only a number after the last one counts
        if let Some((path, n)) = s.rsplit_once('=')
            && let Ok(bases) = n.trim().parse::<usize>()
        {
            if bases == 0 || path.is_empty() {
                return Err(format!("{s:?}: a file and at least one basis, FILE=N"));
            }
            return Ok(Learn { path: path.into(), bases });
        }
        if s.is_empty() {
            return Err("a file is missing: FILE or FILE=N".into());
        }
        Ok(Learn { path: s.into(), bases: 8 })
    }
}

impl Learn {
    /// The file's name without its ending.
    pub(crate) fn name(&self) -> String {
        stem(&self.path)
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "learned".into(), |s| s.to_string_lossy().into_owned())
}

/// As many bases as a factorization can have.
const MOST_BASES: usize = 65_536;

/// Refuses outputs that would replace what is read; warns of sounds that will lie beside them.
pub(crate) fn protect(args: &SeparateArgs, names: &[String], global: &Global) -> Result<(), Failure> {
    let Some(dir) = &args.output else { return Ok(()) };
    let mut others: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|file| file.strip_suffix(".wav").is_some_and(|stem| names.iter().all(|n| n != stem)))
        .collect();
    if !others.is_empty() {
        others.sort();
        global.warn(format!("{} holds other sounds, which stay: {}", dir.display(), others.join(", ")));
    }
    let inputs = std::iter::once(&args.mix).chain(args.learn.iter().map(|l| &l.path)).chain(&args.reference);
    for input in inputs {
        let Ok(input) = std::fs::canonicalize(input) else { continue };
        for name in names {
            if std::fs::canonicalize(dir.join(format!("{name}.wav"))).is_ok_and(|o| o == input) {
                let message = format!("would be replaced by the output {name}.wav: choose another folder with -o");
                return Err(Failure::file(&input, message));
            }
        }
    }
    Ok(())
}

/// Refuses what cannot be honoured.
pub(crate) fn check(args: &SeparateArgs) -> Result<(), Failure> {
    let refuse = |what: &str| Err(Failure::usage(what));
    let gmm = args.method == Method::Gmm;
    if gmm {
        let given = [
            ("--train", args.train.is_some()),
            ("--learn", !args.learn.is_empty()),
            ("--bases", args.bases.is_some()),
            ("--shifts", args.shifts.is_some()),
            ("--loss", args.loss.is_some()),
            ("--spectrum-exponent", args.spectrum_exponent.is_some()),
            ("--mask-exponent", args.mask_exponent.is_some()),
            ("--runs", args.runs.is_some()),
            ("--seed", args.seed.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
            return Err(Failure::usage(format!(
                "{name} is for --method nmf and nmfd; gmm takes --sources and --mic-distance"
            )));
        }
    } else if args.mic_distance.is_some() {
        return refuse("--mic-distance is for --method gmm");
    } else if !args.alone.is_empty() {
        return refuse("--alone is for --method gmm");
    }
    for (name, value, most) in [
        ("--train-bases", args.train_bases, MOST_BASES),
        ("--bases", args.bases, MOST_BASES),
        ("--sources", args.sources, MOST_BASES),
        ("--shifts", args.shifts, MOST_BASES),
        ("--runs", args.runs, 1000),
        ("--max-iter", args.max_iter, usize::MAX),
        ("--frame", args.frame, 1 << 24),
        ("--hop", args.hop, 1 << 24),
        ("--rate", args.rate.map(|r| r as usize), 1 << 24),
    ] {
        if let Some(v) = value.filter(|v| *v == 0 || *v > most) {
            return Err(Failure::usage(format!("{name} {v} is not accepted: 1 to {most}")));
        }
    }
    if gmm && args.sources.is_some_and(|s| s > 16) {
        return refuse("--sources: gmm tells 1 to 16 talkers apart");
    }
    for (name, value) in [("--spectrum-exponent", args.spectrum_exponent), ("--mask-exponent", args.mask_exponent)] {
        if let Some(p) = value.filter(|p| !(*p > 0.0 && *p <= 8.0)) {
            return Err(Failure::usage(format!("{name} {p} is not accepted: a number above 0, at most 8")));
        }
    }
    if let Some(d) = args.mic_distance.filter(|d| !(*d > 0.0 && *d <= 5.0)) {
        return Err(Failure::usage(format!(
            "--mic-distance {d} is not accepted: metres, above 0 and at most 5 (4 cm are 0.04)"
        )));
    }
    if args.method == Method::Nmfd && args.shifts == Some(1) {
        return refuse("--shifts 1 makes nmfd plain nmf: take --method nmf, or more shifts");
    }
    let learned = args.learn.iter().fold(0usize, |sum, l| sum.saturating_add(l.bases));
    if learned > MOST_BASES {
        return Err(Failure::usage(format!("--learn asks for {learned} bases in all: at most {MOST_BASES}")));
    }
    if let Some(k) = args.bases {
        let needed = if args.train.is_some() { args.train_bases.unwrap_or(1) + 1 } else { learned };
        if k < needed {
            return Err(Failure::usage(format!(
                "--bases {k} are all bases, those learned included: at least {needed}"
            )));
        }
        if let Some(s) = args.sources.filter(|s| *s > k) {
            return Err(Failure::usage(format!("--bases {k} cannot make --sources {s}: every source needs a basis")));
        }
    }
    let mut names: Vec<String> = args.learn.iter().map(Learn::name).collect();
    names.push("rest".into());
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(Failure::usage(format!(
                "two sources would be called {name}.wav: rename a file given to --learn"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_seconds() {
        assert_eq!("0:10".parse(), Ok(Interval { from: 0.0, to: 10.0 }));
        assert_eq!(":2.5".parse(), Ok(Interval { from: 0.0, to: 2.5 }));
        for bad in ["", "10", "a:b", "3:2", "2:2", "-1:2", "0:inf", "0:nan", "nan:2", "0:"] {
            assert!(bad.parse::<Interval>().is_err(), "{bad}");
        }
    }

    #[test]
    fn examples_name_a_file_and_a_number() {
        let learn = |s: &str| s.parse::<Learn>();
        assert_eq!(learn("a/drums.wav=12"), Ok(Learn { path: "a/drums.wav".into(), bases: 12 }));
        assert_eq!(learn("a=b.wav"), Ok(Learn { path: "a=b.wav".into(), bases: 8 }));
        assert_eq!(learn("a=b.wav=3").unwrap().name(), "a=b");
        assert!(learn("a.wav=0").is_err() && learn("=3").is_err() && learn("").is_err());
    }
}
