// Elementary functions that do not trust the driver: WGSL's log may be off by 1.1e-6 absolute, its pow is
// exp2(e·log2 v), x != x is folded to false, and max(NaN, 1) is 1.

const FLOOR: f32 = 1e-10;
const TINY: f32 = 1e-30;
// Powers end here.
const MOST: f32 = 1e30;
// Far below every sum of two numbers that are not both zero.
const LEAST: f32 = 1e-37;
// Terms of a series in t with |t| ≤ ¼: the first one left out is below 1e-9 of the sum.
const SERIES: u32 = 16u;

// NaN by its bits.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// max(v, FLOOR) that lets NaN through.
fn floored(v: f32) -> f32 {
    if (is_nan(v)) {
        return v;
    }
    return max(v, FLOOR);
}

fn floored4(v: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(floored(v.x), floored(v.y), floored(v.z), floored(v.w));
}

fn root(x: f32) -> f32 {
    return sqrt(x);
}

fn root4(x: vec4<f32>) -> vec4<f32> {
    return sqrt(x);
}

// T(s) = s/3 + s³/5 + s⁵/7 + …, so that ln((1+s)/(1−s)) = 2s + 2s²·T(s). Six terms: for |s| ≤ 0.2 the first one
// left out is below 4e-9 of the sum.
fn atanh_tail(s: f32) -> f32 {
    let z = s * s;
    var t = fma(z, 1.0 / 13.0, 1.0 / 11.0);
    t = fma(z, t, 1.0 / 9.0);
    t = fma(z, t, 1.0 / 7.0);
    t = fma(z, t, 1.0 / 5.0);
    t = fma(z, t, 1.0 / 3.0);
    return s * t;
}

// ln x for normal x > 0 to a few units in the last place: x = 2^e·m with m in [√½, √2), ln m from s = (m−1)/(m+1).
fn ln(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let e = bitcast<i32>(bits - 0x3f3504f3u) >> 23u;
    let m = bitcast<f32>(bits - (bitcast<u32>(e) << 23u));
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let lnm = 2.0 * s * fma(s, atanh_tail(s), 1.0);
    // ln 2 in two parts: the first ends in nine zero bits, so e times it is exact
    return fma(f32(e), 0.693145751953125, fma(f32(e), 1.4286068203094172e-6, lnm));
}

// v^e for v ≥ 0, saturated at MOST so that products with zero stay zero. Whole and half exponents up to 4 use
// only products, square root and division; the rest is exp(e·ln v), good to about (3 + 2·|e·ln v|) roundings.
fn powr(v: f32, e: f32) -> f32 {
    if (v <= 0.0) {
        return select(0.0, 1.0, e == 0.0);
    }
    let a = abs(e);
    if (a <= 4.0 && 2.0 * a == floor(2.0 * a)) {
        let b = select(v, 1.0 / v, e < 0.0);
        let n = u32(a);
        let b2 = b * b;
        var r = 1.0;
        if ((n & 1u) != 0u) {
            r = b;
        }
        if ((n & 2u) != 0u) {
            r = r * b2;
        }
        if ((n & 4u) != 0u) {
            r = r * (b2 * b2);
        }
        if (f32(n) != a) {
            r = r * root(b);
        }
        return min(r, MOST);
    }
    return min(exp(e * ln(v)), MOST);
}

fn powr4(v: vec4<f32>, e: f32) -> vec4<f32> {
    return vec4<f32>(powr(v.x, e), powr(v.y, e), powr(v.z, e), powr(v.w, e));
}
