// β = 0: d(x, v) = x/v − ln(x/v) − 1, from s = (x−v)/(x+v) where the plain form would cancel:
// d = 2s²·(1 − (1−s)·T(s))/(1−s).
fn model4(v: vec4<f32>) -> vec4<f32> {
    return floored4(v);
}
// x·v^(β−2)
fn negative4(x: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    let i = 1.0 / v;
    return x * i * i;
}
// v^(β−1)
fn positive4(v: vec4<f32>) -> vec4<f32> {
    return 1.0 / v;
}
// x·v^(β−2) from v^(β−1)
fn negative_of4(x: vec4<f32>, v: vec4<f32>, positive: vec4<f32>) -> vec4<f32> {
    return x * positive * positive;
}
// d(x, v)
fn value(x: f32, v: f32) -> f32 {
    if (x == 0.0) {
        return par.inf;
    }
    let s = (x - v) / (x + v);
    if (abs(s) < 0.2) {
        return 2.0 * s * s * fma(s - 1.0, atanh_tail(s), 1.0) / (1.0 - s);
    }
    let r = x / v;
    return max(r - ln(r) - 1.0, 0.0);
}
// d(0, v) is infinite: the host says so, the kernels sum the rest
fn unstored(v: f32) -> f32 {
    return 0.0;
}
