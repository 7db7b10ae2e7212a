//! Non-negative matrix factorization, X ≈ W·H, generic over the device it runs on.
//!
//! * [`Nmf`] is the front door: a builder whose [`fit`](Nmf::fit) returns a [`Fitted`] with W, H and the trace.
//! * [`Backend`] is what a device must offer: the dozen primitives NMF consists of. `nmf-cpu` and `nmf-gpu` are two;
//!   yours can be the third ([`conformance`] proves it, `nmf-cpu/examples/own_backend.rs` shows it).
//! * [`Loss`] is a β-divergence or an elementwise loss of your own ([`ElementwiseLoss`]).
//! * [`coupled`] factors several matrices at once that share modes.
//! * [`stability`] says how far several factorizations agree, and how much one depends on the rows that were seen.
//! * [`separable`] finds rows of X that the others are mixtures of: a start, or an answer, where such rows exist.
//! * [`solver`] holds the algorithms, [`mod@fit`] the one loop that drives them, [`mod@reference`] the plain f64 oracle.
//!
//! Orientation: X is m×n, W is m×k. The public results have H as k×n, so that `w.dot(&h)` is the model; inside, and in
//! [`Backend`], H is stored transposed (n×k) so that one operation serves both factors. Sums over X are in its units:
//! the divergence of the Frobenius loss is ½‖X − WH‖².

pub mod backend;
pub mod conformance;
pub mod coupled;
mod element;
mod error;
mod fingerprint;
pub mod fit;
pub mod init;
pub mod loss;
mod matrix;
pub mod momentum;
pub mod nmf;
pub mod nnls;
pub mod observer;
pub mod penalty;
pub mod probability;
pub mod problem;
pub mod rank;
pub mod reference;
pub mod rows;
pub mod separable;
pub mod shifts;
pub mod snapshot;
pub mod solver;
pub mod sparseness;
pub mod stability;
pub mod stop;
mod sweep;
pub mod weights;

pub use backend::{Accumulate, Backend, Info, Observed, Op, Side, Support, Sweep, Ticket};
pub use element::Element;
pub use error::{Error, Result};
pub use fit::{Start, TracePoint};
pub use init::Init;
pub use loss::{ElementwiseLoss, Loss};
pub use matrix::{Matrix, MatrixRef, Sparse, SparseView};
pub use momentum::{Extrapolation, Momentum, Weight};
pub use nmf::{Fitted, Nmf, Norm, Sparseness, transform};
pub use observer::{Flow, Observer, Progress, Silent};
pub use penalty::{Penalty, Ridge, Rule};
pub use problem::{Problem, Units};
pub use rows::{RowMethod, RowSolver};
pub use snapshot::{Keeper, Snapshot};
pub use solver::SolverKind;
pub use stop::{Stop, Stopped};
pub use weights::Weighted;
