//! Looking on while a factorization runs: progress and cancellation.

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Which restart, from 0: as many have ended before.
    pub restart: usize,
    /// Restarts that are at this iteration, side by side.
    pub side_by_side: usize,
    /// How many restarts there will be.
    pub restarts: usize,
    /// Iterations done in this restart.
    pub iteration: usize,
    /// Iterations allowed.
    pub max_iter: usize,
    /// Seconds spent iterating in this restart.
    pub seconds: f64,
    /// The newest objective known; it lags behind the iteration.
    pub objective: Option<f64>,
}

/// What an observer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop after this iteration and keep what there is.
    Stop,
}

/// Called after every iteration. Keep it cheap.
pub trait Observer: Send {
    /// Sees the progress, answers whether to go on.
    fn progress(&mut self, p: &Progress) -> Flow;
}

impl<F: FnMut(&Progress) -> Flow + Send> Observer for F {
    fn progress(&mut self, p: &Progress) -> Flow {
        self(p)
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _: &Progress) -> Flow {
        Flow::Continue
    }
}
