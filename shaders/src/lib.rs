//! The WGSL texts of the GPU backend, their assembly, and (in the tests) their validation.
//!
//! A [`Kernel`] names one generated variant. Its [`source`](Kernel::source) is a plain concatenation of the files
//! under `wgsl/` with a few named holes filled in; its [`bindings`](Kernel::bindings) say which buffers and textures it takes.
//! Nothing here knows wgpu, so that the texts can be checked, printed and packaged on their own.

mod assemble;
mod hals;
mod ladder;
mod lanes;
mod matrices;
mod variants;

pub use hals::{HALS_BLOCK_ROWS, HALS_CLASSES, Hals};
pub use ladder::Ladder;
pub use lanes::{Lanes, Reads};
pub use matrices::{MATRICES, Matrices, MatrixPass};

/// How a kernel uses what is bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reads.
    Read,
    /// Writes, and may read.
    Write,
    /// Only reads, and not a buffer but a texture whose texels are quads.
    Texture,
    /// Only reads, and not the buffer but a texture with [`COPY_WIDTH`] of its quads in each row, copied before the kernel runs.
    Copy,
}

/// Quads per row of a texture that is a copy of a buffer.
pub const COPY_WIDTH: u32 = 4096;

/// The text a loss contributes to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LossKind {
    /// β = 2.
    Fro,
    /// β = 1.
    Kl,
    /// β = 0.
    Is,
    /// Any other β, a parameter at run time.
    Beta,
}

/// What a multiplicative update does with the ratio N ⊘ D: a text for each, as processors compute all that a text may choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Power {
    /// γ = 1.
    One,
    /// γ = ½.
    Half,
    /// Any other γ, a parameter at run time.
    Any,
    /// Nothing: the update is the root of a quadratic equation, for l2 > 0.
    Quadratic,
}

impl Power {
    /// All of them.
    pub const ALL: [Power; 4] = [Power::One, Power::Half, Power::Any, Power::Quadratic];
}

/// What a scalar kernel sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term {
    /// l1·|f| + ½·l2·f².
    Penalty,
    /// a·b.
    Product,
    /// f·(½·(fG) − A).
    Quadratic,
    /// min(f, ∇f)².
    Kkt,
}

/// What a kernel for single rows of X̃ goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Over {
    /// All entries of sparse X; those not stored are zeros.
    All,
    /// The stored entries of sparse X.
    Stored,
    /// The stored entries of sparse X, each with its weight.
    Weighted,
    /// Some rows of dense X̃, copied one after the other.
    Strip,
}

/// How the rows that [`Kernel::MuCsr`] gathers serve its two products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gather {
    /// They stay in registers: rows of up to so many quads, one of [`HELD_CLASSES`].
    Held(u32),
    /// 64 at a time are read twice: rows of up to 64 quads.
    Again,
    /// All of a group are read twice: rows of any length.
    Wide,
}

