//! The β-divergence d_β(x, y) and what its multiplicative update needs.
//!
//! d_β(x, y) = (x^β + (β−1) y^β − β x y^(β−1)) / (β(β−1)), with the limits at β = 1 (Kullback–Leibler) and
//! β = 0 (Itakura–Saito). Reference: C. Févotte and J. Idier, "Algorithms for nonnegative matrix
//! factorization with the β-divergence", Neural Computation 23(9), 2011.

/// y^p, exactly for the exponents that occur for β ∈ {0, 1, 2, 3}.
#[inline]
pub(super) fn pow(y: f64, p: f64) -> f64 {
    match p {
        0.0 => 1.0,
        1.0 => y,
        2.0 => y * y,
        -1.0 => 1.0 / y,
        -2.0 => 1.0 / (y * y),
        _ => y.powf(p),
    }
}

/// d_β(x, y), written with t = (x−y)/y where the plain form would cancel.
pub(super) fn value(beta: f64, x: f64, y: f64) -> f64 {
    if beta == 2.0 {
        return 0.5 * (x - y) * (x - y);
    }
    if x == 0.0 {
        return if beta > 0.0 { pow(y, beta) / beta } else { f64::INFINITY };
    }
    let t = (x - y) / y;
    // ln(x/y): from t where x ≈ y, from the quotient elsewhere (for x ≪ y, t rounds to −1 and has forgotten x)
    let ln = if t.abs() < 0.5 { t.ln_1p() } else { (x / y).ln() };
    if beta == 1.0 {
        // x ln(x/y) − x + y = y·((1+t)·ln(1+t) − t)
        return (x * ln - (x - y)).max(0.0);
    }
    if beta == 0.0 {
        return (t - ln).max(0.0);
    }
    if t.abs() < 1e-4 {
        // Taylor about x = y, where the plain form loses all digits: y^β (t²/2 + (β−2)t³/6 + (β−2)(β−3)t⁴/24)
        let b2 = beta - 2.0;
        return pow(y, beta) * t * t * (0.5 + t * b2 / 6.0 + t * t * b2 * (beta - 3.0) / 24.0);
    }
    ((pow(x, beta) + (beta - 1.0) * pow(y, beta) - beta * x * pow(y, beta - 1.0)) / (beta * (beta - 1.0))).max(0.0)
}

/// γ(β), see [`super::Loss::exponent`].
pub(super) fn exponent(beta: f64) -> f64 {
    if beta < 1.0 {
        1.0 / (2.0 - beta)
    } else if beta <= 2.0 {
        1.0
    } else {
        1.0 / (beta - 1.0)
    }
}
