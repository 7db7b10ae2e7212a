// Σ term(i) over the `p` × `kq` quads of up to three equally shaped matrices; the term is appended.
//
// Bindings: 1, 2, 3 the matrices (a variant binds those it reads); 4 one partial sum per workgroup, from sum0 on;
// the host adds them in f64.
// Grid: 2048 quads per workgroup of 64 threads, 32 each in two levels.
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let count = par.p * par.kq;
    var sum = LongSum(0.0, 0.0, 0.0, 0u);
    for (var i = g * 2048u + tid; i < min((g + 1u) * 2048u, count); i += 64u) {
        let t = term(i);
        sum = long_add(sum, (t.x + t.y) + (t.z + t.w));
    }
    let total = group_sum(tid, long_total(sum));
    if (tid == 0u) {
        sums[par.sum0 + g] = total;
    }
}
