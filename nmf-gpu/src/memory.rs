//! Factors, Gram matrices, terms and scalars on the device.

use crate::pool::Buf;
use std::sync::Arc;

/// Quads per row of a factor with k columns.
pub(crate) fn quads(k: usize) -> u32 {
    k.div_ceil(4).max(1) as u32
}

/// A tall factor, rows × k, row-major, k padded to whole quads with zeros.
pub struct Factor {
    pub(crate) buf: Buf,
    pub(crate) rows: u32,
    pub(crate) k: u32,
}

/// A k × k matrix, padded to whole quads in both directions with zeros.
pub struct Gram {
    pub(crate) buf: Buf,
    pub(crate) k: u32,
}

/// Numerator and denominator of an update, each laid out like a factor.
pub struct Terms {
    pub(crate) num: Buf,
    pub(crate) den: Buf,
    pub(crate) rows: u32,
    pub(crate) k: u32,
    /// The denominator is the same for all rows (KL): only its first row is there.
    pub(crate) shared: bool,
}

/// A run of partial sums, to be multiplied by `factor`.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) buf: Arc<Buf>,
    pub(crate) start: u32,
    pub(crate) count: u32,
    pub(crate) factor: f64,
}

/// A number that is still on the device: partial sums that the host adds in f64 when they arrive.
#[derive(Clone)]
pub struct Scalar {
    pub(crate) parts: Vec<Part>,
    pub(crate) constant: f64,
}
