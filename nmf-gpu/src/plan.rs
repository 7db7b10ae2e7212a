//! How a dense pass is cut into workgroups, and which of two kernels does it.
//!
//! Factors of few columns stay in the registers of threads (`lanes.wgsl`): X is read once and V never leaves a thread. Wider
//! ones, and matrices with fewer rows than half the threads of a workgroup, go through tiles of 32×32 or 64×32 in workgroup
//! memory (`mu_dense.wgsl`, `cross_dense.wgsl`; on request by cooperative matrices, `matrices/`).

use crate::device::Device;
use nmf_shaders::{BLOCKS, BROADCAST, LANE_CLASSES, Lanes, Matrices, Reads, TALL_BLOCKS, TILE, WORKGROUP};

/// Workgroups that keep a large device busy: eight on each of 132 multiprocessors, or four tiles.
const TARGET_LANES: u32 = 1024;
const TARGET_TILES: u32 = 512;
/// The same for a processor: a workgroup runs to its end on one core, and what it reads before its first product and writes after
/// its last weighs the less the longer it is. (Measured on two cores; from 16 on, some idle at a matrix of 2000×1000. A number of cores may not decide about
/// results.)
const TARGET_PROCESSOR: u32 = 8;
/// The same for runs side by side, whose dispatches are what costs.
const CROWD_PROCESSOR: u32 = 64;
/// Entries summed in one accumulator at most, where partial results of so many chunks find room.
const LONGEST: u32 = 4096;
/// Entries summed by one workgroup at least: below, its start costs more than it does.
const SHORTEST: u32 = 128;
/// Bytes of partial results at most, where fewer chunks would keep the device busy.
const PARTIALS: u64 = 64 << 20;
/// Bytes of partial results at most, where fewer chunks would be longer than [`LONGEST`]: what every device can bind.
const MOST_PARTIALS: u64 = 128 << 20;

/// A dense pass over p rows of X̃ × q summed entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) p: u32,
    pub(crate) q: u32,
    /// Quads per row of the factors; 0 where only a sum is wanted.
    pub(crate) kq: u32,
    /// X̃ = Xᵀ.
    pub(crate) cols: bool,
    /// X is stored as halves.
    pub(crate) half: bool,
    /// X lies in a texture as well; lane kernels then read the other factor from one, too.
    pub(crate) image: bool,
    /// All numbers are f64, which take two registers each.
    pub(crate) double: bool,
    /// What a thread must hold of its rows: the result, and with a model also f, and with a denominator that as well.
    pub(crate) arrays: u32,
}

/// The kernel of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Lanes(Lanes),
    /// Tiles of 32 rows; tall ones have 64: fewer reads of workgroup memory for a product, and more registers.
    Tiles {
        tall: bool,
    },
    /// Tiles, multiplied by cooperative matrices.
    Matrices(Matrices),
}

/// How threads of a lane kernel come to see the same row of the other factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Through workgroup memory.
    Memory,
    /// That or from lane to lane; the first is expected to be faster.
    Either,
    /// That or from lane to lane, which is expected to be faster: on processors, where a read by every thread is one read
    /// for each, but a broadcast is one instruction.
    Lanes,
}

impl Sharing {
    pub(crate) fn on(device: &Device) -> Sharing {
        let lanes = device.info.limits.iter().find(|l| l.0 == "subgroup_min_size").map_or(0, |l| l.1);
        // without textures, processors read 64-bit words
        let processor = device.info.software && device.raw.features().contains(wgpu::Features::SHADER_INT64);
        match (device.ladder.subgroups && lanes >= u64::from(BROADCAST), processor) {
            (false, _) => Sharing::Memory,
            (true, false) => Sharing::Either,
            (true, true) => Sharing::Lanes,
        }
    }

    /// Workgroups of all runs of a batch that fill the device.
    pub(crate) fn crowd(self) -> u32 {
        4 * if self == Sharing::Lanes { CROWD_PROCESSOR } else { TARGET_LANES }
    }

