//! Progress bars (on a terminal only) and Ctrl-C.
//!
//! Ctrl-C while a factorization runs: it stops after the current iteration and what there is gets saved. A second
//! Ctrl-C, or one at any other time, ends the program at once with exit code 130.

use crate::args::Global;
use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use nmf_core::{Flow, Observer, Progress};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

const IDLE: u8 = 0;
const ARMED: u8 = 1;
const STOPPING: u8 = 2;
static STATE: AtomicU8 = AtomicU8::new(IDLE);

/// Takes over Ctrl-C (and SIGTERM). Once, at the start of the program.
pub(crate) fn catch_interrupts() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if STATE.compare_exchange(ARMED, STOPPING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            eprintln!("stopping after this iteration; once more quits at once");
        } else {
            std::process::exit(130);
        }
    })
    .map_err(|e| Failure::work(format!("Ctrl-C cannot be handled: {e}")))
}

/// While this lives, the first Ctrl-C asks for a stop instead of ending the program. Keep it until what there is has
/// been saved.
pub(crate) struct Interruptible(());

impl Interruptible {
    /// From now on.
    pub(crate) fn new() -> Interruptible {
        STATE.store(ARMED, Ordering::SeqCst);
        Interruptible(())
    }

    /// Whether a stop was asked for.
    pub(crate) fn stopping(&self) -> bool {
        STATE.load(Ordering::SeqCst) == STOPPING
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        STATE.store(IDLE, Ordering::SeqCst);
    }
}

fn visible(global: &Global) -> bool {
    !global.quiet && std::io::stderr().is_terminal()
}

/// A turning wheel with a text, if anyone watches; it vanishes when dropped.
pub(crate) fn spinner(global: &Global, text: String) -> Spinner {
    Spinner(visible(global).then(|| {
        let bar = ProgressBar::new_spinner().with_message(text);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }))
}

/// See [`spinner`].
pub(crate) struct Spinner(Option<ProgressBar>);

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Counts pieces of work of many workers, if anyone watches; it vanishes when dropped.
pub(crate) struct Counter(Option<ProgressBar>);

impl Counter {
    /// Of so many pieces.
    pub(crate) fn new(global: &Global, title: &str, pieces: usize) -> Counter {
        Counter(visible(global).then(|| {
            let bar = ProgressBar::new(pieces as u64).with_prefix(title.to_string());
            if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {eta} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(500));
            bar
        }))
    }

    /// One more is done.
    pub(crate) fn step(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
            bar.set_message(what.to_string());
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Watches a factorization: moves the bar, passes Ctrl-C on.
pub(crate) struct Watch<'a> {
    bar: Option<ProgressBar>,
    interruptible: Option<&'a Interruptible>,
}

impl<'a> Watch<'a> {
    /// With a bar of `max_iter` steps, if anyone watches.
    pub(crate) fn new(global: &Global, title: &str, interruptible: Option<&'a Interruptible>) -> Watch<'a> {
        let bar = visible(global).then(|| {
            let bar = ProgressBar::new(0).with_prefix(title.to_string());
            if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {eta} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Watch { bar, interruptible }
    }
}

impl Observer for Watch<'_> {
    fn progress(&mut self, p: &Progress) -> Flow {
        if let Some(bar) = &self.bar {
            bar.set_length((p.max_iter as u64).saturating_mul(p.restarts as u64));
            let ended = (p.restart as u64).saturating_mul(p.max_iter as u64);
            let running = (p.iteration as u64).saturating_mul(p.side_by_side as u64);
            bar.set_position(ended.saturating_add(running));
            if let Some(objective) = p.objective.filter(|_| p.iteration.is_multiple_of(10)) {
                bar.set_message(format!("objective {}", crate::text::number(objective)));
            }
        }
        if self.interruptible.is_some_and(Interruptible::stopping) { Flow::Stop } else { Flow::Continue }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
