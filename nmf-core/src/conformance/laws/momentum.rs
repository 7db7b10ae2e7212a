use crate::conformance::failure::Outcome;
use crate::conformance::probe::{Checked, Probe};
use crate::conformance::sample::factor;
use crate::{Backend, Extrapolation, Op, Weight};
use ndarray::Array2;

/// An objective per iteration that falls, rises and falls again, so that the weight grows, restarts and grows.
const OBJECTIVES: [f64; 12] = [9.0, 8.0, 7.5, 7.25, 7.0, 6.5, 6.75, 6.0, 5.5, 5.25, 5.0, 4.75];

/// A factor after it was extrapolated by the momentum in each of these iterations.
fn extrapolated<B: Backend>(p: &mut Probe<B>, m: &mut B::Momentum, objectives: &[f64]) -> Checked<Array2<f64>> {
    let f = p.factor(&factor(91, (17, 5), 0.2))?;
    let mut previous = p.factor(&factor(92, (17, 5), 0.1))?;
    for objective in objectives {
        let s = p.scalar(*objective)?;
        let r = p.b.advance(m, &[s]);
        p.ok("advance", r)?;
        let r = p.b.extrapolate(&f, &mut previous, Extrapolation::Clamped, Weight::Of(m));
        p.ok("extrapolate", r)?;
    }
    p.read(&previous)
}

/// A momentum whose state is read after any iteration and written to one of a fresh backend goes on to the same bits; reading it changes
/// nothing, and writing overwrites all of a state that was there.
pub fn momentum_goes_on<B: Backend>(make: impl Fn() -> B) -> Outcome {
    let mut p = Probe::new("laws::momentum_goes_on", make());
    if !p.can(Op::Extrapolate) {
        return Ok(());
    }
    for until in 0..OBJECTIVES.len() {
        p.case(format!("the objectives {OBJECTIVES:?}, read and written after {until} of them"));
        let (early, late) = OBJECTIVES.split_at(until);
        let r = p.b.new_momentum();
        let mut first = p.ok("new_momentum", r)?;
        extrapolated(&mut p, &mut first, early)?;
        let r = p.b.read_momentum(&first);
        let words = p.ok("read_momentum", r)?;
        let expected = extrapolated(&mut p, &mut first, late)?;

        let mut fresh = Probe::new("laws::momentum_goes_on", make());
        fresh.case(format!("the objectives {OBJECTIVES:?}, read and written after {until} of them"));
        let r = fresh.b.new_momentum();
        let mut second = fresh.ok("new_momentum", r)?;
        extrapolated(&mut fresh, &mut second, &[-1.0, -2.0, -3.0])?;
        let r = fresh.b.write_momentum(&mut second, &words);
        fresh.ok("write_momentum", r)?;
        let found = extrapolated(&mut fresh, &mut second, late)?;
        fresh.same("write_momentum", &found, &expected, "the momentum does not go on as the one that was read")?;
        if let Some(short) = words.get(1..) {
            let r = fresh.b.write_momentum(&mut second, short);
            fresh.must("write_momentum", r.is_err(), "a state that lacks a word was taken")?;
        }
    }
    Ok(())
}
