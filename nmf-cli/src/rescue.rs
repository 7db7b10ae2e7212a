//! What is left of a long factorization whose device fails: its state, read back now and then, in a file to go on from.

use crate::failure::Failure;
use nmf_core::{Element, Error, Keeper, Progress, Snapshot};
use nmf_io::SnapshotFile;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between two readings: little beside what they cost, and as much as anybody would want to lose.
const EVERY: Duration = Duration::from_secs(30);

/// Keeps the last state in memory.
pub(crate) struct Rescue<T> {
    every: Duration,
    since: Instant,
    last: Option<Snapshot<T>>,
}

impl<T: Element> Rescue<T> {
    pub(crate) fn new() -> Self {
        Rescue { every: EVERY, since: Instant::now(), last: None }
    }

    /// The failure `said` because of `e`; where a device failed after a state was read back, that state goes to a file beside `output`.
    pub(crate) fn explain(&self, e: &Error, said: Failure, output: &Path) -> Failure {
        let Some((last, iteration)) =
            self.last.as_ref().filter(|_| is_of_device(e)).and_then(|s| Some((s, s.iteration().ok()?)))
        else {
            return said;
        };
        let file = SnapshotFile::at(free_name(output));
        let path = file.path().display();
        match file.write(last) {
            Ok(()) => said.with(&format!(
                "; its state after iteration {iteration} is in {path}: the same command with --checkpoint {path} --resume goes on from there, on the same device"
            )),
            Err(e) => said.with(&format!("; its state after iteration {iteration} could not be saved: {e}")),
        }
    }
}

impl<T: Element> Keeper<T> for Rescue<T> {
    fn due(&mut self, _: &Progress) -> bool {
        self.since.elapsed() >= self.every
    }

    /// The result is written then.
    fn wants_the_last(&self) -> bool {
        false
    }

    fn keep(&mut self, snapshot: Snapshot<T>) {
        self.last = Some(snapshot);
        self.since = Instant::now();
    }
}

fn is_of_device(e: &Error) -> bool {
    match e {
        Error::Within { source, .. } => is_of_device(source),
        e => matches!(e, Error::Device(_) | Error::OutOfMemory { .. }),
    }
}

/// `DIR.checkpoint`, with a number where that is taken: it may be what an earlier failure left.
fn free_name(output: &Path) -> PathBuf {
    let named = |ending: String| {
        let mut name = output.components().collect::<PathBuf>().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let first = named(".checkpoint".into());
    if !first.exists() {
        return first;
    }
    (2..).map(|i| named(format!(".checkpoint{i}"))).find(|p| !p.exists()).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nmf_core::{Flow, Loss, Nmf};
    use nmf_cpu::Cpu;

    fn failed() -> Error {
        Error::Within { what: "after 7 iterations".into(), source: Box::new(Error::Device("lost".into())) }
    }

    #[test]
    fn the_last_state_goes_to_a_file_that_resumes_to_the_same_result() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("model/");
        let x = ndarray::Array2::from_shape_fn((20, 15), |(i, j)| 0.1 + ((i * 7 + j * 5) % 11) as f64);
        let (mut b, nmf) = (Cpu::<f64>::new().unwrap(), Nmf::new(3).loss(Loss::KL).seed(2).max_iter(30).tol(0.0));
        let problem = nmf.problem(&x, None).unwrap();
        let data = problem.upload(&mut b).unwrap();
        let whole = nmf.fit_uploaded(&mut b, &data, &problem, 0.0, &mut nmf_core::Silent).unwrap();

        // states after every iteration, until the "device" fails after the seventh
        let mut rescue = Rescue { every: Duration::ZERO, ..Rescue::new() };
        let mut until = |p: &Progress| if p.iteration < 8 { Flow::Continue } else { Flow::Stop };
        nmf.fit_kept(&mut b, &data, &problem, 0.0, &mut until, Some(&mut rescue), None).unwrap();
        let said = rescue.explain(&failed(), Failure::work("the device was lost"), &output);
        let file = dir.path().join("model.checkpoint");
        assert!(said.message().contains(&format!("--checkpoint {} --resume", file.display())), "{}", said.message());
        assert_eq!(said.code(), 1);
        let state = SnapshotFile::at(&file).read::<f64>().unwrap();
        let resumed = nmf.fit_kept(&mut b, &data, &problem, 0.0, &mut nmf_core::Silent, None, Some(&state)).unwrap();
        assert_eq!((resumed.w(), resumed.h(), resumed.iterations()), (whole.w(), whole.h(), 30));

        // what is there is left alone; another error is not the device's
        rescue.explain(&failed(), Failure::work("again"), &output);
        assert!(dir.path().join("model.checkpoint2").exists());
        let other = rescue.explain(&Error::AllZero, Failure::work("zeros"), &output);
        assert_eq!(other, Failure::work("zeros"));
        assert!(!dir.path().join("model.checkpoint3").exists());
    }

    #[test]
    fn without_a_state_the_failure_is_what_it_was() {
        let empty = Rescue::<f64>::new();
        assert_eq!(empty.explain(&failed(), Failure::work("lost"), Path::new("model")), Failure::work("lost"));
    }
}
