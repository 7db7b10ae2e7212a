//! The solvers by name: which one serves which task, and what each refuses.

use super::{
    Convolutive, ExtrapolatedHals, ExtrapolatedMu, Gradient, Hals, LeastSquares, Multiplicative, Newton, Solver,
    SparseGradient,
};
use crate::{Backend, Error, Loss, Observed, Op, Result, Support, Units};
use std::fmt;
use std::str::FromStr;

/// The solvers by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SolverKind {
    /// Chosen by loss, density and what the backend can do, see [`SolverKind::resolve`].
    #[default]
    Auto,
    /// Multiplicative updates, any loss.
    Mu,
    /// Extrapolated multiplicative updates, 1 ≤ β ≤ 2.
    Mue,
    /// Hierarchical alternating least squares, Frobenius only.
    Hals,
    /// Accelerated HALS, Frobenius only.
    AHals,
    /// Extrapolated accelerated HALS, Frobenius only.
    EHals,
    /// Exact alternating non-negative least squares by block principal pivoting, Frobenius only.
    AnlsBpp,
    /// Coordinate descent with scalar Newton steps, Kullback–Leibler only.
    Newton,
    /// Projected gradient, Frobenius only; also imposes Hoyer's sparseness.
    Pg,
    /// Alternating least squares, negative entries cut: not monotone. Frobenius only.
    Als,
    /// Gradient descent with a fixed step: not convergent. Any loss.
    Gd,
}

/// Which exponent multiplicative updates use for β < 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MuExponent {
    /// `Fast` where the solver is chosen by `Auto`, else `Proven`.
    #[default]
    Auto,
    /// γ(β) of Févotte and Idier's majorization–minimization, [`Loss::exponent`].
    Proven,
    /// γ = 1. For 0 ≤ β < 1 it never increases the divergence either (their majorization–equalization) and takes about half the
    /// iterations; elsewhere it can, and is refused.
    Fast,
}

/// What only some solvers take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SolverOptions {
    /// Step of [`SolverKind::Gd`] for W and H, in the units of X; chosen from the start if not given.
    pub step: Option<f64>,
    /// Visits the components in random order (the coordinate descents: HALS family and Newton).
    pub shuffle: Option<u64>,
    /// Hoyer's measure to impose on the columns of W, and on the rows of H, in [0, 1].
    pub sparseness: (Option<f64>, Option<f64>),
    /// Exponent of multiplicative updates.
    pub exponent: MuExponent,
    /// L ≥ 1 of a convolutive model ([`crate::shifts`]); 1: a plain one.
    pub shifts: usize,
}

impl Default for SolverOptions {
    fn default() -> Self {
        SolverOptions { step: None, shuffle: None, sparseness: (None, None), exponent: MuExponent::Auto, shifts: 1 }
    }
}

impl SolverOptions {
    fn is_sparse(&self) -> bool {
        self.sparseness != (None, None)
    }

    /// γ of multiplicative updates by solver `kind` for `loss`; `asked` is what was asked for, perhaps `Auto`.
    pub(crate) fn gamma(&self, loss: &Loss, asked: SolverKind) -> f64 {
        let fast = match self.exponent {
            MuExponent::Fast => true,
            MuExponent::Auto => asked == SolverKind::Auto && fast_descends(loss),
            MuExponent::Proven => false,
        };
        if fast { 1.0 } else { loss.exponent() }
    }
}

fn fast_descends(loss: &Loss) -> bool {
    loss.beta().is_some_and(|b| (0.0..1.0).contains(&b))
}

/// What is to be solved, as far as the choice of a solver depends on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task<'a> {
    /// The loss.
    pub loss: &'a Loss,
    /// Which entries count.
    pub observed: Observed,
    /// Whether X is sparse: [`crate::Problem::is_sparse`].
    pub sparse: bool,
    /// What was asked of the solver besides.
    pub options: SolverOptions,
}

