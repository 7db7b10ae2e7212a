//! placeholder
use crate::{args::Global, failure::Failure};
#[derive(clap::Args, Debug)]
pub(crate) struct CompareArgs {}
pub(crate) fn run(_: &CompareArgs, _: &Global) -> Result<(), Failure> { Ok(()) }
