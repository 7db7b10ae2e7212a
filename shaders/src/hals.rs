//! How the HALS kernels hold rows and Gram matrix.

/// What the threads of a [`crate::Kernel::HalsSweep`] do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hals {
    /// Each thread has a row of up to so many quads to itself, one of [`HALS_CLASSES`]; the Gram matrix lies in workgroup
    /// memory.
    Own(u32),
    /// So many rows per workgroup, one of [`HALS_BLOCK_ROWS`], go through blocks of 32 columns; tiles of the Gram matrix and
    /// of the rows meet in workgroup memory. Rows of any length.
    Blocks(u32),
}

/// Row lengths (in quads) for which a [`Hals::Own`] exists: the Gram matrix of the last fills workgroup memory.
pub const HALS_CLASSES: [u32; 2] = [8, 16];
/// Rows per workgroup for which a [`Hals::Blocks`] exists: many share a tile of the Gram matrix, few make more workgroups.
pub const HALS_BLOCK_ROWS: [u32; 3] = [16, 32, 64];
