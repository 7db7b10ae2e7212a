//! placeholder
use crate::{args::Global, failure::Failure};
#[derive(clap::Args, Debug)]
pub(crate) struct InspectArgs {}
pub(crate) fn run(_: &InspectArgs, _: &Global) -> Result<(), Failure> {
    Ok(())
}