    /// Workgroups of a lane kernel that keep the device busy.
    pub(crate) fn target(self) -> u32 {
        if self == Sharing::Lanes { TARGET_PROCESSOR } else { TARGET_LANES }
    }
}

impl Pass {
    /// All that would give the same result, the expected best one first. Depends on shape and device only, so that results repeat
    /// where nothing was measured.
    pub(crate) fn ways(&self, sharing: Sharing) -> Vec<Way> {
        let class = LANE_CLASSES.into_iter().find(|c| *c >= self.kq).filter(|_| self.kq > 0 && self.p >= WORKGROUP / 2);
        let of = |broadcast: bool| {
            let mut ways: Vec<Way> = class
                .into_iter()
                .flat_map(|quads| {
                    let reads = if broadcast { self.reads(sharing) } else { Reads::Quads };
                    [4, 2, 1].map(|rows| Lanes { cols: self.cols, quads, rows, broadcast, half: self.half, reads })
                })
                // a subgroup without rows ends at once where no other waits for it
                .filter(|l| l.fits(self.arrays * if self.double { 2 } else { 1 }))
                .filter(|l| l.rows == 1 || l.broadcast || self.is_full(l.tile_rows()))
                .map(Way::Lanes)
                .collect();
            if let Some(first) = ways.iter().position(|w| self.is_busy(w, sharing)).or(ways.len().checked_sub(1)) {
                ways.swap(0, first);
            }
            ways
        };
        let mut ways = match sharing {
            Sharing::Memory => of(false),
            Sharing::Either => [of(false), of(true)].concat(),
            Sharing::Lanes => [of(true), of(false)].concat(),
        };
        ways.push(Way::Tiles { tall: false });
        ways.extend(Some(Way::Tiles { tall: true }).filter(|_| self.may_be_tall()));
        ways
    }

    /// Whether tall tiles exist for the pass, and have rows.
    fn may_be_tall(&self) -> bool {
        matches!(self.arrays, 1 | 2) && self.kq > 0 && !self.double && self.is_full(2 * TILE)
    }

    /// Whether tall tiles are expected to be the faster ones where registers are many: as long as V is computed no more
    /// often for them, and workgroups are enough.
    pub(crate) fn is_better_tall(&self, sharing: Sharing) -> bool {
        let once = self.arrays == 1 || self.kq <= 8 * TALL_BLOCKS;
        once && self.is_busy(&Way::Tiles { tall: true }, sharing)
    }

    pub(crate) fn reads(&self, sharing: Sharing) -> Reads {
        match (sharing, self.image) {
            (Sharing::Lanes, true) => Reads::Texture,
            (Sharing::Lanes, false) if self.arrays == 1 && !self.half => Reads::Words,
            _ => Reads::Quads,
        }
    }

    /// Whether at most a fifth of all tiles' rows do not exist.
    fn is_full(&self, tile_rows: u32) -> bool {
        let all = u64::from(self.p.div_ceil(tile_rows)) * u64::from(tile_rows);
        5 * (all - u64::from(self.p)) <= all
    }

    /// More rows per thread save reads of the other factor, as long as there are workgroups enough.
    pub(crate) fn is_busy(&self, way: &Way, sharing: Sharing) -> bool {
        let (rows, target) = match way {
            Way::Lanes(l) => (l.tile_rows(), sharing.target()),
            Way::Tiles { tall: true } => (2 * TILE, sharing.target().min(TARGET_TILES)),
            Way::Tiles { tall: false } | Way::Matrices(_) => return true,
        };
        u64::from(self.p.div_ceil(rows)) * u64::from(self.q.div_ceil(SHORTEST)) >= u64::from(target / 2)
    }
}

/// The grid of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) way: Way,
    pub(crate) chunk: u32,
    pub(crate) chunks: u32,
    /// Blocks of 32 columns per workgroup, where there are tiles.
    pub(crate) blocks: u32,
    tiles: u32,
    column_blocks: u32,
    arrays: u32,
}

