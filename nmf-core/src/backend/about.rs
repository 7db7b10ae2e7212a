//! What a backend says about itself.

use crate::Loss;
#[cfg(doc)]
use crate::{Backend, Error, Observed, Sweep};

/// How an operation is carried out by a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// On the device, without reading back.
    Native,
    /// On the host through the reference code: right, but slow, and it waits for the device.
    Host,
    /// Not at all: the call returns [`Error::Unsupported`].
    No,
}

/// Operations whose support may differ between backends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// [`Backend::terms`] and [`Backend::mu_step`] for this loss.
    Update(Loss),
    /// [`Backend::hals_sweep`].
    HalsSweep,
    /// [`Backend::hals_sweep`] with [`Sweep::shuffle`].
    Shuffle,
    /// [`Backend::least_squares`].
    LeastSquares,
    /// [`Backend::newton_sweep`].
    NewtonSweep,
    /// [`Backend::advance`] and [`Backend::extrapolate`].
    Extrapolate,
    /// [`Backend::gradient_step`].
    GradientStep,
    /// [`Backend::impose_sparseness`].
    Sparseness,
    /// [`Backend::unfold`] and [`Backend::fold`].
    Shifts,
    /// [`Backend::upload`] of a sparse matrix.
    Sparse,
    /// [`Observed::Stored`].
    StoredOnly,
    /// [`Backend::upload_weighted`] with weights that are all 0 or 1.
    Mask,
    /// [`Backend::upload_weighted`] with any weights.
    Weights,
}

/// What a backend says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// `"cpu"`, `"gpu"`, …
    pub name: String,
    /// Device and driver, in words.
    pub adapter: String,
    /// Threads working on the host.
    pub threads: usize,
    /// Whether operations run behind the caller's back, so that results lag.
    pub asynchronous: bool,
    /// What else decides about the last bits of results, in words; empty where nothing does.
    pub numerics: String,
}
