//! `--checkpoint`, `--every`, `--resume`: the state of a long factorization in a file, and going on from there.

use crate::args::Global;
use crate::failure::Failure;
use clap::Args;
use nmf_core::{Element, Error, Keeper, Progress, Snapshot};
use nmf_io::SnapshotFile;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Seconds between checkpoints where nobody says.
const EVERY: f64 = 60.0;

/// What is kept on the way.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Checkpoints")]
pub(crate) struct CheckpointOptions {
    /// Keep the state of the factorization in FILE on the way, for --resume after a crash, a kill or Ctrl-C
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Seconds between checkpoints; 0: after every iteration [default: 60]
    #[arg(long, value_name = "S", requires = "checkpoint")]
    every: Option<f64>,
    /// Go on from FILE and end at the same result as without the interruption; where there is no FILE, begin
    #[arg(long, requires = "checkpoint")]
    resume: bool,
}

impl CheckpointOptions {
    /// The file and what is to be done with it; refuses, before any work, what cannot be done.
    pub(crate) fn open(&self, global: &Global) -> Result<Option<Checkpoint>, Failure> {
        let Some(path) = &self.checkpoint else { return Ok(None) };
        let every = self.every.unwrap_or(EVERY);
        let Ok(every) = Duration::try_from_secs_f64(every) else {
            return Err(Failure::usage(format!("--every {every} is not accepted: seconds, a finite number ≥ 0")));
        };
        let file = SnapshotFile::new(path)?;
        match (file.exists(), self.resume) {
            (true, false) => {
                let message = "there is a checkpoint already: --resume continues it; remove it or name another";
                return Err(Failure::file(path, message));
            }
            (false, true) => global.note(format!("{}: no checkpoint yet; begins from the start", path.display())),
            _ => {}
        }
        Ok(Some(Checkpoint { resume: file.exists(), file, every }))
    }
}

/// The file of a factorization's checkpoints.
pub(crate) struct Checkpoint {
    file: SnapshotFile,
    every: Duration,
    resume: bool,
}

impl Checkpoint {
    /// Its name.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Where to go on, if it is to be resumed; says so.
    pub(crate) fn read<T: Element>(&self, global: &Global) -> Result<Option<Snapshot<T>>, Failure> {
        if !self.resume {
            return Ok(None);
        }
        let snapshot = self.file.read::<T>()?;
        let place = snapshot.restart().and_then(|r| Ok((r, snapshot.iteration()?)));
        let (restart, iteration) = place.map_err(|e| self.blame(&e))?;
        global.note(format!("{}: resumed at iteration {iteration} of restart {}", self.path().display(), restart + 1));
        Ok(Some(snapshot))
    }

    /// A snapshot that does not fit, about this file.
    pub(crate) fn blame(&self, e: &Error) -> Failure {
        match e {
            Error::Snapshot { what, found, expected } => Failure::file(
                self.path(),
                format!(
                    "the checkpoint belongs to another factorization: there {what} is {found}, here {expected}; --resume needs the same input and options, or another --checkpoint"
                ),
            ),
            other => Failure::file(self.path(), other),
        }
    }

    /// Writes into it, from now on.
    pub(crate) fn writer<'a>(&'a self, global: &'a Global) -> Writer<'a> {
        Writer { checkpoint: self, global, since: Instant::now() }
    }
}

/// Replaces the checkpoint when it is old enough.
pub(crate) struct Writer<'a> {
    checkpoint: &'a Checkpoint,
    global: &'a Global,
    since: Instant,
}

impl<T: Element> Keeper<T> for Writer<'_> {
    fn due(&mut self, _: &Progress) -> bool {
        self.since.elapsed() >= self.checkpoint.every
    }

    fn keep(&mut self, snapshot: Snapshot<T>) {
        // hours of work are worth more than a checkpoint that finds the disk full
        if let Err(e) = self.checkpoint.file.write(&snapshot) {
            self.global.warn(format!("no checkpoint: {e}; the factorization goes on"));
        }
        // as long again, however long the writing took
        self.since = Instant::now();
    }
}
