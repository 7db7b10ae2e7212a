//! A device that fails in the middle: errors that say where, no panic, no hang.

use crate::{Gpu, GpuOptions, Streaming};
use ndarray::Array2;
use nmf_core::{
    Backend, Error, Flow, Keeper, Loss, Matrix, MatrixRef, Nmf, Observed, Problem, Progress, Side, Snapshot, Sparse,
    Stop,
};

fn values(rows: usize, cols: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| 0.05 + ((i * 37 + j * 101) % 89) as f32 / 89.0)
}

/// Whatever is called after the device went away: an error that says so, no panic, no hang.
#[test]
fn a_lost_device_is_an_error() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let x = Array2::<f32>::ones((5, 4));
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (mut w, h) = (b.factor(Array2::ones((5, 2)).view()).unwrap(), b.factor(Array2::ones((4, 2)).view()).unwrap());
    let d = b.divergence(&Loss::KL, &x, &w, &h).unwrap();
    let ticket = b.ticket(std::slice::from_ref(&d)).unwrap();
    b.stream.device.raw.destroy();
    let mut errors = vec![b.wait(&ticket).err(), b.value(&d).err(), b.read(&w).err(), b.finish().err()];
    errors.push(b.write(&mut w, Array2::ones((5, 2)).view()).err());
    errors.push(b.factor(Array2::ones((5, 2)).view()).err());
    errors.push(b.divergence(&Loss::KL, &x, &w, &h).and_then(|d| b.value(&d)).err());
    for (i, e) in errors.into_iter().enumerate() {
        // the copy of the ticket may have arrived before
        assert!(i == 0 || matches!(e, Some(Error::Device(_))), "call {i}: {e:?}");
    }
}

/// Keeps every fifth iteration.
#[derive(Default)]
struct Fifth(Vec<usize>);

impl Keeper<f32> for Fifth {
    fn due(&mut self, p: &Progress) -> bool {
        p.iteration.is_multiple_of(5)
    }

    fn keep(&mut self, snapshot: Snapshot<f32>) {
        self.0.push(snapshot.iteration().unwrap());
    }
}

#[test]
fn a_device_lost_in_the_middle_of_a_fit_is_an_error_with_the_iteration_and_the_last_checkpoint() {
    let x = values(60, 50);
    for (stream, kept) in [(Streaming::Auto, true), (Streaming::Always, true), (Streaming::Always, false)] {
        let mut b = Gpu::new(&GpuOptions { stream, max_binding: Some(2048), ..GpuOptions::default() }).unwrap();
        let problem = Problem::new(MatrixRef::from(&x), Loss::KL, Observed::All).unwrap();
        let data = b.upload(MatrixRef::from(&x), problem.units().data() as f32, Observed::All).unwrap();
        let (raw, mut keeper) = (b.stream.device.raw.clone(), Fifth::default());
        let mut last = 0;
        let mut watch = |p: &Progress| {
            last = p.iteration;
            if p.iteration == 12 {
                raw.destroy();
            }
            Flow::Continue
        };
        let nmf = Nmf::new(3).loss(Loss::KL).seed(1).stop(Stop { max_iter: 1000, tol: 0.0, ..Stop::default() });
        let keep = kept.then_some(&mut keeper as &mut dyn Keeper<f32>);
        let failed = nmf.fit_kept(&mut b, &data, &problem, 0.0, &mut watch, keep, None).err();
        let Some(Error::Within { what, source }) = failed else { panic!("{failed:?}") };
        assert!(matches!(&*source, Error::Device(text) if text.contains("lost")), "{source}");
        // seen at the next submission, not after all iterations
        assert!((12..1000).contains(&last), "{last}");
        assert!(what.starts_with(&format!("after {last} iterations")), "{what}");
        assert_eq!(what.contains("checkpoint after 10"), kept, "{what}");
        assert_eq!(keeper.0, if kept { vec![5, 10] } else { vec![] });
    }
}

#[test]
fn a_lost_device_takes_no_panels() {
    let dense = Matrix::Dense(values(60, 50));
    let sparse = Matrix::Sparse(Sparse::csr_from_dense(values(60, 50).mapv(|v| (v - 0.5).max(0.0)).view(), 0.0));
    for x in [dense, sparse] {
        let options = GpuOptions { stream: Streaming::Always, max_binding: Some(1024), ..GpuOptions::default() };
        let mut b = Gpu::new(&options).unwrap();
        let data = b.upload(x.view(), 1.0, Observed::All).unwrap();
        let (h, mut out) = (b.factor(values(50, 3).view()).unwrap(), b.factor(values(60, 3).view()).unwrap());
        b.cross(&data, Side::Rows, &h, &mut out).unwrap();
        b.stream.device.raw.destroy();
        for _ in 0..3 {
            let failed = b.cross(&data, Side::Rows, &h, &mut out);
            assert!(matches!(failed, Err(Error::Device(_))), "{failed:?}");
        }
        let failed = b.upload(x.view(), 1.0, Observed::All).err();
        assert!(matches!(failed, Some(Error::Device(_))), "{failed:?}");
    }
}
