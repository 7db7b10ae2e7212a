//! Pictures whose parts are known: a swimmer with a torso and four limbs in four positions each, 17 parts in all.
//!
//! After D. Donoho and V. Stodden, "When does non-negative matrix factorization give a correct decomposition into parts?", NIPS 2003. Theirs
//! shows the torso in every picture, so that it may as well belong to the limbs and no method can tell; here it is there in
//! every other picture, and all parts are of different brightness.

use crate::{Shape, Stack};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pixels along a side.
pub const SIDE: usize = 32;
/// Torso, and four limbs in four positions.
pub const PARTS: usize = 17;
/// Pixels of a limb.
const LIMB: isize = 8;

/// The parts (17 × 1024 of 0 and 1): the torso, then four positions of each limb. No pixel belongs to two of them.
pub fn parts() -> Array2<f32> {
    let mut out = Array2::zeros((PARTS, SIDE * SIDE));
    let mut ink = |part: usize, x: isize, y: isize| out[[part, y as usize * SIDE + x as usize]] = 1.0;
    for y in 11..=20 {
        ink(0, 15, y);
        ink(0, 16, y);
    }
    // joint, whether it is on the left, and the direction of the fourth position: arms can be held up, legs down
    let limbs: [(isize, isize, isize, isize); 4] = [(14, 11, -1, -1), (17, 11, 1, -1), (14, 20, -1, 1), (17, 20, 1, 1)];
    for (limb, (x, y, outwards, straight)) in limbs.into_iter().enumerate() {
        let directions = [(outwards, -1), (outwards, 0), (outwards, 1), (0, straight)];
        for (position, (dx, dy)) in directions.into_iter().enumerate() {
            (1..=LIMB).for_each(|t| ink(1 + 4 * limb + position, x + dx * t, y + dy * t));
        }
    }
    out
}

/// So many swimmers: every limb in one of its positions, the torso in half of them, every part at 40 % to 100 % of full
/// intensity, in steps of 1/255. The same for one seed always.
pub fn swimmers(count: usize, seed: u64) -> Stack {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = Array2::zeros((count, PARTS));
    for mut row in weights.outer_iter_mut() {
        let brightness = |rng: &mut ChaCha8Rng| f32::from(rng.random_range(102..=255u8)) / 255.0;
        row[0] = if rng.random_range(0..2u8) == 0 { brightness(&mut rng) } else { 0.0 };
        for limb in 0..4 {
            let position = rng.random_range(0..4usize);
            row[1 + 4 * limb + position] = brightness(&mut rng);
        }
    }
    let names = (0..count).map(|i| format!("swimmer{i:04}.png")).collect();
    Stack { pixels: weights.dot(&parts()), names, shape: Shape { height: SIDE, width: SIDE, channels: 1 } }
}
