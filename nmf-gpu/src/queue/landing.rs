//! Results on their way to the host.

use super::{Command, PATIENCE, Stream};
use crate::pool::Buf;
use bytemuck::Pod;
use nmf_core::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// State of a staging buffer being mapped.
const PENDING: u8 = 0;
const READY: u8 = 1;
const FAILED: u8 = 2;

/// A copy on its way to the host.
pub(crate) struct Landing {
    staging: wgpu::Buffer,
    bytes: u64,
    state: Arc<AtomicU8>,
}

impl Stream {
    /// Copies parts of buffers (offset and length in bytes) to the host and submits. Does not wait.
    pub(crate) fn land(&mut self, parts: &[(&Buf, u64, u64)]) -> Result<Landing> {
        let bytes: u64 = parts.iter().map(|p| p.2).sum::<u64>().max(4);
        let size = bytes.next_power_of_two().max(1024).min(self.device.limits.max_buffer_size.max(bytes));
        let staging = match self.staging.iter().position(|b| b.size() == size) {
            Some(i) => self.staging.swap_remove(i),
            None => self.device.scoped("reading back", |d| {
                d.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("staging"),
                    size,
                    usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                })
            })?,
        };
        let mut at = 0;
        for &(from, offset, bytes) in parts {
            if bytes > 0 {
                self.commands.push(Command::Copy { from: from.raw().clone(), offset, to: staging.clone(), at, bytes });
            }
            at += bytes;
        }
        self.submit()?;
        let state = Arc::new(AtomicU8::new(PENDING));
        let seen = Arc::clone(&state);
        self.device.scoped("reading back", |_| {
            staging.map_async(wgpu::MapMode::Read, 0..bytes, move |r| {
                seen.store(if r.is_ok() { READY } else { FAILED }, Ordering::Release);
            });
        })?;
        Ok(Landing { staging, bytes, state })
    }

    /// Whether a copy has arrived. Does not wait.
    pub(crate) fn landed(&mut self, landing: &Landing) -> Result<bool> {
        if landing.state.load(Ordering::Acquire) == PENDING {
            self.poll(wgpu::PollType::Poll)?;
        }
        self.device.faults.check()?;
        Ok(landing.state.load(Ordering::Acquire) != PENDING)
    }

    /// The bytes of a copy. Waits.
    pub(crate) fn take<T: Pod>(&mut self, landing: Landing) -> Result<Vec<T>> {
        while landing.state.load(Ordering::Acquire) == PENDING && !self.in_flight.is_empty() {
            self.wait_oldest()?;
        }
        if landing.state.load(Ordering::Acquire) == PENDING {
            let waited = wgpu::PollType::Wait { submission_index: None, timeout: Some(PATIENCE) };
            self.poll(waited)?;
        }
        self.device.faults.check()?;
        if landing.state.load(Ordering::Acquire) != READY {
            return Err(Error::Device("results could not be read back: the device may have been lost".into()));
        }
        let out = {
            let view = landing
                .staging
                .get_mapped_range(0..landing.bytes)
                .map_err(|e| Error::Device(format!("results could not be read back: {e}")))?;
            bytemuck::pod_collect_to_vec(&view[..])
        };
        landing.staging.unmap();
        if landing.staging.size() <= 1 << 20 && self.staging.len() < 64 {
            self.staging.push(landing.staging);
        }
        Ok(out)
    }
}
