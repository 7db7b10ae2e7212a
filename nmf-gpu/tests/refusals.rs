//! What cannot be done is refused with an error that says why, before anything is sent to the device.

use ndarray::Array2;
use nmf_core::{Backend, ElementwiseLoss, Error, Extrapolation, Loss, MatrixRef, Observed, Op, Rule};
use nmf_core::{Side, Support, Sweep, Weight};
use nmf_gpu::{AdapterChoice, Gpu, GpuOptions, Streaming, adapters};
use std::sync::Arc;

#[test]
fn adapters_are_listed_and_chosen() {
    let all = adapters().expect("these tests need an adapter: on Debian mesa-vulkan-drivers and libvulkan1");
    assert!(all.iter().enumerate().all(|(i, a)| a.index == i && !a.name.is_empty() && !a.limits.is_empty()));
    let by = |choice| Gpu::new(&GpuOptions { adapter: Some(choice), ..GpuOptions::default() });
    assert_eq!(by(AdapterChoice::Index(0)).unwrap().adapter().name, all[0].name);
    assert_eq!(by(AdapterChoice::Name(all[0].name.to_uppercase())).unwrap().adapter().name, all[0].name);
    for wrong in [AdapterChoice::Index(all.len()), AdapterChoice::Name("no such card".into())] {
        match by(wrong) {
            Err(Error::Device(text)) => assert!(text.contains(&all[0].name), "{text}"),
            _ => panic!("an adapter that does not exist was opened"),
        }
    }
    // hardware first
    let default = Gpu::new(&GpuOptions::default()).unwrap();
    assert_eq!(default.is_software(), all.iter().all(|a| a.software));
}

#[test]
fn what_exceeds_the_memory_is_refused_before_the_upload() {
    let options = GpuOptions { memory: Some(100_000), stream: Streaming::Never, ..GpuOptions::default() };
    let mut b = Gpu::new(&options).unwrap();
    let x = Array2::<f32>::ones((200, 200));
    match b.upload(MatrixRef::from(&x), 1.0, Observed::All) {
        Err(Error::OutOfMemory { needed, available, .. }) => assert_eq!((needed, available), (160_000, 100_000)),
        _ => panic!("more than the memory was uploaded"),
    }
    assert_eq!((b.uploads(), b.memory_in_use()), (0, 0));
    assert!(matches!(b.factor(Array2::ones((20_000, 2)).view()), Err(Error::OutOfMemory { .. })));
    // and the backend goes on working
    let x = Array2::<f32>::ones((20, 20));
    assert!(b.upload(MatrixRef::from(&x), 1.0, Observed::All).is_ok());
}

#[test]
fn losses_without_a_shader_and_too_many_components_name_the_cpu() {
    #[derive(Debug)]
    struct Mine;
    impl ElementwiseLoss for Mine {
        fn name(&self) -> String {
            "mine".into()
        }
        fn value(&self, x: f64, y: f64) -> f64 {
            (x - y).abs()
        }
        fn negative(&self, _: f64, _: f64) -> f64 {
            1.0
        }
        fn positive(&self, _: f64, _: f64) -> f64 {
            1.0
        }
    }
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let loss = Loss::Custom(Arc::new(Mine));
    assert_eq!(b.supports(&Op::Update(loss.clone())), Support::No);
    assert_eq!(b.supports(&Op::Update(Loss::Beta(f64::NAN))), Support::No);
    let x = Array2::<f32>::ones((4, 3));
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (w, h) = (b.factor(Array2::ones((4, 2)).view()).unwrap(), b.factor(Array2::ones((3, 2)).view()).unwrap());
    let refused = |r: nmf_core::Result<()>| matches!(r, Err(Error::Unsupported(text)) if text.contains("CPU"));
    assert!(refused(b.divergence(&loss, &x, &w, &h).map(|_| ())));
    assert!(refused(b.factor(Array2::ones((1, 65_537)).view()).map(|_| ())));
    // wide enough for shifted copies, but no row that a sweep could hold
    let mut wide = b.factor(Array2::ones((4, 1025)).view()).unwrap();
    let other = b.factor(Array2::ones((3, 1025)).view()).unwrap();
    let (cross, gram) = (b.factor(Array2::ones((4, 1025)).view()).unwrap(), b.new_gram(1025).unwrap());
    let sweep = Sweep::once(Rule::for_loss(&Loss::KL));
    assert!(refused(b.hals_sweep(&cross, &gram, &mut wide, &sweep)));
    assert!(refused(b.newton_sweep(&x, Side::Rows, &mut wide, &other, &sweep, false).map(|_| ())));
    assert!(refused(b.new_gram(0).map(|_| ())));
    let mut out = b.factor(Array2::ones((3, 2)).view()).unwrap();
    assert!(matches!(b.cross(&x, Side::Rows, &h, &mut out), Err(Error::Shape { .. })));
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let x = Array2::<f32>::ones((4, 3));
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let mut factor = |rows, k| b.factor(Array2::ones((rows, k)).view()).unwrap();
    let (mut w, mut h, mut narrow) = (factor(4, 2), factor(3, 2), factor(4, 1));
    let (mut t, g) = (b.new_terms(3, 2).unwrap(), b.new_gram(3).unwrap());
    let mut t_short = b.new_terms(2, 2).unwrap();
    let rule = Rule::for_loss(&Loss::KL);
    let sweep = Sweep { shuffle: Some(1), ..Sweep::once(rule) };
    let refused = |r: nmf_core::Result<()>| matches!(r, Err(Error::Shape { .. }));
    let before = b.dispatches();
    assert!(refused(b.newton_sweep(&x, Side::Cols, &mut w, &h, &sweep, true).map(|_| ())));
    assert!(refused(b.newton_sweep(&x, Side::Rows, &mut narrow, &h, &sweep, false).map(|_| ())));
    assert!(refused(b.gradient_step(&t, &mut w, &rule, 0.1)));
    assert!(refused(b.extrapolate(&h, &mut w, Extrapolation::Clamped, Weight::Fixed(0.5))));
    assert!(refused(b.unfold(&narrow, &mut h)));
    assert!(refused(b.unfold(&w, &mut narrow)));
    assert!(refused(b.fold(&t, &mut t_short)));
    assert!(refused(b.fold(&t_short, &mut t)));
    assert!(refused(b.extrapolate(&w, &mut narrow, Extrapolation::Upwards, Weight::Fixed(0.5))));
    let cross = b.factor(Array2::ones((4, 2)).view()).unwrap();
    assert!(refused(b.hals_sweep(&cross, &g, &mut w, &sweep)));
    assert_eq!(b.dispatches(), before);
}

#[test]
fn a_nan_in_a_factor_reaches_the_divergence() {
    // every clamp on the way would hide it
    let mut b = Gpu::new(&GpuOptions::default()).unwrap();
    let x = Array2::<f32>::ones((40, 40));
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let mut values = Array2::<f32>::ones((40, 3));
    let h = b.factor(values.view()).unwrap();
    values[[7, 1]] = f32::NAN;
    let w = b.factor(values.view()).unwrap();
    for loss in [Loss::FRO, Loss::KL, Loss::IS, Loss::Beta(1.5)] {
        let d = b.divergence(&loss, &x, &w, &h).unwrap();
        assert!(b.value(&d).unwrap().is_nan(), "{loss}");
    }
}
