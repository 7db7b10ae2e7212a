//! Panels of X that take turns in a few buffers.
//!
//! A panel is copied into memory of the driver at once, and on the device moves into its buffer behind the kernels submitted before, and
//! ahead of those that read it. So while the kernels of one panel run, the host copies the next; and the last panels of a pass are
//! still there if the next pass begins with them.

use super::Claim;
use crate::pool::Buf;
use crate::queue::Stream;
use nmf_core::Result;
use std::sync::{Arc, Mutex, PoisonError};

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
}

impl Ring {
    /// Bytes of a ring for so many panels.
    pub(super) fn size(panels: usize, largest: u64) -> u64 {
        panels.min(SLOTS) as u64 * largest
    }

    pub(super) fn new(claim: &mut Claim<'_>, panels: usize, largest: u64) -> Result<Ring> {
        let slots = (0..panels.min(SLOTS)).map(|_| claim.get(largest).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        Ok(Ring { held: Mutex::new(Held { panels: vec![None; slots.len()], next: 0 }), slots })
    }

    /// The buffer with this panel, which is sent unless it lies there already.
    pub(super) fn bring(&self, stream: &mut Stream, panel: usize, bytes: &[u8]) -> Result<Arc<Buf>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
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
