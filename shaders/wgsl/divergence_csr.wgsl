// Σ d(x, v) over the stored entries of sparse X, and Σ d(0, v) over the same entries.
//
// Bindings: 1–3, 5 as in csr.wgsl; 4 f; 8 two partial sums per segment, from sum0 and from sum1 on.
// Grid: segments. 64 threads take 64 entries at a time, one each.
@group(0) @binding(8) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let segment = segments[g];
    stage_row(segment.x, tid);
    var sum = 0.0;
    var sum_unstored = 0.0;
    for (var at = segment.y + tid; at < segment.z; at += 64u) {
        let raw = model_entry(segment.x, columns[at]);
        let v = model4(vec4<f32>(raw)).x;
        sum += select(value(values[at]{X}, v), v, is_nan(v)){TIMES};
        sum_unstored += unstored(raw);
    }
    let total = group_sum(tid, sum);
    if (tid == 0u) {
        sums[par.sum0 + g] = total;
    }
    let total_unstored = group_sum(tid, sum_unstored);
    if (tid == 0u) {
        sums[par.sum1 + g] = total_unstored;
    }
}
