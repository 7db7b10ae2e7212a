//! The GPU backend of `nmf`: compute shaders on Vulkan, Metal and DirectX 12 through wgpu, in f32, or in f64 on adapters that have it.
//!
//! * [`adapters`] lists what this machine has; [`Gpu::new`] opens one, [`Gpu::open`] in either precision.
//! * X is uploaded once and stays on the device, in windows that one binding can hold, on request as halves ([`XStorage`]). X that
//!   is larger than the memory stays on the host and is sent in panels ([`Streaming`]).
//! * Operations are recorded and submitted many at a time; only reads wait. [`Gpu::counters`] counts both.
//! * V = W·Hᵀ exists only for the tile at hand; factors may have 1 to 65,536 columns (1024 in a sweep
//!   over their rows).
//! * Optional features ([`Features`]) are used where they are offered and pass a self-test; a folder for compiled
//!   kernels and tuned choices is the caller's decision ([`GpuOptions::cache`]).
//!
//! A factor must fit one binding (the device's `max_storage_buffer_binding_size`); X need not.

mod backend;
mod batch;
mod bins;
pub mod cache;
mod ceiling;
mod cooperative;
mod csr;
mod dense;
mod device;
#[cfg(test)]
mod faults;
mod features;
mod gpu;
mod hals;
mod memory;
mod momentum;
mod newton;
mod number;
mod pipeline;
mod plan;
mod pool;
mod queue;
mod scalar;
mod shifts;
mod sparse;
mod tune;
mod update;
mod window;

pub use ceiling::Ceilings;
pub use device::{AdapterChoice, AdapterInfo, GpuOptions, adapters};
pub use features::{FeatureState, Features, Switch};
pub use gpu::Gpu;
pub use memory::{Factor, Gram, Scalar, Terms};
pub use momentum::Momentum;
pub use number::Number;
pub use queue::Counters;
pub use tune::Tuned;
pub use window::{Data, Streaming, XStorage};
