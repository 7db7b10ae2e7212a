//! All variants of all kernels.

use crate::{
    BLOCKS, FMA_CHAINS, Gather, HALS_BLOCK_ROWS, HALS_CLASSES, HELD_CLASSES, Hals, Kernel, LANE_CLASSES, Lanes,
    LossKind, MATRICES, MatrixPass, Over, Power, Reads, TALL_BLOCKS, Term,
};

impl Kernel {
    /// Every variant that a backend asks for.
    pub fn all() -> Vec<Kernel> {
        use LossKind::{Beta, Fro, Is, Kl};
        use Reads::{Quads, Texture, Words};
        let bools = [false, true];
        let mut all = vec![
            Kernel::Reduce,
            Kernel::Spread,
            Kernel::Colsum,
            Kernel::Refill,
            Kernel::Sum,
            Kernel::GradientStep,
            Kernel::Accumulate,
            Kernel::Advance,
            Kernel::Unfold,
            Kernel::Fold,
            Kernel::Copy,
            Kernel::SelfTest,
        ];
        all.extend(Power::ALL.map(Kernel::Apply));
        all.extend(FMA_CHAINS.map(|chains| Kernel::Fma { chains }));
        all.extend(bools.map(|weighted| Kernel::CrossCsr { weighted }));
        all.extend(bools.map(|den| Kernel::SegmentSum { den }));
        all.extend(bools.map(|of_state| Kernel::Extrapolate { of_state }));
        all.extend([Term::Penalty, Term::Product, Term::Quadratic, Term::Kkt].map(Kernel::Scalar));
        for shuffled in bools {
            all.extend(
                [Over::All, Over::Stored, Over::Weighted, Over::Strip].map(|over| Kernel::Newton { over, shuffled }),
            );
            let rows = HALS_CLASSES.map(Hals::Own).into_iter().chain(HALS_BLOCK_ROWS.map(Hals::Blocks));
            all.extend(rows.map(|rows| Kernel::HalsSweep { rows, shuffled }));
        }
        let sides = [(false, false), (false, true), (true, false), (true, true)];
        all.extend(sides.map(|(cols, half)| Kernel::Strip { cols, half }));
        for (blocks, (cols, half)) in BLOCKS.into_iter().flat_map(|b| sides.map(|s| (b, s))) {
            for tall in bools.into_iter().filter(|tall| !tall || blocks <= TALL_BLOCKS) {
                all.push(Kernel::CrossDense { cols, blocks, tall, half });
                // for β = 2 and β = 1 the denominator has a short form
                let mu = |loss, div| Kernel::MuDense { loss, cols, blocks, tall, num: true, den: false, div, half };
                all.extend([mu(Fro, true), mu(Kl, false), mu(Kl, true)]);
            }
            for (loss, div) in [Is, Beta].into_iter().flat_map(|l| bools.map(|d| (l, d))).filter(|_| blocks < 8) {
                all.push(Kernel::MuDense { loss, cols, blocks, tall: false, num: true, den: true, div, half });
            }
        }
        for (cols, half) in sides {
            let shapes = LANE_CLASSES.iter().flat_map(|q| [1, 2, 4].map(|r| (*q, r)));
            let ways = [(false, Quads), (true, Quads), (true, Words), (true, Texture)];
            let ways = ways.into_iter().filter(|(_, reads)| !half || *reads == Quads);
            for (quads, rows, (broadcast, reads)) in shapes.flat_map(|(q, r)| ways.clone().map(move |w| (q, r, w))) {
                let lanes = Lanes { cols, quads, rows, broadcast, half, reads };
                if reads == Words {
                    all.extend(Some(Kernel::CrossLanes(lanes)).filter(|_| lanes.fits(1)));
                    continue;
                }
                if lanes.fits(1) {
                    all.push(Kernel::CrossLanes(lanes));
                }
                if lanes.fits(2) {
                    all.push(Kernel::MuLanes { loss: Fro, lanes, den: false, div: true });
                    all.extend(bools.map(|div| Kernel::MuLanes { loss: Kl, lanes, den: false, div }));
                }
                if lanes.fits(3) {
                    for loss in [Is, Beta] {
                        all.extend(bools.map(|div| Kernel::MuLanes { loss, lanes, den: true, div }));
                    }
                }
            }
        }
        all.extend(MATRICES.into_iter().flat_map(MatrixPass::all).map(Kernel::Matrices));
        for blocks in BLOCKS {
            for loss in [Is, Beta] {
                for div in bools {
                    let (num, half) = (false, false);
                    all.push(Kernel::MuDense { loss, cols: false, blocks, tall: false, num, den: true, div, half });
                }
            }
        }
        for loss in [Fro, Kl, Is, Beta] {
            all.extend(bools.map(|half| Kernel::DivergenceDense { loss, stored: true, half }));
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
        all.push(Kernel::DivergenceDense { loss: Beta, stored: false, half: false });
        all
    }
}
