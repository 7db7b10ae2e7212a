//! The whole conformance suite of `nmf_core`: with and without shader checks, with and without subgroups, with X in one
//! piece, in windows of 1 KiB, and on the host, dense or sparse, sent in panels of 1 KiB. With X stored as halves, those checks that do not
//! compare with X as it was given. Fails where there is no adapter; without subgroups in the adapter, all is done without.

use nmf_gpu::{Features, Gpu, GpuOptions, Streaming, Switch, XStorage};

fn gpu(checked: bool, subgroups: Switch, max_binding: Option<u64>) -> Gpu {
    let features = Features { subgroups, ..Features::default() };
    Gpu::new(&GpuOptions { max_binding, checked, features, ..GpuOptions::default() }).unwrap()
}

nmf_core::conformance_tests!(gpu, || Gpu::new(&GpuOptions::default()).unwrap());

nmf_core::conformance_tests!(gpu_unchecked_in_windows, || gpu(false, Switch::Auto, Some(1024)));

nmf_core::conformance_tests!(gpu_without_subgroups, || gpu(true, Switch::Off, Some(1024)));

nmf_core::conformance_tests!(gpu_unchecked_without_subgroups, || gpu(false, Switch::Off, None));

nmf_core::conformance_tests!(gpu_streamed, || {
    Gpu::new(&GpuOptions { max_binding: Some(1024), stream: Streaming::Always, ..GpuOptions::default() }).unwrap()
});

/// Rounded X is another matrix for the oracle, for other units that are no power of two, and for an exact fit. What must
/// hold of every matrix does; `storage.rs` shows that the other results are those of rounded X.
mod halves {
    use super::*;
    use nmf_core::conformance::{hostile, laws, oracle};

    macro_rules! checks {
        ($($group:ident::$check:ident),+) => {
            $(#[test]
            fn $check() {
                let options = GpuOptions { x_storage: XStorage::F16, checked: false, ..GpuOptions::default() };
                if let Err(failure) = $group::$check(|| Gpu::new(&options).unwrap()) {
                    panic!("{failure}");
                }
            })+
        };
    }

    checks!(
        oracle::gram,
        oracle::quadratic,
        oracle::penalty,
        laws::transpose,
        laws::permutation,
        laws::zeros_stay,
        laws::non_negative,
        laws::descent,
        laws::momentum_goes_on,
        hostile::many_operations,
        hostile::repeatable,
        hostile::tickets,
        hostile::wrong_shapes,
        hostile::unsupported
    );
}

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
