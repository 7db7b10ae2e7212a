// Σ d(x, v) over the stored entries of sparse X, and Σ d(0, v) over the same entries.
//
// Bindings: 1–3, 5 as in csr.wgsl; 4 f; 8 two partial sums per group, from sum0 and from sum1 on.
// Grid: groups. 64 entries at a time, v as in csr_model.wgsl.
@group(0) @binding(8) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let group = group_at(g, tid);
    var sum = 0.0;
    var sum_unstored = 0.0;
    for (var tile = group.first; tile < group.end; tile += 64u) {
        let filled = min(group.end - tile, 64u);
        workgroupBarrier();
        look_up(group, tile, 0u, tid);
        // asked for early, so that it is there when v is
        let entry = values[min(tile + tid, group.end - 1u)];
        workgroupBarrier();
        multiply(group.rows == 1u, 0u, filled, tid);
        workgroupBarrier();
        if (tid < filled) {
            let raw = model_entry(tid);
            let v = model4(vec4<f32>(raw)).x;
            sum += select(value(entry{X}, v), v, is_nan(v)){ENTRY_TIMES};
            sum_unstored += unstored(raw);
        }
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
