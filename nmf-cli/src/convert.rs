//! placeholder
use crate::{args::Global, failure::Failure};
#[derive(clap::Args, Debug)]
pub(crate) struct ConvertArgs {}
pub(crate) fn run(_: &ConvertArgs, _: &Global) -> Result<(), Failure> {
    Ok(())
}
