// previous ← max(0, f + β·(f − previous)), or with flags bit 0 f + β·max(0, f − previous).
//
// Bindings: 1 f; 2 previous; both p × kq quads{WEIGHT_NOTE}.
// Grid: one thread per quad.
@group(0) @binding(1) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> previous: array<vec4<f32>>;
{WEIGHT_BINDING}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq) {
        return;
    }
    let weight = vec4<f32>({WEIGHT});
    let now = f[i];
    var moved = now - previous[i];
    if ((par.flags & 1u) != 0u) {
        moved = select(vec4<f32>(), moved, moved > vec4<f32>());
    }
    var next = fma(weight, moved, now);
    if ((par.flags & 1u) == 0u) {
        next = select(vec4<f32>(), next, next > vec4<f32>());
    }
    let column = vec4<u32>(4u * (i % par.kq)) + vec4<u32>(0u, 1u, 2u, 3u);
    previous[i] = select(vec4<f32>(), next, column < vec4<u32>(par.k));
}
