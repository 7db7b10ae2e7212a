//! The form of the kernels that keep whole rows of the factors in registers.

use crate::{Access, LANE_REGISTERS, WORKGROUP};

/// How a kernel reads X and, in products, the other factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reads {
    /// A quad at a time, as cards like it.
    Quads,
    /// Two numbers at a time, for processors, which read number by number. Products of f32 alone: beside a model it was slower.
    Words,
    /// X from a texture, and the other factor from a copy in one, for processors, which read texels faster than buffers. Not halves.
    Texture,
}

/// How a kernel that keeps whole rows of the factors in registers is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lanes {
    /// X̃ = Xᵀ instead of X.
    pub cols: bool,
    /// Quads per row of the factors at most: one of [`crate::LANE_CLASSES`].
    pub quads: u32,
    /// Rows of X̃ per thread: 1, 2 or 4.
    pub rows: u32,
    /// The rows of the other factor go from lane to lane within a subgroup (of at least [`crate::BROADCAST`] lanes) instead of
    /// being read by every thread.
    pub broadcast: bool,
    /// X is stored as halves.
    pub half: bool,
    /// How numbers are read: as quads unless `broadcast`.
    pub reads: Reads,
}

impl Lanes {
    /// How X is bound.
    pub(crate) fn x(&self) -> Access {
        if self.reads == Reads::Texture { Access::Texture } else { Access::Read }
    }

    /// How the other factor is bound.
    pub(crate) fn other(&self) -> Access {
        if self.reads == Reads::Texture { Access::Copy } else { Access::Read }
    }

    /// Rows of X̃ per workgroup.
    pub fn tile_rows(&self) -> u32 {
        WORKGROUP * self.rows
    }

    /// Whether `arrays` rows of a factor per row of X̃ stay in registers; where rows go from lane to lane, twice as many may be tried:
    /// a processor has next to no registers, but its stack is near.
    pub fn fits(&self, arrays: u32) -> bool {
        let most = if self.broadcast { 2 * LANE_REGISTERS } else { LANE_REGISTERS };
        4 * self.quads * self.rows * arrays <= most
    }

    /// Summed entries staged at once: as many as workgroup memory holds beside a tile of X.
    pub fn block(&self) -> u32 {
        match (self.cols, self.rows) {
            _ if self.broadcast => 1 << 16,
            (false, 4) => 8,
            (true, _) if self.quads <= 8 => 32,
            (false, rows) if self.quads <= 8 => 32 / rows,
            _ => 16,
        }
    }
}
