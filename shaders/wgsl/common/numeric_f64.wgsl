// Elementary functions in f64: drivers have none of them, or in f32 only, and a square root need not be better than that.

const FLOOR: f64 = 1e-16lf;
const TINY: f64 = 1e-150lf;
// Powers end here.
const MOST: f64 = 1e300lf;
// Far below every sum of two numbers that are not both zero.
const LEAST: f64 = 1e-300lf;
// Terms of a series in t with |t| ≤ ¼: the first one left out is below 2e-17 of the sum for β ≥ −1, 2e-15 for β ≥ −3.
const SERIES: u32 = 28u;

// NaN by its bits.
fn is_nan(x: f64) -> bool {
    return (bitcast<u64>(x) & 0x7ffffffffffffffflu) > 0x7ff0000000000000lu;
}

// max(v, FLOOR) that lets NaN through.
fn floored(v: f64) -> f64 {
    if (is_nan(v)) {
        return v;
    }
    return max(v, FLOOR);
}

fn floored4(v: vec4<f64>) -> vec4<f64> {
    return vec4<f64>(floored(v.x), floored(v.y), floored(v.z), floored(v.w));
}

// √x for x ≥ 0 (NaN below): two Newton steps from the driver's, which may be good to f32 only, with the residual x − y² exact.
fn root(x: f64) -> f64 {
    let y = sqrt(x);
    let nearer = fma(fma(-y, y, x), 0.5lf / y, y);
    let next = fma(fma(-nearer, nearer, x), 0.5lf / nearer, nearer);
    // zero, infinity and NaN are their own; beside the ends of the range the residual is not exact
    return select(y, next, x > 1e-280lf && x < 1e300lf);
}

fn root4(x: vec4<f64>) -> vec4<f64> {
    return vec4<f64>(root(x.x), root(x.y), root(x.z), root(x.w));
}

// T(s) = s/3 + s³/5 + s⁵/7 + …, so that ln((1+s)/(1−s)) = 2s + 2s²·T(s). Twelve terms: for |s| ≤ 0.2 the first one
// left out is below 2e-18 of the sum.
fn atanh_tail(s: f64) -> f64 {
    let z = s * s;
    var t = fma(z, 1.0lf / 25.0lf, 1.0lf / 23.0lf);
    t = fma(z, t, 1.0lf / 21.0lf);
    t = fma(z, t, 1.0lf / 19.0lf);
    t = fma(z, t, 1.0lf / 17.0lf);
    t = fma(z, t, 1.0lf / 15.0lf);
    t = fma(z, t, 1.0lf / 13.0lf);
    t = fma(z, t, 1.0lf / 11.0lf);
    t = fma(z, t, 1.0lf / 9.0lf);
    t = fma(z, t, 1.0lf / 7.0lf);
    t = fma(z, t, 1.0lf / 5.0lf);
    t = fma(z, t, 1.0lf / 3.0lf);
    return s * t;
}

// ln x for normal x > 0 to a few units in the last place: x = 2^e·m with m in [√½, √2), ln m from s = (m−1)/(m+1).
fn ln(x: f64) -> f64 {
    let bits = bitcast<u64>(x);
    // the upper words say it all: e is the exponent of x/√½
    let e = (i32(u32(bits >> 32u)) - 0x3fe6a09e) >> 20u;
    let m = bitcast<f64>(bits - (u64(bitcast<u32>(e << 20u)) << 32u));
    let f = m - 1.0lf;
    let s = f / (2.0lf + f);
    let lnm = 2.0lf * s * fma(s, atanh_tail(s), 1.0lf);
    // ln 2 in two parts: the first ends in 21 zero bits, so e times it is exact
    return fma(f64(e), 0.69314718036912382lf, fma(f64(e), 1.9082149292705877e-10lf, lnm));
}

// eˣ for x ≤ 700, 0 below −700, to a few units in the last place: x = i·ln 2 + r with |r| ≤ ½·ln 2, and the series of e^r.
fn exponential(x: f64) -> f64 {
    if (x < -700.0lf) {
        return 0.0lf;
    }
    let y = min(x, 700.0lf);
    let i = clamp(i32(floor(fma(y, 1.4426950408889634lf, 0.5lf))), -1011, 1011);
    let n = f64(i);
    let r = fma(-n, 1.9082149292705877e-10lf, fma(-n, 0.69314718036912382lf, y));
    var p = fma(r, 1.0lf / 6227020800.0lf, 1.0lf / 479001600.0lf);
    p = fma(r, p, 1.0lf / 39916800.0lf);
    p = fma(r, p, 1.0lf / 3628800.0lf);
    p = fma(r, p, 1.0lf / 362880.0lf);
    p = fma(r, p, 1.0lf / 40320.0lf);
    p = fma(r, p, 1.0lf / 5040.0lf);
    p = fma(r, p, 1.0lf / 720.0lf);
    p = fma(r, p, 1.0lf / 120.0lf);
    p = fma(r, p, 1.0lf / 24.0lf);
    p = fma(r, p, 1.0lf / 6.0lf);
    p = fma(r, p, 0.5lf);
    p = fma(r, p, 1.0lf);
    p = fma(r, p, 1.0lf);
    // 2^i by its bits
    return p * bitcast<f64>(u64(u32(i + 1023)) << 52u);
}

// v^e for v ≥ 0, saturated at MOST so that products with zero stay zero. Whole and half exponents up to 4 use
// only products, square root and division; the rest is exp(e·ln v), good to about (3 + 2·|e·ln v|) roundings.
fn powr(v: f64, e: f64) -> f64 {
    if (v <= 0.0lf) {
        return select(0.0lf, 1.0lf, e == 0.0lf);
    }
    let a = abs(e);
    if (a <= 4.0lf && 2.0lf * a == floor(2.0lf * a)) {
        let b = select(v, 1.0lf / v, e < 0.0lf);
        let n = u32(a);
        let b2 = b * b;
        var r = 1.0lf;
        if ((n & 1u) != 0u) {
            r = b;
        }
        if ((n & 2u) != 0u) {
            r = r * b2;
        }
        if ((n & 4u) != 0u) {
            r = r * (b2 * b2);
        }
        if (f64(n) != a) {
            r = r * root(b);
        }
        return min(r, MOST);
    }
    return min(exponential(e * ln(v)), MOST);
}

fn powr4(v: vec4<f64>, e: f64) -> vec4<f64> {
    return vec4<f64>(powr(v.x, e), powr(v.y, e), powr(v.z, e), powr(v.w, e));
}
