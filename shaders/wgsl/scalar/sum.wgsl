// Σ of `count` numbers from sum1 on: shortens a long list of partial sums, 2048 to one.
//
// Bindings: 1 the numbers; 4 one partial sum per workgroup, from sum0 on.
// Grid: 2048 numbers per workgroup of 64 threads, 32 each in two levels.
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    var sum = LongSum(0.0, 0.0, 0.0, 0u);
    for (var i = g * 2048u + tid; i < min((g + 1u) * 2048u, par.count); i += 64u) {
        sum = long_add(sum, a[par.sum1 + i]);
    }
    let total = group_sum(tid, long_total(sum));
    if (tid == 0u) {
        sums[par.sum0 + g] = total;
    }
}
