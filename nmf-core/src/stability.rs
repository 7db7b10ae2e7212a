//! How far to trust a factorization: do runs from other starts, or on other rows, find the same?
//!
//! * [`memberships`] → [`consensus`] → [`agreement`]: which items fall together over many runs, as a matrix and in two numbers.
//! * [`match_runs`]: the components of many runs brought into one order ([`assign`] on [`cosines`]), and how tight their clusters are.
//! * [`fn@bootstrap`]: how much H varies with the rows of X.
//! * [`elbow`]: where an error curve stops falling.
//!
//! Everything is deterministic and computed in f64 on the calling thread.

mod assignment;
mod consensus;
mod elbow;
mod matching;

pub use crate::nmf::bootstrap::{Bootstrap, bootstrap};
pub use assignment::assign;
pub use consensus::{Agreement, agreement, consensus, memberships};
pub use elbow::elbow;
pub use matching::{Matched, cosines, match_runs};
