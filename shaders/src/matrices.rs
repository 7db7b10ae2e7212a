//! Passes over dense X by cooperative matrices, and in which forms devices offer those.

use crate::{Access, LossKind};

/// Cooperative matrices of a device: square, each held by one subgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Matrices {
    /// Rows, and columns.
    pub size: u32,
    /// Factors are halves (each number a pair of them), sums f32. Otherwise all are f32.
    pub halves: bool,
    /// Subgroups in a workgroup.
    pub teams: u32,
}

/// The forms for which texts exist, the preferred ones first: Metal has the first and the fourth, cards with Vulkan mostly 16×16 with
/// subgroups of 32 or 64, software adapters subgroups of 8.
pub const MATRICES: [Matrices; 5] = [
    Matrices { size: 8, halves: false, teams: 2 },
    Matrices { size: 16, halves: true, teams: 2 },
    Matrices { size: 16, halves: true, teams: 1 },
    Matrices { size: 8, halves: true, teams: 2 },
    Matrices { size: 8, halves: true, teams: 8 },
];

impl Matrices {
    /// Rows and columns of matrices that one team has of a block of 32×32.
    pub(crate) fn share(&self) -> (u32, u32) {
        let side = 32 / self.size;
        let across = side.min(self.teams);
        (side * across / self.teams, side / across)
    }
}

/// A pass over dense X by cooperative matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatrixPass {
    /// Their form.
    pub matrices: Matrices,
    /// The numerator of a multiplicative update for this loss (β = 1 or 2); otherwise X̃·other.
    pub update: Option<LossKind>,
    /// Sum the divergence, with an update.
    pub div: bool,
    /// X̃ = Xᵀ instead of X.
    pub cols: bool,
    /// Blocks of 32 columns of the result per workgroup, one of [`crate::BLOCKS`].
    pub blocks: u32,
    /// X is stored as halves.
    pub half: bool,
}

impl MatrixPass {
    /// All passes with matrices of one form.
    pub(crate) fn all(matrices: Matrices) -> impl Iterator<Item = MatrixPass> {
        let whats =
            [(None, false), (Some(LossKind::Fro), true), (Some(LossKind::Kl), false), (Some(LossKind::Kl), true)];
        let sides = [(false, false), (false, true), (true, false), (true, true)];
        let shapes = crate::BLOCKS.into_iter().flat_map(move |blocks| sides.map(|(cols, half)| (blocks, cols, half)));
        shapes.flat_map(move |(blocks, cols, half)| {
            whats.map(|(update, div)| MatrixPass { matrices, update, div, cols, blocks, half })
        })
    }

    pub(crate) fn bindings(&self) -> Vec<(u32, Access)> {
        use Access::{Read, Write};
        let update = self.update.is_some();
        crate::pick(&[(true, 1, Read), (update, 2, Read), (true, 3, Read), (true, 4, Write), (self.div, 6, Write)])
    }
}
