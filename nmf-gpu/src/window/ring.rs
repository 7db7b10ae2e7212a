//! Panels of X that take turns in a few buffers.
//!
//! A panel is copied into memory of the driver at once, and on the device moves into its buffer behind the kernels submitted before, and
//! ahead of those that read it. So while the kernels of one panel run, the host copies the next. Some panels may have a buffer of their own, as long as nobody else needs the memory.

use super::{Claim, put};
use crate::pool::{Buf, Lender};
use crate::queue::Stream;
use nmf_core::{Error, Result};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Buffers in a ring.
const SLOTS: usize = 2;

pub(super) struct Ring {
    slots: Vec<Arc<Buf>>,
    held: Mutex<Held>,
}

/// Which panel lies in which buffer, and which buffer is next.
struct Held {
    panels: Vec<Option<usize>>,
    next: usize,
    /// Panels with a buffer of their own: the first ones.
    own: Vec<Arc<Buf>>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl Lender for Ring {
    fn give_back(&self, bytes: u64) {
        let mut given = 0;
        while given < bytes {
            let Some(buf) = self.held().own.pop() else { return };
            // one that is being read goes later
            if Arc::strong_count(&buf) == 1 {
                given += buf.raw().size();
            }
        }
    }
}

impl Ring {
    /// Bytes of a ring for so many panels.
    pub(super) fn size(panels: usize, largest: u64) -> u64 {
        panels.min(SLOTS) as u64 * largest
    }

    pub(super) fn new(claim: &mut Claim<'_>, panels: usize, largest: u64) -> Result<Ring> {
        let slots = (0..panels.min(SLOTS)).map(|_| claim.get(largest).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        Ok(Ring { held: Mutex::new(Held { panels: vec![None; slots.len()], next: 0, own: Vec::new() }), slots })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the next panel a buffer of its own, if the driver has one.
    pub(super) fn keep(&self, claim: &mut Claim<'_>, bytes: &[u8]) -> Result<bool> {
        let buf = match claim.get(bytes.len() as u64) {
            Err(Error::OutOfMemory { .. }) => return Ok(false),
            other => other?,
        };
        put(claim.device(), &buf, 0, bytes)?;
        self.held().own.push(Arc::new(buf));
        Ok(true)
    }

    /// The buffer with this panel, which is sent unless it lies there already.
    pub(super) fn bring(&self, stream: &mut Stream, panel: usize, bytes: &[u8]) -> Result<Arc<Buf>> {
        let mut held = self.held();
        if let Some(buf) = held.own.get(panel) {
            return Ok(Arc::clone(buf));
        }
        let at = match held.panels.iter().position(|p| *p == Some(panel)) {
            Some(at) => at,
            None => {
                let at = held.next;
                held.panels[at] = None;
                stream.send(&self.slots[at], bytes)?;
                held.panels[at] = Some(panel);
                at
            }
        };
        held.next = (at + 1) % self.slots.len();
        Ok(Arc::clone(&self.slots[at]))
    }
}
