// out_{j, qL+τ} ← f_{j−τ, q}, and 0 for j < τ: the L = `count` shifted copies of f side by side.
//
// Bindings: 1 f as numbers, p × k in `stride` quads per row; 2 out, p × kq quads.
// Grid: one thread per quad of out.
@group(0) @binding(1) var<storage, read> f: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

fn copy_of(row: u32, column: u32) -> f32 {
    let q = column / par.count;
    let shift = column % par.count;
    if (q >= par.k || shift > row) {
        return 0.0;
    }
    return f[(row - shift) * par.stride * 4u + q];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.kq) {
        return;
    }
    let row = i / par.kq;
    let at = 4u * (i % par.kq);
    out[i] = vec4<f32>(copy_of(row, at), copy_of(row, at + 1u), copy_of(row, at + 2u), copy_of(row, at + 3u));
}
