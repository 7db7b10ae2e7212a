//! A loss of your own through an unchanged solver: the squared Hellinger distance d(x, y) = (√x − √y)².
//!
//! Its gradient in y is 1 − √(x/y), so the multiplicative update takes W ∘ (√(X⊘V)·H ⊘ 1·H)^γ. By the auxiliary
//! function of Févotte & Idier (2011): −2√(xy) is convex in y (Jensen) and y is linear, so the majorizer's minimizer is
//! w̃·(N/D)², and every smaller exponent descends too.
//!
//! Run it with `cargo run --release -p nmf-cpu --example own_loss`.

use ndarray::Array2;
use nmf_core::{ElementwiseLoss, Init, Loss, Nmf};
use nmf_cpu::Cpu;
use std::sync::Arc;

#[derive(Debug)]
struct Hellinger;

impl ElementwiseLoss for Hellinger {
    fn name(&self) -> String {
        "hellinger".into()
    }
    fn value(&self, x: f64, y: f64) -> f64 {
        (x.sqrt() - y.sqrt()).powi(2)
    }
    fn negative(&self, x: f64, y: f64) -> f64 {
        (x / y).sqrt()
    }
    fn positive(&self, _: f64, _: f64) -> f64 {
        1.0
    }
    fn exponent(&self) -> f64 {
        2.0
    }
}

fn main() -> nmf_core::Result<()> {
    let w = Array2::from_shape_fn((40, 3), |(i, q)| if i % 3 == q { 2.0 } else { 0.3 } + (i as f64 * 0.37).sin().abs());
    let h = Array2::from_shape_fn((3, 30), |(q, j)| if j % 3 == q { 1.5 } else { 0.1 } + (j as f64 * 0.73).cos().abs());
    let x = w.dot(&h);

    let nmf = Nmf::new(3).loss(Loss::Custom(Arc::new(Hellinger))).init(Init::Random).max_iter(2000).tol(0.0);
    let fitted = nmf.fit(&mut Cpu::<f64>::new()?, &x)?;

    let (first, last) = (fitted.trace()[0].objective, fitted.objective());
    let rises = fitted.trace().windows(2).filter(|t| t[1].objective > t[0].objective * (1.0 + 1e-12)).count();
    println!(
        "squared Hellinger distance: {first:.3} at the start, {last:.3e} after {} iterations",
        fitted.iterations()
    );
    println!("it rose in {rises} of them");
    assert!(rises == 0 && last < 1e-6 * first, "the update should descend to the planted factorization");
    Ok(())
}
