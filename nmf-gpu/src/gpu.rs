//! The backend itself: an open device with its memory, its choices and what it counts.

use crate::cache::Tuning;
use crate::device::{AdapterInfo, GpuOptions};
use crate::features::{self, FeatureState, Opened};
use crate::memory::{Factor, quads};
use crate::number::Number;
use crate::pool::Pool;
use crate::queue::{Counters, Params, Stream};
use crate::scalar::Pending;
use crate::window::{Data, Keeping, XStorage};
use nmf_core::{Backend, Error, Result, Rule, Side};
use std::collections::HashMap;
use std::marker::PhantomData;

/// NMF on a GPU through wgpu (Vulkan, Metal, DirectX 12), in f32 or, where the adapter has it, in f64.
///
/// Operations are recorded and submitted many at a time; X and the factors stay on the device. Sums over a whole
/// matrix arrive as partial sums, which the host adds in f64.
pub struct Gpu<T: Number = f32> {
    pub(crate) stream: Stream,
    pub(crate) pool: Pool,
    pub(crate) tickets: HashMap<u64, Pending>,
    pub(crate) next_ticket: u64,
    pub(crate) tuning: Tuning,
    /// The way being measured, for a class of passes.
    pub(crate) trial: Option<(String, u32)>,
    features: Vec<FeatureState>,
    pub(crate) keeping: Keeping,
    /// Runs side by side at most.
    pub(crate) most_runs: Option<usize>,
    number: PhantomData<T>,
    #[cfg(test)]
    pub(crate) room: crate::batch::tests::Room,
}

impl Gpu {
    /// Opens a device for computing in f32. [`Gpu::open`] serves both precisions.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub fn new(options: &GpuOptions) -> Result<Gpu> {
        Gpu::open(options)
    }
}

impl<T: Number> Gpu<T> {
    /// Opens a device for computing in `T`: `Gpu::<f64>::open(&options)`. Consumer cards do f64 at 1/32 to 1/64 of the rate of f32.
    ///
    /// # Errors
    /// [`Error::Device`] where there is no such adapter, or it cannot be opened; [`Error::Unsupported`] where it lacks what was asked
    /// for, f64 among others, and for what f64 excludes: X stored in f16, forced subgroups and forced cooperative matrices.
    pub fn open(options: &GpuOptions) -> Result<Gpu<T>> {
        let Opened { stream, tuning, states } = features::open(options, T::DOUBLE)?;
        // beyond 4 GiB nothing is gained, and 32-bit indices would come into sight
        let most = stream.device.max_binding().min(1 << 32);
        let window = options.max_binding.map_or(most, |b| b.clamp(256, most));
        Ok(Gpu {
            stream,
            pool: Pool::new(options.memory),
            tickets: HashMap::new(),
            next_ticket: 0,
            tuning,
            trial: None,
            features: states,
            keeping: Keeping { window, storage: options.x_storage, stream: options.stream },
            most_runs: options.batch,
            number: PhantomData,
            #[cfg(test)]
            room: crate::batch::tests::Room::for_all(),
        })
    }

    /// The adapter in use.
    pub fn adapter(&self) -> &AdapterInfo {
        &self.stream.device.info
    }

    /// Whether the adapter computes on the CPU: right, but far slower than the CPU backend. Callers warn.
    pub fn is_software(&self) -> bool {
        self.adapter().software
    }

    /// Which optional features are in use, and why others are not.
    pub fn features(&self) -> &[FeatureState] {
        &self.features
    }

    /// The choices of kernel variants made for this device.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        self.stream.counters
    }

    /// Submissions so far.
    pub fn submits(&self) -> u64 {
        self.counters().submits
    }

    /// Kernels recorded so far.
    pub fn dispatches(&self) -> u64 {
        self.counters().dispatches
    }

    /// Times the host waited for results so far.
    pub fn reads(&self) -> u64 {
        self.counters().reads
    }

    /// Matrices uploaded so far.
    pub fn uploads(&self) -> u64 {
        self.counters().uploads
    }

    /// Bytes of device memory in use.
    pub fn memory_in_use(&self) -> u64 {
        self.pool.used()
    }

    /// Kernels compiled so far.
    pub fn kernels(&self) -> usize {
        self.stream.pipelines.len()
    }

    /// What decides about the last bits of results beside adapter and driver.
    pub(crate) fn numerics(&self) -> String {
        let Keeping { window, storage, stream } = &self.keeping;
        let subgroups = if self.stream.device.ladder.subgroups { "with" } else { "without" };
        let memory = self.pool.budget().map_or("all memory".into(), |b| format!("{b} bytes of memory"));
        let tuned = self.tuning.fingerprint();
        let storage = match storage {
            XStorage::F32 => T::NAME,
            XStorage::F16 => "f16",
        };
        let matrices = self.stream.device.form().map(|form| format!(", matrices of {form}")).unwrap_or_default();
        format!(
            "{}, X in {storage} in windows of {window} bytes, streaming {stream:?}, {memory}, {subgroups} subgroups{matrices}, tuned {tuned:08x}",
            T::NAME
        )
    }

    pub(crate) fn check_pair(&self, x: &Data<T>, side: Side, f: &Factor, other: &Factor) -> Result<()> {
        let (m, n) = x.dim();
        let (p, q) = if side == Side::Rows { (m, n) } else { (n, m) };
        Error::check_shape("the factor to update", (p, f.k as usize), self.dim(f))?;
        Error::check_shape("the other factor", (q, f.k as usize), self.dim(other))
    }

    pub(crate) fn rule_params(&self, rule: &Rule, rows: u32, k: u32) -> Params {
        Params {
            p: rows,
            k,
            kq: quads(k as usize),
            fixed: rule.fixed.min(k as usize) as u32,
            l1: rule.penalty.l1,
            l2: rule.penalty.l2,
            gamma: rule.exponent,
            ..Params::default()
        }
    }
}
