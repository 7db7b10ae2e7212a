//! The WGSL texts of the GPU backend, their assembly, and (in the tests) their validation.
//!
//! A [`Kernel`] names one generated variant. Its [`source`](Kernel::source) is a plain concatenation of the files
//! under `wgsl/` with a few named holes filled in; its [`bindings`](Kernel::bindings) say which buffers it takes.
//! Nothing here knows wgpu, so that the texts can be checked, printed and packaged on their own.

mod assemble;

/// How a kernel uses a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reads.
    Read,
    /// Writes, and may read.
    Write,
}

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
        /// Blocks of 32 columns of the result per workgroup, 1 or 2.
        blocks: u32,
    },
    /// Numerator, denominator and divergence of a multiplicative update for dense X, in one pass.
    MuDense {
        /// The loss.
        loss: LossKind,
        /// X̃ = Xᵀ instead of X.
        cols: bool,
        /// Blocks of 32 columns of the result per workgroup, 1 or 2.
        blocks: u32,
        /// Compute N. Without it X is not read: every entry counts as 0.
        num: bool,
        /// Compute D.
        den: bool,
        /// Sum the divergence.
        div: bool,
    },
    /// The divergence for dense X.
    DivergenceDense {
        /// The loss.
        loss: LossKind,
        /// Whether there is an X; without, every entry counts as 0.
        stored: bool,
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
    Apply,
    /// HALS passes over the rows of a factor.
    HalsSweep {
        /// Private quads per row: one of [`HALS_CLASSES`].
        quads: u32,
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
}

/// Threads per workgroup of every kernel.
pub const WORKGROUP: u32 = 64;
/// Rows, and summed entries, of a tile of the dense kernels.
pub const TILE: u32 = 32;
/// Row lengths (in quads) for which a HALS kernel exists; the first two keep the Gram matrix in workgroup memory.
pub const HALS_CLASSES: [u32; 4] = [8, 16, 64, 256];
/// Row lengths (in quads) for which a [`Kernel::MuCsr`] exists that reads a gathered row once.
pub const HELD_CLASSES: [u32; 3] = [4, 8, 16];
/// The longest factor row (in quads) that [`Kernel::HalsSweep`] and [`Kernel::Newton`] can handle, which keep one to
/// themselves: k ≤ 1024.
pub const MAX_ROW_QUADS: u32 = 256;
/// The longest factor row (in quads) that every other kernel can handle: k ≤ 65,536, or k·L with L shifts.
pub const MAX_QUADS: u32 = 16384;
/// Elements per workgroup of the scalar kernels: quads of [`Kernel::Scalar`], numbers of [`Kernel::Sum`].
pub const SUM_CHUNK: u32 = 2048;
/// 32-bit words in the state of a momentum; at rest all are zero but the two in [`MOMENTUM_AT_REST`].
pub const MOMENTUM_WORDS: usize = 76;
/// The first words of a momentum at rest: t = 1, weight 0, and +∞ as the last objective.
pub const MOMENTUM_AT_REST: [u32; 3] = [1.0f32.to_bits(), 0, 3];
/// Bytes of workgroup memory that no kernel exceeds: what every WebGPU device offers.
pub const WORKGROUP_MEMORY: u32 = 16384;

impl Kernel {
    /// The WGSL text.
    pub fn source(&self) -> String {
        assemble::source(self)
    }

    /// The storage buffers by binding number in group 0. Binding 0 is always the uniform parameter block.
    pub fn bindings(&self) -> Vec<(u32, Access)> {
        use Access::{Read, Write};
        match *self {
            Kernel::CrossDense { .. } => vec![(1, Read), (3, Read), (4, Write)],
            Kernel::MuDense { num, den, div, .. } => pick(&[
                (num, 1, Read),
                (true, 2, Read),
                (true, 3, Read),
                (num, 4, Write),
                (den, 5, Write),
                (div, 6, Write),
            ]),
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
            Kernel::Apply | Kernel::GradientStep => vec![(1, Read), (2, Read), (3, Write)],
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
        }
    }

    /// A short name for labels and messages.
    pub fn label(&self) -> String {
        format!("{self:?}")
    }

    /// Every variant that a backend asks for.
    pub fn all() -> Vec<Kernel> {
        use LossKind::{Beta, Fro, Is, Kl};
        let bools = [false, true];
        let mut all = vec![
            Kernel::Reduce,
            Kernel::Spread,
            Kernel::Colsum,
            Kernel::Apply,
            Kernel::Refill,
            Kernel::Sum,
            Kernel::GradientStep,
            Kernel::Accumulate,
            Kernel::Advance,
            Kernel::Unfold,
            Kernel::Fold,
        ];
        all.extend(bools.map(|weighted| Kernel::CrossCsr { weighted }));
        all.extend(bools.map(|den| Kernel::SegmentSum { den }));
        all.extend(bools.map(|of_state| Kernel::Extrapolate { of_state }));
        all.extend([Term::Penalty, Term::Product, Term::Quadratic, Term::Kkt].map(Kernel::Scalar));
        all.extend(bools.map(|cols| Kernel::Strip { cols }));
        for shuffled in bools {
            all.extend(
                [Over::All, Over::Stored, Over::Weighted, Over::Strip].map(|over| Kernel::Newton { over, shuffled }),
            );
            all.extend(HALS_CLASSES.map(|quads| Kernel::HalsSweep { quads, shuffled }));
        }
        for cols in bools {
            for blocks in [1, 2] {
                all.push(Kernel::CrossDense { cols, blocks });
                // for β = 2 and β = 1 the denominator has a short form
                all.push(Kernel::MuDense { loss: Fro, cols, blocks, num: true, den: false, div: true });
                for div in bools {
                    all.push(Kernel::MuDense { loss: Kl, cols, blocks, num: true, den: false, div });
                    for loss in [Is, Beta] {
                        all.push(Kernel::MuDense { loss, cols, blocks, num: true, den: true, div });
                    }
                }
            }
        }
        for blocks in [1, 2] {
            for loss in [Is, Beta] {
                for div in bools {
                    all.push(Kernel::MuDense { loss, cols: false, blocks, num: false, den: true, div });
                }
            }
        }
        for loss in [Fro, Kl, Is, Beta] {
            all.push(Kernel::DivergenceDense { loss, stored: true });
            all.extend(bools.map(|weighted| Kernel::DivergenceCsr { loss, weighted }));
            for div in bools {
                // with weights the denominator has no short form
                for (weighted, den) in [(false, false), (false, true), (true, true)] {
                    for gather in HELD_CLASSES.map(Gather::Held).into_iter().chain([Gather::Again, Gather::Wide]) {
                        all.push(Kernel::MuCsr { loss, weighted, gather, den, div });
                    }
                }
            }
        }
        all.push(Kernel::DivergenceDense { loss: Beta, stored: false });
        all
    }
}

fn pick(list: &[(bool, u32, Access)]) -> Vec<(u32, Access)> {
    list.iter().filter(|(wanted, ..)| *wanted).map(|&(_, number, access)| (number, access)).collect()
}
