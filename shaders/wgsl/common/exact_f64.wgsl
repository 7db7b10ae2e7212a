// The state of a momentum, in 32-bit words, and the fixed-point numbers in it.
//
// An objective is kept exactly: `LIMBS` limbs of 16 bits hold every sum of f64 numbers times powers of two from 2^-126 to
// 2^127, the lowest limb worth 2^-1200, the highest one signed. Integers are added, because drivers may reassociate floating
// point; and the order of addition does not matter.
const LIMBS: u32 = 149u;
const T: u32 = 0u;          // Nesterov's t, an f64
const WEIGHT: u32 = 2u;     // the weight of the next extrapolation, an f64
const LAST_KIND: u32 = 4u;  // what the last objective is
const NOW_SPECIAL: u32 = 5u; // whether NaN (bit 0), +∞ (bit 1), −∞ (bit 2) occurred in the sum being made
const LAST: u32 = 6u;       // limbs of the last objective
const NOW: u32 = 155u;      // limbs of the sum being made; zero between objectives

// Kinds, in ascending order where they can be compared.
const IS_NAN: i32 = 0;
const IS_MINUS_INF: i32 = 1;
const IS_FINITE: i32 = 2;
const IS_PLUS_INF: i32 = 3;
