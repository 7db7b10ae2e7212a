//! 64 bits that stand for a matrix, to notice that it is another one.

use crate::Element;
use ndarray::ArrayView2;

/// A sum of hashes, one per entry and its place: the order in which entries are visited does not matter, so that every layout of a
/// matrix has the same fingerprint. It notices accidents; it is no protection against intent.
pub(crate) struct Fingerprint {
    sum: u64,
    count: u64,
    dim: (usize, usize),
}

impl Fingerprint {
    /// Of a matrix of this shape.
    pub(crate) fn new(dim: (usize, usize)) -> Self {
        Fingerprint { sum: 0, count: 0, dim }
    }

    /// Takes in one entry and its weight. The signs of zeros do not count.
    pub(crate) fn add(&mut self, row: usize, col: usize, values: [f64; 2]) {
        let place = mix((row as u64) << 32 ^ col as u64);
        let entry = values.iter().fold(place, |h, v| mix(h ^ (v + 0.0).to_bits()));
        self.sum = self.sum.wrapping_add(entry);
        self.count += 1;
    }

    /// What stands for it.
    pub(crate) fn value(&self) -> u64 {
        [self.count, self.dim.0 as u64, self.dim.1 as u64].iter().fold(mix(self.sum), |h, v| mix(h ^ v))
    }

    /// Of a dense matrix.
    pub(crate) fn of<T: Element>(a: ArrayView2<'_, T>) -> u64 {
        let mut print = Fingerprint::new(a.dim());
        a.indexed_iter().for_each(|((i, j), v)| print.add(i, j, [v.f64(), 1.0]));
        print.value()
    }
}

/// One step of SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
