// out_s = Σ of a chunk of the rows of f: the denominator of KL and the test for columns that are all zero.
//
// Bindings: 1 f, p × kq quads; 2 out, one row of kq quads per chunk; reduce.wgsl adds the chunks.
// Grid: chunks × blocks of 64 quads; lanes are `width` quads × 64/width parts, joined by a tree.
@group(0) @binding(1) var<storage, read> f: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let chunk = g % par.chunks;
    let quad = (g / par.chunks) * 64u + tid % par.width;
    let part = tid / par.width;
    var total = vec4<f32>();
    if (quad < par.kq) {
        let end = min(par.p, (chunk + 1u) * par.chunk);
        for (var row = chunk * par.chunk + part; row < end; row += 64u / par.width) {
            total += f[row * par.kq + quad];
        }
    }
    total = parts_sum(tid, total);
    if (part == 0u && quad < par.kq) {
        out[chunk * par.kq + quad] = total;
    }
}