impl Plan {
    pub(crate) fn new(pass: Pass, way: Way, sharing: Sharing) -> Plan {
        let Pass { p, q, kq, arrays, .. } = pass;
        let (rows, target, blocks, column_blocks) = match way {
            Way::Lanes(l) => (l.tile_rows(), sharing.target(), 1, 1),
            Way::Tiles { .. } | Way::Matrices(_) => {
                let tall = way == Way::Tiles { tall: true };
                // with a denominator, or twice the rows, a thread has registers for half as many
                let most = if tall {
                    TALL_BLOCKS
                } else if arrays > 2 {
                    4
                } else {
                    8
                };
                let blocks = BLOCKS.into_iter().find(|b| 8 * b >= kq).unwrap_or(most).min(most);
                let rows = if tall { 2 * TILE } else { TILE };
                (rows, TARGET_TILES, blocks, kq.div_ceil(8 * blocks).max(1))
            }
        };
        let tiles = p.div_ceil(rows).max(1);
        let busy = target.div_ceil(tiles.saturating_mul(column_blocks)).min(q.div_ceil(SHORTEST));
        let row = u64::from(kq.max(1)) * if pass.double { 32 } else { 16 };
        let room = |bytes: u64| (bytes / (u64::from(p.max(1)) * row)).clamp(1, 1 << 16) as u32;
        let short = q.div_ceil(LONGEST).min(room(MOST_PARTIALS));
        let wanted = busy.min(room(PARTIALS)).max(short).max(1);
        let chunk = q.div_ceil(wanted).max(1).next_multiple_of(TILE);
        Plan { way, tiles, chunk, chunks: q.div_ceil(chunk).max(1), blocks, column_blocks, arrays }
    }

    pub(crate) fn sums(&self) -> u32 {
        self.tiles * self.chunks
    }

    pub(crate) fn groups(&self) -> u64 {
        u64::from(self.tiles) * u64::from(self.chunks) * u64::from(self.column_blocks)
    }