/// One generated kernel. All kernels have workgroups of 64 threads and the entry point `main`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// X̃·other for dense X; also Gram matrices and factor × Gram.
    CrossDense {
        /// X̃ = Xᵀ instead of X.
        cols: bool,
        /// Blocks of 32 columns of the result per workgroup, one of [`BLOCKS`].
        blocks: u32,
        /// Tiles of 64 rows instead of 32 ([`TALL_BLOCKS`]).
        tall: bool,
        /// X is stored as halves.
        half: bool,
    },
    /// X̃·other for dense X and factors with few columns.
    CrossLanes(Lanes),
    /// Numerator, denominator and divergence of a multiplicative update for dense X and factors with few columns, in one pass.
    MuLanes {
        /// The loss.
        loss: LossKind,
        /// The layout.
        lanes: Lanes,
        /// Compute D.
        den: bool,
        /// Sum the divergence.
        div: bool,
    },
    /// Numerator, denominator and divergence of a multiplicative update for dense X, in one pass.
    MuDense {
        /// The loss.
        loss: LossKind,
        /// X̃ = Xᵀ instead of X.
        cols: bool,
        /// Blocks of 32 columns of the result per workgroup, one of [`BLOCKS`].
        blocks: u32,
        /// Tiles of 64 rows instead of 32 ([`TALL_BLOCKS`]); not with a denominator.
        tall: bool,
        /// Compute N. Without it X is not read: every entry counts as 0.
        num: bool,
        /// Compute D.
        den: bool,
        /// Sum the divergence.
        div: bool,
        /// X is stored as halves.
        half: bool,
    },
    /// A dense pass by cooperative matrices.
    Matrices(MatrixPass),
    /// The divergence for dense X.
    DivergenceDense {
        /// The loss.
        loss: LossKind,
        /// Whether there is an X; without, every entry counts as 0.
        stored: bool,
        /// X is stored as halves.
        half: bool,
    },
    /// X̃·other for sparse X.
    CrossCsr {
        /// Each entry comes with a weight (which this kernel skips).
        weighted: bool,
    },
    /// Numerator, and optionally denominator and divergence, over the stored entries of sparse X, in one pass.
    MuCsr {
        /// The loss.
        loss: LossKind,
        /// Each entry comes with a weight.
        weighted: bool,
        /// How gathered rows serve both products.
        gather: Gather,
        /// Compute D.
        den: bool,
        /// Sum the divergence.
        div: bool,
    },
    /// The divergence over the stored entries of sparse X.
    DivergenceCsr {
        /// The loss.
        loss: LossKind,
        /// Each entry comes with a weight.
        weighted: bool,
    },
    /// Adds the pieces of each long row of sparse X.
    SegmentSum {
        /// Those of D as well.
        den: bool,
    },
    /// Adds slabs of partial sums.
    Reduce,
    /// One row to all rows.
    Spread,
    /// Column sums of a factor.
    Colsum,
    /// The multiplicative update proper.
    Apply(Power),
    /// HALS passes over the rows of a factor.
    HalsSweep {
        /// Where the rows are.
        rows: Hals,
        /// The columns are visited in an order given in a buffer.
        shuffled: bool,
    },
    /// Coordinate descent for β = 1 over the rows of a factor.
    Newton {
        /// The entries of X̃.
        over: Over,
        /// The columns are visited in an order given in a buffer.
        shuffled: bool,
    },
    /// Copies some rows of dense X̃ out of a window.
    Strip {
        /// X̃ = Xᵀ instead of X.
        cols: bool,
        /// X is stored as halves.
        half: bool,
    },
    /// A step against the gradient, cut at zero.
    GradientStep,
    /// Adds partial sums of an objective, exactly, to the state of a momentum.
    Accumulate,
    /// Compares the objective in the state of a momentum with the last one and sets its weight.
    Advance,
    /// A factor extrapolated away from its previous value.
    Extrapolate {
        /// The weight is the one in the state of a momentum, not a parameter.
        of_state: bool,
    },
    /// The shifted copies of a factor side by side.
    Unfold,
    /// The numerator and denominator of the shifted copies of a factor, summed along the shifts.
    Fold,
    /// Columns that are all zero come back as FLOOR.
    Refill,
    /// A sum over matrices of equal shape.
    Scalar(Term),
    /// Shortens a list of partial sums.
    Sum,
    /// Multiply-adds in registers alone: the arithmetic ceiling.
    Fma {
        /// Independent chains of quads per thread: one of [`FMA_CHAINS`].
        chains: u32,
    },
    /// Reads and writes alone: the bandwidth ceiling.
    Copy,
    /// Sums across threads whose results are known.
    SelfTest,
}

/// Chains per thread for which a [`Kernel::Fma`] exists: few fit the registers of a CPU's vector unit, many hide the latency
/// of a device that keeps few threads per core.
pub const FMA_CHAINS: [u32; 3] = [2, 3, 8];
/// Steps of each chain per round of [`Kernel::Fma`].
pub const FMA_STEPS: u32 = 8;

/// Runs in one dispatch at most ([`Kernel::batched_source`]).
pub const MAX_RUNS: u32 = 64;
/// Threads per workgroup of every kernel.
pub const WORKGROUP: u32 = 64;
/// Rows, and summed entries, of a tile of the dense kernels; tall tiles have twice as many rows.
pub const TILE: u32 = 32;
/// Blocks of 32 columns of the result that one workgroup of a tile kernel may take; with a denominator not the last. V is
/// computed anew for every workgroup that shares a tile of X, so wide factors want many.
pub const BLOCKS: [u32; 4] = [1, 2, 4, 8];
/// Blocks of 32 columns that a workgroup with tiles of 64 rows takes at most: a thread then has 128 numbers of the result in registers.
pub const TALL_BLOCKS: u32 = 4;
/// Row lengths (in quads) for which [`Kernel::CrossLanes`] and [`Kernel::MuLanes`] exist; shorter rows leave registers empty.
pub const LANE_CLASSES: [u32; 10] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16];
/// Lanes of a subgroup that [`Lanes::broadcast`] needs at least.
pub const BROADCAST: u32 = 8;
/// Numbers that a thread of those kernels may keep in registers: what leaves room for four workgroups or more on a
/// multiprocessor of 65,536 registers.
pub const LANE_REGISTERS: u32 = 160;
/// Row lengths (in quads) for which a [`Kernel::MuCsr`] exists that reads a gathered row once.
pub const HELD_CLASSES: [u32; 3] = [4, 8, 16];
/// The longest factor row (in quads) that [`Kernel::Newton`] can handle, which keeps one in workgroup memory, and
/// [`Kernel::HalsSweep`], whose time for a row grows with k²: k ≤ 1024.
pub const MAX_ROW_QUADS: u32 = 256;
/// The longest factor row (in quads) that every other kernel can handle: k ≤ 65,536, or k·L with L shifts.
pub const MAX_QUADS: u32 = 16384;
/// Elements per workgroup of the scalar kernels: quads of [`Kernel::Scalar`], numbers of [`Kernel::Sum`].
pub const SUM_CHUNK: u32 = 2048;
/// Bytes of workgroup memory that no kernel in f32 exceeds: what every WebGPU device offers.
pub const WORKGROUP_MEMORY: u32 = 16384;

