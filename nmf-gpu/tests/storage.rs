//! X stored as halves: the results of rounded X to the last bit, the stated error, half the bytes. X as a texture: the same bits.

mod common;

use common::{everything, same, values};
use half::f16;
use ndarray::Array2;
use nmf_core::{Backend, Error, Loss, MatrixRef, Nmf, Observed, Op, Side, Sparse, Stop, Support};
use nmf_gpu::{Gpu, GpuOptions, Streaming, XStorage};

fn gpu(x_storage: XStorage) -> Gpu {
    Gpu::new(&GpuOptions { x_storage, ..GpuOptions::default() }).unwrap()
}

/// What the storage promises: the nearest half in units that put the largest entry between 2¹⁴ and 2¹⁵, and no zero but for zero.
fn rounded(x: &Array2<f32>) -> Array2<f32> {
    let largest = x.iter().copied().fold(0.0, f32::max);
    let unit = (largest.log2().floor() - 14.0).exp2();
    x.mapv(|v| if v > 0.0 { unit * f16::from_f32((v / unit).max(f16::MIN_POSITIVE.to_f32())).to_f32() } else { v })
}

/// Entries from 1.9 down to 1e-12, and zeros.
fn spread(rows: usize, cols: usize) -> Array2<f32> {
    let mut x = values(rows, cols, 1);
    for ((i, j), v) in x.indexed_iter_mut() {
        *v *= 10f32.powi(-(((i * 5 + j * 3) % 13) as i32));
        if (i + 2 * j) % 17 == 0 {
            *v = 0.0;
        }
    }
    x[[rows / 2, cols / 3]] = 1.9;
    x
}

#[test]
fn results_are_those_of_rounded_x_to_the_last_bit() {
    let all = |x_storage, x: &Array2<f32>| {
        let mut b = gpu(x_storage);
        let data = b.upload(MatrixRef::from(x), 1.0, Observed::All).unwrap();
        everything(&mut b, &data, 5)
    };
    for x in [values(70, 45, 1), spread(45, 70)] {
        let half = all(XStorage::F16, &x);
        same(&half, &all(XStorage::F32, &rounded(&x)), "halves against rounded numbers");
        assert_ne!(half, all(XStorage::F32, &x));
    }
}

/// X·I is X as it lies on the device.
fn stored(b: &mut Gpu, x: &Array2<f32>, scale: f32) -> Array2<f32> {
    let n = x.ncols();
    let data = b.upload(MatrixRef::from(x), scale, Observed::All).unwrap();
    let one = b.factor(Array2::eye(n).view()).unwrap();
    let mut out = b.factor(Array2::zeros((x.nrows(), n)).view()).unwrap();
    b.cross(&data, Side::Rows, &one, &mut out).unwrap();
    b.read(&out).unwrap()
}

#[test]
fn the_stated_error_holds_for_every_entry() {
    let mut b = gpu(XStorage::F16);
    let x = spread(60, 39);
    // whatever the units of X are
    for (by, scale) in [(1.0, 1.0), (1e6, 1.0), (3e-7, 1.0), (1.0, 1024.0), (1e-25, 1.0), (1e38, 1.0)] {
        let x = x.mapv(|v| by * v);
        let largest = f64::from(scale) * f64::from(x.iter().copied().fold(0.0, f32::max));
        let found = stored(&mut b, &x, scale);
        for ((at, found), v) in found.indexed_iter().zip(&x) {
            let (v, found) = (f64::from(scale) * f64::from(*v), f64::from(*found));
            let least = largest * (-28f64).exp2();
            let bound = if v >= least { v * (-11f64).exp2() } else { least };
            assert!((found - v).abs() <= bound, "{by:e}·X at {at:?}: {found:e} instead of {v:e}");
            assert_eq!(found == 0.0, v == 0.0, "{by:e}·X at {at:?}: {found:e} instead of {v:e}");
        }
    }
    // small whole numbers, as of counts, are not rounded at all
    let counts = Array2::from_shape_fn((40, 30), |(i, j)| ((i * 31 + j * 17) % 2049) as f32);
    assert_eq!(stored(&mut b, &counts, 1.0), counts);
    assert_eq!(stored(&mut b, &Array2::zeros((5, 4)), 1.0), Array2::<f32>::zeros((5, 4)));
}

