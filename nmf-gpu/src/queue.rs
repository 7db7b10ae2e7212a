//! The stream of work: operations are recorded, and many of them submitted at once.
//!
//! A submission happens at a count of recorded dispatches, at an estimate of their work (so that no driver watchdog
//! fires), when a number is asked for, and before the host overwrites a buffer (host writes overtake recorded work).
//! Only reads wait.

mod batch;
mod copies;
mod landing;
mod sending;

pub(crate) use batch::Batch;
pub(crate) use landing::Landing;

use crate::device::Device;
use crate::pipeline::Pipelines;
use crate::pool::Buf;
use nmf_core::{Error, Result};
use nmf_shaders::{Access, Kernel};
use std::collections::VecDeque;
use std::time::Duration;

/// Dispatches per submission.
const BATCH: usize = 256;
/// Bytes from one parameter block to the next: the largest alignment that any device asks for.
const SLOT: usize = 256;
/// Submissions under way before the host waits for the oldest, which bounds memory and the reaction to Ctrl-C.
const IN_FLIGHT: usize = 8;
/// How long one submission may take. They are small; longer means a hung driver.
const PATIENCE: Duration = Duration::from_secs(120);

/// The uniform block of `common/params.wgsl`, field by field; numbers are f32 there, or f64.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Params {
    pub(crate) base: u32,
    pub(crate) groups: u32,
    pub(crate) grid_x: u32,
    pub(crate) k: u32,
    pub(crate) kq: u32,
    pub(crate) p: u32,
    pub(crate) q: u32,
    pub(crate) p0: u32,
    pub(crate) q0: u32,
    pub(crate) out0: u32,
    pub(crate) ld: u32,
    pub(crate) chunk: u32,
    pub(crate) chunks: u32,
    pub(crate) width: u32,
    pub(crate) fixed: u32,
    pub(crate) flags: u32,
    pub(crate) sum0: u32,
    pub(crate) sum1: u32,
    pub(crate) count: u32,
    pub(crate) stride: u32,
    pub(crate) alpha: f64,
    pub(crate) l1: f64,
    pub(crate) l2: f64,
    pub(crate) gamma: f64,
    pub(crate) beta: f64,
    pub(crate) stop: f64,
    pub(crate) inf: f64,
    pub(crate) x_unit: f64,
}

impl Params {
    /// Whether X is read as halves.
    pub(crate) fn half(&self) -> bool {
        self.x_unit != 0.0
    }

    /// Workgroups with a thread for each quad of p rows.
    pub(crate) fn quad_groups(&self) -> u64 {
        (u64::from(self.p) * u64::from(self.kq)).div_ceil(64)
    }

    /// Appends the block as kernels read it.
    fn encode(&self, double: bool, out: &mut Vec<u8>) {
        let Params { base, groups, grid_x, k, kq, p, q, p0, q0, out0, .. } = *self;
        let Params { ld, chunk, chunks, width, fixed, flags, sum0, sum1, count, stride, .. } = *self;
        let words = [
            [base, groups, grid_x, k, kq, p, q, p0, q0, out0],
            [ld, chunk, chunks, width, fixed, flags, sum0, sum1, count, stride],
        ];
        out.extend_from_slice(bytemuck::bytes_of(&words));
        let Params { alpha, l1, l2, gamma, beta, stop, inf, x_unit, .. } = *self;
        let numbers = [alpha, l1, l2, gamma, beta, stop, inf, x_unit];
        if double {
            out.extend_from_slice(bytemuck::bytes_of(&numbers));
        } else {
            out.extend_from_slice(bytemuck::bytes_of(&numbers.map(|v| v as f32)));
        }
    }
}

enum Command {
    Run { pipeline: wgpu::ComputePipeline, bind: wgpu::BindGroup, grid: (u32, u32, u32) },
    Copy { from: wgpu::Buffer, offset: u64, to: wgpu::Buffer, at: u64, bytes: u64 },
    Picture { from: wgpu::Buffer, to: wgpu::Texture, rows: std::ops::Range<u64> },
}

/// How much was done: for tests of residency and batching.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Submissions to the queue.
    pub submits: u64,
    /// Kernels recorded.
    pub dispatches: u64,
    /// Times the host waited for results.
    pub reads: u64,
    /// Matrices X uploaded.
    pub uploads: u64,
    /// Factors written from the host.
    pub writes: u64,
    /// Bytes of X sent in panels, over and over, because the device cannot hold it.
    pub streamed_bytes: u64,
}

/// The recorder.
pub(crate) struct Stream {
    pub(crate) device: Device,
    pub(crate) pipelines: Pipelines,
    pub(crate) counters: Counters,
    /// The runs that kernels work for; without, one.
    pub(crate) batch: Option<Batch>,
    commands: Vec<Command>,
    params: Vec<u8>,
    uniform: wgpu::Buffer,
    /// Where factors are copied for kernels that read them as textures, one after the other; kept as long as this.
    picture: Option<wgpu::Texture>,
    /// The device had no room for one.
    no_pictures: bool,
    work: f64,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    staging: Vec<wgpu::Buffer>,
}

