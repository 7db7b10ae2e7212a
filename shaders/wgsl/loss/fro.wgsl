// β = 2: d(x, v) = ½(x−v)². V is not floored: nothing is divided by it.
fn model4(v: vec4<f32>) -> vec4<f32> {
    return v;
}
// x·v^(β−2)
fn negative4(x: vec4<f32>, v: vec4<f32>) -> vec4<f32> {
    return x;
}
// v^(β−1)
fn positive4(v: vec4<f32>) -> vec4<f32> {
    return v;
}
// d(x, v)
fn value(x: f32, v: f32) -> f32 {
    return 0.5 * (x - v) * (x - v);
}
// d(0, v): what the sum over all entries holds for this one (v before flooring)
fn unstored(v: f32) -> f32 {
    return 0.5 * v * v;
}