#[test]
fn half_the_bytes() {
    let x = values(300, 200, 1);
    let used = [XStorage::F32, XStorage::F16].map(|x_storage| {
        // a budget keeps processors from a texture beside the buffer
        let options = GpuOptions { x_storage, memory: Some(1 << 30), ..GpuOptions::default() };
        let mut b = Gpu::new(&options).unwrap();
        let _x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
        b.memory_in_use()
    });
    assert_eq!(used[0], 2 * used[1].next_multiple_of(128));
    // and what fits only so is not streamed
    let options = GpuOptions { memory: Some(160_000), stream: Streaming::Never, ..GpuOptions::default() };
    let mut b = Gpu::new(&options).unwrap();
    assert!(matches!(b.upload(MatrixRef::from(&x), 1.0, Observed::All), Err(Error::OutOfMemory { .. })));
    let mut b = Gpu::new(&GpuOptions { x_storage: XStorage::F16, ..options }).unwrap();
    assert!(b.upload(MatrixRef::from(&x), 1.0, Observed::All).is_ok());
}

#[test]
fn a_texture_beside_the_buffer_changes_no_bit() {
    // longer than a workgroup's rows, odd sizes, and rows that do not fill their last quad; also in several windows
    // (rows of 64 columns: the last window begins in the second row of the factor's texture)
    for (x, window, k) in [
        (values(301, 270, 1), None, 5),
        (spread(90, 129), None, 5),
        (values(150, 67, 2), Some(12_000), 5),
        (values(400, 260, 3), Some(120_000), 64),
    ] {
        let all = |memory| {
            let mut b = Gpu::new(&GpuOptions { memory, max_binding: window, ..GpuOptions::default() }).unwrap();
            let before = b.memory_in_use();
            let data = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
            let used = b.memory_in_use() - before;
            let limit = |name| b.adapter().limits.iter().find(|l| l.0 == name).map_or(0, |l| l.1);
            let wide = b.adapter().features.iter().any(|f| f == "SHADER_INT64");
            let texture = b.is_software() && limit("subgroup_min_size") >= 8 && wide;
            (everything(&mut b, &data, k), used, texture)
        };
        let ((without, bytes, _), (with, used, texture)) = (all(Some(1 << 30)), all(None));
        same(&with, &without, "with a texture of X");
        assert_eq!(used, if texture { 2 * bytes } else { bytes });
    }
}

#[test]
fn factors_of_all_sizes_share_one_texture() {
    // recorded without a wait between them: the second needs a larger texture than the first, the third a part of it
    let all = |memory| {
        let mut b = Gpu::new(&GpuOptions { memory, ..GpuOptions::default() }).unwrap();
        let data = b.upload(MatrixRef::from(&values(70, 1000, 1)), 1.0, Observed::All).unwrap();
        let mut made = Vec::new();
        for (k, seed) in [(5, 1), (20, 2), (5, 3), (64, 4), (20, 5)] {
            for (side, rows, other) in [(Side::Rows, 70, 1000), (Side::Cols, 1000, 70)] {
                let other = b.factor(values(other, k, seed).view()).unwrap();
                let mut out = b.factor(Array2::zeros((rows, k)).view()).unwrap();
                b.cross(&data, side, &other, &mut out).unwrap();
                made.push(out);
            }
        }
        made.iter().map(|f| b.read(f).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(all(None), all(Some(1 << 30)));
}

#[test]
fn sparse_x_and_weights_are_refused_by_name() {
    let mut b = gpu(XStorage::F16);
    for op in [Op::Sparse, Op::StoredOnly, Op::Mask, Op::Weights] {
        assert_eq!(b.supports(&op), Support::No, "{op:?}");
    }
    let x = values(20, 10, 1);
    let sparse = Sparse::csr_from_dense(x.view(), 0.0);
    let refused = [
        b.upload(MatrixRef::from(&sparse), 1.0, Observed::All).err(),
        b.upload_weighted(MatrixRef::from(&x), MatrixRef::from(&x), 1.0).err(),
    ];
    for e in refused {
        assert!(matches!(&e, Some(Error::Unsupported(text)) if text.contains("f16") && text.contains("f32")), "{e:?}");
    }
    assert_eq!((b.uploads(), b.memory_in_use()), (0, 0));
}

#[test]
fn a_fit_is_as_good_as_the_rounding_allows() {
    let x = values(80, 60, 1);
    for loss in [Loss::FRO, Loss::KL, Loss::IS] {
        let [full, half] = [XStorage::F32, XStorage::F16].map(|storage| {
            let nmf = Nmf::new(4).loss(loss.clone()).seed(3).stop(Stop { max_iter: 50, tol: 0.0, ..Stop::default() });
            nmf.fit(&mut gpu(storage), MatrixRef::from(&x)).unwrap().objective()
        });
        assert!((half / full - 1.0).abs() < 2e-3, "{loss}: {half} with halves, {full} without");
        assert_ne!(half, full);
    }
}
