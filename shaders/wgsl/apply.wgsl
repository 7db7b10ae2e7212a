// {WHAT_NOTE} in the columns from `fixed` on. Below TINY becomes 0.
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
    // a division is dear on processors: one will do
    let row = i / par.kq;
    let quad = i - row * par.kq;
    let w = f[i];
    let n = num[i];
    let d = den[row * par.stride + quad] + vec4<f32>(par.l1);
{NEXT}    next = select(next, vec4<f32>(), next < vec4<f32>(TINY));
    let column = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
    next = select(next, w, column < vec4<u32>(par.fixed));
    f[i] = select(vec4<f32>(), next, column < vec4<u32>(par.k));
}
