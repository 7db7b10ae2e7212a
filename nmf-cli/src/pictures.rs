//! Pictures of sounds, mixtures and curves as SVG text: one self-contained file each, light or dark as its reader's
//! screen is, with text that can still be read on a phone.
//!
//! Dense pictures (spectrograms) are embedded as PNGs of a few dozen colours. They have far fewer pixels than there are
//! cells; which cell a pixel shows is said in the caption of every picture. What is not a finite number is not drawn.

mod bars;
mod charts;
mod components;
mod gallery;
mod lines;
mod losses;
mod matrix;
mod page;
mod raster;
mod sample;
mod scale;
mod scatter;
mod spectra;
mod strips;
#[cfg(test)]
mod tests;
mod weights;

pub(crate) use bars::bars;
pub(crate) use charts::{curve, histogram};
pub(crate) use components::{activations, bases};
pub(crate) use gallery::{Photo, gallery};
pub(crate) use lines::{Series, lines, log_pays};
pub(crate) use losses::losses;
pub(crate) use matrix::matrix;
pub(crate) use page::{escape, inlined, on_light_paper, style, width_of};
pub(crate) use raster::base64;
pub(crate) use sample::{Axes, columns};
pub(crate) use scatter::{Blob, scatter};
pub(crate) use spectra::{map, spectrograms};
pub(crate) use strips::strips;
pub(crate) use weights::Weights;
