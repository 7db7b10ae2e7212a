//! The whole conformance suite of `nmf_core`: with and without shader checks, with and without subgroups, with X in one
//! piece and in windows of 1 KiB. Fails where there is no adapter; without subgroups in the adapter, all is done without.

use nmf_gpu::{Features, Gpu, GpuOptions, Switch};

fn gpu(checked: bool, subgroups: Switch, max_binding: Option<u64>) -> Gpu {
    let features = Features { subgroups, ..Features::default() };
    Gpu::new(&GpuOptions { max_binding, checked, features, ..GpuOptions::default() }).unwrap()
}

nmf_core::conformance_tests!(gpu, || Gpu::new(&GpuOptions::default()).unwrap());

nmf_core::conformance_tests!(gpu_unchecked_in_windows, || gpu(false, Switch::Auto, Some(1024)));

nmf_core::conformance_tests!(gpu_without_subgroups, || gpu(true, Switch::Off, Some(1024)));

nmf_core::conformance_tests!(gpu_unchecked_without_subgroups, || gpu(false, Switch::Off, None));
