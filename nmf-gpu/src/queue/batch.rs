//! Several runs in one dispatch: what kernels are told of them.

use crate::pool::Buf;
use bytemuck::{Pod, Zeroable};
use nmf_core::{Error, Result};
use nmf_shaders::{Kernel, MAX_RUNS};

/// The runs whose parts lie beside each other in every buffer made now, and those that take part.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Columns of each run; all make the same number of quads.
    ranks: Vec<u32>,
    members: Vec<u32>,
}

impl Batch {
    pub(crate) fn new(ranks: &[usize]) -> Result<Batch> {
        let refuse = |why: String| Err(Error::Unsupported(format!("a batch of {} runs: {why}", ranks.len())));
        if ranks.is_empty() || ranks.len() > MAX_RUNS as usize {
            return refuse(format!("it takes 1 to {MAX_RUNS}"));
        }
        let quads = |k: &usize| k.div_ceil(4);
        if ranks.iter().any(|k| *k == 0 || quads(k) != quads(&ranks[0]) || u32::try_from(*k).is_err()) {
            return refuse(format!("ranks {ranks:?} do not make one number of quads"));
        }
        Ok(Batch { ranks: ranks.iter().map(|k| *k as u32).collect(), members: (0..ranks.len() as u32).collect() })
    }

    pub(crate) fn choose(&mut self, runs: &[usize]) -> Result<()> {
        if runs.iter().any(|r| *r >= self.ranks.len()) {
            return Err(Error::Device(format!("runs {runs:?} of a batch of {}", self.ranks.len())));
        }
        self.members = runs.iter().map(|r| *r as u32).collect();
        Ok(())
    }

    pub(crate) fn runs(&self) -> usize {
        self.ranks.len()
    }

    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    /// Columns of a run.
    pub(crate) fn rank(&self, run: usize) -> Option<usize> {
        self.ranks.get(run).map(|k| *k as usize)
    }

    /// What follows the parameter block for these buffers, in quads of f32 or (`double`) f64.
    pub(super) fn block(&self, double: bool, kernel: Kernel, buffers: &[&Buf]) -> Result<Block> {
        let mut block = Block { step: [0; 8], members: [0; MAX_RUNS as usize / 4], narrow: [0; 4] };
        for ((binding, _), buf) in kernel.bindings().into_iter().zip(buffers) {
            let quads = u32::try_from(buf.step() / if double { 32 } else { 16 });
            let quads = quads.map_err(|_| Error::Device(format!("{}: a part is too large", kernel.label())))?;
            block.step[binding as usize - 1] = quads;
        }
        for (place, run) in self.members.iter().enumerate() {
            block.members[place / 4] |= run << (8 * (place % 4));
        }
        for (run, k) in self.ranks.iter().enumerate() {
            block.narrow[run / 16] |= (k.next_multiple_of(4) - k) << (2 * (run % 16));
        }
        Ok(block)
    }
}

/// What the parameter block of a batched kernel goes on with, field by field.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Block {
    step: [u32; 8],
    members: [u32; MAX_RUNS as usize / 4],
    narrow: [u32; 4],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_number_of_quads_make_a_batch() {
        for (ranks, good) in [
            (&[5, 8, 7][..], true),
            (&[5], true),
            (&[], false),
            (&[0], false),
            (&[4, 5], false),
            (&[5; 64], true),
            (&[5; 65], false),
        ] {
            assert_eq!(Batch::new(ranks).is_ok(), good, "{ranks:?}");
        }
    }

    #[test]
    fn members_and_missing_columns_are_packed_as_the_text_unpacks_them() {
        let ranks: Vec<usize> = (0..40).map(|r| 5 + r % 4).collect();
        let mut batch = Batch::new(&ranks).unwrap();
        batch.choose(&[39, 3, 17, 0, 20]).unwrap();
        let block = batch.block(false, Kernel::Apply(nmf_shaders::Power::One), &[]).unwrap();
        for (place, run) in [39, 3, 17, 0, 20].into_iter().enumerate() {
            let found = (block.members[place >> 2] >> (8 * (place & 3))) & 0xff;
            assert_eq!(found, run);
            let missing = (block.narrow[(run >> 4) as usize & 3] >> (2 * (run & 15))) & 3;
            assert_eq!(8 - missing, ranks[run as usize] as u32);
        }
        assert!(batch.choose(&[40]).is_err());
    }
}
