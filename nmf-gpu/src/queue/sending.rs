//! Parts of X on their way to the device, again and again.

use super::Stream;
use crate::pool::Buf;
use nmf_core::{Error, Result};

/// Submissions under way while the next part of X is sent.
const AHEAD: usize = 2;

impl Stream {
    /// Overwrites a buffer with a part of X that is needed next. What was recorded before runs meanwhile; little is ever on its way,
    /// because each part waits in memory of the driver.
    pub(crate) fn send(&mut self, to: &Buf, bytes: &[u8]) -> Result<()> {
        self.submit()?;
        while self.in_flight.len() > AHEAD {
            self.wait_oldest()?;
        }
        self.write(to, 0, bytes)?;
        self.counters.streamed_bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Room that the driver lacks to take over what is written: it does not say how much there is.
pub(super) fn no_room(e: Error, bytes: usize) -> Error {
    match e {
        Error::OutOfMemory { .. } => Error::Device(format!(
            "the driver has no memory for {bytes} bytes on their way to the device: close other programs, or use the CPU"
        )),
        other => other,
    }
}
