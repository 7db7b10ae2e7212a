// The state of a momentum, in 32-bit words, and the fixed-point numbers in it.
//
// An objective is kept exactly: `LIMBS` limbs of 16 bits hold every sum of f32 numbers times powers of two, the lowest
// limb worth 2^-288, the highest one signed. Integers are added, because drivers may reassociate floating point, which
// undoes every compensated sum; and the order of addition does not matter.
const LIMBS: u32 = 36u;
const T: u32 = 0u;          // Nesterov's t, an f32
const WEIGHT: u32 = 1u;     // the weight of the next extrapolation, an f32
const LAST_KIND: u32 = 2u;  // what the last objective is
const NOW_SPECIAL: u32 = 3u; // whether NaN (bit 0), +∞ (bit 1), −∞ (bit 2) occurred in the sum being made
const LAST: u32 = 4u;       // limbs of the last objective
const NOW: u32 = 40u;       // limbs of the sum being made; zero between objectives

// Kinds, in ascending order where they can be compared.
const IS_NAN: i32 = 0;
const IS_MINUS_INF: i32 = 1;
const IS_FINITE: i32 = 2;
const IS_PLUS_INF: i32 = 3;
