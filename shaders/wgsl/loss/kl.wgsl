// β = 1: d(x, v) = x·ln(x/v) − x + v, from s = (x−v)/(x+v) where the plain form would cancel:
// ln(x/v) = 2s + 2s²·T(s) gives d = v·2s²·(1 + (1+s)·T(s))/(1−s).
fn model4(v: vec4<f32>) -> vec4<f32> {
    return floored4(v);
}
// x·v^(β−2)
fn negative4(x: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    return x / v;
}
// v^(β−1)
fn positive4(v: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(1.0);
}
// d(x, v)
fn value(x: f32, v: f32) -> f32 {
    if (x == 0.0) {
        return v;
    }
    let s = (x - v) / (x + v);
    if (abs(s) < 0.2) {
        return v * 2.0 * s * s * fma(1.0 + s, atanh_tail(s), 1.0) / (1.0 - s);
    }
    return max(fma(x, ln(x / v), v - x), 0.0);
}
// d(0, v): what the sum over all entries holds for this one (v before flooring)
fn unstored(v: f32) -> f32 {
    return v;
}