impl Kernel {
    /// The WGSL text for a device with these features.
    pub fn source(&self, ladder: Ladder) -> String {
        assemble::source(self, ladder, false)
    }

    /// The text that does the same for a batch of up to [`MAX_RUNS`] runs: each has its own part of the buffers, and a place along the
    /// third dimension of the grid. The parameter block goes on with the distances of the parts, the runs that take part, and
    /// their numbers of columns, which all make the same number of quads.
    pub fn batched_source(&self, ladder: Ladder) -> String {
        assemble::source(self, ladder, true)
    }

    /// The storage buffers and textures by binding number in group 0. Binding 0 is always the uniform parameter block.
    pub fn bindings(&self) -> Vec<(u32, Access)> {
        use Access::{Read, Write};
        match *self {
            Kernel::CrossDense { .. } => vec![(1, Read), (3, Read), (4, Write)],
            Kernel::CrossLanes(lanes) => vec![(1, lanes.x()), (3, lanes.other()), (4, Write)],
            Kernel::MuLanes { lanes, den, div, .. } => pick(&[
                (true, 1, lanes.x()),
                (true, 2, Read),
                (true, 3, lanes.other()),
                (true, 4, Write),
                (den, 5, Write),
                (div, 6, Write),
            ]),
            Kernel::MuDense { num, den, div, .. } => pick(&[
                (num, 1, Read),
                (true, 2, Read),
                (true, 3, Read),
                (num, 4, Write),
                (den, 5, Write),
                (div, 6, Write),
            ]),
            Kernel::Matrices(pass) => pass.bindings(),
            Kernel::DivergenceDense { stored, .. } => {
                pick(&[(stored, 1, Read), (true, 2, Read), (true, 3, Read), (true, 6, Write)])
            }
            Kernel::CrossCsr { .. } => vec![(1, Read), (2, Read), (3, Read), (5, Read), (6, Write), (8, Write)],
            Kernel::MuCsr { den, .. } => pick(&[
                (true, 1, Read),
                (true, 2, Read),
                (true, 3, Read),
                (true, 4, Read),
                (true, 5, Read),
                (true, 6, Write),
                (den, 7, Write),
                (true, 8, Write),
            ]),
            Kernel::DivergenceCsr { .. } => vec![(1, Read), (2, Read), (3, Read), (4, Read), (5, Read), (8, Write)],
            Kernel::SegmentSum { den } => pick(&[(true, 1, Read), (true, 2, Read), (true, 3, Write), (den, 4, Write)]),
            Kernel::Apply(_) | Kernel::GradientStep => vec![(1, Read), (2, Read), (3, Write)],
            Kernel::HalsSweep { shuffled, .. } => {
                pick(&[(true, 1, Read), (true, 2, Read), (true, 3, Write), (shuffled, 4, Read)])
            }
            Kernel::Reduce | Kernel::Spread | Kernel::Colsum | Kernel::Refill | Kernel::Accumulate => {
                vec![(1, Read), (2, Write)]
            }
            Kernel::Strip { .. } | Kernel::Unfold => vec![(1, Read), (2, Write)],
            Kernel::Fold => vec![(1, Read), (2, Read), (3, Write), (4, Write)],
            Kernel::Newton { over, shuffled } => pick(&[
                (over != Over::Strip, 1, Read),
                (over != Over::Strip, 2, Read),
                (true, 3, Read),
                (true, 4, Write),
                (true, 5, Read),
                (over == Over::All, 6, Read),
                (true, 7, Write),
                (shuffled, 8, Read),
            ]),
            Kernel::Advance => vec![(1, Write)],
            Kernel::Extrapolate { of_state } => pick(&[(true, 1, Read), (true, 2, Write), (of_state, 3, Read)]),
            Kernel::Scalar(term) => pick(&[
                (true, 1, Read),
                (term != Term::Penalty, 2, Read),
                (matches!(term, Term::Quadratic | Term::Kkt), 3, Read),
                (true, 4, Write),
            ]),
            Kernel::Sum => vec![(1, Read), (4, Write)],
            Kernel::Fma { .. } => vec![(1, Write)],
            Kernel::Copy => vec![(1, Read), (2, Write)],
            Kernel::SelfTest => vec![(1, Write)],
        }
    }

    /// A short name for labels and messages.
    pub fn label(&self) -> String {
        format!("{self:?}")
    }
}

fn pick(list: &[(bool, u32, Access)]) -> Vec<(u32, Access)> {
    list.iter().filter(|(wanted, ..)| *wanted).map(|&(_, number, access)| (number, access)).collect()
}
