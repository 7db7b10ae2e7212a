// Any other β: d(x, v) = (x^β + (β−1)·v^β − β·x·v^(β−1)) / (β(β−1)). For t = (x−v)/v with |t| ≤ ¼, where that would
// cancel, v^β times the binomial series Σ_{n≥2} c_n·tⁿ, c₂ = ½, c_{n+1} = c_n·(β−n)/(n+1).
fn model4(v: vec4<f32>) -> vec4<f32> {
    return floored4(v);
}
// x·v^(β−2)
fn negative4(x: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    return x * powr4(v, par.beta - 2.0);
}
// v^(β−1)
fn positive4(v: vec4<f32>) -> vec4<f32> {
    return powr4(v, par.beta - 1.0);
}
// x·v^(β−2) from v^(β−1): a division instead of a second power
fn negative_of4(x: vec4<f32>, v: vec4<f32>, positive: vec4<f32>) -> vec4<f32> {
    return x * min(positive / v, vec4<f32>(MOST));
}
// d(x, v)
fn value(x: f32, v: f32) -> f32 {
    let b = par.beta;
    if (x == 0.0) {
        if (b > 0.0) {
            return powr(v, b) / b;
        }
        return par.inf;
    }
    let t = (x - v) / v;
    if (abs(t) <= 0.25) {
        var term = 0.5 * t * t;
        var sum = 0.0;
        for (var n = 2u; n < SERIES + 2u; n += 1u) {
            sum += term;
            term *= t * (b - f32(n)) / f32(n + 1u);
        }
        return powr(v, b) * sum;
    }
    // far from x = v the plain form loses nothing, and no single term of it overflows
    return max((powr(x, b) + (b - 1.0) * powr(v, b) - b * x * powr(v, b - 1.0)) / (b * (b - 1.0)), 0.0);
}
// d(0, v): what the sum over all entries holds for this one (v before flooring); infinite for β ≤ 0, which the
// host says, while the kernels sum the rest
fn unstored(v: f32) -> f32 {
    if (par.beta > 0.0) {
        return powr(floored(v), par.beta) / par.beta;
    }
    return 0.0;
}
