//! The whole conformance suite of `nmf_core`, twice: as opened by default, and without shader checks and with X in
//! windows of 1 KiB. Fails where there is no adapter.

use nmf_gpu::{Gpu, GpuOptions};

nmf_core::conformance_tests!(gpu, || Gpu::new(&GpuOptions::default()).unwrap());

nmf_core::conformance_tests!(gpu_unchecked_in_windows, || {
    Gpu::new(&GpuOptions { max_binding: Some(1024), checked: false, ..GpuOptions::default() }).unwrap()
});

/// `test.sh` runs this suite on several adapters. A loader that finds another one than it was told (or a driver that ignores
/// its settings) must not pass for the one that was wanted.
#[test]
fn the_adapter_is_the_one_wanted() {
    let gpu = Gpu::new(&GpuOptions::default()).unwrap();
    let adapter = gpu.adapter();
    if let Ok(name) = std::env::var("NMF_TEST_ADAPTER") {
        assert!(adapter.name.contains(&name), "{} instead of {name}", adapter.name);
    }
    if let Ok(size) = std::env::var("NMF_TEST_SUBGROUP") {
        let found = adapter.limits.iter().find(|(limit, _)| *limit == "subgroup_max_size").map(|(_, v)| v.to_string());
        assert_eq!(found.as_deref(), Some(size.as_str()), "{}", adapter.name);
    }
}
