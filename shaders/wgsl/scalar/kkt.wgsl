// min(f, ∇)², ∇ = D − N + l1 + l2·f, in the columns from `fixed` on; D has `stride` quads per row, 0 for a shared row
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
    return select(vec4<f32>(), m * m, counts);
}
