// Columns of f from `fixed` on whose sum is zero become FLOOR throughout, so that they can come back.
//
// Bindings: 1 column sums, kq quads; 2 f, p × kq quads.
// Grid: one thread per quad of f.
@group(0) @binding(1) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> f: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq) {
        return;
    }
    let quad = i % par.kq;
    let column = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    let empty = (sums[quad] == vec4<f32>()) & (column >= vec4<u32>(par.fixed)) & (column < vec4<u32>(par.k));
    if (any(empty)) {
        f[i] = select(f[i], vec4<f32>(FLOOR), empty);
    }
}