impl Stream {
    pub(crate) fn new(device: Device) -> Result<Stream> {
        let uniform = device.scoped("parameters", |d| {
            d.create_buffer(&wgpu::BufferDescriptor {
                label: Some("parameters"),
                size: (BATCH * SLOT) as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        Ok(Stream {
            device,
            pipelines: Pipelines::default(),
            counters: Counters::default(),
            batch: None,
            commands: Vec::new(),
            params: Vec::new(),
            uniform,
            picture: None,
            no_pictures: false,
            work: 0.0,
            in_flight: VecDeque::new(),
            staging: Vec::new(),
        })
    }

    /// Work per submission and per dispatch, in flop: a dispatch takes at most about 50 ms on the slowest hardware of its kind worth
    /// using, or 200 ms where fewer workgroups would leave a card idle. A card of its own does 1 TFLOP/s or more, and every cut makes it run empty once.
    fn limits_of_work(&self) -> (f64, f64) {
        match (self.device.info.software, self.device.info.device_type.as_str()) {
            (true, _) => (4e10, 2e10),
            (false, "DiscreteGpu") => (2e11, 5e10),
            (false, _) => (4e10, 1e10),
        }
    }

    /// What an operation costs more in f64: consumer cards do one where they do 32 to 64 in f32, but few of ours run at that rate.
    fn weight_of_double(&self) -> f64 {
        match (self.device.ladder.double, self.device.info.software) {
            (false, _) => 1.0,
            (true, true) => 2.0,
            (true, false) => 16.0,
        }
    }

    /// Records a kernel over `groups` workgroups of about `work` flop each; `buffers` in the order of
    /// [`Kernel::bindings`]. A grid with too much work for one dispatch is split.
    pub(crate) fn run(
        &mut self,
        kernel: Kernel,
        buffers: &[&Buf],
        params: Params,
        groups: u64,
        work: f64,
    ) -> Result<()> {
        let runs = self.batch.as_ref().map_or(1, |b| b.members().len());
        if groups == 0 || runs == 0 {
            return Ok(());
        }
        // a place in the grid stands for all runs
        let work = work * runs as f64 * self.weight_of_double();
        let total = u32::try_from(groups)
            .map_err(|_| Error::Device(format!("{}: a grid of {groups} workgroups is too large", kernel.label())))?;
        let numbers = kernel.bindings();
        if numbers.len() != buffers.len() {
            return Err(Error::Device(format!(
                "{}: {} buffers for {} bindings",
                kernel.label(),
                buffers.len(),
                numbers.len()
            )));
        }
        let pipeline = self.pipelines.get(&self.device, kernel, self.batch.is_some())?;
        let copied = numbers.iter().zip(buffers).find(|((_, access), _)| *access == Access::Copy);
        let copied = copied.map(|(_, b)| self.fill_picture(b, &params)).transpose()?;
        let (per_submit, per_dispatch) = self.limits_of_work();
        let side = self.device.limits.max_compute_workgroups_per_dimension.max(1);
        // fewer workgroups than a large card holds would leave it idle; even heavy ones take well below half a second
        let fewest = if self.device.info.device_type == "DiscreteGpu" { (2e11 / work.max(1.0)) as u64 } else { 1 };
        let step = ((per_dispatch / work.max(1.0)) as u64)
            .max(fewest.min(512))
            .clamp(1, u64::from(side) * u64::from(side))
            .min(groups) as u32;
        let mut base = 0;
        while base < total {
            let here = step.min(total - base);
            let grid_x = here.min(side);
            let grid = (grid_x, here.div_ceil(grid_x), runs as u32);
            if self.params.len() + SLOT > BATCH * SLOT
                || (self.work > 0.0 && self.work + work * f64::from(here) > per_submit)
            {
                self.submit()?;
            }
            // a folded grid may overhang its part: `groups` ends this part, not only the last
            let block = Params { base, groups: base + here, grid_x, ..params };
            let offset = self.params.len();
            let double = self.device.ladder.double;
            block.encode(double, &mut self.params);
            if let Some(b) = &self.batch {
                self.params.extend_from_slice(bytemuck::bytes_of(&b.block(double, kernel, buffers)?));
            }
            let size = std::num::NonZeroU64::new((self.params.len() - offset) as u64);
            self.params.resize(offset + SLOT, 0);
            let mut entries = vec![wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &self.uniform,
                    offset: offset as u64,
                    size,
                }),
            }];
            for ((n, access), b) in numbers.iter().zip(buffers) {
                let image = if *access == Access::Copy { copied.as_ref() } else { b.image() };
                let resource = match (access, image) {
                    (Access::Texture | Access::Copy, Some(image)) => wgpu::BindingResource::TextureView(image),
                    (Access::Texture | Access::Copy, None) => {
                        return Err(Error::Device(format!("{}: binding {n} has no texture", kernel.label())));
                    }
                    _ => b.raw().as_entire_binding(),
                };
                entries.push(wgpu::BindGroupEntry { binding: *n, resource });
            }
            let bind = self.device.scoped("binding buffers", |d| {
                d.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: None,
                    layout: &pipeline.layout,
                    entries: &entries,
                })
            })?;
            self.commands.push(Command::Run { pipeline: pipeline.raw.clone(), bind, grid });
            self.counters.dispatches += 1;
            self.work += work * f64::from(here);
            base += here;
        }
        Ok(())
    }

    /// Hands everything recorded to the device. Does not wait, unless too much is under way.
    pub(crate) fn submit(&mut self) -> Result<()> {
        self.device.faults.check()?;
        if self.commands.is_empty() {
            return Ok(());
        }
        let commands = std::mem::take(&mut self.commands);
        let params = std::mem::take(&mut self.params);
        self.work = 0.0;
        let (queue, uniform) = (&self.device.queue, &self.uniform);
        let index = self.device.scoped("submitting", |d| {
            if !params.is_empty() {
                queue.write_buffer(uniform, 0, &params);
            }
            let mut encoder = d.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("nmf") });
            let mut rest = commands.as_slice();
            while let Some(first) = rest.first() {
                if first.copy(&mut encoder) {
                    rest = &rest[1..];
                    continue;
                }
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: None });
                while let Some((Command::Run { pipeline, bind, grid }, tail)) = rest.split_first() {
                    pass.set_pipeline(pipeline);
                    pass.set_bind_group(0, bind, &[]);
                    pass.dispatch_workgroups(grid.0, grid.1, grid.2);
                    rest = tail;
                }
            }
            queue.submit([encoder.finish()])
        })?;
        self.params = params;
        self.params.clear();
        self.counters.submits += 1;
        self.in_flight.push_back(index);
        while self.in_flight.len() > IN_FLIGHT {
            self.wait_oldest()?;
        }
        Ok(())
    }

    fn wait_oldest(&mut self) -> Result<()> {
        let Some(index) = self.in_flight.pop_front() else { return Ok(()) };
        self.poll(wgpu::PollType::Wait { submission_index: Some(index), timeout: Some(PATIENCE) })
    }

    /// Waits, or looks once. wgpu panics where the driver says that the device is gone while it is waited for: that, too, becomes
    /// an error here.
    fn poll(&self, how: wgpu::PollType) -> Result<()> {
        self.device.faults.check()?;
        let raw = &self.device.raw;
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| raw.poll(how))) {
            Ok(Ok(_)) => self.device.faults.check(),
            Ok(Err(e)) => Err(self.given_up(e)),
            Err(_) => {
                self.device
                    .faults
                    .set("the device was lost while it was waited for: its driver may have reset it".into());
                std::mem::forget(self.device.queue.clone());
                self.device.faults.check()
            }
        }
    }

    /// A device that does not answer is not asked again: whatever follows fails at once, and its queue is never dropped, as that
    /// would wait for it without end.
    fn given_up(&self, e: wgpu::PollError) -> Error {
        let text = format!(
            "the device did not finish within {} s ({e}): it may hang or be overloaded; try a smaller matrix or the CPU",
            PATIENCE.as_secs()
        );
        self.device.faults.set(text.clone());
        std::mem::forget(self.device.queue.clone());
        Error::Device(text)
    }

    /// Submits, then waits until all is done.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.submit()?;
        while !self.in_flight.is_empty() {
            self.wait_oldest()?;
        }
        self.device.faults.check()
    }

    /// Overwrites the first bytes of a buffer from the host, after the work recorded so far.
    pub(crate) fn write(&mut self, to: &Buf, at: u64, bytes: &[u8]) -> Result<()> {
        self.submit()?;
        let queue = &self.device.queue;
        let written = self.device.scoped("writing to the device", |_| queue.write_buffer(to.raw(), at, bytes));
        written.map_err(|e| sending::no_room(e, bytes.len()))
    }

    /// Fills a buffer that no recorded work uses: nothing has to be submitted before.
    pub(crate) fn write_new(&mut self, to: &Buf, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let queue = &self.device.queue;
        self.device.scoped("writing to the device", |_| queue.write_buffer(to.raw(), 0, bytes))
    }

    /// Pushes pending host writes to the device, so that their staging memory is freed.
    pub(crate) fn flush_writes(&mut self) -> Result<()> {
        let index = self.device.scoped("uploading", |d| {
            let _ = d;
            self.device.queue.submit([])
        })?;
        self.in_flight.push_back(index);
        while self.in_flight.len() > 2 {
            self.wait_oldest()?;
        }
        Ok(())
    }
}
