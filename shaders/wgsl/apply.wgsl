// f ← f ∘ (N ⊘ max(D + l1 + l2·f, FLOOR))^γ in the columns from `fixed` on; with flags bit 0 and l2 > 0 instead the
// positive root of l2·w² + (D + l1)·w − N·f = 0, in the form that does not cancel. Below TINY becomes 0.
//
// Bindings: 1 N, 2 D (`stride` quads per row, 0 for one shared row), 3 f; all p × kq quads.
// Grid: one thread per quad.
@group(0) @binding(1) var<storage, read> num: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> den: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> f: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq) {
        return;
    }
    let quad = i % par.kq;
    let w = f[i];
    let n = num[i];
    let d = den[(i / par.kq) * par.stride + quad] + vec4<f32>(par.l1);
    var next = vec4<f32>();
    if ((par.flags & 1u) != 0u && par.l2 > 0.0) {
        let nw = n * w;
        let s = d + sqrt(fma(d, d, 4.0 * par.l2 * nw));
        next = select(vec4<f32>(), 2.0 * nw / max(s, vec4<f32>(1e-37)), s > vec4<f32>());
    } else {
        let ratio = n / floored4(fma(vec4<f32>(par.l2), w, d));
        if (par.gamma == 1.0) {
            next = w * ratio;
        } else {
            next = w * powr4(ratio, par.gamma);
        }
    }
    next = select(next, vec4<f32>(), next < vec4<f32>(TINY));
    let column = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    next = select(next, w, column < vec4<u32>(par.fixed));
    f[i] = select(vec4<f32>(), next, column < vec4<u32>(par.k));
}
