//! placeholder
use crate::{args::Global, failure::Failure};
#[derive(clap::Args, Debug)]
pub(crate) struct TopicsArgs {}
pub(crate) fn run(_: &TopicsArgs, _: &Global) -> Result<(), Failure> { Ok(()) }