impl SolverKind {
    /// The solver that `Auto` stands for, or an error naming one that can do the job.
    ///
    /// For a convolutive model `Auto` is `mue` where 1 ≤ β ≤ 2 and `mu` elsewhere. Otherwise `Auto` is `ehals` for the Frobenius loss on fully observed data, `pg` with a sparseness to impose, `newton` for
    /// Kullback–Leibler on sparse data where the backend has it, `mue` for 1 ≤ β ≤ 2 otherwise, and `mu` for the rest.
    /// The measurements behind it are in `benches/RESULTS.md`.
    pub fn resolve<B: Backend>(self, b: &B, task: &Task<'_>) -> Result<SolverKind> {
        use SolverKind::*;
        let Task { loss, observed, options, .. } = task;
        let all = *observed == Observed::All;
        let newton = b.supports(&Op::NewtonSweep) != Support::No;
        let shuffles = b.supports(&Op::Shuffle) != Support::No;
        let extrapolates = loss.beta().is_some_and(|b| (1.0..=2.0).contains(&b));
        let kind = match self {
            Auto if options.is_sparse() => Pg,
            Auto if options.step.is_some() => Gd,
            Auto if options.exponent != MuExponent::Auto => Mu,
            Auto if options.shifts > 1 => {
                if extrapolates {
                    Mue
                } else {
                    Mu
                }
            }
            Auto if loss.is_fro() && all => EHals,
            Auto if loss.is_kl() && newton && (task.sparse || options.shuffle.is_some()) => Newton,
            Auto if extrapolates => Mue,
            Auto => Mu,
            kind => kind,
        };
        let refuse = |why: String| Err(Error::Unsupported(why));
        let for_any = if extrapolates { "mue or mu" } else { "mu" };
        if options.shifts > 1 && !matches!(kind, Mu | Mue) {
            return refuse(format!("solver {kind} has no convolutive form (shifts > 1); use solver {for_any}"));
        }
        if options.shifts > 1 && b.supports(&Op::Shifts) == Support::No {
            return refuse("this backend has no convolutive models (shifts > 1)".into());
        }
        if matches!(kind, Hals | AHals | EHals | AnlsBpp | Pg | Als) {
            if options.is_sparse() && !(loss.is_fro() && all) {
                return refuse(
                    "a sparseness can be imposed by solver pg under the fro loss with every entry observed only".into(),
                );
            }
            if !loss.is_fro() {
                return refuse(format!("solver {kind} minimizes the fro loss only; for {loss} use solver {for_any}"));
            }
            if !all {
                return refuse(format!(
                    "solver {kind} needs every entry observed; with a mask, weights or stored entries only use solver {for_any}"
                ));
            }
        }
        if options.is_sparse() && kind != Pg {
            return refuse(format!("solver {kind} cannot impose a sparseness; use solver pg"));
        }
        for s in [options.sparseness.0, options.sparseness.1].into_iter().flatten() {
            if !(0.0..=1.0).contains(&s) {
                let value = s.to_string();
                return Err(Error::Parameter { name: "sparseness", value, expected: "a number between 0 and 1" });
            }
        }
        if kind == Newton && !loss.is_kl() {
            return refuse(format!("solver newton minimizes the kl loss only; for {loss} use solver {for_any}"));
        }
        if kind == Newton && !newton {
            return refuse("this backend has no solver newton; use solver mue, or the CPU".into());
        }
        if kind == Mue && !extrapolates {
            return refuse(format!("solver mue needs 1 ≤ β ≤ 2; for {loss} use solver mu"));
        }
        match (options.step, kind) {
            (Some(_), k) if k != Gd => return refuse(format!("solver {kind} takes no step; solver gd does")),
            (Some(s), _) if !(s > 0.0 && s.is_finite()) => {
                return Err(Error::Parameter { name: "step", value: s.to_string(), expected: "a finite number > 0" });
            }
            _ => {}
        }
        if options.shuffle.is_some() {
            if !matches!(kind, Hals | AHals | EHals | Newton) || options.is_sparse() {
                return refuse(format!(
                    "solver {kind} has no order of components to shuffle; hals, ahals, ehals (fro) and newton (kl) have"
                ));
            }
            if !shuffles {
                return refuse("this backend visits the components in order; use the CPU to shuffle them".into());
            }
        }
        if options.exponent != MuExponent::Auto && kind != Mu {
            return refuse(format!("solver {kind} has no exponent to choose; solver mu has"));
        }
        if options.exponent == MuExponent::Fast && !fast_descends(loss) && loss.exponent() != 1.0 {
            return refuse(format!(
                "the fast exponent 1 is known to descend for 0 ≤ β < 1 only (it can raise the objective for {loss}); use the proven one"
            ));
        }
        Ok(kind)
    }

