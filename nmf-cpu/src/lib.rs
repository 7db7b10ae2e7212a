//! CPU backend of `nmf-core`: rayon threads, `gemm` products, SIMD kernels chosen at run time.
//!
//! [`Cpu<f32>`](Cpu) and `Cpu<f64>` implement every primitive natively, for dense and sparse X. Results are bit-identical
//! for every number of threads on one machine: work is cut along boundaries that depend on the data alone, each
//! piece is computed by one thread, and partial sums are added in a fixed order.
//!
//! ```
//! use nmf_core::Nmf;
//! let x = ndarray::array![[2.0f64, 3.0], [1.0, 1.0], [1.0, 0.0], [1.0, 2.0]].dot(&ndarray::array![[1.0, 2.0, 2.0], [1.0, 0.0, 2.0]]);
//! let fitted = Nmf::new(2).fit(&mut nmf_cpu::Cpu::new()?, &x)?;
//! assert!(fitted.divergence() < 1e-2 * x.iter().map(|v| v * v).sum::<f64>());
//! # Ok::<(), nmf_core::Error>(())
//! ```

mod backend;
mod dense;
mod elementwise;
mod fused_dense;
mod fused_sparse;
mod gemm;
mod hals;
mod newton;
mod plan;
pub mod ratings;
mod shifted;
mod simd;
mod sparse_sums;
mod storage;
mod transposed;

pub use backend::Cpu;
pub use simd::{Block, LANES, Real};
pub use storage::{Data, Factor, Gram, Terms};
