//! Device memory: buffers that return to a free list when dropped, and a count of the bytes in use.
//!
//! Work is recorded and executed in order, so a buffer may be handed out again while recorded kernels still read
//! it: whoever writes it next is recorded later. Only writes from the host overtake recorded work; the queue
//! submits before those.

use crate::device::Device;
use nmf_core::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Free buffers above this total are given back to the driver.
const KEEP: u64 = 256 << 20;

#[derive(Default, Debug)]
struct Shelf {
    free: HashMap<u64, Vec<wgpu::Buffer>>,
    free_bytes: u64,
    used_bytes: u64,
}

/// Who holds device memory that may be taken back.
pub(crate) trait Lender: std::fmt::Debug + Send + Sync {
    /// Gives back at least so many bytes, or all there are.
    fn give_back(&self, bytes: u64);
}

/// The allocator.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    shelf: Arc<Mutex<Shelf>>,
    lenders: Arc<Mutex<Vec<Weak<dyn Lender>>>>,
    budget: Option<u64>,
}

/// A storage buffer; returns to its pool when dropped.
#[derive(Debug)]
pub(crate) struct Buf {
    raw: wgpu::Buffer,
    shelf: Arc<Mutex<Shelf>>,
    pooled: bool,
    /// Bytes from the part of one run to the next; 0 where all share one.
    step: u64,
    /// The same numbers as a texture, where there is one.
    image: Option<wgpu::TextureView>,
}

impl Buf {
    pub(crate) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// Bytes from the part of one run of a batch to the next: whole quads, or 0.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// With a part of so many bytes for each run of a batch.
    pub(crate) fn in_parts(self, step: u64) -> Buf {
        let mut buf = self;
        buf.step = step;
        buf
    }

    /// With the same numbers as a texture, which counts as so many bytes again.
    pub(crate) fn with_image(mut self, image: wgpu::TextureView) -> Buf {
        if self.image.replace(image).is_none() {
            let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
            shelf.used_bytes += self.raw.size();
        }
        self
    }

    /// The texture of [`Self::with_image`].
    pub(crate) fn image(&self) -> Option<&wgpu::TextureView> {
        self.image.as_ref()
    }

    /// Where the part of a run begins, in bytes.
    pub(crate) fn part(&self, run: usize) -> u64 {
        self.step * run as u64
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let size = self.raw.size();
        let copies = 1 + u64::from(self.image.is_some());
        shelf.used_bytes = shelf.used_bytes.saturating_sub(copies * size);
        if self.pooled && shelf.free_bytes + size <= KEEP {
            shelf.free_bytes += size;
            shelf.free.entry(size).or_default().push(self.raw.clone());
        }
    }
}

impl Pool {
    pub(crate) fn new(budget: Option<u64>) -> Pool {
        Pool { shelf: Arc::default(), lenders: Arc::default(), budget }
    }

    /// Bytes handed out.
    pub(crate) fn used(&self) -> u64 {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).used_bytes
    }

    /// What the budget still allows, if there is one.
    pub(crate) fn left(&self) -> Option<u64> {
        self.budget.map(|budget| budget.saturating_sub(self.used()))
    }

    /// What may be used in all.
    pub(crate) fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// From now on `lender` is asked before anything is refused.
    pub(crate) fn may_ask(&self, lender: Weak<dyn Lender>) {
        let mut lenders = self.lenders.lock().unwrap_or_else(PoisonError::into_inner);
        lenders.retain(|l| l.strong_count() > 0);
        lenders.push(lender);
    }

    fn ask(&self, bytes: u64) {
        let lenders: Vec<_> = self.lenders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        lenders.iter().filter_map(Weak::upgrade).for_each(|lender| lender.give_back(bytes));
    }

    /// Refuses what the budget cannot hold.
    pub(crate) fn check(&self, what: &str, bytes: u64) -> Result<()> {
        if let Some(short) = self.budget.and_then(|budget| (self.used() + bytes).checked_sub(budget)) {
            self.ask(short);
        }
        match self.budget {
            Some(budget) if self.used() + bytes > budget => Err(Error::OutOfMemory {
                what: what.into(),
                needed: bytes,
                available: budget.saturating_sub(self.used()),
            }),
            _ => Ok(()),
        }
    }

    /// A buffer of at least `bytes`, content undefined.
    pub(crate) fn get(&self, device: &Device, what: &str, bytes: u64) -> Result<Buf> {
        // sizes that differ little share a class; large ones are taken as they are
        let size = if bytes <= 1 << 20 { bytes.max(256).next_power_of_two() } else { bytes.next_multiple_of(1 << 16) };
        let reused = {
            let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
            let found = shelf.free.get_mut(&size).and_then(Vec::pop);
            if found.is_some() {
                shelf.free_bytes -= size;
                shelf.used_bytes += size;
            }
            found
        };
        match reused {
            Some(raw) => Ok(Buf { raw, shelf: Arc::clone(&self.shelf), pooled: true, step: 0, image: None }),
            None => self.create(device, what, size, true),
        }
    }

    /// A buffer of exactly `bytes` (rounded up to 256) that is freed when dropped: for X.
    pub(crate) fn own(&self, device: &Device, what: &str, bytes: u64) -> Result<Buf> {
        self.create(device, what, bytes.max(256).next_multiple_of(256), false)
    }

    fn create(&self, device: &Device, what: &str, size: u64, pooled: bool) -> Result<Buf> {
        let refused = |available| Error::OutOfMemory { what: what.into(), needed: size, available };
        if size > device.limits.max_buffer_size {
            return Err(refused(device.limits.max_buffer_size));
        }
        self.check(what, size)?;
        self.make_room(size);
        let descriptor = wgpu::BufferDescriptor {
            label: Some(what),
            size,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        };
        let make = || device.scoped(what, |d| d.create_buffer(&descriptor));
        let made = match make() {
            // perhaps what is kept for reuse is in the way
            Err(Error::OutOfMemory { .. }) => {
                self.clear();
                make().or_else(|_| {
                    self.ask(size);
                    make()
                })
            }
            other => other,
        };
        let raw = made.map_err(|e| match e {
            // the driver does not say how much is left; what is in use is at least known
            Error::OutOfMemory { .. } => refused(self.budget.unwrap_or(0).saturating_sub(self.used())),
            other => other,
        })?;
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner).used_bytes += size;
        Ok(Buf { raw, shelf: Arc::clone(&self.shelf), pooled, step: 0, image: None })
    }

    /// Gives free buffers back where the budget would not hold them beside what is in use.
    fn make_room(&self, size: u64) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if self.budget.is_some_and(|budget| shelf.used_bytes + shelf.free_bytes + size > budget) {
            shelf.free.clear();
            shelf.free_bytes = 0;
        }
    }

    /// Gives all free buffers back.
    pub(crate) fn clear(&self) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.free.clear();
        shelf.free_bytes = 0;
    }
}
