//! The solver, and what only some solvers take.

use crate::failure::Failure;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use nmf_core::solver::{MuExponent, SolverOptions};
use nmf_core::{Element, Loss, Nmf, SolverKind};
use serde_json::{Map, Value, json};

/// What each solver is for.
const SOLVERS: [(&str, &str); 11] = [
    (
        "auto",
        "ehals for fro with every entry known; newton for kl on sparse X (less than a quarter of it stored) where the backend has it; else, and with --shifts, mue for 1 ≤ β ≤ 2, mu beyond",
    ),
    ("mu", "Multiplicative updates: any loss, mask, weights and penalty; monotone"),
    ("mue", "Multiplicative updates with extrapolation, 1 ≤ β ≤ 2 (kl to fro): fewer iterations than mu"),
    ("hals", "Hierarchical alternating least squares (fro): one sweep over the components per iteration; monotone"),
    ("ahals", "Accelerated HALS (fro): several sweeps per iteration; monotone"),
    ("ehals", "Accelerated HALS with extrapolation (fro): the fastest for fro"),
    ("anls-bpp", "Exact non-negative least squares in turn (fro): few iterations, each dear for large k; monotone"),
    ("newton", "Coordinate descent by Newton steps (kl): the fastest for sparse kl; monotone"),
    ("pg", "Projected gradient (fro); imposes --sparseness-w and --sparseness-h; monotone"),
    ("als", "Least squares with negative entries cut (fro), to compare with: not monotone"),
    ("gd", "Gradient descent with a fixed --step, to compare with: not convergent"),
];

fn solvers() -> impl TypedValueParser<Value = SolverKind> {
    PossibleValuesParser::new(SOLVERS.map(|(name, help)| PossibleValue::new(name).help(help)))
        .try_map(|name| name.parse::<SolverKind>())
}

/// Which solver, and what only some take.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct Method {
    /// Solver [default: auto; compare: mu]
    #[arg(long, value_name = "SOLVER", value_parser = solvers())]
    pub(crate) solver: Option<SolverKind>,
    /// Give every column of W the sparseness S by Hoyer's measure, 0 (flat) to 1 (one entry); fro, solver pg
    #[arg(long, value_name = "S")]
    pub(crate) sparseness_w: Option<f64>,
    /// Give every row of H the sparseness S by Hoyer's measure, 0 (flat) to 1 (one entry); fro, solver pg
    #[arg(long, value_name = "S")]
    pub(crate) sparseness_h: Option<f64>,
    /// Exponent of mu for β < 1 [default: fast if auto chose mu and 0 ≤ β < 1, else proven]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) mu_exponent: Option<ExponentChoice>,
    /// Visit the components in random order, another one in each iteration (by --seed); only hals, ahals, ehals and newton
    #[arg(long)]
    pub(crate) shuffle: bool,
    /// Step of gd, in the units of X [default: from the curvature at the start]
    #[arg(long, value_name = "MU")]
    pub(crate) step: Option<f64>,
}

/// Exponents of multiplicative updates.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExponentChoice {
    /// That of the majorization: the objective never rises
    Proven,
    /// 1: never rises for 0 ≤ β < 1 either, in about half the iterations
    Fast,
}

impl Method {
    /// In the library's terms.
    pub(crate) fn options(&self, seed: u64) -> SolverOptions {
        SolverOptions {
            step: self.step,
            shuffle: self.shuffle.then_some(seed),
            sparseness: (self.sparseness_w, self.sparseness_h),
            exponent: match self.mu_exponent {
                None => MuExponent::Auto,
                Some(ExponentChoice::Proven) => MuExponent::Proven,
                Some(ExponentChoice::Fast) => MuExponent::Fast,
            },
            ..SolverOptions::default()
        }
    }

    /// The solver asked for.
    pub(crate) fn kind(&self) -> SolverKind {
        self.solver.unwrap_or_default()
    }

    /// Tells a factorization.
    pub(crate) fn apply<T: Element>(&self, mut nmf: Nmf<T>, seed: u64) -> Result<Nmf<T>, Failure> {
        for (name, value) in [("--sparseness-w", self.sparseness_w), ("--sparseness-h", self.sparseness_h)] {
            if let Some(s) = value.filter(|s| !(0.0..=1.0).contains(s)) {
                return Err(Failure::usage(format!("{name} {s} is not accepted: a number between 0 and 1")));
            }
        }
        let SolverOptions { step, shuffle, sparseness: (w, h), exponent, .. } = self.options(seed);
        if let Some(step) = step {
            if !(step > 0.0 && step.is_finite()) {
                return Err(Failure::usage(format!("--step {step} is not accepted: a finite number > 0")));
            }
            nmf = nmf.step(step);
        }
        if let Some(seed) = shuffle {
            nmf = nmf.shuffle(seed);
        }
        Ok(nmf.solver(self.kind()).sparseness(w, h).mu_exponent(exponent))
    }

    /// The same once `auto` has become `kind` for `loss`: on another backend it might become another.
    pub(crate) fn pinned(&self, kind: SolverKind, loss: &Loss) -> Method {
        let mut pinned = Method { solver: Some(kind), ..self.clone() };
        // where `auto` takes mu it takes the fast exponent too
        let fast = kind == SolverKind::Mu && loss.beta().is_some_and(|b| (0.0..1.0).contains(&b));
        if self.kind() == SolverKind::Auto && fast {
            pinned.mu_exponent.get_or_insert(ExponentChoice::Fast);
        }
        pinned
    }

    /// What was asked for beyond the solver, for `fit.json`.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        if self.sparseness_w.is_some() || self.sparseness_h.is_some() {
            map.insert("imposed_sparseness".into(), json!({"w": self.sparseness_w, "h": self.sparseness_h}));
        }
        if let Some(exponent) = self.mu_exponent {
            let name = if exponent == ExponentChoice::Fast { "fast" } else { "proven" };
            map.insert("mu_exponent".into(), json!(name));
        }
        if self.shuffle {
            map.insert("shuffle".into(), json!(true));
        }
        if let Some(step) = self.step {
            map.insert("step".into(), json!(step));
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_solver_of_the_library_is_listed() {
        for (name, _) in SOLVERS {
            assert_eq!(name.parse::<SolverKind>().unwrap().to_string(), name);
        }
        let listed = "?".parse::<SolverKind>().unwrap_err().to_string();
        let words = listed.rsplit_once("accepted: ").unwrap().1.replace(" or ", ", ");
        assert_eq!(words.split(", ").collect::<Vec<_>>(), SOLVERS.map(|(name, _)| name));
    }

    #[test]
    fn a_pinned_method_keeps_the_exponent_of_auto() {
        let auto = Method::default();
        assert_eq!(auto.pinned(SolverKind::Mu, &Loss::IS).mu_exponent, Some(ExponentChoice::Fast));
        assert_eq!(auto.pinned(SolverKind::Mu, &Loss::Beta(3.0)).mu_exponent, None);
        let mu = Method { solver: Some(SolverKind::Mu), ..Method::default() };
        assert_eq!(mu.pinned(SolverKind::Mu, &Loss::IS).mu_exponent, None);
    }
}
