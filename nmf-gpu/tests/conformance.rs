//! The whole conformance suite of `nmf_core`, twice: as opened by default, and without shader checks and with X in
//! windows of 1 KiB. Fails where there is no adapter.

use nmf_gpu::{Gpu, GpuOptions};

nmf_core::conformance_tests!(gpu, || Gpu::new(&GpuOptions::default()).unwrap());

nmf_core::conformance_tests!(gpu_unchecked_in_windows, || {
    Gpu::new(&GpuOptions { max_binding: Some(1024), checked: false, ..GpuOptions::default() }).unwrap()
});