    /// Scratch and state for a model of `dim` = rows×columns at rank `k`, in the units of the data on the device.
    pub fn build<'s, B: Backend + 's>(
        self,
        b: &mut B,
        dim: (usize, usize),
        k: usize,
        options: &SolverOptions,
        units: &Units,
    ) -> Result<Box<dyn Solver<B> + 's>> {
        let shuffle = options.shuffle;
        Ok(match self {
            SolverKind::Mu | SolverKind::Mue if options.shifts > 1 => {
                Box::new(Convolutive::new(b, dim, k, options.shifts, self == SolverKind::Mue)?)
            }
            SolverKind::Mu => Box::new(Multiplicative::new(b, dim, k)?),
            SolverKind::Mue => Box::new(ExtrapolatedMu::new(b, dim, k)?),
            SolverKind::Hals => Box::new(Hals::new(b, dim, k, false, shuffle)?),
            SolverKind::AHals => Box::new(Hals::new(b, dim, k, true, shuffle)?),
            SolverKind::Auto | SolverKind::EHals => Box::new(ExtrapolatedHals::new(b, dim, k, shuffle)?),
            SolverKind::AnlsBpp => Box::new(LeastSquares::exact(b, dim, k)?),
            SolverKind::Newton => Box::new(Newton::new(b, dim, k, shuffle)?),
            SolverKind::Pg if options.is_sparse() => Box::new(SparseGradient::new(b, dim, k, options.sparseness)?),
            SolverKind::Pg => Box::new(LeastSquares::projected_gradient(b, dim, k)?),
            SolverKind::Als => Box::new(LeastSquares::clipped(b, dim, k)?),
            SolverKind::Gd => {
                let steps = options.step.map(|s| (units.step(s, units.w()), units.step(s, units.h())));
                Box::new(Gradient::new(b, dim, k, steps)?)
            }
        })
    }

    /// Whether the objective never rises from one iteration to the next, but for rounding.
    pub fn is_monotone(self) -> bool {
        use SolverKind::*;
        matches!(self, Mu | Hals | AHals | AnlsBpp | Newton | Pg)
    }

    /// Whether an objective in the trace costs a pass over X of its own.
    pub fn traces_at_a_cost(self) -> bool {
        matches!(self, SolverKind::Mue | SolverKind::Gd)
    }

    /// Whether an entry that is zero stays zero.
    pub fn keeps_zeros(self) -> bool {
        matches!(self, SolverKind::Mu | SolverKind::Mue)
    }

    /// Every solver but `Auto`.
    pub const ALL: [SolverKind; 10] = [
        SolverKind::Mu,
        SolverKind::Mue,
        SolverKind::Hals,
        SolverKind::AHals,
        SolverKind::EHals,
        SolverKind::AnlsBpp,
        SolverKind::Newton,
        SolverKind::Pg,
        SolverKind::Als,
        SolverKind::Gd,
    ];

    const NAMES: [(SolverKind, &'static str); 11] = [
        (SolverKind::Auto, "auto"),
        (SolverKind::Mu, "mu"),
        (SolverKind::Mue, "mue"),
        (SolverKind::Hals, "hals"),
        (SolverKind::AHals, "ahals"),
        (SolverKind::EHals, "ehals"),
        (SolverKind::AnlsBpp, "anls-bpp"),
        (SolverKind::Newton, "newton"),
        (SolverKind::Pg, "pg"),
        (SolverKind::Als, "als"),
        (SolverKind::Gd, "gd"),
    ];
}

impl fmt::Display for SolverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SolverKind::NAMES.iter().find(|(kind, _)| kind == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for SolverKind {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let known = SolverKind::NAMES.iter().find(|(_, name)| *name == s);
        known.map(|(kind, _)| *kind).ok_or_else(|| Error::Parameter {
            name: "solver",
            value: s.into(),
            expected: "auto, mu, mue, hals, ahals, ehals, anls-bpp, newton, pg, als or gd",
        })
    }
}
