//! Where a factorization starts.

mod nndsvd;
mod random;

pub use random::uniform;
pub(crate) use random::unit;

use crate::fit::{Start, check_start};
use crate::{Backend, Element, Error, Problem, Result, SolverKind};
use std::fmt;
use std::str::FromStr;

/// How W and H are filled at the start.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Init<T> {
    /// NNDSVDa where k ≤ min(m, n), random otherwise and for a convolutive model.
    Auto,
    /// Uniform in (0, 1], times √(mean(X)/(k·L)) with the L shifts of a convolutive model (1 otherwise), so that the model's mean is right up to a constant.
    Random,
    /// Non-negative double SVD, with its zeros.
    Nndsvd,
    /// NNDSVD with the zeros set to √(mean(X)/k), the level of a uniform start. (The paper's mean(X) does not scale
    /// with the factors: on data far from 1 it drowns the components or vanishes.)
    Nndsvda,
    /// NNDSVD with the zeros set to √(mean(X)/k)/100 times uniform random numbers.
    Nndsvdar,
    /// Given factors.
    Custom(Start<T>),
}

impl<T: Element> Init<T> {
    /// The initialization that `Auto` stands for.
    #[must_use]
    pub fn resolve(&self, k: usize, dim: (usize, usize), shifts: usize) -> Init<T> {
        match self {
            Init::Auto if shifts == 1 && k <= dim.0.min(dim.1) => Init::Nndsvda,
            Init::Auto => Init::Random,
            other => other.clone(),
        }
    }

    /// Refuses what cannot work: NNDSVD beyond min(m, n), plain NNDSVD's zeros under multiplicative updates, given
    /// factors of the wrong shape or with bad entries.
    pub fn check(&self, k: usize, dim: (usize, usize), shifts: usize, solver: SolverKind) -> Result<()> {
        let smaller = dim.0.min(dim.1);
        match self {
            Init::Nndsvd | Init::Nndsvda | Init::Nndsvdar if shifts > 1 => Err(Error::Unsupported(format!(
                "init {self} has no convolutive form (shifts > 1); use init random or given factors"
            ))),
            Init::Nndsvd | Init::Nndsvda | Init::Nndsvdar if k > smaller => Err(Error::Rank {
                rank: k,
                reason: format!("{self} needs k ≤ min(m, n) = {smaller}; use init random"),
            }),
            Init::Nndsvd if solver.keeps_zeros() => Err(Error::Unsupported(
                "multiplicative updates cannot leave the exact zeros of init nndsvd; use init nndsvda or nndsvdar, or another solver".into(),
            )),
            Init::Custom(start) => check_start(start, dim, k, shifts),
            _ => Ok(()),
        }
    }

    /// The start for `seed`, in the units of X; W is m × k·L with L = `shifts`. Results depend on the seed alone, not on threads.
    pub fn make<B: Backend<Elem = T>>(
        &self,
        b: &mut B,
        data: &B::Data,
        problem: &Problem<'_, T>,
        k: usize,
        shifts: usize,
        seed: u64,
    ) -> Result<Start<T>> {
        match self.resolve(k, problem.dim(), shifts) {
            Init::Nndsvd => nndsvd::start(b, data, problem, k, seed, nndsvd::Zeros::Keep),
            Init::Nndsvdar => nndsvd::start(b, data, problem, k, seed, nndsvd::Zeros::Random),
            Init::Nndsvda => nndsvd::start(b, data, problem, k, seed, nndsvd::Zeros::Mean),
            Init::Custom(start) => Ok(start),
            Init::Random | Init::Auto => Ok(random::start(problem, k, shifts, seed)),
        }
    }
}

impl<T> fmt::Display for Init<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Init::Auto => "auto",
            Init::Random => "random",
            Init::Nndsvd => "nndsvd",
            Init::Nndsvda => "nndsvda",
            Init::Nndsvdar => "nndsvdar",
            Init::Custom(_) => "custom",
        })
    }
}

impl<T> FromStr for Init<T> {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Ok(match s {
            "auto" => Init::Auto,
            "random" => Init::Random,
            "nndsvd" => Init::Nndsvd,
            "nndsvda" => Init::Nndsvda,
            "nndsvdar" => Init::Nndsvdar,
            _ => {
                let expected = "auto, random, nndsvd, nndsvda, nndsvdar";
                return Err(Error::Parameter { name: "init", value: s.into(), expected });
            }
        })
    }
}