    /// Flop of one workgroup; `special` more for each entry of X.
    pub(crate) fn work(&self, kq: u32, special: f64) -> f64 {
        match self.way {
            Way::Lanes(l) => {
                let entries = f64::from(l.tile_rows()) * f64::from(self.chunk);
                entries * (8.0 * f64::from(l.quads * self.arrays) + special)
            }
            Way::Tiles { .. } | Way::Matrices(_) => {
                // the product with `other` for each result, and V if there is a model
                let rows = if self.way == (Way::Tiles { tall: true }) { 2 * TILE } else { TILE };
                let entries = f64::from(rows) * f64::from(self.chunk);
                let (model, results) = if self.arrays > 1 { (kq, self.arrays - 1) } else { (0, self.arrays) };
                entries * (64.0 * f64::from(self.blocks * results) + 8.0 * f64::from(model) + special)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KL: Pass =
        Pass { p: 20_000, q: 10_000, kq: 4, cols: false, half: false, image: false, double: false, arrays: 2 };

    #[test]
    fn few_columns_stay_in_registers_and_many_do_not() {
        let rows = |pass: Pass| match pass.ways(Sharing::Memory)[0] {
            Way::Lanes(l) => l.rows,
            Way::Tiles { .. } | Way::Matrices(_) => 0,
        };
        assert_eq!(rows(KL), 4);
        assert_eq!(rows(Pass { kq: 8, ..KL }), 2);
        assert_eq!(rows(Pass { kq: 16, ..KL }), 1);
        assert_eq!(rows(Pass { kq: 17, ..KL }), 0);
        assert_eq!(rows(Pass { kq: 16, arrays: 3, ..KL }), 0);
        assert_eq!(rows(Pass { kq: 16, arrays: 1, ..KL }), 2);
        // half as many in f64
        assert_eq!(rows(Pass { kq: 8, double: true, ..KL }), 1);
        assert_eq!(rows(Pass { kq: 12, double: true, ..KL }), 0);
        // fewer rows per thread where they would leave the device idle
        assert_eq!(rows(Pass { p: 500, q: 300, ..KL }), 1);
        // and where most of them would not exist
        assert_eq!(rows(Pass { p: 64, q: 1 << 20, ..KL }), 1);
        assert_eq!(rows(Pass { p: 130, q: 1 << 20, ..KL }), 1);
        assert_eq!(rows(Pass { p: 240, q: 1 << 20, ..KL }), 4);
        assert_eq!(rows(Pass { p: 31, ..KL }), 0);
        assert_eq!(rows(Pass { kq: 0, ..KL }), 0);
    }

    #[test]
    fn tall_tiles_are_for_products_whose_rows_fill_them() {
        let tall = |pass: Pass| pass.ways(Sharing::Memory).contains(&Way::Tiles { tall: true });
        let wide = Pass { kq: 32, ..KL };
        assert!(tall(wide) && wide.is_better_tall(Sharing::Memory));
        assert!(
            tall(Pass { kq: 300, arrays: 1, ..KL })
                && Pass { kq: 300, arrays: 1, ..KL }.is_better_tall(Sharing::Memory)
        );
        // V would be computed more often
        assert!(tall(Pass { kq: 33, ..KL }) && !Pass { kq: 33, ..KL }.is_better_tall(Sharing::Memory));
        // a device would be idle
        let small = Pass { p: 500, q: 300, ..wide };
        assert!(!small.is_better_tall(Sharing::Memory) && small.is_better_tall(Sharing::Lanes));
        assert!(
            !tall(Pass { arrays: 3, ..wide }) && !tall(Pass { double: true, ..wide }) && !tall(Pass { kq: 0, ..wide })
        );
        assert!(!tall(Pass { p: 40, ..wide }) && tall(Pass { p: 60, ..wide }) && !tall(Pass { p: 80, ..wide }));
        // blocks of columns, and rows
        let plan = |kq, tall| Plan::new(Pass { kq, ..KL }, Way::Tiles { tall }, Sharing::Memory);
        assert_eq!((plan(64, false).blocks, plan(64, true).blocks, plan(64, true).column_blocks), (8, 4, 2));
        assert_eq!((plan(32, false).tiles, plan(32, true).tiles), (625, 313));
    }

    #[test]
    fn every_way_is_listed_once() {
        for (sharing, count) in [(Sharing::Memory, 5), (Sharing::Either, 8), (Sharing::Lanes, 8)] {
            let ways = KL.ways(sharing);
            assert_eq!(ways.len(), count);
            assert!(ways.iter().enumerate().all(|(i, w)| !ways[..i].contains(w)));
            assert!(matches!(ways[0], Way::Lanes(l) if l.broadcast == (sharing == Sharing::Lanes)));
        }
    }

    #[test]
    fn a_grid_covers_everything_once() {
        for (p, q, kq) in
            [(1, 1, 1), (64, 31, 2), (65, 33, 3), (2000, 1000, 8), (100_000, 20_000, 16), (7, 1 << 20, 300)]
        {
            let pass = Pass { p, q, kq, ..KL };
            for way in pass.ways(Sharing::Either) {
                let plan = Plan::new(pass, way, Sharing::Either);
                assert!(plan.chunk.is_multiple_of(TILE) && plan.chunk * plan.chunks >= q, "{plan:?}");
                assert!(plan.chunk * (plan.chunks - 1) < q, "{plan:?}");
                let room = 2 * u64::from(p) * u64::from(kq) * 16 * u64::from(q.div_ceil(LONGEST)) <= MOST_PARTIALS;
                assert!(plan.chunk <= LONGEST || !room, "{plan:?}");
                assert!(plan.sums() > 0 && plan.work(kq, 1.0) > 0.0);
            }
        }
    }
}
