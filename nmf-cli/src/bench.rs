//! placeholder
use crate::{args::Global, failure::Failure};
#[derive(clap::Args, Debug)]
pub(crate) struct BenchArgs {}
pub(crate) fn run(_: &BenchArgs, _: &Global) -> Result<(), Failure> { Ok(()) }
