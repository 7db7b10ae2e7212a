//! placeholder
use crate::{args::Global, failure::Failure};
#[derive(clap::Args, Debug)]
pub(crate) struct TransformArgs {}
pub(crate) fn run(_: &TransformArgs, _: &Global) -> Result<(), Failure> { Ok(()) }
