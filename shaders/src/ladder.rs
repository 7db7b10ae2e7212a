//! What a device offers beyond the baseline, and which texts need it.

use crate::{Kernel, WORKGROUP_MEMORY};

/// The optional device features that the texts may use. A device has one ladder for all of its kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ladder {
    /// Sums within subgroups go without workgroup memory.
    pub subgroups: bool,
    /// All numbers are f64, without subgroups. (A quad then has 32 bytes, and workgroup memory twice as many.)
    pub double: bool,
}

impl Ladder {
    /// Every ladder that a device may have.
    pub const ALL: [Ladder; 3] = [
        Ladder { subgroups: false, double: false },
        Ladder { subgroups: true, double: false },
        Ladder { subgroups: false, double: true },
    ];

    /// Bytes of workgroup memory that no kernel exceeds.
    pub fn workgroup_memory(&self) -> u32 {
        if self.double { 2 * WORKGROUP_MEMORY } else { WORKGROUP_MEMORY }
    }

    /// 32-bit words in the state of a momentum: whole quads.
    pub fn momentum_words(&self) -> usize {
        if self.double { 304 } else { 76 }
    }

    /// The first words of a momentum at rest: t = 1, weight 0, and +∞ as the last objective. All others are zero.
    pub fn momentum_at_rest(&self) -> &'static [u32] {
        const SINGLE: [u32; 3] = [1.0f32.to_bits(), 0, 3];
        const DOUBLE: [u32; 5] = [0, (1.0f64.to_bits() >> 32) as u32, 0, 0, 3];
        if self.double { &DOUBLE } else { &SINGLE }
    }
}

impl Kernel {
    /// Whether this text exists only on a ladder with subgroups.
    pub fn needs_subgroups(&self) -> bool {
        match self {
            Kernel::CrossLanes(lanes) | Kernel::MuLanes { lanes, .. } => lanes.broadcast,
            Kernel::Matrices(_) => true,
            _ => false,
        }
    }

    /// Whether this text exists on a ladder.
    pub fn is_on(&self, ladder: Ladder) -> bool {
        if ladder.double { self.has_double() } else { ladder.subgroups || !self.needs_subgroups() }
    }

    /// Whether there is a form in f64: not of what reads halves, fills the registers, needs subgroups or measures a device.
    fn has_double(&self) -> bool {
        let single = match self {
            // in f64 tall tiles would take registers and workgroup memory that devices do not have
            Kernel::CrossDense { half, tall, .. } | Kernel::MuDense { half, tall, .. } => *half || *tall,
            Kernel::DivergenceDense { half, .. } | Kernel::Strip { half, .. } => *half,
            Kernel::CrossLanes(lanes) | Kernel::MuLanes { lanes, .. } => lanes.half,
            _ => false,
        };
        let measures = matches!(self, Kernel::Fma { .. } | Kernel::Copy | Kernel::SelfTest);
        !(single || measures || self.needs_subgroups())
    }
}
