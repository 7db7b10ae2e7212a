// min(f, ∇)², ∇ = D − N + l1 + l2·f, in the columns from `fixed` on; D has `stride` quads per row, 0 for a shared row.
// Where V met its floor a gradient can be 1e20 and its square beyond f32: flags bit 0 sums only those above 1e12, and
// 2^−80 of their squares; without it only the others are summed.
@group(0) @binding(1) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> num: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> den: array<vec4<f32>>;

fn term(i: u32) -> vec4<f32> {
    let quad = i % par.kq;
    let w = f[i];
    let grad = (den[(i / par.kq) * par.stride + quad] - num[i]) + (vec4<f32>(par.l1) + par.l2 * w);
    // not min(): it would hide a NaN
    let m = select(w, grad, grad < w);
    let column = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    let counts = (column >= vec4<u32>(par.fixed)) & (column < vec4<u32>(par.k));
    // a NaN is not above and so stays in the first sum
    let above = abs(m) > vec4<f32>(1e12);
    if ((par.flags & 1u) != 0u) {
        let scaled = m * 9.094947017729282e-13;
        return select(vec4<f32>(), scaled * scaled, counts & above);
    }
    return select(m * m, vec4<f32>(), above | !counts);
}
