// acc_i = α·Σ_s part_s,i (or acc_i + the same) over `chunks` slabs of `count` quads each.
//
// Bindings: 1 part, chunks × count quads; 2 acc, count quads from row out0 on. flags: bit 0 adds.
// Grid: `width` quads per workgroup of 64 threads; the other 64/width parts share the slabs and meet in a tree.
@group(0) @binding(1) var<storage, read> part: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> acc: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) tid: u32) {
    let g = group_index(wid);
    if (g >= par.groups) {
        return;
    }
    let i = g * par.width + tid % par.width;
    let lane = tid / par.width;
    var total = vec4<f32>();
    if (i < par.count) {
        for (var s = lane; s < par.chunks; s += 64u / par.width) {
            total += part[s * par.count + i];
        }
    }
    total = parts_sum(tid, total);
    if (lane == 0u && i < par.count) {
        let at = par.out0 * par.kq + i;
        if ((par.flags & 1u) != 0u) {
            acc[at] = fma(vec4<f32>(par.alpha), total, acc[at]);
        } else {
            acc[at] = par.alpha * total;
        }
    }
}
