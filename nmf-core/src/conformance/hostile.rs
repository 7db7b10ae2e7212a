//! Inputs and call orders that break implementations which are right on ordinary ones.

mod inputs;
mod misuse;
mod queue;

pub use inputs::{all_zero, empty_lines, near_floor, poisoned_memory};
pub use misuse::{unsupported, wrong_shapes};
pub use queue::{many_operations, repeatable, tickets};
