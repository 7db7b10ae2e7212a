//! Whether X lies on the device or its panels take turns there, and how much memory the turns may have.

use super::ring::{Contents, Home, Ring, rounded};
use super::{Claim, Streaming};
use crate::number::Number;
use crate::pool::{Lender, Pool};
use crate::queue::Stream;
use nmf_core::{Error, Result};
use std::sync::{Arc, Weak};

/// Bytes of a streamed panel at most: its way to the device takes milliseconds, so that little time passes before the first
/// kernel starts and after the last panel has arrived.
const STREAMED: u64 = 64 << 20;

/// Bytes of W, H and their numerators and denominators for X of this shape, with up to 4 components.
pub(super) fn factors<T: Number>((m, n): (usize, usize)) -> u64 {
    3 * T::QUAD * (m + n) as u64
}

/// Puts X where it belongs. `whole` is what all of it takes on the device, `factors` what W and H do ([`factors`]); `streamed` is told what is available for it, if that is known.
pub(super) fn place<T>(
    stream: &mut Stream,
    pool: &Pool,
    how: Streaming,
    (factors, whole): (u64, u64),
    resident: impl FnOnce(&mut Stream) -> Result<T>,
    streamed: impl FnOnce(&mut Stream, Option<u64>) -> Result<T>,
) -> Result<T> {
    match how {
        Streaming::Never => resident(stream),
        Streaming::Always => streamed(stream, None),
        // X alone might fit, but not factors of about 32 components beside it: what fits of its panels stays, and makes room
        Streaming::Auto if pool.left().is_some_and(|left| whole + 8 * factors > left) => streamed(stream, pool.left()),
        Streaming::Auto => match resident(stream) {
            // the budget, or what the driver gave until it refused
            Err(Error::OutOfMemory { available, .. }) => streamed(stream, Some(available)),
            other => other,
        },
    }
}

/// What streamed X may take of the device.
pub(super) struct Budget {
    left: Option<u64>,
    factors: u64,
}

impl Budget {
    /// For X whose smallest ring takes `least` bytes, beside [`factors`].
    pub(super) fn new(pool: &Pool, factors: u64, least: u64) -> Result<Budget> {
        let budget = Budget { left: pool.left(), factors };
        // (what a driver without a budget gave until it refused is no measure for them: it may have refused the first window)
        match budget.left {
            Some(left) if budget.factors > left => Err(budget.refused(least, left)),
            _ => Ok(budget),
        }
    }

    /// W, H and their numerators and denominators, with as few components as there can be, and a ring.
    fn refused(&self, ring: u64, available: u64) -> Error {
        Error::OutOfMemory {
            what: "the matrix X, in panels sent by turns, with factors of up to 4 components".into(),
            needed: ring + self.factors,
            available,
        }
    }

    /// Bytes of a panel at most: a quarter of the memory for the ring.
    pub(super) fn panel(&self) -> u64 {
        STREAMED.min(self.left.map_or(STREAMED, |left| left / 8))
    }

    /// A ring for so many panels, with parts of at most these sizes; if it is known what is `available`, the first panels stay.
    pub(super) fn turns<'a, const N: usize>(
        &self,
        stream: &Stream,
        pool: &'a Pool,
        (panels, largest): (usize, [u64; N]),
        available: Option<u64>,
    ) -> Result<Turns<'a, N>> {
        let bytes = Ring::size(panels, largest);
        if let Some(left) = self.left.filter(|left| bytes + self.factors > *left) {
            return Err(self.refused(bytes, left));
        }
        // another quarter stays free for factors and what is computed; if they need more, the first panels are sent like the others
        let room = available.map_or(0, |available| available / 4 * 3).saturating_sub(bytes);
        let mut claim = Claim::new(stream, pool, "the panels of the matrix X", bytes)?;
        let ring = Arc::new(Ring::new(&mut claim, panels, largest)?);
        Ok(Turns { claim, ring, room, panels: 0 })
    }
}

/// Panels being made that take turns.
pub(super) struct Turns<'a, const N: usize> {
    claim: Claim<'a>,
    ring: Arc<Ring<N>>,
    /// For panels that stay.
    room: u64,
    panels: usize,
}

impl<const N: usize> Turns<'_, N> {
    pub(super) fn add<C: Contents<N>>(&mut self, stream: &mut Stream, contents: C) -> Result<Home<N, C>> {
        let parts = contents.contents();
        self.room = match self.room.checked_sub(parts.iter().map(|part| rounded(part.len() as u64)).sum()) {
            Some(rest) if self.ring.keep(&mut self.claim, parts)? => rest,
            _ => 0,
        };
        stream.flush_writes()?;
        let number = self.panels;
        self.panels += 1;
        Ok(Home::Host { number, contents, ring: Arc::clone(&self.ring) })
    }

    /// All panels are there: from now on those that stay give way to others.
    pub(super) fn done(self, pool: &Pool) {
        let lender: Weak<Ring<N>> = Arc::downgrade(&self.ring);
        pool.may_ask(lender as Weak<dyn Lender>);
    }
}
