//! The whole conformance suite of `nmf_core`, three times: as opened by default; without shader checks and with X in
//! windows of 1 KiB; and with X on the host, sent in panels of 1 KiB. With X stored as halves, those checks that do not
//! compare with X as it was given. Fails where there is no adapter.

use nmf_gpu::{Gpu, GpuOptions, Streaming, XStorage};

nmf_core::conformance_tests!(gpu, || Gpu::new(&GpuOptions::default()).unwrap());

nmf_core::conformance_tests!(gpu_unchecked_in_windows, || {
    Gpu::new(&GpuOptions { max_binding: Some(1024), checked: false, ..GpuOptions::default() }).unwrap()
});

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
