use crate::conformance::bounds;
use crate::conformance::failure::Outcome;
use crate::conformance::probe::Probe;
use crate::conformance::sample::{factor, wide};
use crate::momentum::{Extrapolation, Momentum, Weight};
use crate::{Backend, Element, Op};
use ndarray::Array2;

/// By how much β may be off after so many iterations: t gathers some roundings in each, and grows by ½.
fn weight_off(iterations: usize, eps: f64) -> f64 {
    bounds::SAFETY * 8.0 * (iterations + 1) as f64 * eps
}

/// `extrapolate`: both ways, with a given weight and with that of a momentum; f itself stays.
pub fn extrapolate<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::extrapolate", make());
    if !p.can(Op::Extrapolate) {
        return Ok(());
    }
    for (rows, k) in [(1, 1), (17, 33), (65, 17), (130, 3)] {
        let (f, old) = (factor::<B::Elem>(11, (rows, k), 0.2), factor::<B::Elem>(12, (rows, k), 0.1));
        for how in [Extrapolation::Clamped, Extrapolation::Upwards] {
            for weight in [0.0, 0.28, 0.875, 0.999] {
                p.case(format!("a factor {rows}×{k}, {how:?}, weight {weight}"));
                let (df, mut previous) = (p.factor(&f)?, p.factor(&old)?);
                let r = p.b.extrapolate(&df, &mut previous, how, Weight::Fixed(weight));
                p.ok("extrapolate", r)?;
                let (found, kept) = (p.read(&previous)?, p.read(&df)?);
                let bound = bounds::extrapolate(&wide(&f), &wide(&old), how, (weight, 0.0), p.eps());
                p.close("extrapolate", &found, &bound)?;
                p.same("extrapolate", &kept, &wide(&f), "the factor itself was changed")?;
            }
            let r = p.b.new_momentum();
            let (mut m, mut expected) = (p.ok("new_momentum", r)?, Momentum::default());
            for i in 0..6 {
                p.case(format!("a factor {rows}×{k}, {how:?}, the weight of a momentum after {i} iterations"));
                let (df, mut previous) = (p.factor(&f)?, p.factor(&old)?);
                let r = p.b.extrapolate(&df, &mut previous, how, Weight::Of(&m));
                p.ok("extrapolate", r)?;
                let weight = (expected.weight(), weight_off(i, p.eps()));
                let found = p.read(&previous)?;
                p.close("extrapolate", &found, &bounds::extrapolate(&wide(&f), &wide(&old), how, weight, p.eps()))?;
                let s = p.scalar(-(i as f64))?;
                let r = p.b.advance(&mut m, &[s]);
                p.ok("advance", r)?;
                expected.advance(-(i as f64));
            }
        }
    }
    Ok(())
}

/// `advance`, seen through `extrapolate`: the weight grows while the sum of the scalars does not rise, restarts when it
/// does, and is 0 where the objective is no number.
pub fn advance<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("oracle::advance", make());
    if !p.can(Op::Extrapolate) {
        return Ok(());
    }
    let long: Vec<Vec<f64>> = (0..40).map(|i| vec![64.0 - f64::from(i)]).collect();
    let sequences: [(&str, Vec<Vec<f64>>); 5] = [
        ("descending", long),
        ("below zero, level, then a rise", [-1.0, -2.0, -3.0, -3.0, -2.5, -2.75, -3.5, -4.0].map(|v| vec![v]).to_vec()),
        (
            "sums of two",
            vec![vec![5.0, 1.0], vec![1.0, 4.0], vec![0.5, 4.25], vec![4.5, 1.0], vec![4.0, 1.25], vec![5.0, 0.0]],
        ),
        ("a rise at once", vec![vec![1.0], vec![2.0], vec![3.0], vec![2.5], vec![2.0], vec![1.0]]),
        ("no number", [4.0, 3.0, 2.0, f64::NAN, 1.0, 0.5, 0.25].map(|v| vec![v]).to_vec()),
    ];
    for (name, objectives) in sequences {
        let r = p.b.new_momentum();
        let (mut m, mut expected) = (p.ok("new_momentum", r)?, Momentum::default());
        for (i, parts) in objectives.iter().enumerate() {
            p.case(format!("{name}: {:?}", &objectives[..=i]));
            let scalars = parts.iter().map(|v| p.scalar(*v)).collect::<Result<Vec<_>, _>>()?;
            if parts[0].is_nan() && !p.value("quadratic", Ok(scalars[0].clone()))?.is_nan() {
                // a device may know no NaN
                break;
            }
            let r = p.b.advance(&mut m, &scalars);
            p.ok("advance", r)?;
            expected.advance(parts.iter().sum());
            let one = |v: f64| Array2::from_elem((1, 1), B::Elem::of(v));
            let (f, mut previous) = (p.factor(&one(1.0))?, p.factor(&one(0.0))?);
            let r = p.b.extrapolate(&f, &mut previous, Extrapolation::Upwards, Weight::Of(&m));
            p.ok("extrapolate", r)?;
            let found = p.read(&previous)?[[0, 0]] - 1.0;
            let tolerance = if expected.weight() == 0.0 { 0.0 } else { weight_off(i, p.eps()) };
            p.close_scalar_or(
                "advance",
                found,
                (expected.weight(), tolerance),
                "the weight of the next extrapolation",
            )?;
        }
    }
    Ok(())
}
