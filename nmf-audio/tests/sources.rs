//! Bases, what is known of them, and the parts they claim.

use ndarray::{Array2, s};
use nmf_audio::sources::{Guide, Recipe, activations, factor, part, raise_zeros, shares};
use nmf_core::{Loss, Silent, SolverKind, Stop};
use nmf_cpu::Cpu;

/// A pseudo-random matrix in (0, 1], always the same.
fn noise(seed: u64, dim: (usize, usize)) -> Array2<f32> {
    let mut state = seed;
    Array2::from_shape_simple_fn(dim, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 + 1.0) / (1u64 << 24) as f32
    })
}

fn recipe(loss: Loss, shifts: usize, max_iter: usize) -> Recipe {
    let stop = Stop { max_iter, tol: 0.0, ..Stop::default() };
    Recipe { loss, solver: SolverKind::Auto, shifts, stop, trace_every: 0 }
}

#[test]
fn given_bases_stay_and_free_ones_are_silent_where_they_must_be() {
    let mut b = Cpu::<f32>::with_threads(2).unwrap();
    for (loss, shifts) in [(Loss::KL, 1), (Loss::IS, 1), (Loss::KL, 3), (Loss::IS, 4), (Loss::FRO, 2)] {
        let x = noise(1, (33, 60));
        let given = noise(2, (33, 2 * shifts));
        let guide = Guide { given: Some(given.view()), silent: vec![5..20, 40..41] };
        let runs = factor(
            &mut b,
            &x,
            5,
            &recipe(loss.clone(), shifts, 20),
            &[(1, guide.clone()), (2, guide.clone())],
            &mut Silent,
        )
        .unwrap();
        assert_eq!(runs.len(), 2);
        assert_ne!(runs[0].w(), runs[1].w());
        for fitted in &runs {
            assert_eq!(fitted.w().slice(s![.., ..2 * shifts]), given);
            for frames in &guide.silent {
                assert!(fitted.h().slice(s![2.., frames.clone()]).iter().all(|v| *v == 0.0), "{loss}");
                assert!(fitted.h().slice(s![..2, frames.clone()]).iter().all(|v| *v > 0.0), "{loss}");
            }
            assert!(fitted.objective() < fitted.trace()[0].objective);
        }
    }
}

#[test]
fn parts_make_up_the_model_and_stretches_fit_together() {
    for shifts in [1, 2, 5] {
        let (w, h) = (noise(3, (17, 4 * shifts)), noise(4, (4, 30)));
        let whole = part(w.view(), h.view(), &[0, 1, 2, 3], 0..30).unwrap();
        // the model as it is defined
        for ((i, j), v) in whole.indexed_iter() {
            let term = |q: usize, tau: usize| if tau > j { 0.0 } else { w[[i, q * shifts + tau]] * h[[q, j - tau]] };
            let expected: f32 = (0..4).flat_map(|q| (0..shifts).map(move |tau| term(q, tau))).sum();
            assert!((v - expected).abs() < 1e-5 * expected.max(1.0));
        }
        let (a, b) =
            (part(w.view(), h.view(), &[0, 3], 0..30).unwrap(), part(w.view(), h.view(), &[2, 1], 0..30).unwrap());
        assert!((&a + &b - &whole).iter().all(|d| d.abs() < 1e-5));
        for frames in [0..1, 3..11, 29..30, 12..12] {
            let p = part(w.view(), h.view(), &[0, 1, 2, 3], frames.clone()).unwrap();
            assert!((&p - &whole.slice(s![.., frames])).iter().all(|d| d.abs() < 1e-5));
        }
        assert!(part(w.view(), h.view(), &[4], 0..3).is_err());
        assert!(part(w.view(), h.view(), &[0], 20..31).is_err());
        let all = shares(w.view(), h.view(), &[vec![0, 3], vec![1, 2]], 2..9).unwrap();
        let total: f32 = whole.slice(s![.., 2..9]).sum();
        assert!((all[0] - f64::from(a.slice(s![.., 2..9]).sum() / total)).abs() < 1e-6);
        assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    assert_eq!(part(noise(3, (17, 4)).view(), noise(4, (4, 30)).view(), &[], 0..30).unwrap().sum(), 0.0);
}

#[test]
fn activations_are_those_that_made_the_sound() {
    let mut b = Cpu::<f64>::with_threads(2).unwrap();
    for shifts in [1, 3] {
        // frames in which one basis begins, and nothing else
        let w = noise(5, (25, 3 * shifts)).mapv(|v| f64::from(v).powi(3));
        let h =
            Array2::from_shape_fn((3, 40), |(q, j)| if (7 * q + 3 * j) % 5 == 0 { 1.0 + j as f64 / 10.0 } else { 0.0 });
        let x = part(w.view(), h.view(), &[0, 1, 2], 0..40).unwrap().mapv(f64::from);
        let found =
            activations(&mut b, &x, w.view(), &recipe(Loss::KL, shifts, 3000), &Guide::none(), &mut Silent).unwrap();
        assert!((&found - &h).iter().all(|d| d.abs() < 0.02), "{shifts} shifts");
        // what must be silent is, although it is part of the sound
        let silent = Guide { given: Some(w.slice(s![.., ..shifts])), silent: std::iter::once(0..40).collect() };
        let found = activations(&mut b, &x, w.view(), &recipe(Loss::KL, shifts, 20), &silent, &mut Silent).unwrap();
        assert!(found.slice(s![1.., ..]).iter().all(|v| *v == 0.0) && found.row(0).iter().any(|v| *v > 0.0));
    }
    let quiet = Array2::<f64>::zeros((25, 7));
    let w = noise(5, (25, 3)).mapv(f64::from);
    let found = activations(&mut b, &quiet, w.view(), &recipe(Loss::KL, 1, 5), &Guide::none(), &mut Silent).unwrap();
    assert_eq!(found, Array2::zeros((3, 7)));
}

#[test]
fn zeros_are_raised_only_where_a_loss_needs_it() {
    let mut x = ndarray::array![[0.0f32, 2.0], [1e-12, 1.0]];
    assert_eq!(raise_zeros(&mut x, &Loss::KL), 0);
    assert_eq!(raise_zeros(&mut x, &Loss::IS), 2);
    assert_eq!(x, ndarray::array![[2e-10f32, 2.0], [2e-10, 1.0]]);
}
