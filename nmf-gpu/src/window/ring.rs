//! Panels of X that take turns in a few buffers.
//!
//! A panel is copied into memory of the driver at once, and on the device moves into its buffers behind the kernels submitted before, and
//! ahead of those that read it. So while the kernels of one panel run, the host copies the next. Some panels may have buffers of their own, as long as nobody else needs the memory.
//!
//! A panel has N buffers: one for dense X, three for sparse X.

use super::{Claim, put};
use crate::pool::{Buf, Lender};
use crate::queue::Stream;
use nmf_core::{Error, Result};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Panels in a ring.
const SLOTS: usize = 2;

/// A panel on the host, as it is to lie in N buffers.
pub(crate) trait Contents<const N: usize> {
    fn contents(&self) -> [&[u8]; N];
}

impl Contents<1> for Vec<u8> {
    fn contents(&self) -> [&[u8]; 1] {
        [self]
    }
}

/// Where the numbers of a panel lie.
pub(crate) enum Home<const N: usize, C> {
    Device([Arc<Buf>; N]),
    Host { number: usize, contents: C, ring: Arc<Ring<N>> },
}

impl<const N: usize, C: Contents<N>> Home<N, C> {
    pub(crate) fn streamed(&self) -> bool {
        matches!(self, Home::Host { .. })
    }

    /// The panel on the device, for kernels and copies that are recorded before the next panel is asked for.
    pub(super) fn bring(&self, stream: &mut Stream) -> Result<[Arc<Buf>; N]> {
        match self {
            Home::Device(buffers) => Ok(buffers.clone()),
            Home::Host { number, contents, ring } => ring.bring(stream, *number, contents),
        }
    }
}

pub(crate) struct Ring<const N: usize> {
    slots: Vec<[Arc<Buf>; N]>,
    held: Mutex<Held<N>>,
}

/// Which panel lies in which buffers, and which ones are next.
struct Held<const N: usize> {
    panels: Vec<Option<usize>>,
    next: usize,
    /// Panels with buffers of their own: the first ones.
    own: Vec<[Arc<Buf>; N]>,
}

impl<const N: usize> fmt::Debug for Ring<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl<const N: usize> Lender for Ring<N> {
    fn give_back(&self, bytes: u64) {
        let mut given = 0;
        while given < bytes {
            let Some(buffers) = self.held().own.pop() else { return };
            // those that are being read go later
            given += buffers.iter().filter(|b| Arc::strong_count(b) == 1).map(|b| b.raw().size()).sum::<u64>();
        }
    }
}

/// Memory for a panel whose parts have these sizes.
pub(super) fn claimed<const N: usize>(claim: &mut Claim<'_>, sizes: [u64; N]) -> Result<[Arc<Buf>; N]> {
    let got = sizes.iter().map(|bytes| claim.get(*bytes).map(Arc::new)).collect::<Result<Vec<_>>>()?;
    got.try_into().map_err(|got: Vec<_>| Error::Device(format!("{} buffers for {N} parts of a panel", got.len())))
}

/// What a buffer for so many bytes of X takes.
pub(super) fn rounded(bytes: u64) -> u64 {
    bytes.max(256).next_multiple_of(256)
}

impl<const N: usize> Ring<N> {
    /// Bytes of a ring for so many panels, and parts of at most these sizes.
    pub(super) fn size(panels: usize, largest: [u64; N]) -> u64 {
        panels.min(SLOTS) as u64 * largest.map(rounded).iter().sum::<u64>()
    }

    pub(super) fn new(claim: &mut Claim<'_>, panels: usize, largest: [u64; N]) -> Result<Ring<N>> {
        let slots = (0..panels.min(SLOTS)).map(|_| claimed(claim, largest)).collect::<Result<Vec<_>>>()?;
        Ok(Ring { held: Mutex::new(Held { panels: vec![None; slots.len()], next: 0, own: Vec::new() }), slots })
    }

    fn held(&self) -> MutexGuard<'_, Held<N>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the next panel buffers of its own, if the driver has some.
    pub(super) fn keep(&self, claim: &mut Claim<'_>, contents: [&[u8]; N]) -> Result<bool> {
        let buffers = match claimed(claim, contents.map(|part| part.len() as u64)) {
            Err(Error::OutOfMemory { .. }) => return Ok(false),
            other => other?,
        };
        for (buf, part) in buffers.iter().zip(contents) {
            put(claim.device(), buf, 0, part)?;
        }
        self.held().own.push(buffers);
        Ok(true)
    }

    /// The buffers with this panel, which is sent unless it lies there already.
    fn bring(&self, stream: &mut Stream, panel: usize, contents: &impl Contents<N>) -> Result<[Arc<Buf>; N]> {
        let mut held = self.held();
        if let Some(buffers) = held.own.get(panel) {
            return Ok(buffers.clone());
        }
        let at = match held.panels.iter().position(|p| *p == Some(panel)) {
            Some(at) => at,
            None => {
                let at = held.next;
                held.panels[at] = None;
                for (buf, part) in self.slots[at].iter().zip(contents.contents()) {
                    // rows may be empty
                    if !part.is_empty() {
                        stream.send(buf, part)?;
                    }
                }
                held.panels[at] = Some(panel);
                at
            }
        };
        held.next = (at + 1) % self.slots.len();
        Ok(self.slots[at].clone())
    }
}
