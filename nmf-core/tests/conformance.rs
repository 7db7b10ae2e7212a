//! The conformance suite, tested: it passes for the oracle itself and fails for every spoiled backend.

use nmf_core::conformance::{Broken, Fault, Traced, run_all};
use nmf_core::reference::Naive;
use nmf_core::{Backend, Loss, MatrixRef, Observed, Rule, Side};

nmf_core::conformance_tests!(naive_f64, || Naive::<f64>::new());
nmf_core::conformance_tests!(naive_f32, || Naive::<f32>::new());
nmf_core::conformance_tests!(traced, || Traced::new(Naive::<f32>::new()));

/// A suite that a wrong backend passes proves nothing: each of these mistakes must be seen, by a check that is made
/// for it and not by accident.
#[test]
fn every_fault_is_found() {
    let mut missed = Vec::new();
    for fault in Fault::ALL {
        let report = run_all(|| Broken::new(Naive::<f64>::new(), fault));
        let names: Vec<&str> = report.failures().map(|f| f.check).collect();
        println!("{fault:?}: {}", names.join(", "));
        if let Some(first) = report.failures().next() {
            println!("    {first}");
        }
        let wanted = found_by(fault);
        if !names.contains(&wanted) {
            missed.push(format!("{fault:?} was not found by {wanted}, only by {names:?}"));
        }
        if let Some(panic) = report.failures().find(|f| f.note.starts_with("panicked")) {
            missed.push(format!("{fault:?}: {panic}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn found_by(fault: Fault) -> &'static str {
    match fault {
        Fault::DropExponent => "oracle::mu_step",
        Fault::ForgetClamp | Fault::ForgetRefill | Fault::OneSweep | Fault::IgnoreStop => "oracle::hals_sweep",
        Fault::TruncateRow | Fault::IgnoreFixed | Fault::IgnoreL1 | Fault::IgnoreL2 => "oracle::apply",
        Fault::RidgeInDenominator | Fault::TextbookRoot => "oracle::apply",
        Fault::WrongSide | Fault::DrownSmallRows | Fault::IgnoreScale => "oracle::cross",
        Fault::SetAdds => "hostile::poisoned_memory",
        Fault::ObserveAll | Fault::AddSets | Fault::IgnoreAlpha | Fault::SwapTerms | Fault::WrongBeta => {
            "oracle::terms"
        }
        Fault::MeasureAfter => "oracle::mu_step",
        Fault::ForgetFloor | Fault::KeepTiny => "hostile::near_floor",
        Fault::ReviveZeros => "laws::zeros_stay",
        Fault::SweepForNnls => "oracle::least_squares",
        Fault::DivergenceByDifference => "oracle::divergence_near_fit",
        Fault::ForgetCross => "oracle::quadratic",
        Fault::ForgetMin => "oracle::kkt",
        Fault::ForgetCopy => "oracle::memory",
        Fault::ReverseTicket => "oracle::scalars",
        Fault::Jitter => "hostile::repeatable",
        Fault::IgnoreWeights | Fault::CountUnknown => "oracle::weighted",
        Fault::ForgetDamping
        | Fault::StaleModel
        | Fault::RidgelessCurvature
        | Fault::SumOverAll
        | Fault::NewtonOnce => "oracle::newton_sweep",
        Fault::IgnoreShuffle => "oracle::hals_sweep",
        Fault::UpwardsAsClamped | Fault::UncutExtrapolation => "oracle::extrapolate",
        Fault::NeverRestart | Fault::AdvanceByFirst => "oracle::advance",
        Fault::ForgetMomentum => "laws::momentum_goes_on",
        Fault::UncutGradient | Fault::HalfStep => "oracle::gradient_step",
        Fault::ClippedForExact | Fault::ExactForClipped | Fault::LazyGradient => "oracle::least_squares",
        Fault::DriftingSparseness | Fault::ProjectOnly => "oracle::impose_sparseness",
        Fault::OneUpdate => "oracle::mu_steps",
        Fault::WrapShifts => "oracle::unfold",
        Fault::ForgetFold => "oracle::fold",
        _ => "a check named in this test",
    }
}

#[test]
fn traced_counts_what_is_asked() {
    let mut b = Traced::new(Naive::<f64>::new());
    let x = ndarray::array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let x = b.upload(MatrixRef::from(&x), 1.0, Observed::All).unwrap();
    let (mut w, h) = (
        b.factor(ndarray::Array2::ones((3, 2)).view()).unwrap(),
        b.factor(ndarray::Array2::ones((2, 2)).view()).unwrap(),
    );
    let mut t = b.new_terms(3, 2).unwrap();
    let set_up = b.counts();
    assert_eq!((set_up.uploads, set_up.writes, set_up.rooms, set_up.blocking()), (1, 2, 1, 0));
    b.reset();
    let s =
        b.mu_step(&Loss::KL, &x, Side::Rows, &mut w, &h, &mut t, &Rule::for_loss(&Loss::KL), true).unwrap().unwrap();
    // one operation, fused, however many the wrapped backend makes of it
    assert_eq!((b.counts().operations, b.counts().blocking()), (1, 0));
    let ticket = b.ticket(&[s]).unwrap();
    b.wait(&ticket).unwrap();
    b.read(&w).unwrap();
    assert_eq!((b.counts().tickets, b.counts().waits, b.counts().reads, b.counts().blocking()), (1, 1, 1, 2));
}
