//! Pictures as rows of a matrix, bases of pictures back to pictures, and what else bases could be.
//!
//! [`read`] takes a folder, an archive or an array of pictures of one size; [`Scaling`] evens out their intensities. A factorization
//! X ≈ W·H of such a matrix has pictures as the rows of H: [`montage`] lays them out. [`fn@pca`] is the comparison, and [`noisy`] and
//! [`Stored`] say what a low rank is good for.
//!
//! Sources: D. D. Lee and H. S. Seung, "Learning the parts of objects by non-negative matrix factorization", Nature 401, 1999; D. Donoho
//! and V. Stodden, "When does non-negative matrix factorization give a correct decomposition into parts?", NIPS 2003.
//!
//! ```
//! use nmf_image::{Look, Shape, montage};
//! let bases = ndarray::array![[0.0f32, 1.0, 0.5, 0.0], [1.0, 0.0, 0.0, 2.0]];
//! let sheet = montage(bases.view(), Shape { height: 2, width: 2, channels: 1 }, 2, Look::Ink, 64)?;
//! assert_eq!(sheet.dimensions(), (7, 4));
//! assert!(nmf_image::png(&sheet)?.starts_with(b"\x89PNG"));
//! # Ok::<(), nmf_image::Error>(())
//! ```

mod archive;
mod array;
mod decode;
mod error;
mod folder;
mod measure;
mod montage;
mod pca;
mod read;
mod scaling;
mod stack;
pub mod swimmer;

pub use error::{Error, Result};
pub use measure::{Errors, LowRank, Stored, noisy};
pub use montage::{Look, enlarged, grid, montage, png, shrunk, tile};
pub use pca::pca;
pub use read::{ReadOptions, ReadReport, read};
pub use scaling::Scaling;
pub use stack::{Shape, Stack};

/// Pictures that [`montage()`] and its kin draw: 8 bits a channel.
pub use image::{Rgb, RgbImage};
