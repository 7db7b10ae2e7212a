// acc_i = α·row (or acc_i + the same): one shared row written to, or added to, all rows.
//
// Bindings: 1 row, kq quads; 2 acc, p × kq quads. flags: bit 0 adds.
// Grid: one thread per quad of acc.
@group(0) @binding(1) var<storage, read> row: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> acc: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq) {
        return;
    }
    let v = par.alpha * row[i % par.kq];
    if ((par.flags & 1u) != 0u) {
        acc[i] += v;
    } else {
        acc[i] = v;
    }
}
