//! placeholder
use crate::{args::Global, failure::Failure};
pub(crate) fn run(_: &Global) -> Result<(), Failure> { Ok(()) }
