//! The precisions of the backend.

use bytemuck::Pod;
use nmf_core::Element;

/// A number type that kernels exist for: `f32`, and `f64` on adapters that have it ([`crate::Gpu::open`]).
pub trait Number: Element + Pod + sealed::Sealed {
    /// Whether kernels are those in f64.
    #[doc(hidden)]
    const DOUBLE: bool;
    /// Bytes of a number.
    #[doc(hidden)]
    const BYTES: u64 = size_of::<Self>() as u64;
    /// Bytes of four numbers side by side, in which rows of factors and of dense X are counted.
    #[doc(hidden)]
    const QUAD: u64 = 4 * Self::BYTES;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// The options of tests in f64: where the first choice of adapters has no f64, one that has.
#[cfg(test)]
pub(crate) fn with_double() -> crate::GpuOptions {
    let lacks = |a: &crate::AdapterInfo| !crate::device::lacking_for_double(a).is_empty();
    let all = crate::adapters().unwrap();
    let found = all.iter().find(|a| !lacks(a)).expect("these tests need an adapter with SHADER_F64, as lavapipe is");
    let adapter = crate::AdapterChoice::Index(found.index);
    crate::GpuOptions { adapter: Some(adapter), ..crate::GpuOptions::default() }
}

impl Number for f32 {
    const DOUBLE: bool = false;
}

impl Number for f64 {
    const DOUBLE: bool = true;
}
