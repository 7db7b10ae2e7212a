//! The mistakes that [`super::Broken`] makes.

/// A mistake: one that was made, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The fused update forgets the exponent when it is below 1, as for Itakura–Saito: still descends in practice.
    DropExponent,
    /// HALS without max(0, ·).
    ForgetClamp,
    /// HALS does not refill a component that died.
    ForgetRefill,
    /// The last row of a factor is not updated.
    TruncateRow,
    /// `cross` takes the other side, where the shapes let it.
    WrongSide,
    /// Fixed columns are updated.
    IgnoreFixed,
    /// l1 is dropped.
    IgnoreL1,
    /// l2 is dropped.
    IgnoreL2,
    /// The quadratic ridge is put in the denominator.
    RidgeInDenominator,
    /// The quadratic ridge by the textbook root, which cancels.
    TextbookRoot,
    /// `Set` adds to terms that were used before.
    SetAdds,
    /// `Add` replaces.
    AddSets,
    /// α counts as 1.
    IgnoreAlpha,
    /// N and D are exchanged.
    SwapTerms,
    /// The divergence is measured after the update.
    MeasureAfter,
    /// The model is not floored in the fused update.
    ForgetFloor,
    /// Entries below TINY are kept.
    KeepTiny,
    /// A zero becomes FLOOR.
    ReviveZeros,
    /// The scale of an upload is dropped.
    IgnoreScale,
    /// Entries that are not stored count as zeros.
    ObserveAll,
    /// HALS stops after one pass.
    OneSweep,
    /// HALS does not stop early.
    IgnoreStop,
    /// One pass of HALS instead of the exact solution.
    SweepForNnls,
    /// ½‖X‖² − ⟨X,V⟩ + ½‖V‖² on dense data.
    DivergenceByDifference,
    /// β is off by 0.05 where it has no kernel of its own.
    WrongBeta,
    /// `quadratic` without ⟨A, f⟩.
    ForgetCross,
    /// `kkt` with ∇ instead of min(f, ∇).
    ForgetMin,
    /// `copy` copies nothing.
    ForgetCopy,
    /// A ticket's values come in reverse order.
    ReverseTicket,
    /// `cross` errs relative to its largest entry instead of each one.
    DrownSmallRows,
    /// Every third update errs by one more rounding: two runs differ.
    Jitter,
    /// Every weight above 0 counts as 1.
    IgnoreWeights,
    /// Entries of weight 0 count as zeros.
    CountUnknown,
    /// Newton's step is never shortened.
    ForgetDamping,
    /// The model stays as it is between the components of a Newton pass.
    StaleModel,
    /// Newton's step leaves l2 out of the second derivative.
    RidgelessCurvature,
    /// Newton's gradient sums `other` over all entries where only some count.
    SumOverAll,
    /// Newton stops after one pass.
    NewtonOnce,
    /// Components are visited in natural order.
    IgnoreShuffle,
    /// `Extrapolation::Upwards` follows decreases too.
    UpwardsAsClamped,
    /// `Extrapolation::Clamped` without max(0, ·).
    UncutExtrapolation,
    /// The momentum does not notice that the objective rises.
    NeverRestart,
    /// The momentum sees the first scalar only, without the penalties.
    AdvanceByFirst,
    /// A momentum does not take over the state that is written to it.
    ForgetMomentum,
    /// A gradient step without max(0, ·).
    UncutGradient,
    /// A gradient step of half the length.
    HalfStep,
    /// The cut unconstrained solution instead of the exact one.
    ClippedForExact,
    /// The exact solution instead of the cut unconstrained one.
    ExactForClipped,
    /// Projected gradient stops after one step.
    LazyGradient,
    /// The sparseness that is imposed is a little off.
    DriftingSparseness,
    /// Sparseness is imposed without a step along the gradient.
    ProjectOnly,
    /// `mu_steps` updates once, however often it is asked to.
    OneUpdate,
    /// Shifted copies wrap around instead of beginning with zeros.
    WrapShifts,
    /// `fold` leaves what an earlier one put there.
    ForgetFold,
}

impl Fault {
    /// Every mistake.
    pub const ALL: [Fault; 54] = [
        Fault::DropExponent,
        Fault::ForgetClamp,
        Fault::ForgetRefill,
        Fault::TruncateRow,
        Fault::WrongSide,
        Fault::IgnoreFixed,
        Fault::IgnoreL1,
        Fault::IgnoreL2,
        Fault::RidgeInDenominator,
        Fault::TextbookRoot,
        Fault::SetAdds,
        Fault::AddSets,
        Fault::IgnoreAlpha,
        Fault::SwapTerms,
        Fault::MeasureAfter,
        Fault::ForgetFloor,
        Fault::KeepTiny,
        Fault::ReviveZeros,
        Fault::IgnoreScale,
        Fault::ObserveAll,
        Fault::OneSweep,
        Fault::IgnoreStop,
        Fault::SweepForNnls,
        Fault::DivergenceByDifference,
        Fault::WrongBeta,
        Fault::ForgetCross,
        Fault::ForgetMin,
        Fault::ForgetCopy,
        Fault::ReverseTicket,
        Fault::DrownSmallRows,
        Fault::Jitter,
        Fault::IgnoreWeights,
        Fault::CountUnknown,
        Fault::ForgetDamping,
        Fault::StaleModel,
        Fault::RidgelessCurvature,
        Fault::SumOverAll,
        Fault::NewtonOnce,
        Fault::IgnoreShuffle,
        Fault::UpwardsAsClamped,
        Fault::UncutExtrapolation,
        Fault::NeverRestart,
        Fault::AdvanceByFirst,
        Fault::ForgetMomentum,
        Fault::UncutGradient,
        Fault::HalfStep,
        Fault::ClippedForExact,
        Fault::ExactForClipped,
        Fault::LazyGradient,
        Fault::DriftingSparseness,
        Fault::ProjectOnly,
        Fault::OneUpdate,
        Fault::WrapShifts,
        Fault::ForgetFold,
    ];
}
