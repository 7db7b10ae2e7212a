//! Holes of the kernels that measure what a device can do at best.

use super::Holes;
use crate::FMA_STEPS;
use std::fmt::Write;

/// Chains are named and unrolled in the text: an array might not live in registers.
pub(super) fn fma_holes(chains: u32) -> Holes {
    let (mut start, mut round, mut sum) = (String::new(), String::new(), Vec::new());
    for c in 0..chains {
        let _ = writeln!(start, "    var x{c} = start + {c}.0;");
        sum.push(format!("x{c}"));
    }
    for _ in 0..FMA_STEPS {
        for c in 0..chains {
            let _ = writeln!(round, "        x{c} = fma(x{c}, a, b);");
        }
    }
    vec![
        ("CHAINS", chains.to_string()),
        ("STEPS", FMA_STEPS.to_string()),
        ("START", start.trim_end().into()),
        ("ROUND", round.trim_end().into()),
        ("SUM", sum.join(" + ")),
    ]
}
