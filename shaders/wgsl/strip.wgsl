// out_i,j ← X̃_i,j: some rows of dense X̃, one after the other, `chunk` numbers each, from the windows of X.
//
// Bindings: 1 X quads, `ld` per row; 2 out. The window holds p rows of X̃, from its row p0 on, to be
// row out0 … of out, and q entries of each, to be number q0 … of the row.
// Grid: one thread per entry, along the rows of X.
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    let i = g * 64u + tid;
    if (g >= par.groups || i >= par.p * par.q) {
        return;
    }
{PLACE}
    let at = {FROM};
    out[(par.out0 + row) * par.chunk + par.q0 + entry] = x_quad(at / 4u)[at & 3u];
}
