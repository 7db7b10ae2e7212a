//! placeholder
use crate::{args::Global, failure::Failure};
#[derive(clap::Args, Debug)]
pub(crate) struct TopicsArgs {}
pub(crate) fn run(_: &TopicsArgs, _: &Global) -> Result<(), Failure> {
    Ok(())
}
/// Documents counted by the model's vocabulary; `None` if the model is not of text or `input` is a matrix.
pub(crate) fn read_corpus_for_model(
    _: &crate::model::Model,
    _: &std::path::Path,
    _: Option<nmf_io::Precision>,
    _: &Global,
) -> Result<Option<nmf_io::Loaded>, Failure> {
    Ok(None)
}
